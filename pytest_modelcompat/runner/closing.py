"""The end of a cell: every planned case has a status, and the cell says what it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.results import attribution
from pytest_modelcompat.results.model import CaseRecord, CellStatus, Judgement, Stage, Status
from pytest_modelcompat.runner.attest import contradiction
from pytest_modelcompat.runner.measure import not_made, not_run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.runner.measure import CellEnd
    from pytest_modelcompat.runner.plan import PlannedCell

__all__ = ["attested", "suspected", "unanswered"]

_RAN = frozenset({CellStatus.COMPLETED, CellStatus.MISCONFIGURED})


def attested(planned: PlannedCell, end: CellEnd) -> CellEnd:
    """The cell's end; a completed one whose attestation contradicts its axes is misconfigured."""
    if end.status is not CellStatus.COMPLETED:
        return end
    found = contradiction(planned.cell, attestation=end.attestation, ran_on=end.ran_on)
    if not found:
        return end
    return replace(end, status=CellStatus.MISCONFIGURED, stage=Stage.ASSIGN, reason=found)


def unanswered(
    planned: PlannedCell, end: CellEnd, *, done: Collection[int], wanted: Collection[int]
) -> Iterator[CaseRecord]:
    """A record for each planned case without a result, with its status and reason.

    Args:
        planned: the cell.
        end: how it ended.
        done: positions that have a result.
        wanted: positions that were selected.
    """
    skip = planned.cell.skip
    for n, workload, case in planned.cases():
        if n in done:
            continue
        status, reason = Status.NOT_RUN, _why(end)
        if skip is not None:
            status, reason = Status.SKIPPED, skip
        elif n not in wanted:
            reason = "deselected"
        elif case.not_run:
            reason = case.not_run
        elif case.failure is not None and end.status in _RAN:
            yield not_made(planned, n, workload, case)
            continue
        yield not_run(planned, n, workload, case, status=status, reason=reason)


def suspected(store: Store, cell: str) -> list[tuple[str, int, Judgement, None]]:
    """Failures that follow the corpus' release: the reference's, not the runtime's.

    Returns:
        For `Store.set_judgements`.
    """
    names = attribution.reference_suspects(store.statuses(cell, "op_support"))
    if not names:
        return []
    failed = store.cases(cell=cell, check="op_support", status=Status.FAILED)
    return [
        (cell, record.n, replace(record.judgement, attribution="reference"), None)
        for record in failed
        if record.case in names
    ]


def _why(end: CellEnd) -> str:
    if end.status is CellStatus.COMPLETED:
        return "the worker ended before it"
    if end.status is CellStatus.INTERRUPTED:
        return end.reason
    return f"{end.status.value}: {end.reason.strip().splitlines()[0] if end.reason else ''}"
