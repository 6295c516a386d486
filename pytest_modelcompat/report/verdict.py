"""One sentence per step and target: can one move there?

Truth first: "you can move" needs a target that measured every case which the version before it
measured, and not one of them newly failing. Everything else says what is in the way, or that
nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelcompat.report.change import Change, changed, measured
from pytest_modelcompat.report.lanes import (
    Lane,
    axis_name,
    lanes,
    targets_text,
    version_key,
)
from pytest_modelcompat.report.states import CASE_STATES
from pytest_modelcompat.report.text import shorten
from pytest_modelcompat.results.cause import cause
from pytest_modelcompat.words import count, join, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_modelcompat.report.data import Cell, Data

__all__ = [
    "KINDS",
    "Step",
    "Verdict",
    "Walk",
    "judge",
    "merge",
    "select",
    "step",
    "steps",
    "unvaried",
    "walk",
]

#: kind -> glyph, letter, what it says in two or three words, tone; worst first
KINDS = {
    "no": ("✗", "N", "Not", "bad"),
    "unknown": ("?", "?", "Unknown", "broken"),
    "fallback": ("⤵", "L", "Only with fallback", "moved"),
    "yes": ("✓", "Y", "You can move", "good"),
    "alone": ("·", ".", "Measured", "quiet"),
}

_STATUS_WORDS = {
    "environment_failed": "the environment could not be made",
    "unavailable": "it is not available here",
    "infrastructure_failed": "the infrastructure failed",
    "interrupted": "the cell was interrupted before it measured anything",
    "misconfigured": "the provider that was asked for ran nothing",
    "completed": "no case was measured",
}
_STATE_WORDS = {"fallback": "on another provider (fallback)"}
_EXCUSED = "You can move but for known failures"
_SHOWN = 4  # names in a sentence; the rest are behind its link


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer for one step and the targets that share it.

    Attributes:
        kind: a key of KINDS.
        lead: the first words.
        where: the targets.
        detail: why, with denominators; no full stop.
        rest: what does not decide it and must not be hidden either; may be empty.
        reason: the first raw words behind it (resolver, loader), or empty.
        lanes: how many targets it speaks for.
        cells: ids of the cells moved to.
        query: finds its cases in the case list; empty where there are none.
    """

    kind: str
    lead: str
    where: str
    detail: str
    rest: str
    reason: str
    lanes: int
    cells: tuple[str, ...]
    query: str

    @property
    def each(self) -> str:
        """Says of counts for several targets that each of them has these; empty for one target."""
        counted = "case" in self.detail and self.lanes > 1
        return f" (each of {count(self.lanes)} targets)" if counted else ""

    @property
    def sentence(self) -> str:
        """All of it as one sentence."""
        rest = f"; {self.rest}" if self.rest else ""
        return f"{self.lead} on {self.where}{self.each}: {self.detail}{rest}."


