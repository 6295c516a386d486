"""Cases as columns: names are numbers in dictionaries, everything else is a few bytes a case.

So a million results take tens of megabytes, and every question the report asks is arithmetic on
whole columns. Strings are cleaned here, at the edge: past this module no text can act on a page or
a terminal.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from pytest_modelcompat.report.details import RANKS, Details, Timings
from pytest_modelcompat.report.states import CASE_STATES, OUTCOMES, STATUSES, case_state
from pytest_modelcompat.report.text import clean, clean_tree
from pytest_modelcompat.results.model import Outcome, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_modelcompat.results.stored import StoredCase

__all__ = ["DESELECTED", "MARKS", "OPERATORS", "STAGES", "Builder", "Cases"]

OPERATORS = "op_support"  # the check whose cases are operators'; all others are about models
STAGES: tuple[str, ...] = tuple(stage.value for stage in Stage)
DESELECTED = "deselected"  # the reason that the run gives
MAX_MESSAGE = 4_000
_MAX_NAME = 20_000
_MAX_SIGNATURE = 400
#: stand for the names in a command; no name can hold them, as names are cleaned
MARKS = {"case": "\x01", "unit": "\x02", "dotted": "\x03", "cell": "\x04"}
_NAMED = ("ran_on", "output", "signature", "known", "reference", "requested", "attribution",
          "repro")  # fmt: skip
_TYPES = {"cell": "I", "key": "I", "status": "B", "outcome": "B", "stage": "B", "state": "B",
          "opset": "H", "ratio": "f", **dict.fromkeys(_NAMED, "I")}  # fmt: skip
_BATCH = 4096
_MAX_OPSET = 2**16 - 1
_PASSED = len(CASE_STATES) - 1
_BAD = frozenset({Outcome.NOT_OK, Outcome.XPASS})
_FAILING, _OTHER, _PASSING = RANKS
# In an order: a page must be the same every time it is made.
_BRIEF = ("output", "max_abs", "max_rel", "max_ulp", "index", "ratio")
_encode = msgspec.json.Encoder().encode


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
        timings: how long cases took and how much memory, of those that are not an operator's.
        details: what only the drawer shows.
        shortened: messages that were cut.
    """

    start: NDArray[np.int64]
    keys: tuple[tuple[str, str, str], ...]
    units: tuple[tuple[str, str], ...]
    key_unit: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    names: Mapping[str, tuple[str, ...]]
    details: Details
    timings: Timings
    shortened: int = 0

    def __len__(self) -> int:
        """How many cases there are."""
        return int(self.start[-1])

    def column(self, name: str, cell: int | None = None) -> NDArray[Any]:
        """A column, or the part of it that belongs to one cell."""
        values = self.columns[name]
        return values if cell is None else values[self.start[cell] : self.start[cell + 1]]


class _Names:
    """Numbers for strings; 0 stands for the absent one."""

    def __init__(self) -> None:
        self.index: dict[Any, int] = {None: 0, "": 0}
        self.texts: list[str] = [""]

    def add(self, raw: Any, text: str) -> int:
        """Numbers what has no number."""
        found = self.index[raw] = len(self.texts)
        self.texts.append(text)
        return found


