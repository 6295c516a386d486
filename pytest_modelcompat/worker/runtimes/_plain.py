"""What the adapters of runtimes without ONNX's types share: paths, options, plain arrays."""

import os

from ..arrays import CARRIERS, from_array, packed, to_array, unpacked
from ..values import BITS, Value
from ._unknown import no_option

__all__ = [
    "array", "arrays_in_order", "file_of", "only", "positive", "suffix_of", "value", "version_of",
    "written_off",
]  # fmt: skip

_BYTE = 8
_ML_DTYPES = {
    "bfloat16": "bfloat16", "float8_e4m3fn": "float8e4m3fn", "float8_e5m2": "float8e5m2",
    "float8_e4m3fnuz": "float8e4m3fnuz", "float8_e5m2fnuz": "float8e5m2fnuz",
    "int4": "int4", "uint4": "uint4",
}  # fmt: skip


def file_of(runtime, model, suffixes):
    """The path of a model whose name ends as one of the runtime's formats.

    Raises:
        TypeError: bytes.
        ValueError: a path of another format. Runtimes guess formats; a wrong guess would
            be told as a damaged file.
    """
    known = ", ".join(suffixes)
    if not isinstance(model, str):
        raise TypeError("{} loads models from files ({})".format(runtime, known))
    if not model.endswith(tuple(suffixes)):
        name = os.path.basename(model)
        raise ValueError("{} has no format for {!r}: it loads {}".format(runtime, name, known))
    return model


def suffix_of(model, suffixes):
    """Which of the suffixes a path ends with, "" for none or for bytes."""
    if not isinstance(model, str):
        return ""
    return next((each for each in suffixes if model.endswith(each)), "")


def only(runtime, options, allowed):
    """The options as a dictionary.

    Args:
        runtime: named in the problem.
        options: of the matrix; `threads` is always known.
        allowed: name -> values, or None for any.

    Raises:
        ValueError: an option that the adapter does not have, or a value that it does not take.
    """
    found = dict(options or {})
    for name, given in found.items():
        if name == "threads":
            positive(name, given)
            continue
        if name not in allowed:
            raise no_option(runtime, name, {"threads", *allowed})
        values = allowed[name]
        if values is not None and given not in values:
            raise ValueError("{} is one of {}, not {!r}".format(name, ", ".join(values), given))
    return found


def positive(name, given):
    """A number that was written as text.

    Raises:
        ValueError: it is none, or below one.
    """
    number = int(given) if str(given).isdigit() else 0
    if number < 1:
        raise ValueError("{} is a whole number above zero, not {!r}".format(name, given))
    return number


def written_off(wanted, feeds):
    """Refuse a run with inputs missing.

    Raises:
        ValueError: naming those that have no value. Some runtimes would take what lies in memory.
    """
    missing = [name for name in wanted if name not in feeds]
    if missing:
        raise ValueError("inputs without a value: {}".format(", ".join(missing)))


def array(runtime, fed):
    """A Value as an array of its own memory.

    Raises:
        TypeError: no tensor, or of a type that numpy lacks and `ml_dtypes` is not there for.
    """
    if fed.kind == "optional" and fed.items:
        fed = fed.items[0]
    if fed.kind != "tensor":
        raise TypeError("{} takes tensors, not a {}".format(runtime, fed.kind))
    if fed.dtype not in CARRIERS:
        return to_array(fed).copy()
    try:
        import ml_dtypes
    except ImportError:
        raise TypeError("{} takes no {} here".format(runtime, fed.dtype)) from None
    names = {ours: theirs for theirs, ours in _ML_DTYPES.items()}
    if fed.dtype not in names:
        raise TypeError("{} takes no {}".format(runtime, fed.dtype))
    target = getattr(ml_dtypes, names[fed.dtype])
    if BITS[fed.dtype] < _BYTE:
        return unpacked(fed).astype(target)
    return to_array(fed).copy().view(target)


def arrays_in_order(runtime, names, feeds):
    """The arrays of `names`, each of which must be fed."""
    written_off(names, feeds)
    return [array(runtime, feeds[name]) for name in names]


def value(found):
    """An array, number, text or list of these as a Value with its own memory."""
    import numpy

    if isinstance(found, (list, tuple)):
        return Value.sequence([value(item) for item in found])
    found = numpy.array(found)  # a copy: runtimes reuse the memory of their outputs
    dtype = _ML_DTYPES.get(found.dtype.name)
    if dtype is None:
        return from_array(found)
    if BITS[dtype] < _BYTE:
        return packed(found, dtype)
    bits = from_array(found.view("u{}".format(found.dtype.itemsize)))
    bits.dtype = dtype
    return bits


def version_of(distribution, otherwise):
    """The installed release of a distribution; what the module says of itself where unknown."""
    try:
        from importlib import metadata

        return metadata.version(distribution)
    except Exception:
        return str(otherwise)
