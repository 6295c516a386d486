"""Feeding ONNX Runtime and reading what it returns, by the graph's declared types.

Plain `run` takes and gives numpy arrays, strings, lists and dictionaries. bfloat16, float8 and
types under a byte only go through OrtValue, and there only through its memory: `numpy()` refuses
them or widens them. From 1.20 an OrtValue of any type is made from shape and type; before that, a
model whose one output is its one initializer makes it.
"""

import ctypes

from .. import onnxmake
from ..arrays import CARRIERS, from_array, to_array, without_padding
from ..onnxpb import ELEMENTS
from ..values import Value, nbytes, raw
from ._declared import Declared

__all__ = ["feed", "from_ort", "from_plain", "to_ort"]

_IR = {"bfloat16": 8, "string": 8}
_OPSET = {"bfloat16": 13, "string": 13}


def feed(value, declared):
    """A value as plain `run` takes it."""
    if value.kind == "tensor":
        return to_array(value)
    if value.kind == "sequence":
        return [feed(item, declared) for item in value.items]
    if value.kind == "map":
        keys, values = value.items["keys"], value.items["values"]
        if isinstance(values, Value):
            values = to_array(values).tolist()
        else:
            values = [feed(item, declared) for item in values]
        return dict(zip(to_array(keys).tolist(), values))
    return feed(value.items[0], declared) if value.items else None


def from_plain(found, declared):
    """What plain `run` returned for one output, as a Value of the declared kind."""
    kind = declared.kind
    if kind == "optional":
        return Value.optional(None if found is None else from_plain(found, declared.inner))
    if found is None:
        return Value.none()
    if kind == "sequence":
        items = [from_plain(item, declared.inner) for item in found]
        return Value.sequence(items, declared.inner.dtype)
    if kind == "map":
        keys = _listed(list(found), declared.key)
        return Value.mapping(keys, _map_values(list(found.values()), declared.inner))
    if declared.dtype in CARRIERS and getattr(found, "dtype", None) is not None:
        # Its bits come in a carrier where they come at all; anything else speaks for itself.
        same = found.dtype.name == CARRIERS[declared.dtype]
        return from_array(found, declared.dtype if same else None)
    return from_array(found)


def _map_values(values, declared):
    """A list of Values, or one flat tensor where they are plain Python numbers and strings."""
    if declared.kind == "tensor" and not any(hasattr(item, "shape") for item in values):
        return _listed(values, declared.dtype)
    return [from_plain(item, declared) for item in values]


def _listed(items, dtype):
    """Plain Python keys or values of a map as a flat tensor."""
    import numpy

    if dtype == "string":
        return from_array(numpy.array(items, dtype=object))
    return from_array(numpy.array(items, dtype=dtype))


def to_ort(onnxruntime, value, declared):
    """A tensor as an OrtValue of the declared type where the bits allow it, else of its own.

    bfloat16 often comes as uint16 and float8 as uint8, because files and arrays lack the types.
    """
    dtype = value.dtype
    if declared.dtype in CARRIERS and dtype == CARRIERS[declared.dtype]:
        if nbytes(declared.dtype, value.shape) == len(value.data):
            dtype = declared.dtype
    if dtype not in CARRIERS and dtype != "string":
        return onnxruntime.OrtValue.ortvalue_from_numpy(to_array(value))
    if dtype == "string" or not hasattr(onnxruntime.OrtValue, "ortvalue_from_numpy_with_onnx_type"):
        return _from_initializer(onnxruntime, dtype, value)
    found = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(value.shape), ELEMENTS[dtype])
    data = bytes(raw(value.data))
    if data:
        ctypes.memmove(found.data_ptr(), data, len(data))
    return found


def _from_initializer(onnxruntime, dtype, value):
    model = onnxmake.model(
        [],
        [],
        [onnxmake.value_info("value", dtype, value.shape)],
        initializers=[onnxmake.tensor("value", dtype, value.shape, value.data)],
        ir=_IR.get(dtype, 9),
        imports=(("", _OPSET.get(dtype, 19)),),
    )
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run_with_ort_values(None, {})[0]


def from_ort(found, declared):
    """An OrtValue that `run_with_ort_values` returned, as a Value."""
    if not found.has_value():
        return Value.optional() if declared.kind == "optional" else Value.none()
    if not found.is_tensor():
        raise TypeError("an output of type {} came as an OrtValue".format(found.data_type()))
    actual = Declared(found.data_type()).dtype
    if actual in CARRIERS:
        shape = tuple(found.shape())
        size = nbytes(actual, shape)
        data = ctypes.string_at(found.data_ptr(), size) if size else b""
        value = Value.tensor(actual, shape, without_padding(actual, shape, data))
    else:
        value = from_array(found.numpy())
    return Value.optional(value) if declared.kind == "optional" else value
