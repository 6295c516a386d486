"""What many runs say about each case over time: a folder of report folders, oldest first.

`collect` reads the runs, a byte for each case of each, and finds the cases that did not always end
alike; `write` keeps them as history.json beside the run that is looked at, so that its page can be
made anew from its own folder; `read` gives that back.

A case is **flaky** if a run found its repeats to disagree, or if it went to and fro: the same
versions on the same interpreter gave one answer, then another, then the first one again. One
change in one direction is a change and never called flaky. Results that were taken over from an
earlier run and not measured again prove nothing, and break no chain.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.changes import Change, Kind
from pytest_modelcompat.results.files import atomic_file
from pytest_modelcompat.results.load import load, read_json
from pytest_modelcompat.results.model import Status
from pytest_modelcompat.results.write import RUN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.stored import StoredCell

    Key = tuple[str, tuple[tuple[str, str], ...]]  # of a cell: matrix and axes
    Name = tuple[str, str, str]  # of a case: check, unit, name

__all__ = [
    "HISTORY",
    "LETTERS",
    "Cell",
    "History",
    "Stop",
    "collect",
    "flaky_told",
    "read",
    "write",
]

HISTORY = "history.json"
SCHEMA = 1
MOST = 50_000  # cases in the file; all are counted
# A letter for each run; the same as in the report.
LETTERS: Mapping[Status, str] = {
    Status.PASSED: "P", Status.FALLBACK: "L", Status.FAILED: "F", Status.NONDETERMINISTIC: "N",
    Status.UNSUPPORTED: "U", Status.GATED: "G", Status.ERROR: "E", Status.CRASHED: "C",
    Status.TIMED_OUT: "T", Status.OUT_OF_MEMORY: "Y", Status.SKIPPED: "S", Status.NOT_RUN: "O",
}  # fmt: skip
ABSENT = "?"  # the run has no such case
_SILENT = frozenset({LETTERS[Status.NOT_RUN], LETTERS[Status.SKIPPED], ABSENT})
_STATUS = {letter: status for status, letter in LETTERS.items()}


@dataclass(frozen=True, kw_only=True)
class Stop:
    """One run of the history."""

    id: str
    started: str
    finished: str = ""
    tool: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell over time; each of the tuples has a place for each run.

    Attributes:
        statuses: of the cell; empty text where the run had no such cell.
        places: what its environment was (digest of the lock, image, interpreter); empty where none
            was made. Equal texts are equal environments.
        reused: whether its results were taken over from an earlier run.
    """

    matrix: str
    axes: tuple[tuple[str, str], ...]
    statuses: tuple[str, ...]
    places: tuple[str, ...]
    reused: tuple[bool, ...] = ()


@dataclass(kw_only=True)
class History:
    """Runs, oldest first, and what they say.

    Attributes:
        runs: those that could be read.
        cells: by matrix and axes.
        cases: (cell, case) -> a letter for each run (see `LETTERS`; `?`: not in that run), of those
            that did not end alike in all runs that measured them.
        unread: a sentence for each folder that could not be read.
        left_out: how many changing cases are not listed.
    """

    runs: tuple[Stop, ...]
    cells: dict[Key, Cell]
    cases: dict[tuple[Key, Name], str]
    unread: tuple[str, ...] = ()
    left_out: int = 0

    def of(self, cell: Key, check: str, unit: str, case: str) -> str | None:
        """A case's letters, oldest run first; None where it always ended alike."""
        return self.cases.get((cell, (check, unit, case)))

    def since(self, letters: str) -> str | None:
        """Id of the run since which a case ends as it does in the newest run that has it."""
        seen = [(at, letter) for at, letter in enumerate(letters) if letter not in _SILENT]
        if not seen:
            return None
        first = seen[-1][0]
        for at, letter in reversed(seen):
            if letter != seen[-1][1]:
                break
            first = at
        return self.runs[first].id

    def flaky(self, cell: Key, letters: str) -> bool:
        """Whether a case went to and fro in an environment that stayed the same."""
        if LETTERS[Status.NONDETERMINISTIC] in letters:
            return True
        known = self.cells[cell]
        chains: dict[str, list[str]] = {}
        for at, letter in enumerate(letters):
            reused = bool(known.reused) and known.reused[at]
            if letter in _SILENT or not known.places[at] or reused:
                continue
            chain = chains.setdefault(known.places[at], [])
            if not chain or chain[-1] != letter:
                chain.append(letter)
        return any(len(chain) > 2 for chain in chains.values())  # noqa: PLR2004 - there and back

    def flaky_cases(self) -> Iterator[tuple[Key, Name]]:
        """All of them."""
        for (cell, name), letters in self.cases.items():
            if self.flaky(cell, letters):
                yield cell, name


