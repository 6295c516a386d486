"""Kind `docker`: cells in containers, through the Docker SDK for Python.

`kind.py` is what the registry knows; nothing of the SDK is imported before a matrix has such a
cell. See `docs/images.md` for what a container of ours may and may not do.
"""
