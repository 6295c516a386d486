"""How many rows a model labels right: its answer against the labels that came with the data.

The answer's first output that has a row for each label decides: whole numbers are labels
themselves, of scores in columns the largest is meant.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.numbers import BOOLS, COMPLEX, FLOATS, count, part
from pytest_modelcompat.worker.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["NOTHING", "accuracy", "chosen", "labels_in", "packed"]

_INTEGERS = {
    "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
}  # fmt: skip
_TABLE = 2  # dimensions: rows, columns
NOTHING = -(2**63)  # no label: some classifiers say -1 and mean it


def labels_in(value: Value) -> tuple[int, ...] | None:
    """The elements of a tensor of whole numbers; None of anything else."""
    letter = _INTEGERS.get(value.dtype or "") if value.kind == "tensor" else None
    if letter is None:
        return None
    return struct.unpack(f"<{count(value.shape)}{letter}", bytes(value.data))


def packed(labels: Sequence[int]) -> Value:
    """Labels as a tensor, as they are kept with a run."""
    data = struct.pack(f"<{len(labels)}q", *labels)
    made: Value = Value.tensor("int64", (len(labels),), data)
    return made


def chosen(value: Value) -> NDArray[Any] | None:
    """What a model says of each row: its label, or the column of its largest score.

    Args:
        value: an output.

    Returns:
        A number for each row, `NOTHING` for one with a NaN; None of an output that says no such
        thing.
    """
    import numpy as np  # noqa: PLC0415 - runs without variants do without

    if value.kind != "tensor" or value.dtype in {"string", None}:
        return None
    rows, *columns = value.shape or (0,)
    many = count(tuple(columns))
    if not rows or value.dtype in COMPLEX or value.dtype in BOOLS:
        return None
    if many == 1:  # one number a row: a label, unless it is a score
        if value.dtype in FLOATS:
            return None
        return part(value, 0, rows).astype(np.int64)
    if len(columns) != _TABLE - 1 or not many:
        return None
    table = part(value, 0, rows * many).astype(np.float64).reshape(rows, many)
    return np.where(np.isnan(table).any(axis=1), NOTHING, table.argmax(axis=1))


def accuracy(answer: Sequence[tuple[str | int, Value]], labels: Sequence[int]) -> float | None:
    """The share of rows with the right label; None where no output has a row for each label."""
    for _, value in answer:
        if value.kind == "tensor" and value.shape[:1] == (len(labels),):
            said = chosen(value)
            if said is not None:
                return float((said == list(labels)).mean())
    return None
