"""Cases whose reference is an answer of the run itself: another cell's, or the majority's.

They can only be judged when every cell has answered. Until then they are measured, stored, and
without a verdict that anybody sees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.checks.reference import Chosen, consensus, from_cell
from pytest_modelcompat.results.judge import judge
from pytest_modelcompat.results.model import CaseRecord, Judgement, Stage, Status
from pytest_modelcompat.worker.values import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.runner.plan import Plan, PlannedCell
    from pytest_modelcompat.worker.values import Value

__all__ = ["is_late", "judged_late"]

_LATE = frozenset({"cell", "consensus"})
Answer = list[tuple[str, "Value"]]


def is_late(reference: Mapping[str, Any] | None) -> bool:
    """Whether a case with this reference waits for the end of the run."""
    return (reference or {}).get("kind") in _LATE


def judged_late(plan: Plan, store: Store) -> Iterator[tuple[CaseRecord, CaseRecord]]:
    """Every case that waited, as it was stored and as it is judged now.

    Args:
        plan: of the run.
        store: with what every cell has answered.
    """
    cells = {planned.cell.id: planned for planned in plan.cells}
    waiting: dict[tuple[str, str, str, str], list[tuple[PlannedCell, CaseRecord]]] = {}
    for planned in cells.values():
        late = {n for n, _, case in planned.cases() if is_late(case.reference)}
        if not late:
            continue
        for record in store.cases(cell=planned.cell.id, check="parity"):
            if record.n in late:
                key = (planned.cell.matrix, record.unit, record.case, record.check)
                waiting.setdefault(key, []).append((planned, record))
    for group in waiting.values():
        yield from _group(group, store)


def _group(
    group: list[tuple[PlannedCell, CaseRecord]], store: Store
) -> Iterator[tuple[CaseRecord, CaseRecord]]:
    """One case in all the cells that ran it."""
    answers = {
        record.cell: _answer(store, record)
        for _, record in group
        if record.measurement.ended == "returned" and record.measurement.outputs
    }
    for planned, record in group:
        if record.measurement.ended != "returned":
            continue
        workload, case = planned.case(record.n)
        reference = dict(case.reference or {})
        if reference["kind"] == "cell":
            chosen = from_cell(answers, str(reference.get("source", "")))
        else:
            chosen = consensus(answers, workload.tolerances_of(case.unit))
        yield record, _judged(planned, record, chosen=chosen, answers=answers, store=store)


def _judged(
    planned: PlannedCell,
    record: CaseRecord,
    *,
    chosen: Chosen,
    answers: Mapping[str, Answer],
    store: Store,
) -> CaseRecord:
    if chosen.answer is None or chosen.source is None:
        judgement = Judgement(status=Status.NOT_RUN, stage=Stage.COMPARE)
        measurement = replace(record.measurement, reason=f"no reference: {chosen.reason}")
        return replace(record, judgement=judgement, measurement=measurement)
    workload, case = planned.case(record.n)
    judgement = judge(
        replace(record.measurement, outputs=("?",)),
        outputs=[answers[record.cell]],
        expected=list(chosen.answer),
        identical=answers[record.cell] == chosen.answer,
        tolerances=workload.tolerances_of(case.unit),
        suite=None,
        requested=planned.cell.provider,
        runtime=planned.cell.framework.runtime,
    )
    reference = {
        **(case.reference or {}),
        "source": chosen.source,
        "agreeing": list(chosen.agreeing),
    }
    return replace(
        record,
        judgement=judgement,
        measurement=replace(record.measurement, expected=_first(store, chosen.source, record)),
        reference=reference,
    )


def _first(store: Store, cell: str, record: CaseRecord) -> str | None:
    """The digest of what another cell gave for the same case."""
    for other in store.cases(cell=cell, check=record.check, unit=record.unit):
        if other.case == record.case and other.measurement.outputs:
            return other.measurement.outputs[0]
    return None


def _answer(store: Store, record: CaseRecord) -> Answer:
    answer: Answer = decode(store.get_blob(record.measurement.outputs[0]))
    return answer
