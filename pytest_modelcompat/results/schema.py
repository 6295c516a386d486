"""The tables of run.sqlite, and how they are opened.

Measurement, judgement and expectation are tables of their own: judging again never touches what
was measured. A case's key is its cell's number times 2**32 plus `n`, its place in the cell's plan,
so that rows lie in the order in which everything reads them. Strings that repeat (names, statuses,
signatures) are kept once in `text` and referred to by number, which keeps a million cases small.

People who open the file by hand read the view `result`.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "APPLICATION",
    "OLDEST",
    "SCHEMA",
    "SHIFT",
    "Texts",
    "connect",
    "create",
    "reader",
    "upgrade",
]

APPLICATION = 0x4D43_5253  # "MCRS", in the file's header: this is a store of ours
SCHEMA = 2
OLDEST = 1  # that can be brought up
SHIFT = 32
_REMEMBERED = 50_000
_AT_ONCE = 500  # numbers in one question; older SQLite takes 999

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE text (key INTEGER PRIMARY KEY, value NOT NULL UNIQUE);
CREATE TABLE cell (key INTEGER PRIMARY KEY, id NOT NULL UNIQUE, record TEXT);
CREATE TABLE environment (key INTEGER PRIMARY KEY, id NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE lock (digest TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE measurement (
    key INTEGER PRIMARY KEY,
    check_name INTEGER NOT NULL, unit INTEGER NOT NULL, name INTEGER NOT NULL,
    requested INTEGER, reference INTEGER, repro INTEGER,
    stage INTEGER NOT NULL, ended INTEGER NOT NULL, reason INTEGER, ran_on INTEGER,
    opset INTEGER, peak_rss INTEGER, load_seconds REAL, run_seconds,
    outputs TEXT, expected INTEGER, error TEXT, model_bytes INTEGER
);
CREATE TABLE judgement (
    key INTEGER PRIMARY KEY,
    status INTEGER NOT NULL, stage INTEGER NOT NULL, rule INTEGER, signature INTEGER,
    attribution INTEGER, attribution_detail INTEGER, mismatch TEXT
);
CREATE TABLE expectation (key INTEGER PRIMARY KEY, outcome INTEGER NOT NULL, known INTEGER);
CREATE VIEW result AS
SELECT cell.id AS cell, m.key & 4294967295 AS n, c.value AS check_name, u.value AS unit,
    t.value AS name, s.value AS status, g.value AS stage, o.value AS outcome, k.value AS known,
    f.value AS signature, m.error AS error, j.mismatch AS mismatch, r.value AS reason
FROM measurement m
    JOIN cell ON cell.key = m.key >> 32
    JOIN judgement j ON j.key = m.key
    JOIN expectation e ON e.key = m.key
    JOIN text c ON c.key = m.check_name
    JOIN text u ON u.key = m.unit
    JOIN text t ON t.key = m.name
    JOIN text s ON s.key = j.status
    JOIN text g ON g.key = j.stage
    JOIN text o ON o.key = e.outcome
    LEFT JOIN text k ON k.key = e.known
    LEFT JOIN text f ON f.key = j.signature
    LEFT JOIN text r ON r.key = m.reason;
"""


# version -> what makes version + 1 of it; new columns come last, as `ALTER TABLE` puts them there
_STEPS = {1: "ALTER TABLE measurement ADD COLUMN model_bytes INTEGER;"}


def connect(path: Path) -> sqlite3.Connection:
    """Open for writing; transactions are begun and ended by hand.

    synchronous=NORMAL with a write-ahead log: a commit survives the death of every process; after
    a power loss or a crash of the kernel the last transactions may be missing, the rest is intact.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def reader(path: Path) -> sqlite3.Connection:
    """Open for reading beside the writer."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=60,
    )


def create(path: Path, meta: dict[str, str]) -> None:
    """Make an empty store; the caller renames it into place when it is whole.

    Raises:
        WriteError: the disk is full or the folder read-only.
    """
    try:
        connection = connect(path)
        try:
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={SCHEMA}")
            connection.executescript(f"BEGIN;{_TABLES}COMMIT;")
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise errors.cannot_write(path, error) from error


