"""What failed in an earlier run already: with `--compat-baseline`, only what is new fails this one.

Cells are told apart by matrix and axes, never by id. Only what was not right is kept, so that a
baseline of a million results costs the memory of that. What counts as failed then is said in
`results/changes.py`: also what was excused by a baseline of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.results.changes import FAILS, Side, excused
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import CellStatus, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Cell

__all__ = ["Baseline"]

_KEPT = frozenset({Outcome.NOT_OK, Outcome.XPASS, Outcome.INFO})
_NOTHING = frozenset({Status.NOT_RUN, Status.SKIPPED})
_DONE = CellStatus.COMPLETED


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
            here[cell.id]: Side(status=cell.status.value, outcome=cell.outcome)
            for cell in before.cells
            if cell.id in here and cell.outcome in _KEPT and cell.status is not _DONE
        }
        same: dict[tuple[Status, Outcome], Side] = {}  # a few dozen records serve all cases
        self._cases: dict[tuple[str, str, str, str], Side] = {}
        for case in before.cases():
            if case.cell in here and case.outcome in _KEPT and case.status not in _NOTHING:
                side = Side(status=case.status.value, outcome=case.outcome)
                key = (here[case.cell], case.check, case.unit, case.case)
                self._cases[key] = same.setdefault((case.status, case.outcome), side)

    def failed(self, cell: str, *, check: str, unit: str, case: str, status: Status) -> bool:
        """Whether this case failed then, so that ending in `status` is nothing new."""
        side = self._cases.get((cell, check, unit, case))
        return side is not None and (side.outcome in FAILS or excused(side, status.value))

    def failed_cell(self, cell: str, status: str) -> bool:
        """Whether this cell ended then as it does now, and that was a failure or excused."""
        side = self._cells.get(cell)
        return side is not None and side.status == status
