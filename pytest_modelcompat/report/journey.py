"""From the first measured version to the newest: one answer over all steps.

Steps tell what each release did; whoever upgrades over several of them asks what is broken at the
end, and since when. A case counts as broken if it worked in any version of the lane and does not
in the newest measured one, so that nothing is lost that the first version did not have yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelcompat.report.change import changed, measured, works
from pytest_modelcompat.report.lanes import version_key
from pytest_modelcompat.report.states import OUTCOMES
from pytest_modelcompat.report.text import shorten
from pytest_modelcompat.report.verdict import KINDS, Step, Verdict, Walk, judge, step, unvaried
from pytest_modelcompat.words import count, join, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_modelcompat.report.columns import Cases
    from pytest_modelcompat.report.data import Data
    from pytest_modelcompat.report.lanes import Lane

__all__ = ["journeys"]

_XFAIL = OUTCOMES.index("xfail")
_FEWEST = 3  # measured versions; between two there is one step, which says the same
_SHOWN = 3  # names per version
_BREAKS = 4  # versions in a sentence


@dataclass(frozen=True, kw_only=True)
class _Broken:
    """What worked once and does not in the newest version.

    Attributes:
        since: first bad version -> (check, unit) of what broke there, oldest first.
        cases: how many cases that are.
    """

    since: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    cases: int

    @property
    def text(self) -> str:
        """`since 1.24.1: Tile and attn fail; since 1.28.0: Conv fails`."""
        parts = []
        for version, units in self.since[:_BREAKS]:
            names = [
                shorten(unit.rpartition("::")[2] if check == "op_support" else unit, 40)
                for check, unit in units
            ]
            more = len(names) - _SHOWN
            shown = [*names[:_SHOWN], f"{more} more"] if more > 0 else names
            parts.append(f"since {version}: {join(shown)} {'fails' if len(names) == 1 else 'fail'}")
        left = len(self.since) - _BREAKS
        if left > 0:
            parts.append(f"and since {plural(left, 'later version')} more")
        return "; ".join(parts)


def journeys(data: Data, lanes: Sequence[Lane]) -> tuple[Step, ...]:
    """One answer per target that measured at least three versions.

    Args:
        data: the run.
        lanes: of the run, without what was deselected.

    Returns:
        Steps from the first to the newest measured version, in the order of the lanes.
    """
    hide = unvaried(data.cells)
    made: dict[tuple[str, ...], dict[object, tuple[Verdict, list[Walk]]]] = {}
    for lane in lanes:
        stops = [stop for stop in lane.stops if measured(data.cases, stop[1]).any()]
        if len(stops) < _FEWEST:
            continue
        change = changed(data.cases, stops[0][1], stops[-1][1])
        move = Walk(lane=lane, old=stops[0], new=stops[-1], change=change)
        verdict = _judge(data, move, stops)
        key = (lane.matrix, lane.distribution, lane.axis, stops[0][0], stops[-1][0])
        alike = (verdict.kind, verdict.lead, verdict.detail, verdict.rest)
        made.setdefault(key, {}).setdefault(alike, (verdict, []))[1].append(move)
    return tuple(
        step(data, hide, (matrix, distribution, axis), old=old, new=new, answers=same.values())
        for (matrix, distribution, axis, old, new), same in made.items()
    )


def _judge(data: Data, move: Walk, stops: Sequence[tuple[str, int]]) -> Verdict:
    newest, version = stops[-1][1], stops[-1][0]
    usual = judge(data, move)
    broken, known = _broken(data.cases, stops, known=False), _broken(data.cases, stops, known=True)
    if known.cases:
        told = f"known {known.text}"
        usual = replace(usual, rest=f"{usual.rest}, {told}" if usual.rest else told)
    if not broken.cases:
        return usual
    total = plural(int(measured(data.cases, newest).sum()), "case")
    missing = move.change.counts["no_data"] if move.change else 0
    gone = f"; {plural(missing, 'case')} not measured there" if missing else ""
    return replace(
        usual,
        kind="no",
        lead=KINDS["no"][2],
        detail=f"{broken.text}: {count(broken.cases)} of {total} measured with {version}{gone}",
        query="-status:passed",
    )


def _broken(cases: Cases, stops: Sequence[tuple[str, int]], *, known: bool) -> _Broken:
    """When the cases that fail in the last stop failed first, after they had worked.

    Args:
        cases: of the run.
        stops: measured ones, oldest first.
        known: ask of those that a known issue excuses in the last stop, or of all others.
    """
    newest = stops[-1][1]
    bad = measured(cases, newest) & ~works(cases, newest)
    bad &= (cases.column("outcome", newest) == _XFAIL) == known
    open_keys = np.unique(cases.column("key", newest)[bad])
    first = np.full(len(open_keys), len(stops) - 1)
    worked = np.zeros(len(open_keys), np.bool_)
    # Backwards, until each case is met where it worked: the bad stop after that is its first.
    for place in range(len(stops) - 2, -1, -1):
        cell = stops[place][1]
        keys, seen, right = cases.column("key", cell), measured(cases, cell), works(cases, cell)
        failed = np.isin(open_keys, keys[seen & ~right]) & ~worked
        first[failed] = place
        worked |= np.isin(open_keys, keys[seen & right])
    since: dict[int, list[tuple[str, str]]] = {}
    for place in sorted(set(first[worked].tolist())):
        units, counts = np.unique(
            cases.key_unit[open_keys[worked & (first == place)]], return_counts=True
        )
        ranked = sorted(zip((-counts).tolist(), units.tolist(), strict=True))
        since[place] = [cases.units[unit] for _, unit in ranked]
    told = [(stops[place][0], tuple(units)) for place, units in since.items()]
    told.sort(key=lambda pair: version_key(pair[0]))
    return _Broken(since=tuple(told), cases=int(worked.sum()))
