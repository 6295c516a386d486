"""Operators by target, in condensed version ranges."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelcompat.report.change import CHANGES, measured
from pytest_modelcompat.report.lanes import lanes, targets_text, version_key
from pytest_modelcompat.report.states import CASE_STATES
from pytest_modelcompat.results.ranges import Range as Condensed
from pytest_modelcompat.results.ranges import label, ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_modelcompat.report.data import Data
    from pytest_modelcompat.report.lanes import Lane

__all__ = ["Operator", "OperatorTarget", "Operators", "Range", "operators"]

CHECK = "op_support"
MAX_OPERATORS = 5_000
_LOST = [CHANGES.index(word) for word in ("new", "known_new")]
_STATE = {state.key: index for index, state in enumerate(CASE_STATES)}
_PASSED, _SKIPPED, _NO_DATA = _STATE["passed"], _STATE["skipped"], _STATE["no_data"]
_GOOD = frozenset({_PASSED, _STATE["fallback"], _SKIPPED})
# Nothing is said about the operator itself by a case whose opset the runtime refuses as a whole.
_SILENT = frozenset({_SKIPPED, _STATE["gated"], _STATE["not_run"]})
_KNOWN = _STATE["known"]
_RIGHT = _GOOD | _SILENT
_TEXT = [state.text for state in CASE_STATES]


@dataclass(frozen=True, kw_only=True)
class Range:
    """Neighbouring versions in which the same was seen.

    Attributes:
        text: as `results.ranges.label` writes it.
        state: index in CASE_STATES.
        known: whether known failures stand beside that state, which would hide them.
        wrong: cases without a right answer, as "3 to 6" where versions differ: all but
            passed, fallback, and those that were not asked (skipped, gated, not run);
            empty where there are none.
        total: all cases, in the same way.
        told: all states but passed, with their cases, in words.
        gaps: versions in it that gave no data.
    """

    text: str
    state: int
    known: bool
    wrong: str
    total: str
    told: str
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OperatorTarget:
    """A column: targets over the same versions with the same answers for every operator.

    Attributes:
        distribution: whose versions the ranges speak of.
        where: the targets in words.
        axis: the axis that is walked along.
        tested: versions with data, oldest first.
        untested: (version, cell status) of versions without.
        cells: ids of the cells, per version in `tested`, of the first target.
        targets: how many targets it joins.
    """

    distribution: str
    where: str
    axis: str
    tested: tuple[str, ...]
    untested: tuple[tuple[str, str], ...]
    cells: tuple[str, ...]
    targets: int


@dataclass(frozen=True, kw_only=True)
class Operator:
    """A row.

    Attributes:
        unit: `ai.onnx::Conv`.
        cells: per target its ranges, empty where the target never ran it.
        broke: a case of it worked in a version and does not in the next, somewhere.
        unsteady: and the operator comes and goes in one target: not monotone.
        worst: index in CASE_STATES of the worst state in the newest version of any target.
        plain: passed wherever it was tested.
    """

    unit: str
    cells: tuple[tuple[Range, ...], ...]
    broke: bool
    unsteady: bool
    worst: int
    plain: bool


@dataclass(frozen=True, kw_only=True)
class Operators:
    """The section: rows worst first."""

    targets: tuple[OperatorTarget, ...]
    rows: tuple[Operator, ...]
    plain: int
    left_out: int


Column = dict[int, tuple[Range, ...]]  # unit -> ranges
Seen = dict[int, dict[int, int]]  # unit -> state -> cases


def operators(data: Data, changes: NDArray[np.uint8]) -> Operators:
    """Condenses every operator over every lane that measured any.

    Args:
        data: the run.
        changes: per row an index in CHANGES.

    Returns:
        The rows, those that stopped working first.
    """
    cases = data.cases
    newly = set(cases.key_unit[cases.column("key")[np.isin(changes, _LOST)]].tolist())
    wanted = [n for n, (check, _) in enumerate(data.cases.units) if check == CHECK]
    left_out = max(0, len(wanted) - MAX_OPERATORS)
    wanted = wanted[:MAX_OPERATORS]
    columns: dict[object, tuple[list[Lane], Column]] = {}
    for lane in lanes(data.cells):
        seen = {version: _units(data, cell) for version, cell in lane.stops}
        if not any(seen.values()):
            continue
        column = {unit: _ranges(unit, seen) for unit in wanted}
        tested = tuple(version for version, units in seen.items() if units)
        key = (lane.matrix, lane.distribution, tested, tuple(column.values()))
        columns.setdefault(key, ([], column))[0].append(lane)
    targets = tuple(_target(data, members) for members, _ in columns.values())
    parts = [column for _, column in columns.values()]
    rows = [
        _row(cases.units[unit][1], [column[unit] for column in parts], broke=unit in newly)
        for unit in wanted
    ]
    rows.sort(key=lambda row: (not (row.broke or row.unsteady), row.worst, row.unit))
    return Operators(
        targets=targets,
        rows=tuple(rows),
        plain=sum(row.plain for row in rows),
        left_out=left_out,
    )


def _units(data: Data, cell: int) -> Seen:
    """What a cell says of each unit; empty where it measured none."""
    cases = data.cases
    if not measured(cases, cell).any():
        return {}
    units = cases.key_unit[cases.column("key", cell)]
    states = cases.column("state", cell)
    width = len(CASE_STATES)
    pairs, counts = np.unique(units * width + states, return_counts=True)
    found: Seen = {}
    for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True):
        unit, state = divmod(pair, width)  # pairs come sorted: the worst state of a unit first
        found.setdefault(unit, {})[state] = n
    return found


def _lead(states: dict[int, int]) -> tuple[int, bool]:
    """The worst state that says something, and whether it would hide known failures."""
    worst = next((state for state in states if state not in _SILENT), next(iter(states)))
    return worst, _KNOWN in states and worst != _KNOWN


def _ranges(unit: int, seen: dict[str, Seen]) -> tuple[Range, ...]:
    found = {version: units[unit] for version, units in seen.items() if unit in units}
    leads = {version: _lead(states) for version, states in found.items()}
    return tuple(
        _range(part, [found[version] for version in part.versions])
        for part in ranges(tuple(seen), leads)
    )


def _range(part: Condensed[tuple[int, bool]], seen: list[dict[int, int]]) -> Range:
    state, known = part.state
    wrong = [sum(n for s, n in each.items() if s not in _RIGHT) for each in seen]
    total = _between([sum(each.values()) for each in seen])
    others = sorted({s for each in seen for s in each if s != _PASSED})
    parts = [f"{_between([each.get(s, 0) for each in seen])} {_TEXT[s]}" for s in others]
    return Range(
        text=label(part),
        state=state,
        known=known,
        wrong=_between(wrong) if any(wrong) else "",
        total=total,
        told=f"{', '.join(parts) or 'all passed'}, of {total}",
        gaps=part.gaps,
    )


def _between(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"  # noqa: RUF001 - a range


def _row(unit: str, cells: list[tuple[Range, ...]], *, broke: bool) -> Operator:
    unsteady = False
    for parts in cells:
        good = [part.state in _GOOD for part in parts if part.state not in _SILENT]
        # Cases that could not be asked before may fail without anything having broken.
        unsteady |= broke and sum(a != b for a, b in pairwise(good)) > 1
    last = [parts[-1].state for parts in cells if parts]
    return Operator(
        unit=unit,
        cells=tuple(cells),
        broke=broke,
        unsteady=unsteady,
        worst=min(last, default=_NO_DATA),
        plain=not broke
        and all(part.state == _PASSED or part.state in _SILENT for r in cells for part in r),
    )


def _target(data: Data, members: list[Lane]) -> OperatorTarget:
    lane = members[0]
    has = [(version, cell) for version, cell in lane.stops if measured(data.cases, cell).any()]
    tested = {version for version, _ in has}
    untested = {
        (version, data.cells[cell].status)
        for member in members
        for version, cell in member.stops
        if version not in tested
    }
    return OperatorTarget(
        distribution=lane.distribution,
        where=targets_text([member.target for member in members], hide=("framework",)),
        axis=lane.axis,
        tested=tuple(version for version, _ in has),
        untested=tuple(sorted(untested, key=lambda pair: version_key(pair[0]))),
        cells=tuple(data.cells[cell].id for _, cell in has),
        targets=len(members),
    )
