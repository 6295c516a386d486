"""What goes into a model and what comes out of it, without any framework or numpy.

A `Value` is raw bytes with a type and a shape, or a sequence, optional or map of such. Host and
worker share it: the host compares bytes and only wakes numpy where they differ. A value travels as
a JSON descriptor plus raw bytes (`describe`, `restore`); `encode` and `decode` are the same in one
self-contained blob, whose digest is the content digest of a case's outputs.
"""

import json
import struct

__all__ = ["BITS", "Blobs", "Value", "decode", "describe", "encode", "nbytes", "raw", "restore"]

BITS = {
    "float32": 32, "float64": 64, "float16": 16, "bfloat16": 16,
    "float8e4m3fn": 8, "float8e4m3fnuz": 8, "float8e5m2": 8, "float8e5m2fnuz": 8, "float8e8m0": 8,
    "float4e2m1": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2,
    "int8": 8, "int16": 16, "int32": 32, "int64": 64,
    "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64,
    "bool": 8, "complex64": 64, "complex128": 128,
}  # fmt: skip
"""Bits of an element by dtype; "string" is not here, its elements have their own lengths."""

_MAGIC = b"MCVALUES"
_VERSION = 1
_HEAD = struct.Struct("<8sIIQ")  # magic, version, reserved, length of the JSON header
_ALIGN = 64  # native code reads inputs in place, with aligned vector loads
_DEPTH = 32  # of sequences in sequences
_DIMS = 64
_STEP = 1 << 20


class Value:
    """One input or output.

    Attributes:
        kind: "tensor", "sequence", "optional", "map" or "none" (nothing was returned).
        dtype: of a tensor; of an empty sequence its elements' where known; else None.
        shape: tuple of int; () for what is not a tensor.
        data: of a tensor: bytes or a flat memoryview of bytes, little endian, C order, types
            smaller than a byte packed low nibble first as in ONNX raw_data. Of strings: a list of
            bytes objects (utf-8, lone surrogates by surrogatepass).
        items: of a sequence a list of Value; of an optional [] or [Value]; of a map
            {"keys": Value (1-d tensor), "values": [Value] or Value}.
    """

    __slots__ = ("data", "dtype", "items", "kind", "shape")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind, dtype=None, shape=(), data=b"", items=None):
        self.kind = kind
        self.dtype = dtype
        self.shape = tuple(shape)
        self.data = data
        self.items = items

    @classmethod
    def tensor(cls, dtype, shape, data):
        """A tensor of numbers, or of strings when data is a list of bytes objects."""
        return cls("tensor", dtype, shape, data)

    @classmethod
    def sequence(cls, items, dtype=None):
        """A sequence of values, ragged or not."""
        return cls("sequence", dtype, items=list(items))

    @classmethod
    def optional(cls, item=None):
        """An optional that holds `item`, or nothing."""
        return cls("optional", items=[] if item is None else [item])

    @classmethod
    def mapping(cls, keys, values):
        """A map from the elements of a 1-d tensor to values, or to the elements of a tensor."""
        return cls("map", items={"keys": keys, "values": values})

    @classmethod
    def none(cls):
        """What stands where a runtime returned nothing."""
        return cls("none")

    def __eq__(self, other):
        if not isinstance(other, Value):
            return NotImplemented
        return (
            self.kind == other.kind
            and self.dtype == other.dtype
            and self.shape == other.shape
            and self.items == other.items
            and _same(self.data, other.data)
        )

    def __repr__(self):
        if self.kind == "tensor":
            return "Value.tensor({!r}, {!r}, <{} bytes>)".format(
                self.dtype,
                self.shape,
                sum(map(len, self.data)) if self.dtype == "string" else len(self.data),
            )
        return "Value({!r}, items={!r})".format(self.kind, self.items)


