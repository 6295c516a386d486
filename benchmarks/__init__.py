"""Side-by-side measurements; `python -m benchmarks.NAME` prints the ratios of one run."""
