"""The pytest plugin's front door: options, and nothing else.

It is loaded in every pytest run of every user who has the package installed, so it imports nothing
beyond pytest. With `--compat-matrix` it hands over to `session.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the command line of design §5."""
    group = parser.getgroup("modelcompat", "compatibility matrices of models and runtimes")
    group.addoption("--compat-matrix", nargs="?", const="", metavar="FILE|DIR", default=None)
    parser.addini("compat_matrix", "matrix file or folder that --compat-matrix means", default="")
