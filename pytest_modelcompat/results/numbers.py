"""Raw bytes as numbers: views, unpacking, distances and the figures of a mismatch.

Everything works on slices of a flat tensor, so that the memory of a comparison does not grow with
the tensor. numpy and ml_dtypes are imported when the first bytes differ, not before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.worker.values import raw

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_modelcompat.worker.values import Value

    Array = NDArray[Any]

__all__ = [
    "BOOLS",
    "COMPLEX",
    "FLOATS",
    "FRACTION",
    "NARROW",
    "Bound",
    "Figures",
    "count",
    "json_number",
    "part",
    "top_agreement",
    "ulps",
]

FLOATS = {
    "float64": "float64", "float32": "float32", "float16": "float16", "bfloat16": "bfloat16",
    "float8e4m3fn": "float8_e4m3fn", "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2", "float8e5m2fnuz": "float8_e5m2fnuz",
    "float8e8m0": "float8_e8m0fnu", "float4e2m1": "float4_e2m1fn",
}  # fmt: skip
"""dtype -> numpy's or ml_dtypes' name of it."""
FRACTION = {
    "float64": 52, "float32": 23, "float16": 10, "bfloat16": 7, "float8e4m3fn": 3,
    "float8e4m3fnuz": 3, "float8e5m2": 2, "float8e5m2fnuz": 2, "float8e8m0": 0, "float4e2m1": 1,
}  # fmt: skip
"""dtype -> bits of its fraction; 2 to the power of minus that is its relative spacing."""
COMPLEX = {"complex64": "float32", "complex128": "float64"}
"""dtype -> that of its parts."""
NARROW = {"int4": 4, "uint4": 4, "float4e2m1": 4, "int2": 2, "uint2": 2}
"""Types of which several share a byte, the first in the low bits."""
BOOLS = frozenset({"bool"})
_ML_DTYPES = frozenset(FLOATS.values()) - {"float64", "float32", "float16"}
_TEXT = 200  # characters of a string element that are worth showing
_MANY = 5  # of a row's largest entries


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """How far apart two elements may be: |a - e| <= atol + rtol * |e|, or `ulp`, or `quanta`.

    `scale` is the size of a quantum; of integers it is one code.
    """

    rtol: float = 0.0
    atol: float = 0.0
    ulp: float | None = None
    quanta: float | None = None
    scale: float = 1.0

    def record(self) -> dict[str, float]:
        """The bound as it stands in a mismatch."""
        if self.ulp is not None:
            return {"ulp": self.ulp}
        if self.quanta is not None:
            return {"quanta": self.quanta, "scale": self.scale}
        return {"rtol": self.rtol, "atol": self.atol}


def count(shape: tuple[int, ...]) -> int:
    """How many elements a shape has."""
    return math.prod(shape)


def _numpy_type(name: str) -> np.dtype[Any]:
    import numpy as np  # noqa: PLC0415 - most cases are equal byte for byte

    if name not in _ML_DTYPES:
        return np.dtype(name).newbyteorder("<")
    import ml_dtypes  # noqa: PLC0415

    found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return found


_dtype = cache(_numpy_type)  # in two steps: mutation testing passes decorated functions over


def part(value: Value, start: int, stop: int) -> Array:
    """Elements start..stop of a tensor of numbers, one array element each.

    Floats come in their own type, complex numbers as twice as many parts (`start` and `stop` count
    parts then), int4 and smaller in int8, bool as 0 and 1 whatever the byte was.
    """
    import numpy as np  # noqa: PLC0415

    data = raw(value.data)
    name = value.dtype
    if name in NARROW:
        return _unpacked(data, name, start, stop)
    if name in BOOLS:
        truth: Array = np.frombuffer(data, np.uint8, stop - start, start) != 0
        return truth
    kind = _dtype(COMPLEX.get(name) or FLOATS.get(name) or name)
    return np.frombuffer(data, kind, stop - start, start * kind.itemsize)


def _unpacked(data: Any, name: str, start: int, stop: int) -> Array:
    import numpy as np  # noqa: PLC0415

    bits = NARROW[name]
    each = 8 // bits
    first = start // each
    packed = np.frombuffer(data, np.uint8, -(-stop // each) - first, first)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = ((packed[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)
    codes = codes[start - first * each : stop - first * each].astype(np.uint8)
    if name in FLOATS:
        return codes.view(_dtype(FLOATS[name]))
    if name.startswith("u"):
        return codes.view(np.int8)
    half = 1 << (bits - 1)
    return (codes.view(np.int8) ^ np.int8(half)) - np.int8(half)


def ulps(actual: Array, expected: Array, name: str) -> Array:
    """How many values of the type lie between two of them, as unsigned integers.

    Both zeros are the same place. Elements that are NaN or infinite give a number without meaning.
    """
    import numpy as np  # noqa: PLC0415

    size = actual.dtype.itemsize
    code = np.dtype(f"<u{size}")
    places = []
    for array in (actual, expected):
        codes = np.ascontiguousarray(array).view(code).astype(np.uint64)
        if name == "float8e8m0":  # powers of two without a sign
            places.append(codes)
            continue
        sign = np.uint64(1 << (8 * size - 1 if name != "float4e2m1" else 3))
        magnitude = codes & (sign - np.uint64(1))
        # The places of all values in a row, zero in the middle; wraps around in 64 bits alike.
        middle = np.uint64(1 << 63)
        places.append(np.where(codes & sign, middle - magnitude, middle + magnitude))
    one, two = places
    return np.where(one > two, one - two, two - one)


def json_number(value: Any) -> Any:
    """A number as JSON may hold it: NaN and infinities as strings, bytes as text."""
    if isinstance(value, bytes):
        return value[: 4 * _TEXT].decode("utf-8", "backslashreplace")[:_TEXT]
    if hasattr(value, "dtype"):
        value = value.item()
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


class Figures:
    """What is summed up while slices of two tensors are compared.

    `wide` are the numbers as float64 (floats) or Python integers' exact difference (integers).
    """

    def __init__(self) -> None:
        self.max_abs: float | int = 0
        self.max_rel = 0.0
        self.max_ulp: int | None = None
        self._dot = self._actual = self._expected = self._error = 0.0

    def add(self, actual: Array, expected: Array, difference: Array) -> None:
        """Take in one slice: finite pairs only, as float64 (or exact integers) and |a - e|."""
        import numpy as np  # noqa: PLC0415

        if not difference.size:
            return
        self.max_abs = max(self.max_abs, difference.max().item())
        wide, wanted = actual.astype(np.float64), expected.astype(np.float64)
        error = difference.astype(np.float64)
        size = np.abs(wanted)
        with np.errstate(all="ignore"):
            there = size > 0
            if there.any():
                self.max_rel = max(self.max_rel, float((error[there] / size[there]).max()))
            # Not np.dot: how BLAS adds up depends on its threads, and the last digit with it; and
            # those threads wait for each other where workers have the processors.
            self._dot += float((wide * wanted).sum())
            self._actual += float((wide * wide).sum())
            self._expected += float((wanted * wanted).sum())
            self._error += float((error * error).sum())

    def add_ulps(self, distance: Array) -> None:
        """Take in the distances of one slice's finite pairs."""
        if distance.size:
            self.max_ulp = max(self.max_ulp or 0, int(distance.max()))

    def record(self) -> dict[str, Any]:
        """The figures as JSON, those without a value left out."""
        found: dict[str, Any] = {
            "max_abs": json_number(self.max_abs),
            "max_rel": json_number(self.max_rel),
        }
        if self.max_ulp is not None:
            found["max_ulp"] = self.max_ulp
        sums = (self._dot, self._actual, self._expected, self._error)
        if not all(map(math.isfinite, sums)) or not (self._actual and self._expected):
            return found
        cosine = self._dot / (math.sqrt(self._actual) * math.sqrt(self._expected))
        found["cosine"] = max(-1.0, min(1.0, cosine))
        found["sqnr"] = "Infinity"
        if self._error:  # a quotient of the two may leave the range of floats
            found["sqnr"] = 10 * (math.log10(self._expected) - math.log10(self._error))
        return found


def top_agreement(actual: Array, expected: Array) -> dict[str, float]:
    """How far the largest entries of each row are the same ones.

    Args:
        actual: 2-D, at least five columns, no NaN.
        expected: of the same shape.

    Returns:
        {"top1": share of rows with the same largest entry, "top5": mean share of the five
        largest that both have}.
    """
    import numpy as np  # noqa: PLC0415

    same = actual.argmax(axis=1) == expected.argmax(axis=1)
    ours = np.argpartition(-actual, _MANY - 1, axis=1)[:, :_MANY]
    theirs = np.argpartition(-expected, _MANY - 1, axis=1)[:, :_MANY]
    shared = (ours[:, :, None] == theirs[:, None, :]).any(axis=2)
    return {"top1": float(same.mean()), f"top{_MANY}": float(shared.mean())}
