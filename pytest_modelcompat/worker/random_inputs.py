"""Inputs for a model of which only the types and shapes are known.

Made once, in one cell, from a seed; the host stores them and gives them to every other cell. So
only their plausibility matters here, not that every numpy makes the same.
"""

from __future__ import annotations

from .values import BITS, Value, nbytes, raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["random_inputs"]

_BYTE = 8  # bits
_MOST = 1 << 31  # bytes of one input


def random_inputs(
    signature: Sequence[tuple[str, str, Sequence[Any]]], wanted: dict[str, Any]
) -> list[tuple[str, Value]]:
    """Make one data set.

    Args:
        signature: name, dtype and shape of each input; a dimension that is no number is free.
        wanted: {"seed", "n", "dims": {name of a free dimension: size}}; others are 1.

    Raises:
        ValueError: a type that cannot be made, or more than 2 GiB.
    """
    import numpy as np  # noqa: PLC0415 - only cells that make inputs need it

    generator = np.random.default_rng([wanted.get("seed", 0), wanted.get("n", 0)])
    dims = wanted.get("dims") or {}
    return [
        (name, _make(np, generator, dtype, _shape(shape, dims))) for name, dtype, shape in signature
    ]


def _shape(shape: Sequence[Any], dims: dict[str, int]) -> tuple[int, ...]:
    return tuple(
        dim if isinstance(dim, int) and dim >= 0 else int(dims.get(str(dim), 1)) for dim in shape
    )


def _make(np: Any, generator: Any, dtype: str, shape: tuple[int, ...]) -> Value:
    if dtype == "string":
        count = int(np.prod(shape, dtype="int64"))
        numbers = generator.integers(0, 8, count).tolist()
        return Value.tensor(dtype, shape, [b"%d" % number for number in numbers])
    size = nbytes(dtype, shape)
    if size > _MOST:
        raise ValueError("a random input of {} bytes: {} {}".format(size, dtype, shape))
    if dtype in ("float32", "float64", "float16"):
        made = generator.standard_normal(shape, "float32").astype(dtype)
    elif dtype == "bfloat16":  # the upper half of a float32
        made = generator.standard_normal(shape, "float32").view("uint32") >> 16
        made = made.astype("uint16")
    elif dtype in ("complex64", "complex128"):
        parts = generator.standard_normal((*shape, 2), "float32")
        made = (parts[..., 0] + 1j * parts[..., 1]).astype(dtype)
    elif dtype == "bool":
        made = generator.integers(0, 2, shape, "uint8")
    elif dtype in ("int8", "uint8"):  # images and quantized values use the whole range
        made = generator.integers(0, 256, shape, "uint8")
    elif BITS[dtype] > _BYTE and dtype.lstrip("u").startswith("int"):  # indexes and token ids
        made = generator.integers(0, 8, shape).astype(dtype)
    elif BITS[dtype] == _BYTE:  # float8: codes below infinity and NaN of every variant
        made = generator.integers(0, 0x60, shape, "uint8")
    else:  # packed
        made = generator.integers(0, 256, size, "uint8")
    return Value.tensor(dtype, shape, raw(np.ascontiguousarray(made)))
