"""What changed since the baseline, and how each case ended in earlier runs.

Both come from files beside the run (changes.json, history.json), so that the page can be made anew
when the other runs are gone. The words are those of `results.changes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelcompat.report.change import measured
from pytest_modelcompat.report.changed import Package, packages_text
from pytest_modelcompat.report.lanes import targets_text
from pytest_modelcompat.report.text import clean, shorten
from pytest_modelcompat.results.changes import Kind
from pytest_modelcompat.words import count, join, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_modelcompat.report.data import Data
    from pytest_modelcompat.results.changes import Change

__all__ = ["KINDS", "Line", "Past", "Since", "Touched", "past_of", "since_of"]

#: per code of the `since` column; the first is "the same"
KINDS: tuple[str, ...] = ("", *(kind.value for kind in Kind))
_CODE = {kind: code for code, kind in enumerate(KINDS)}
_NEW, _NO_DATA = _CODE[Kind.NEW_FAIL.value], _CODE[Kind.NO_DATA.value]
_SHOWN = 4  # names in a sentence


@dataclass(frozen=True, kw_only=True)
class Line:
    """One sentence against the baseline, of the cells that share it.

    Attributes:
        kind: a key of `verdict.KINDS`.
        lead, where, detail: its parts.
        query: finds its cases; empty where there are none.
    """

    kind: str
    lead: str
    where: str
    detail: str
    query: str


@dataclass(frozen=True, kw_only=True)
class Touched:
    """Cells with the same changes of cases and environment.

    Attributes:
        where: the cells in words.
        cells: how many.
        counts: of cases, per KINDS, over all of them.
        packages: what changed in the environment.
        word: of the cells themselves (`ADDED`, `REMOVED`, …), or empty.
        query: finds them.
    """

    where: str
    cells: int
    counts: tuple[int, ...]
    packages: tuple[Package, ...]
    word: str
    query: str


@dataclass(frozen=True, kw_only=True)
class Since:
    """The comparison with a baseline.

    Attributes:
        run: id of the baseline.
        started: when it began.
        totals: per KINDS.
        failing: new failures, of cases and cells.
        left_out: changes that are counted and not listed.
        lines: sentences, worst first.
        touched: cells that changed, worst first.
        codes: per row an index in KINDS.
    """

    run: str
    started: str
    totals: tuple[int, ...]
    failing: int
    left_out: int
    lines: tuple[Line, ...]
    touched: tuple[Touched, ...]
    codes: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Past:
    """Earlier runs.

    Attributes:
        runs: (id, started), oldest first.
        rows: row -> a letter for each run, of cases that did not always end alike.
        flaky: rows that went to and fro in one environment.
        left_out: cases that are counted and not listed.
    """

    runs: tuple[tuple[str, str], ...]
    rows: Mapping[int, str]
    flaky: frozenset[int]
    left_out: int


class _Rows:
    """Finds the row of a case."""

    def __init__(self, data: Data) -> None:
        self._cases = data.cases
        self._keys = {key: number for number, key in enumerate(data.cases.keys)}
        self._rows: dict[int, dict[int, int]] = {}

    def __call__(self, cell: int, check: str, unit: str, case: str) -> int | None:
        key = self._keys.get((clean(check), clean(unit), clean(case)))
        if key is None:
            return None
        rows = self._rows.get(cell)
        if rows is None:
            first = int(self._cases.start[cell])
            keys = self._cases.column("key", cell).tolist()
            rows = self._rows[cell] = {each: first + place for place, each in enumerate(keys)}
        return rows.get(key)


def since_of(data: Data) -> Since | None:
    """What changed since the baseline; None where the run had none."""
    found = data.since
    if found is None:
        return None
    codes = np.zeros(len(data.cases), np.uint8)
    places = {cell.id: place for place, cell in enumerate(data.cells)}
    row_of = _Rows(data)
    own: dict[int, list[Change]] = {}
    gone: list[Change] = []
    for change in found.changes:
        place = places.get(clean(change.cell))
        if place is None or (change.kind is Kind.REMOVED and change.case is None):
            gone.append(change)
        elif change.case is None:
            own.setdefault(place, []).append(change)
        else:
            row = row_of(place, change.check or "", change.unit or "", change.case)
            if row is not None:
                codes[row] = _CODE[change.kind.value]
    counts = [_counts(data, codes, place) for place in range(len(data.cells))]
    touched = _touched(data, counts, own)
    touched += [_removed(gone)] if gone else []
    return Since(
        run=clean(found.baseline.get("id", "?")),
        started=clean(found.baseline.get("started", "")),
        totals=(0, *(found.counts.get(kind, 0) for kind in Kind)),
        failing=found.failing,
        left_out=found.left_out,
        lines=tuple(_lines(data, codes, counts, own)),
        touched=tuple(touched),
        codes=codes,
    )


def _counts(data: Data, codes: NDArray[np.uint8], place: int) -> tuple[int, ...]:
    part = codes[data.cases.start[place] : data.cases.start[place + 1]]
    return tuple(np.bincount(part, minlength=len(KINDS)).tolist())


def _touched(
    data: Data, counts: Sequence[tuple[int, ...]], own: Mapping[int, list[Change]]
) -> list[Touched]:
    groups: dict[tuple[tuple[int, ...], tuple[Package, ...], str], list[int]] = {}
    for place, numbers in enumerate(counts):
        changes = own.get(place, [])
        if not any(numbers[1:]) and not changes:
            continue
        packages = tuple(
            package
            for change in changes
            if change.kind is Kind.ENV_CHANGED
            for package in packages_text((*change.place, *change.packages))
        )
        word = next((c.kind.value for c in changes if c.kind is not Kind.ENV_CHANGED), "")
        groups.setdefault((numbers[1:], packages, word), []).append(place)
    found = [
        Touched(
            where=_where(data, places),
            cells=len(places),
            counts=(0, *(n * len(places) for n in numbers)),
            packages=packages,
            word=word,
            query=f"cell:{','.join(_quote(data.cells[place].id) for place in places[:20])}",
        )
        for (numbers, packages, word), places in groups.items()
    ]
    found.sort(key=lambda each: (-each.counts[_NEW], -each.counts[_NO_DATA], each.where))
    return found


def _removed(gone: Sequence[Change]) -> Touched:
    cells = list(dict.fromkeys((change.matrix, change.axes) for change in gone))
    targets = [tuple((clean(a), clean(v)) for a, v in axes) for _, axes in cells]
    return Touched(
        where=targets_text(targets),
        cells=len(cells),
        counts=(0,) * len(KINDS),
        packages=(),
        word=Kind.REMOVED.value,
        query="",
    )


def _lines(
    data: Data,
    codes: NDArray[np.uint8],
    counts: Sequence[tuple[int, ...]],
    own: Mapping[int, list[Change]],
) -> list[Line]:
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for place, numbers in enumerate(counts):
        groups.setdefault(_line(data, codes, place, numbers, own.get(place, [])), []).append(place)
    order = ("no", "unknown", "yes", "alone")
    return [
        Line(
            kind=kind,
            lead=lead,
            where=_where(data, places),
            detail=detail,
            query=f"{query} cell:{','.join(_quote(data.cells[n].id) for n in places[:20])}"
            if query
            else "",
        )
        for (kind, lead, detail, query), places in sorted(
            groups.items(), key=lambda item: (order.index(item[0][0]), -len(item[1]))
        )
    ]


def _line(
    data: Data,
    codes: NDArray[np.uint8],
    place: int,
    numbers: tuple[int, ...],
    changes: Sequence[Change],
) -> tuple[str, str, str, str]:
    """Kind, lead, detail and query of one cell."""
    total = int(measured(data.cases, place).sum())
    of = plural(total, "case")
    if numbers[_NEW]:
        units = _units(data, codes, place)
        detail = f"{join(units)}: {count(numbers[_NEW])} of {of} measured"
        return "no", "Newly fails", detail, "since:new-fail"
    if any(change.fails for change in changes):
        return "no", "Newly fails", f"the cell is {data.cells[place].status} now", ""
    if numbers[_NO_DATA] or not total:
        missing = f"{plural(numbers[_NO_DATA], 'case')} measured then and not now"
        return "unknown", "Unknown", missing if numbers[_NO_DATA] else "nothing was measured", ""
    if any(change.kind is Kind.ADDED for change in changes):
        return "alone", "Added", f"the baseline had no such cell; {of} measured", ""
    fixed = numbers[_CODE[Kind.FIXED.value]]
    more = f", {count(fixed)} fixed" if fixed else ""
    return "yes", "Nothing newly fails", f"0 new failures in {of} measured{more}", ""


def _units(data: Data, codes: NDArray[np.uint8], place: int) -> list[str]:
    cases = data.cases
    part = codes[cases.start[place] : cases.start[place + 1]] == _NEW
    units, numbers = np.unique(cases.key_unit[cases.column("key", place)[part]], return_counts=True)
    ranked = [int(units[n]) for n in np.argsort(-numbers, kind="stable")]
    names = [shorten(cases.units[unit][1].rpartition("::")[2], 40) for unit in ranked]
    more = len(names) - _SHOWN
    return [*names[:_SHOWN], f"{more} more"] if more > 0 else names


def _where(data: Data, places: Sequence[int]) -> str:
    return targets_text([tuple(data.cells[place].axes.items()) for place in places]) or "the run"


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def past_of(data: Data) -> Past | None:
    """How each case ended in earlier runs; None where nobody asked."""
    found = data.past
    if found is None:
        return None
    places = {
        (cell.matrix, tuple(sorted(cell.axes.items()))): place
        for place, cell in enumerate(data.cells)
    }
    row_of = _Rows(data)
    rows: dict[int, str] = {}
    flaky = set()
    for (key, name), letters in found.cases.items():
        axes = tuple(sorted((clean(axis), clean(value)) for axis, value in key[1]))
        place = places.get((clean(key[0]), axes))
        row = None if place is None else row_of(place, *name)
        if row is None:
            continue
        rows[row] = letters
        if found.flaky(key, letters):
            flaky.add(row)
    return Past(
        runs=tuple((clean(run.id), clean(run.started)) for run in found.runs),
        rows=rows,
        flaky=frozenset(flaky),
        left_out=found.left_out,
    )
