"""Whose a report folder is, and how a new run takes it over from an old one.

A new run's store is made whole beside the old one and renamed into place; only then are the old
run's files removed, and a mark in the new store makes sure that this is finished even if the
process dies in between. Only files that a run of ours writes are ever removed.
"""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.blobs import is_digest
from pytest_modelcompat.results.files import open_plain, temporary_name
from pytest_modelcompat.results.schema import (
    APPLICATION,
    OLDEST,
    SCHEMA,
    connect,
    create,
    reader,
    upgrade,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_modelcompat.results.info import RunInfo

__all__ = ["STORE", "adopt", "check_store", "is_copy", "make_folder", "prepare", "sweep"]

STORE = "run.sqlite"
# plan.json is not among those removed: the next run's plan replaces it at once.
JUNIT = "junit.xml"
OUTPUTS = (
    "index.html", "run.json", "cases.jsonl.gz", "compat.json", "summary.md", "changes.json",
    "history.json", JUNIT,
)  # fmt: skip
_COPY = "copy"  # in a store: its results are also elsewhere
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp\Z")
_SIDES = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, kw_only=True)
class _Found:
    schema: int
    plan_digest: str
    finished: bool
    run: str
    copy: bool


def make_folder(folder: Path) -> None:
    """Make the report folder where it is missing.

    Raises:
        StoreProblem: a file is in the way.
        WriteError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise errors.not_a_folder(folder) from error
    except OSError as error:
        raise errors.cannot_write(folder, error) from error


def prepare(folder: Path, *, plan_digest: str, run: RunInfo, fresh: bool) -> bool:
    """Have the right store in the folder, whose lock the caller holds.

    Args:
        folder: the report folder.
        plan_digest: an unfinished run is continued if it is of this plan.
        run: the new run, where a new one is begun.
        fresh: begin a new one in any case.

    Returns:
        Whether an unfinished run is continued.

    Raises:
        StoreProblem: damaged, newer than us, or foreign files are in the way.
        WriteError: the disk is full or the folder read-only.
    """
    path = folder / STORE
    found = _inspect(path)
    if found is None:
        _refuse_foreign(folder)
    elif (
        found.schema >= OLDEST
        and not found.finished
        and found.plan_digest == plan_digest
        and not fresh
    ):
        _check(path)
        upgrade(path, found.schema)
        return True
    new = path.with_name(temporary_name(STORE))
    try:
        create(new, {"state": "running", "sweep": "1", "run": run.to_json(), "plan": plan_digest})
        # The old store's log must not be taken for the new one's.
        _settle(path)
        new.replace(path)
    except OSError as error:
        raise errors.cannot_write(path, error) from error
    finally:
        _discard(new)
    return False


def adopt(source: Path, folder: Path) -> None:
    """Have a copy of another folder's store in this one, whose lock the caller holds.

    The store of another run is replaced only if it is such a copy, too.

    Raises:
        StoreProblem: the other one is missing or damaged, or foreign files are in the way.
        UsageProblem: another run is in the way.
        WriteError: the disk is full or the folder read-only.
    """
    check_store(source / STORE)  # and no more: it is not ours to bring up
    path = folder / STORE
    if (ours := _inspect(source / STORE)) is None:
        raise errors.no_store(source / STORE)
    if (there := _inspect(path)) is None:
        _refuse_foreign(folder)
    elif there.run != ours.run and not there.copy:
        raise errors.rejudged_over_another(folder)
    new = path.with_name(temporary_name(STORE))
    try:
        with closing(reader(source / STORE)) as old, closing(connect(new)) as copy:
            old.backup(copy)
            if ours.finished:  # another one may go on here, and then has results of its own
                copy.execute("INSERT OR REPLACE INTO meta VALUES (?, '1')", (_COPY,))
        _settle(path)
        new.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise errors.cannot_write(path, error) from error
    finally:
        _discard(new)
    sweep(folder, old_run=True)


def _discard(new: Path) -> None:
    for side in ("", *_SIDES):
        with suppress(OSError):
            new.with_name(new.name + side).unlink()


def _inspect(path: Path) -> _Found | None:
    """What lies under the store's name; None where nothing of use does."""
    try:
        with open_plain(path) as file:
            head = file.read(100)
    except FileNotFoundError:
        return None
    if not head:
        return None  # a process died while it made the file
    if not head.startswith(b"SQLite format 3\0"):
        raise errors.store_damaged(path, "it does not begin like one")
    try:
        with closing(connect(path)) as connection:
            ((application,),) = connection.execute("PRAGMA application_id").fetchall()
            ((schema,),) = connection.execute("PRAGMA user_version").fetchall()
            if application != APPLICATION:
                raise errors.store_damaged(path, "another program's database")
            if schema > SCHEMA:
                raise errors.store_newer(path, schema, SCHEMA)
            meta = dict(connection.execute("SELECT name, value FROM meta"))
            return _Found(
                schema=schema,
                plan_digest=str(meta["plan"]),
                finished=meta["state"] != "running",
                run=str(json.loads(meta["run"])["id"]),
                copy=_COPY in meta,
            )
    except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
        raise errors.store_damaged(path, str(error)) from error


