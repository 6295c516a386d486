"""What failed in an earlier run already: with `--compat-baseline`, only what is new fails this one.

Cells are told apart by matrix and axes, never by id. Only failures are kept, so that a baseline of
a million results costs the memory of its failures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Cell

__all__ = ["Baseline"]

_FAILS = frozenset({Outcome.NOT_OK, Outcome.XPASS})


class Baseline:
    """The failures of a stored run.

    Args:
        folder: its report folder.
        cells: of the run that is going on.

    Raises:
        StoredRunProblem: the folder holds no run, or a damaged one.
    """

    def __init__(self, folder: Path, cells: Iterable[Cell]) -> None:
        before = load(folder)
        self.run = before.info.id
        ours = {(cell.matrix, tuple(sorted(cell.axes))): cell.id for cell in cells}
        here = {cell.id: ours[cell.key] for cell in before.cells if cell.key in ours}
        self._cells = {
            here[cell.id]: cell.status.value
            for cell in before.cells
            if cell.id in here and cell.outcome in _FAILS
        }
        self._cases = {
            (here[case.cell], case.check, case.unit, case.case)
            for case in before.cases()
            if case.cell in here and case.outcome in _FAILS
        }

    def failed(self, cell: str, *, check: str, unit: str, case: str) -> bool:
        """Whether this case failed then."""
        return (cell, check, unit, case) in self._cases

    def failed_cell(self, cell: str, status: str) -> bool:
        """Whether this cell ended then as it does now."""
        return self._cells.get(cell) == status
