"""Models by cell: how far each output was from its reference, against its tolerance."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelcompat.report.lanes import Lane, lanes, natural, targets_text, varying
from pytest_modelcompat.report.operators import CHECK as OP_SUPPORT
from pytest_modelcompat.report.states import CASE_STATES
from pytest_modelcompat.report.text import number

if TYPE_CHECKING:
    from pytest_modelcompat.report.data import Data

__all__ = [
    "HEAT",
    "Parity",
    "ParityCell",
    "ParityColumn",
    "ParityRow",
    "heat",
    "parity",
    "variant_of",
]

#: upper bounds of error / tolerance of the colour steps; the last step is everything beyond
HEAT = (0.0, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
_RIGHT = {n for n, state in enumerate(CASE_STATES) if state.key in {"passed", "fallback"}}
_NOT_RUN = [state.key for state in CASE_STATES].index("not_run")


def heat(ratio: float) -> int:
    """The colour step of an error, by powers of ten of error / tolerance; -1 without a number."""
    if math.isnan(ratio):
        return -1
    for step, bound in enumerate(HEAT):
        if ratio <= bound:
            return step
    return len(HEAT)


@dataclass(frozen=True, kw_only=True)
class ParityColumn:
    """One version of a family: cells of the same target, and of targets with equal numbers.

    Attributes:
        distribution: whose versions.
        where: the targets in words.
        version: of the distribution.
        cells: positions of the cells; the first one's numbers are shown.
    """

    distribution: str
    where: str
    version: str
    cells: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ParityCell:
    """The worst data set of a model in a cell.

    Attributes:
        row: the case it is about; the drawer shows it.
        state: index in CASE_STATES.
        ratio: error over tolerance, NaN where nothing could be compared.
        text: what stands in the cell.
        step: colour step, -1 for none.
        within, measured, total: data sets within tolerance, compared, and planned.
    """

    row: int
    state: int
    ratio: float
    text: str
    step: int
    within: int
    measured: int
    total: int


@dataclass(frozen=True, kw_only=True)
class ParityRow:
    """A model, or one of the ways in which it was made."""

    model: str
    variant: str
    outputs: tuple[str, ...]
    reference: str
    datasets: tuple[str, ...]
    cells: tuple[ParityCell | None, ...]
    worst: float


@dataclass(frozen=True, kw_only=True)
class Made:
    """All models of one producer's setting in one cell.

    Attributes:
        right: models whose every data set gave the right answer.
        total: models that this producer made.
        worst: of all of them.
    """

    right: int
    total: int
    worst: ParityCell


@dataclass(frozen=True, kw_only=True)
class Producer:
    """A way of making models: a row of "producer by runtime"."""

    variant: str
    models: int
    cells: tuple[Made | None, ...]


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The section: models worst first, cells by distribution, target and version.

    Attributes:
        reference: what every row is judged against, where it is the same for all; else empty.
        rows: those of one model are neighbours.
        producers: where models were made in several ways; else empty.
    """

    reference: str
    columns: tuple[ParityColumn, ...]
    rows: tuple[ParityRow, ...]
    producers: tuple[Producer, ...] = ()


def parity(data: Data) -> Parity:
    """Lays out every case that is not an operator's."""
    cases = data.cases
    keys = [
        key for key, (check, _, _) in enumerate(cases.keys) if check != OP_SUPPORT
    ]  # parity, and checks of other plugins that compare outputs
    if not keys:
        return Parity(reference="", columns=(), rows=())
    wanted = np.zeros(len(cases.keys), np.bool_)
    wanted[keys] = True
    rows = np.flatnonzero(wanted[cases.column("key")])
    grid: dict[tuple[str, str], dict[int, list[int]]] = {}
    cell_of = cases.column("cell")
    key_of = cases.column("key")
    for row in rows.tolist():
        _, unit, case = cases.keys[int(key_of[row])]
        where = grid.setdefault((unit, variant_of(unit, case)), {})
        where.setdefault(int(cell_of[row]), []).append(row)
    columns = _columns(data, grid)
    made = [_row(data, model, variant, where, columns) for (model, variant), where in grid.items()]
    models: dict[str, float] = {}
    for each in made:
        models[each.model] = max(models.get(each.model, -1.0), each.worst)
    made.sort(key=lambda row: (-models[row.model], row.model, -row.worst, row.variant))
    references = {row.reference for row in made}
    return Parity(
        reference=references.pop() if len(references) == 1 else "",
        columns=columns,
        rows=tuple(made),
        producers=_producers(made, len(columns)),
    )


def _producers(rows: list[ParityRow], columns: int) -> tuple[Producer, ...]:
    """Each producer's setting over all models that it made."""
    variants: dict[str, list[ParityRow]] = {}
    for row in rows:
        if row.variant:
            variants.setdefault(row.variant, []).append(row)
    if len(variants) < 2:  # noqa: PLR2004 - one producer is no comparison
        return ()
    return tuple(
        Producer(
            variant=variant,
            models=len(same),
            cells=tuple(_made([row.cells[n] for row in same]) for n in range(columns)),
        )
        for variant, same in sorted(variants.items(), key=lambda item: natural(item[0]))
    )


