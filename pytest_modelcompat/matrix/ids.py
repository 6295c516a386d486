"""Cell ids: a slug for people, and a digest that makes them unique. Never parsed back."""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_modelcompat.matrix.declared import AxisValue

__all__ = ["cell_id", "cell_ids"]

_MAX_SLUG = 80
_SHORT, _LONG = 8, 16  # hex digits; the long form where two short ones collide
_ORDER = ("framework", "python", "image", "provider", "packages", "env", "options")


@lru_cache(maxsize=2**14)
def _word(axis: str, value: str) -> str:
    """One value as part of a slug: `onnxruntime-1.31.1`, `py3.12`, `numpy-2.2.6`, `disabled`."""
    text = re.sub(r"[^A-Za-z0-9._=-]+", "-", value.replace("==", "-"))[:_MAX_SLUG]
    if axis == "python" and text[:1].isdigit():
        return f"py{text}"
    group, _, name = axis.partition(".")
    return f"{name}-{text}" if group == "packages" else text


@lru_cache(maxsize=2**12)
def _rank(axis: str) -> tuple[int, str]:
    group = axis.partition(".")[0]
    return (_ORDER.index(group) if group in _ORDER else len(_ORDER)), axis


def cell_id(matrix: str, values: Sequence[AxisValue], *, digits: int) -> str:
    """The id of a cell.

    It depends on the matrix's name and on the axes' values, not on the order in which either
    was written.

    Args:
        matrix: its name; two matrices of one run may have equal cells.
        values: one for each axis of the cell.
        digits: of the digest.
    """
    ordered = sorted(values, key=lambda value: _rank(value.axis))
    slug = "-".join(filter(None, (_word(value.axis, value.id).strip("-.") for value in ordered)))
    told = json.dumps([matrix, [[value.axis, value.value, value.id] for value in ordered]])
    digest = hashlib.sha256(told.encode()).hexdigest()[:digits]
    return f"{slug[:_MAX_SLUG].rstrip('-.')}-{digest}"


def cell_ids(matrix: str, cells: Iterable[Sequence[AxisValue]]) -> list[str]:
    """The ids of all cells of a matrix, distinct.

    Eight digits collide once in a hundred matrices of 10,000 cells that share a slug. The cells
    that do get more digits, all of them, so that order stays out of it.
    """
    cells = list(cells)
    ids = [cell_id(matrix, values, digits=_SHORT) for values in cells]
    if len(set(ids)) == len(ids):
        return ids
    seen: set[str] = set()
    twice = {each for each in ids if each in seen or seen.add(each)}  # type: ignore[func-returns-value]
    return [
        cell_id(matrix, values, digits=_LONG) if short in twice else short
        for values, short in zip(cells, ids, strict=True)
    ]
