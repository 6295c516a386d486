"""compat.json: support by version ranges, in the shape that browser-compat-data made familiar.

    {"__meta": {...}, "targets": {TARGET: {...}},
     "operators": {"ai.onnx": {"Conv": {"__compat": {...}, "opset_13": {"__compat": {...}}}}},
     "models": {"labels": {"__compat": {...}}}}

A target is everything of a cell but its framework's version. `__compat.support` maps each target to
statements, newest first: `version_added` (`false`: in no tested version; `null`: no data; `≤V`: it
was there in the oldest tested one), `version_removed` or `version_last`, `partial_implementation`,
`status: fallback`, `notes`, `impl_url`; beside them `tested` and `evidence`. A version that was not
tested is never named.

Cases that the runtime gates (their IR or opset is newer than it accepts) say nothing about an
operator unless there are no others; they are in the evidence.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.files import atomic_file
from pytest_modelcompat.results.model import Status
from pytest_modelcompat.results.ranges import Range, in_order, monotone, ranges

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.stored import StoredCase, StoredCell

__all__ = [
    "COMPAT",
    "SCHEMA",
    "Compat",
    "Support",
    "Tally",
    "compat",
    "support_of",
    "target_of",
    "write_compat",
]

COMPAT = "compat.json"
SCHEMA = 1
OPERATORS = "op_support"
_NOTHING = frozenset({Status.NOT_RUN, Status.SKIPPED})


class Support(str, Enum):
    """What one version was found to do with one operator or model."""

    FULL = "full"
    FALLBACK = "fallback"  # right, but a node ran on another provider than the one asked for
    PARTIAL = "partial"
    NONE = "none"


@dataclass(slots=True)
class Tally:
    """The cases of one operator or model in one version."""

    counts: Counter[Status] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)
    signatures: dict[str, None] = field(default_factory=dict)  # the first few, in order


class _Tallies:
    """All of them, a number each: a million small objects would not fit into a host's memory.

    Args:
        places: how many (target, version) there are.
    """

    def __init__(self, places: int) -> None:
        self.paths: dict[tuple[str, ...], int] = {}
        self._places = places
        self._counts: dict[int, int] = {}
        self._known: dict[int, tuple[str, ...]] = {}
        self._signatures: dict[int, tuple[str, ...]] = {}
        self._texts: dict[str, str] = {}

    def number(self, path: tuple[str, ...]) -> int:
        return self.paths.setdefault(path, len(self.paths))

    def add(self, path: int, place: int, case: StoredCase) -> None:
        key = path * self._places + place
        number = key * len(_STATUSES) + _NUMBER[case.status]
        self._counts[number] = self._counts.get(number, 0) + 1
        if case.known:
            self._note(self._known, key, case.known)
        if case.status not in _FINE:
            signature = (case.error or {}).get("signature")
            if type(signature) is str:
                self._note(self._signatures, key, signature[:200])

    def _note(self, notes: dict[int, tuple[str, ...]], key: int, text: str) -> None:
        have = notes.get(key, ())
        if text not in have and len(have) < _FEW:
            notes[key] = (*have, self._texts.setdefault(text, text))

    def get(self, path: tuple[str, ...], place: int) -> Tally | None:
        key = self.paths[path] * self._places + place
        first = key * len(_STATUSES)
        counts = Counter({
            status: self._counts[first + number]
            for status, number in _NUMBER.items()
            if first + number in self._counts
        })  # fmt: skip
        if not counts:
            return None
        signatures = dict.fromkeys(self._signatures.get(key, ()))
        return Tally(counts=counts, known=set(self._known.get(key, ())), signatures=signatures)


_STATUSES = tuple(Status)
_NUMBER = {status: number for number, status in enumerate(_STATUSES)}
_FEW = 3
_FINE = frozenset({Status.PASSED, Status.FALLBACK}) | _NOTHING


def support_of(counts: Mapping[Status, int]) -> Support | None:
    """What the cases of one version amount to; None where none of them was measured."""
    measured = {each for each, number in counts.items() if number} - _NOTHING
    deciding = measured - {Status.GATED} or measured
    if not deciding:
        return None
    if deciding == {Status.PASSED}:
        return Support.FULL
    if deciding <= _FINE:
        return Support.FALLBACK
    return Support.PARTIAL if deciding & _FINE else Support.NONE


def target_of(cell: StoredCell) -> tuple[str, str]:
    """(target, version) of a cell; the target's name is for reading, its axes stand beside it."""
    distribution, _, version = cell.axes.get("framework", "").partition("==")
    rest = " ".join(f"{name}:{value}" for name, value in cell.axes.items() if name != "framework")
    return f"{distribution}[{rest}]", version


class Compat:
    """compat.json while the cases of a run go by.

    Args:
        run: from `load`.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._place = {cell.id: target_of(cell) for cell in run.cells}
        self._places = list(dict.fromkeys(self._place.values()))
        self._number = {cell: self._places.index(where) for cell, where in self._place.items()}
        self._found = _Tallies(len(self._places))
        self._ways: dict[tuple[str, str, int], list[int]] = {}

    def add(self, case: StoredCase) -> None:
        """Take in one of the run's cases."""
        key = (case.check, case.unit, case.opset)
        way = self._ways.get(key)
        if way is None:
            way = self._ways[key] = [self._found.number(path) for path in _paths(case)]
        for each in way:
            self._found.add(each, self._number[case.cell], case)

    def data(self) -> dict[str, Any]:
        """The whole file as JSON data."""
        run, found = self._run, self._found
        targets = _targets(run, self._place)
        planned = {name: shown["versions"] for name, shown in targets.items()}
        data: dict[str, Any] = {
            "__meta": {
                "schema": SCHEMA,
                "run": run.info.id,
                "finished": run.info.finished,
                "tool": run.info.tool,
            },
            "targets": targets,
            "operators": {},
            "models": {},
        }
        for path in sorted(found.paths, key=_order):
            node = data
            for name in path:
                node = node.setdefault(name, {})
            tallies = {where: found.get(path, at) for at, where in enumerate(self._places)}
            node["__compat"] = {"support": _support(tallies, planned, run.info.issues)}
        return data

    def write(self, folder: Path | None = None) -> None:
        """Write compat.json.

        Args:
            folder: where; default: the run's.

        Raises:
            WriteError: the disk is full or the folder read-only.
        """
        with atomic_file((folder or self._run.folder) / COMPAT) as file:
            file.write(json.dumps(self.data(), indent=1, allow_nan=False).encode())


