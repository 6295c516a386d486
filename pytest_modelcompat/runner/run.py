"""A run while it runs: how it starts, what pytest's side asks of it, and the end of it all.

The threads of its schedule take the cells through (`one_cell`) and fill the board; items wait for
what is on the board. Afterwards every planned case has a status, whatever has happened.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.cache import sweep
from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.results.complete import complete as fill
from pytest_modelcompat.results.expect import EntryState
from pytest_modelcompat.results.info import new_run
from pytest_modelcompat.results.model import Outcome
from pytest_modelcompat.results.plan_file import cells_digest, write_plan
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.write import write_outputs
from pytest_modelcompat.runner import command, repro
from pytest_modelcompat.runner.board import Board
from pytest_modelcompat.runner.examining import Examiner, settled
from pytest_modelcompat.runner.one_cell import OneCell
from pytest_modelcompat.runner.opened import Opened, keep_environment
from pytest_modelcompat.runner.pairs import variant_of
from pytest_modelcompat.runner.producers import Producers
from pytest_modelcompat.runner.references import References
from pytest_modelcompat.runner.reuse import Reuse
from pytest_modelcompat.runner.schedule import Schedule
from pytest_modelcompat.runner.verdicts import Verdicts
from pytest_modelcompat.runner.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_modelcompat.results.model import CaseRecord
    from pytest_modelcompat.runner.plan import Plan
    from pytest_modelcompat.runner.settings import Settings

    Selection = Mapping[str, Collection[int]]

__all__ = ["Running"]

WAIT = 0.2  # seconds; short, so that Ctrl-C is heard
PATIENCE = 10.0  # seconds for the threads to end after everything was told to stop


class Running:
    """One run; `start` makes it.

    Args:
        run: its parts.
    """

    def __init__(self, run: Opened) -> None:
        self._opened = run
        self.settings = run.settings
        self.board = run.board
        self.verdicts = run.verdicts
        self._error: BaseException | None = None
        cells = OneCell(run)
        self._schedule = Schedule(
            [c for c in run.plan.cells if c.cell.id in run.selection],
            jobs=run.settings.jobs,
            needs_environment=cells.needs_environment,
            prepare=cells.prepare,
            run=cells.run,
            finished=self._decided,
            failed=self._failed,
        )

    @classmethod
    def start(cls, plan: Plan, settings: Settings, selection: Selection) -> Running:
        """Plan on disk, store open, threads running; nothing is left where that goes wrong.

        Args:
            plan: everything that is planned.
            settings: of the command line.
            selection: cell id -> positions of the cases that pytest kept; cells that are not in it
                were deselected.

        Raises:
            UsageProblem: the report folder cannot be used.
        """
        verdicts = Verdicts(plan, fail_on=settings.fail_on, baseline=settings.baseline)
        command.allow_all()
        with ExitStack() as undo:
            store = Store.open(
                settings.report,
                plan_digest=plan.digest,
                run=_info(plan, settings, baseline=verdicts.baseline),
                fresh=settings.fresh,
            )
            undo.callback(store.close)
            write_plan(settings.report, plan)
            store.register_cells([planned.cell.id for planned in plan.cells])
            sweep(settings.cache)
            workplace = Workplace(settings.cache)
            undo.callback(workplace.close)
            keep = partial(keep_environment, store, settings)
            references = References(settings.cache, workplace, keep)
            running = cls(
                Opened(
                    plan=plan,
                    settings=settings,
                    selection=selection,
                    store=store,
                    board=Board([c for c in plan.cells if c.cell.id in selection], selection),
                    verdicts=verdicts,
                    workplace=workplace,
                    references=references,
                    producers=Producers(
                        settings.cache,
                        workplace,
                        keep,
                        jobs=settings.jobs,
                        fresh=settings.fresh,
                        members=settings.members,
                    ),
                    examiner=Examiner(settings.cache, workplace.room, references.evaluator),
                    reuse=Reuse(
                        settings.cache,
                        run=store.run.id,
                        started=store.run.started,
                        members=settings.members,
                    ),
                )
            )
            undo.callback(running.stop, "stopped")
            running._schedule.start()
            undo.pop_all()
        return running

    @property
    def store(self) -> Store:
        """The open store."""
        return self._opened.store

    # -- the end --------------------------------------------------------------------------------

    def _decided(self) -> None:
        """Every cell was run: what could only be known now changes the outcomes it concerns."""
        run = self._opened
        whole = not run.stop.reason and all(
            len(run.selection.get(planned.cell.id, ())) == planned.size
            for planned in run.plan.cells
        )
        sharded = run.settings.shard[1] > 1  # other cells of the matrix run elsewhere
        every = whole and run.settings.select is None  # what else would an entry have been for?
        run.verdicts.close(run.store, run.board, whole=every, sharded=sharded)
        if sharded and whole:
            run.store.set_run(replace(run.store.run, known=run.verdicts.seen()))
        run.store.set_judgements(list(settled(run.plan, run.store)))
        stale = [each.entry.id for each in run.verdicts.issues if each.state is EntryState.STALE]
        if stale:
            note = f"known issues that selected nothing: {', '.join(stale)}"
            run.store.set_run(replace(run.store.run, notes=(*run.store.run.notes, note)))
        run.board.finish()

    def _failed(self, error: BaseException) -> None:
        self._error = error
        self.board.finish()

    @property
    def error(self) -> BaseException | None:
        """What went wrong in a thread: a bug of ours, and no result."""
        return self._error

    def stop(self, reason: str) -> None:
        """Start nothing more, and end what runs: installations and workers."""
        self._opened.stop.say(reason)
        command.stop_all()
        self._opened.producers.stop()
        self._opened.stop.end(reason)

    def abandon(self) -> None:
        """Leave nothing behind, whatever state this is in; a second call does nothing."""
        if not self.board.finished:
            self.stop("stopped")
        self._opened.producers.stop()
        self._opened.workplace.close()
        self._opened.store.close()

    def finish(self, *, cut: str) -> bool:
        """Stop what still runs, account for all of it, and write the output files.

        Args:
            cut: why the run is cut short; empty: it is waited for, its last cells are closing.

        Returns:
            Whether the run went through and each matrix was measured (items tell the rest).
        """
        run = self._opened
        while not cut and not run.board.wait(whole_run=True, seconds=WAIT):
            pass
        if self._error is not None:
            told = isinstance(self._error, ModelcompatError)
            cut = cut or ("stopped: writing failed" if told else "stopped by an internal error")
        complete = run.board.finished and not cut
        if not complete:
            self.stop(cut or "stopped")
            self._schedule.join(PATIENCE)
            run.verdicts.judge_late(run.store, run.board)
        deselected = {
            planned.cell.id: "deselected"
            for planned in run.plan.cells
            if planned.cell.id not in run.selection
        }
        fill(run.store, run.plan, reason=run.stop.reason or "stopped", reasons=deselected)
        if complete:
            run.store.finish()
        write_outputs(run.store)
        return complete and not self.unmeasured()

    def unmeasured(self) -> tuple[str, ...]:
        """Names of matrices that took part and of which not one case was measured."""
        run = self._opened
        chosen = [c.cell for c in run.plan.cells if c.cell.id in run.selection]
        measured = {cell.matrix for cell in chosen if run.board.measured(cell.id)}
        return tuple(dict.fromkeys(c.matrix for c in chosen if c.matrix not in measured))

    # -- what items ask -------------------------------------------------------------------------

    def failing(self, cell: str, check: str, unit: str) -> Iterator[CaseRecord]:
        """The unit's cases that fail the run, from the store."""
        bad = {Outcome.NOT_OK, Outcome.XPASS}
        for record in self.store.cases(cell=cell, check=check, unit=unit):
            if record.expectation.outcome in bad:
                yield record


def _info(plan: Plan, settings: Settings, *, baseline: str | None) -> Any:
    return new_run(
        matrices=tuple(
            {"name": m.name, "file": repro.shown_path(m.file, settings.root), "digest": m.digest}
            for m in plan.matrices
        ),
        baseline=baseline,
        notes=plan.notes,
        shard=_shard(plan, settings),
        variant_of=variant_of(plan.matrices),
        issues={
            known.id: known.issue
            for matrix in plan.matrices
            for known in matrix.known_issues
            if known.issue
        },
    )


def _shard(plan: Plan, settings: Settings) -> dict[str, Any]:
    """What the parts of a run agree on, so that a merge can tell whether all are there."""
    index, count = settings.shard
    if count == 1:
        return {}
    every = [cell for matrix in plan.matrices for cell in matrix.whole or ()]
    return {"index": index, "count": count, "cells": len(every), "digest": cells_digest(every)}