def upgrade(path: Path, found: int) -> None:
    """Bring a store to the present schema; whole or not at all. Does nothing where it is there.

    Args:
        path: of a store that nobody else writes.
        found: its schema, `OLDEST` or later.

    Raises:
        WriteError: the disk is full or the folder read-only.
    """
    steps = "".join(_STEPS[version] for version in range(found, SCHEMA))
    if not steps:
        return
    try:
        with closing(connect(path)) as connection:
            connection.executescript(f"BEGIN;{steps}PRAGMA user_version={SCHEMA};COMMIT;")
    except sqlite3.Error as error:
        raise errors.cannot_write(path, error) from error


class Texts:
    """Numbers for strings, through a bounded memory.

    Args:
        connection: whose transactions the new strings are part of.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._keys: dict[str, int] = {}
        self._values: dict[int, str] = {}
        self._mappings: dict[int, dict[str, Any]] = {}
        self._mapping_keys: dict[tuple[Any, ...], int] = {}

    def key(self, value: str) -> int:
        """The string's number; a new one is entered."""
        found = self._keys.get(value)
        if found is not None:
            return found
        stored = storable(value)
        row = self._connection.execute("SELECT key FROM text WHERE value=?", (stored,)).fetchone()
        if row is None:
            cursor = self._connection.execute("INSERT INTO text(value) VALUES (?)", (stored,))
            key = int(cursor.lastrowid or 0)
        else:
            key = int(row[0])
        if len(self._keys) >= _REMEMBERED:
            self._keys.clear()
        self._keys[value] = key
        return key

    def mapping_key(self, value: Mapping[str, Any], dump: Callable[[Any], str]) -> int:
        """The number of a mapping's JSON; few different ones come again and again."""
        known = tuple((name, type(each), each) for name, each in value.items())
        try:
            found = self._mapping_keys.get(known)
        except TypeError:  # it holds a list
            return self.key(dump(value))
        if found is None:
            found = self.key(dump(value))
            if len(self._mapping_keys) >= _REMEMBERED:
                self._mapping_keys.clear()
            self._mapping_keys[known] = found
        return found

    def optional(self, value: str | None) -> int | None:
        """The same for what may be absent; an empty string is absent."""
        return self.key(value) if value else None

    def find(self, value: str) -> int | None:
        """The string's number if it has one already."""
        row = self._connection.execute(
            "SELECT key FROM text WHERE value=?", (storable(value),)
        ).fetchone()
        return None if row is None else int(row[0])

    def value(self, key: int) -> str:
        """The string of a number."""
        found = self._values.get(key)
        if found is None:
            (stored,) = self._connection.execute(
                "SELECT value FROM text WHERE key=?", (key,)
            ).fetchone()
            found = readable(stored)
            if len(self._values) >= _REMEMBERED:
                self._values.clear()
            self._values[key] = found
        return found

    def values(self, keys: Sequence[int]) -> list[str]:
        """The strings of many numbers, in their order; a tenth of the time of one by one."""
        found: dict[int, str] = {}
        for at in range(0, len(keys), _AT_ONCE):
            some = keys[at : at + _AT_ONCE]
            marks = ",".join("?" * len(some))
            asked = f"SELECT key, value FROM text WHERE key IN ({marks})"  # noqa: S608 - marks only
            rows = self._connection.execute(asked, some)
            found.update((key, readable(value)) for key, value in rows)
        return [found[key] for key in keys]

    def mapping(self, key: int) -> dict[str, Any]:
        """The mapping that was stored as JSON under a number; shared, so not to be changed."""
        found = self._mappings.get(key)
        if found is None:
            if len(self._mappings) >= _REMEMBERED:
                self._mappings.clear()
            found = self._mappings[key] = json.loads(self.value(key))
        return found

    def forget(self) -> None:
        """After a rollback: numbers given out in that transaction mean nothing any more."""
        self._keys.clear()
        self._mapping_keys.clear()


def storable(value: str) -> str | bytes:
    """A string as SQLite takes it: lone surrogates are no text, so such a string goes as bytes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def readable(stored: str | bytes) -> str:
    """Back from `storable`."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")