@dataclass
class _Table:
    """A byte for each case of each run."""

    names: dict[Name, int] = field(default_factory=dict)
    rows: dict[Key, dict[int, bytearray]] = field(default_factory=dict)  # cell -> run -> letters

    def add(self, cell: Key, run: int, name: Name, letter: str) -> None:
        number = self.names.setdefault(name, len(self.names))
        row = self.rows.setdefault(cell, {}).setdefault(run, bytearray())
        if number >= len(row):
            row.extend(b"?" * (number + 1 - len(row)))
        row[number] = ord(letter)

    def forget(self, run: int) -> None:
        for rows in self.rows.values():
            rows.pop(run, None)

    def changing(self, runs: int) -> Iterator[tuple[tuple[Key, Name], str]]:
        names = list(self.names)
        for cell, rows in self.rows.items():
            columns = [bytes(rows.get(run, b"")).ljust(len(names), b"?") for run in range(runs)]
            for at, letters in enumerate(zip(*columns, strict=True)):
                # Nearly all are alike; only the others are worth a text.
                if letters.count(letters[0]) == runs:
                    continue
                text = bytes(letters).decode("ascii")
                if len(set(text) - _SILENT) > 1:
                    yield (cell, names[at]), text


def collect(folder: Path, *, also: Run | None = None, most: int = 200) -> History:
    """Read every run below a folder.

    Args:
        folder: whose folders (and itself, if it is one) are report folders.
        also: one more run, that may lie elsewhere.
        most: of the newest runs only.

    Returns:
        The history; copies of a run (`rejudge` makes such) count once.

    Raises:
        UsageProblem: there is no such folder.
    """
    if not folder.is_dir():
        raise errors.no_history(folder)
    runs: dict[str, Run] = {} if also is None else {also.info.id: also}
    unread = []
    for path in sorted({folder, *folder.iterdir()}):
        if not (path / RUN).is_file() or path.is_symlink():
            continue
        try:
            run = load(path)
        except UsageProblem as problem:
            unread.append(str(problem))
            continue
        judged_again = any(note.startswith("rejudged ") for note in run.info.notes)
        if run.info.id not in runs and not judged_again:
            runs[run.info.id] = run
    chosen = sorted(runs.values(), key=lambda run: (run.info.started, run.info.id))[-most:]
    return _of(chosen, unread)


def _of(runs: Sequence[Run], unread: list[str]) -> History:
    table = _Table()
    good: list[Run] = []
    for run in runs:
        keys = {cell.id: cell.key for cell in run.cells}
        try:
            for case in run.cases():
                name = (case.check, case.unit, case.case)
                table.add(keys[case.cell], len(good), name, LETTERS[case.status])
        except UsageProblem as problem:  # half a run would tell of cases that went away
            unread.append(str(problem))
            table.forget(len(good))
            continue
        good.append(run)
    return History(
        runs=tuple(_stop(run) for run in good),
        cells=_cells(good),
        cases=dict(table.changing(len(good))),
        unread=tuple(unread),
    )


def _stop(run: Run) -> Stop:
    info = run.info
    return Stop(
        id=info.id,
        started=info.started,
        finished=info.finished or "",
        tool=str(info.tool.get("version", "")),
    )


def _cells(runs: Sequence[Run]) -> dict[Key, Cell]:
    by_run = [{cell.key: cell for cell in run.cells} for run in runs]
    keys = dict.fromkeys(key for cells in by_run for key in cells)
    return {key: _cell(key, [cells.get(key) for cells in by_run]) for key in keys}


def _cell(key: Key, over_time: Sequence[StoredCell | None]) -> Cell:
    newest = next(cell for cell in reversed(over_time) if cell is not None)
    return Cell(
        matrix=key[0],
        axes=tuple(newest.axes.items()),
        statuses=tuple("" if cell is None else cell.status.value for cell in over_time),
        places=tuple("" if cell is None else _place(cell) for cell in over_time),
        reused=tuple(
            cell is not None and any(note.startswith("reused") for note in cell.notes)
            for cell in over_time
        ),
    )


