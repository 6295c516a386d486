"""Expected outputs that nobody has given: made once by the reference evaluator, in its own cell.

A workload whose cases are to be judged against `onnx` gets new bundles in which these outputs (and
inputs that were to be random) stand. They are kept in the cache by everything that decides them. A
reference that cannot be had makes its cases `not_run`, with the evaluator's reason.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.protocol import Failure, Prepared
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.model import Framework, Image, Limits
from pytest_modelcompat.runner import events
from pytest_modelcompat.runner.cell import CaseOrder, start
from pytest_modelcompat.runner.plan import PlannedCell
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker import bundle as bundles
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import EnvironmentSpec
    from pytest_modelcompat.matrix.model import Cell
    from pytest_modelcompat.runner.plan import PlannedCase, Workload
    from pytest_modelcompat.runner.workplace import Workplace

__all__ = ["References"]

RELEASE = "1.23.2"
"""The reference evaluator's release; it is part of every result that was judged against it."""

PYTHONS = ("3.12", "3.11", "3.13", "3.10")
LIMITS = Limits(case=300.0)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the evaluator said about one case."""

    inputs: list[tuple[Any, Any]] | None = None
    outputs: list[tuple[str, Any]] | None = None
    reason: str = ""


class References:
    """Reference outputs of a run; safe from several threads, each workload is done once.

    Args:
        cache: the cache folder.
        workplace: where the evaluator's cells run.
        made: told of every environment that was prepared.
    """

    def __init__(
        self, cache: Path, workplace: Workplace, made: Callable[[Prepared | Failure], object]
    ) -> None:
        self._cache = cache
        self._workplace = workplace
        self._made = made
        self._lock = threading.Lock()
        self._done: dict[str, Workload] = {}
        self._prepare = lru_cache(maxsize=None)(self._prepared)

    def resolved(self, planned: PlannedCell) -> PlannedCell:
        """The same cell with every reference that could be had."""
        if not any(_wants(case) for work in planned.workloads for case in work.cases):
            return planned
        with self._lock:
            works = tuple(self._workload(work, planned.cell) for work in planned.workloads)
        return replace(planned, workloads=works)

    def evaluator(self) -> Prepared | Failure:
        """The environment of the newest onnx, for whoever else has a question to it."""
        with self._lock:
            return self._prepare()

    def _workload(self, work: Workload, cell: Cell) -> Workload:
        if not any(_wants(case) for case in work.cases):
            return work
        if work.digest not in self._done:
            self._done[work.digest] = self._resolve(work, cell)
        return self._done[work.digest]

    def _resolve(self, work: Workload, cell: Cell) -> Workload:
        prepared = self._prepare()
        wanted = [n for n, case in enumerate(work.cases) if _wants(case)]
        if isinstance(prepared, Failure):
            reason = f"no reference: {prepared.status.value}: {prepared.reason}"
            return _without(work, dict.fromkeys(wanted, reason))
        target = self._cache / "data" / f"reference-{self._key(work, prepared)}"
        found = _read(target, wanted)
        if found is None:
            answers = self._evaluate(work, wanted, prepared, cell)
            _write(target, work, answers)
            found = answers
        release = f"onnx=={RELEASE}"
        bundle = target.with_suffix(".bundle")
        return _with(work, found, bundle, release)

    def _prepared(self) -> Prepared | Failure:
        made: Prepared | Failure | None = None
        for python in PYTHONS:
            made = registry.prepare(_spec(python), cache=self._cache)
            if isinstance(made, Prepared):
                break
        assert made is not None
        self._made(made)
        return made

    def _key(self, work: Workload, prepared: Prepared) -> str:
        parts = [work.digest, prepared.lock.digest, worker_file(self._cache / "worker").name]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _evaluate(
        self, work: Workload, wanted: list[int], prepared: Prepared, cell: Cell
    ) -> dict[int, _Answer]:
        answers: dict[int, _Answer] = {}
        failed = "the reference evaluator ended without an answer"
        with self._workplace.room(f"reference {work.digest}") as folder:
            process = start(_as_cell(cell, work), prepared, folder=folder)
            with process:
                process.submit([_order(work, n) for n in wanted])
                process.finish()
                for event in process.events():
                    if isinstance(event, events.Result):
                        answers[event.n] = _answer(event)
                    elif isinstance(event, events.Ended):
                        answers[event.n] = _Answer(reason=f"no reference: it {event.how}")
                    elif isinstance(event, (events.ImportFailed, events.Lost, events.Unavailable)):
                        failed = event.text()
        missing = _Answer(reason=f"no reference: {failed}")
        return {n: answers.get(n, missing) for n in wanted}


def _as_cell(cell: Cell, work: Workload) -> PlannedCell:
    """The evaluator's own cell: of the asking one only the name is left."""
    evaluator = replace(
        cell,
        framework=Framework(distribution="onnx", version=RELEASE, runtime="onnx"),
        provider="reference",
        image=Image(),
        options=(),
        env=(),
        limits=LIMITS,
    )
    return PlannedCell(cell=evaluator, environment=_spec(PYTHONS[0]), workloads=(work,))


