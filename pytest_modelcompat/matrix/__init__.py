"""The matrix language: from YAML files to frozen cells.

`load_matrix` and `load_matrices` are the way in; `match.matches` applies a matcher to a cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_modelcompat.matrix.load import is_known_issues, load_matrices, load_matrix

__all__ = ["is_known_issues", "load_matrices", "load_matrix"]


def __getattr__(name: str) -> Any:
    """Those who only want a type of `model` do not pay for reading YAML."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_modelcompat.matrix import load  # noqa: PLC0415

    return getattr(load, name)