def _same(one, two):
    """Equal bytes; memoryviews compare element by element, so slices are compared as bytes."""
    if isinstance(one, list) or isinstance(two, list):
        return one == two
    one, two = raw(one), raw(two)
    if len(one) != len(two):
        return False
    if len(one) <= _STEP:  # nearly all; a generator costs more than the rest
        return bytes(one) == bytes(two)
    return all(
        bytes(one[at : at + _STEP]) == bytes(two[at : at + _STEP])
        for at in range(0, len(one), _STEP)
    )


def raw(buffer):
    """A buffer as bytes or a flat memoryview of bytes, without a copy where it is contiguous."""
    if isinstance(buffer, bytes):
        return buffer
    view = memoryview(buffer)
    if view.nbytes == 0:
        return b""  # a view with a zero in its shape cannot be cast
    if not view.c_contiguous:
        return view.tobytes()
    return view if view.ndim == 1 and view.format == "B" else view.cast("B")


def nbytes(dtype, shape):
    """How many bytes a tensor of numbers takes.

    Raises:
        ValueError: unknown dtype, or a shape that is none.
    """
    if dtype not in BITS:
        raise ValueError("unknown dtype {!r}".format(dtype))
    return (_count(shape) * BITS[dtype] + 7) // 8


def _shown(thing):
    """For a message: short, and safe for what is nested without end."""
    if isinstance(thing, (dict, list)):
        return "a {} of {}".format(type(thing).__name__, len(thing))
    return repr(thing)[:100]


def _count(shape):
    if not isinstance(shape, (list, tuple)) or len(shape) > _DIMS:
        raise ValueError("not a shape: {}".format(_shown(shape)))
    count = 1
    for dim in shape:
        if type(dim) is not int or not 0 <= dim < 1 << 63:
            raise ValueError("not a dimension: {}".format(_shown(dim)))
        count *= dim
    return count


class Blobs(list):
    """Raw pieces that will be written one after another; `size` is their length so far.

    `align` pads so that every piece starts at a multiple of it.
    """

    def __init__(self, align=1, size=0):
        super().__init__()
        self.align = align
        self.size = size

    def add(self, data):
        """Append one piece; returns (offset, length)."""
        pad = -self.size % self.align
        if pad and data:
            self.append(bytes(pad))
            self.size += pad
        offset = self.size
        if data:
            self.append(data)
            self.size += len(data)
        return offset, len(data)


def describe(value, blobs):
    """The JSON descriptor of a value; its raw bytes are appended to `blobs` (a `Blobs`).

    Raises:
        ValueError: the bytes do not fit type and shape, so that nothing odd is ever sent.
    """
    kind = value.kind
    if kind == "tensor":
        data = value.data
        if value.dtype == "string":
            if len(data) != _count(value.shape):
                raise ValueError("{} strings in shape {}".format(len(data), value.shape))
            data = struct.pack("<{}Q".format(len(data)), *map(len, data)) + b"".join(data)
        else:
            data = raw(data)
            if len(data) != nbytes(value.dtype, value.shape):
                raise ValueError(
                    "{} bytes for {} of shape {}".format(len(data), value.dtype, value.shape)
                )
        offset, length = blobs.add(data)
        return {"k": "t", "d": value.dtype, "s": list(value.shape), "o": offset, "n": length}
    if kind in ("sequence", "optional"):
        found = {"k": kind[0], "i": [describe(item, blobs) for item in value.items]}
        if value.dtype is not None:
            found["d"] = value.dtype
        return found
    if kind == "map":
        values = value.items["values"]
        return {
            "k": "m",
            "keys": describe(value.items["keys"], blobs),
            "values": [describe(item, blobs) for item in values]
            if isinstance(values, list)
            else describe(values, blobs),
        }
    if kind == "none":
        return {"k": "n"}
    raise ValueError("unknown kind {!r}".format(kind))


def restore(descriptor, buffer):
    """The value that a descriptor means; its data are views into `buffer` (a flat memoryview).

    Raises:
        ValueError: the descriptor is not one, or does not fit the buffer.
    """
    return _restore(descriptor, memoryview(buffer), 0)


