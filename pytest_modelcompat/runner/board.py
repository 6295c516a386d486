"""What is known so far about each cell and unit; the one place where threads and pytest meet.

Cells are measured by threads; pytest's items wait here for theirs. Only counts are kept, never
records, so that a run of a million cases costs little: what an item has to say in detail it reads
back from the store.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_modelcompat.results.model import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pytest_modelcompat.results.kept import Brief
    from pytest_modelcompat.results.model import CaseRecord, CellRecord, Expectation
    from pytest_modelcompat.runner.plan import PlannedCell

__all__ = ["Board", "Progress", "Unit"]

UnitKey = tuple[str, str]  # check, unit
_NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(slots=True)
class Unit:
    """The selected cases of one unit in one cell, as counts."""

    cases: tuple[int, ...]
    remaining: int
    statuses: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    # The two that are mostly empty are replaced and never changed, so that units can share them.
    reasons: Mapping[str, int] = field(default_factory=lambda: _NONE)  # of not run, or skipped
    known: frozenset[str] = frozenset()  # ids of the known issues that were seen
    seconds: float = 0.0

    def count(self, record: CaseRecord) -> None:
        """Take in one record."""
        seen = record.measurement
        seconds = seen.load_seconds + sum(seen.run_seconds)
        self.add(record.judgement.status, record.expectation, seconds, seen.reason)

    def add(self, status: Status, expected: Expectation, seconds: float, reason: str) -> None:
        """Take in one case."""
        self.statuses[status.value] = self.statuses.get(status.value, 0) + 1
        outcome = expected.outcome.value
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.seconds += seconds
        if reason:
            self.reasons = {**self.reasons, reason: self.reasons.get(reason, 0) + 1}
        if expected.known:
            self.known |= {expected.known}
        self.remaining -= 1  # last: whoever sees none remaining may read all of it

    def replace(self, old: CaseRecord, new: CaseRecord) -> None:
        """One case got its verdict at the end of the run."""
        self.statuses[old.judgement.status.value] -= 1
        self.outcomes[old.expectation.outcome.value] -= 1
        self.remaining += 1
        self.seconds -= old.measurement.load_seconds + sum(old.measurement.run_seconds)
        self.count(new)

    def change(self, old: Outcome, new: Outcome) -> None:
        """One case's outcome turned out otherwise at the end of the run."""
        self.outcomes[old.value] -= 1
        self.outcomes[new.value] = self.outcomes.get(new.value, 0) + 1


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the run is."""

    cells: int
    cells_done: int
    cases: int
    cases_done: int
    preparing: int
    running: int
    seconds: float


class Board:
    """Counts of every cell and unit, and the condition that pytest's items wait on.

    Args:
        cells: the planned cells.
        selected: cell id -> positions of the cases that will be run.
    """

    def __init__(
        self, cells: Sequence[PlannedCell], selected: Mapping[str, Collection[int]]
    ) -> None:
        self._condition = threading.Condition()
        self._units: dict[str, dict[UnitKey, Unit]] = {}
        self._records: dict[str, CellRecord] = {}
        self._started = time.monotonic()
        self._cases = 0
        self._cases_done = 0
        self._preparing = 0
        self._running = 0
        self._finished = False
        self.selected = selected
        for planned in cells:
            self._lay_out(planned, selected.get(planned.cell.id, ()))

    def _lay_out(self, planned: PlannedCell, chosen: Collection[int]) -> None:
        units = {}
        for check, unit, cases in planned.units():
            wanted = (
                cases if len(chosen) == planned.size else tuple(n for n in cases if n in chosen)
            )
            if wanted:
                units[check, unit] = Unit(wanted, len(wanted))
        self._units[planned.cell.id] = units
        self._cases += len(chosen)

    def unit(self, cell: str, check: str, unit: str) -> Unit | None:
        """The counts of one unit, or None where none of its cases (or cells) was selected."""
        return self._units.get(cell, {}).get((check, unit))

    def count(self, records: Iterable[CaseRecord]) -> None:
        """Take in records that are durable in the store."""
        with self._condition:
            done = False
            for record in records:
                found = self._units[record.cell].get((record.check, record.unit))
                if found is None or record.n not in self.selected[record.cell]:
                    continue
                found.count(record)
                self._cases_done += 1
                done = done or found.remaining == 0
            if done:
                self._condition.notify_all()

    def take(self, cell: str, briefs: Iterable[Brief], expected: Iterable[Expectation]) -> None:
        """Take in a cell's reused cases, which are durable in the store."""
        units, chosen = self._units[cell], self.selected[cell]
        with self._condition:
            for brief, expectation in zip(briefs, expected, strict=True):
                found = units.get((brief.check, brief.unit))
                if found is not None and brief.n in chosen:
                    found.add(brief.status, expectation, brief.seconds, brief.reason)
                    self._cases_done += 1
            self._condition.notify_all()

    def preparing(self, step: int) -> None:
        """One environment more (1) or less (-1) is being made."""
        with self._condition:
            self._preparing += step

    def running(self, step: int) -> None:
        """One cell more (1) or less (-1) is running."""
        with self._condition:
            self._running += step

    def close_cell(self, record: CellRecord) -> None:
        """A cell has its final status and every selected case of it is counted."""
        with self._condition:
            self._records[record.id] = record
            self._condition.notify_all()

    def finish(self) -> None:
        """Nothing will be counted any more."""
        with self._condition:
            self._finished = True
            self._condition.notify_all()

    @property
    def finished(self) -> bool:
        """Whether nothing will be counted any more."""
        return self._finished

    def cell(self, cell: str) -> CellRecord | None:
        """The closed cell's record, or None while it is open."""
        return self._records.get(cell)

    def wait(
        self,
        *,
        cell: str = "",
        unit: UnitKey | None = None,
        whole_run: bool = False,
        seconds: float,
    ) -> bool:
        """Wait until a cell is closed, a unit is counted, or the whole run is finished.

        Returns:
            Whether it is; False when the time is up (waits are short so that Ctrl-C is heard).
        """

        def ready() -> bool:
            if self._finished:
                return True
            if whole_run:
                return False
            if cell in self._records:
                return True
            if unit is None:
                return False
            found = self._units[cell].get(unit)
            return found is not None and found.remaining == 0

        with self._condition:
            return self._condition.wait_for(ready, timeout=seconds)

    def counted(self, cell: str, check: str, unit: str) -> bool:
        """Whether a unit is counted, or its cell closed. Takes no lock: a Ctrl-C cannot hurt."""
        found = self._units[cell].get((check, unit))
        return (found is not None and not found.remaining) or cell in self._records

    def progress(self) -> Progress:
        """A snapshot for the progress line."""
        with self._condition:
            return Progress(
                cells=len(self._units),
                cells_done=len(self._records),
                cases=self._cases,
                cases_done=self._cases_done,
                preparing=self._preparing,
                running=self._running,
                seconds=time.monotonic() - self._started,
            )

    def measured(self, cell: str) -> int:
        """How many cases of a cell were really measured."""
        idle = {Status.NOT_RUN.value, Status.SKIPPED.value}
        return sum(
            count
            for unit in self._units[cell].values()
            for status, count in unit.statuses.items()
            if status not in idle
        )

    def known(self, cell: str) -> int:
        """How many cases of a cell failed as it was known that they would."""
        xfail = Outcome.XFAIL.value
        return sum(unit.outcomes.get(xfail, 0) for unit in self._units[cell].values())

    def not_ok(self, cell: str) -> int:
        """How many cases of a cell fail the run."""
        bad = (Outcome.NOT_OK.value, Outcome.XPASS.value)
        return sum(unit.outcomes.get(o, 0) for unit in self._units[cell].values() for o in bad)
