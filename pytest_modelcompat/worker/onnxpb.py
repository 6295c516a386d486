"""ONNX models read without onnx: what a model is made of, and where its external data lie.

The host must never parse a stranger's model with native code, and a cell has no onnx. So this
reads just what is needed, iteratively, with bounds on depth, counts and sizes; whatever does not
hold is a ValueError. `onnxdata.py` reads values, `onnxmake.py` writes small models.
"""

from __future__ import annotations

import contextlib
import mmap
from typing import Any, NamedTuple

from .wire import MalformedError, count, fields, signed, text

__all__ = [
    "DTYPES",
    "ELEMENTS",
    "Summary",
    "external_data",
    "main_nodes",
    "main_opset",
    "messages",
    "opened",
    "read_type",
    "summary",
]

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
    14: "complex64", 15: "complex128", 16: "bfloat16", 17: "float8e4m3fn",
    18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4e2m1", 24: "float8e8m0", 25: "uint2", 26: "int2", 27: "float6e2m3",
    28: "float6e3m2",
}  # fmt: skip
"""TensorProto.DataType to the dtype of a Value."""
ELEMENTS = {name: number for number, name in DTYPES.items()}

_DEPTH = 64  # messages inside messages; protobuf itself stops at 100
_MESSAGES = 1 << 22

# Which fields of a message hold messages that a walk enters.
_CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}


def messages(view, kind="model"):
    """Every message of a model: (kind, view, path), parents before their children.

    `path` is the tuple of the kinds above it. Iterative, so a nest of subgraphs costs no stack.
    """
    stack, seen = [(kind, view, ())], 0
    while stack:
        kind, view, path = stack.pop()
        yield kind, view, path
        children = _CHILDREN[kind]
        if not children:
            continue
        if len(path) >= _DEPTH:
            raise ValueError("messages are nested deeper than {}".format(_DEPTH))
        found = []
        for number, wire, value in fields(view):
            if number in children:
                if wire != 2:
                    raise MalformedError("wire type {} for a {}".format(wire, children[number]))
                found.append((children[number], value, (*path, kind)))
        seen += len(found)
        if seen > _MESSAGES:
            raise ValueError("more than {} messages".format(_MESSAGES))
        stack.extend(reversed(found))


@contextlib.contextmanager
def opened(source):
    """A memoryview of bytes, or of a file (through mmap, so that nothing is loaded)."""
    if not isinstance(source, (bytes, bytearray, memoryview)):
        with open(source, "rb") as file:
            if not file.seek(0, 2):
                yield memoryview(b"")
                return
            # Not closed by hand: whoever still holds a slice keeps the mapping alive.
            source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    yield memoryview(source).cast("B")


def external_data(source: Any) -> list[tuple[str, str, int, int | None]]:
    """Where tensors outside the file lie: [(tensor name, location, offset, length)].

    Args:
        source: path of a model, or its bytes. Length is None where the file does not say it.

    Raises:
        ValueError: not a model, or malformed.
    """
    found = []
    with opened(source) as view:
        for kind, message, _ in messages(view):
            if kind != "tensor":
                continue
            entries: dict[str, str] = {}
            name, external = "", False
            for number, _, value in fields(message):
                if number == 8:
                    name = text(value)
                elif number == 13:
                    external = True
                    key, words = _entry(value)
                    if key in entries:  # runtimes differ in which of them they follow
                        raise ValueError("a tensor with two entries {!r}".format(key[:40]))
                    entries[key] = words
                elif number == 14:
                    external = external or value == 1
            if external:
                found.append((
                    name,
                    entries.get("location", ""),
                    _natural(entries.get("offset", "0")),
                    _natural(entries["length"]) if "length" in entries else None,
                ))  # fmt: skip
    return found


def _natural(words):
    if not (words.isascii() and words.isdigit() and len(words) < 20):
        raise ValueError("not an offset or length: {!r}".format(words[:40]))
    return int(words)


def _entry(view):
    pair = {1: "", 2: ""}
    for number, _, value in fields(view):
        if number in pair:
            pair[number] = text(value)
    return pair[1], pair[2]


class Summary(NamedTuple):
    """What a model says about itself.

    Attributes:
        ir_version: 0 where the file has none.
        imports: {domain: opset}; the main domain is "ai.onnx".
        producer, producer_version: text.
        metadata: {key: text}.
        inputs, outputs: [(name, type, shape)] of the main graph as in `read_type`; inputs with an
            initializer included.
        initializers: names, of the main graph.
        nodes: [(operator, domain)], those of subgraphs and functions included.
        main_nodes: how many of them lie in the main graph itself.
        functions: [(domain, name)] that the model defines.
    """

    ir_version: int
    imports: dict[str, int]
    producer: str
    producer_version: str
    metadata: dict[str, str]
    inputs: list[Any]
    outputs: list[Any]
    initializers: list[str]
    nodes: list[Any]
    main_nodes: int
    functions: list[Any]


