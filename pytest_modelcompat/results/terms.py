"""The terms on which a case was judged, kept with its reference so that it can be judged again.

    {"kind": "onnx", "source": "onnx==1.18.0", "rtol": 0.001, "atol": 1e-07,
     "tolerance": {"float16": {"ulp": 8}}, "quantized": {"y": 0.02}}

They repeat from case to case, and the store keeps what repeats once.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.matrix.model import Tolerance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_modelcompat.matrix.model import Tolerances

__all__ = ["plain", "read_terms", "read_tolerances", "with_terms"]


def plain(tolerances: Tolerances) -> dict[str, dict[str, float]]:
    """Tolerances as they are kept: {"float16": {"ulp": 8}}."""
    return {
        dtype: {form: value for form, value in asdict(each).items() if value is not None}
        for dtype, each in tolerances
    }


def read_tolerances(kept: Mapping[str, Mapping[str, float]]) -> Tolerances:
    """Back from `plain`."""
    return tuple((dtype, Tolerance(**forms)) for dtype, forms in kept.items())


def with_terms(
    reference: Mapping[str, Any] | None,
    *,
    suite: tuple[float, float] | None,
    tolerances: Tolerances | None,
    quantized: Mapping[str, float] | None,
) -> dict[str, Any] | None:
    """A case's reference with the terms; None where there is nothing to tell.

    Args:
        reference: {"kind", "source", "version"} or None.
        suite: (rtol, atol) of the test suite.
        tolerances: given by the matrix.
        quantized: output name -> scale.
    """
    terms: dict[str, Any] = dict(reference or {})
    if suite is not None:
        terms["rtol"], terms["atol"] = suite
    if tolerances:
        terms["tolerance"] = plain(tolerances)
    if quantized:
        terms["quantized"] = dict(quantized)
    return terms or None


def read_terms(reference: Mapping[str, Any] | None) -> dict[str, Any]:
    """The same as keyword arguments of `judge`: `suite`, `tolerances`, `quantized`."""
    kept = reference or {}
    suite = kept.get("rtol"), kept.get("atol")
    given = read_tolerances(kept.get("tolerance", {}))
    return {
        "suite": None if None in suite else suite,
        "tolerances": given or None,
        "quantized": kept.get("quantized"),
    }
