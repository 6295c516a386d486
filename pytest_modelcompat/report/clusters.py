"""Failures that look alike, as one row each: by normalised signature, with where and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_modelcompat.report.change import CHANGES, measured
from pytest_modelcompat.report.columns import STAGES
from pytest_modelcompat.report.lanes import split_framework, version_key
from pytest_modelcompat.report.states import CASE_STATES, OUTCOMES
from pytest_modelcompat.report.text import clean
from pytest_modelcompat.results.ranges import label, ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_modelcompat.report.data import Data

__all__ = ["Cluster", "clusters", "message"]

MAX_CLUSTERS = 2_000
MAX_UNITS = 12
MAX_SINCE = 240  # clusters whose first bad version is told
_NEW = CHANGES.index("new")
_COMPARE = STAGES.index("compare")
_BAD = tuple(OUTCOMES.index(word) for word in ("not_ok", "xpass"))
_STATE = {state.key: index for index, state in enumerate(CASE_STATES)}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Cases that ended alike.

    Attributes:
        kind: `failure` (fails the run), `info` (unsupported or gated) or `known`.
        state: index in CASE_STATES.
        stage: where they ended.
        signature: the normalised message; for wrong values, which unit has them.
        message: the raw message of the first case.
        units: the units hit, most cases first (at most MAX_UNITS), and how many there are.
        cases, new, cells: how many of each; `new` against the version before.
        versions: per distribution, in which of the measured versions it was seen.
        since: per distribution the first bad version, and what the same cases did in the measured
            version before it; only of the clusters that a reader sees first.
        query: finds its cases.
        row: its first case.
    """

    kind: str
    state: int
    stage: str
    signature: str
    message: str
    units: tuple[str, ...]
    unit_count: int
    cases: int
    new: int
    cells: int
    versions: tuple[tuple[str, str], ...]
    since: tuple[tuple[str, str, str], ...]
    query: str
    row: int


def message(data: Data, row: int) -> str:
    """The raw message of a case, cleaned; empty where it has none."""
    error = data.cases.details.get(row).get("error") or {}
    return clean(error.get("message", ""))


def clusters(data: Data, changes: NDArray[np.uint8]) -> tuple[Cluster, ...]:
    """Groups every case that fails the run, is not supported, or is known to fail.

    Args:
        data: the run.
        changes: per row an index in CHANGES.

    Returns:
        Clusters, those with new failures first, then failures, known ones, information.
    """
    cases = data.cases
    state, outcome = cases.column("state"), cases.column("outcome")
    told = (_STATE["unsupported"], _STATE["gated"], _STATE["known"])
    rows = np.flatnonzero(np.isin(outcome, _BAD) | np.isin(state, told))
    if not len(rows):
        return ()
    signature = cases.column("signature")[rows].astype(np.int64)
    unit = cases.key_unit[cases.column("key")[rows]]
    stage = cases.column("stage")[rows].astype(np.int64)
    columns = (
        state[rows].astype(np.int64),
        stage,
        np.isin(outcome[rows], _BAD).astype(np.int64),
        cases.column("known")[rows].astype(np.int64),
        signature,
        # "wrong value, float32" of two operators has no cause in common; a message has.
        np.where((stage == _COMPARE) | (signature == 0), unit, -1),
    )
    order = np.lexsort(columns[::-1])
    stacked = np.stack([column[order] for column in columns])
    edges = np.flatnonzero((stacked[:, 1:] != stacked[:, :-1]).any(axis=0)) + 1
    groups = np.split(rows[order], edges)
    sized = sorted(
        groups, key=lambda group: -int((changes[group] == _NEW).sum()) * 10**9 - len(group)
    )
    stops = _stops(data)
    shown = [np.sort(group) for group in sized[:MAX_CLUSTERS]]
    # In the order of the rows: that is how details are packed.
    messages = {row: message(data, row) for row in sorted(int(group[0]) for group in shown)}
    found = [
        _cluster(data, changes, group, stops, messages[int(group[0])], since=place < MAX_SINCE)
        for place, group in enumerate(shown)
    ]
    rank = {"failure": 0, "known": 1, "info": 2}
    found.sort(key=lambda each: (not each.new, rank[each.kind], -each.cases))
    return tuple(found)


Stops = dict[str, list[tuple[str, list[int]]]]  # distribution -> (version, measured cells)


def _stops(data: Data) -> Stops:
    found: dict[str, dict[str, list[int]]] = {}
    for position, cell in enumerate(data.cells):
        if measured(data.cases, position).any():
            distribution, version = split_framework(cell.axes.get("framework", ""))
            found.setdefault(distribution, {}).setdefault(version, []).append(position)
    return {
        distribution: sorted(versions.items(), key=lambda item: version_key(item[0]))
        for distribution, versions in found.items()
    }


