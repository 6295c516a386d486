"""One cell's way: its environment, what it measures or what is kept of it, and its record.

Called from the threads of the schedule. Whatever happens to a cell becomes a record here, in one
place (`_close`), with every planned case accounted for.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.protocol import Failure, Prepared
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.kept import KeptCases
from pytest_modelcompat.results.model import CellRecord, CellStatus, Outcome, Stage, Status
from pytest_modelcompat.results.records import batches
from pytest_modelcompat.runner import command, repro
from pytest_modelcompat.runner.closing import attested, suspected, unanswered
from pytest_modelcompat.runner.expected import Expected
from pytest_modelcompat.runner.measure import CellEnd, Measurer
from pytest_modelcompat.runner.opened import Opened, keep_environment
from pytest_modelcompat.runner.places import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_modelcompat.environments.protocol import EnvironmentSpec
    from pytest_modelcompat.results.kept import Brief
    from pytest_modelcompat.results.model import CaseRecord
    from pytest_modelcompat.runner.plan import PlannedCase, PlannedCell

__all__ = ["OneCell"]

ATTEMPTS = 2  # of a cell whose infrastructure failed
BATCH = 2000  # not-run records in one transaction
# Such a cell came to its end: measured again, it would be the same, or a crash would be forgotten.
_CLOSED = frozenset({
    CellStatus.COMPLETED, CellStatus.MISCONFIGURED, CellStatus.ENVIRONMENT_FAILED,
})  # fmt: skip


class OneCell:
    """Takes cells through, any of them, from any thread.

    Args:
        run: the run that they belong to.
    """

    def __init__(self, run: Opened) -> None:
        self._opened = run
        self._expected = Expected(run.store.put_blob)
        self._closed = self._closed_before()

    def needs_environment(self, planned: PlannedCell) -> bool:
        """Whether the cell still has to be measured anywhere."""
        return planned.cell.skip is None and planned.cell.id not in self._closed

    def prepare(self, spec: EnvironmentSpec) -> Prepared | Failure:
        """Make an environment, and store what became of it."""
        run = self._opened
        run.board.preparing(1)
        try:
            made = registry.prepare(
                spec, cache=run.settings.cache, kinds=run.settings.members.environments
            )
        except command.StoppedError:
            return Failure(
                spec=spec,
                status=CellStatus.INTERRUPTED,
                stage=Stage.INSTALL,
                reason=run.stop.reason or "stopped",
            )
        finally:
            run.board.preparing(-1)
        return keep_environment(run.store, run.settings, made)

    def run(self, planned: PlannedCell, prepared: Prepared | Failure | None) -> None:
        """Measure a cell, or say why not; its environment is None where it needs none."""
        stop, board = self._opened.stop, self._opened.board
        board.running(1)
        try:
            closed = self._closed.get(planned.cell.id)
            if closed is not None:
                self._close_again(planned, closed)
                return
            try:
                if isinstance(prepared, Prepared) and not stop.reason and not planned.cell.skip:
                    planned = self._resolved(planned)
                end, made = self._end_of(planned, prepared)
            except OSError as error:  # of this machine's, for what is ours is never one
                end, made = self._refused(error), prepared
            self._close(planned, end, made)
        finally:
            board.running(-1)

    def _resolved(self, planned: PlannedCell) -> PlannedCell:
        """The cell with the models and references that could be had."""
        try:
            return self._opened.references.resolved(self._opened.producers.resolved(planned))
        except command.StoppedError:
            return planned  # whoever stopped us says why

    def _refused(self, error: OSError) -> CellEnd:
        cache = self._opened.settings.cache
        return CellEnd(
            status=CellStatus.INFRASTRUCTURE_FAILED,
            stage=Stage.START,
            reason=Places(cache=cache).told(words.refused(str(cache), error)),
        )

    def _end_of(
        self, planned: PlannedCell, prepared: Prepared | Failure | None
    ) -> tuple[CellEnd, Prepared | Failure | None]:
        cell, stopped = planned.cell, self._opened.stop.reason
        if cell.skip is not None:
            reason = f"skipped by the matrix: {cell.skip}"
            return CellEnd(status=CellStatus.UNAVAILABLE, reason=reason), None
        if stopped:
            return CellEnd(status=CellStatus.INTERRUPTED, reason=stopped), prepared
        assert prepared is not None
        if isinstance(prepared, Failure):
            reason = Places(cache=self._opened.settings.cache).told(prepared.reason)
            end = CellEnd(status=prepared.status, stage=prepared.stage, reason=reason)
            return end, prepared
        return self._measured(planned, prepared), prepared

    # -- its results ----------------------------------------------------------------------------

    def _measured(self, planned: PlannedCell, prepared: Prepared) -> CellEnd:
        """Reuse what was measured under the same conditions, else measure and keep it."""
        run, cell = self._opened, planned.cell.id
        done = self._recorded(planned)
        ran_on = self._take_up(planned) if done else Counter()
        whole = len(run.selection[cell]) == planned.size and not done
        key = run.reuse.key(planned, prepared)
        if whole and not run.settings.fresh:
            found = run.reuse.load(key, run.store.blobs)
            if found is not None:
                end, kept, briefs = found
                self._reused(planned, kept, briefs)
                return end
        end = self._attempts(planned, prepared)
        end.ran_on = dict(ran_on + Counter(end.ran_on))
        if whole and not run.stop.reason:
            kept = KeptCases.stored(run.store, cell)
            run.reuse.save(key, end, kept, run.store.blobs)
        return end

    def _reused(self, planned: PlannedCell, kept: KeptCases, briefs: Sequence[Brief]) -> None:
        """Store and count a whole cell that an earlier run measured."""
        run, cell = self._opened, planned.cell.id
        expected = [run.verdicts.expect_kept(cell, each) for each in briefs]
        repro = lru_cache(maxsize=None)(partial(self._repro, planned))
        commands = [
            "" if each.ended == "not_run" else repro(each.check, each.unit) for each in briefs
        ]
        run.store.add_kept(cell, kept, expected, commands)
        run.board.take(cell, briefs, expected)

    def _take_up(self, planned: PlannedCell) -> Counter[str]:
        """Count what a killed run has stored, with today's expectations; on what it ran."""
        run = self._opened
        ran_on: Counter[str] = Counter()
        stored = run.store.cases(cell=planned.cell.id)
        kept = [r for r in stored if r.judgement.status is not Status.NOT_RUN]
        for record in kept:
            ran_on.update(record.measurement.ran_on or {})
        self._keep([run.verdicts.expect(record) for record in kept])
        return ran_on

    def _attempts(self, planned: PlannedCell, prepared: Prepared) -> CellEnd:
        """Run the cell; infrastructure is tried again, results never are."""
        end = CellEnd(status=CellStatus.COMPLETED)
        for _ in range(ATTEMPTS):
            done = self._recorded(planned)
            wanted = [
                n
                for n, _, case in planned.cases()
                if n in self._opened.selection[planned.cell.id] and n not in done and _can_run(case)
            ]
            notes = end.notes
            end = self._attempt(planned, prepared, wanted)
            end.notes[:0] = [note for note in notes if note not in end.notes]
            if end.status is not CellStatus.INFRASTRUCTURE_FAILED or self._opened.stop.reason:
                break
        return end

    def _recorded(self, planned: PlannedCell) -> dict[int, str]:
        """Status by position of what was measured already: now, before, or by a failed attempt."""
        idle = Status.NOT_RUN.value
        recorded = self._opened.store.recorded(planned.cell.id)
        return {n: status for n, status in recorded.items() if status != idle}

    def _attempt(self, planned: PlannedCell, prepared: Prepared, wanted: list[int]) -> CellEnd:
        run = self._opened
        with run.workplace.room(planned.cell.id) as folder:
            measurer = Measurer(
                planned,
                prepared,
                wanted=wanted,
                store=run.store,
                board=run.board,
                verdicts=run.verdicts,
                folder=folder,
                places=Places(cell=folder, cache=run.settings.cache),
                expected=self._expected,
                repro=self._repro,
                members=run.settings.members,
            )
            with run.stop.heard(measurer.stop):
                return measurer.measure()

    def _with_repro(self, planned: PlannedCell, record: CaseRecord) -> CaseRecord:
        """What failed without being run, for want of its model, can be shown again as well."""
        if record.measurement.ended == "not_run":
            return record
        return replace(record, repro=self._repro(planned, record.check, record.unit))

    def _repro(self, planned: PlannedCell, check: str, unit: str) -> str:
        return repro.unit_command(planned.cell, check, unit, root=self._opened.settings.root)

    # -- its end --------------------------------------------------------------------------------

    def _close(self, planned: PlannedCell, end: CellEnd, made: Prepared | Failure | None) -> None:
        """Account for every case, decide the cell, store it, and let pytest know."""
        run, cell = self._opened, planned.cell
        end = attested(planned, end)
        counts = self._account(planned, end)
        releases = {name for work in planned.workloads for name in work.entry.corpus}
        comparable = len(releases) > 1  # else one release of the node tests says it all
        if comparable and Status.FAILED.value in counts:
            run.store.set_judgements(suspected(run.store, cell.id))
        if not run.stop.reason:
            with suppress(command.StoppedError):  # meanwhile; the cell has its results
                run.store.set_judgements(list(run.examiner.judged(planned, run.store)))
        record = CellRecord(
            id=cell.id,
            matrix=cell.matrix,
            axes=cell.axes,
            status=end.status,
            stage=end.stage,
            outcome=Outcome.OK,  # until `_store` has asked
            reason=end.reason,
            environment=planned.environment.id,
            image=cell.image.value,
            image_digest=made.image_digest if isinstance(made, Prepared) else None,
            attestation=end.attestation,
            counts=counts,
            seconds={**(made.seconds if made else {}), "run": end.seconds},
            notes=tuple(end.notes),
            repro=repro.cell_command(cell, root=run.settings.root),
        )
        self._store(record)

    def _closed_before(self) -> dict[str, CellRecord]:
        """Cells that a killed run had closed and of which nothing is missing now, by id."""
        run = self._opened
        if not run.store.continued:
            return {}
        records = {cell.id: cell for cell in run.store.cells() if cell.status in _CLOSED}
        return {
            planned.cell.id: records[planned.cell.id]
            for planned in run.plan.cells
            if planned.cell.id in records and self._answered(planned) and not planned.cell.skip
        }

    def _answered(self, planned: PlannedCell) -> bool:
        """Whether every case that was selected, and can be run, has been."""
        wanted = self._opened.selection.get(planned.cell.id, ())
        done = self._recorded(planned)
        return bool(done) and all(
            n in done or n not in wanted or bool(case.not_run) for n, _, case in planned.cases()
        )

    def _close_again(self, planned: PlannedCell, closed: CellRecord) -> None:
        """A cell that a killed run had closed stays as it was measured; today's known issues count.

        Cases that are not selected now say so.
        """
        self._take_up(planned)
        end = CellEnd(status=closed.status, stage=closed.stage, reason=closed.reason)
        self._store(replace(closed, counts=self._account(planned, end)))

    def _account(self, planned: PlannedCell, end: CellEnd) -> dict[str, int]:
        """Give each case without a result its status and reason; how many there are of each."""
        run, cell = self._opened, planned.cell.id
        done = self._recorded(planned)
        wanted = run.selection.get(cell, ())
        counts = Counter(done.values())
        missing = unanswered(planned, end, done=done, wanted=wanted)
        told = (self._with_repro(planned, record) for record in missing)
        for batch in batches(told, BATCH):
            self._keep([run.verdicts.expect(record) for record in batch])
            counts.update(record.judgement.status.value for record in batch)
        return dict(counts)

    def _store(self, record: CellRecord) -> None:
        """Store a closed cell with what it means, and let pytest know."""
        run = self._opened
        expectation = run.verdicts.cell(
            record.id, status=record.status, stage=record.stage, reason=record.reason
        )
        record = replace(record, outcome=expectation.outcome, known=expectation.known)
        run.store.set_cell(record)
        run.board.close_cell(record)

    def _keep(self, batch: list[CaseRecord]) -> None:
        if batch:
            self._opened.store.add_cases(batch)
            self._opened.board.count(batch)


def _can_run(case: PlannedCase) -> bool:
    return not case.not_run and case.failure is None
