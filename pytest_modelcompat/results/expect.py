"""What a status means for the run: by default, by what the user asked for, by known issues.

Known issues are decided in two steps. While cases come in, `expect` (and `expect_cell`) answer for
each, and every entry keeps count of what it selected, what failed as expected, and what passed.
`close` then says of each entry what became of it. An entry is unexpectedly passing only over the
whole run: one cell in which it still shows is enough to keep it. So a pytest item can know it only
where it holds everything that the entry selects; `xpass_in` tells exactly those, and `final` marks
the records at the end.

Every case of a run goes through `expect` once, those included that were not run or taken over from
an earlier run; else an entry would look stale that is not.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

from pytest_modelcompat.matrix.match import matches
from pytest_modelcompat.results.known import Entry, EntryReport, EntryState
from pytest_modelcompat.results.model import (
    NOT_OK_CASE,
    NOT_OK_CELL,
    CellStatus,
    Expectation,
    Outcome,
    Stage,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_modelcompat.matrix.model import Matrix

__all__ = ["EntryReport", "EntryState", "KnownIndex", "outcome_of"]

_UNSUPPORTED = frozenset({Status.UNSUPPORTED, Status.GATED, Status.FALLBACK})
_OK = frozenset({Status.PASSED, CellStatus.COMPLETED})
_WILD = frozenset("*?[")


def outcome_of(
    status: Status | CellStatus,
    *,
    on_unsupported: Literal["record", "fail"] = "record",
    fail_on: Collection[str] = (),
) -> Outcome:
    """What a status of a case or cell means where nothing is known about it.

    Args:
        status: of either.
        on_unsupported: of the matrix.
        fail_on: statuses that the command line made failures.
    """
    if status.value in fail_on:
        return Outcome.NOT_OK
    if status in _OK:
        return Outcome.OK
    if status in NOT_OK_CASE or status in NOT_OK_CELL:
        return Outcome.NOT_OK
    if on_unsupported == "fail" and status in _UNSUPPORTED:
        return Outcome.NOT_OK
    return Outcome.INFO


@dataclass(eq=False)
class _CellView:
    """The entries of a cell, found once for each unit; cells with the same ones share it."""

    plain: dict[Status | CellStatus, Expectation]
    entries: tuple[Entry, ...] = ()
    units: dict[tuple[str, str], tuple[Entry, ...]] = field(default_factory=dict)

    def of_unit(self, check: str, unit: str) -> tuple[Entry, ...]:
        if not self.entries:
            return ()
        key = (check, unit)
        found = self.units.get(key)
        if found is None:
            found = tuple(each for each in self.entries if each.selects_unit(check, unit))
            self.units[key] = found
        return found


class KnownIndex:
    """The expectations of a run. Safe to ask from several threads.

    Args:
        matrices: all of the run, their cells selected.
        today: in UTC; entries that expired before it excuse nothing.
        fail_on: statuses that the command line made failures.
    """

    def __init__(
        self, matrices: Iterable[Matrix], *, today: date, fail_on: Collection[str] = ()
    ) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._cells: dict[str, _CellView] = {}
        self._xpass: frozenset[Entry] = frozenset()
        for matrix in matrices:
            self._add(matrix, today, frozenset(fail_on))
        self._other = _CellView(_plain("record", frozenset(fail_on)))

    def _add(self, matrix: Matrix, today: date, fail_on: frozenset[str]) -> None:
        entries = [
            Entry(
                issue,
                matrix.name,
                issue.expires is not None and date.fromisoformat(issue.expires) < today,
            )
            for issue in matrix.known_issues
        ]
        self._entries += entries
        plain = _plain(matrix.on_unsupported, fail_on)
        views: dict[tuple[Entry, ...], _CellView] = {}
        for cell in matrix.cells:
            axes = dict(cell.axes)
            ours = tuple(each for each in entries if matches(each.issue.match, axes))
            for each in ours:
                each.cells.add(cell.id)
            self._cells[cell.id] = views.setdefault(ours, _CellView(plain, ours))

    def expect(
        self,
        cell: str,
        *,
        check: str,
        unit: str,
        case: str,
        status: Status,
        stage: Stage | None = None,
        message: str = "",
    ) -> Expectation:
        """What the status of a case means.

        Args:
            cell: id.
            check: of the case.
            unit: of the case.
            case: its name.
            status: as judged.
            stage: where it ended.
            message: raw; of a death also what the process printed.

        Returns:
            Never `xpass`, which nobody can know yet.
        """
        view = self._cells.get(cell, self._other)
        entries = view.of_unit(check, unit)
        plain = view.plain[status]
        if not entries:
            return plain
        selecting = [each for each in entries if each.selects_case(case)]
        return self._count(selecting, plain, status, stage, message)

    def expect_cell(
        self, cell: str, *, status: CellStatus, stage: Stage | None = None, message: str = ""
    ) -> Expectation:
        """What the status of a cell means; entries that name no check, unit or case know cells."""
        view = self._cells.get(cell, self._other)
        selecting = [each for each in view.entries if each.of_cells]
        return self._count(selecting, view.plain[status], status, stage, message)

    def _count(
        self,
        selecting: list[Entry],
        plain: Expectation,
        status: Status | CellStatus,
        stage: Stage | None,
        message: str,
    ) -> Expectation:
        known = None
        with self._lock:
            for each in selecting:
                each.selected += 1
                each.passed += status is Status.PASSED
                if each.expired or status in _OK:
                    continue
                if each.expects(status, stage, message, plain.outcome):
                    each.seen += 1
                    known = known or each
        return plain if known is None else Expectation(outcome=Outcome.XFAIL, known=known.issue.id)

    def xpass_in(self, cell: str, *, check: str, unit: str) -> tuple[str, ...]:
        """Known issues that an item alone decides, and that passed unexpectedly.

        Args:
            cell: id of the item's cell; all its cases have been through `expect`.
            check: of the item.
            unit: of the item.

        Returns:
            Ids of entries that match this cell only, name this unit without a wildcard, and of
            which something passed and nothing failed as expected. All others wait for `close`.
        """
        return tuple(
            each.issue.id
            for each in self._cells.get(cell, self._other).of_unit(check, unit)
            if each.cells == {cell}
            and each.issue.unit == unit
            and not _WILD.intersection(unit)
            and each.state(whole=False) is EntryState.XPASS
        )

    def undecided(self, cell: str, *, check: str, unit: str) -> bool:
        """Whether a passed case of this unit may turn out `xpass` at the end of the run.

        Args:
            cell: id of the unit's cell.
            check: of the unit.
            unit: all of its cases have been through `expect`.
        """
        return any(
            each.narrow and not each.expired and not each.seen
            for each in self._cells.get(cell, self._other).of_unit(check, unit)
        )

    def close(self, *, whole: bool, sharded: bool = False) -> tuple[EntryReport, ...]:
        """What became of every entry.

        Args:
            whole: every cell and case of the matrices was part of the run; else an entry that
                selected nothing is not called stale.
            sharded: other cells of the matrices run elsewhere: an entry that selects nothing here,
                or shows only there, is decided when all are put together.
        """
        states = [(each, each.state(whole=whole and not sharded)) for each in self._entries]
        if sharded:
            open_ = EntryState.UNDECIDED
            states = [(e, open_ if state is EntryState.XPASS else state) for e, state in states]
        self._xpass = frozenset(each for each, state in states if state is EntryState.XPASS)
        return tuple(
            EntryReport(
                entry=each.issue,
                matrix=each.matrix,
                state=state,
                selected=each.selected,
                seen=each.seen,
                passed=each.passed,
            )
            for each, state in states
        )

    def final(
        self,
        cell: str,
        *,
        check: str,
        unit: str,
        case: str,
        status: Status,
        expectation: Expectation,
    ) -> Expectation:
        """The expectation of a case after `close`: `xpass` where it passed and was known to fail.

        Everything else keeps what it had.
        """
        if not self._xpass or status is not Status.PASSED:
            return expectation
        for each in self._cells.get(cell, self._other).of_unit(check, unit):
            if each in self._xpass and each.selects_case(case):
                return Expectation(outcome=Outcome.XPASS, known=each.issue.id)
        return expectation


def _plain(
    on_unsupported: Literal["record", "fail"], fail_on: frozenset[str]
) -> dict[Status | CellStatus, Expectation]:
    """One shared expectation for each status of which nothing is known."""
    by_outcome = {outcome: Expectation(outcome=outcome) for outcome in Outcome}
    return {
        status: by_outcome[outcome_of(status, on_unsupported=on_unsupported, fail_on=fail_on)]
        for status in (*Status, *CellStatus)
    }
