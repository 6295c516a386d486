"""Every planned case ends in exactly one status: what has none yet gets `not_run`, with a reason.

(Or `skipped`, where a rule of the matrix took its cell out.) This is the last thing before the
output files are written, whether the run went through, was stopped, or lost cells on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.results.model import CellRecord, CellStatus, Outcome, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.runner.plan import Plan, PlannedCell

__all__ = ["complete", "planned_cases"]


def planned_cases(planned: PlannedCell) -> Iterator[tuple[int, str, str, str]]:
    """(n, check, unit, case) of a cell's cases, counted through its workloads."""
    n = 0
    for workload in planned.workloads:
        for case in workload.cases:
            yield n, workload.check, case.unit, case.name
            n += 1


def complete(
    store: Store,
    plan: Plan,
    *,
    reason: str = "stopped",
    reasons: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Fill what is missing.

    Args:
        store: of the run.
        plan: all of it.
        reason: of cells and cases that the run did not come to.
        reasons: cell id -> reason, where it differs ("deselected").

    Returns:
        Cell id -> how many of its cases had no record; cells with none left out.
    """
    reasons = reasons or {}
    have = {cell.id: cell for cell in store.cells()}
    filled: dict[str, int] = {}
    for planned in plan.cells:
        cell = planned.cell
        record = have.get(cell.id)
        if record is None:
            record = CellRecord(
                id=cell.id,
                matrix=cell.matrix,
                axes=cell.axes,
                # A rule of the matrix took it out: nothing was interrupted.
                status=CellStatus.COMPLETED if cell.skip else CellStatus.INTERRUPTED,
                stage=None,
                outcome=Outcome.INFO,
                reason=cell.skip or reasons.get(cell.id, reason),
                environment=planned.environment.id,
                image=cell.image.value,
            )
            store.set_cell(record)
        why = cell.skip or reasons.get(cell.id) or _reason(record, reason)
        for reason_of, cases in _by_reason(planned, why).items():
            number = store.fill_not_run(
                cell.id,
                cases,
                reason_of,
                requested=cell.provider,
                stage=record.stage or Stage.START,
                status=Status.SKIPPED if cell.skip else Status.NOT_RUN,
            )
            if number:
                filled[cell.id] = filled.get(cell.id, 0) + number
    return filled


def _reason(record: CellRecord, otherwise: str) -> str:
    """A broken cell's own reason explains its cases better than "stopped" would."""
    if record.status in {CellStatus.COMPLETED, CellStatus.INTERRUPTED}:
        return otherwise
    return record.reason.partition("\n")[0] or record.status.value


def _by_reason(planned: PlannedCell, reason: str) -> dict[str, Iterable[tuple[int, str, str, str]]]:
    """The cell's cases, those apart that could not have been measured in any case."""
    impossible: dict[str, list[tuple[int, str, str, str]]] = {}
    n = 0
    for workload in planned.workloads:
        for case in workload.cases:
            if case.not_run:
                row = (n, workload.check, case.unit, case.name)
                impossible.setdefault(case.not_run, []).append(row)
            n += 1
    result: dict[str, Iterable[tuple[int, str, str, str]]] = {**impossible}
    # Last: it takes whatever the others have left without a record.
    result.pop(reason, None)
    result[reason] = planned_cases(planned)
    return result
