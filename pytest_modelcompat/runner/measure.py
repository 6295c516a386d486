"""One cell from its environment to its record: orders out, events in, judged, stored, counted.

The worker sends what it saw while it goes on; here each event becomes a measurement, is judged at
once, and is stored in batches. Only what is in the store is counted. A failing case is asked for
again with other settings (`variants`) before its worker is let go, so that the result can say what
made the difference.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results import attribution
from pytest_modelcompat.results.judge import judge
from pytest_modelcompat.results.model import (
    CaseRecord,
    CellStatus,
    Expectation,
    Judgement,
    Measurement,
    Outcome,
    Stage,
    Status,
)
from pytest_modelcompat.results.placement import BASE
from pytest_modelcompat.runner import events
from pytest_modelcompat.runner.cell import CaseOrder, start
from pytest_modelcompat.runner.pairs import paired

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import Prepared
    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.runner.board import Board
    from pytest_modelcompat.runner.cell import CellProcess
    from pytest_modelcompat.runner.expected import Expected, ExpectedCase, Terms
    from pytest_modelcompat.runner.places import Places
    from pytest_modelcompat.runner.plan import PlannedCase, PlannedCell, Workload
    from pytest_modelcompat.runner.settings import Members
    from pytest_modelcompat.runner.verdicts import Verdicts

__all__ = ["CellEnd", "Measurer"]

BATCH = 200  # records in one transaction
PATIENCE = 0.5  # seconds that a finished record may wait for its transaction


@dataclass(kw_only=True)
class CellEnd:
    """How a cell's worker ended, before it becomes the cell's record."""

    status: CellStatus
    stage: Stage | None = None
    reason: str = ""
    attestation: dict[str, Any] = field(default_factory=dict)
    ran_on: dict[str, int] = field(default_factory=dict)
    evidence: bool = False
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(kw_only=True)
class _Open:
    """A case whose variants are still out."""

    record: CaseRecord
    asked: tuple[str, ...]
    variants: dict[str, Judgement] = field(default_factory=dict)


class Measurer:
    """Measures one cell.

    Args:
        planned: the cell and its work.
        prepared: its environment.
        wanted: positions of the cases to run; those already stored are not among them.
        store: where records go.
        board: where they are counted.
        verdicts: what judged cases mean.
        folder: private to this cell, empty.
        places: folders that are told by name.
        expected: what the cases are judged against, shared between cells.
        repro: the command that shows a unit.
        members: kinds of environments, and adapters.
    """

    def __init__(
        self,
        planned: PlannedCell,
        prepared: Prepared,
        *,
        wanted: Collection[int],
        store: Store,
        board: Board,
        verdicts: Verdicts,
        folder: Path,
        places: Places,
        expected: Expected,
        repro: Callable[[PlannedCell, str, str], str],
        members: Members,
    ) -> None:
        self.planned = planned
        self.prepared = prepared
        self.left = set(wanted)
        self._store = store
        self._board = board
        self._verdicts = verdicts
        self._folder = folder
        self._members = members
        self._damaged = False
        self._places = places
        self._expected = expected
        self._repro = lru_cache(maxsize=None)(partial(repro, planned))
        self._open: dict[int, _Open] = {}
        self._batch: list[CaseRecord] = []
        self._flushed = time.monotonic()
        self._process: CellProcess | None = None
        self._stopped = ""
        self._lock = threading.Lock()
        self._end = CellEnd(
            status=CellStatus.INFRASTRUCTURE_FAILED,
            stage=Stage.START,
            notes=list(prepared.notes),
        )

    def stop(self, reason: str) -> None:
        """End the worker now; what it did not get to is not run, for this reason."""
        with self._lock:
            self._stopped = self._stopped or reason
            if self._process is not None:
                self._process.kill()

    def measure(self) -> CellEnd:
        """Run the wanted cases and say how the cell ended; every event is in the store by then."""
        started = time.monotonic()
        seconds = self.planned.cell.limits.cell * self.prepared.slowdown
        timer = threading.Timer(seconds, self.stop, [_limit_reason(seconds)])
        timer.daemon = True
        process = self._start()
        with process:
            timer.start()
            try:
                self._converse(process)
            finally:
                timer.cancel()
                self._close_open()
                self._flush()
        self._end.seconds = time.monotonic() - started
        self._end.notes += _stream_notes(process)
        if self._stopped:
            self._end.status, self._end.reason = CellStatus.INTERRUPTED, self._stopped
        return self._end

    # -- the conversation -----------------------------------------------------------------------

    def _start(self) -> CellProcess:
        process = start(
            self.planned,
            self.prepared,
            folder=self._folder,
            members=self._members,
            restored=self._expected.restored,
        )
        with self._lock:
            self._process = process
            if self._stopped:
                process.kill()
        return process

    def _converse(self, process: CellProcess) -> None:
        process.submit([self._order(n) for n in sorted(self.left)])
        if not self.left:
            process.finish()
        for event in process.events():
            if isinstance(event, events.Damaged):
                # It would wait for more cases, and we for an answer that will not come: have it
                # end. What is missing then is infrastructure's failure, and tried again.
                self._damaged = True
                process.finish()
            self._take(event, process)
            if len(self._batch) >= BATCH or (
                self._batch and time.monotonic() - self._flushed > PATIENCE
            ):
                self._flush()

    def _order(self, n: int) -> CaseOrder:
        workload, case, base = self._find(n)
        return CaseOrder(n=n, bundle=base + case.bundle, index=case.index, repeats=workload.repeats)

    def _find(self, n: int) -> tuple[Workload, PlannedCase, int]:
        """The case, its workload, and the number of that workload's first bundle."""
        base = 0
        for workload in self.planned.workloads:
            if n < len(workload.cases):
                return workload, workload.cases[n], base
            n -= len(workload.cases)
            base += len(workload.bundles)
        raise IndexError(n)

    def _take(self, event: events.Event, process: CellProcess) -> None:
        end = self._end
        match event:
            case events.Attest(facts=facts):
                known = {**facts, **self.prepared.facts}
                end.attestation, end.stage = self._places.told(known), Stage.IMPORT
            case events.Unavailable(reason=reason):
                end.status, end.stage, end.reason = CellStatus.UNAVAILABLE, Stage.LOAD, reason
                process.finish()
            case events.Refused(reason=reason):
                end.status, end.stage, end.reason = CellStatus.MISCONFIGURED, Stage.LOAD, reason
                process.finish()
            case events.ImportFailed():
                end.status, end.stage = CellStatus.ENVIRONMENT_FAILED, Stage.IMPORT
                end.reason = self._places.told(event.text())
            case events.Result() | events.Ended():
                self._case(event, process)
            case events.Leftover() | events.ExitCrash() | events.Note():
                end.notes.append(event.text())
            case events.Done():
                if end.status is CellStatus.INFRASTRUCTURE_FAILED and not self.left:
                    end.status, end.stage = CellStatus.COMPLETED, None
            case events.Lost():
                end.reason = end.reason or event.text()
            case _:
                pass

    # -- one case -------------------------------------------------------------------------------

    def _case(self, event: events.Result | events.Ended, process: CellProcess) -> None:
        workload, case, _ = self._find(event.n)
        against = self._expected.case(workload, case)
        terms = against.terms(workload, case)
        measurement, judgement = self._judge(event, against, terms)
        if event.variant is not None:
            waiting = self._open[event.n]
            waiting.variants[event.variant] = judgement
            if len(waiting.variants) == len(waiting.asked):
                self._settle(waiting)
        else:
            self.left.discard(event.n)
            for provider, nodes in (measurement.ran_on or {}).items():
                self._end.ran_on[provider] = self._end.ran_on.get(provider, 0) + nodes
            record = self._record(event.n, terms, measurement, judgement)
            if case.unit in workload.paired:
                record = paired(record, event, against, self._store.put_blob)
            asked = () if self._damaged else self._variants(judgement)
            if asked:
                self._open[event.n] = _Open(record=record, asked=asked)
                process.submit(
                    [replace(self._order(event.n), variant=variant, repeats=1) for variant in asked]
                )
            else:
                self._add(record)
        if not self.left and not self._open:
            process.finish()

    def _variants(self, judgement: Judgement) -> tuple[str, ...]:
        return attribution.variants_for(judgement, self.planned.cell)

    def _judge(
        self, event: events.Result | events.Ended, against: ExpectedCase, terms: Terms
    ) -> tuple[Measurement, Judgement]:
        measurement, identical = self._measurement(event, against)
        judgement = judge(
            measurement,
            outputs=event.outputs if isinstance(event, events.Result) else [],
            expected=against.outputs,
            identical=identical,
            requested=self._provider(event.variant),
            runtime=self.planned.cell.framework.runtime,
            limits=self._end.attestation.get("limits"),
            memory=self._expected.compared,
            **terms.judged,
        )
        return measurement, judgement

    def _provider(self, variant: str | None) -> str:
        cell = self.planned.cell
        return (
            next(iter(BASE[cell.framework.runtime]))
            if variant == attribution.CPU
            else cell.provider
        )

    def _measurement(
        self, event: events.Result | events.Ended, against: ExpectedCase
    ) -> tuple[Measurement, bool]:
        """The event as a measurement, its outputs stored; whether they are the expected ones."""
        if isinstance(event, events.Ended):
            return self._told(event.measurement()), False
        if event.variant is not None:  # nobody asks later what another setting gave
            marks = ("?",) * len(event.outputs)
            same = bool(marks) and all(map(against.equals, event.outputs))
            return self._told(event.measurement(outputs=marks, expected=None)), same
        kept = self._expected.kept(against, event.outputs, event.answer)
        measurement = event.measurement(outputs=kept.outputs, expected=kept.expected)
        return self._told(measurement), kept.identical

    def _told(self, measurement: Measurement) -> Measurement:
        """Without the folders of this machine; raw otherwise."""
        if measurement.error is None:
            return measurement
        return replace(measurement, error=self._places.told(measurement.error))

    def _record(
        self,
        n: int,
        terms: Terms,
        measurement: Measurement,
        judgement: Judgement,
    ) -> CaseRecord:
        cell, check, case = self.planned.cell, terms.workload.check, terms.case
        return CaseRecord(
            cell=cell.id,
            n=n,
            check=check,
            unit=case.unit,
            case=case.name,
            requested=cell.provider,
            measurement=measurement,
            judgement=judgement,
            expectation=self._verdicts.of(
                cell.id,
                check=check,
                unit=case.unit,
                case=case.name,
                measurement=measurement,
                judgement=judgement,
                reference=terms.reference,
            ),
            reference=terms.reference,
            repro=self._repro(check, case.unit),
            model_bytes=case.model_bytes,
        )

    def _settle(self, waiting: _Open) -> None:
        judgement = attribution.attribute(waiting.record.judgement, waiting.variants)
        del self._open[waiting.record.n]
        self._add(replace(waiting.record, judgement=judgement))

    def _close_open(self) -> None:
        """The worker is gone: keep what was measured, without the variants that did not come."""
        for waiting in list(self._open.values()):
            self._settle(waiting)

    def _add(self, record: CaseRecord) -> None:
        self._batch.append(record)

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if self._batch:
            self._store.add_cases(self._batch)
            self._board.count(self._batch)
            self._batch = []


