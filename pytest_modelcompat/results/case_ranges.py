"""Where a case changes along an ordered axis: the `ranges` of run.json.

Ordered axes are the framework's versions, Python's, and those of declared packages, where every
value is a version. A **lane** is what stays when such an axis is taken out of a cell: the same
target, one version after the other. Only cases that do not end alike in a whole lane are listed;
those of a unit that change alike are listed together.

`good` is an answer that is right, wherever it ran; `missing` is unsupported or gated; `bad` is
everything else that was measured. A version without an answer breaks no range and is named in it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.model import Status
from pytest_modelcompat.results.ranges import Range, in_order, is_version, monotone, ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["CaseRange", "CaseRanges", "Span", "read"]

MOST = 50_000  # entries; the rest is counted
_STATES = ("", "good", "fallback", "missing", "bad")
_STATE = {
    Status.PASSED: 1, Status.FALLBACK: 2, Status.UNSUPPORTED: 3, Status.GATED: 3,
    Status.SKIPPED: 0, Status.NOT_RUN: 0,
}  # fmt: skip
_BAD = _STATES.index("bad")
GOOD = frozenset({"good", "fallback"})


@dataclass(frozen=True, kw_only=True)
class Span:
    """Neighbouring versions with the same state; `no_data`: those inside without an answer."""

    state: str
    first: str
    last: str
    no_data: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CaseRange:
    """Cases of a unit that change alike along a lane.

    Attributes:
        matrix: name.
        axis: `framework`, `python` or `packages.NAME`.
        of: what the versions are of: the distribution of the framework, `python`, the package.
        target: the other axes and their values; of the framework, its distribution.
        check, unit: of the cases.
        cases: their names.
        spans: oldest first.
        first_bad: the first version that is no longer good, after one that was.
        last_good: the version with an answer before it.
        first_good: the first version that is good, after one that was not.
        monotone: false where it came and went.
    """

    matrix: str
    axis: str
    of: str
    target: tuple[tuple[str, str], ...]
    check: str
    unit: str
    cases: tuple[str, ...]
    spans: tuple[Span, ...]
    first_bad: str | None = None
    last_good: str | None = None
    first_good: str | None = None
    monotone: bool = True


@dataclass(frozen=True)
class _Lane:
    matrix: str
    axis: str
    of: str
    target: tuple[tuple[str, str], ...]


class CaseRanges:
    """The ranges of a run, while its cases go by: a byte for each.

    Args:
        cells: (id, matrix, axes) of every cell.
    """

    def __init__(self, cells: Iterable[tuple[str, str, Mapping[str, str]]]) -> None:
        self._lanes = _lanes(list(cells))
        self._rows: dict[str, bytearray] = {
            cell: bytearray() for stops in self._lanes.values() for cell in stops.values()
        }
        self._names: dict[tuple[str, str, str], int] = {}
        self.left_out = 0

    def add(self, cell: str, check: str, unit: str, case: str, status: Status) -> None:
        """Take in one case."""
        row = self._rows.get(cell)
        if row is None:  # no lane goes through its cell
            return
        number = self._names.setdefault((check, unit, case), len(self._names))
        if number >= len(row):
            row.extend(bytes(number + 1 - len(row)))
        row[number] = _STATE.get(status, _BAD)

    def found(self, most: int = MOST) -> Iterator[CaseRange]:
        """The ranges, lane by lane; `left_out` counts what did not find room."""
        given = 0
        self.left_out = 0
        names = list(self._names)
        for lane, stops in self._lanes.items():
            versions = in_order(stops)
            rows = [bytes(self._rows[stops[v]]).ljust(len(names), b"\0") for v in versions]
            alike: dict[tuple[str, str, bytes], list[str]] = {}
            for (check, unit, case), states in zip(names, zip(*rows, strict=True), strict=True):
                if len(set(states) - {0}) > 1:
                    alike.setdefault((check, unit, bytes(states)), []).append(case)
            for (check, unit, pattern), cases in alike.items():
                given += 1
                if given > most:
                    self.left_out += 1
                    continue
                yield _range(lane, versions, pattern, check=check, unit=unit, cases=cases)


def _lanes(cells: list[tuple[str, str, Mapping[str, str]]]) -> dict[_Lane, dict[str, str]]:
    """Lane -> version -> cell; only lanes with two versions or more."""
    lanes: dict[_Lane, dict[str, str]] = {}
    for identity, matrix, axes in cells:
        distribution, _, release = axes.get("framework", "").partition("==")
        for axis, value in axes.items():
            ordered = axis in {"framework", "python"} or axis.startswith("packages.")
            version = release if axis == "framework" else value
            if not ordered or not is_version(version):
                continue
            rest = tuple((name, each) for name, each in axes.items() if name != axis)
            of = distribution if axis == "framework" else axis.removeprefix("packages.")
            if axis == "framework":
                rest = (("framework", distribution), *rest)
            lanes.setdefault(_Lane(matrix, axis, of, rest), {})[version] = identity
    return {lane: stops for lane, stops in lanes.items() if len(stops) > 1}


def _range(
    lane: _Lane, versions: list[str], pattern: bytes, *, check: str, unit: str, cases: list[str]
) -> CaseRange:
    states = {v: _STATES[n] for v, n in zip(versions, pattern, strict=True) if n}
    condensed = ranges(versions, states)
    turns = list(pairwise(condensed))
    broke = next(((a, b) for a, b in turns if a.state in GOOD and b.state not in GOOD), None)
    mended = next((b for a, b in turns if a.state not in GOOD and b.state in GOOD), None)
    straight = monotone(condensed, GOOD) or monotone(condensed[::-1], GOOD)
    return CaseRange(
        matrix=lane.matrix,
        axis=lane.axis,
        of=lane.of,
        target=lane.target,
        check=check,
        unit=unit,
        cases=tuple(cases),
        spans=tuple(_span(each) for each in condensed),
        first_bad=broke[1].first if broke else None,
        last_good=broke[0].last if broke else None,
        first_good=mended.first if mended else None,
        monotone=straight,
    )


def _span(found: Range[str]) -> Span:
    return Span(state=found.state, first=found.first, last=found.last, no_data=found.gaps)


def as_json(found: CaseRange) -> dict[str, Any]:
    """As it stands in run.json; fields without a value are absent."""
    shown: dict[str, Any] = {
        "matrix": found.matrix,
        "axis": found.axis,
        "of": found.of,
        "target": dict(found.target),
        "check": found.check,
        "unit": found.unit,
        "cases": list(found.cases),
        "spans": [
            {name: value for name, value in vars(span).items() if value} for span in found.spans
        ],
    }
    for name in ("first_bad", "last_good", "first_good"):
        if value := getattr(found, name):
            shown[name] = value
    if not found.monotone:
        shown["monotone"] = False
    return shown


def read(data: Any) -> CaseRange:
    """A range as run.json has it.

    Raises:
        ValueError: with a phrase that says what is wrong.
    """
    try:
        texts = {name: data[name] for name in ("matrix", "axis", "of", "check", "unit")}
        texts |= {name: data.get(name) for name in ("first_bad", "last_good", "first_good")}
        lists = [*data["cases"], *data["target"], *data["target"].values()]
        spans = tuple(
            Span(
                state=each["state"],
                first=str(each["first"]),
                last=str(each["last"]),
                no_data=tuple(map(str, each.get("no_data", ()))),
            )
            for each in data["spans"]
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("a range is not as a run writes it") from error
    kinds = Counter(type(each) for each in (*texts.values(), *lists))
    if set(kinds) - {str, type(None)} or not {span.state for span in spans} <= set(_STATES):
        raise ValueError("a range holds something that is not text")
    return CaseRange(
        **texts,
        cases=tuple(data["cases"]),
        target=tuple(data["target"].items()),
        spans=spans,
        monotone=data.get("monotone") is not False,
    )
