"""Values to numpy arrays and back. numpy is imported when it is needed, and never before.

Types that numpy lacks travel in the plainest array that holds their bits: bfloat16 as uint16,
float8 as uint8, types under a byte packed in uint8 as they are in raw_data. Who knows a better
type (`ml_dtypes`) makes a view of it.
"""

from __future__ import annotations

import sys

from .values import BITS, Value, raw

__all__ = ["CARRIERS", "NUMPY", "from_array", "packed", "to_array", "unpacked", "without_padding"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


NUMPY = frozenset({
    "float32", "float64", "float16", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128",
})  # fmt: skip
"""Dtypes that numpy has by the same name."""

_BYTE = 8
CARRIERS = {"bfloat16": "uint16"}
CARRIERS.update(
    {name: "uint8" for name, bits in BITS.items() if name not in NUMPY and bits <= _BYTE}
)
"""The numpy dtype that holds the bits of a dtype that numpy lacks."""

_LITTLE_ENDIAN = {
    "<f4": "float32", "<f8": "float64", "<f2": "float16", "|b1": "bool", "<c8": "complex64",
    "<c16": "complex128", "|i1": "int8", "<i2": "int16", "<i4": "int32", "<i8": "int64",
    "|u1": "uint8", "<u2": "uint16", "<u4": "uint32", "<u8": "uint64",
}  # fmt: skip
_SMALL = 1 << 14  # bytes that are cheaper to copy than to share
_LITTLE = sys.byteorder == "little"


def to_array(value: Value) -> Any:
    """A tensor as an array that shares its memory where it can (then it is read-only).

    Types under a byte come as a flat uint8 array, packed. Strings come as objects of `str`.
    """
    import numpy

    if value.dtype == "string":
        found = numpy.empty(len(value.data), dtype=object)
        found[:] = [item.decode("utf-8", "surrogatepass") for item in value.data]
        return found.reshape(value.shape)
    dtype = value.dtype if value.dtype in NUMPY else CARRIERS[value.dtype]
    found = numpy.frombuffer(raw(value.data), dtype=dtype)
    if not _LITTLE:
        found = found.byteswap()
    return found if BITS[value.dtype] < _BYTE else found.reshape(value.shape)


def from_array(array: Any, dtype: str | None = None) -> Value:
    """An array, or a numpy scalar, as a tensor Value.

    Args:
        array: numeric, bool, or of strings (object, str or bytes).
        dtype: what its bits mean where the array's own type does not say it, as for carriers.

    Raises:
        ValueError: its type is none that a Value has.
    """
    if dtype is None:
        name = _LITTLE_ENDIAN.get(getattr(getattr(array, "dtype", None), "str", ""))
        if name is not None and array.nbytes <= _SMALL:  # nearly always
            return Value.tensor(name, array.shape, array.tobytes())
    import numpy

    array = numpy.asarray(array)
    if array.dtype.kind in "OUS":
        return Value.tensor("string", array.shape, [_encoded(item) for item in array.reshape(-1)])
    name = dtype or array.dtype.name
    if name not in BITS:
        raise ValueError("no dtype for an array of {}".format(array.dtype))
    if not array.flags.c_contiguous:
        array = numpy.ascontiguousarray(array)
    if array.dtype.byteorder == ">" or not _LITTLE:
        array = array.byteswap()
    return Value.tensor(name, array.shape, raw(array.view(_plain(array.dtype))))


def _plain(dtype):
    """A type with the same width whose buffer memoryview understands (float16 views are fine)."""
    return dtype if dtype.kind in "biufc" else "u{}".format(dtype.itemsize)


def _encoded(item):
    if isinstance(item, bytes):
        return item
    return str(item).encode("utf-8", "surrogatepass")


def without_padding(dtype: str, shape: tuple[int, ...], data: Any) -> Any:
    """Packed data with zeros in the bits behind the last element; runtimes leave rubbish there."""
    rest = _count(shape) * BITS[dtype] % _BYTE
    if not rest:
        return data
    return bytes(data[:-1]) + bytes([data[-1] & ((1 << rest) - 1)])


def unpacked(value: Value) -> Any:
    """A tensor of a type under a byte as an array of int8 or uint8, one element each.

    float4 comes as its codes. Raises ValueError for other dtypes.
    """
    import numpy

    bits = BITS[value.dtype]
    if bits >= _BYTE:
        raise ValueError("{} is not packed".format(value.dtype))
    packed = numpy.frombuffer(raw(value.data), dtype=numpy.uint8)
    shifts = numpy.arange(0, 8, bits, dtype=numpy.uint8)
    codes = ((packed[:, None] >> shifts) & ((1 << bits) - 1)).astype(numpy.uint8).reshape(-1)
    codes = codes[: _count(value.shape)].reshape(value.shape)
    if value.dtype.startswith("int"):
        signed = codes.astype(numpy.int8)
        return numpy.where(signed >= 1 << (bits - 1), signed - (1 << bits), signed).astype("int8")
    return codes


def packed(array: Any, dtype: str) -> Value:
    """An array with one element each, of a type under a byte, as a tensor Value."""
    import numpy

    bits = BITS[dtype]
    array = numpy.asarray(array)
    codes = array.reshape(-1).astype(numpy.int64).astype(numpy.uint8) & ((1 << bits) - 1)
    each = 8 // bits
    codes = numpy.concatenate([codes, numpy.zeros(-codes.size % each, dtype=numpy.uint8)])
    shifts = numpy.arange(0, 8, bits, dtype=numpy.uint8)
    data = numpy.bitwise_or.reduce(codes.reshape(-1, each) << shifts, axis=1).astype(numpy.uint8)
    return Value.tensor(dtype, array.shape, data.tobytes())


def _count(shape):
    count = 1
    for dim in shape:
        count *= dim
    return count
