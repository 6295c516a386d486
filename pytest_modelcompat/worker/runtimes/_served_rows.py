"""Tensors as nested lists in JSON.

Under `inputs` or `instances`, and answered under `outputs` or `predictions`, this is the JSON of
TensorFlow Serving's predict API (https://www.tensorflow.org/tfx/serving/api_rest, json_tensor.cc),
which KServe calls its protocol v1 and TorchServe's envelope `json` takes over. It carries neither
types nor names where there is one tensor only, so both come from what was declared. A number with a
fraction is written with a point or an exponent there, and one without is none.
"""

import base64
import binascii

from ..values import Value
from ._plain import written_off
from ._served_http import ServerError
from ._served_numbers import DTYPES, flat, items_of, shown, value_of

__all__ = ["FORMATS", "Session", "declared_by"]

FORMATS = ("columns", "rows")
"""`columns`: whole tensors by name. `rows`: a list of what belongs together, along the batch."""
_ASKED = {"columns": "inputs", "rows": "instances"}
_ANSWERED = {"columns": "outputs", "rows": "predictions"}  # a third layout, `fields`, has neither
_B64 = "b64"


def declared_by(side, options):
    """Name -> (dtype, None) of an option `inputs` or `outputs`; empty where there is none.

    The option is NAME:DTYPE, several with commas between.

    Raises:
        ValueError: it is none, or of a type without a form in JSON.
    """
    found = {}
    text = options.get(side)
    for each in () if text is None else text.split(","):
        name, _, dtype = (part.strip() for part in each.partition(":"))
        if not name or dtype not in DTYPES or name in found:
            words = "{} is NAME:DTYPE, several with commas between, not {!r}; a dtype is {}"
            raise ValueError(words.format(side, text, ", ".join(sorted(DTYPES))))
        found[name] = (dtype, None)
    return found


class Session:
    """One model of a server.

    Args:
        door: where it is asked.
        path: of its predictions.
        name: of the model, for problems.
        inputs: name -> (dtype, shape with None for an open dimension; None: not told); empty
            where the server does not tell.
        outputs: likewise, never empty.
        layout: one of `FORMATS`; or `fields`, where the names are the request's own fields, and the
            answer is a lone tensor, or an object of which those that were declared are read.
        more: what every request holds besides.
    """

    def __init__(self, door, path, name, *, inputs, outputs, layout, more=()):
        self._door = door
        self._path = path
        self._name = name
        self._inputs = inputs
        self._outputs = outputs
        self._layout = layout
        self._more = dict(more)

    def assign(self):
        """The server has done it."""

    def inputs(self):
        """Names of the inputs; none where the server does not tell."""
        return list(self._inputs)

    def signature(self):
        """[(name, dtype, shape)]; a server need not tell."""
        if not self._inputs or any(shape is None for _, shape in self._inputs.values()):
            raise ValueError("the server does not tell the inputs of {!r}".format(self._name))
        return [
            (name, dtype, tuple("" if dim is None else dim for dim in shape))
            for name, (dtype, shape) in self._inputs.items()
        ]

    def run(self, feeds):
        """Send the inputs; every output that was declared must come back."""
        written_off(self._inputs, feeds)
        names = list(self._inputs) or list(feeds)
        tensors = {name: _tensor(name, feeds[name], self._inputs.get(name)) for name in names}
        found = self._by_name(self._answer(tensors))
        return [(name, self._value(name, found[name])) for name in self._outputs]

    def _answer(self, tensors):
        """What is told of the outputs, as it is laid out."""
        if self._layout == "fields":
            asked = {name: nested for name, (_, nested) in tensors.items()}
            return self._door.answer(self._path, {**self._more, **asked})
        asked = _columns(tensors) if self._layout == "columns" else _rows(tensors)
        told = self._door.post(self._path, {**self._more, _ASKED[self._layout]: asked})
        key = _ANSWERED[self._layout]
        if key not in told:
            raise ServerError("an answer without {}: {}".format(key, repr(told)[:200]))
        return told[key]

    def _by_name(self, told):
        """Output -> its nested lists."""
        if self._layout == "rows" and not isinstance(told, list):
            raise ServerError("predictions that are no list: {}".format(shown(told)))
        if self._layout == "fields" and isinstance(told, dict) and list(told) != [_B64]:
            self._all_of(told)
            return told
        if len(self._outputs) == 1:
            return dict.fromkeys(self._outputs, told)
        if self._layout != "rows":
            self._all_of(told)
            return told
        for row in told:
            self._all_of(row)
        return {name: [row[name] for row in told] for name in self._outputs}

    def _all_of(self, told):
        if not isinstance(told, dict):
            raise ServerError("outputs without their names: {}".format(shown(told)))
        missing = [name for name in self._outputs if name not in told]
        if missing:
            raise ServerError("outputs without a value: {}".format(", ".join(missing)))
        others = [name for name in told if name not in self._outputs]
        if others and self._layout != "fields":
            raise ServerError("outputs that were not declared: {}".format(", ".join(others)))

    def _value(self, name, told):
        dtype, declared = self._outputs[name]
        if dtype not in DTYPES:
            raise ServerError("output {!r} is of {}, which JSON does not hold".format(name, dtype))
        shape = _shape(name, told, declared)
        items = flat(name, told, shape)
        if dtype != "string":
            return value_of(name, dtype, shape, items, floats=(float,))
        return Value.tensor("string", shape, [_bytes(name, item) for item in items])

    def placement(self):
        """None: the protocol does not tell where a model runs."""

    def opset(self):
        """The protocol does not tell."""
        return 0

    def close(self):
        """Nothing is held."""


