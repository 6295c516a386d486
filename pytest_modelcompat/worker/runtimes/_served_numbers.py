"""The elements of a tensor as what JSON has, and back: nothing is rounded or guessed."""

import struct

from ..values import BITS, Value, raw

__all__ = ["DTYPES", "flat", "items_of", "shown", "value_of"]

_CODES = {
    "bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B",
    "uint16": "H", "uint32": "I", "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
DTYPES = frozenset({*_CODES, "string"})
"""What has a form in JSON."""
_FLOATS = frozenset({"float16", "float32", "float64"})
_BYTE = 8


def items_of(fed):
    """The elements of a tensor, row-major: numbers, truth values, or the bytes of strings."""
    if fed.dtype == "string":
        return list(fed.data)
    held = bytes(raw(fed.data))
    many = len(held) * _BYTE // BITS[fed.dtype]
    return list(struct.unpack("<{}{}".format(many, _CODES[fed.dtype]), held))


def value_of(name, dtype, shape, items, *, theirs=None, floats=(int, float)):
    """A tensor of elements that JSON held.

    Args:
        name: of the output, for the problem.
        dtype: ours; one of `DTYPES` without "string".
        shape: as many elements as there are.
        items: row-major.
        theirs: the type's name in the protocol.
        floats: what a number with a fraction may have been read as.

    Raises:
        ValueError: an element that the type does not have.
    """
    kinds = (bool,) if dtype == "bool" else floats if dtype in _FLOATS else (int,)
    for item in items:
        # JSON has one kind of number; `true`, `null` and words are none
        if type(item) not in kinds:
            words = "output {!r} of {} holds {}, which is none"
            raise ValueError(words.format(name, theirs or dtype, shown(item)))
    try:
        packed = struct.pack("<{}{}".format(len(items), _CODES[dtype]), *items)
    except (struct.error, OverflowError) as problem:
        words = "output {!r} of {} holds a number beyond it: {}"
        raise ValueError(words.format(name, theirs or dtype, problem)) from None
    return Value.tensor(dtype, shape, packed)


def flat(name, data, shape):
    """The elements of nested lists, row-major.

    Raises:
        ValueError: they are nested otherwise than the shape is.
    """
    found = [data]
    for dim in shape:
        if not all(isinstance(row, list) and len(row) == dim for row in found):
            words = "output {!r} is nested otherwise than its shape {}"
            raise ValueError(words.format(name, shape))
        found = [item for row in found for item in row]
    return found


def shown(thing):
    """The beginning of what was found instead."""
    return repr(thing)[:100]