def not_run(
    planned: PlannedCell,
    n: int,
    workload: Workload,
    case: PlannedCase,
    *,
    status: Status,
    reason: str,
) -> CaseRecord:
    """The record of a case that was not measured, with its reason."""
    return CaseRecord(
        cell=planned.cell.id,
        n=n,
        check=workload.check,
        unit=case.unit,
        case=case.name,
        requested=planned.cell.provider,
        measurement=Measurement(
            stage=Stage.START, ended="not_run", reason=reason, opset=case.opset
        ),
        judgement=Judgement(status=status, stage=Stage.START),
        expectation=Expectation(outcome=Outcome.INFO),
        reference=case.reference,
        model_bytes=case.model_bytes,
    )


def not_made(planned: PlannedCell, n: int, workload: Workload, case: PlannedCase) -> CaseRecord:
    """The record of a case whose producer made no model: its failure is the case's."""
    assert case.failure is not None
    judgement = judge(
        case.failure,
        outputs=[],
        expected=None,
        identical=False,
        tolerances=None,
        suite=None,
        requested=planned.cell.provider,
        runtime=planned.cell.framework.runtime,
    )
    base = not_run(planned, n, workload, case, status=judgement.status, reason="")
    return replace(base, measurement=case.failure, judgement=judgement)


def _limit_reason(seconds: float) -> str:
    return f"the cell's limit of {seconds:g} s was reached"


def _stream_notes(process: CellProcess) -> list[str]:
    stats = process.stats
    if not (stats.torn or stats.garbage):
        return []
    lost = f"{stats.torn} torn frames and {stats.garbage} stray bytes"
    return [f"{lost} in the worker's stream were found and left out"]
