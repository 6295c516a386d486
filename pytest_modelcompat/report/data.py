"""Reads a run folder into columns: the report's only input.

A case is one row in a dozen arrays; names are numbers in dictionaries. So a million results take
tens of megabytes, and every question the report asks is arithmetic on whole columns. Strings are
cleaned here, at the edge: past this module no text can act on a page or a terminal.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_modelcompat.report.states import OUTCOMES, STATUSES, case_state
from pytest_modelcompat.report.text import clean, clean_tree
from pytest_modelcompat.results import changes_file, history
from pytest_modelcompat.results.load import Run, load
from pytest_modelcompat.results.model import CellStatus, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_modelcompat.results.changes_file import Changes
    from pytest_modelcompat.results.history import History
    from pytest_modelcompat.results.stored import StoredCase, StoredCell

__all__ = ["MARKS", "OPERATORS", "STAGES", "Cases", "Cell", "Data", "Timing", "read"]

OPERATORS = "op_support"  # the check whose cases are operators'; all others are about models
STAGES: tuple[str, ...] = tuple(stage.value for stage in Stage)
MAX_MESSAGE = 4_000
_DESELECTED = "deselected"  # the reason that the run gives
MAX_SIGNATURE = 400
#: stand for the names in a command; no name can hold them, as names are cleaned
MARKS = {"case": "\x01", "unit": "\x02", "dotted": "\x03", "cell": "\x04"}
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=str)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of run.json, all texts cleaned."""

    id: str
    matrix: str
    axes: Mapping[str, str]
    status: str
    stage: str
    outcome: str
    reason: str
    known: str
    environment: Mapping[str, Any]
    attestation: Mapping[str, Any]
    counts: Mapping[str, int]
    seconds: Mapping[str, float]
    notes: tuple[str, ...]
    repro: str
    deselected: int = 0  # its cases that this run was told to leave out


class Timing(NamedTuple):
    """What one case cost; 0 stands for "not measured".

    Attributes:
        run, low, high: seconds of a run: the median of the repeats, the fastest, the slowest.
        repeats: how many there were.
        load: seconds of the load.
        memory: bytes that the process held at most.
    """

    run: float
    low: float
    high: float
    repeats: int
    load: float
    memory: int


@dataclass(frozen=True, kw_only=True)
class Cases:
    """The cases of a run as columns; rows of a cell are neighbours, in the plan's order.

    Attributes:
        start: first row of each cell, one entry more than there are cells.
        keys: (check, unit, case) index -> its three names; `key` refers to it.
        key_unit: key -> number of its unit in `units`.
        units: (check, unit) names.
        state: index in CASE_STATES; joins status and outcome.
        ratio: error over tolerance of the worst element, NaN where there is none.
        ran_on, output, signature, known, reference, requested, attribution, repro: numbers in
            `names[column]`; 0 is "none".
        timings: row -> how long it took and how much memory, of cases that are not an operator's.
        details: row -> what only the drawer shows (JSON, already encoded).
    """

    start: NDArray[np.int64]
    keys: tuple[tuple[str, str, str], ...]
    units: tuple[tuple[str, str], ...]
    key_unit: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    names: Mapping[str, tuple[str, ...]]
    details: Mapping[int, bytes]
    timings: Mapping[int, Timing] = field(default_factory=dict)
    shortened: int = 0

    def __len__(self) -> int:
        """How many cases there are."""
        return int(self.start[-1])

    def column(self, name: str, cell: int | None = None) -> NDArray[Any]:
        """A column, or the part of it that belongs to one cell."""
        values = self.columns[name]
        return values if cell is None else values[self.start[cell] : self.start[cell + 1]]


@dataclass(frozen=True, kw_only=True)
class Data:
    """One run as the report reads it."""

    info: Mapping[str, Any]
    cells: tuple[Cell, ...]
    environments: Mapping[str, Mapping[str, Any]]
    cases: Cases
    notes: tuple[str, ...] = ()
    since: Changes | None = None  # changes.json: what changed from the baseline
    past: History | None = None  # history.json: earlier runs


def _encode(value: Any) -> bytes:
    return _ENCODER.encode(value).encode("ascii")


class _Names:
    """Numbers for strings; 0 stands for the absent one."""

    def __init__(self) -> None:
        self.index: dict[Any, int] = {None: 0}
        self.texts: list[str] = [""]

    def __call__(self, raw: Any, limit: int = 20_000) -> int:
        found = self.index.get(raw)
        if found is None:
            found = self.index[raw] = len(self.texts)
            self.texts.append(clean(raw)[:limit])
        return found


