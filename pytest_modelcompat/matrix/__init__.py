"""The matrix language: from YAML files to frozen cells.

`load_matrix` and `load_matrices` are the way in; `match.matches` applies a matcher to a cell.
"""

from __future__ import annotations

from pytest_modelcompat.matrix.load import is_known_issues, load_matrices, load_matrix

__all__ = ["is_known_issues", "load_matrices", "load_matrix"]