def _cluster(
    data: Data,
    changes: NDArray[np.uint8],
    rows: NDArray[np.int64],
    stops: Stops,
    told: str,
    *,
    since: bool,
) -> Cluster:
    cases = data.cases
    first = int(rows[0])
    state = CASE_STATES[int(cases.column("state")[first])]
    bad = int(cases.column("outcome")[first]) in _BAD
    keys = cases.column("key")[rows]
    unit_ids, unit_counts = np.unique(cases.key_unit[keys], return_counts=True)
    by_size = np.argsort(-unit_counts, kind="stable")
    units = [cases.units[int(unit_ids[n])][1] for n in by_size]
    cells = np.unique(cases.column("cell")[rows])
    since = since and state.key != "xpass"  # which passed, so there is no first bad one
    text = cases.names["signature"][int(cases.column("signature")[first])]
    stage = int(cases.column("stage")[first])
    stage_name = STAGES[stage] if stage < len(STAGES) else ""
    return Cluster(
        kind="failure" if bad else "known" if state.key == "known" else "info",
        state=int(cases.column("state")[first]),
        stage=stage_name,
        signature=_title(state.key, text, units, by_unit=stage == _COMPARE),
        message=told,
        units=tuple(units[:MAX_UNITS]),
        unit_count=len(units),
        cases=len(rows),
        new=int((changes[rows] == _NEW).sum()),
        cells=len(cells),
        versions=_versions(set(cells.tolist()), stops),
        since=_since(data, rows, set(cells.tolist()), stops) if since else (),
        query=_query(data, first, text, units, bad=bad),
        row=first,
    )


def _title(state: str, signature: str, units: list[str], *, by_unit: bool) -> str:
    name = units[0]
    if signature:
        return f"{name}: {signature}" if by_unit else signature
    if state == "nondeterministic":
        return f"{name}: repeats disagree"
    if state == "xpass":
        return f"{name}: passes although a known issue says it fails"
    if state in {"failed", "known"}:
        return f"{name}: wrong values"
    return f"{name}: no message"


def _versions(cells: set[int], stops: Stops) -> tuple[tuple[str, str], ...]:
    """In which of the measured versions of each distribution: `1.28.0+`, `all 6 versions`."""
    told: list[tuple[str, str]] = []
    for distribution, versions in stops.items():
        hit = {version: bool(cells & set(where)) for version, where in versions}
        found = [part for part in ranges(tuple(hit), hit) if part.state]
        if not found:
            continue
        if all(hit.values()) and len(hit) > 1:
            told.append((distribution, f"all {len(hit)} versions"))
        else:
            told.append((distribution, ", ".join(label(part) for part in found)))
    return tuple(told)


def _since(
    data: Data, rows: NDArray[np.int64], hit: set[int], stops: Stops
) -> tuple[tuple[str, str, str], ...]:
    """The first bad version of each distribution, and how the same cases ended before it."""
    told = []
    for distribution, versions in stops.items():
        place = next((n for n, (_, where) in enumerate(versions) if hit & set(where)), None)
        if place is None:
            continue
        version, cells = versions[place]
        if not place:
            told.append((distribution, version, "or before: it is the oldest tested"))
            continue
        before, earlier = versions[place - 1]
        keys = data.cases.column("key")[rows[np.isin(data.cases.column("cell")[rows], cells)]]
        told.append((distribution, version, f"{_ended(data, keys, earlier)} in {before}"))
    return tuple(told)


def _ended(data: Data, keys: NDArray[np.int64], cells: list[int]) -> str:
    """How these cases ended in these cells: the worst of it, and whether all did."""
    cases = data.cases
    states: set[int] = set()
    for cell in cells:
        there = np.isin(cases.column("key", cell), keys)
        states.update(np.unique(cases.column("state", cell)[there]).tolist())
    words = [CASE_STATES[state].text for state in sorted(states)]
    return " or ".join(words[:3]) if words else "not planned"


def _query(data: Data, row: int, signature: str, units: list[str], *, bad: bool) -> str:
    cases = data.cases
    state = CASE_STATES[int(cases.column("state")[row])].key
    words = []
    if state == "known":
        known = cases.names["known"][int(cases.column("known")[row])]
        words.append(f"known:{quote(known)}")
    elif state == "xpass":
        words.append("outcome:xpass")
    else:
        words.append(f"status:{state}")
    stage = int(cases.column("stage")[row])
    if stage < len(STAGES):
        words.append(f"stage:{STAGES[stage]}")
    if signature:
        words.append(f"signature:{quote(signature)}")
    if not signature or stage == _COMPARE:
        words.append(f"unit:{quote(units[0])}")
    if bad and state not in {"xpass", "known"}:
        words.append("is:failure")
    return " ".join(words)


def quote(value: Any) -> str:
    """A value as the query box reads it: quoted, taken literally."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
