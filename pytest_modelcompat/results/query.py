"""Reading a store, beside its writer or without one.

Every iteration has a connection of its own: it sees one moment of the run, and hinders nobody.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results import records
from pytest_modelcompat.results.model import (
    CaseRecord,
    CellRecord,
    EnvironmentRecord,
    Outcome,
    Status,
)
from pytest_modelcompat.results.rows import SELECT, record
from pytest_modelcompat.results.schema import SHIFT, Texts, readable, reader, storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Results"]

_WITHIN = "WHERE m.key>=? AND m.key<? "


class Results:
    """What is in a store.

    Args:
        path: of run.sqlite.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def recorded(self, cell_id: str) -> dict[int, str]:
        """Status by `n` of the cell's stored cases."""
        with self._reading() as connection:
            texts = Texts(connection)
            rows = connection.execute(
                "SELECT key, status FROM judgement WHERE key>=? AND key<? ORDER BY key",
                _span(connection, cell_id),
            )
            return {key & (1 << SHIFT) - 1: texts.value(status) for key, status in rows}

    def recorded_numbers(self, cell_id: str) -> set[int]:
        """The `n` of the cell's stored cases."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT key FROM judgement WHERE key>=? AND key<?", _span(connection, cell_id)
            )
            return {key & (1 << SHIFT) - 1 for (key,) in rows}

    def statuses(self, cell_id: str, check: str) -> Iterator[tuple[str, int, Status]]:
        """(name, opset, status) of the cell's stored cases of a check; a tenth of `cases`' work."""
        with self._reading() as connection:
            texts = Texts(connection)
            rows = connection.execute(
                "SELECT m.name, m.opset, j.status FROM measurement m JOIN judgement j"
                " ON j.key = m.key WHERE m.key>=? AND m.key<? AND m.check_name=? ORDER BY m.key",
                (*_span(connection, cell_id), -1 if (key := texts.find(check)) is None else key),
            )
            for name, opset, status in rows:
                yield texts.value(name), opset or 0, Status(texts.value(status))

    def cases(
        self,
        *,
        cell: str | None = None,
        check: str | None = None,
        unit: str | None = None,
        status: Status | str | None = None,
        outcome: Outcome | str | None = None,
    ) -> Iterator[CaseRecord]:
        """Stored cases in (cell, n) order, as they are when the iteration begins.

        Every argument narrows; the iterator holds one row at a time.
        """
        wanted: Mapping[str, str | None] = {
            "m.check_name": check,
            "m.unit": unit,
            "j.status": None if status is None else Status(status).value,
            "e.outcome": None if outcome is None else Outcome(outcome).value,
        }
        conditions = []
        if cell is not None:
            conditions.append("m.key>=? AND m.key<?")
        with self._reading() as connection:
            connection.execute("BEGIN")  # one snapshot for rows and texts
            texts = Texts(connection)
            values = [] if cell is None else [*_span(connection, cell)]
            for column, text in wanted.items():
                if text is not None:
                    conditions.append(f"{column}=?")
                    values.append(-1 if (number := texts.find(text)) is None else number)
            where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
            names = _names(connection)
            for row in connection.execute(f"{SELECT}{where}ORDER BY m.key", values):
                yield record(texts, names[row[0] >> SHIFT], row)

    def rows(self, cell: str | None = None) -> Iterator[tuple[Texts, str, tuple[Any, ...]]]:
        """Cases in (cell, n) order, as strings' numbers, its cell, and its row (rows.SELECT).

        For those to whom a record of each takes too long. The strings are the same object each
        time.
        """
        with self._reading() as connection:
            connection.execute("BEGIN")  # one snapshot for rows and texts
            texts = Texts(connection)
            names = _names(connection)
            where, span = ("", ()) if cell is None else (_WITHIN, _span(connection, cell))
            for row in connection.execute(f"{SELECT}{where}ORDER BY m.key", span):
                yield texts, names[row[0] >> SHIFT], row

    def texts(self, keys: Sequence[int]) -> list[str]:
        """The strings of many numbers (`rows`), in their order."""
        with self._reading() as connection:
            return Texts(connection).values(keys)

    def counts(self) -> dict[str, dict[str, int]]:
        """Cell id -> status -> number of cases, in the cells' order."""
        return self._count("judgement", "status")

    def measured(self) -> int:
        """How many stored cases were measured: neither skipped nor not run."""
        idle = {Status.SKIPPED.value, Status.NOT_RUN.value}
        return sum(
            number
            for statuses in self.counts().values()
            for status, number in statuses.items()
            if status not in idle
        )

    def outcomes(self) -> dict[str, dict[str, int]]:
        """Cell id -> outcome -> number of cases, in the cells' order."""
        return self._count("expectation", "outcome")

    def _count(self, table: str, column: str) -> dict[str, dict[str, int]]:
        with self._reading() as connection:
            result: dict[str, dict[str, int]] = {}
            for name, value, number in connection.execute(  # table and column are ours
                f"SELECT c.id, t.value, n FROM (SELECT key >> {SHIFT} AS cell, {column} AS what, "  # noqa: S608
                f"count(*) AS n FROM {table} GROUP BY 1, 2) "
                "JOIN cell c ON c.key=cell JOIN text t ON t.key=what ORDER BY c.key, t.value"
            ):
                result.setdefault(readable(name), {})[value] = number
            return result

    def cells(self) -> list[CellRecord]:
        """The cells that have a record, in the plan's order."""
        with self._reading() as connection:
            rows = connection.execute("SELECT record FROM cell WHERE record NOTNULL ORDER BY key")
            return [records.cell(text) for (text,) in rows]

    def environments(self) -> list[EnvironmentRecord]:
        """The environments, in the order in which they came."""
        with self._reading() as connection:
            rows = connection.execute("SELECT record FROM environment ORDER BY key")
            return [records.environment(text) for (text,) in rows]

    def environment(self, identity: str) -> EnvironmentRecord | None:
        """The environment with this id, or None where it has not come yet."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT record FROM environment WHERE id=?", (storable(identity),)
            ).fetchall()
            return next((records.environment(text) for (text,) in rows), None)

    def locks(self) -> Iterator[tuple[str, str]]:
        """(digest, text) of every lock."""
        with self._reading() as connection:
            yield from connection.execute("SELECT digest, content FROM lock ORDER BY digest")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """What SQLite says, as one of our sentences."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise errors.cannot_write(self._path, error) from error
        except sqlite3.DatabaseError as error:
            raise errors.store_damaged(self._path, str(error)) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._guard(), closing(reader(self._path)) as connection:
            yield connection


def _names(connection: sqlite3.Connection) -> dict[int, str]:
    """The cells' ids."""
    return {key: readable(name) for key, name in connection.execute("SELECT key, id FROM cell")}


def _span(connection: sqlite3.Connection, cell: str) -> tuple[int, int]:
    """The keys of a cell's cases: from the first, up to before the second."""
    row = connection.execute("SELECT key FROM cell WHERE id=?", (storable(cell),)).fetchone()
    key = -1 if row is None else int(row[0])
    return key << SHIFT, (key + 1) << SHIFT
