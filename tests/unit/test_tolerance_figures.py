"""The figures of a comparison: what a record tells, and what it leaves out."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from pytest_modelcompat.matrix.model import Tolerance
from pytest_modelcompat.results import elements
from pytest_modelcompat.results.numbers import Bound, Figures, top_agreement, ulps
from pytest_modelcompat.results.tolerance import Judge
from pytest_modelcompat.worker.values import Value
from tests.unit.test_tolerance import compare, strings, tensor

INF, NAN = float("inf"), float("nan")
EXACT = (("float32", Tolerance(rtol=0.0, atol=0.0)),)


def record(actual: Value, expected: Value, **more) -> dict:
    found = compare(actual, expected, **more).record
    assert found is not None
    return found


def ulp(dtype: str, steps: float):
    return ((dtype, Tolerance(ulp=steps)),)


# Distances in the type's own steps ----------------------------------------------------------------


def test_integers_have_no_distance_in_ulps() -> None:
    found = record(tensor([1, 2], "int32"), tensor([1, 5], "int32"))
    assert found["max_abs"] == 3
    assert "max_ulp" not in found


def test_signed_zeros_are_the_same_place() -> None:
    found = record(tensor([1.0, -0.0], "float32"), tensor([1.0, 0.0], "float32"), given=EXACT)
    assert found["max_ulp"] == 0
    assert found["ratio"] == 0.0  # nothing was wrong, and nothing was allowed
    assert found["sqnr"] == "Infinity"
    assert "kind" not in found


def test_figures_beyond_the_range_of_floats_are_infinite_and_warn_nobody() -> None:
    figures = Figures()
    one = np.array([1e-300])
    figures.add(np.array([1e300]), one, np.array([1e300]))
    assert figures.record() == {"max_abs": 1e300, "max_rel": "Infinity"}


@pytest.mark.parametrize(
    ("actual", "expected"), [([INF, 1.0], [2.0, 1.0]), ([2.0, 1.0], [-INF, 1.0]),
                             ([NAN, 1.0], [2.0, 1.0])],
)  # fmt: skip
def test_what_is_not_finite_has_no_distance(actual, expected) -> None:
    found = record(tensor(actual, "float32"), tensor(expected, "float32"))
    assert found["max_ulp"] == 0
    assert found["max_abs"] == 0
    assert found["kind"] in {"inf", "nan"}
    assert found["index"] == [0]


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("float16", 0x7D01), ("bfloat16", 0x7F81), ("float32", 0x7F800001),
     ("float64", 0x7FF0000000000001)],
)  # fmt: skip
def test_signalling_nans_are_nans(dtype: str, bits: int) -> None:
    """As memory that a runtime never wrote may hold them; here every warning is an error."""
    size = 8 if dtype == "float64" else 4 if dtype == "float32" else 2
    strange = Value.tensor(dtype, (3, 4), bits.to_bytes(size, "little") * 12)
    plain = Value.tensor(dtype, (3, 4), bytes(size * 12))
    for actual, expected in ((strange, plain), (plain, strange)):
        assert record(actual, expected)["kind"] == "nan"
    assert compare(strange, strange).record is None or "kind" not in record(strange, strange)


def test_equal_infinities_are_not_the_worst_element() -> None:
    near = np.float16(1.0) + np.finfo(np.float16).eps
    found = record(tensor([INF, near], "float16"), tensor([INF, 1.0], "float16"))
    assert found["index"] == [1]
    assert found["ratio"] == 0.25
    assert found["max_ulp"] == 1


def test_narrow_floats_are_counted_by_their_own_sign() -> None:
    low, high = Value.tensor("float4e2m1", (2,), b"\x19"), Value.tensor("float4e2m1", (2,), b"\x11")
    found = record(low, high, given=ulp("float4e2m1", 2))  # -0.5 and 0.5: zero lies between
    assert "kind" not in found
    assert found["max_ulp"] == 2
    assert compare(low, high, given=ulp("float4e2m1", 1.5)).agree is False


def test_powers_of_two_without_a_sign_are_counted_in_a_row() -> None:
    low, high = Value.tensor("float8e8m0", (1,), b"\x7f"), Value.tensor("float8e8m0", (1,), b"\x80")
    assert record(low, high, given=ulp("float8e8m0", 1))["max_ulp"] == 1


def test_the_second_half_of_complex_numbers_counts() -> None:
    step = np.float32(1.0) + np.finfo(np.float32).eps
    found = record(
        tensor([1 + 1j, 1 + 1j * step], "complex64"), tensor([1 + 1j, 1 + 1j], "complex64")
    )
    assert found["max_ulp"] == 1


@pytest.mark.parametrize(
    ("at", "number", "part"),
    [(0, 9 + 0j, "real"), (0, 9j, "imag"), (1, 9 + 0j, "real"), (1, 9j, "imag")],
)
def test_the_part_of_a_complex_number_is_named(at: int, number: complex, part: str) -> None:
    wrong = [0j, 0j]
    wrong[at] = number
    found = record(tensor(wrong, "complex64"), tensor([0j, 0j], "complex64"))
    assert (found["part"], found["index"]) == (part, [at])
    assert found["total"] == 4


def test_complex_numbers_of_a_quantized_output_have_its_step() -> None:
    given = (("quantized", Tolerance(quanta=1)),)
    one, two = tensor([1 + 0j], "complex64"), tensor([1.25 + 0j], "complex64")
    assert compare(one, two, given=given, quantized={"y": 0.5}).agree
    assert not compare(one, two, given=given, quantized={"y": 0.125}).agree


def test_each_slice_is_counted_once(monkeypatch) -> None:
    sizes = []
    monkeypatch.setattr(elements, "SLICE", 16)
    monkeypatch.setattr(elements, "ulps", lambda *of: sizes.append(of[0].size) or ulps(*of))
    found = record(tensor(np.full(40, 1 + 2**-23), "float32"), tensor(np.ones(40), "float32"))
    assert sizes == [16, 16, 8]
    assert found["max_ulp"] == 1


# Sums ---------------------------------------------------------------------------------------------


def test_relative_errors_of_small_numbers_count() -> None:
    found = record(tensor([0.75, 8.0], "float64"), tensor([0.5, 8.0], "float64"))
    assert found["max_rel"] == 0.5


def test_an_infinite_error_within_an_infinite_bound_is_at_its_edge() -> None:
    wide = (("float64", Tolerance(rtol=1e300, atol=0.0)),)
    found = compare(tensor([1e308]), tensor([-1e308]), given=wide)
    assert found.agree
    assert found.record["ratio"] == 1.0


def test_a_cosine_is_never_beyond_one() -> None:
    one = np.array([0.1, 0.1, 0.3])
    rounds = [
        (scale * one).tolist() for scale in np.arange(1, 200)
        if (dot := float(np.dot(scale * one, scale * one)))
        and float(np.dot(scale * one, scale * one)) / (np.sqrt(dot) * np.sqrt(dot)) > 1
    ]  # fmt: skip
    assert rounds  # rounding leads beyond it
    for sign in (1.0, -1.0):
        for numbers in rounds:
            actual = tensor([sign * n for n in numbers] + [-0.0])
            expected = tensor([*numbers, 0.0])
            assert record(actual, expected)["cosine"] == sign


def test_nothing_finite_is_no_distance_at_all() -> None:
    quiet, other = (
        np.array([code], np.uint32).view(np.float32) for code in (0x7FC00000, 0x7FC00001)
    )
    found = record(tensor(quiet), tensor(other))
    assert found["ratio"] == 0.0
    assert "kind" not in found
    assert "max_ulp" not in found


# The largest entries of rows ----------------------------------------------------------------------


def test_the_five_largest_are_those_of_a_sort() -> None:
    random = np.random.default_rng(3)
    actual, expected = random.normal(size=(50, 40)), random.normal(size=(50, 40))
    ours, theirs = ((-each).argsort(axis=1)[:, :5] for each in (actual, expected))
    wanted = np.mean([len({*one} & {*two}) / 5 for one, two in zip(ours, theirs, strict=True)])
    found = top_agreement(actual, expected)
    assert found["top5"] == pytest.approx(wanted)
    assert 0 < found["top5"] < 1
    same = (actual.argmax(axis=1) == expected.argmax(axis=1)).mean()
    assert found["top1"] == same
    assert top_agreement(actual, actual + 1e-9) == {"top1": 1.0, "top5": 1.0}


def test_of_a_partition_no_more_is_believed_than_numpy_promises(monkeypatch) -> None:
    def partition(array, place, axis):
        """Smaller ones before the place, larger ones behind it, and both backwards."""
        order = array.argsort(axis=axis)
        return np.concatenate(
            [order[:, :place][:, ::-1], order[:, [place]], order[:, place + 1 :][:, ::-1]], axis=1
        )

    monkeypatch.setattr(np, "argpartition", partition)
    test_the_five_largest_are_those_of_a_sort()


ROWS = np.arange(10.0).reshape(2, 5)


def test_no_rows_have_no_largest_entry() -> None:
    nothing = tensor(ROWS[:0])
    found = elements.scan(nothing, nothing, Bound(), closeness=True)
    assert found is not None
    assert found.record == {
        "dtype": "float64", "shape": [0, 5], "max_abs": 0, "max_rel": 0.0, "bad": 0, "total": 0,
        "ratio": 0.0, "tolerance": {"rtol": 0.0, "atol": 0.0},
    }  # fmt: skip


def test_rows_are_told_up_to_a_size(monkeypatch) -> None:
    monkeypatch.setattr(elements, "_ROWS", 10)
    assert record(tensor(ROWS), tensor(ROWS + 1e-9))["top1"] == 1.0
    longer = np.arange(15.0).reshape(3, 5)
    assert "top1" not in record(tensor(longer), tensor(longer + 1e-9))


@pytest.mark.parametrize("which", [0, 1])
def test_rows_with_a_nan_have_no_largest_entry(which: int) -> None:
    pair = [ROWS.copy(), ROWS.copy()]
    pair[which][1, 1] = NAN
    found = record(tensor(pair[0]), tensor(pair[1]))
    assert found["kind"] == "nan"
    assert "top1" not in found
    both = ROWS.copy()
    both[0, 0] = NAN
    assert "top1" not in record(tensor(both), tensor(both + 1e-9))


# Which of several outputs is told -----------------------------------------------------------------


def told(*pairs: tuple[Value, Value]) -> dict:
    actual = [(f"y{at}", one) for at, (one, _) in enumerate(pairs)]
    expected = [(f"y{at}", two) for at, (_, two) in enumerate(pairs)]
    found = Judge(closeness=True).compare(actual, expected).record
    assert found is not None
    return found


NUMBERS = tensor([1.0]), tensor([9e9])
TEXTS = strings(b"a"), strings(b"b")
SPECIAL = tensor([NAN]), tensor([1.0])
SHAPE = tensor([1.0, 1.0]), tensor([1.0])


@pytest.mark.parametrize(
    ("less", "more"), [(NUMBERS, TEXTS), (TEXTS, SPECIAL), (SPECIAL, SHAPE), (NUMBERS, SPECIAL)]
)
def test_the_worst_kind_is_told(less, more) -> None:
    assert told(less, more)["output"] == "y1"
    assert told(more, less)["output"] == "y0"
    assert told(less, more)["wrong_outputs"] == 2


def test_a_wrong_text_is_a_wrong_value() -> None:
    assert told(TEXTS)["kind"] == "value"


def test_too_few_outputs_are_no_output_of_any_name() -> None:
    found = Judge().compare([("y", tensor([1.0]))], [(0, tensor([1.0])), (1, tensor([1.0]))])
    assert found.record == {
        "kind": "length", "actual": "1", "expected": "2", "wrong_outputs": 2,
    }  # fmt: skip


# Maps ---------------------------------------------------------------------------------------------


def mapping(keys: Value, values) -> Value:
    return Value.mapping(keys, values)


LETTERS = strings(b"a", b"b")


def test_keys_of_another_type() -> None:
    one = mapping(tensor([1, 2], "int64"), [tensor([1.0]), tensor([2.0])])
    two = mapping(LETTERS, [tensor([1.0]), tensor([2.0])])
    assert record(one, two) == {
        "output": "y.keys", "kind": "dtype", "actual": "int64", "expected": "string",
    }  # fmt: skip


def test_a_key_that_is_missing() -> None:
    one = mapping(strings(b"a"), [tensor([1.0])])
    two = mapping(LETTERS, [tensor([1.0]), tensor([2.0])])
    found = Judge().compare([("y", one)], [("y", two)])
    assert found.wrong == 2
    assert found.record == {
        "output": "y", "kind": "length", "actual": "1", "expected": "2", "wrong_outputs": 2,
    }  # fmt: skip


def test_another_key_in_its_place() -> None:
    one = mapping(strings(b"a", b"c"), [tensor([1.0]), tensor([2.0])])
    two = mapping(LETTERS, [tensor([1.0]), tensor([2.0])])
    assert record(one, two) == {
        "output": "y['b']", "kind": "length", "actual": "absent", "expected": "present",
    }  # fmt: skip


def test_a_scale_counts_inside_of_a_map() -> None:
    given = (("quantized", Tolerance(quanta=1)),)
    one, two = (mapping(strings(b"a"), [tensor([number])]) for number in (1.0, 1.25))
    assert compare(one, two, given=given, quantized={"y": 0.5}).agree
    assert not compare(one, two, given=given, quantized={"y": 0.125}).agree


def test_a_map_with_fewer_values_than_keys_is_compared_as_far_as_it_goes() -> None:
    one = mapping(LETTERS, [tensor([1.0])])
    two = mapping(LETTERS, [tensor([1.0]), tensor([2.0])])
    assert not compare(one, two).agree


def test_figures_do_not_depend_on_how_many_threads_add_them_up() -> None:
    """Else the same run would have other bytes on a machine with more processors."""
    code = (
        "import json\n"
        "import numpy as np\n"
        "from pytest_modelcompat.results.tolerance import Judge\n"
        "from pytest_modelcompat.worker.values import Value\n"
        "make = np.random.default_rng(0).standard_normal\n"
        "one, two = (\n"
        "    Value.tensor('float64', (50_001,), make(50_001).tobytes()) for _ in range(2)\n"
        ")\n"
        "print(json.dumps(Judge().compare([('y', one)], [('y', two)]).record))\n"
    )
    records = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OPENBLAS_NUM_THREADS": str(threads)},
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in (1, 2)
    }  # fmt: skip
    assert len(records) == 1
    assert "cosine" in records.pop()
