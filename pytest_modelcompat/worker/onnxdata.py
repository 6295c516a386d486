"""Values read from ONNX's own files: tensors, sequences, optionals and maps, without onnx.

`test_data_set_N/input_K.pb` does not say what it holds; the graph's type of that input does.
"""

from __future__ import annotations

import math
import struct

from .arrays import without_padding
from .onnxpb import DTYPES, messages, opened
from .values import BITS, Value, nbytes
from .wire import fields, integers, scalars, text

__all__ = ["quantized", "read_tensor", "read_value"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEPTH = 32
_PACK = {"int32": "i", "int64": "q", "uint32": "I", "uint64": "Q"}


def read_value(source: Any, declared: str) -> Value:
    """The value in a file of a data set.

    Args:
        source: path or bytes.
        declared: the type in the graph as `onnxpb.read_type` writes it, "tensor(float32)",
            "seq(…)", "optional(…)" or "map(…)".

    Raises:
        ValueError: malformed, of another type, or its data lie outside the file.
    """
    kind, _, inner = declared.partition("(")
    with opened(source) as view:
        if kind == "tensor":
            found = read_tensor(view)
            if inner[:-1] == "bfloat16" and found.dtype == "uint16":
                found.dtype = "bfloat16"  # how onnx wrote them before 1.19; the graph decides
            return found
        if kind == "seq":
            return _sequence(view, 0)
        if kind == "optional":
            return _optional(view, 0)
        if kind == "map":
            return _map(view, 0)
    raise ValueError("cannot read a value of type {!r}".format(declared)[:200])


def read_tensor(view: memoryview) -> Value:
    """A TensorProto as a Value.

    Raises:
        ValueError: malformed, its data are external, or they do not fill its shape.
    """
    dims: list[int] = []
    held: dict[int, Any] = {}
    dtype = None
    for number, wire, value in fields(view):
        if number == 1:
            integers(wire, value, dims)
        elif number == 2:
            dtype = DTYPES.get(value)
        elif number in (4, 10):
            scalars(wire, value, 4 if number == 4 else 8, held.setdefault(number, []))
        elif number in (5, 7, 11):
            integers(wire, value, held.setdefault(number, []))
        elif number == 6:
            if wire != 2:
                raise ValueError("a number where a string belongs")
            held.setdefault(6, []).append(bytes(value))
        elif number == 9:
            if wire != 2:
                raise ValueError("a number where raw data belong")
            held[9] = value
        elif number == 13 or (number == 14 and value == 1):
            raise ValueError("the tensor's data lie in another file")
    if dtype is None:
        raise ValueError("the tensor has no type that we know")
    shape = tuple(dims)
    if any(dim < 0 for dim in shape):
        raise ValueError("negative dimension in {}".format(shape)[:200])
    data = _contents(dtype, held)
    _fits(dtype, shape, data)
    if dtype != "string":
        data = without_padding(dtype, shape, data)
    return Value.tensor(dtype, shape, data)


def _fits(dtype, shape, data):
    if dtype != "string":
        wanted, unit = nbytes(dtype, shape), "bytes"
    else:
        wanted, unit = nbytes("int8", shape), "strings"
    if len(data) != wanted:
        raise ValueError(
            "{} {} for {} of shape {}".format(len(data), unit, dtype, list(shape))[:200]
        )


def _contents(dtype, held):
    """The data of a tensor, from whichever field holds it, as bytes or a list of strings."""
    if dtype == "string":
        return held.get(6, [])
    if 9 in held:
        return held[9]
    if dtype in ("float32", "complex64"):
        return b"".join(held.get(4, []))
    if dtype in ("float64", "complex128"):
        return b"".join(held.get(10, []))
    if dtype == "int64":
        return _packed("q", held.get(7, []), 64)
    if dtype in ("uint32", "uint64"):
        return _packed(_PACK[dtype], held.get(11, []), BITS[dtype])
    numbers = held.get(5, [])
    if dtype == "bool":
        return bytes(number != 0 for number in numbers)
    # The rest lie in int32_data as bit patterns, several to a number where they are under a byte.
    width = max(BITS[dtype], 8) if dtype in BITS else 8
    return _packed({8: "B", 16: "H", 32: "I"}[width], numbers, width)


def _packed(code, numbers, width):
    mask = (1 << width) - 1
    if code != "q":
        numbers = [number & mask for number in numbers]
    return struct.pack("<{}{}".format(len(numbers), code), *numbers)


def _deeper(depth):
    if depth >= _DEPTH:
        raise ValueError("values are nested deeper than {}".format(_DEPTH))
    return depth + 1


def _sequence(view, depth):
    depth = _deeper(depth)
    items, kinds, element = [], set(), 0
    readers = {3: lambda v, _: read_tensor(v), 5: _sequence, 6: _map, 7: _optional}
    for number, wire, value in fields(view):
        if number == 2 and wire == 0:
            element = value
        elif number == 4:
            raise ValueError("sequences of sparse tensors are not supported")
        elif number in readers:
            if wire != 2:
                raise ValueError("a number where a value belongs")
            kinds.add(number)
            items.append(readers[number](value, depth))
    if len(kinds) > 1 or not 0 <= element <= 5:
        raise ValueError("a sequence of more than one kind")
    dtypes = {item.dtype for item in items if item.kind == "tensor"}
    return Value.sequence(items, dtypes.pop() if len(dtypes) == 1 else None)


def _optional(view, depth):
    depth = _deeper(depth)
    readers = {3: lambda v, _: read_tensor(v), 5: _sequence, 6: _map, 7: _optional}
    item = None
    for number, wire, value in fields(view):
        if number == 4:
            raise ValueError("optional sparse tensors are not supported")
        if number in readers:
            if wire != 2:
                raise ValueError("a number where a value belongs")
            item = readers[number](value, depth)
    return Value.optional(item)


def _map(view, depth):
    depth = _deeper(depth)
    dtype, keys, words, values = "int64", [], [], Value.sequence([])
    for number, wire, value in fields(view):
        if number == 2 and wire == 0:
            dtype = DTYPES.get(value, "undefined")
        elif number == 3:
            integers(wire, value, keys)
        elif number == 4:
            if wire != 2:
                raise ValueError("a number where a string belongs")
            words.append(bytes(value))
        elif number == 5:
            if wire != 2:
                raise ValueError("a number where a value belongs")
            values = _sequence(value, depth)
    if dtype == "string":
        found = Value.tensor("string", (len(words),), words)
    elif dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        width = BITS[dtype]
        code = {8: "b", 16: "h", 32: "i", 64: "q"}[width]
        code = code.upper() if dtype[0] == "u" else code
        try:
            data = struct.pack("<{}{}".format(len(keys), code), *keys)
        except struct.error:
            raise ValueError("a key does not fit {}".format(dtype)) from None
        found = Value.tensor(dtype, (len(keys),), data)
    else:
        raise ValueError("keys of type {}".format(dtype))
    if len(values.items) != found.shape[0]:
        raise ValueError("{} keys, {} values".format(found.shape[0], len(values.items)))
    return Value.mapping(found, values.items)


# --- which outputs are quantized, and how coarsely -------------------------------------------

_SAME_VALUES = frozenset({"Identity", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze"})
_TO_CODES = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"})


def quantized(source: Any, feeds: Any = None) -> dict[str, float]:
    """The quantum of each main-graph output that comes from a quantize or dequantize node.

    An output of codes (QuantizeLinear and its like) has the quantum 1.0: one code. An output of
    DequantizeLinear has its scale, the largest one where it is per axis or per block. Nodes that
    only move values (Reshape, Transpose, …) are looked through. Outputs whose scale cannot be
    known (computed by other nodes) are left out.

    Args:
        source: path or bytes of the model.
        feeds: {input name: Value}, for scales that are inputs.

    Raises:
        ValueError: malformed.
    """
    makers: dict[str, Any] = {}
    constants: dict[str, Any] = {}
    outputs: list[str] = []
    with opened(source) as view:
        for kind, message, path in messages(view):
            if kind == "graph" and path == ("model",):
                outputs.extend(_field_text(v, 1) for n, _, v in fields(message) if n == 12)
            elif kind == "node" and path == ("model", "graph"):
                _note_node(message, makers, constants)
            elif kind == "tensor" and path == ("model", "graph"):
                constants[_field_text(message, 8)] = message
        found = {}
        for output in outputs:
            operator, inputs = makers.get(output, ("", []))
            for _ in range(64):
                if operator not in _SAME_VALUES or not inputs:
                    break
                operator, inputs = makers.get(inputs[0], ("", []))
            if operator in _TO_CODES:
                found[output] = 1.0
            elif operator == "DequantizeLinear" and len(inputs) > 1:
                scale = _scale(inputs[1], constants, feeds or {})
                if scale:
                    found[output] = scale
        return found


def _field_text(view, wanted):
    found = ""
    for number, _, value in fields(view):
        if number == wanted:
            found = text(value)
    return found


def _note_node(view, makers, constants):
    operator, inputs, outputs, constant = "", [], [], None
    for number, _, value in fields(view):
        if number == 1:
            inputs.append(text(value))
        elif number == 2:
            outputs.append(text(value))
        elif number == 4:
            operator = text(value)
        elif number == 5:
            for inner, _, tensor in fields(value):
                if inner == 5:
                    constant = tensor
    for output in outputs[:1]:
        makers[output] = (operator, inputs)
        if operator == "Constant" and constant is not None:
            constants[output] = constant


def _scale(name, constants, feeds):
    """The largest magnitude of a scale, 0.0 where it is not known."""
    value = feeds.get(name)
    if value is None and name in constants:
        value = read_tensor(constants[name])
    if value is None or value.kind != "tensor":
        return 0.0
    numbers = _floats(value.dtype, bytes(value.data))
    return max((abs(number) for number in numbers if not math.isnan(number)), default=0.0)


def _floats(dtype, data):
    if dtype in ("float32", "float64", "float16"):
        code = {"float32": "f", "float64": "d", "float16": "e"}[dtype]
        return struct.unpack("<{}{}".format(len(data) * 8 // BITS[dtype], code), data)
    if dtype == "bfloat16":
        wide = b"".join(b"\0\0" + data[at : at + 2] for at in range(0, len(data), 2))
        return struct.unpack("<{}f".format(len(wide) // 4), wide)
    if dtype == "float8e8m0":
        return [2.0 ** (code - 127) for code in data if code != 255]
    return []
