"""The store: every result of a run, on disk before it is acknowledged.

`run.sqlite` is written by one process at a time (a lock says so to a second one) and by any of its
threads. What is promised: when `add_cases` returns, its records survive SIGKILL of every process
involved, together with all earlier ones, and a batch is stored as a whole or not at all. A power
loss may take the last transactions, never the store.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results import records
from pytest_modelcompat.results.blobs import Blobs
from pytest_modelcompat.results.files import FolderLock
from pytest_modelcompat.results.folder import STORE, check_store, make_folder, prepare, sweep
from pytest_modelcompat.results.info import RunInfo, continuing, now
from pytest_modelcompat.results.model import (
    CaseRecord,
    CellRecord,
    EnvironmentRecord,
    Expectation,
    Judgement,
    Measurement,
    Outcome,
    Stage,
    Status,
)
from pytest_modelcompat.results.query import Results
from pytest_modelcompat.results.rows import (
    EXPECTATION,
    JUDGEMENT,
    MEASUREMENT,
    expectation_row,
    judgement_row,
    measurement_row,
)
from pytest_modelcompat.results.schema import SHIFT, Texts, connect, readable, storable, upgrade

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from pytest_modelcompat.results.kept import KeptCases

__all__ = ["RunInfo", "Store"]

_BATCH = 10_000
_CHANGED = 1000  # judgements, which may be large


class Store(Results):
    """A run's results. Made by `open` or `existing`; a context manager that closes itself.

    Attributes:
        folder: the report folder.
        run: the run that is stored; of a continued one, as it was begun.
        continued: whether an unfinished run of the same plan was found and goes on.
        blobs: the raw outputs.
    """

    def __init__(self, folder: Path, lock: FolderLock, *, continued: bool) -> None:
        super().__init__(folder / STORE)
        self.folder = folder
        self.continued = continued
        self.blobs = Blobs(folder)
        self._lock = lock
        self._writing = threading.RLock()
        with self._guard():
            self._connection = connect(self._path)
            self._connection.execute("PRAGMA journal_mode=WAL").fetchall()
            self._texts = Texts(self._connection)
            self._cells = self._stored_cells()
            self.run = RunInfo.from_json(self._meta("run"))

    @classmethod
    def open(cls, folder: Path, *, plan_digest: str, run: RunInfo, fresh: bool = False) -> Store:
        """Continue the folder's unfinished run of the same plan, else begin a new one in it.

        Args:
            folder: the report folder; made where missing. Foreign files in it are left alone.
            plan_digest: see `write.plan_digest`.
            run: the new run, where one is begun.
            fresh: never continue.

        Raises:
            StoreProblem: the folder is in use, or what is in it cannot be used or replaced.
            WriteError: the disk is full or the folder read-only.
        """
        make_folder(folder)
        lock = FolderLock(folder)
        try:
            run = replace(run, plan_digest=plan_digest)
            continued = prepare(folder, plan_digest=plan_digest, run=run, fresh=fresh)
            store = cls(folder, lock, continued=continued)
            pending = store._meta("sweep") == "1"
            sweep(folder, old_run=pending)
            if pending:
                store._set_meta("sweep", "0")
            elif continued:
                store.set_run(continuing(store.run, store.measured()))
        except BaseException:
            lock.release()
            raise
        return store

    @classmethod
    def existing(cls, folder: Path) -> Store:
        """Open the store of a run that was made before, finished or not.

        Raises:
            StoreProblem: there is none, it is in use, damaged, or of another schema.
        """
        path = folder / STORE
        if not path.exists():
            raise errors.no_store(path)
        lock = FolderLock(folder)
        try:
            upgrade(path, check_store(path))
            return cls(folder, lock, continued=True)
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder; what was acknowledged is there. A second call does nothing."""
        with self._writing:
            self._connection.close()
            self._lock.release()

    # -- writing ---------------------------------------------------------------------------------

    def register_cells(self, ids: Iterable[str]) -> None:
        """Fix the cells' order (that of the plan) before any of them has a result."""
        with self._transaction():
            for each in ids:
                self._cell_key(each)

    def add_cases(self, cases: Sequence[CaseRecord]) -> None:
        """Store a batch, in one transaction; durable when it returns.

        A case that is stored already is replaced (it was measured again).

        Raises:
            WriteError: nothing of the batch is stored; what was acknowledged before is.
        """
        measurements, judgements, expectations = [], [], []
        with self._transaction() as connection:
            texts = self._texts
            for case in cases:
                row = measurement_row(texts, self._cell_key(case.cell), case)
                measurements.append(row)
                judgements.append(judgement_row(texts, row[0], case.judgement))
                expectations.append(expectation_row(texts, row[0], case.expectation))
            connection.executemany(f"INSERT OR REPLACE INTO {MEASUREMENT}", measurements)
            connection.executemany(f"INSERT OR REPLACE INTO {JUDGEMENT}", judgements)
            connection.executemany(f"INSERT OR REPLACE INTO {EXPECTATION}", expectations)

    def add_kept(
        self,
        cell: str,
        kept: KeptCases,
        expected: Sequence[Expectation],
        repro: Sequence[str],
    ) -> None:
        """Store a cell's kept cases, in one transaction; durable when it returns.

        Args:
            cell: id.
            kept: its cases.
            expected: of each.
            repro: the command that shows it, of each.

        Raises:
            WriteError: nothing of it is stored; what was acknowledged before is.
        """
        with self._transaction() as connection:
            texts = self._texts
            keys = [texts.key(each) for each in kept.texts]
            commands = [texts.optional(each) for each in repro]
            first = self._cell_key(cell) << SHIFT
            measured, judged = kept.rows(first, keys, commands)
            connection.executemany(f"INSERT OR REPLACE INTO {MEASUREMENT}", measured)
            connection.executemany(f"INSERT OR REPLACE INTO {JUDGEMENT}", judged)
            connection.executemany(
                f"INSERT OR REPLACE INTO {EXPECTATION}",
                (
                    expectation_row(texts, first + n, each)
                    for n, each in zip(kept.positions, expected, strict=True)
                ),
            )

    def fill_not_run(
        self,
        cell_id: str,
        planned: Iterable[tuple[int, str, str, str]],
        reason: str,
        *,
        requested: str = "",
        stage: Stage = Stage.START,
        outcome: Outcome = Outcome.INFO,
        known: str | None = None,
        status: Status = Status.NOT_RUN,
    ) -> int:
        """Give every planned case of a cell that has no record yet the status `not_run`.

        Args:
            cell_id: the cell.
            planned: (n, check, unit, case) of all its planned cases.
            reason: deselected, stopped, or the cell's own.
            requested: the provider.
            stage: where the cell ended.
            outcome: what it means for the run.
            known: id of the known issue that explains it.
            status: or `skipped`, where a rule of the matrix took the cell out.

        Returns:
            How many were missing.
        """
        measurement = Measurement(stage=stage, ended="not_run", reason=reason)
        judgement = Judgement(status=status, stage=stage)
        expectation = Expectation(outcome=outcome, known=known)
        filled = 0
        have = self.recorded_numbers(cell_id)
        missing = (
            CaseRecord(
                cell=cell_id,
                n=n,
                check=check,
                unit=unit,
                case=case,
                requested=requested,
                measurement=measurement,
                judgement=judgement,
                expectation=expectation,
            )
            for n, check, unit, case in planned
            if n not in have
        )
        for batch in records.batches(missing, _BATCH):
            self.add_cases(batch)
            filled += len(batch)
        return filled

    def set_judgements(
        self, judged: Iterable[tuple[str, int, Judgement, Expectation | None]]
    ) -> None:
        """Replace what stored cases (cell, n) mean; the measurement is not touched.

        All of it is one transaction, so that a run is judged by one set of rules at any time.
        """
        with self._transaction() as connection:
            texts = self._texts
            for batch in records.batches(judged, _CHANGED):
                judgements, expectations = [], []
                for cell, n, judgement, expectation in batch:
                    key = (self._cell_key(cell) << SHIFT) + n
                    judgements.append(judgement_row(texts, key, judgement))
                    if expectation is not None:
                        expectations.append(expectation_row(texts, key, expectation))
                connection.executemany(f"INSERT OR REPLACE INTO {JUDGEMENT}", judgements)
                connection.executemany(f"INSERT OR REPLACE INTO {EXPECTATION}", expectations)

    def set_expectations(self, expected: Iterable[tuple[str, int, Expectation]]) -> None:
        """Replace what was expected of stored cases (cell, n)."""
        with self._transaction() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO {EXPECTATION}",
                (
                    expectation_row(self._texts, (self._cell_key(cell) << SHIFT) + n, expectation)
                    for cell, n, expectation in expected
                ),
            )

    def set_cell(self, cell: CellRecord) -> None:
        """Store a cell, or replace it."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE cell SET record=? WHERE key=?",
                (records.dump(cell), self._cell_key(cell.id)),
            )

    def set_environment(self, environment: EnvironmentRecord) -> None:
        """Store an environment, or replace it."""
        with self._transaction() as connection:
            identity, text = storable(environment.id), records.dump(environment)
            changed = connection.execute(
                "UPDATE environment SET record=? WHERE id=?", (text, identity)
            ).rowcount
            if not changed:
                connection.execute(
                    "INSERT INTO environment(id, record) VALUES (?, ?)", (identity, text)
                )

    def set_lock(self, digest: str, text: str) -> None:
        """Keep the text of a lock, to be written as locks/DIGEST.txt."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO lock VALUES (?, ?)", (digest, text))

    def set_run(self, run: RunInfo) -> None:
        """Replace the head of the run (notes, baseline); its id stays what it was."""
        self.run = replace(run, id=self.run.id, started=self.run.started)
        self._set_meta("run", self.run.to_json())

    def finish(self, finished: str | None = None) -> None:
        """Mark the run as finished: the next one in this folder is a new one.

        Args:
            finished: ISO 8601 time, UTC; default: now.
        """
        self.run = replace(self.run, finished=finished or now())
        with self._transaction() as connection:
            connection.execute("UPDATE meta SET value=? WHERE name='run'", (self.run.to_json(),))
            connection.execute("UPDATE meta SET value='finished' WHERE name='state'")
        self.settle()

    def settle(self) -> None:
        """Fold the log into run.sqlite, so that the one file can be copied and read anywhere.

        While somebody reads, the log stays, which loses nothing.
        """
        with self._writing:
            try:
                self._connection.execute("PRAGMA busy_timeout=0")
                self._connection.execute("PRAGMA journal_mode=DELETE").fetchall()
            except sqlite3.OperationalError:
                return
            finally:
                self._connection.execute("PRAGMA busy_timeout=60000")

    # -- outputs ---------------------------------------------------------------------------------

    def put_blob(self, data: bytes | memoryview) -> str:
        """Keep raw outputs; returns their digest. See `Blobs.put`."""
        return self.blobs.put(data)

    def get_blob(self, digest: str) -> bytes:
        """Raw outputs, verified. See `Blobs.get`."""
        return self.blobs.get(digest)

    # -- inside ----------------------------------------------------------------------------------

    def _cell_key(self, identity: str) -> int:
        key = self._cells.get(identity)
        if key is None:
            cursor = self._connection.execute(
                "INSERT INTO cell(id) VALUES (?)", (storable(identity),)
            )
            key = self._cells[identity] = int(cursor.lastrowid or 0)
        return key

    def _meta(self, name: str) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def _set_meta(self, name: str, value: str) -> None:
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing, self._guard():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors (a full disk among them).
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self._texts.forget()
                self._cells = self._stored_cells()
                raise

    def _stored_cells(self) -> dict[str, int]:
        return {
            readable(name): key
            for key, name in self._connection.execute("SELECT key, id FROM cell")
        }