@dataclass(frozen=True, kw_only=True)
class Step:
    """A move from one version to the next, or a single version that has no neighbour."""

    matrix: str
    distribution: str
    axis: str
    old: str
    new: str
    verdicts: tuple[Verdict, ...]

    @property
    def title(self) -> str:
        """`onnxruntime 1.24.4 → 1.28.0`."""
        return f"{self.subject} {self.range}".strip()

    def says(self, kind: str) -> bool:
        """Whether any target's answer is of this kind."""
        return any(verdict.kind == kind for verdict in self.verdicts)

    @property
    def subject(self) -> str:
        """What moves: the distribution, or the package or Python under it."""
        if self.axis == "framework":
            return self.distribution
        name = "Python" if self.axis == "python" else axis_name(self.axis)
        return f"{self.distribution}: {name}"

    @property
    def range(self) -> str:
        """`1.24.4 → 1.28.0`, or the single version."""
        return f"{self.old} → {self.new}" if self.old else self.new


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Every move of a run before sentences are made of it: lane, cells, what changed."""

    lane: Lane
    old: tuple[str, int] | None
    new: tuple[str, int]
    change: Change | None


def walk(data: Data) -> tuple[Walk, ...]:
    """Pairs every stop of every lane with the nearest older one that measured something."""
    moves: list[Walk] = []
    for lane in lanes(data.cells):
        # Nobody asked about what was deselected: that is no unknown answer.
        stops = [stop for stop in lane.stops if data.cells[stop[1]].status != "deselected"]
        old: tuple[str, int] | None = None
        in_lane: list[Walk] = []
        for stop in stops:
            change = None if old is None else changed(data.cases, old[1], stop[1])
            in_lane.append(Walk(lane=lane, old=old, new=stop, change=change))
            if measured(data.cases, stop[1]).any():
                old = stop
        # The first measured stop has nothing before it: it is told only if nothing follows it.
        started = [move for move in in_lane if move.old is not None]
        moves += started or in_lane
    return tuple(moves)


def steps(data: Data, moves: Sequence[Walk]) -> tuple[Step, ...]:
    """The verdicts of a run, by step: newest first within a distribution."""
    hide = unvaried(data.cells)
    Key = tuple[str, str, str, str]  # noqa: N806 - a name for a type
    grouped: dict[Key, dict[object, tuple[Verdict, list[Walk]]]] = {}
    olds: dict[Key, list[str]] = {}
    for move in moves:
        lane = move.lane
        key = (lane.matrix, lane.distribution, lane.axis, move.new[0])
        olds.setdefault(key, []).append(move.old[0] if move.old else "")
        verdict = judge(data, move)
        same = grouped.setdefault(key, {})
        alike = (verdict.kind, verdict.detail, verdict.rest, move.old[0] if move.old else "")
        same.setdefault(alike, (verdict, []))[1].append(move)
    families = list(dict.fromkeys(key[:3] for key in grouped))
    made = []
    for key, same in grouped.items():
        # Most targets come from the neighbour; a target that skipped versions says so itself.
        old = max(olds[key], key=lambda version: (bool(version), version_key(version)))
        made.append(step(data, hide, key[:3], old=old, new=key[3], answers=same.values()))
    made.sort(key=lambda step: version_key(step.new), reverse=True)
    made.sort(key=lambda step: families.index((step.matrix, step.distribution, step.axis)))
    return tuple(made)


def step(
    data: Data,
    hide: tuple[str, ...],
    family: tuple[str, str, str],
    *,
    old: str,
    new: str,
    answers: Iterable[tuple[Verdict, list[Walk]]],
) -> Step:
    """The answers about one step, targets with the same one merged, worst first.

    Args:
        data: the run.
        hide: axes that need no mention.
        family: matrix, distribution, axis.
        old: version it starts from.
        new: version it leads to.
        answers: each with the targets that it is about.
    """
    order = list(KINDS)
    verdicts = [merge(data, hide, old, verdict, where) for verdict, where in answers]
    verdicts.sort(key=lambda verdict: (order.index(verdict.kind), -verdict.lanes))
    matrix, distribution, axis = family
    return Step(
        matrix=matrix,
        distribution=distribution,
        axis=axis,
        old=old,
        new=new,
        verdicts=tuple(verdicts),
    )


def unvaried(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Axes beyond the four that never change: naming them tells nothing."""
    four = {"framework", "python", "image", "provider"}
    values: dict[str, set[str | None]] = {}
    for cell in cells:
        for axis in cell.axes:
            values.setdefault(axis, set())
    for axis, seen in values.items():
        seen.update(cell.axes.get(axis) for cell in cells)
    return tuple(axis for axis, seen in values.items() if axis not in four and len(seen) == 1)


