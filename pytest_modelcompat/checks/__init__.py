"""What is measured: one module per check, behind the seam in `protocol.py`."""

from pytest_modelcompat.checks.protocol import REGISTRY, Check, check, workload

__all__ = ["REGISTRY", "Check", "check", "workload"]
