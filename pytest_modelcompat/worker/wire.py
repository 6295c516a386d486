"""The protobuf wire format, read and written without protobuf, in bounded time and memory.

Reading is lazy and copies nothing: a length-delimited field is a view, so a file of gigabytes is
walked by its lengths alone. Whatever is malformed is a ValueError.
"""

import struct

__all__ = [
    "MAX_FIELDS",
    "MalformedError",
    "count",
    "fields",
    "integers",
    "key_bytes",
    "scalars",
    "signed",
    "text",
    "varint",
]

MAX_FIELDS = 1 << 24
"""Fields in one message, and numbers in one packed field. More would only keep a reader busy."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class MalformedError(ValueError):
    """Bytes that are no message, or not the whole of one."""


def _varint(view, at):
    """(unsigned 64-bit integer, offset behind it)."""
    found = shift = 0
    try:
        while True:
            byte = view[at]
            at += 1
            found |= (byte & 127) << shift
            if byte < 128:
                return found & 0xFFFFFFFFFFFFFFFF, at
            shift += 7
            if shift > 63:
                raise MalformedError("a varint is longer than ten bytes")
    except IndexError:
        raise MalformedError("a varint is cut off") from None


def fields(view):
    """The fields of one message: (number, wire type, int or memoryview).

    Args:
        view: a flat memoryview of bytes.

    Raises:
        ValueError: truncated, a group, an unknown wire type, or more than MAX_FIELDS.
    """
    if not isinstance(view, memoryview):
        raise MalformedError("a number where a message belongs")
    at, size = 0, len(view)
    for _ in range(MAX_FIELDS):
        if at == size:
            return
        tag = view[at]
        if tag < 128:  # nearly always
            at += 1
        else:
            tag, at = _varint(view, at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise MalformedError("no field has the number {}".format(number))
        if kind == VARINT:
            value, at = _varint(view, at)
        else:
            if kind == BYTES:
                length, at = _varint(view, at)
            elif kind in (FIXED64, FIXED32):
                length = 8 if kind == FIXED64 else 4
            else:
                raise MalformedError("wire type {} in field {}".format(kind, number))
            end = at + length
            if end > size:
                raise MalformedError("field {} is cut off".format(number))
            value = view[at:end]
            at = end
        yield number, kind, value
    if at != size:
        raise ValueError("more than {} fields in one message".format(MAX_FIELDS))


def count(view, number):
    """How many fields of that number a message has."""
    found = 0
    for field, _, _ in fields(view):
        found += field == number
    return found


def signed(number):
    """An unsigned 64-bit varint as the int64 that it stands for."""
    return number - (1 << 64) if number >> 63 else number


def text(view):
    """A string field; what is not UTF-8 is kept visible, not refused."""
    if not isinstance(view, memoryview):
        raise MalformedError("a number where text belongs")
    return str(view, "utf-8", "backslashreplace")


def integers(kind, value, into):
    """Append one field of a repeated integer, packed or not, as signed numbers."""
    if kind == VARINT:
        into.append(signed(value))
        return
    if kind != BYTES:
        raise ValueError("wire type {} where integers belong".format(kind))
    at, size = 0, len(value)
    for _ in range(MAX_FIELDS):
        if at == size:
            return
        number, at = _varint(value, at)
        into.append(signed(number))
    if at != size:
        raise ValueError("more than {} numbers in one field".format(MAX_FIELDS))


def scalars(kind, value, width, into):
    """Append one field of a repeated float (width 4) or double (8), packed or not, as bytes."""
    if kind not in (BYTES, FIXED32 if width == 4 else FIXED64) or len(value) % width:
        raise ValueError("wire type {} or a length that is no multiple of {}".format(kind, width))
    into.append(bytes(value))


def varint(number):
    """An integer as a varint; negative ones as their two's complement of 64 bits."""
    number &= 0xFFFFFFFFFFFFFFFF
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def key_bytes(number, value):
    """One field: an int as varint, a float as fixed32, text and bytes length-delimited."""
    if isinstance(value, float):
        return varint(number << 3 | FIXED32) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    if isinstance(value, str):
        value = value.encode("utf-8")
    return varint(number << 3 | BYTES) + varint(len(value)) + value
