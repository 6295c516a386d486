"""The worker: runs in the cell, on Python 3.8 or newer, with the standard library alone.

It imports nothing of the host side. It goes into the cell as one zipapp made of this package, and
its conversation with the host is told in `protocol.py`. It returns outputs and facts; verdicts are
the host's.
"""
