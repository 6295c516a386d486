"""From a plan to measurements: processes, cells, their order, and what is kept of them."""
