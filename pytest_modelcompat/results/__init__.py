"""What a run found: records, the store, the output files, and what is read back from them.

`load(DIR)` opens a stored run. It is imported when it is asked for, because this package is
touched in every pytest run of everybody who has the plugin installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_modelcompat.results.load import Run, load

__all__ = ["Run", "load"]


def __getattr__(name: str) -> Any:
    """Import `load` and `Run` at their first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module("pytest_modelcompat.results.load")
    # The import has bound `load` to the submodule, which can be called like its function.
    return module if name == "load" else getattr(module, name)
