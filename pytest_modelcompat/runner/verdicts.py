"""What results mean for this run: known issues, the baseline, and what only the end can tell.

Three things are decided when all cells are done: cases whose reference is an answer of the run
itself, known issues that no longer show (`xpass`), and entries that selected nothing (stale).
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.expect import EntryReport, EntryState, KnownIndex
from pytest_modelcompat.results.model import Expectation, Outcome, Status
from pytest_modelcompat.results.variants import Variants
from pytest_modelcompat.runner.answers import is_late, judged_late
from pytest_modelcompat.runner.pairs import variant_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Cell
    from pytest_modelcompat.results.kept import Brief
    from pytest_modelcompat.results.model import (
        CaseRecord,
        CellStatus,
        Judgement,
        Measurement,
        Stage,
    )
    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.runner.baseline import Baseline
    from pytest_modelcompat.runner.board import Board
    from pytest_modelcompat.runner.plan import Plan

__all__ = ["Verdicts"]

_WAITS = Expectation(outcome=Outcome.INFO)  # for its reference


class Verdicts:
    """The expectations of a run. Safe from several threads.

    Args:
        plan: all of it.
        fail_on: statuses that the command line made failures.
        baseline: folder of the run that this one is compared with.

    Attributes:
        baseline: id of that run.
        issues: what became of each known issue; empty until `close`.
    """

    def __init__(self, plan: Plan, *, fail_on: Collection[str], baseline: Path | None) -> None:
        today = dt.datetime.now(dt.timezone.utc).date()
        self._plan = plan
        self._known = KnownIndex(plan.matrices, today=today, fail_on=fail_on)
        cells = [planned.cell for planned in plan.cells]
        self._before = _baseline(baseline, cells) if baseline else None
        self.baseline = self._before.run if self._before else None
        self.issues: tuple[EntryReport, ...] = ()
        self._late = {
            (work.check, case.unit)
            for planned in plan.cells
            for work in planned.workloads
            if work.check == "parity"
            for case in work.cases
            if is_late(case.reference)
        }
        self._matrix_of, self._limited = _limited(plan)
        self._late |= {("parity", unit) for _, unit in self._limited}

    def expect(self, record: CaseRecord) -> CaseRecord:
        """The judged case with its expectation; one that waits for its reference has none yet.

        Each case comes here, or to `of`, once.
        """
        ended, reference = record.measurement.ended, record.reference
        if self._waits(ended, cell=record.cell, unit=record.unit, reference=reference):
            return record
        found = self._case(record)
        return record if found == record.expectation else replace(record, expectation=found)

    def of(
        self,
        cell: str,
        *,
        check: str,
        unit: str,
        case: str,
        measurement: Measurement,
        judgement: Judgement,
        reference: Mapping[str, Any] | None,
    ) -> Expectation:
        """What a judged case means; one that waits for its reference means nothing yet."""
        if self._waits(measurement.ended, cell=cell, unit=unit, reference=reference):
            return _WAITS
        return self._found(
            cell,
            check=check,
            unit=unit,
            case=case,
            status=judgement.status,
            stage=judgement.stage,
            error=measurement.error or {},
        )

    def expect_kept(self, cell: str, brief: Brief) -> Expectation:
        """The same for a case that is reused."""
        if self._waits(brief.ended, cell=cell, unit=brief.unit, reference=brief.reference):
            return _WAITS
        return self._found(
            cell,
            check=brief.check,
            unit=brief.unit,
            case=brief.case,
            status=brief.status,
            stage=brief.stage,
            error=json.loads(brief.error) if brief.error else {},
        )

    def _waits(
        self, ended: str, *, cell: str, unit: str, reference: Mapping[str, Any] | None
    ) -> bool:
        """Whether a case with this end has to be held against what other cases have to answer."""
        if ended != "returned":
            return False
        limited = self._limited and (self._matrix_of[cell], unit) in self._limited
        return bool(limited) or is_late(reference)

    def _case(self, record: CaseRecord) -> Expectation:
        return self._found(
            record.cell,
            check=record.check,
            unit=record.unit,
            case=record.case,
            status=record.judgement.status,
            stage=record.judgement.stage,
            error=record.measurement.error or {},
        )

    def _found(
        self,
        cell: str,
        *,
        check: str,
        unit: str,
        case: str,
        status: Status,
        stage: Stage,
        error: Mapping[str, Any],
    ) -> Expectation:
        found = self._known.expect(
            cell,
            check=check,
            unit=unit,
            case=case,
            status=status,
            stage=stage,
            message=str(error.get("message", "")),
        )
        old = self._before is not None and self._before.failed(
            cell, check=check, unit=unit, case=case, status=status
        )
        return _not_new(found) if old else found

    def cell(
        self, cell: str, *, status: CellStatus, stage: Stage | None, reason: str
    ) -> Expectation:
        """What the end of a cell means."""
        found = self._known.expect_cell(cell, status=status, stage=stage, message=reason)
        old = self._before is not None and self._before.failed_cell(cell, status.value)
        return _not_new(found) if old else found

    def undecided(self, cell: str, check: str, unit: str) -> bool:
        """Whether a unit's outcome can still change when other cells are done."""
        return (check, unit) in self._late or self._known.undecided(cell, check=check, unit=unit)

    def waits(self) -> bool:
        """Whether cells have cases that are only judged when all of them are done."""
        return bool(self._late)

    def seen(self) -> tuple[dict[str, Any], ...]:
        """What each known issue selected and saw, for whoever puts the shards together."""
        return tuple(
            {
                "id": each.entry.id,
                "matrix": each.matrix,
                "match": {axis: list(patterns) for axis, patterns in each.entry.match.patterns},
                "check": each.entry.check,
                "unit": each.entry.unit,
                "case": each.entry.case,
                "expired": each.state is EntryState.EXPIRED,
                "selected": each.selected,
                "seen": each.seen,
                "passed": each.passed,
            }
            for each in self.issues
        )

    def close(self, store: Store, board: Board, *, whole: bool, sharded: bool = False) -> None:
        """Decide what only the end can tell, in the store and on the board.

        Args:
            store: every planned case has a record.
            board: of the same run.
            whole: nothing was left out, deselected or stopped.
            sharded: other cells of the matrices run elsewhere; what a known issue does there is
                for `modelcompat merge` to see.
        """
        self.judge_late(store, board)
        self.issues = self._known.close(whole=whole, sharded=sharded)
        if any(report.state is EntryState.XPASS for report in self.issues):
            for planned in self._plan.cells:
                self._unexpected(planned.cell.id, store, board)

    def judge_late(self, store: Store, board: Board) -> None:
        """Judge the cases whose reference is an answer of the run itself.

        Variants come last: what limits their distance is beside their own reference, which may be
        such an answer, too.
        """
        changed: set[str] = set()
        for old, judged in chain(judged_late(self._plan, store), self._judged_variants(store)):
            new = replace(judged, expectation=self._case(judged))
            store.add_cases([new])
            unit = board.unit(new.cell, new.check, new.unit)
            if unit is not None:
                unit.replace(old, new)
            changed.add(new.cell)
        for cell in changed:
            record = board.cell(cell)
            if record is not None:
                counts = dict(Counter(store.recorded(cell).values()))
                store.set_cell(replace(record, counts=counts))
                board.close_cell(replace(record, counts=counts))

    def _judged_variants(self, store: Store) -> Iterator[tuple[CaseRecord, CaseRecord]]:
        """Every answer of a variant with limits, as it was judged alone and beside its original."""
        if not self._limited:
            return
        variants = Variants(store, variant_of(self._plan.matrices))
        yield from variants.judged(self._matrix_of)

    def _unexpected(self, cell: str, store: Store, board: Board) -> None:
        """Mark the passed cases of one cell that a known issue said would fail."""
        changed = []
        for record in store.cases(cell=cell, status=Status.PASSED):
            final = self._known.final(
                cell,
                check=record.check,
                unit=record.unit,
                case=record.case,
                status=record.judgement.status,
                expectation=record.expectation,
            )
            if final != record.expectation:
                changed.append((cell, record.n, final))
                unit = board.unit(cell, record.check, record.unit)
                if unit is not None:
                    unit.change(record.expectation.outcome, final.outcome)
        if changed:
            store.set_expectations(changed)


def _limited(plan: Plan) -> tuple[dict[str, str], frozenset[tuple[str, str]]]:
    """(cell -> its matrix, (matrix, model) of variants whose distance is limited).

    Both are empty where there are none, which is nearly always.
    """
    found = frozenset(
        (planned.cell.matrix, model.name)
        for planned in plan.cells
        for entry in planned.cell.checks
        for model in entry.models
        if model.variant_of is not None and model.variant_of.limited
    )
    if not found:
        return {}, found
    return {planned.cell.id: planned.cell.matrix for planned in plan.cells}, found


def _baseline(folder: Path, cells: Sequence[Cell]) -> Baseline:
    # Late: reading stored runs is for those who compare.
    from pytest_modelcompat.runner.baseline import Baseline  # noqa: PLC0415

    return Baseline(folder, cells)


def _not_new(found: Expectation) -> Expectation:
    """With a baseline, only what is new against it fails the run."""
    return Expectation(outcome=Outcome.INFO) if found.outcome is Outcome.NOT_OK else found