@dataclass
class Builder:
    """Rows as they come, before they are sorted by cell.

    Attributes:
        ids: of the cells, as they are stored.
        cleaned: the same, as they are shown.
        strangers: cases of cells that are not there.
        deselected: cell -> its cases that the run was told to leave out.
    """

    ids: Sequence[str]
    cleaned: Sequence[str]
    strangers: int = 0
    deselected: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._cells = {identity: place for place, identity in enumerate(self.ids)}
        self._last = 0
        self._sorted = True
        self._key_index: dict[tuple[str, str, str], int] = {}
        self._keys: list[tuple[str, str, str]] = []
        self._unit_index: dict[tuple[str, str], int] = {}
        self._key_unit: list[int] = []
        self._details = Details()
        self._timings = Timings()
        self._shortened = 0
        self._names = {name: _Names() for name in _NAMED}
        self._mappings: dict[Any, int] = {}
        self._states: dict[tuple[Status, Outcome, Stage], tuple[int, int, int, int]] = {}
        self._columns: dict[str, array[Any]] = {name: array(kind) for name, kind in _TYPES.items()}
        self._rows: list[tuple[float, ...]] = []  # not yet in their columns
        self._count = 0

    def add(self, row: StoredCase) -> None:
        """Takes one case."""
        cell = self._cells.get(row.cell)
        if cell is None:
            self.strangers += 1
            return
        if cell != self._last:
            self._sorted &= cell > self._last
            self._last = cell
        word = (row.status, row.outcome, row.stage)
        codes = self._states.get(word) or self._new_state(word)
        number, self._count = self._count, self._count + 1
        self._rows.append(self._values(row, cell, codes))
        if len(self._rows) >= _BATCH:
            self._flush()
        if row.seconds and row.check != OPERATORS:
            self._timings.add(number, row.seconds, row.peak_rss, row.model_bytes)
        if row.reason == DESELECTED and row.status is Status.NOT_RUN:
            self.deselected[cell] += 1
        if row.error or row.mismatch or row.reason:
            detail = self._told(row)
            if detail:
                self._details.add(number, _rank(row.outcome, codes[3]), _encode(detail))

    def _values(
        self, row: StoredCase, cell: int, codes: tuple[int, int, int, int]
    ) -> tuple[float, ...]:
        """The row, in the order of `_TYPES`."""
        raw_key = (row.check, row.unit, row.case)
        key = self._key_index.get(raw_key)
        mismatch, name, mapping = row.mismatch, self._name, self._mapping
        output = mismatch.get("output") if mismatch else None
        return (
            cell,
            self._new_key(raw_key) if key is None else key,
            *codes,
            min(_MAX_OPSET, row.opset),
            as_float(mismatch.get("ratio")) if mismatch else math.nan,
            mapping("ran_on", row.ran_on) if row.ran_on else 0,
            0 if output is None else name("output", str(output)),
            self._signature(row.error) if row.error else 0,
            name("known", row.known) if row.known else 0,
            mapping("reference", row.reference) if row.reference else 0,
            name("requested", row.requested),
            name("attribution", row.attribution) if row.attribution else 0,
            self._repro(row, cell) if row.repro else 0,
        )

    def _flush(self) -> None:
        batch = zip(*self._rows, strict=True)
        for column, values in zip(self._columns.values(), batch, strict=bool(self._rows)):
            column.extend(values)
        self._rows.clear()

    def _new_state(self, word: tuple[Status, Outcome, Stage]) -> tuple[int, int, int, int]:
        status, outcome, stage = (each.value for each in word)
        found = self._states[word] = (
            STATUSES.index(status),
            OUTCOMES.index(outcome),
            STAGES.index(stage),
            case_state(status, outcome),
        )
        return found

    def _signature(self, error: Mapping[str, Any]) -> int:
        raw = error.get("signature") or error.get("message")
        return 0 if raw is None else self._name("signature", str(raw), _MAX_SIGNATURE)

    def _name(self, column: str, raw: Any, limit: int = _MAX_NAME) -> int:
        names = self._names[column]
        found = names.index.get(raw)
        return names.add(raw, clean(raw)[:limit]) if found is None else found

    def _new_key(self, raw: tuple[str, str, str]) -> int:
        key = self._key_index[raw] = len(self._keys)
        check, unit, case = (clean(part) for part in raw)
        self._keys.append((check, unit, case))
        self._key_unit.append(self._unit_index.setdefault((check, unit), len(self._unit_index)))
        return key

    def _mapping(self, column: str, value: Mapping[str, Any]) -> int:
        """A small mapping as its JSON text, numbered; few different ones come again and again."""
        key = (column, *value.items())
        try:
            found = self._mappings.get(key)
        except TypeError:  # a list in it
            return self._name(column, json.dumps(value))
        if found is None:
            text = json.dumps(clean_tree(value), separators=(",", ":"), ensure_ascii=False)
            found = self._mappings[key] = self._name(column, text)
        return found

    def _repro(self, row: StoredCase, cell: int) -> int:
        """The command with its names taken out (see `MARKS`): few different ones are left."""
        text = row.repro
        if row.case:
            text = text.replace(row.case, MARKS["case"])
        if row.unit:
            dotted = row.unit.replace("::", ".")
            text = text.replace(row.unit, MARKS["unit"]).replace(dotted, MARKS["dotted"])
        text = text.replace(self.cleaned[cell], MARKS["cell"])
        names = self._names["repro"]
        found = names.index.get(text)
        if found is None:
            marks = set(MARKS.values())
            found = names.add(text, "".join(c if c in marks else clean(c) for c in text))
        return found

    def _told(self, row: StoredCase) -> dict[str, Any]:
        """What only the drawer shows; the page cleans it when it shows it."""
        mismatch = row.mismatch
        if row.status is Status.PASSED:
            found = mismatch or {}
            kept = {key: brief(found[key]) for key in _BRIEF if key in found}
            return {"mismatch": kept} if kept else {}
        detail = {
            "reason": row.reason,
            "attribution_detail": row.attribution_detail,
            "seconds": row.seconds,
            "mismatch": mismatch,
            "error": self._error(row.error) if row.error else None,
        }
        return {name: value for name, value in detail.items() if value}

    def _error(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        error = {key: value for key, value in stored.items() if key != "signature"}
        message = str(error.pop("message", None) or "")
        if len(message) > MAX_MESSAGE:
            error["left_out"] = len(message) - MAX_MESSAGE
            message = message[:MAX_MESSAGE]
            self._shortened += 1
        return {"message": message, **error} if message else error

    def finish(self) -> Cases:
        """All that was added, sorted by cell."""
        self._flush()
        columns: dict[str, NDArray[Any]] = {
            # Not copies: there may be a million rows, and nothing is added any more.
            name: np.frombuffer(values, dtype=values.typecode) if values else np.array(values)
            for name, values in self._columns.items()
        }
        details, timings = self._details.close(), self._timings
        if not self._sorted:
            order = np.argsort(columns["cell"], kind="stable")
            columns = {name: values[order] for name, values in columns.items()}
            place = np.empty(len(order), dtype=np.int64)
            place[order] = np.arange(len(order))
            details, timings = details.moved(place), timings.moved(place)
        return Cases(
            start=np.searchsorted(columns["cell"], np.arange(len(self.ids) + 1)).astype(np.int64),
            keys=tuple(self._keys),
            units=tuple(self._unit_index),
            key_unit=np.array(self._key_unit, dtype=np.int64),
            columns=columns,
            names={name: tuple(names.texts) for name, names in self._names.items()},
            details=details,
            timings=timings,
            shortened=self._shortened,
        )


def _rank(outcome: Outcome, state: int) -> str:
    return _FAILING if outcome in _BAD else _PASSING if state == _PASSED else _OTHER


def brief(value: Any) -> Any:
    """Four digits are enough to say how close a passing output was."""
    return float(f"{value:.3e}") if isinstance(value, float) else value


def as_float(value: Any) -> float:
    """A number of the output files, where NaN and infinities are strings."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
