"""How far one model's answer is from another's: figures, and no verdict.

Unlike a judgement this looks at answers of two different models, whose outputs may have other names
and other types. Numbers are compared as numbers; where they cannot be, the figures say why.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.accuracy import NOTHING, chosen
from pytest_modelcompat.results.numbers import BOOLS, COMPLEX, FLOATS, Figures, count, part
from pytest_modelcompat.worker.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    Named = Sequence[tuple[str | int, Value]]

__all__ = ["distance", "matched", "retyped"]

_SLICE = 1 << 20  # elements at a time
_LABELS = frozenset({"int32", "int64", "uint32", "uint64"})


def matched(actual: Named, expected: Named) -> list[tuple[str, Value, Value]] | str:
    """Outputs of two models that stand for each other: by name, else by their order.

    Returns:
        (name, actual, expected) of each, or why there are none.
    """
    by_name = {str(name): value for name, value in actual}
    if len(actual) != len(expected):
        return f"it has {len(actual)} outputs, the original {len(expected)}"
    if by_name.keys() == {str(name) for name, _ in expected}:
        return [(str(name), by_name[str(name)], value) for name, value in expected]
    return [
        (str(name), ours, theirs)
        for (_, ours), (name, theirs) in zip(actual, expected, strict=True)
    ]


def distance(actual: Named, expected: Named) -> dict[str, Any]:
    """How far an answer is from another.

    Args:
        actual: outputs of the variant.
        expected: of its original, for the same inputs.

    Returns:
        Of the output that is furthest away `output`, `max_abs`, `max_rel`, `cosine` and `sqnr`
        (dB; "Infinity" where equal); `top1`, the share of rows in which both choose the same, of
        the first output that chooses; `apart`: why an output has no figures.
    """
    pairs = matched(actual, expected)
    if isinstance(pairs, str):
        return {"apart": pairs}
    worst: dict[str, Any] = {}
    apart = ""
    top1 = None
    for name, ours, theirs in pairs:
        found = _figures(ours, theirs)
        if isinstance(found, str):
            apart = apart or (f"{name}: {found}" if found else "")
        elif not worst or _loss(found) > _loss(worst):
            worst = {"output": name, **found}
        if top1 is None:
            top1 = _top1(ours, theirs)
    shown = {**worst, "top1": top1, "apart": apart}
    return {name: value for name, value in shown.items() if value not in (None, "")}


def retyped(actual: Value, expected: Value) -> Value:
    """A float tensor in another float type, so that the same tolerance is about both."""
    import numpy as np  # noqa: PLC0415 - runs without variants do without

    wanted = expected.dtype or ""
    if actual.dtype == wanted or actual.dtype not in FLOATS or wanted not in FLOATS:
        return actual
    kind = part(expected, 0, 0).dtype
    with np.errstate(all="ignore"):
        made = part(actual, 0, count(actual.shape)).astype(np.float64).astype(kind)
    other: Value = Value.tensor(wanted, actual.shape, made.tobytes())
    return other


def _loss(figures: dict[str, Any]) -> tuple[bool, float, float]:
    """What makes one output further away than another."""
    if figures["max_abs"] == "NaN":
        return True, 0.0, 0.0
    sqnr = figures.get("sqnr", 0.0)
    return False, -math.inf if sqnr == "Infinity" else -float(sqnr), float(figures["max_abs"])


def _figures(actual: Value, expected: Value) -> dict[str, Any] | str:
    if actual.kind != expected.kind or actual.kind != "tensor":
        return f"{actual.kind} against {expected.kind}, which have no distance"
    types = {actual.dtype or "", expected.dtype or ""}
    if types & {"string", *COMPLEX, *BOOLS}:
        return "" if actual == expected else f"{' and '.join(sorted(types))} have no distance"
    if types <= _LABELS and chosen(expected) is not None:
        return ""  # classes by their number: `top1` says how many are the same
    if len(types) > 1 and not all(each in FLOATS for each in types):
        return f"{actual.dtype} against {expected.dtype}, which are on different scales"
    if actual.shape != expected.shape:
        return f"its shape is {list(actual.shape)}, the original's {list(expected.shape)}"
    return _numbers(actual, expected)


def _numbers(actual: Value, expected: Value) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - runs without variants do without

    figures = Figures()
    odd = False
    size = count(expected.shape)
    with np.errstate(all="ignore"):
        for start in range(0, size, _SLICE):
            stop = min(size, start + _SLICE)
            ours = part(actual, start, stop).astype(np.float64)
            theirs = part(expected, start, stop).astype(np.float64)
            finite = np.isfinite(ours) & np.isfinite(theirs)
            same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
            odd = odd or not bool((finite | same).all())
            ours, theirs = ours[finite], theirs[finite]
            figures.add(ours, theirs, np.abs(ours - theirs))
    found = figures.record()
    if odd:  # one of both is NaN or infinite: no figure of the rest is the distance
        return {"max_abs": "NaN"}
    if not found["max_abs"]:  # nothing to divide by where all are zero
        found.update(cosine=1.0, sqnr="Infinity")
    return found


def _top1(actual: Value, expected: Value) -> float | None:
    ours, theirs = chosen(actual), chosen(expected)
    if ours is None or theirs is None or len(ours) != len(theirs):
        return None
    return float(((ours == theirs) & (theirs != NOTHING)).mean())
