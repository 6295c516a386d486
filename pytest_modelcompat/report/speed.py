"""Speed and size: what each model cost in each version, never across different hardware.

Figures of cells that ran on different machines stand in different tables and are not compared. A
change is called one only where the repeats of the two versions do not overlap at all: with fewer
than two repeats nothing is called faster or slower.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from pytest_modelcompat.report.change import measured
from pytest_modelcompat.report.lanes import lanes, targets_text, varying
from pytest_modelcompat.report.parity import variant_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_modelcompat.report.data import Cell, Data
    from pytest_modelcompat.report.lanes import Lane

__all__ = ["Figure", "Hardware", "Model", "Speed", "Track", "speed"]

_FEWEST = 2  # repeats, to know a spread
_CALLS = re.compile(r",((?:batch|step)[0-9]+)$")  # how a data set was given, in a case's name


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What one model cost in one cell: medians over its data sets.

    Attributes:
        row: the case of the first data set.
        state: the worst state of its data sets, an index in CASE_STATES.
        run, low, high: seconds of a run: the median of the repeats, the fastest, the slowest.
        repeats: the fewest repeats of any data set.
        load: seconds of the load; 0 is "not measured".
        memory: bytes that the process held at most; 0 is "not measured".
        size: bytes of the model's files; 0 is "not known".
        sets: data sets.
        change: -1 faster, 1 slower than the version before by more than the spread of both, 0
            within it; None where nothing may be said.
    """

    row: int
    state: int
    run: float
    low: float
    high: float
    repeats: int
    load: float
    memory: int
    size: int
    sets: int
    change: int | None = None


@dataclass(frozen=True, kw_only=True)
class Track:
    """A target over its versions, on one machine.

    Attributes:
        distribution: whose versions.
        where: the target in words.
        versions: measured ones, oldest first.
        cells: position of the cell of each.
        seconds: how long each cell's cases took together; 0 is "not known".
    """

    distribution: str
    where: str
    versions: tuple[str, ...]
    cells: tuple[int, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model, in one way in which it was made and called; figures per track, per version."""

    model: str
    variant: str
    figures: tuple[tuple[Figure | None, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One machine: `name` is empty where cells do not tell what they ran on."""

    name: str
    tracks: tuple[Track, ...]
    models: tuple[Model, ...]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The section."""

    hardware: tuple[Hardware, ...]


def speed(data: Data) -> Speed:
    """Lays out what every model cost, machine by machine."""
    rows = _rows(data)
    many = {axis for axis, values in varying(data.cells).items() if len(values) > 1}
    machines: dict[str, list[Track]] = {}
    for lane in lanes(data.cells):
        for name, stops in _by_machine(data, lane).items():
            machines.setdefault(name, []).append(_track(data, lane, stops, many))
    return Speed(
        hardware=tuple(
            Hardware(
                name=name,
                tracks=tuple(tracks),
                models=tuple(
                    _model(data, key, where, tracks, known=bool(name))
                    for key, where in rows.items()
                    if any(cell in where for track in tracks for cell in track.cells)
                ),
            )
            for name, tracks in machines.items()
        )
    )


def machine_of(cell: Cell) -> str:
    """What a cell ran on, as far as figures depend on it: `AMD EPYC, x86_64, 2 CPUs`.

    Empty where that is not told, as of a model that a server elsewhere ran.
    """
    found = cell.attestation
    if not found.get("cpu") or "server" in found:
        return ""
    parts = [str(found["cpu"]), str(found.get("machine") or "")]
    if found.get("cpus"):
        parts.append(f"{found['cpus']} CPUs")
    return ", ".join(filter(None, parts))


def _rows(data: Data) -> dict[tuple[str, str], dict[int, list[int]]]:
    """(model, variant and way of calling it) -> cell -> numbers of timings."""
    cases = data.cases
    found: dict[tuple[str, str], dict[int, list[int]]] = {}
    key_of, cell_of = cases.column("key"), cases.column("cell")
    for number, row in enumerate(cases.timings.rows):
        if not cases.timings[number].run:
            continue
        _, unit, case = cases.keys[int(key_of[row])]
        way = " ".join(filter(None, (variant_of(unit, case), _way(case))))
        where = found.setdefault((unit, way), {})
        where.setdefault(int(cell_of[row]), []).append(number)
    return found


def _way(case: str) -> str:
    """`batch4`, `step1`: one call of all rows and a call for each are two figures."""
    found = _CALLS.search(case)
    return found.group(1) if found else ""


def _by_machine(data: Data, lane: Lane) -> dict[str, list[tuple[str, int]]]:
    machines: dict[str, list[tuple[str, int]]] = {}
    for stop in lane.stops:
        if measured(data.cases, stop[1]).any():
            machines.setdefault(machine_of(data.cells[stop[1]]), []).append(stop)
    return machines


def _track(data: Data, lane: Lane, stops: Sequence[tuple[str, int]], many: set[str]) -> Track:
    hide = ("framework", *(axis for axis, _ in lane.target if axis not in many))
    return Track(
        distribution=lane.distribution,
        where=targets_text([lane.target], hide=hide),
        versions=tuple(version for version, _ in stops),
        cells=tuple(cell for _, cell in stops),
        seconds=tuple(float(data.cells[cell].seconds.get("run", 0)) for _, cell in stops),
    )


def _model(
    data: Data,
    key: tuple[str, str],
    where: dict[int, list[int]],
    tracks: Sequence[Track],
    *,
    known: bool,
) -> Model:
    figures = []
    for track in tracks:
        line: list[Figure | None] = []
        before: Figure | None = None
        for cell in track.cells:
            found = where.get(cell)
            figure = _figure(data, found, before if known else None) if found else None
            line.append(figure)
            before = figure or before
        figures.append(tuple(line))
    return Model(model=key[0], variant=key[1], figures=tuple(figures))


def _figure(data: Data, numbers: Sequence[int], before: Figure | None) -> Figure:
    cases = data.cases
    seen = [cases.timings[number] for number in numbers]
    rows = [cases.timings.rows[number] for number in numbers]
    low, high = median(each.low for each in seen), median(each.high for each in seen)
    repeats = min(each.repeats for each in seen)
    loads = [each.load for each in seen if each.load]
    change = None
    if before is not None and min(repeats, before.repeats) >= _FEWEST and before.sets == len(rows):
        change = 1 if low > before.high else -1 if high < before.low else 0
    return Figure(
        row=rows[0],
        state=min(int(cases.column("state")[row]) for row in rows),
        run=median(each.run for each in seen),
        low=low,
        high=high,
        repeats=repeats,
        load=median(loads) if loads else 0.0,
        memory=max(each.memory for each in seen),
        size=max(each.size for each in seen),
        sets=len(rows),
        change=change,
    )
