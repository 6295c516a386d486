"""Compatibility of models, runtimes, Pythons, images and providers, as a pytest plugin."""

__version__ = "0.1.0"

DEFAULT_MATRICES = "matrices"
DEFAULT_REPORT = "reports/latest"