def _restore(descriptor, buffer, depth):
    if not isinstance(descriptor, dict) or depth > _DEPTH:
        raise ValueError("not a value: {}".format(_shown(descriptor)))
    kind = descriptor.get("k")
    if kind == "t":
        return _restore_tensor(descriptor, buffer)
    if kind in ("s", "o"):
        items = descriptor.get("i")
        if not isinstance(items, list) or (kind == "o" and len(items) > 1):
            raise ValueError("not the items of a value: {}".format(_shown(items)))
        name = "sequence" if kind == "s" else "optional"
        dtype = descriptor.get("d")
        if dtype is not None and dtype != "string" and dtype not in BITS:
            raise ValueError("unknown dtype {}".format(_shown(dtype)))
        return Value(name, dtype, items=[_restore(item, buffer, depth + 1) for item in items])
    if kind == "m":
        values = descriptor.get("values")
        return Value.mapping(
            _restore(descriptor.get("keys"), buffer, depth + 1),
            [_restore(item, buffer, depth + 1) for item in values]
            if isinstance(values, list)
            else _restore(values, buffer, depth + 1),
        )
    if kind == "n":
        return Value("none")
    raise ValueError("unknown kind {}".format(_shown(kind)))


def _restore_tensor(descriptor, buffer):
    dtype, shape = descriptor.get("d"), descriptor.get("s")
    data = piece(buffer, descriptor.get("o"), descriptor.get("n"))
    if dtype == "string":
        return Value("tensor", dtype, shape, _strings(data, _count(shape)))
    if not isinstance(dtype, str) or len(data) != nbytes(dtype, shape):
        raise ValueError(
            "{} bytes for {} of shape {}".format(len(data), _shown(dtype), _shown(shape))
        )
    return Value("tensor", dtype, shape, data)


def piece(buffer, offset, length):
    """A slice that must lie within the buffer; ValueError otherwise."""
    if type(offset) is not int or type(length) is not int:
        raise ValueError("not a place: {}, {}".format(_shown(offset), _shown(length)))
    if offset < 0 or length < 0 or offset + length > len(buffer):
        raise ValueError("{} bytes at {} of {}".format(length, offset, len(buffer)))
    return buffer[offset : offset + length]


def _strings(data, count):
    if len(data) < 8 * count:
        raise ValueError("{} bytes for {} strings".format(len(data), count))
    found, at = [], 8 * count
    for length in struct.unpack_from("<{}Q".format(count), data):
        found.append(bytes(piece(data, at, length)))
        at += length
    if at != len(data):
        raise ValueError("{} bytes left after {} strings".format(len(data) - at, count))
    return found


def encode(named):
    """Named values (name or position, Value) as one blob; equal values give equal bytes."""
    blobs = Blobs(_ALIGN)
    header = json.dumps(
        [[name, describe(value, blobs)] for name, value in named],
        sort_keys=True,
        separators=(",", ":"),
    ).encode("ascii")
    header += b" " * (-(_HEAD.size + len(header)) % _ALIGN)
    return b"".join([_HEAD.pack(_MAGIC, _VERSION, 0, len(header)), header, *blobs])


def decode(data):
    """The named values of a blob made by `encode`; their data are views into it.

    Raises:
        ValueError: not such a blob, of a newer version, truncated or edited.
    """
    view = memoryview(data)
    if len(view) < _HEAD.size:
        raise ValueError("too short for a blob of values: {} bytes".format(len(view)))
    magic, version, _, length = _HEAD.unpack_from(view)
    if magic != _MAGIC or version != _VERSION:
        raise ValueError("not a blob of values of version {}".format(_VERSION))
    pairs = parse(piece(view, _HEAD.size, length))
    body = view[_HEAD.size + length :]
    try:
        named = [(name, restore(descriptor, body)) for name, descriptor in pairs]
    except TypeError as problem:
        raise ValueError("the header is not a list of pairs") from problem
    if any(type(name) not in (str, int) for name, _ in named):
        raise ValueError("a name is neither a text nor a position")
    return named


def parse(data):
    """JSON from bytes; whatever is wrong with it, nesting included, is a ValueError."""
    try:
        return json.loads(bytes(data).decode("ascii"))
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem
