"""Tensors as JSON of the Open Inference Protocol v2, and back: nothing is rounded or guessed.

A float goes out as the number that it is, NaN and the infinities as the words `NaN`, `Infinity`
and `-Infinity`, which are no JSON by the letter; a server that does not take them says so.
"""

from ..values import Value
from ._served_numbers import flat, items_of, shown, value_of

__all__ = ["DATATYPES", "from_json", "to_json"]

DATATYPES = {
    "BOOL": "bool", "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "FP16": "float16", "FP32": "float32", "FP64": "float64", "BYTES": "string",
}  # fmt: skip
"""Datatype of the protocol -> ours. BF16 has no form in JSON."""
_THEIRS = {ours: theirs for theirs, ours in DATATYPES.items()}


def _datatype_of(dtype):
    """The protocol's name of a dtype.

    Raises:
        TypeError: it has none.
    """
    if dtype not in _THEIRS:
        raise TypeError("kserve takes no {}: it has no form in JSON".format(dtype))
    return _THEIRS[dtype]


def to_json(name, fed):
    """A tensor as an entry of `inputs`.

    Raises:
        TypeError: no tensor, or of a type or text that JSON does not hold.
    """
    if fed.kind == "optional" and fed.items:
        fed = fed.items[0]
    if fed.kind != "tensor":
        raise TypeError("kserve takes tensors, not a {}".format(fed.kind))
    datatype = _datatype_of(fed.dtype)
    data = items_of(fed)
    if fed.dtype == "string":
        try:
            data = [item.decode("utf-8") for item in data]
        except UnicodeDecodeError as problem:
            raise TypeError("kserve takes text in JSON: {}".format(problem)) from None
    return {"name": name, "shape": list(fed.shape), "datatype": datatype, "data": data}


def from_json(told):
    """(name, Value) of an entry of `outputs`.

    Raises:
        ValueError: it is no tensor of the protocol, contradicts itself, or holds what its
            datatype does not have.
    """
    name = told.get("name") if isinstance(told, dict) else None
    if type(name) is not str:
        raise ValueError("an output without a name: {}".format(shown(told)))
    datatype, shape = told.get("datatype"), told.get("shape")
    dtype = DATATYPES.get(datatype) if isinstance(datatype, str) else None
    if dtype is None:
        raise ValueError("output {!r} is of datatype {}".format(name, shown(datatype)))
    if not isinstance(shape, list) or not all(type(dim) is int and dim >= 0 for dim in shape):
        raise ValueError("output {!r} is of shape {}".format(name, shown(shape)))
    data = told.get("data")
    if type(data) is not list:
        raise ValueError("output {!r} has no data: {}".format(name, shown(data)))
    items = _items(name, data, shape)
    if dtype == "string":
        if not all(isinstance(item, str) for item in items):
            raise ValueError("output {!r} of BYTES holds what is no text".format(name))
        texts = [item.encode("utf-8", "surrogatepass") for item in items]
        return name, Value.tensor("string", shape, texts)
    return name, value_of(name, dtype, shape, items, theirs=datatype)


def _items(name, data, shape):
    """The elements, row-major; data may be nested as its shape is, and not otherwise."""
    count = 1
    for dim in shape:
        count *= dim
    items = data
    if any(isinstance(item, list) for item in data):
        items = flat(name, data, shape)
    if len(items) != count:
        raise ValueError("output {!r} has {} elements for shape {}".format(name, len(items), shape))
    return items
