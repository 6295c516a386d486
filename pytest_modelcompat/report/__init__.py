"""From a stored run to what a reader sees: data, then view, then template."""
