"""Two tensors of one type and shape, element by element, in slices of bounded size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.numbers import (
    COMPLEX,
    FLOATS,
    FRACTION,
    Bound,
    Figures,
    count,
    json_number,
    part,
    top_agreement,
    ulps,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_modelcompat.worker.values import Value

    Array = NDArray[Any]

__all__ = ["Scan", "scan"]

SLICE = 1 << 20  # elements at a time; a multiple of how many int2 share a byte
_ROWS = 1 << 22  # elements up to which the largest entries of rows are compared


@dataclass(frozen=True, slots=True)
class Scan:
    """What was seen: the kind of mismatch (None: within tolerance), its record, error/tolerance."""

    kind: str | None
    record: dict[str, Any]
    ratio: float


def scan(actual: Value, expected: Value, bound: Bound, *, closeness: bool) -> Scan | None:
    """Compare two tensors of equal type and shape.

    Args:
        actual: what came out.
        expected: what was expected.
        bound: how far apart they may be.
        closeness: whether to tell how close they are when they are within the bound.

    Returns:
        None where they are within the bound and nobody wants to know how close.
    """
    if expected.dtype == "string":
        return _strings(actual, expected)
    import numpy as np  # noqa: PLC0415

    # Outputs may be any bits, memory that nobody wrote included: a signalling NaN warns when it is
    # merely copied to another type, and where warnings are errors that would end the run.
    with np.errstate(all="ignore"):
        if not closeness and not any(
            each.bad.any() for _, each in _slices(actual, expected, bound)
        ):
            return None
        return _Tally(actual, expected, bound).result()


@dataclass(frozen=True, slots=True)
class _Slice:
    actual: Array
    expected: Array
    finite: Array  # both are
    nan: Array  # one is, the other is not
    infinite: Array  # one is, the other is something else
    difference: Array  # |a - e|, 0 where not finite; exact for integers
    ratio: Array  # error / tolerance
    bad: Array


def _slices(actual: Value, expected: Value, bound: Bound) -> Any:
    name = expected.dtype
    total = count(expected.shape) * (2 if name in COMPLEX else 1)
    look = _floats if name in FLOATS or name in COMPLEX else _integers
    for start in range(0, total, SLICE):
        stop = min(start + SLICE, total)
        yield start, look(part(actual, start, stop), part(expected, start, stop), name, bound)


def _floats(actual: Array, expected: Array, name: str, bound: Bound) -> _Slice:
    import numpy as np  # noqa: PLC0415

    wide = actual.astype(np.float64, copy=False)
    wanted = expected.astype(np.float64, copy=False)
    finite = np.isfinite(wide) & np.isfinite(wanted)
    nan = np.isnan(wide) != np.isnan(wanted)
    infinite = ~finite & ~nan & (wide != wanted) & ~np.isnan(wide)
    difference = np.where(finite, np.abs(wide - wanted), 0.0)
    if bound.ulp is not None:
        error = np.where(finite, ulps(actual, expected, name), 0).astype(np.float64)
        allowed: Any = bound.ulp
    elif bound.quanta is not None:
        error = difference
        # Both are rounded to their type after the scale was applied: that is not a quantum.
        rounding = 2.0 ** -FRACTION[COMPLEX.get(name, name)] * np.maximum(
            np.abs(wide), np.abs(wanted)
        )
        allowed = bound.quanta * bound.scale + np.where(finite, rounding, 0.0)
    else:
        error = difference
        allowed = np.where(finite, bound.atol + bound.rtol * np.abs(wanted), 0.0)
    bad = nan | infinite | (error > allowed)
    return _Slice(wide, wanted, finite, nan, infinite, difference, _ratio(error, allowed), bad)


def _integers(actual: Array, expected: Array, name: str, bound: Bound) -> _Slice:
    import numpy as np  # noqa: PLC0415

    del name
    wide = np.uint64 if expected.dtype.kind in "ub" else np.int64
    ours, wanted = actual.astype(wide), expected.astype(wide)
    # Wraps around in 64 bits, which gives the exact distance whatever the signs.
    one, two = ours.view(np.uint64), wanted.view(np.uint64)
    difference = np.where(ours > wanted, one - two, two - one)
    steps = bound.ulp if bound.ulp is not None else bound.quanta
    if steps is None:
        allowed: Any = bound.atol + bound.rtol * np.abs(wanted.astype(np.float64))
    else:
        allowed = steps
    never = np.zeros(difference.shape, np.bool_)
    error = difference.astype(np.float64)
    return _Slice(
        ours, wanted, ~never, never, never, difference, _ratio(error, allowed), error > allowed
    )


def _ratio(error: Array, allowed: Any) -> Array:
    import numpy as np  # noqa: PLC0415

    found = error / allowed
    # Nothing allowed and nothing wrong is 0/0; an infinite error within an infinite bound is 1.
    return np.where(np.isnan(found), np.where(error == 0, 0.0, 1.0), found)


class _Tally:
    """Everything worth telling of one pair of tensors."""

    def __init__(self, actual: Value, expected: Value, bound: Bound) -> None:
        self._dtype, self._bound = expected.dtype, bound
        self._shape = expected.shape
        self._figures = Figures()
        self._bad = 0
        self._first: int | None = None
        self._special: dict[str, tuple[int, Any, Any]] = {}
        self._worst: tuple[float, float, int, Any, Any] | None = None
        self._agreement: dict[str, float] = {}
        for start, each in _slices(actual, expected, bound):
            self._add(start, each)
        self._ulps(actual, expected)
        self._rows(actual, expected)

    def _add(self, start: int, each: _Slice) -> None:
        finite = each.finite
        self._figures.add(each.actual[finite], each.expected[finite], each.difference[finite])
        wrong = int(each.bad.sum())
        if wrong and self._first is None:
            self._first = start + int(each.bad.argmax())
        self._bad += wrong
        for kind, where in (("nan", each.nan), ("inf", each.infinite)):
            if kind not in self._special and where.any():
                at = int(where.argmax())
                self._special[kind] = (start + at, each.actual[at], each.expected[at])
        at = _worst(each)
        found = (
            float(each.ratio[at]), float(each.difference[at]),
            start + at, each.actual[at], each.expected[at],
        )  # fmt: skip
        if finite[at] and (self._worst is None or found[:2] > self._worst[:2]):
            self._worst = found

    def _ulps(self, actual: Value, expected: Value) -> None:
        import numpy as np  # noqa: PLC0415

        name = self._dtype
        if name not in FLOATS and name not in COMPLEX:
            return
        total = count(self._shape) * (2 if name in COMPLEX else 1)
        for start in range(0, total, SLICE):
            stop = min(start + SLICE, total)
            ours, theirs = part(actual, start, stop), part(expected, start, stop)
            finite = np.isfinite(ours.astype(np.float64)) & np.isfinite(theirs.astype(np.float64))
            self._figures.add_ulps(ulps(ours, theirs, name)[finite])

    def _rows(self, actual: Value, expected: Value) -> None:
        import numpy as np  # noqa: PLC0415

        shape, total = self._shape, count(self._shape)
        few = 5
        if self._dtype not in FLOATS or len(shape) != 2 or shape[1] < few:  # noqa: PLR2004
            return
        if not 0 < total <= _ROWS or "nan" in self._special:
            return
        ours = part(actual, 0, total).astype(np.float64).reshape(shape)
        theirs = part(expected, 0, total).astype(np.float64).reshape(shape)
        if not np.isnan(theirs).any():
            self._agreement = top_agreement(ours, theirs)

    def result(self) -> Scan:
        """What was found."""
        kind, at, actual, expected = self._place()
        record: dict[str, Any] = {} if kind is None else {"kind": kind}
        record |= {"dtype": self._dtype, "shape": list(self._shape), **self._figures.record()}
        ratio = self._worst[0] if self._worst else 0.0
        if self._special:
            ratio = float("inf")  # no tolerance reaches a NaN
        if at is not None:
            record |= {"actual": json_number(actual), "expected": json_number(expected)}
            record["index"] = self._index(at)
            if self._dtype in COMPLEX:
                record["part"] = "imag" if at % 2 else "real"
        if self._first is not None:
            record["first"] = self._index(self._first)
        record |= {"bad": self._bad, "total": count(self._shape), "ratio": json_number(ratio)}
        if self._dtype in COMPLEX:
            record["total"] *= 2
        return Scan(kind, record | self._agreement | {"tolerance": self._bound.record()}, ratio)

    def _place(self) -> tuple[str | None, int | None, Any, Any]:
        for kind in ("nan", "inf"):
            if kind in self._special:
                return (kind, *self._special[kind])
        if self._worst is None:
            return None, None, None, None
        return ("value" if self._bad else None, *self._worst[2:])

    def _index(self, at: int) -> list[int]:
        return _index(at // 2 if self._dtype in COMPLEX else at, self._shape)


def _index(at: int, shape: tuple[int, ...]) -> list[int]:
    """A position in C order as an index."""
    found = []
    for size in reversed(shape):
        at, here = divmod(at, size)
        found.append(here)
    return found[::-1]


def _worst(each: _Slice) -> int:
    import numpy as np  # noqa: PLC0415

    top = each.ratio.max()
    if np.isinf(top):  # nothing was allowed: the largest difference is the worst
        return int(np.where(np.isinf(each.ratio), each.difference, 0).argmax())
    return int(each.ratio.argmax())


def _strings(actual: Value, expected: Value) -> Scan | None:
    pairs = list(zip(actual.data, expected.data, strict=True))
    wrong = [at for at, (one, two) in enumerate(pairs) if bytes(one) != bytes(two)]
    if not wrong:
        return None
    one, two = pairs[wrong[0]]
    index = _index(wrong[0], expected.shape)
    record = {
        "kind": "value", "dtype": "string", "shape": list(expected.shape), "index": index,
        "first": index, "actual": json_number(bytes(one)), "expected": json_number(bytes(two)),
        "bad": len(wrong), "total": len(pairs),
    }  # fmt: skip
    return Scan("value", record, float("inf"))
