"""What a stored run is read into: light, checked records.

The files may come from anybody. A record is made only of fields that have the right type, numbers
are finite, and text can be encoded; fields that a later release added are left out.

A case has two ways in. `quick` decodes and checks a line in one step, ten times as fast, and takes
only what is beyond doubt; whatever it leaves goes through `case`, which knows every exception and
has the words for what is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "StoredCase",
    "StoredCell",
    "StoredEnvironment",
    "case",
    "cell",
    "clean",
    "environment",
    "quick",
    "shown",
]

_MOST = 2**63
_Number = Annotated[int, msgspec.Meta(ge=0, le=_MOST - 1)]
_Figure = Annotated[int, msgspec.Meta(ge=1 - _MOST, le=_MOST - 1)] | float


class StoredCase(msgspec.Struct, frozen=True, kw_only=True):
    """One line of cases.jsonl.gz; the fields are those of design §6, absent ones are empty."""

    cell: str
    n: _Number = 0
    check: str
    unit: str
    case: str
    status: Status
    outcome: Outcome
    stage: Stage = Stage.START
    opset: _Number = 0
    known: str | None = None
    reason: str = ""
    requested: str = ""
    ran_on: dict[str, int] | None = None
    error: dict[str, Any] | None = None
    mismatch: dict[str, Any] | None = None
    reference: dict[str, Any] | None = None
    attribution: str | None = None
    attribution_detail: dict[str, Any] | None = None
    seconds: dict[str, _Figure | dict[str, _Figure]] | None = None
    peak_rss: _Number = 0
    model_bytes: _Number = 0
    outputs: list[str] | None = None
    expected: str | None = None
    repro: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredCell:
    """One cell of run.json."""

    id: str
    matrix: str
    axes: dict[str, str]
    status: CellStatus
    outcome: Outcome
    stage: Stage | None = None
    reason: str = ""
    known: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    attestation: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    repro: str = ""

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What makes it the same cell in another run: its matrix and axes, never its id."""
        return self.matrix, tuple(sorted(self.axes.items()))


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEnvironment:
    """One environment of run.json."""

    id: str
    role: str
    kind: str
    status: str
    lock_digest: str | None = None
    python: str | None = None
    reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    log: str = ""
    reused: bool = False


_TEXT, _INT, _DICT, _LIST, _BOOL = str, int, dict, list, bool
_CASE_TYPES: Mapping[str, type] = {
    "cell": _TEXT, "n": _INT, "check": _TEXT, "unit": _TEXT, "case": _TEXT, "status": _TEXT,
    "outcome": _TEXT, "stage": _TEXT, "opset": _INT, "known": _TEXT, "reason": _TEXT,
    "requested": _TEXT, "ran_on": _DICT, "error": _DICT, "mismatch": _DICT, "reference": _DICT,
    "attribution": _TEXT, "attribution_detail": _DICT, "seconds": _DICT, "peak_rss": _INT,
    "model_bytes": _INT, "outputs": _LIST, "expected": _TEXT, "repro": _TEXT,
}  # fmt: skip
_CELL_TYPES: Mapping[str, type] = {
    "id": _TEXT, "matrix": _TEXT, "axes": _DICT, "status": _TEXT, "outcome": _TEXT, "stage": _TEXT,
    "reason": _TEXT, "known": _TEXT, "environment": _DICT, "attestation": _DICT, "counts": _DICT,
    "seconds": _DICT, "notes": _LIST, "repro": _TEXT,
}  # fmt: skip
_ENVIRONMENT_TYPES: Mapping[str, type] = {
    "id": _TEXT, "role": _TEXT, "kind": _TEXT, "status": _TEXT, "lock_digest": _TEXT,
    "python": _TEXT, "reason": _TEXT, "seconds": _DICT, "packages": _LIST, "log": _TEXT,
    "reused": _BOOL,
}  # fmt: skip
_NEEDED_CASE = ("cell", "check", "unit", "case", "status", "outcome")
_NEEDED_CELL = ("id", "matrix", "axes", "status", "outcome")
_NEEDED_ENVIRONMENT = ("id", "role", "kind", "status")
_STATUSES = {each.value: each for each in Status}
_OUTCOMES = {each.value: each for each in Outcome}
_STAGES = {each.value: each for each in Stage}
_CELL_STATUSES = {each.value: each for each in CellStatus}
_decode = msgspec.json.Decoder(StoredCase).decode


def quick(line: bytes) -> StoredCase | None:
    """A line as a record, where nothing about it is unusual.

    Returns:
        None: `case` is to judge it.
    """
    try:
        return _decode(line)
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return None


def shown(record: StoredCase) -> dict[str, Any]:
    """The fields that have a value, as a line of cases.jsonl.gz has them."""
    values = msgspec.structs.asdict(record)
    # n is 0 for a cell's first case; every other zero or empty value means "none".
    return {name: value for name, value in values.items() if value or name == "n"}


