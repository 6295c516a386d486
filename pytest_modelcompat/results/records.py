"""Cell and environment records as JSON text, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_modelcompat.results.model import (
    CellRecord,
    CellStatus,
    EnvironmentRecord,
    Outcome,
    Stage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["batches", "cell", "dump", "environment"]

T = TypeVar("T")


def dump(record: CellRecord | EnvironmentRecord) -> str:
    """As JSON; enums become their values."""
    return json.dumps(asdict(record), separators=(",", ":"), default=str)


def cell(text: str) -> CellRecord:
    """Back from `dump`; what a later release added is left out."""
    values = _known(CellRecord, text)
    values["axes"] = tuple((name, value) for name, value in values["axes"])
    values["status"] = CellStatus(values["status"])
    values["stage"] = None if values["stage"] is None else Stage(values["stage"])
    values["outcome"] = Outcome(values["outcome"])
    values["notes"] = tuple(values["notes"])
    return CellRecord(**values)


def environment(text: str) -> EnvironmentRecord:
    """Back from `dump`."""
    values = _known(EnvironmentRecord, text)
    values["packages"] = tuple(values["packages"])
    return EnvironmentRecord(**values)


def _known(kind: type[CellRecord | EnvironmentRecord], text: str) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in json.loads(text).items() if name in names}


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
