"""What is measured: one module per check, behind the seam in `protocol.py`."""