def compat(run: Run) -> dict[str, Any]:
    """The whole file as JSON data.

    Args:
        run: from `load`.
    """
    return _filled(run).data()


def write_compat(run: Run, folder: Path | None = None) -> None:
    """Write compat.json; see `Compat.write`."""
    _filled(run).write(folder)


def _filled(run: Run) -> Compat:
    made = Compat(run)
    for case in run.cases():
        made.add(case)
    return made


def _paths(case: StoredCase) -> list[tuple[str, ...]]:
    """Where in the file a case counts."""
    if case.check != OPERATORS:
        return [("models", case.unit)]
    domain, _, name = case.unit.rpartition("::")
    whole = ("operators", domain or "ai.onnx", name)
    return [whole, (*whole, f"opset_{case.opset}")] if case.opset else [whole]


def _order(path: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """By name, opsets by number."""
    head, _, number = path[-1].partition("opset_")
    last = ("", int(number)) if not head and number.isdigit() else (path[-1], 0)
    return (*((name, 0) for name in path[:-1]), last)


def _targets(run: Run, place: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    targets: dict[str, Any] = {}
    for cell in run.cells:
        name, version = place[cell.id]
        shown = targets.setdefault(
            name,
            {
                "distribution": cell.axes.get("framework", "").partition("==")[0],
                "axes": {axis: v for axis, v in cell.axes.items() if axis != "framework"},
                "versions": [],
                "cells": {},
            },
        )
        shown["versions"].append(version)
        entry = {"cell": cell.id, "status": cell.status.value}
        if lock := cell.environment.get("lock"):
            entry["lock"] = lock
        shown["cells"].setdefault(version, []).append(entry)
    for shown in targets.values():
        shown["versions"] = in_order(shown["versions"])
    return targets


def _support(
    found: Mapping[tuple[str, str], Tally | None],
    planned: Mapping[str, list[str]],
    issues: Mapping[str, str],
) -> dict[str, Any]:
    by_target: dict[str, dict[str, Tally]] = {}
    for (target, version), tally in found.items():
        if tally is None:
            continue
        by_target.setdefault(target, {})[version] = tally
    return {
        target: _statements(planned[target], by_target[target], issues)
        for target in planned
        if target in by_target
    }


def _statements(
    versions: list[str], tallies: Mapping[str, Tally], issues: Mapping[str, str]
) -> list[dict[str, Any]]:
    states = {
        version: state
        for version in versions
        if version in tallies and (state := support_of(tallies[version].counts)) is not None
    }
    condensed = ranges(versions, states)
    if not condensed:
        return [{"version_added": None, "tested": []}]
    straight = monotone(condensed, {Support.FULL, Support.FALLBACK, Support.PARTIAL})
    statements = []
    for at, each in enumerate(condensed):
        if each.state is not Support.NONE:
            after = condensed[at + 1] if at + 1 < len(condensed) else None
            statements.append(_statement(each, after, at == 0, tallies, issues))
        elif len(condensed) == 1:
            statements.append({"version_added": False, **_about(each, tallies, issues)})
    if not straight:
        for statement in statements:
            statement["monotone"] = False
    return statements[::-1]


def _statement(
    found: Range[Support],
    after: Range[Support] | None,
    first: bool,  # noqa: FBT001 - private
    tallies: Mapping[str, Tally],
    issues: Mapping[str, str],
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        # Nothing is known of what came before the oldest version that was tested.
        "version_added": f"≤{found.first}" if first else found.first
    }
    if after is not None:
        statement["version_removed"] = after.first
        statement["version_last"] = found.last
    if found.state is Support.PARTIAL:
        statement["partial_implementation"] = True
    if found.state is Support.FALLBACK:
        statement["status"] = "fallback"
    return {**statement, **_about(found, tallies, issues)}


def _about(
    found: Range[Support], tallies: Mapping[str, Tally], issues: Mapping[str, str]
) -> dict[str, Any]:
    counts: Counter[Status] = Counter()
    known: set[str] = set()
    signatures: dict[str, None] = {}
    for version in found.versions:
        tally = tallies[version]
        counts.update(tally.counts)
        known |= tally.known
        signatures.update(tally.signatures)
    about: dict[str, Any] = {}
    if found.state in {Support.PARTIAL, Support.NONE}:
        total = sum(n for each, n in counts.items() if each not in _NOTHING)
        wrong = [
            f"{each.value} {counts[each]}" for each in Status if counts[each] and each not in _FINE
        ]
        about["notes"] = [f"of {total} cases: {', '.join(wrong)}", *list(signatures)[:_FEW]]
    if urls := [issues[each] for each in sorted(known) if each in issues]:
        about["impl_url"] = urls
    about["tested"] = list(found.versions)
    if found.gaps:
        about["no_data"] = list(found.gaps)
    about["evidence"] = {each.value: counts[each] for each in Status if counts[each]}
    return about
