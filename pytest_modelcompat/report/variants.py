"""Variants beside their originals: what each saves, and what it costs in right answers.

All figures of a row come from one cell, so from one machine. A variant is called faster or slower
only where the repeats of both do not overlap; where one of both gave no answer, the row says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_modelcompat.report.lanes import targets_text, varying
from pytest_modelcompat.report.states import CASE_STATES, NO_DATA, State
from pytest_modelcompat.report.text import clean, clean_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_modelcompat.report.data import Data
    from pytest_modelcompat.results.compared import Compared, Side

__all__ = ["Figure", "Row", "Variants", "variants"]

MOST = 60  # rows; of the others the number is told
_FEWEST = 2  # repeats, to know a spread
_TIMES_SIGN = "\N{MULTIPLICATION SIGN}"
_NBSP = "\N{NO-BREAK SPACE}"  # a number stays with its unit
_SPEED = {-1: "faster", 0: "within the spread", 1: "slower"}
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a variant, and how it stands to the original's.

    Attributes:
        text: the variant's.
        beside: the original's, and what may be said of both.
    """

    text: str
    beside: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A variant in one cell.

    Attributes:
        model, of: names of the variant and its original.
        data: setting of the producer and data set; empty where the run has only one of them.
        cell: id.
        where: the cell in few words.
        state: of the variant's case.
        original: of the original's, where that is not a right answer.
        size, run, load, memory, accuracy: figures; None where neither is known.
        distance: (name, value) of the distance of the answers.
        told: what is beyond the limits, or why answers were not compared.
        bad: whether it is the first of these.
    """

    model: str
    of: str
    data: str
    cell: str
    where: str
    state: State
    original: State | None
    size: Figure | None
    run: Figure | None
    load: Figure | None
    memory: Figure | None
    accuracy: Figure | None
    distance: tuple[tuple[str, str], ...]
    told: str
    bad: bool


@dataclass(frozen=True, kw_only=True)
class Variants:
    """The section.

    Attributes:
        rows: those beyond a limit first, then those that were not compared.
        total: all of them.
        beyond: further from the original than the matrix allows.
        apart: whose answers were not compared.
        left_out: rows that are not shown.
    """

    rows: tuple[Row, ...]
    total: int
    beyond: int
    apart: int
    left_out: int


def variants(data: Data) -> Variants:
    """Lays out every variant of the run."""
    found = data.variants
    first = sorted(found, key=lambda each: (not each.beyond, not each.not_compared))
    shown = first[:MOST]
    many = {axis for axis, values in varying(data.cells).items() if len(values) > 1}
    cells = {cell.id: cell for cell in data.cells}
    hide = {axis for cell in data.cells for axis in cell.axes} - many - {"framework"}
    where = {
        cell: targets_text([tuple(cells[cell].axes.items())], hide=hide)
        for cell in {clean(each.cell) for each in shown}
        if cell in cells
    }
    names: dict[tuple[str, str], set[str]] = {}
    for each in found:
        names.setdefault((each.model, each.cell), set()).add(each.variant.case)
    several = {model for (model, _), cases in names.items() if len(cases) > 1}
    states = _states(data, shown)
    return Variants(
        rows=tuple(_row(each, where, states, several=each.model in several) for each in shown),
        total=len(found),
        beyond=sum(bool(each.beyond) for each in found),
        apart=sum(bool(each.not_compared) for each in found),
        left_out=len(found) - len(shown),
    )


def _states(data: Data, shown: list[Compared]) -> Mapping[tuple[str, str], State]:
    """(cell, case) -> its state, of the cases that are shown."""
    wanted = {clean(side.case) for each in shown for side in (each.variant, each.original)}
    numbers = {
        n: case for n, (_, _, case) in enumerate(data.cases.keys) if case in wanted
    }  # a model's name and its check make a case's name the model's own
    there = {clean(each.cell) for each in shown}
    found = {}
    for position, cell in enumerate(data.cells):
        if cell.id not in there:
            continue
        keys = data.cases.column("key", position)
        states = data.cases.column("state", position)
        for key, state in zip(keys.tolist(), states.tolist(), strict=True):
            if key in numbers:
                found[cell.id, numbers[key]] = CASE_STATES[state]
    return found


def _row(
    each: Compared,
    where: Mapping[str, str],
    states: Mapping[tuple[str, str], State],
    *,
    several: bool,
) -> Row:
    ours, theirs = each.variant, each.original
    cell = clean(each.cell)
    original = states.get((cell, clean(theirs.case)))
    told = "; ".join(each.beyond) or each.not_compared
    apart = str(each.distance.get("apart", ""))
    if apart and not told:
        told = f"no distance: {apart}"
    return Row(
        model=clean(each.model),
        of=clean(each.of),
        data=clean(ours.case.removeprefix(f"{each.model}/")) if several else "",
        cell=cell,
        where=where.get(cell, cell),
        state=states.get((cell, clean(ours.case)), NO_DATA),
        original=None if original is None or original.tone in {"good", "moved"} else original,
        size=_figure(ours.bytes, theirs.bytes, _bytes, ratio=True),
        run=_run(each),
        load=_figure(ours.load, theirs.load, _seconds),
        memory=_figure(ours.peak_rss, theirs.peak_rss, _bytes),
        accuracy=_accuracy(ours, theirs),
        distance=tuple(_distance(clean_tree(each.distance))),
        told=clean(told),
        bad=bool(each.beyond),
    )


def _figure(
    ours: float, theirs: float, text: Callable[[float], str], *, ratio: bool = False
) -> Figure | None:
    """Both sides; how many times the original's only where it does not depend on the order.

    Of load and memory it does: what runs first in a process starts the runtime, too.
    """
    if not ours and not theirs:
        return None
    beside = f"original {text(theirs) if theirs else 'not known'}"
    if ratio and ours and theirs:
        beside = f"{_ratio(ours / theirs)}{_NBSP}{_TIMES_SIGN}{_NBSP}{text(theirs)}"
    return Figure(text=text(ours) if ours else "not known", beside=beside)


def _run(each: Compared) -> Figure | None:
    ours, theirs = each.variant, each.original
    found = _figure(ours.run, theirs.run, _seconds, ratio=True)
    if found is None or not ours.run:
        return found
    beside = f"{found.beside}{_spread(theirs)}"
    if each.speed is not None:
        beside = f"{_SPEED[max(-1, min(1, each.speed))]}: {beside}"
    return Figure(text=f"{found.text}{_spread(ours)}", beside=beside)


def _spread(side: Side) -> str:
    if not side.run or side.repeats < _FEWEST:
        return ""
    return f" ({_seconds(side.low)} to {_seconds(side.high)})"


def _accuracy(ours: Side, theirs: Side) -> Figure | None:
    if ours.accuracy is None and theirs.accuracy is None:
        return None
    if ours.accuracy is None:
        return Figure(text="not known", beside=f"original {_share(theirs.accuracy or 0)}")
    if theirs.accuracy is None:
        return Figure(text=_share(ours.accuracy), beside="original not known")
    points = 100 * (ours.accuracy - theirs.accuracy)
    beside = f"as many as the original's {_share(theirs.accuracy)}"
    if points:
        word = "below" if points < 0 else "above"
        beside = f"{abs(points):.2g} points {word} {_share(theirs.accuracy)}"
    return Figure(text=_share(ours.accuracy), beside=beside)


_NAMES = {
    "top1": "same choice", "sqnr": "SQNR", "cosine": "cosine", "max_abs": "max abs",
    "max_rel": "max rel", "output": "output",
}  # fmt: skip


def _distance(found: Mapping[str, object]) -> list[tuple[str, str]]:
    told = []
    for key, name in _NAMES.items():
        value = found.get(key)
        if value is None:
            continue
        text = str(value)
        if isinstance(value, (int, float)):
            text = _share(value) if key == "top1" else f"{value:.3g}"
            if key == "cosine":  # near one, the digits that tell are the last ones
                text = f"{value:.6f}"
            elif key == "sqnr":
                text = f"{value:.1f}{_NBSP}dB"
        elif text == "Infinity":
            text = "∞"
        told.append((name, text))
    return told


def _share(value: float) -> str:
    return f"{100 * value:.1f}{_NBSP}%"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004


def _bytes(value: float) -> str:
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.3g}{_NBSP}{unit}"
    return f"{value:.0f}{_NBSP}B"


def _seconds(value: float) -> str:
    for size, unit in _TIMES:
        if value >= size:
            return f"{value / size:.3g}{_NBSP}{unit}"
    return f"{value * 1e9:.0f}{_NBSP}ns"
