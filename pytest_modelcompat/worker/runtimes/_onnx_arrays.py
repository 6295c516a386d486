"""Values as the arrays that onnx's own Python code works with, and back.

What numpy lacks is an `ml_dtypes` type since onnx 1.19 and a structured type with one named field
before ("custom element types"). Types under a byte have one element a byte in both.
"""

import contextlib
import importlib

from ..arrays import CARRIERS, from_array, packed, to_array, unpacked
from ..onnxpb import ELEMENTS
from ..values import BITS, Value, nbytes

__all__ = ["Arrays"]

_BYTE = 8  # bits
_FIELDS = {
    "float8e4m3fn": "e4m3fn", "float8e4m3fnuz": "e4m3fnuz",
    "float8e5m2": "e5m2", "float8e5m2fnuz": "e5m2fnuz",
}  # fmt: skip
_ML_DTYPES = {
    "float8_e4m3fn": "float8e4m3fn", "float8_e4m3fnuz": "float8e4m3fnuz",
    "float8_e5m2": "float8e5m2", "float8_e5m2fnuz": "float8e5m2fnuz",
    "float8_e8m0fnu": "float8e8m0", "float4_e2m1fn": "float4e2m1",
    "bfloat16": "bfloat16", "int4": "int4", "uint4": "uint4", "int2": "int2", "uint2": "uint2",
}  # fmt: skip


class Arrays:
    """The conversions of the installed onnx."""

    def __init__(self, onnx):
        import numpy

        self._types = {}
        custom = _custom_types()
        for dtype in CARRIERS:
            found = None
            with contextlib.suppress(Exception):  # this release does not know the type
                found = numpy.dtype(onnx.helper.tensor_dtype_to_np_dtype(ELEMENTS[dtype]))
            if found is not None and _ML_DTYPES.get(found.name) == dtype:
                self._types[dtype] = found
            elif hasattr(custom, dtype):
                self._types[dtype] = getattr(custom, dtype)

    def feed(self, value):
        """A value as the evaluator takes it: array, list, dictionary or None."""
        if value.kind == "tensor":
            return self._array(value)
        if value.kind == "sequence":
            return [self.feed(item) for item in value.items]
        if value.kind == "optional":
            return self.feed(value.items[0]) if value.items else None
        if value.kind == "map":
            keys = to_array(value.items["keys"]).tolist()
            values = value.items["values"]
            values = (
                to_array(values).tolist()
                if isinstance(values, Value)
                else [self.feed(item) for item in values]
            )
            return dict(zip(keys, values))
        return None

    def _array(self, value):
        if value.dtype not in CARRIERS:
            # Operators may write into what they are given.
            return to_array(value).copy()
        if value.dtype not in self._types:
            raise TypeError("onnx has no array of {}".format(value.dtype))
        target = self._types[value.dtype]
        if BITS[value.dtype] >= _BYTE:
            return to_array(value).copy().view(target)
        codes = unpacked(value)
        if value.dtype.startswith("float") or target.names:
            return codes.view(target)
        return codes.astype(target)

    def value(self, found, declared):
        """What came out, as a Value; the declared type tells what a plain array means."""
        if declared.kind == "optional":
            wrapped = isinstance(found, list) and len(found) == 1
            if wrapped and (declared.inner.kind == "tensor" or isinstance(found[0], list)):
                found = found[0]  # the evaluator's Optional makes a list of one
            return Value.optional(None if found is None else self.value(found, declared.inner))
        if found is None:
            return Value.none()
        if isinstance(found, dict):
            inner = declared.inner if declared.kind == "map" else declared
            keys = from_array(_listed(list(found)))
            return Value.mapping(keys, [self.value(item, inner) for item in found.values()])
        if isinstance(found, (list, tuple)):
            inner = declared.inner if declared.kind == "sequence" else declared
            return Value.sequence([self.value(item, inner) for item in found], inner.dtype)
        return self._tensor(found, declared.dtype)

    def _tensor(self, found, declared):
        import numpy

        found = numpy.asarray(found)
        dtype = _meant(found.dtype, declared)
        if dtype not in CARRIERS:
            return from_array(found, dtype)
        bits = found.view("u{}".format(found.dtype.itemsize))
        if BITS[dtype] < _BYTE:
            return packed(bits, dtype)
        bits = from_array(bits)
        bits.dtype = dtype
        assert len(bits.data) == nbytes(dtype, bits.shape)
        return bits


def _custom_types():
    """The module of custom element types, None where there is none."""
    with contextlib.suppress(ImportError):
        return importlib.import_module("onnx._custom_element_types")
    with contextlib.suppress(ImportError):
        return importlib.import_module("onnx.reference.custom_element_types")
    return None


def _meant(dtype, declared):
    """The Value dtype of an array, None where numpy's own name says it."""
    if dtype.names:
        name = dtype.names[0]
        return {field: ours for ours, field in _FIELDS.items()}.get(name, name)
    if dtype.name in _ML_DTYPES:
        return _ML_DTYPES[dtype.name]
    # Bits in an integer of the right width, where the graph says what they are.
    if declared in CARRIERS and dtype.kind in "iu":
        if dtype.itemsize == max(BITS[declared] // _BYTE, 1):
            return declared
    return None


def _listed(items):
    import numpy

    return numpy.array(items, dtype=object if items and isinstance(items[0], str) else None)
