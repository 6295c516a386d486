"""Tolerances as a matrix writes them: rtol and atol, or ulp, or quanta, per type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.matrix.model import Tolerance

if TYPE_CHECKING:
    from pytest_modelcompat.matrix.model import Tolerances
    from pytest_modelcompat.matrix.reading import Reader
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["DTYPES", "parse_tolerances"]

_FLOATS = (
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
    "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0", "float4e2m1",
)  # fmt: skip
_INTEGERS = (
    "int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32",
    "int64", "uint64", "bool",
)  # fmt: skip
DTYPES = (*_FLOATS, *_INTEGERS, "quantized")
_EXAMPLE = "{float32: {rtol: 1e-3, atol: 1e-5}}"
_FORMS = ("rtol", "atol", "ulp", "quanta")


def parse_tolerances(reader: Reader, node: Node | None) -> Tolerances:
    """The types that a mapping names, with their tolerance."""
    if node is None:
        return ()
    found = []
    for dtype, value in reader.fields(node, "`tolerance`", DTYPES, _EXAMPLE).items():
        tolerance = _one(reader, dtype, value)
        if tolerance is not None:
            found.append((dtype, tolerance))
    return tuple(found)


def _one(reader: Reader, dtype: str, node: Node) -> Tolerance | None:
    what = f"The tolerance of {dtype}"
    before = len(reader.problems.found)
    fields = reader.fields(node, what, _FORMS, "{rtol: 1e-3, atol: 1e-5}")
    numbers = {name: reader.number(value, name) for name, value in fields.items()}
    if len(reader.problems.found) > before:
        return None
    absolute = "rtol" in numbers or "atol" in numbers
    forms = absolute + ("ulp" in numbers) + ("quanta" in numbers)
    if forms != 1:
        reader.tell(
            check_words.mixed_tolerance(dtype) if forms else check_words.empty_tolerance(dtype),
            node,
        )
        return None
    if "ulp" in numbers and dtype not in _FLOATS:
        reader.tell(check_words.ulp_of_integers(dtype), node)
        return None
    if absolute:  # the one that is left out asks for nothing, it is not another default
        return Tolerance(rtol=numbers.get("rtol", 0.0), atol=numbers.get("atol", 0.0))
    return Tolerance(**numbers)
