"""A run while it runs: the store, the board, the threads, and the end of it all.

pytest's side asks it for what an item needs; the threads of its schedule fill it. Whatever happens
to a cell becomes a record here, in one place (`_close`), with every planned case accounted for.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.cache import sweep
from pytest_modelcompat.environments.protocol import Failure, Prepared
from pytest_modelcompat.results import attribution
from pytest_modelcompat.results.complete import complete as fill
from pytest_modelcompat.results.expect import EntryReport, EntryState, KnownIndex
from pytest_modelcompat.results.info import new_run
from pytest_modelcompat.results.model import (
    CellRecord,
    CellStatus,
    Expectation,
    Outcome,
    Stage,
    Status,
)
from pytest_modelcompat.results.plan_file import write_plan
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.write import write_outputs
from pytest_modelcompat.runner import command, repro
from pytest_modelcompat.runner.answers import is_late, judged_late
from pytest_modelcompat.runner.attest import contradiction
from pytest_modelcompat.runner.baseline import Baseline
from pytest_modelcompat.runner.board import Board
from pytest_modelcompat.runner.measure import CellEnd, Measurer, not_run
from pytest_modelcompat.runner.references import References
from pytest_modelcompat.runner.reuse import Reuse
from pytest_modelcompat.runner.schedule import Schedule
from pytest_modelcompat.runner.workplace import Workplace
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_modelcompat.environments.protocol import EnvironmentSpec
    from pytest_modelcompat.pipeline import Settings
    from pytest_modelcompat.results.model import CaseRecord
    from pytest_modelcompat.runner.plan import Plan, PlannedCell

    Selection = Mapping[str, Collection[int]]

__all__ = ["Running"]

ATTEMPTS = 2  # of a cell whose infrastructure failed
BATCH = 2000  # not-run records in one transaction
WAIT = 0.2  # seconds; short, so that Ctrl-C is heard
PATIENCE = 10.0  # seconds for the threads to end after everything was told to stop


class Running:
    """One run.

    Args:
        plan: everything that is planned.
        settings: of the command line.
        selection: cell id -> positions of the cases that pytest kept; cells that are not in it
            were deselected.
    """

    def __init__(self, plan: Plan, settings: Settings, selection: Selection) -> None:
        self.plan = plan
        self.settings = settings
        self.selection = selection
        self.board = Board([c for c in plan.cells if c.cell.id in selection], selection)
        today = dt.datetime.now(dt.timezone.utc).date()
        self.known = KnownIndex(plan.matrices, today=today, fail_on=settings.fail_on)
        self._store: Store | None = None
        self._workplace: Workplace | None = None
        self._references: References | None = None
        self._schedule: Schedule | None = None
        self._measurers: set[Measurer] = set()
        self._lock = threading.Lock()
        self._stopped = ""
        self._late = {
            (work.check, case.unit)
            for planned in plan.cells
            for work in planned.workloads
            if work.check == "parity"
            for case in work.cases
            if is_late(case.reference)
        }
        self._baseline = (
            Baseline(settings.baseline, [planned.cell for planned in plan.cells])
            if settings.baseline
            else None
        )
        self.issues: tuple[EntryReport, ...] = ()
        self._error: BaseException | None = None
        self._seconds: dict[str, dict[str, float]] = {}
        self._reuse = Reuse(settings.cache, run="", started="")
        self._bundle = lru_cache(maxsize=None)(Bundle.open)

    # -- beginning ------------------------------------------------------------------------------

    def start(self) -> None:
        """Plan on disk, store open, threads running.

        Raises:
            UsageProblem: the report folder cannot be used.
        """
        settings = self.settings
        command.allow_all()
        self._store = Store.open(
            settings.report, plan_digest=self.plan.digest, run=self._info(), fresh=settings.fresh
        )
        run = self._store.run
        self._reuse = Reuse(settings.cache, run=run.id, started=run.started)
        write_plan(settings.report, self.plan)
        self._store.register_cells([planned.cell.id for planned in self.plan.cells])
        sweep(settings.cache)
        self._workplace = Workplace(settings.cache)
        self._references = References(settings.cache, self._workplace, self._record)
        self._schedule = Schedule(
            [c for c in self.plan.cells if c.cell.id in self.selection],
            jobs=settings.jobs,
            needs_environment=self._needs_environment,
            prepare=self._prepare,
            run=self._run,
            finished=self._decided,
            failed=self._failed,
        )
        self._schedule.start()

    def _info(self) -> Any:
        root = self.settings.root
        return new_run(
            matrices=tuple(
                {"name": m.name, "file": repro.shown_path(m.file, root), "digest": m.digest}
                for m in self.plan.matrices
            ),
            baseline=self._baseline.run if self._baseline else None,
            notes=self.plan.notes,
            issues={
                known.id: known.issue
                for matrix in self.plan.matrices
                for known in matrix.known_issues
                if known.issue
            },
        )

    @property
    def store(self) -> Store:
        """The open store."""
        assert self._store is not None
        return self._store

    # -- the schedule's side --------------------------------------------------------------------

    def _needs_environment(self, planned: PlannedCell) -> bool:
        return planned.cell.skip is None

    def _prepare(self, spec: EnvironmentSpec) -> Prepared | Failure:
        self.board.preparing(1)
        try:
            made = registry.prepare(spec, cache=self.settings.cache)
        except command.StoppedError:
            return Failure(
                spec=spec,
                status=CellStatus.INTERRUPTED,
                stage=Stage.INSTALL,
                reason=self._stopped or "stopped",
            )
        finally:
            self.board.preparing(-1)
        self._record(made)
        return made

    def _record(self, made: Prepared | Failure) -> None:
        self.store.set_environment(registry.record(made))
        if made.lock is not None:
            self.store.set_lock(made.lock.digest, made.lock.text)

    def _run(self, planned: PlannedCell, prepared: Prepared | Failure | None) -> None:
        self.board.running(1)
        try:
            if isinstance(prepared, Prepared) and not self._stopped and planned.cell.skip is None:
                assert self._references is not None
                planned = self._references.resolved(planned)
            end, made = self._end_of(planned, prepared)
            self._close(planned, end, made)
        finally:
            self.board.running(-1)

    def _end_of(
        self, planned: PlannedCell, prepared: Prepared | Failure | None
    ) -> tuple[CellEnd, Prepared | Failure | None]:
        cell = planned.cell
        if cell.skip is not None:
            reason = f"skipped by the matrix: {cell.skip}"
            return CellEnd(status=CellStatus.UNAVAILABLE, reason=reason), None
        if self._stopped:
            return CellEnd(status=CellStatus.INTERRUPTED, reason=self._stopped), prepared
        assert prepared is not None
        if isinstance(prepared, Failure):
            end = CellEnd(status=prepared.status, stage=prepared.stage, reason=prepared.reason)
            return end, prepared
        return self._measured(planned, prepared), prepared

    def _measured(self, planned: PlannedCell, prepared: Prepared) -> CellEnd:
        """Reuse what was measured under the same conditions, else measure and keep it."""
        cell = planned.cell.id
        done = self._recorded(planned)
        if done:
            self._take_up(planned)
        whole = len(self.selection[cell]) == planned.size and not done
        key = self._reuse.key(planned, prepared)
        if whole and not self.settings.fresh:
            found = self._reuse.load(key, self.store.blobs)
            if found is not None:
                end, records = found
                self._keep([self._expect(record) for record in records])
                return end
        end = self._attempts(planned, prepared)
        if whole and not self._stopped:
            self._reuse.save(key, end, self.store.cases(cell=cell), self.store.blobs)
        return end

    def _take_up(self, planned: PlannedCell) -> None:
        """Count what a killed run has stored, with today's expectations."""
        stored = self.store.cases(cell=planned.cell.id)
        kept = [r for r in stored if r.judgement.status is not Status.NOT_RUN]
        self._keep([self._expect(record) for record in kept])

    def _attempts(self, planned: PlannedCell, prepared: Prepared) -> CellEnd:
        """Run the cell; infrastructure is tried again, results never are."""
        end = CellEnd(status=CellStatus.COMPLETED)
        for _ in range(ATTEMPTS):
            done = self._recorded(planned)
            wanted = [
                n
                for n, _, case in planned.cases()
                if n in self.selection[planned.cell.id] and n not in done and not case.not_run
            ]
            end = self._attempt(planned, prepared, wanted)
            if end.status is not CellStatus.INFRASTRUCTURE_FAILED or self._stopped:
                break
        return end

    def _recorded(self, planned: PlannedCell) -> Collection[int]:
        """Positions that were measured already: by a killed run, or by a failed attempt."""
        idle = Status.NOT_RUN.value
        return {n for n, s in self.store.recorded(planned.cell.id).items() if s != idle}

    def _attempt(self, planned: PlannedCell, prepared: Prepared, wanted: list[int]) -> CellEnd:
        assert self._workplace is not None
        with self._workplace.room(planned.cell.id) as folder:
            measurer = Measurer(
                planned,
                prepared,
                wanted=wanted,
                store=self.store,
                board=self.board,
                expect=self._expect,
                folder=folder,
                bundles=self._bundle,
                repro=self._repro,
            )
            with self._lock:
                self._measurers.add(measurer)
                stopped = self._stopped
            if stopped:
                measurer.stop(stopped)
            try:
                return measurer.measure()
            finally:
                with self._lock:
                    self._measurers.discard(measurer)

    def _expected(self, record: CaseRecord) -> Expectation:
        """What a judged case means for the run; each case comes here once."""
        found = self.known.expect(
            record.cell,
            check=record.check,
            unit=record.unit,
            case=record.case,
            status=record.judgement.status,
            stage=record.judgement.stage,
            message=str((record.measurement.error or {}).get("message", "")),
        )
        old = self._baseline is not None and self._baseline.failed(
            record.cell, check=record.check, unit=record.unit, case=record.case
        )
        if old and found.outcome is Outcome.NOT_OK:
            return Expectation(outcome=Outcome.INFO)
        return found

    def _expect(self, record: CaseRecord) -> CaseRecord:
        """The record with its expectation; one that waits for its reference has none yet."""
        if is_late(record.reference) and record.measurement.ended == "returned":
            return record
        return replace(record, expectation=self._expected(record))

    def _repro(self, planned: PlannedCell, check: str, unit: str) -> str:
        return repro.unit_command(planned.cell, check, unit, root=self.settings.root)

    # -- closing a cell -------------------------------------------------------------------------

    def _close(self, planned: PlannedCell, end: CellEnd, made: Prepared | Failure | None) -> None:
        """Account for every case, decide the cell, store it, and let pytest know."""
        cell = planned.cell
        end = self._attested(planned, end)
        self._account(planned, end)
        self._suspect_references(cell.id)
        expectation = self.known.expect_cell(
            cell.id, status=end.status, stage=end.stage, message=end.reason
        )
        old = self._baseline is not None and self._baseline.failed_cell(cell.id, end.status.value)
        if old and expectation.outcome is Outcome.NOT_OK:
            expectation = Expectation(outcome=Outcome.INFO)
        record = CellRecord(
            id=cell.id,
            matrix=cell.matrix,
            axes=cell.axes,
            status=end.status,
            stage=end.stage,
            outcome=expectation.outcome,
            known=expectation.known,
            reason=end.reason,
            environment=planned.environment.id,
            image=cell.image.value,
            image_digest=made.image_digest if isinstance(made, Prepared) else None,
            attestation=end.attestation,
            counts=self._counts(cell.id),
            seconds={**(made.seconds if made else {}), "run": end.seconds},
            notes=tuple(end.notes),
            repro=repro.cell_command(cell, root=self.settings.root),
        )
        self.store.set_cell(record)
        self.board.close_cell(record)

    def _attested(self, planned: PlannedCell, end: CellEnd) -> CellEnd:
        """A completed cell whose attestation contradicts its axes is misconfigured."""
        if end.status is not CellStatus.COMPLETED:
            return end
        found = contradiction(planned.cell, attestation=end.attestation, ran_on=end.ran_on)
        if found:
            end.status, end.stage, end.reason = CellStatus.MISCONFIGURED, Stage.ASSIGN, found
        return end

    def _account(self, planned: PlannedCell, end: CellEnd) -> None:
        """Give each planned case without a result its status and reason."""
        done = self._recorded(planned)
        wanted = self.selection.get(planned.cell.id, ())
        batch: list[CaseRecord] = []
        for n, workload, case in planned.cases():
            if n in done:
                continue
            status, reason = Status.NOT_RUN, _why_not(end)
            if planned.cell.skip is not None:
                status, reason = Status.SKIPPED, planned.cell.skip
            elif n not in wanted:
                reason = "deselected"
            elif case.not_run:
                reason = case.not_run
            record = not_run(planned, n, workload, case, status=status, reason=reason)
            batch.append(self._expect(record))
            if len(batch) == BATCH:
                self._keep(batch)
                batch = []
        self._keep(batch)

    def _suspect_references(self, cell: str) -> None:
        """A failure that follows the corpus' release is the reference's, not the runtime's."""
        failed = list(self.store.cases(cell=cell, check="op_support", status=Status.FAILED))
        if not failed:
            return
        passed = self.store.cases(cell=cell, check="op_support", status=Status.PASSED)
        every = [
            (record.case, record.measurement.opset, record.judgement.status)
            for records in (failed, passed)
            for record in records
        ]
        suspects = attribution.reference_suspects(every)
        self.store.set_judgements(
            (cell, r.n, replace(r.judgement, attribution="reference"), None)
            for r in failed
            if r.case in suspects
        )

    def _keep(self, batch: list[CaseRecord]) -> None:
        if batch:
            self.store.add_cases(batch)
            self.board.count(batch)

    # -- the end --------------------------------------------------------------------------------

    def _decided(self) -> None:
        """Every cell was run: what could only be known now changes the outcomes it concerns."""
        whole = not self._stopped and all(
            len(self.selection.get(planned.cell.id, ())) == planned.size
            for planned in self.plan.cells
        )
        self._judge_late()
        self.issues = self.known.close(whole=whole)
        if any(report.state is EntryState.XPASS for report in self.issues):
            for planned in self.plan.cells:
                self._unexpected(planned.cell.id)
        self.board.finish()

    def _judge_late(self) -> None:
        """Judge the cases whose reference is an answer of the run itself."""
        changed: set[str] = set()
        for old, judged in judged_late(self.plan, self.store):
            new = replace(judged, expectation=self._expected(judged))
            self.store.add_cases([new])
            unit = self.board.unit(new.cell, new.check, new.unit)
            if unit is not None:
                unit.replace(old, new)
            changed.add(new.cell)
        for cell in changed:
            record = self.board.cell(cell)
            if record is not None:
                counted = replace(record, counts=self._counts(cell))
                self.store.set_cell(counted)
                self.board.close_cell(counted)

    def _counts(self, cell: str) -> dict[str, int]:
        return dict(Counter(self.store.recorded(cell).values()))

    def _unexpected(self, cell: str) -> None:
        """Mark the passed cases of one cell that a known issue said would fail."""
        changed = []
        for record in self.store.cases(cell=cell, status=Status.PASSED):
            final = self.known.final(
                cell,
                check=record.check,
                unit=record.unit,
                case=record.case,
                status=record.judgement.status,
                expectation=record.expectation,
            )
            if final != record.expectation:
                changed.append((cell, record.n, final))
                unit = self.board.unit(cell, record.check, record.unit)
                if unit is not None:
                    unit.change(record.expectation.outcome, final.outcome)
        if changed:
            self.store.set_expectations(changed)

    def _failed(self, error: BaseException) -> None:
        self._error = error
        self.board.finish()

    @property
    def error(self) -> BaseException | None:
        """What went wrong in a thread: a bug of ours, and no result."""
        return self._error

    def stop(self, reason: str) -> None:
        """Start nothing more, and end what runs: installations and workers."""
        with self._lock:
            self._stopped = self._stopped or reason
            running = list(self._measurers)
        command.stop_all()
        for measurer in running:
            measurer.stop(reason)

    def abandon(self) -> None:
        """Leave nothing behind, whatever state this is in; a second call does nothing."""
        if not self.board.finished:
            self.stop("stopped")
        if self._workplace is not None:
            self._workplace.close()
        if self._store is not None:
            self._store.close()

    def finish(self, *, cut: str) -> bool:
        """Stop what still runs, account for all of it, and write the output files.

        Args:
            cut: why the run is cut short; empty: it is waited for, its last cells are closing.

        Returns:
            Whether the run went through and each matrix was measured (items tell the rest).
        """
        while not cut and not self.board.wait(whole_run=True, seconds=WAIT):
            pass
        if self._error is not None:
            cut = cut or "stopped by an internal error"
        complete = self.board.finished and not cut
        if not complete:
            self.stop(cut or "stopped")
            assert self._schedule is not None
            self._schedule.join(PATIENCE)
            self._judge_late()
        deselected = {
            planned.cell.id: "deselected"
            for planned in self.plan.cells
            if planned.cell.id not in self.selection
        }
        fill(self.store, self.plan, reason=self._stopped or "stopped", reasons=deselected)
        if complete:
            self.store.finish()
        write_outputs(self.store)
        return complete and self._measured_something()

    def _measured_something(self) -> bool:
        """Whether each matrix that took part has at least one measured case."""
        chosen = [c.cell for c in self.plan.cells if c.cell.id in self.selection]
        for name in {cell.matrix for cell in chosen}:
            if not any(self.board.measured(cell.id) for cell in chosen if cell.matrix == name):
                return False
        return True

    # -- what items ask -------------------------------------------------------------------------

    def undecided(self, cell: str, check: str, unit: str) -> bool:
        """Whether a unit's outcome can still change when other cells are done."""
        return (check, unit) in self._late or self.known.undecided(cell, check=check, unit=unit)

    def waits(self) -> bool:
        """Whether cells have cases that are only judged when all of them are done."""
        return bool(self._late)

    def failing(self, cell: str, check: str, unit: str) -> Iterator[CaseRecord]:
        """The unit's cases that fail the run, from the store."""
        bad = {Outcome.NOT_OK, Outcome.XPASS}
        for record in self.store.cases(cell=cell, check=check, unit=unit):
            if record.expectation.outcome in bad:
                yield record


def _why_not(end: CellEnd) -> str:
    if end.status is CellStatus.COMPLETED:
        return "the worker ended before it"
    if end.status is CellStatus.INTERRUPTED:
        return end.reason
    return f"{end.status.value}: {end.reason.strip().splitlines()[0] if end.reason else ''}"
