"""The matrix: cells as a grid whose rows, columns and facets are axes.

The page pivots the same way (templates/js/matrix.js); a browser test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelcompat.report.change import CHANGES
from pytest_modelcompat.report.lanes import (
    axis_face,
    axis_name,
    natural,
    split_framework,
    targets_text,
    varying,
    version_key,
)
from pytest_modelcompat.report.states import CASE_STATES, State, cell_state
from pytest_modelcompat.report.text import shorten
from pytest_modelcompat.report.told import reused_by
from pytest_modelcompat.results.cause import cause
from pytest_modelcompat.words import count, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_modelcompat.report.data import Cell, Data

__all__ = ["Face", "Facet", "Grid", "GridRow", "Segment", "face", "grid"]

_NEW = CHANGES.index("new")
_BAD = frozenset(state.key for state in CASE_STATES if state.tone in {"bad", "broken"})
BAR = 100  # units of a bar's width
MAX_SQUARES = 200  # in the static page; the script draws the others when asked
FEWEST_ROWS = 4  # of each facet, however many there are


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One piece of a cell's bar, in units of BAR."""

    state: State
    cases: int
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Face:
    """What a cell shows.

    Attributes:
        cell: position in the run.
        id: of the cell, and of its anchor.
        state: of the cell.
        counts: (state, cases), worst first, zeros left out.
        total: planned cases.
        measured: whether any case was measured.
        bad: cases that fail the run.
        new: newly failing against the version before.
        lead: state the cell is known by: the worst of its cases, or its own where it did not
            complete.
        headline: the first line in it.
        note: the second line.
        label: everything, for those who cannot see it.
        segments: of its bar.
    """

    cell: int
    id: str
    state: State
    counts: tuple[tuple[State, int], ...]
    total: int
    measured: bool
    bad: int
    new: int
    lead: State
    headline: str
    note: str
    label: str
    segments: tuple[Segment, ...]

    @property
    def alike(self) -> tuple[object, ...]:
        """Equal for cells that say the same."""
        told = tuple((s.key, n) for s, n in self.counts)
        return (self.state.key, told, self.new, self.headline, self.note)


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """A row, and those that are identical to it.

    Attributes:
        label: the axis values that it stands for.
        rows: how many identical rows it joins.
        faces: per column, the cells of all joined rows; the first is shown.
    """

    label: str
    rows: int
    faces: tuple[tuple[Face, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Facet:
    """One grid."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    left_out: int = 0  # rows that are not in the static page: the least bad ones


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The whole matrix in its first pivot.

    Attributes:
        facets: a grid per distribution (and matrix).
        constant: axes that never change, in words.
        row_axes: the axes of the rows, in words.
    """

    facets: tuple[Facet, ...]
    constant: str
    row_axes: tuple[str, ...]


def face(data: Data, position: int, changes: NDArray[np.uint8]) -> Face:
    """What one cell shows."""
    cell, cases = data.cells[position], data.cases
    counts = _counts(data, position)
    total = sum(n for _, n in counts)
    bad = sum(n for state, n in counts if state.key in _BAD)
    new = int((changes[cases.start[position] : cases.start[position + 1]] == _NEW).sum())
    state = cell_state(cell.status)
    quiet = {"not_run", "skipped", "no_data"}
    measured = any(kind.key not in quiet for kind, _ in counts)
    lead, headline, note = _words(cell, state, counts, total, measured=measured)
    origin = reused_by(cell)
    reused = "" if origin is None else f"reused from run {origin}" if origin else "reused"
    if reused:
        note += " · reused"
    told = ", ".join(f"{count(n)} {kind.text}" for kind, n in counts) or "no cases"
    newly = f", {count(new)} newly failing" if new else ""
    return Face(
        cell=position,
        id=cell.id,
        state=state,
        counts=counts,
        total=total,
        measured=measured,
        bad=bad,
        new=new,
        lead=lead,
        headline=headline,
        note=note,
        label=f"{' · '.join(axis_face(a, v) for a, v in cell.axes.items())}: {state.text}; "
        f"{told} of {plural(total, 'case')}{newly}{f', {reused}' if reused else ''}",
        segments=_segments(counts, total) if measured else (),
    )


def _counts(data: Data, position: int) -> tuple[tuple[State, int], ...]:
    """Cases by state, from the cases themselves; planned ones without a line count as no data."""
    cases = data.cases
    seen = np.bincount(cases.column("state", position), minlength=len(CASE_STATES))
    planned = sum(data.cells[position].counts.values())
    missing = planned - int(seen.sum())
    if missing > 0:
        seen[[state.key for state in CASE_STATES].index("no_data")] += missing
    return tuple((state, int(n)) for state, n in zip(CASE_STATES, seen, strict=True) if n)


def _words(
    cell: Cell,
    state: State,
    counts: Sequence[tuple[State, int]],
    total: int,
    *,
    measured: bool,
) -> tuple[State, str, str]:
    if not measured:
        if cell.status == "completed":
            return state, "nothing measured", f"{count(total)} planned"
        why = shorten(cause(cell.reason).partition("\n")[0], 80)
        return state, state.text, "" if why == state.text else why
    passed = sum(n for kind, n in counts if kind.key == "passed")
    note = f"{count(passed)} of {count(total)} passed"
    if cell.status != "completed":
        return state, state.text, note
    for kind, n in counts:
        if kind.tone in {"bad", "broken"}:
            bad = sum(n for kind, n in counts if kind.tone in {"bad", "broken"})
            # the last of these states, so there is nothing worse
            word = kind.text if kind.key == "xpass" else "failing"
            return kind, f"{count(bad)} {word}", note
        if kind.tone in {"missing", "moved"} and n * 2 >= total:
            return kind, f"{count(n)} {kind.text}", note
    lead = next((kind for kind, _ in counts if kind.key == "fallback"), counts[-1][0])
    return lead, "0 failing", note


def _segments(counts: Sequence[tuple[State, int]], total: int) -> tuple[Segment, ...]:
    """Widths in proportion, and never so thin that a failure cannot be seen."""
    thinnest = 2.5
    order = [*reversed(counts)]  # passed first: the eye reads how much is left of it
    shares = [n / total * BAR for _, n in order]
    widths = [max(share, thinnest) for share in shares]
    spare = sum(widths) - BAR
    flexible = sum(w for w in widths if w > 4 * thinnest) or 1.0
    if spare > 0:
        widths = [w - spare * w / flexible if w > 4 * thinnest else w for w in widths]
    segments, x = [], 0.0
    for (state, n), width in zip(order, widths, strict=True):
        segments.append(Segment(state=state, cases=n, x=round(x, 2), width=round(width, 2)))
        x += width
    return tuple(segments)


def grid(data: Data, faces: Sequence[Face]) -> Grid:
    """The first pivot: versions from left to right, a facet per distribution, worst rows first."""
    axes = varying(data.cells)
    rows_by = [axis for axis, values in axes.items() if axis != "framework" and len(values) > 1]
    one_matrix = len({cell.matrix for cell in data.cells}) == 1
    families: dict[tuple[str, str], list[int]] = {}
    for position, cell in enumerate(data.cells):
        distribution = split_framework(cell.axes.get("framework", ""))[0]
        families.setdefault((cell.matrix, distribution), []).append(position)
    facets = tuple(
        _facet(
            data,
            faces,
            distribution if one_matrix else f"{distribution} · {matrix}",
            members,
            rows_by,
        )
        for (matrix, distribution), members in families.items()
    )
    return Grid(
        facets=_limited(facets),
        constant=", ".join(
            axis_face(axis, values[0])
            for axis, values in axes.items()
            if axis not in rows_by and axis != "framework"
        ),
        row_axes=tuple(axis_name(axis) for axis in rows_by),
    )


def _limited(facets: Sequence[Facet]) -> tuple[Facet, ...]:
    """As many rows of each facet as the page can hold; they come worst first."""
    spare = MAX_SQUARES
    kept = []
    for facet in facets:
        width = max(1, len(facet.columns))
        rows = max(FEWEST_ROWS, spare // width)
        spare = max(0, spare - min(rows, len(facet.rows)) * width)
        left_out = max(0, len(facet.rows) - rows)
        kept.append(replace(facet, rows=facet.rows[:rows], left_out=left_out))
    return tuple(kept)


def _facet(
    data: Data, faces: Sequence[Face], title: str, members: list[int], rows_by: list[str]
) -> Facet:
    columns: dict[str, None] = {}
    table: dict[tuple[tuple[str, str], ...], dict[str, list[Face]]] = {}
    for position in members:
        axes = data.cells[position].axes
        version = split_framework(axes.get("framework", ""))[1]
        columns[version] = None
        label = tuple((axis, axes[axis]) for axis in rows_by if axis in axes)
        table.setdefault(label, {}).setdefault(version, []).append(faces[position])
    versions = sorted(columns, key=version_key)
    return Facet(title=title, columns=tuple(versions), rows=_rows(table, versions))


def _rows(
    table: Mapping[tuple[tuple[str, str], ...], Mapping[str, list[Face]]], versions: list[str]
) -> tuple[GridRow, ...]:
    joined: dict[object, list[tuple[tuple[tuple[str, str], ...], list[list[Face]]]]] = {}
    for label, by_version in table.items():
        cells = [by_version.get(version, []) for version in versions]
        alike = tuple(tuple(f.alike for f in cell) for cell in cells)
        joined.setdefault(alike, []).append((label, cells))
    rows = [
        (
            GridRow(
                label=targets_text([label for label, _ in same]) or "every target",
                rows=len(same),
                faces=tuple(
                    tuple(f for _, cells in same for f in cells[n]) for n in range(len(versions))
                ),
            ),
            _severity(same[0][1]),
        )
        for same in joined.values()
    ]
    rows.sort(key=lambda pair: (pair[1], natural(pair[0].label)))
    return tuple(row for row, _ in rows)


def _severity(cells: list[list[Face]]) -> tuple[int, int, int]:
    """Worst first: broken cells and failing cases of a row, then cells that did not run."""
    shown = [f for cell in cells for f in cell]
    broken = sum(f.state.tone == "broken" for f in shown)
    bad = sum(f.bad for f in shown)
    silent = sum(not f.measured for f in shown)
    return (-broken, -bad, -silent)