def _place(cell: StoredCell) -> str:
    parts = [cell.environment.get(name, "") for name in ("lock_digest", "image_digest", "python")]
    return " ".join(each[:80] for each in parts if each) if parts[0] else ""


def write(folder: Path, history: History, *, most: int = MOST) -> None:
    """Keep the cases that changed as history.json.

    Args:
        folder: of the run that is looked at.
        history: from `collect`.
        most: cases in the file.

    Raises:
        WriteError: the disk is full or the folder read-only.
    """
    number = {key: at for at, key in enumerate(history.cells)}
    chosen = list(islice(history.cases.items(), most))
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "letters": {letter: status.value for status, letter in LETTERS.items()},
        "runs": [vars(run) for run in history.runs],
        "unread": list(history.unread),
        "left_out": history.left_out + len(history.cases) - len(chosen),
        "cells": [{**vars(cell), "axes": dict(cell.axes)} for cell in history.cells.values()],
        "cases": [],
    }
    with atomic_file(folder / HISTORY) as file:
        file.write(json.dumps(head)[:-2].encode())
        comma = "\n"
        for (cell, (check, unit, case)), letters in chosen:
            line: dict[str, Any] = {
                "cell": number[cell], "check": check, "unit": unit, "case": case,
                "letters": letters,
            }  # fmt: skip
            if history.flaky(cell, letters):
                line["flaky"] = True
            file.write(f"{comma}{json.dumps(line)}".encode())
            comma = ",\n"
        file.write(b"\n]}\n")


def read(folder: Path) -> History | None:
    """The stored history of a run; None where there is none.

    Raises:
        StoredRunProblem: damaged, or newer than this release.
    """
    path = folder / HISTORY
    data = read_json(path, SCHEMA)
    if data is None:
        return None
    try:
        runs = tuple(Stop(**each) for each in data["runs"])
        cells = [_read_cell(each, len(runs)) for each in data["cells"]]
        keys: list[Key] = [(cell.matrix, tuple(sorted(cell.axes))) for cell in cells]
        return History(
            runs=runs,
            cells=dict(zip(keys, cells, strict=True)),
            cases=dict(_read_cases(data["cases"], keys, len(runs))),
            unread=tuple(str(each) for each in data["unread"]),
            left_out=int(data["left_out"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise errors.stored_bad(path, f"it is not as a run writes it ({error!r:.120})") from error


def _read_cell(data: dict[str, Any], runs: int) -> Cell:
    cell = Cell(
        matrix=str(data["matrix"]),
        axes=tuple((str(name), str(value)) for name, value in data["axes"].items()),
        statuses=tuple(str(each) for each in data["statuses"]),
        places=tuple(str(each) for each in data["places"]),
        reused=tuple(bool(each) for each in data["reused"]),
    )
    if not len(cell.statuses) == len(cell.places) == len(cell.reused) == runs:
        raise ValueError("a cell does not have a place for each run")
    return cell


def _read_cases(
    data: Iterable[dict[str, Any]], keys: Sequence[Key], runs: int
) -> Iterator[tuple[tuple[Key, Name], str]]:
    for each in data:
        letters = str(each["letters"])
        if len(letters) != runs or not set(letters) <= {*_STATUS, ABSENT}:
            raise ValueError("a case does not have a letter for each run")
        name = (str(each["check"]), str(each["unit"]), str(each["case"]))
        yield (keys[each["cell"]], name), letters


def flaky_told(changes: Iterable[Change], history: History) -> Iterator[Change]:
    """Changes with the word FLAKY for cases that went to and fro before.

    Whether a change fails the run stays as it is: a failure is one, also of a case that comes and
    goes.
    """
    words = {Kind.NEW_FAIL, Kind.FIXED}
    for change in changes:
        if change.kind in words and change.check and change.unit and change.case:
            cell = (change.matrix, tuple(sorted(change.axes)))
            letters = history.of(cell, change.check, change.unit, change.case)
            if letters is not None and history.flaky(cell, letters):
                yield replace(change, kind=Kind.FLAKY)
                continue
        yield change