def _tensor(name, fed, declared):
    """(shape, nested lists) of what is fed.

    Raises:
        TypeError: no tensor, or of a type that JSON does not hold.
        ValueError: of another type or shape than was declared (servers reinterpret what they
            get), or without elements in a way that lists do not tell.
    """
    if fed.kind == "optional" and fed.items:
        fed = fed.items[0]
    if fed.kind != "tensor":
        raise TypeError("the server takes tensors, not a {}".format(fed.kind))
    if fed.dtype not in DTYPES:
        raise TypeError("the server takes no {}: it has no form in JSON".format(fed.dtype))
    dtype, shape = declared or (fed.dtype, None)
    if dtype != fed.dtype:
        words = "input {!r} is declared {}, and is {}"
        raise ValueError(words.format(name, dtype, fed.dtype))
    if shape is not None and not _fits(shape, fed.shape):
        told = ["?" if dim is None else dim for dim in shape]
        words = "input {!r} is declared of shape {}, and is of {}"
        raise ValueError(words.format(name, told, list(fed.shape)))
    if 0 in fed.shape[:-1]:
        words = "input {!r} of shape {} has no form in JSON: nested lists do not tell it"
        raise ValueError(words.format(name, list(fed.shape)))
    items = items_of(fed)
    if fed.dtype == "string":
        items = [_text(item) for item in items]
    return fed.shape, _nested(items, list(fed.shape))


def _nested(items, shape):
    """Lists in lists, as the shape is; only the last dimension may be without elements."""
    if not shape:
        return items[0]
    if len(shape) == 1:
        return items
    step = len(items) // shape[0]
    return [_nested(items[n * step : (n + 1) * step], shape[1:]) for n in range(shape[0])]


def _fits(declared, shape):
    return len(declared) == len(shape) and all(
        dim in (None, given) for dim, given in zip(declared, shape)
    )


def _columns(tensors):
    """An object of tensors; a lone one named `b64` would be read as bytes and goes without name."""
    if list(tensors) == [_B64]:
        return tensors[_B64][1]
    return {name: nested for name, (_, nested) in tensors.items()}


def _rows(tensors):
    """A list along the first dimension: of values where there is one input, else of objects."""
    batches = {shape[0] if shape else 0 for shape, _ in tensors.values()}
    if len(batches) != 1 or 0 in batches:
        told = ", ".join("{!r} {}".format(name, list(each[0])) for name, each in tensors.items())
        raise ValueError("rows want one first dimension for all inputs: {}".format(told))
    if len(tensors) == 1:
        return next(iter(tensors.values()))[1]
    names = list(tensors)
    return [dict(zip(names, row)) for row in zip(*(nested for _, nested in tensors.values()))]


def _text(item):
    try:
        return item.decode("utf-8")
    except UnicodeDecodeError:
        return {_B64: base64.b64encode(item).decode("ascii")}


def _bytes(name, item):
    """Text, or bytes as an object of their base64.

    Raises:
        ValueError: neither.
    """
    if isinstance(item, str):
        return item.encode("utf-8", "surrogatepass")
    if isinstance(item, dict) and list(item) == [_B64] and isinstance(item[_B64], str):
        try:
            return base64.b64decode(item[_B64], validate=True)
        except binascii.Error as problem:
            raise ValueError("output {!r} holds no base64: {}".format(name, problem)) from None
    raise ValueError("output {!r} of string holds {}, which is none".format(name, shown(item)))


def _shape(name, told, declared):
    """The shape that the lists have, as far as they tell; below an empty one the declared one."""
    shape, inner = [], told
    while isinstance(inner, list):
        shape.append(len(inner))
        if not inner:
            break
        inner = inner[0]
    if not shape or shape[-1]:
        return shape
    rest = None if declared is None else declared[len(shape) :]
    if rest is None or None in rest:
        raise ValueError("output {!r} is empty, and lists do not tell its shape".format(name))
    return shape + list(rest)