def merge(
    data: Data, hide: tuple[str, ...], usual: str, verdict: Verdict, members: list[Walk]
) -> Verdict:
    """The verdict that several targets share, naming them all."""
    cells = tuple(data.cells[move.new[1]].id for move in members)
    targets = [move.lane.target for move in members]
    where = targets_text(targets, hide=(*hide, "framework")) or "every target"
    old = members[0].old
    if old is not None and old[0] != usual:
        where += f" (from {old[0]})"
    query = " ".join((verdict.query, *select(members))) if verdict.query else ""
    return replace(verdict, where=where, lanes=len(members), cells=cells, query=query)


def select(members: Sequence[Walk]) -> list[str]:
    """The query words that find the cells moved to."""
    move = members[0]
    words = []
    if move.lane.axis == "framework":
        words.append(f"{move.lane.distribution}:{move.new[0]}")
    else:
        words.append(f"{axis_name(move.lane.axis)}:{move.new[0]}")
    for axis in dict(move.lane.target):
        if axis == "framework":
            continue
        values = list(dict.fromkeys(dict(member.lane.target).get(axis, "") for member in members))
        words.append(f"{axis_name(axis)}:{','.join(_quoted(value) for value in values)}")
    return words


def _quoted(value: str) -> str:
    plain = value and not set(value) & set(" ,\"'\\")
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def judge(data: Data, move: Walk) -> Verdict:
    """What may be said of one move of one target."""
    cell = data.cells[move.new[1]]
    has_data = bool(measured(data.cases, move.new[1]).any())
    if not has_data:
        return _nothing(cell, move)
    if move.change is None:
        return _alone(data, move)
    return _compared(cell, move, move.change)


def _verdict(
    kind: str, detail: str, *, rest: str = "", reason: str = "", query: str = ""
) -> Verdict:
    return Verdict(
        kind=kind,
        lead=KINDS[kind][2],
        where="",
        detail=detail,
        rest=rest,
        reason=reason,
        lanes=1,
        cells=(),
        query=query,
    )


def _nothing(cell: Cell, move: Walk) -> Verdict:
    """The target measured nothing."""
    if cell.status == "unsatisfiable":
        name = f"{move.lane.distribution} {move.new[0]}"
        return _verdict(
            "no",
            f"{name} cannot be installed there (no set of packages fits)",
            reason=cause(cell.reason),
        )
    words = _STATUS_WORDS.get(cell.status, f"the cell ended {cell.status or 'without a status'}")
    if cell.stage and cell.status == "environment_failed":
        words += f" (it failed at {cell.stage})"
    if cell.status == "misconfigured" and cell.stage == "load":  # an option that it does not have
        words = "the runtime refused how the cell is configured"
    known = f", known as {cell.known}" if cell.known else ""
    return _verdict("unknown", words + known, reason=cell.reason)


def _alone(data: Data, move: Walk) -> Verdict:
    """The only measured version of its lane: what is there, and nothing about moving."""
    cell = data.cells[move.new[1]]
    states = np.bincount(data.cases.column("state", move.new[1]), minlength=len(CASE_STATES))
    counts = {state: int(n) for state, n in zip(CASE_STATES, states, strict=True) if n}
    total, right = sum(counts.values()), counts.pop(CASE_STATES[-1], 0)
    rest = ", ".join(
        f"{count(n)} {_STATE_WORDS.get(state.key, state.text)}" for state, n in counts.items()
    )
    passed = f"{count(right)} of {plural(total, 'case')} passed"
    if cell.status == "misconfigured":
        words_of = _STATUS_WORDS["misconfigured"]
        return _verdict("unknown", f"{words_of}; {passed}", rest=rest, reason=cell.reason)
    return _verdict(
        "alone", f"{passed}, no other version to compare with", rest=rest, query="-status:passed"
    )