@dataclass
class _Builder:
    """Rows as they come, before they are sorted by cell."""

    cell_index: dict[str, int]
    cells: tuple[Cell, ...]
    key_index: dict[tuple[Any, Any, Any], int] = field(default_factory=dict)
    keys: list[tuple[str, str, str]] = field(default_factory=list)
    unit_index: dict[tuple[str, str], int] = field(default_factory=dict)
    key_unit: list[int] = field(default_factory=list)
    details: dict[int, bytes] = field(default_factory=dict)
    timings: dict[int, Timing] = field(default_factory=dict)
    shortened: int = 0
    strangers: int = 0
    deselected: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        small, wide = ("status", "outcome", "stage", "state"), ("cell", "key")
        self.named = {
            name: _Names()
            for name in ("ran_on", "output", "signature", "known", "reference", "requested",
                         "attribution", "repro")
        }  # fmt: skip
        self.columns: dict[str, array[Any]] = {name: array("B") for name in small}
        self.columns |= {name: array("I") for name in (*wide, *self.named)}
        self.columns |= {"opset": array("H"), "ratio": array("f")}
        self.state: dict[tuple[Any, Any], tuple[int, int, int]] = {}
        self.stage = {stage: index for index, stage in enumerate(Stage)}
        self.mappings: dict[Any, int] = {}

    def add(self, row: StoredCase) -> None:
        """Takes one case."""
        cell = self.cell_index.get(row.cell)
        if cell is None:
            self.strangers += 1
            return
        raw_key = (row.check, row.unit, row.case)
        key = self.key_index.get(raw_key)
        if key is None:
            key = self._new_key(raw_key)
        if row.status is Status.NOT_RUN and row.reason == _DESELECTED:
            self.deselected[cell] += 1
        word = (row.status, row.outcome)
        codes = self.state.get(word)
        if codes is None:
            codes = self.state[word] = (
                STATUSES.index(row.status.value),
                OUTCOMES.index(row.outcome.value),
                case_state(row.status.value, row.outcome.value),
            )
        columns, named = self.columns, self.named
        number = len(columns["cell"])
        columns["cell"].append(cell)
        columns["key"].append(key)
        columns["status"].append(codes[0])
        columns["outcome"].append(codes[1])
        columns["state"].append(codes[2])
        columns["stage"].append(self.stage[row.stage])
        columns["opset"].append(min(row.opset, 2**16 - 1))
        columns["known"].append(named["known"](row.known))
        columns["requested"].append(named["requested"](row.requested or None))
        columns["attribution"].append(named["attribution"](row.attribution))
        columns["ran_on"].append(self._mapping("ran_on", row.ran_on))
        columns["reference"].append(self._mapping("reference", row.reference))
        columns["repro"].append(self._repro(row, cell))
        error, mismatch = row.error, row.mismatch
        signature = None if error is None else error.get("signature") or error.get("message")
        columns["signature"].append(named["signature"](signature, MAX_SIGNATURE))
        output = None if mismatch is None else mismatch.get("output")
        columns["ratio"].append(as_float(mismatch.get("ratio")) if mismatch else math.nan)
        columns["output"].append(named["output"](None if output is None else str(output)))
        if row.seconds and row.check != OPERATORS:
            self.timings[number] = _timing(row.seconds, row.peak_rss)
        if error or mismatch or row.reason:
            detail = self._detail(row, codes[0])
            if detail:
                self.details[number] = detail

    def _new_key(self, raw: tuple[Any, Any, Any]) -> int:
        key = self.key_index[raw] = len(self.keys)
        check, unit, case = (clean(part) for part in raw)
        self.keys.append((check, unit, case))
        self.key_unit.append(self.unit_index.setdefault((check, unit), len(self.unit_index)))
        return key

    def _mapping(self, column: str, value: Any) -> int:
        """A small mapping as its JSON text, numbered; few different ones come again and again."""
        if not value:
            return 0
        try:
            key = (column, *value.items())
            found = self.mappings.get(key)
        except (AttributeError, TypeError):  # not a mapping, or a list in it: still text
            return self.named[column](json.dumps(value))
        if found is None:
            text = json.dumps(clean_tree(value), separators=(",", ":"), ensure_ascii=False)
            found = self.mappings[key] = self.named[column](text)
        return found

    def _repro(self, row: StoredCase, cell: int) -> int:
        """The command with its names taken out (see `MARKS`): few different ones are left."""
        text = row.repro
        if not text:
            return 0
        if row.case:
            text = text.replace(row.case, MARKS["case"])
        if row.unit:
            dotted = row.unit.replace("::", ".")
            text = text.replace(row.unit, MARKS["unit"]).replace(dotted, MARKS["dotted"])
        text = text.replace(self.cells[cell].id, MARKS["cell"])
        names = self.named["repro"]
        found = names.index.get(text)
        if found is None:
            found = names.index[text] = len(names.texts)
            marks = set(MARKS.values())
            names.texts.append("".join(c if c in marks else clean(c) for c in text))
        return found

    def _detail(self, row: StoredCase, status: int) -> bytes:
        """What only the drawer shows, as ASCII JSON; the page cleans it when it shows it."""
        mismatch = row.mismatch
        if status == _PASSED:
            kept = (
                {key: brief(mismatch[key]) for key in _BRIEF if key in mismatch} if mismatch else {}
            )
            return _encode({"mismatch": kept}) if kept else b""
        detail: dict[str, Any] = {}
        if row.reason:
            detail["reason"] = row.reason
        if row.attribution_detail:
            detail["attribution_detail"] = row.attribution_detail
        if row.seconds:
            detail["seconds"] = row.seconds
        if mismatch:
            detail["mismatch"] = mismatch
        if row.error:
            error = {key: value for key, value in row.error.items() if key != "signature"}
            message = str(error.pop("message", None) or "")
            if len(message) > MAX_MESSAGE:
                error["left_out"] = len(message) - MAX_MESSAGE
                message = message[:MAX_MESSAGE]
                self.shortened += 1
            detail["error"] = {"message": message, **error} if message else error
        return _encode(detail) if detail else b""


