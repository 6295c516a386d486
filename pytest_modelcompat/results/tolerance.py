"""Is an output what was expected of it, and if not, where and by how much?

Kind, type, shape and length come first, then NaN positions and infinities, and only then a
tolerance. Integers, booleans and strings are compared exactly. Outputs that are equal byte for byte
never wake numpy.

An optional is looked through: runtimes hand out what it holds, or nothing at all, so that its
wrapper is no evidence of anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.matrix.model import Tolerance
from pytest_modelcompat.results.elements import scan
from pytest_modelcompat.results.numbers import COMPLEX, FLOATS, Bound, json_number
from pytest_modelcompat.worker.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_modelcompat.matrix.model import Tolerances

    Named = Sequence[tuple[str | int, Value]]

__all__ = ["DEFAULTS", "Comparison", "Judge", "bound_for"]

_RELATIVE = Tolerance(rtol=1e-3, atol=1e-5)
_ULP = Tolerance(ulp=4)
DEFAULTS: Mapping[str, Tolerance] = {
    "float32": _RELATIVE, "float64": _RELATIVE, "complex64": _RELATIVE, "complex128": _RELATIVE,
    "float16": _ULP, "bfloat16": _ULP,
}  # fmt: skip
"""dtype -> tolerance where nobody said otherwise; all other types are exact."""
_SUITE = frozenset(DEFAULTS)  # what a suite's rtol and atol are about
_QUANTIZED = "quantized"

# How much a finding tells: a wrong structure more than a wrong number.
_FINE, _VALUE, _SPECIAL, _STRUCTURE = range(4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What came of comparing outputs.

    Attributes:
        agree: whether all are what was expected, within tolerance.
        record: of the worst output; without `kind` where it is within tolerance (how close it
            was), None where nothing is worth telling.
        wrong: how many outputs (or elements of sequences) are not what was expected.
    """

    agree: bool
    record: dict[str, Any] | None = None
    wrong: int = 0


def bound_for(
    dtype: str,
    *,
    given: Mapping[str, Tolerance],
    suite: tuple[float, float] | None = None,
    scale: float | None = None,
) -> Bound:
    """The tolerance that holds for one output.

    Args:
        dtype: of the output.
        given: by the matrix, per dtype or for "quantized".
        suite: (rtol, atol) of a test suite, for the floating types that the matrix leaves out.
        scale: of the quantize or dequantize node that the output comes from, where it does.

    Returns:
        The bound. `quanta` is a number of codes for integers; for floats without a scale it means
        nothing, so that the default of the type holds.
    """
    floating = dtype in FLOATS or dtype in COMPLEX
    found = given.get(_QUANTIZED) if scale is not None else None
    found = found or given.get(dtype) or given.get(COMPLEX.get(dtype, ""))
    if found is not None and found.quanta is not None and floating and not scale:
        found = None
    if found is None and suite is not None and dtype in _SUITE:
        return Bound(rtol=suite[0], atol=suite[1])
    if found is None:
        found = DEFAULTS.get(dtype, Tolerance())
    if found.ulp is not None:
        return Bound(ulp=found.ulp)
    if found.quanta is not None:
        return Bound(quanta=found.quanta, scale=abs(scale) if floating and scale else 1.0)
    return Bound(rtol=found.rtol or 0.0, atol=found.atol or 0.0)


@dataclass(frozen=True, slots=True)
class _Finding:
    rank: int
    record: dict[str, Any] | None = None
    ratio: float = 0.0