def _compared(cell: Cell, move: Walk, change: Change) -> Verdict:  # noqa: PLR0911 - one per case
    counts, rest = change.counts, _rest(change)
    before = move.old[0] if move.old else "?"
    both = f"{plural(change.compared, 'case')} measured on both"
    excused = "is:known-new" if counts["known_new"] else ""
    none_new = "0 new failures beyond known ones" if excused else "0 new failures"
    if counts["new"]:
        return _verdict("no", _broken(change), rest=rest, query="is:new")
    if not change.compared:
        return _verdict("unknown", f"no case was measured both there and with {before}")
    if counts["no_data"]:
        return _verdict(
            "unknown",
            f"{count(counts['no_data'])} of the {plural(change.before, 'case')} measured with "
            f"{before} were not measured there; {none_new} in the {count(change.compared)} "
            "that were",
            rest=rest,
            reason=cell.reason,
            query="is:no-data",
        )
    if cell.status == "misconfigured":
        return _verdict("unknown", _STATUS_WORDS[cell.status], rest=rest, reason=cell.reason)
    if not change.works:
        return _none_works(change, before)
    if counts["moved"]:
        moved = f"{count(counts['moved'])} of {both} newly ran on another provider than the one "
        return _verdict("fallback", f"{moved}asked for; {none_new}", rest=rest, query="is:moved")
    if not change.passed:
        none = f"none of {both} ran" if change.compared > 1 else "the only case did not run"
        return _verdict(
            "fallback", f"{none} on the provider asked for; {none_new}", rest=rest, query=excused
        )
    if excused:
        told = _verdict("yes", f"{none_new} in {both}", rest=rest, query=excused)
        return replace(told, lead=_EXCUSED)
    return _verdict("yes", f"{none_new} in {both}", rest=rest)


def _none_works(change: Change, before: str) -> Verdict:
    """Nothing works there: that is a loss only where something did."""
    only = change.compared == 1
    total = plural(change.compared, "case")
    none = "the only case does not work there" if only else f"none of {total} works there"
    lost = change.counts["known_new"]
    if not lost:
        did = "it did not" if only else "none did"
        return _verdict("unknown", f"{none}, and {did} with {before}")
    did = "it did" if only else f"{count(lost)} of them did"
    detail = f"{none}; {did} with {before}, and what fails is known"
    return _verdict("no", detail, query="is:known-new")


def _broken(change: Change) -> str:
    """`4 operators newly fail (Tile, …), 12 of 1,506 cases`."""
    total = change.counts["new"]
    parts = []
    for one, many, wanted in (("operator", "operators", "op_support"), ("model", "models", "")):
        names = [
            unit.rpartition("::")[2] if check == "op_support" else unit
            for (check, unit), _ in change.units
            if (check == "op_support") == bool(wanted)
        ]
        if names:
            shown = ", ".join(shorten(name, 40) for name in names[:_SHOWN])
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            verb = "fails" if len(names) == 1 else "fail"
            parts.append(f"{plural(len(names), one, many)} newly {verb} ({shown}{more})")
    lost = f", {count(change.lost)} of them no longer supported" if change.lost else ""
    missing = change.counts["no_data"]
    unmeasured = f"; {plural(missing, 'case')} not measured there" if missing else ""
    return (
        f"{join(parts)}: {count(total)} of {plural(change.compared, 'case')} measured on both"
        f"{lost}{unmeasured}"
    )


def _rest(change: Change) -> str:
    """What does not decide the verdict and must not be hidden either."""
    counts = change.counts
    failing = counts["still"] - change.still_missing
    told = (
        (counts["known"] + counts["known_new"], "known", "known"),
        (counts["known_new"], "of them worked before", "of them worked before"),
        (failing, "fails as before", "fail as before"),
        (change.still_missing, "not supported as before", "not supported as before"),
        (change.still_moved, "on another provider as before", "on another provider as before"),
        (counts["fixed"], "newly works", "newly work"),
        (counts["flaky"], "is flaky", "are flaky"),
        (counts["added"], "measured for the first time", "measured for the first time"),
        (change.added_bad, "of these does not work", "of these do not work"),
        (change.unexpected, "passes unexpectedly", "pass unexpectedly"),
    )
    return ", ".join(f"{count(n)} {one if n == 1 else many}" for n, one, many in told if n)