def _timing(seconds: Mapping[str, Any], memory: int) -> Timing:
    """The seconds of a case as `results/write.py` writes them."""
    run = float(seconds.get("run") or 0)
    runs = seconds.get("runs")
    spread = runs if isinstance(runs, dict) else {}
    return Timing(
        run=run,
        low=float(spread.get("min") or run),
        high=float(spread.get("max") or run),
        repeats=int(spread.get("n") or bool(run)),
        load=float(seconds.get("load") or 0),
        memory=memory,
    )


_PASSED = STATUSES.index("passed")
# In an order: a page must be the same every time it is made.
_BRIEF = ("output", "max_abs", "max_rel", "max_ulp", "index", "ratio")


def brief(value: Any) -> Any:
    """Four digits are enough to say how close a passing output was."""
    return float(f"{value:.3e}") if isinstance(value, float) else value


def as_float(value: Any) -> float:
    """A number of the output files, where NaN and infinities are strings."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _cell(raw: StoredCell) -> Cell:
    return Cell(
        id=clean(raw.id),
        matrix=clean(raw.matrix),
        axes=clean_tree(raw.axes),
        status=raw.status.value,
        stage=raw.stage.value if raw.stage else "",
        outcome=raw.outcome.value,
        reason=clean(raw.reason),
        known=clean(raw.known or ""),
        environment=clean_tree(raw.environment),
        attestation=clean_tree(raw.attestation),
        counts=raw.counts,
        seconds=raw.seconds,
        notes=tuple(clean(note) for note in raw.notes),
        repro=clean(raw.repro),
    )


def _selected(cell: Cell, deselected: int) -> Cell:
    """The cell, told as deselected where nothing but that kept it from being measured."""
    whole = cell.status == CellStatus.INTERRUPTED.value and cell.reason == _DESELECTED
    if whole and deselected == sum(cell.counts.values()):
        return replace(cell, status=_DESELECTED, deselected=deselected)
    return replace(cell, deselected=deselected) if deselected else cell


def read(source: Path | Run, also: Callable[[StoredCase], None] | None = None) -> Data:
    """Reads the run that a folder holds.

    Args:
        source: the folder of `--compat-report`, with run.json and cases.jsonl.gz in it; or its
            run, where that was loaded already.
        also: told of each case, too: reading them takes longer than what is done with them.

    Returns:
        The run in columns.

    Raises:
        StoredRunProblem: the folder holds no run, or a damaged one.
    """
    run = source if isinstance(source, Run) else load(source)
    records = tuple(_cell(raw) for raw in run.cells)
    builder = _Builder(
        cell_index={raw.id: position for position, raw in enumerate(run.cells)}, cells=records
    )
    for row in run.cases():
        builder.add(row)
        if also is not None:
            also(row)
    notes = [clean(note) for note in run.info.notes]
    if builder.strangers:
        notes.append(f"{builder.strangers:,} cases of cells that run.json does not have")
    return Data(
        info=clean_tree(asdict(run.info)),
        cells=tuple(
            _selected(cell, builder.deselected[position]) for position, cell in enumerate(records)
        ),
        environments={
            clean(environment.id): clean_tree(asdict(environment))
            for environment in run.environments.values()
        },
        cases=_finish(builder, len(records)),
        notes=tuple(notes),
        since=changes_file.read(run.folder),
        past=history.read(run.folder),
    )


def _finish(builder: _Builder, cells: int) -> Cases:
    columns = {name: np.array(values) for name, values in builder.columns.items()}
    order = np.argsort(columns["cell"], kind="stable")
    details: dict[int, bytes] = builder.details
    timings: dict[int, Timing] = builder.timings
    if (order != np.arange(len(order))).any():
        columns = {name: values[order] for name, values in columns.items()}
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        details = {int(place[row]): text for row, text in builder.details.items()}
        timings = {int(place[row]): each for row, each in builder.timings.items()}
    return Cases(
        start=np.searchsorted(columns["cell"], np.arange(cells + 1)).astype(np.int64),
        keys=tuple(builder.keys),
        units=tuple(builder.unit_index),
        key_unit=np.array(builder.key_unit, dtype=np.int64),
        columns=columns,
        names={name: tuple(names.texts) for name, names in builder.named.items()},
        details=dict(sorted(details.items())),
        timings=timings,
        shortened=builder.shortened,
    )