def summary(source: Any) -> Summary:
    """Read a model's summary.

    Args:
        source: path or bytes.

    Raises:
        ValueError: no graph, or malformed.
    """
    found: dict[str, Any] = {
        "ir_version": 0,
        "producer": "",
        "producer_version": "",
        "main_nodes": 0,
    }
    imports: dict[str, int] = {}
    metadata: dict[str, str] = {}
    inputs: list[Any] = []
    outputs: list[Any] = []
    nodes: list[Any] = []
    functions: list[Any] = []
    initializers: list[str] = []
    graphs = 0
    with opened(source) as view:
        for kind, message, path in messages(view):
            if kind == "node":
                operator, domain = "", ""
                for number, _, value in fields(message):
                    if number == 4:
                        operator = text(value)
                    elif number == 7:
                        domain = text(value)
                nodes.append((operator, domain or "ai.onnx"))
                found["main_nodes"] += path == ("model", "graph")
            elif kind == "tensor" and path == ("model", "graph"):
                initializers.append(_name(message, 8))
            elif kind == "sparse" and path == ("model", "graph"):
                initializers.extend(_name(value, 8) for n, _, value in fields(message) if n == 1)
            elif kind == "graph" and path == ("model",):
                graphs += 1
                for number, _, value in fields(message):
                    if number in (11, 12):
                        (inputs if number == 11 else outputs).append(_value_info(value))
            elif kind == "function":
                functions.append((_name(message, 10), _name(message, 1)))
            elif kind == "model":
                for number, wire, value in fields(message):
                    if number == 1:
                        found["ir_version"] = signed(_integer(wire, value))
                    elif number == 2:
                        found["producer"] = text(value)
                    elif number == 3:
                        found["producer_version"] = text(value)
                    elif number == 8:
                        domain, version = _opset(value)
                        imports[domain] = version
                    elif number == 14:
                        metadata.update([_entry(value)])
    if not graphs:
        raise ValueError("there is no graph in it")
    return Summary(
        imports=imports, metadata=metadata, inputs=inputs, outputs=outputs,
        initializers=initializers, nodes=nodes, functions=functions, **found,
    )  # fmt: skip


def _integer(wire, value):
    if wire != 0:
        raise ValueError("wire type {} where a number belongs".format(wire))
    return value


def _name(view, field):
    name = ""
    for number, _, value in fields(view):
        if number == field:
            name = text(value)
    return name


def _opset(view):
    domain, version = "", 0
    for number, wire, value in fields(view):
        if number == 1:
            domain = text(value)
        elif number == 2:
            version = signed(_integer(wire, value))
    return domain or "ai.onnx", version


def _value_info(view):
    name, kind, shape = "", "", None
    for number, _, value in fields(view):
        if number == 1:
            name = text(value)
        elif number == 2:
            kind, shape = read_type(value)
    return name, kind, shape


def read_type(view: memoryview) -> tuple[str, Any]:
    """A TypeProto as (text, shape).

    The text is "tensor(float32)", "seq(tensor(int64))", "optional(…)", "map(int64,…)",
    "sparse_tensor(…)" or "opaque". The shape is that of the innermost tensor: a tuple of int, of
    text for named dimensions and "" for unnamed ones, or None where the rank is not known.
    """
    wrappers, shape, core = [], None, "undefined"
    for _ in range(_DEPTH):
        which, body = None, None
        for number, wire, value in fields(view):
            if number in (1, 4, 5, 7, 8, 9) and wire == 2:
                which, body = number, value
        if which in (1, 8):
            dtype, shape = _tensor_type(body)
            core = ("tensor({})" if which == 1 else "sparse_tensor({})").format(dtype)
            break
        if which == 7:
            core = "opaque"
        if which not in (4, 5, 9):
            break
        view = memoryview(b"")
        key = "undefined"
        for number, wire, value in fields(body):
            if which == 5 and number == 1:
                key = DTYPES.get(_integer(wire, value), "undefined")
            elif number == (2 if which == 5 else 1) and wire == 2:
                view = value
        wrappers.append({4: "seq({})", 9: "optional({})", 5: "map(" + key + ",{})"}[which])
    else:
        raise ValueError("a type is nested deeper than {}".format(_DEPTH))
    for wrapper in reversed(wrappers):
        core = wrapper.format(core)
    return core, shape


def _tensor_type(view):
    dtype, shape = "undefined", None
    for number, wire, value in fields(view):
        if number == 1:
            dtype = DTYPES.get(_integer(wire, value), "undefined")
        elif number == 2:
            shape = []
            for inner, _, dim in fields(value):
                if inner == 1:
                    shape.append(_dimension(dim))
    return dtype, None if shape is None else tuple(shape)


def _dimension(view):
    found = ""
    for number, wire, value in fields(view):
        if number == 1:
            found = signed(_integer(wire, value))
        elif number == 2:
            found = text(value)
    return found


def main_opset(source: Any) -> int:
    """The opset of the model's main domain, 0 where the file imports none or is no ONNX."""
    found = 0
    try:
        with opened(source) as view:
            for number, wire, value in fields(view):
                if number == 8 and wire == 2:
                    domain, version = _opset(value)
                    if domain == "ai.onnx":
                        found = version
    except (OSError, ValueError):
        return 0
    return max(0, found)


def main_nodes(view: memoryview) -> int:
    """How many nodes the main graph has, read by lengths alone."""
    return sum(count(graph, 1) for number, wire, graph in fields(view) if number == 7 and wire == 2)