def _made(cells: list[ParityCell | None]) -> Made | None:
    asked = [cell for cell in cells if cell is not None]
    if not asked:
        return None
    return Made(
        right=sum(cell.state in _RIGHT for cell in asked),
        total=len(asked),
        worst=max(asked, key=_weight),
    )


def variant_of(unit: str, case: str) -> str:
    """What stands between the model and the data set: the producer's setting, or nothing."""
    middle = case.rpartition("/")[0]
    return middle.removeprefix(unit).lstrip("/")


def _columns(
    data: Data, grid: dict[tuple[str, str], dict[int, list[int]]]
) -> tuple[ParityColumn, ...]:
    """Measured cells by lane; lanes with the same numbers throughout are one family."""
    many = {axis for axis, values in varying(data.cells).items() if len(values) > 1}
    joined: dict[object, list[Lane]] = {}
    for lane in lanes(data.cells):
        stops = [stop for stop in lane.stops if _measured(data, stop[1], grid)]
        if stops:
            alike = tuple((version, _numbers(data, cell, grid)) for version, cell in stops)
            kept = replace(lane, stops=tuple(stops))
            joined.setdefault((lane.matrix, lane.distribution, lane.axis, alike), []).append(kept)
    columns = []
    for same in joined.values():
        hide = ("framework", *(axis for axis, _ in same[0].target if axis not in many))
        where = targets_text([lane.target for lane in same], hide=hide)
        columns += [
            ParityColumn(
                distribution=same[0].distribution,
                where=where,
                version=version,
                cells=tuple(lane.stops[n][1] for lane in same),
            )
            for n, (version, _) in enumerate(same[0].stops)
        ]
    return tuple(columns)


def _measured(data: Data, cell: int, grid: dict[tuple[str, str], dict[int, list[int]]]) -> bool:
    state = data.cases.column("state")
    return any(
        int(state[row]) != _NOT_RUN for where in grid.values() for row in where.get(cell, ())
    )


def _numbers(
    data: Data, cell: int, grid: dict[tuple[str, str], dict[int, list[int]]]
) -> tuple[object, ...]:
    cells = [_cell(data, where.get(cell)) for where in grid.values()]
    return tuple((c.state, c.text, c.within, c.measured, c.total) if c else None for c in cells)


def _row(
    data: Data,
    model: str,
    variant: str,
    where: dict[int, list[int]],
    columns: tuple[ParityColumn, ...],
) -> ParityRow:
    cases = data.cases
    every = [row for rows in where.values() for row in rows]
    names = [cases.keys[int(cases.column("key")[row])][2].rpartition("/")[2] for row in every]
    outputs = {cases.names["output"][int(cases.column("output")[row])] for row in every} - {""}
    references = {cases.names["reference"][int(cases.column("reference")[row])] for row in every}
    cells = tuple(_cell(data, where.get(column.cells[0])) for column in columns)
    return ParityRow(
        model=model,
        variant=variant,
        outputs=tuple(sorted(outputs)),
        reference=" / ".join(sorted(filter(None, map(_reference, references)))),
        datasets=tuple(dict.fromkeys(names)),
        cells=cells,
        worst=max(
            (_weight(cell) for cell in cells if cell and cell.state != _NOT_RUN), default=-1.0
        ),
    )


def _reference(text: str) -> str:
    if not text:
        return ""
    known = json.loads(text)
    if not isinstance(known, dict):
        return str(known)
    source, kind = str(known.get("source") or ""), str(known.get("kind") or "")
    version = str(known.get("version") or "")
    if source and version and version not in source:
        source = f"{source} {version}"
    return f"{kind} ({source})" if source and source != kind else kind


def _compared(data: Data, row: int) -> bool:
    """Whether a case was judged against anything."""
    text = data.cases.names["reference"][int(data.cases.column("reference")[row])]
    return bool(text) and '"kind":"none"' not in text


def _weight(cell: ParityCell) -> float:
    """What sorts worst first: anything that should be looked at, before any number."""
    alarming = len(CASE_STATES) - cell.state
    return alarming * 1e3 + (0 if math.isnan(cell.ratio) else min(cell.ratio, 999.0))


def _cell(data: Data, rows: list[int] | None) -> ParityCell | None:
    if not rows:
        return None
    cases = data.cases
    state, ratio = cases.column("state"), cases.column("ratio")

    def badness(row: int) -> tuple[int, float]:
        value = float(ratio[row])
        return (-int(state[row]), -1.0 if math.isnan(value) else value)

    worst = max(rows, key=badness)
    value = float(ratio[worst])
    kind = CASE_STATES[int(state[worst])]
    passed = [row for row in rows if CASE_STATES[int(state[row])].key in {"passed", "fallback"}]
    exact = {row for row in passed if math.isnan(float(ratio[row])) and _compared(data, row)}
    compared = [row for row in rows if row in exact or not math.isnan(float(ratio[row]))]
    if math.isnan(value) and kind.key in {"passed", "fallback"} and _compared(data, worst):
        value = 0.0  # equal bytes are not measured any further
    return ParityCell(
        row=worst,
        state=int(state[worst]),
        ratio=value,
        text=number(value) if not math.isnan(value) else kind.glyph,
        step=heat(value),
        within=sum(row in exact or float(ratio[row]) <= 1 for row in compared),
        measured=len(compared),
        total=len(rows),
    )
