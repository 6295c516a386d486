"""Compatibility of models, runtimes, Pythons, images and providers, as a pytest plugin."""

__version__ = "0.1.0"