def is_copy(folder: Path) -> bool:
    """Whether the store of a folder is one that `adopt` made of a finished run.

    Raises:
        StoreProblem: damaged, or newer than us.
    """
    found = _inspect(folder / STORE)
    return found is not None and found.copy


def check_store(path: Path) -> int:
    """That a store that this release can work on lies here, whole; its schema is returned.

    Raises:
        StoreProblem: there is none, or it is damaged, or of a schema that cannot be brought up.
    """
    found = _inspect(path)
    if found is None:
        raise errors.no_store(path)
    if found.schema < OLDEST:
        raise errors.store_older(path, found.schema, SCHEMA)
    _check(path)
    return found.schema


def _check(path: Path) -> None:
    """An acknowledged result must still be readable before a run builds on it."""
    try:
        with closing(connect(path)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise errors.store_damaged(path, str(error)) from error
    if verdict != "ok":
        raise errors.store_damaged(path, str(verdict).splitlines()[-1])


def _settle(path: Path) -> None:
    """Fold the old store's log into it, so that it is whole without side files."""
    with suppress(sqlite3.Error):
        if path.exists():
            with closing(connect(path)) as connection:
                connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    for side in _SIDES:
        path.with_name(path.name + side).unlink(missing_ok=True)


def _refuse_foreign(folder: Path) -> None:
    """A folder without a run of ours may hold anything but files under our names."""
    if any(_is_ours(folder / name) for name in ("run.json", "plan.json")):
        return
    # JUNIT is pytest's: it is also there after a run that ended before its store was made.
    ours = {*OUTPUTS, "plan.json"} - {JUNIT}
    taken = [name for name in sorted(ours) if (folder / name).exists()]
    if taken:
        raise errors.foreign_files(folder, taken)


def _is_ours(path: Path) -> bool:
    """Whether a JSON file begins as all of ours do."""
    with suppress(FileNotFoundError, errors.StoredRunProblem), open_plain(path) as file:
        return (
            re.match(rb'\{\s*"schema"\s*:\s*\d+\s*,\s*"(run|digest)"', file.read(200)) is not None
        )
    return False


def sweep(folder: Path, *, old_run: bool) -> None:
    """Remove what dead processes left half-written and, if asked, an old run's output files.

    Args:
        folder: the report folder, whose lock the caller holds.
        old_run: also remove the finished files of the run before.
    """
    try:
        for path in list(_leftovers(folder, old_run=old_run)):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise errors.cannot_write(folder, error) from error
    if old_run:
        inner = [*(folder / "outputs").glob("??")] if _real(folder / "outputs") else []
        for each in (*inner, folder / "outputs", folder / "locks"):
            if _real(each):
                with suppress(OSError):  # not empty: somebody else's files are in it
                    each.rmdir()


def _real(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink()


def _leftovers(folder: Path, *, old_run: bool) -> Iterator[Path]:
    def ours(path: Path) -> bool:
        if path.parent == folder:
            return path.name in OUTPUTS
        return is_digest(path.stem if path.suffix == ".txt" else path.name)

    # Folders that are links lead to somewhere else, whose files are not ours to remove.
    places = [folder, folder / "locks"]
    if _real(folder / "outputs"):
        places += (folder / "outputs").iterdir()
    for path in chain.from_iterable(place.iterdir() for place in places if _real(place)):
        if not _real(path) and (_TEMPORARY.match(path.name) or (old_run and ours(path))):
            yield path