def case(data: Any) -> StoredCase:
    """A line's JSON as a record.

    Raises:
        ValueError: with a phrase that says what is wrong.
    """
    values = _fields(data, _CASE_TYPES, _NEEDED_CASE)
    values["status"] = _member(_STATUSES, values["status"], "status")
    values["outcome"] = _member(_OUTCOMES, values["outcome"], "outcome")
    values["stage"] = _member(_STAGES, values.get("stage", "start"), "stage")
    for name in ("n", "opset", "peak_rss", "model_bytes"):
        if not 0 <= values.setdefault(name, 0) < _MOST:
            raise ValueError(f"`{name}` is out of range")
    for name in ("ran_on", "seconds"):
        if name in values:
            _numbers(values[name], name)
    for name in ("mismatch", "error", "reference", "attribution_detail"):
        if name in values:
            _finite(values[name], name)
    if not all(type(each) is str for each in values.get("outputs", ())):
        raise ValueError("`outputs` holds something that is not text")
    return StoredCase(**values)


def cell(data: Any) -> StoredCell:
    """A cell's JSON as a record.

    Raises:
        ValueError: with a phrase that says what is wrong.
    """
    values = _fields(data, _CELL_TYPES, _NEEDED_CELL)
    values["status"] = _member(_CELL_STATUSES, values["status"], "status")
    values["outcome"] = _member(_OUTCOMES, values["outcome"], "outcome")
    if "stage" in values:
        values["stage"] = _member(_STAGES, values["stage"], "stage")
    if not all(type(value) is str for value in values["axes"].values()):
        raise ValueError("`axes` holds something that is not text")
    for name, number in values.setdefault("counts", {}).items():
        if name not in _STATUSES or type(number) is not int or not 0 <= number < _MOST:
            raise ValueError("`counts` is not a number of cases by status")
    _numbers(values.get("seconds", {}), "seconds")
    for name in ("environment", "attestation"):
        _finite(values.get(name, {}), name)
    for name, value in values.get("environment", {}).items():
        if type(value) is not str:
            raise ValueError(f"`environment` holds a `{name[:40]}` that is not text")
    values["notes"] = _texts(values.get("notes", []), "notes")
    return StoredCell(**values)


def environment(data: Any) -> StoredEnvironment:
    """An environment's JSON as a record.

    Raises:
        ValueError: with a phrase that says what is wrong.
    """
    values = _fields(data, _ENVIRONMENT_TYPES, _NEEDED_ENVIRONMENT)
    _numbers(values.get("seconds", {}), "seconds")
    values["packages"] = _texts(values.get("packages", []), "packages")
    return StoredEnvironment(**values)


def clean(value: Any) -> Any:
    """The same JSON, with text that can be encoded: lone surrogates become a replacement mark."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [clean(each) for each in value]
    if isinstance(value, dict):
        return {clean(name): clean(each) for name, each in value.items()}
    return value


def _fields(data: Any, types: Mapping[str, type], needed: tuple[str, ...]) -> dict[str, Any]:
    if type(data) is not dict:
        raise ValueError("a record is not a mapping")
    values = {}
    for name, value in data.items():
        wanted = types.get(name)
        # null stands for an absent field.
        if wanted is None or value is None:
            continue
        if type(value) is not wanted:
            raise ValueError(f"`{name}` is not {_WORDS[wanted]}")
        values[name] = value
    for name in needed:
        if name not in values:
            raise ValueError(f"a record has no `{name}`")
    return values


_WORDS = {
    _TEXT: "text",
    _INT: "a whole number",
    _DICT: "a mapping",
    _LIST: "a list",
    _BOOL: "yes or no",
}


def _member(members: Mapping[str, Any], value: str, name: str) -> Any:
    try:
        return members[value]
    except KeyError:
        raise ValueError(f"{value[:40]!r} is no `{name}`") from None


def _texts(values: list[Any], name: str) -> tuple[str, ...]:
    if not all(type(each) is str for each in values):
        raise ValueError(f"`{name}` holds something that is not text")
    return tuple(values)


def _numbers(values: dict[str, Any], name: str) -> None:
    for value in values.values():
        if type(value) is dict:
            _numbers(value, name)
        elif (
            abs(value) >= _MOST  # more than a float takes, perhaps
            if type(value) is int
            else type(value) is not float or not math.isfinite(value)
        ):
            raise ValueError(f"`{name}` holds something that is not a finite number")


def _finite(value: Any, name: str) -> None:
    if type(value) is float and not math.isfinite(value):
        raise ValueError(f"`{name}` holds a number that is not finite")
    if type(value) is dict:
        for each in value.values():
            _finite(each, name)
    elif type(value) is list:
        for each in value:
            _finite(each, name)
