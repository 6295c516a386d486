"""Tiny ONNX models written without onnx, to ask a runtime questions with.

Only what probes need: graphs of few nodes, integer and tensor attributes, initializers.
"""

from .onnxpb import ELEMENTS
from .wire import key_bytes

__all__ = ["attribute", "model", "node", "tensor", "value_info"]


def _join(pairs):
    return b"".join(key_bytes(number, value) for number, value in pairs)


def tensor(name, dtype, shape, raw):
    """A TensorProto.

    Args:
        name: of the initializer.
        dtype: as in a Value.
        shape: tuple of int.
        raw: bytes as in raw_data, or a list of bytes for strings.
    """
    pairs = [(1, dim) for dim in shape] + [(2, ELEMENTS[dtype])]
    if dtype == "string":
        pairs += [(6, item) for item in raw]
    else:
        pairs.append((9, bytes(raw)))
    return _join([*pairs, (8, name)])


def value_info(name, dtype, shape=None):
    """A ValueInfoProto of a tensor; dimensions are int, text for a name, "" for an unnamed one."""
    pairs = [(1, ELEMENTS[dtype])]
    if shape is not None:
        dims = [
            _join([(1, dim)] if isinstance(dim, int) else [(2, dim)] if dim else [])
            for dim in shape
        ]
        pairs.append((2, _join([(1, dim) for dim in dims])))
    return _join([(1, name), (2, _join([(1, _join(pairs))]))])


def attribute(name, value):
    """An AttributeProto: an int, a float, text, or a TensorProto as bytes."""
    if isinstance(value, bytes):
        return _join([(1, name), (5, value), (20, 4)])
    if isinstance(value, float):
        return _join([(1, name), (2, value), (20, 1)])
    if isinstance(value, int):
        return _join([(1, name), (3, value), (20, 2)])
    return _join([(1, name), (4, value), (20, 3)])


def node(operator, inputs, outputs, *, domain="", attributes=()):
    """A NodeProto; `attributes` are made by `attribute`."""
    return _join(
        [(1, name) for name in inputs]
        + [(2, name) for name in outputs]
        + [(4, operator)]
        + [(5, item) for item in attributes]
        + ([(7, domain)] if domain else [])
    )


def model(nodes, inputs, outputs, *, initializers=(), ir=8, imports=(("", 13),)):
    """A ModelProto as bytes.

    Nodes, inputs, outputs and initializers are what the functions above made; `imports` are
    (domain, opset) pairs.
    """
    graph = _join(
        [(1, item) for item in nodes]
        + [(2, "probe")]
        + [(5, item) for item in initializers]
        + [(11, item) for item in inputs]
        + [(12, item) for item in outputs]
    )
    return _join(
        [(1, ir), (7, graph)]
        + [
            (8, _join(([(1, domain)] if domain else []) + [(2, opset)]))
            for domain, opset in imports
        ]
    )
