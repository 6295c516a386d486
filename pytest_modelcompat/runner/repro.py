"""The one command that shows a result again."""

from __future__ import annotations

import shlex
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_modelcompat.paths import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Cell

REPORT = "reports/repro"

__all__ = ["cell_command", "shown_path", "unit_command"]


@lru_cache(maxsize=64)
def shown_path(path: Path, root: Path) -> str:
    """A path as a user types it: relative to where pytest's root is, where it lies below."""
    return text_of(path.relative_to(root) if path.is_relative_to(root) else path.name)


def cell_command(cell: Cell, *, root: Path) -> str:
    """Runs one cell again, and measures everything anew."""
    return _command(cell, cell.id, root)


def unit_command(cell: Cell, check: str, unit: str, *, root: Path) -> str:
    """Runs one unit of one cell again, and measures it anew."""
    return _command(cell, f"{cell.id}::{check}::{unit.replace('::', '.')}", root)


def _command(cell: Cell, node: str, root: Path) -> str:
    file = shown_path(cell.matrix_file, root)
    report = f"--compat-report={REPORT}"  # the report that tells this command stays as it is
    return shlex.join(
        ["pytest", f"--compat-matrix={file}", "--compat-fresh", report, f"{file}::{node}"]
    )