def _wants(case: PlannedCase) -> bool:
    return not case.not_run and (case.reference or {}).get("kind") == "onnx"


def _spec(python: str) -> EnvironmentSpec:
    return make_spec(
        role="reference",
        image=Image(),
        python=python,
        requirements=(f"onnx=={RELEASE}",),
        exclude_newer=None,
        install_timeout=600.0,
    )


def _order(work: Workload, n: int) -> CaseOrder:
    case = work.cases[n]
    return CaseOrder(n=n, bundle=case.bundle, index=case.index, whole=True)


def _answer(event: events.Result) -> _Answer:
    if event.error is not None or not event.outputs:
        said = (event.error or {}).get("message", "it returned nothing")
        return _Answer(reason=f"no reference: at stage {event.stage}: {said}")
    return _Answer(inputs=event.inputs, outputs=event.outputs[0])


def _write(target: Path, work: Workload, answers: dict[int, _Answer]) -> None:
    """All answers as one bundle, in the order of the cases; reasons stand in its cases."""
    cases = []
    for n, answer in answers.items():
        planned = work.cases[n]
        source = Bundle.open(work.bundles[planned.bundle])
        case = dict(source.case(planned.index))
        case["inputs"] = answer.inputs or source.inputs(planned.index)
        case["outputs"] = answer.outputs
        case["no_reference"] = answer.reason
        if answer.inputs:
            case.pop("random", None)
        cases.append(case)
    bundles.write(target.with_suffix(".bundle"), {"check": "parity"}, cases)


def _read(target: Path, wanted: list[int]) -> dict[int, _Answer] | None:
    """Answers that were kept; None where there are none or they are damaged."""
    try:
        kept = Bundle.open(target.with_suffix(".bundle"))
    except (OSError, ValueError):
        return None
    if len(kept) != len(wanted):
        return None
    return {
        n: _Answer(reason=str(kept.case(at).get("no_reference") or ""))
        for at, n in enumerate(wanted)
    }


def _without(work: Workload, reasons: dict[int, str]) -> Workload:
    cases = [
        replace(case, not_run=reasons[n]) if n in reasons else case
        for n, case in enumerate(work.cases)
    ]
    return replace(work, cases=tuple(cases))


def _with(work: Workload, answers: dict[int, _Answer], bundle: Path, release: str) -> Workload:
    """The workload with the answers' bundle behind its own, and its cases pointing there."""
    place = {n: at for at, n in enumerate(answers)}
    reference = {"kind": "onnx", "source": "reference evaluator", "version": release}
    cases = []
    for n, case in enumerate(work.cases):
        answer = answers.get(n)
        if answer is None:
            cases.append(case)
        elif answer.reason:
            cases.append(replace(case, not_run=answer.reason))
        else:
            changed = replace(case, bundle=len(work.bundles), index=place[n], reference=reference)
            cases.append(changed)
    key = hashlib.sha256(f"{work.digest} {bundle.name}".encode()).hexdigest()
    return replace(work, cases=tuple(cases), bundles=(*work.bundles, bundle), digest=key)