class Judge:
    """Compares outputs by one set of tolerances.

    Args:
        given: by the matrix; None or incomplete: suite and defaults fill in.
        suite: (rtol, atol) of the test suite, or None.
        quantized: output name -> scale, for outputs of quantize and dequantize nodes.
        closeness: also record how close outputs within tolerance are.
    """

    def __init__(
        self,
        given: Tolerances | None = None,
        *,
        suite: tuple[float, float] | None = None,
        quantized: Mapping[str, float] | None = None,
        closeness: bool = False,
    ) -> None:
        self._given = dict(given or ())
        self._suite = suite
        self._quantized = quantized or {}
        self._closeness = closeness

    def compare(self, actual: Named, expected: Named) -> Comparison:
        """Compare what came out with what was expected.

        Args:
            actual: all outputs in the model's order, by name.
            expected: by name, which may be some of them only; or by position, which must be all.
        """
        worst, wrong = _Finding(_FINE), 0
        for finding in self._findings(actual, expected):
            wrong += finding.rank > _FINE
            if worst.record is None or (finding.rank, finding.ratio) > (worst.rank, worst.ratio):
                worst = finding
        record = worst.record
        if record is not None and wrong > 1:
            record = {**record, "wrong_outputs": wrong}
        return Comparison(agree=not wrong, record=record, wrong=wrong)

    def _findings(self, actual: Named, expected: Named) -> Iterator[_Finding]:
        by_name = dict(actual)
        positions = [key for key, _ in expected if isinstance(key, int)]
        if (positions or not expected) and len(actual) != len(expected):
            yield _structure(None, "length", len(actual), len(expected))
        for key, wanted in expected:
            if isinstance(key, int) and 0 <= key < len(actual):
                name, found = actual[key]
            elif key in by_name:
                name, found = key, by_name[key]
            else:
                yield _structure(str(key), "length", "absent", "present")
                continue
            yield from self._pair(str(name), found, wanted, self._quantized.get(str(name)))

    def _pair(
        self, label: str, actual: Value, expected: Value, scale: float | None
    ) -> Iterator[_Finding]:
        if actual == expected:
            yield _Finding(_FINE)
            return
        actual, expected = _bare(actual), _bare(expected)
        if actual.kind != expected.kind:
            yield _structure(label, "kind", actual.kind, expected.kind)
        elif actual.kind == "tensor":
            yield self._tensor(label, actual, expected, scale)
        elif actual.kind == "sequence":
            if len(actual.items) != len(expected.items):
                yield _structure(label, "length", len(actual.items), len(expected.items))
                return
            for at, (one, two) in enumerate(zip(actual.items, expected.items, strict=True)):
                yield from self._pair(f"{label}[{at}]", one, two, scale)
        elif actual.kind == "map":
            yield from self._map(label, actual, expected, scale)

    def _map(
        self, label: str, actual: Value, expected: Value, scale: float | None
    ) -> Iterator[_Finding]:
        if (found := actual.items["keys"].dtype) != (wanted := expected.items["keys"].dtype):
            yield _structure(f"{label}.keys", "dtype", found, wanted)
            return
        ours, theirs = _entries(actual), _entries(expected)
        if len(ours) != len(theirs):
            yield _structure(label, "length", len(ours), len(theirs))
        for key, wanted in theirs.items():
            place = f"{label}[{json_number(key)!r}]"
            if key in ours:
                yield from self._pair(place, ours[key], wanted, scale)
            else:
                yield _structure(place, "length", "absent", "present")

    def _tensor(self, label: str, actual: Value, expected: Value, scale: float | None) -> _Finding:
        if actual.dtype != expected.dtype:
            return _structure(label, "dtype", actual.dtype, expected.dtype)
        if actual.shape != expected.shape:
            return _structure(label, "shape", list(actual.shape), list(expected.shape))
        bound = bound_for(expected.dtype, given=self._given, suite=self._suite, scale=scale)
        found = scan(actual, expected, bound, closeness=self._closeness)
        if found is None:
            return _Finding(_FINE)
        record = {"output": label, **found.record}
        rank = {None: _FINE, "value": _VALUE}.get(found.kind, _SPECIAL)
        return _Finding(rank, record, found.ratio)


def _structure(label: str | None, kind: str, actual: Any, expected: Any) -> _Finding:
    place = {} if label is None else {"output": label}
    return _Finding(
        _STRUCTURE, {**place, "kind": kind, "actual": str(actual), "expected": str(expected)}
    )


_NOTHING = Value.none()


def _bare(value: Value) -> Value:
    while value.kind == "optional":
        value = value.items[0] if value.items else _NOTHING
    return value


def _entries(value: Value) -> dict[Any, Value]:
    """A map's entries by key, each value as a Value of its own."""
    keys, values = value.items["keys"], value.items["values"]
    names = _elements(keys)
    if not isinstance(values, list):
        values = [Value.tensor(values.dtype, (), each) for each in _elements(values, whole=True)]
    return dict(zip(names, values, strict=False))


def _elements(value: Value, *, whole: bool = False) -> list[Any]:
    """The elements of a 1-d tensor, as bytes; strings as `[bytes]` where `whole` asks for data."""
    if value.dtype == "string":
        return [[each] for each in value.data] if whole else list(value.data)
    data, each = bytes(value.data), len(value.data) // max(1, len(value.data) and value.shape[0])
    return [data[at : at + each] for at in range(0, len(data), each or 1)]
