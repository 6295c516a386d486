"""A run while it runs: the store, the board, the threads, and the end of it all.

pytest's side asks it for what an item needs; the threads of its schedule fill it. Whatever happens
to a cell becomes a record here, in one place (`_close`), with every planned case accounted for.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.cache import sweep
from pytest_modelcompat.environments.protocol import Failure, Prepared
from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.complete import complete as fill
from pytest_modelcompat.results.expect import EntryState
from pytest_modelcompat.results.info import new_run
from pytest_modelcompat.results.model import (
    CellRecord,
    CellStatus,
    Outcome,
    Stage,
    Status,
)
from pytest_modelcompat.results.plan_file import cells_digest, write_plan
from pytest_modelcompat.results.records import batches
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.write import write_outputs
from pytest_modelcompat.runner import command, repro
from pytest_modelcompat.runner.board import Board
from pytest_modelcompat.runner.closing import attested, suspected, unanswered
from pytest_modelcompat.runner.examining import Examiner, settled
from pytest_modelcompat.runner.measure import CellEnd, Measurer
from pytest_modelcompat.runner.places import Places
from pytest_modelcompat.runner.producers import Producers
from pytest_modelcompat.runner.references import References
from pytest_modelcompat.runner.reuse import Reuse
from pytest_modelcompat.runner.schedule import Schedule
from pytest_modelcompat.runner.verdicts import Verdicts
from pytest_modelcompat.runner.workplace import Workplace
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pytest_modelcompat.environments.protocol import EnvironmentSpec
    from pytest_modelcompat.results.kept import Brief, KeptCases
    from pytest_modelcompat.results.model import CaseRecord
    from pytest_modelcompat.runner.plan import Plan, PlannedCase, PlannedCell
    from pytest_modelcompat.runner.settings import Settings

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
        self.verdicts = Verdicts(plan, fail_on=settings.fail_on, baseline=settings.baseline)
        self._store: Store | None = None
        self._workplace: Workplace | None = None
        self._references: References | None = None
        self._producers: Producers | None = None
        self._examiner: Examiner | None = None
        self._schedule: Schedule | None = None
        self._measurers: set[Measurer] = set()
        self._lock = threading.RLock()  # a Ctrl-C in `stop` has it called again
        self._stopped = ""
        self._error: BaseException | None = None
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
        self._reuse = Reuse(
            settings.cache,
            run=run.id,
            started=run.started,
            adapters=settings.members.strange_runtimes,
        )
        write_plan(settings.report, self.plan)
        self._store.register_cells([planned.cell.id for planned in self.plan.cells])
        sweep(settings.cache)
        self._workplace = Workplace(settings.cache)
        self._references = References(settings.cache, self._workplace, self._record)
        self._producers = Producers(
            settings.cache,
            self._workplace,
            self._record,
            jobs=settings.jobs,
            fresh=settings.fresh,
            members=settings.members,
        )
        self._examiner = Examiner(settings.cache, self._workplace.room, self._references.evaluator)
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
            baseline=self.verdicts.baseline,
            notes=self.plan.notes,
            shard=self._shard(),
            issues={
                known.id: known.issue
                for matrix in self.plan.matrices
                for known in matrix.known_issues
                if known.issue
            },
        )

    def _shard(self) -> dict[str, Any]:
        """What the parts of a run agree on, so that a merge can tell whether all are there."""
        index, count = self.settings.shard
        if count == 1:
            return {}
        every = [cell for matrix in self.plan.matrices for cell in matrix.whole or ()]
        return {
            "index": index, "count": count, "cells": len(every), "digest": cells_digest(every),
        }  # fmt: skip

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
            made = registry.prepare(
                spec, cache=self.settings.cache, kinds=self.settings.members.environments
            )
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
        told = Places(cache=self.settings.cache).told
        record = registry.record(made)
        self.store.set_environment(
            replace(record, reason=told(record.reason), log=told(record.log))
        )
        if made.lock is not None:
            self.store.set_lock(made.lock.digest, made.lock.text)

    def _run(self, planned: PlannedCell, prepared: Prepared | Failure | None) -> None:
        self.board.running(1)
        try:
            try:
                if isinstance(prepared, Prepared) and not self._stopped and not planned.cell.skip:
                    planned = self._resolved(planned)
                end, made = self._end_of(planned, prepared)
            except OSError as error:  # of this machine's, for what is ours is never one
                end, made = self._refused(error), prepared
            self._close(planned, end, made)
        finally:
            self.board.running(-1)

    def _resolved(self, planned: PlannedCell) -> PlannedCell:
        """The cell with the models and references that could be had."""
        assert self._references is not None
        assert self._producers is not None
        try:
            return self._references.resolved(self._producers.resolved(planned))
        except command.StoppedError:
            return planned  # whoever stopped us says why

    def _refused(self, error: OSError) -> CellEnd:
        cache = self.settings.cache
        return CellEnd(
            status=CellStatus.INFRASTRUCTURE_FAILED,
            stage=Stage.START,
            reason=Places(cache=cache).told(words.refused(str(cache), error)),
        )

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
            reason = Places(cache=self.settings.cache).told(prepared.reason)
            end = CellEnd(status=prepared.status, stage=prepared.stage, reason=reason)
            return end, prepared
        return self._measured(planned, prepared), prepared

    def _measured(self, planned: PlannedCell, prepared: Prepared) -> CellEnd:
        """Reuse what was measured under the same conditions, else measure and keep it."""
        cell = planned.cell.id
        done = self._recorded(planned)
        ran_on = self._take_up(planned) if done else Counter()
        whole = len(self.selection[cell]) == planned.size and not done
        key = self._reuse.key(planned, prepared)
        if whole and not self.settings.fresh:
            found = self._reuse.load(key, self.store.blobs)
            if found is not None:
                end, kept, briefs = found
                self._reused(planned, kept, briefs)
                return end
        end = self._attempts(planned, prepared)
        end.ran_on = dict(ran_on + Counter(end.ran_on))
        if whole and not self._stopped:
            self._reuse.save(key, end, self.store.cases(cell=cell), self.store.blobs)
        return end

    def _reused(self, planned: PlannedCell, kept: KeptCases, briefs: Sequence[Brief]) -> None:
        """Store and count a whole cell that an earlier run measured."""
        cell = planned.cell.id
        expected = [self.verdicts.expect_kept(cell, each) for each in briefs]
        repro = lru_cache(maxsize=None)(partial(self._repro, planned))
        commands = [
            "" if each.ended == "not_run" else repro(each.check, each.unit) for each in briefs
        ]
        self.store.add_kept(cell, kept, expected, commands)
        self.board.take(cell, briefs, expected)

    def _take_up(self, planned: PlannedCell) -> Counter[str]:
        """Count what a killed run has stored, with today's expectations; on what it ran."""
        ran_on: Counter[str] = Counter()
        stored = self.store.cases(cell=planned.cell.id)
        kept = [r for r in stored if r.judgement.status is not Status.NOT_RUN]
        for record in kept:
            ran_on.update(record.measurement.ran_on or {})
        self._keep([self.verdicts.expect(record) for record in kept])
        return ran_on

    def _attempts(self, planned: PlannedCell, prepared: Prepared) -> CellEnd:
        """Run the cell; infrastructure is tried again, results never are."""
        end = CellEnd(status=CellStatus.COMPLETED)
        for _ in range(ATTEMPTS):
            done = self._recorded(planned)
            wanted = [
                n
                for n, _, case in planned.cases()
                if n in self.selection[planned.cell.id] and n not in done and _can_run(case)
            ]
            notes = end.notes
            end = self._attempt(planned, prepared, wanted)
            end.notes[:0] = [note for note in notes if note not in end.notes]
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
                expect=self.verdicts.expect,
                folder=folder,
                places=Places(cell=folder, cache=self.settings.cache),
                bundles=self._bundle,
                repro=self._repro,
                members=self.settings.members,
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

    def _with_repro(self, planned: PlannedCell, record: CaseRecord) -> CaseRecord:
        """What failed without being run, for want of its model, can be shown again as well."""
        if record.measurement.ended == "not_run":
            return record
        return replace(record, repro=self._repro(planned, record.check, record.unit))

    def _repro(self, planned: PlannedCell, check: str, unit: str) -> str:
        return repro.unit_command(planned.cell, check, unit, root=self.settings.root)

    # -- closing a cell -------------------------------------------------------------------------

    def _close(self, planned: PlannedCell, end: CellEnd, made: Prepared | Failure | None) -> None:
        """Account for every case, decide the cell, store it, and let pytest know."""
        cell = planned.cell
        end = attested(planned, end)
        missing = unanswered(
            planned, end, done=self._recorded(planned), wanted=self.selection.get(cell.id, ())
        )
        told = (self._with_repro(planned, record) for record in missing)
        for batch in batches(told, BATCH):
            self._keep([self.verdicts.expect(record) for record in batch])
        statuses = Counter(self.store.recorded(cell.id).values())
        releases = {name for work in planned.workloads for name in work.entry.corpus}
        if statuses[Status.FAILED.value] and len(releases) > 1:  # else there is nothing to compare
            self.store.set_judgements(suspected(self.store, cell.id))
        if self._examiner is not None and not self._stopped:
            self.store.set_judgements(list(self._examiner.judged(planned, self.store)))
        expectation = self.verdicts.cell(
            cell.id, status=end.status, stage=end.stage, reason=end.reason
        )
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
            counts=dict(Counter(self.store.recorded(cell.id).values())),
            seconds={**(made.seconds if made else {}), "run": end.seconds},
            notes=tuple(end.notes),
            repro=repro.cell_command(cell, root=self.settings.root),
        )
        self.store.set_cell(record)
        self.board.close_cell(record)

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
        sharded = self.settings.shard[1] > 1  # other cells of the matrix run elsewhere
        self.verdicts.close(self.store, self.board, whole=whole, sharded=sharded)
        if sharded and whole:
            self.store.set_run(replace(self.store.run, known=self.verdicts.seen()))
        self.store.set_judgements(list(settled(self.plan, self.store)))
        stale = [each.entry.id for each in self.verdicts.issues if each.state is EntryState.STALE]
        if stale:
            note = f"known issues that selected nothing: {', '.join(stale)}"
            self.store.set_run(replace(self.store.run, notes=(*self.store.run.notes, note)))
        self.board.finish()

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
        if self._producers is not None:
            self._producers.stop()
        for measurer in running:
            measurer.stop(reason)

    def abandon(self) -> None:
        """Leave nothing behind, whatever state this is in; a second call does nothing."""
        if not self.board.finished:
            self.stop("stopped")
        if self._producers is not None:
            self._producers.stop()
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
            told = isinstance(self._error, ModelcompatError)
            cut = cut or ("stopped: writing failed" if told else "stopped by an internal error")
        complete = self.board.finished and not cut
        if not complete:
            self.stop(cut or "stopped")
            assert self._schedule is not None
            self._schedule.join(PATIENCE)
            self.verdicts.judge_late(self.store, self.board)
        deselected = {
            planned.cell.id: "deselected"
            for planned in self.plan.cells
            if planned.cell.id not in self.selection
        }
        fill(self.store, self.plan, reason=self._stopped or "stopped", reasons=deselected)
        if complete:
            self.store.finish()
        write_outputs(self.store)
        return complete and not self.unmeasured()

    def unmeasured(self) -> tuple[str, ...]:
        """Names of matrices that took part and of which not one case was measured."""
        chosen = [c.cell for c in self.plan.cells if c.cell.id in self.selection]
        measured = {cell.matrix for cell in chosen if self.board.measured(cell.id)}
        return tuple(dict.fromkeys(c.matrix for c in chosen if c.matrix not in measured))

    # -- what items ask -------------------------------------------------------------------------

    def failing(self, cell: str, check: str, unit: str) -> Iterator[CaseRecord]:
        """The unit's cases that fail the run, from the store."""
        bad = {Outcome.NOT_OK, Outcome.XPASS}
        for record in self.store.cases(cell=cell, check=check, unit=unit):
            if record.expectation.outcome in bad:
                yield record


def _can_run(case: PlannedCase) -> bool:
    return not case.not_run and case.failure is None
