"""Is an output what was expected? Tables of what must agree and must not, and a slow model."""

from __future__ import annotations

import json
import math
import struct
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelcompat.matrix.model import Tolerance
from pytest_modelcompat.results import elements
from pytest_modelcompat.results.numbers import (
    COMPLEX,
    FLOATS,
    FRACTION,
    NARROW,
    Bound,
    json_number,
    part,
    ulps,
)
from pytest_modelcompat.results.tolerance import Judge, bound_for
from pytest_modelcompat.worker.values import BITS, Value

NAN, INF = math.nan, math.inf
ML = {value: key for key, value in FLOATS.items()}


def tensor(data, dtype=None, shape=None) -> Value:
    """A value made with numpy, by numpy's or our name of the type."""
    array = np.asarray(data)
    if dtype:
        array = array.astype(getattr(ml_dtypes, FLOATS.get(dtype, dtype), FLOATS.get(dtype, dtype)))
    name = ML.get(str(array.dtype), str(array.dtype))
    return Value.tensor(name, array.shape if shape is None else shape, array.tobytes())


def strings(*data: bytes) -> Value:
    return Value.tensor("string", (len(data),), list(data))


def compare(actual, expected, *, given=(), **more):
    judge = Judge(tuple(given), **{"closeness": True, **more})
    return judge.compare([("y", actual)], [("y", expected)])


def agree(actual, expected, **more) -> bool:
    found = [compare(actual, expected, **more, closeness=closeness) for closeness in (True, False)]
    assert found[0].agree == found[1].agree
    return found[0].agree


# Structure before numbers ------------------------------------------------------------------------

F32 = tensor([1.0, 2.0], "float32")


@pytest.mark.parametrize(
    ("actual", "expected", "kind", "told"),
    [
        (tensor(np.float32(1)), tensor(np.float32([1])), "shape", ("[]", "[1]")),
        (tensor(np.ones((2, 3))), tensor(np.ones((3, 2))), "shape", ("[2, 3]", "[3, 2]")),
        (tensor(np.ones((0, 3))), tensor(np.ones((3, 0))), "shape", ("[0, 3]", "[3, 0]")),
        (tensor([1.0], "float32"), tensor([1.0], "float64"), "dtype", ("float32", "float64")),
        (tensor([1], "int32"), tensor([1], "int64"), "dtype", ("int32", "int64")),
        (Value.tensor("uint8", (1,), b"\x38"), Value.tensor("float8e4m3fn", (1,), b"\x38"),
         "dtype", ("uint8", "float8e4m3fn")),
        (tensor([1.0], "float32"), tensor([[1.0]], "float64"), "dtype", ("float32", "float64")),
        (F32, Value.sequence([F32]), "kind", ("tensor", "sequence")),
        (Value.sequence([]), F32, "kind", ("sequence", "tensor")),
        (Value.none(), F32, "kind", ("none", "tensor")),
        (F32, Value.optional(), "kind", ("tensor", "none")),
        (Value.sequence([F32]), Value.sequence([F32, F32]), "length", ("1", "2")),
        (Value.sequence([F32, F32]), Value.sequence([]), "length", ("2", "0")),
    ],
)  # fmt: skip
def test_structure_comes_before_numbers(actual, expected, kind, told):
    found = compare(actual, expected)
    assert not found.agree
    assert found.record == {
        "output": "y", "kind": kind, "actual": told[0], "expected": told[1],
    }  # fmt: skip


def test_an_optional_is_looked_through():
    assert agree(Value.optional(F32), F32)
    assert agree(F32, Value.optional(F32))
    assert agree(Value.optional(Value.optional(F32)), F32)
    assert agree(Value.none(), Value.optional())
    assert not agree(Value.optional(tensor([1.0, 3.0], "float32")), F32)


def test_sequences_are_compared_element_by_element():
    ours = Value.sequence([F32, tensor([1.0, 9.0], "float32")])
    found = compare(ours, Value.sequence([F32, F32]))
    assert (found.record["output"], found.record["index"], found.wrong) == ("y[1]", [1], 1)
    nested = compare(Value.sequence([ours]), Value.sequence([Value.sequence([F32, F32])]))
    assert nested.record["output"] == "y[0][1]"


def table(keys, values) -> Value:
    return Value.mapping(keys, values)


def test_maps_are_compared_by_key_in_whatever_order():
    keys, other = tensor([1, 2], "int64"), tensor([2, 1], "int64")
    one, two = tensor([0.5, 0.25], "float32"), tensor([0.25, 0.5], "float32")
    assert agree(table(keys, one), table(other, two))
    assert not agree(table(keys, one), table(other, one))
    assert agree(table(keys, [one, two]), table(other, [two, one]))
    found = compare(table(keys, one), table(tensor([1, 3], "int64"), one))
    assert (found.record["kind"], found.record["actual"]) == ("length", "absent")
    found = compare(table(keys, one), table(tensor([1], "int64"), tensor([0.5], "float32")))
    assert (found.record["kind"], found.record["actual"]) == ("length", "2")
    found = compare(table(strings(b"a", b"b"), one), table(keys, one))
    assert (found.record["kind"], found.record["output"]) == ("dtype", "y.keys")
    words = table(strings(b"a", b"b"), strings(b"x", b"y"))
    assert agree(words, table(strings(b"b", b"a"), strings(b"y", b"x")))
    found = compare(words, table(strings(b"b", b"a"), strings(b"y", b"z")))
    assert (found.record["output"], found.record["expected"]) == ("y['a']", "z")


# Which output is which ---------------------------------------------------------------------------

ONE, TWO = tensor([1], "int64"), tensor([2], "int64")


@pytest.mark.parametrize(
    ("expected", "good"),
    [
        ([("a", ONE), ("b", TWO)], True),
        ([("b", TWO), ("a", ONE)], True),
        ([("b", TWO)], True),
        ([(0, ONE), (1, TWO)], True),
        ([(1, TWO), (0, ONE)], True),
        ([(0, TWO), (1, ONE)], False),
        ([(0, ONE)], False),
        ([(0, ONE), (1, TWO), (2, ONE)], False),
        ([(0, ONE), (-1, TWO)], False),
        ([("a", TWO)], False),
        ([("c", ONE)], False),
        ([("0", ONE)], False),
        ([], False),
    ],
)
def test_outputs_are_found_by_name_or_by_position(expected, good):
    assert Judge().compare([("a", ONE), ("b", TWO)], expected).agree is good


def test_no_output_is_what_no_expectation_expects():
    assert Judge().compare([], []).agree
    assert not Judge().compare([], [("a", ONE)]).agree


def test_the_worst_output_is_told_and_how_many_others_are_wrong():
    actual = [("a", tensor([1.1])), ("b", tensor([2.0])), ("c", tensor([1.0])), ("d", ONE)]
    found = Judge().compare(actual, [(name, tensor([1.0])) for name in "abc"])
    assert (found.record["output"], found.record["wrong_outputs"], found.wrong) == ("b", 2, 2)
    found = Judge().compare(actual, [(name, tensor([1.0])) for name in "abcd"])
    assert (found.record["output"], found.record["kind"]) == ("d", "dtype")
    special = [("a", tensor([1e30])), ("b", tensor([NAN]))]
    found = Judge().compare(special, [("a", tensor([1.0])), ("b", tensor([1.0]))])
    assert (found.record["output"], found.record["kind"]) == ("b", "nan")
    one = Judge().compare(actual[:1], [("a", tensor([1.0]))])
    assert "wrong_outputs" not in one.record


# NaN and infinities, then tolerance --------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("actual", "expected", "kind"),
    [
        ([NAN, 1], [NAN, 1], None),
        ([NAN, 1], [1, NAN], "nan"),
        ([NAN], [1], "nan"),
        ([1], [NAN], "nan"),
        ([NAN], [INF], "nan"),
        ([INF], [NAN], "nan"),
        ([INF], [INF], None),
        ([-INF], [-INF], None),
        ([INF], [-INF], "inf"),
        ([INF], [1], "inf"),
        ([1], [INF], "inf"),
        ([1], [-INF], "inf"),
        ([0.0], [-0.0], None),
        ([1.0], [1.0], None),
        ([1.0], [1.5], "value"),
        ([1.0, NAN, INF], [1.5, 1, INF], "nan"),
        ([1.0, INF, NAN], [1.5, 1, 1], "nan"),
        ([INF, 1.0], [1, 1.5], "inf"),
    ],
)
def test_nan_positions_and_infinities_come_before_any_tolerance(dtype, actual, expected, kind):
    for tolerance in ((), [(dtype, Tolerance(rtol=1e-3, atol=1e-3))]):
        found = compare(tensor(actual, dtype), tensor(expected, dtype), given=tolerance)
        assert found.agree is (kind is None)
        assert (found.record or {}).get("kind") == kind
        if kind in ("nan", "inf"):
            assert found.record["ratio"] == "Infinity"
    huge = [(dtype, Tolerance(rtol=1e300, atol=1e300))]
    wide = agree(tensor(actual, dtype), tensor(expected, dtype), given=huge)
    assert wide is (kind in (None, "value"))


def test_the_place_of_a_nan_is_told():
    found = compare(tensor([[1.0, 2.0], [NAN, 2.0]]), tensor([[1.0, 3.0], [1.0, 2.0]]))
    assert found.record["index"] == [1, 0]
    assert found.record["first"] == [0, 1]
    assert found.record["actual"] == "NaN"
    assert found.record["expected"] == 1.0
    assert found.record["bad"] == 2
    assert found.record["total"] == 4
    found = compare(tensor([-INF]), tensor([1.0]))
    assert (found.record["kind"], found.record["actual"]) == ("inf", "-Infinity")


def test_float64_overflow_of_the_difference_is_no_agreement():
    assert not agree(tensor([1e308]), tensor([-1e308]))


@pytest.mark.parametrize(
    ("actual", "expected", "good"),
    [
        (complex(NAN, 1), complex(1, NAN), False),
        (complex(NAN, 1), complex(NAN, 1), True),
        (complex(NAN, 1), complex(NAN, 2), False),
        (complex(1, 1), complex(1, 1.0005), True),
        (complex(1, 1), complex(1, 1.01), False),
        (complex(1e6, 0), complex(1e6, 1), False),
        (complex(INF, 0), complex(-INF, 0), False),
    ],
)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers_are_two_parts(actual, expected, good, dtype):
    ours, theirs = (np.array([0, each]).astype(dtype) for each in (actual, expected))
    found = compare(tensor(ours), tensor(theirs))
    assert found.agree is good
    if not good:
        assert found.record["index"] == [1]
        assert found.record["total"] == 4
        assert found.record["part"] in ("real", "imag")


def test_the_part_of_a_complex_number_is_told():
    found = compare(tensor(np.complex64([1 + 2j])), tensor(np.complex64([1 + 3j])))
    assert (found.record["part"], found.record["actual"], found.record["expected"]) == (
        "imag", 2.0, 3.0,
    )  # fmt: skip
    assert (
        compare(tensor(np.complex64([2 + 3j])), tensor(np.complex64([1 + 3j]))).record["part"]
        == "real"
    )


# Exact types -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.int64([2**60]), np.int64([2**60 + 1])),
        (np.uint64([2**64 - 1]), np.uint64([2**64 - 2])),
        (np.int64([-(2**63)]), np.int64([2**63 - 1])),
        (np.int8([-128]), np.int8([127])),
        (np.uint8([255]), np.uint8([254])),
        (np.int32([1000]), np.int32([1001])),
        (np.bool_([True]), np.bool_([False])),
    ],
    ids=lambda array: f"{array.dtype}-{array[0]}",
)
@pytest.mark.parametrize("suite", [None, (1e-3, 1e-7), (10.0, 10.0)])
def test_integers_and_booleans_are_exact_whatever_the_suite_allows(actual, expected, suite):
    found = compare(tensor(actual), tensor(expected), suite=suite)
    assert not found.agree
    assert found.record["max_abs"] == abs(int(actual[0]) - int(expected[0]))
    assert (found.record["actual"], found.record["expected"]) == (
        actual[0].item(), expected[0].item(),
    )  # fmt: skip
    assert agree(tensor(actual), tensor(actual), suite=suite)


def test_any_byte_but_zero_is_true():
    assert agree(Value.tensor("bool", (2,), b"\x02\x00"), Value.tensor("bool", (2,), b"\x01\x00"))
    assert not agree(Value.tensor("bool", (1,), b"\x00"), Value.tensor("bool", (1,), b"\x02"))
    assert part(Value.tensor("bool", (2,), b"\x02\x00"), 0, 2).tobytes() == b"\x01\x00"


def test_strings_are_exact_bytes():
    assert agree(strings(b"a\0", "ä".encode()), strings(b"a\0", "ä".encode()))
    found = compare(strings(b"a", b"b\0", b"c"), strings(b"a", b"b", b"d"))
    assert found.record == {
        "output": "y", "kind": "value", "dtype": "string", "shape": [3], "index": [1],
        "first": [1], "actual": "b\0", "expected": "b", "bad": 2, "total": 3,
    }  # fmt: skip
    lone = compare(strings(b"\xed\xa0\x80" * 500), strings(b""))
    assert len(lone.record["actual"]) == 200
    json.dumps(lone.record).encode("ascii")


def test_as_many_strings_as_the_shape_says_or_none_of_them():
    with pytest.raises(ValueError, match="zip"):
        compare(Value.tensor("string", (2,), [b"a"]), strings(b"a", b"b"))


def test_unpacking_a_slice_costs_no_more_than_the_slice():
    value = Value.tensor("int4", (1 << 21,), bytes(1 << 20))
    part(value, 0, 2)  # numpy is there
    tracemalloc.start()
    try:
        assert part(value, 8, 10).tolist() == [0, 0]
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["int4", "uint4", "int2", "uint2"])
def test_packed_integers_are_exact_and_told_as_numbers(dtype):
    bits = NARROW[dtype]
    codes = list(range(1 << bits))
    low = -(1 << bits - 1) if dtype.startswith("i") else 0
    numbers = [code - (1 << bits) if low and code >= 1 << bits - 1 else code for code in codes]
    each = 8 // bits
    packed = bytes(
        sum(codes[at + n] << bits * n for n in range(each)) for at in range(0, len(codes), each)
    )
    value = Value.tensor(dtype, (len(codes),), packed)
    assert part(value, 0, len(codes)).tolist() == numbers
    assert part(value, 1, 3).tolist() == numbers[1:3]
    other = Value.tensor(dtype, (len(codes),), packed[:-1] + bytes([packed[-1] ^ 1]))
    found = compare(other, value)
    assert found.record["max_abs"] == 1
    # Bits behind the last element mean nothing.
    odd = [Value.tensor(dtype, (1,), bytes([byte])) for byte in (0x01, 0xF1)]
    assert agree(*odd)


@pytest.mark.parametrize(
    "dtype",
    ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0", "float4e2m1"],
)
def test_tiny_floats_are_exact_unless_ulps_are_given(dtype):
    size = 1 << BITS[dtype]
    for code in range(size - 1):
        data = [bytes([each]) for each in (code, code + 1)]
        ours, theirs = (Value.tensor(dtype, (1,), each) for each in data)
        numbers = [float(part(each, 0, 1).astype(np.float64)[0]) for each in (ours, theirs)]
        if not all(map(math.isfinite, numbers)):
            continue
        assert agree(ours, theirs) is (numbers[0] == numbers[1])
        assert agree(ours, theirs, suite=(1.0, 1.0)) is (numbers[0] == numbers[1])
        neighbours = numbers[0] * numbers[1] >= 0 and code + 1 != size // 2
        if neighbours:
            assert agree(ours, theirs, given=[(dtype, Tolerance(ulp=1))])
            assert not agree(ours, theirs, given=[(dtype, Tolerance(ulp=0.5))])
    assert agree(
        Value.tensor(dtype, (1,), b"\x01"), Value.tensor(dtype, (1,), b"\x02"),
        given=[(dtype, Tolerance(rtol=2.0, atol=0.0))],
    )  # fmt: skip


def test_packed_floats_are_unpacked_low_half_first():
    value = Value.tensor("float4e2m1", (3,), b"\x21\x0f")
    assert part(value, 0, 3).astype(np.float64).tolist() == [0.5, 1.0, -6.0]
    assert part(value, 1, 3).astype(np.float64).tolist() == [1.0, -6.0]


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_spacing_of_a_type_is_that_of_its_implementation(dtype):
    kind = part(Value.tensor(dtype, (1,), bytes(8)), 0, 1).dtype
    assert 2.0 ** -FRACTION[dtype] == float(ml_dtypes.finfo(kind).eps)


def test_both_nans_of_float8_are_nan():
    assert agree(Value.tensor("float8e4m3fn", (1,), b"\x7f"),
                 Value.tensor("float8e4m3fn", (1,), b"\xff"))  # fmt: skip


# Which tolerance holds ---------------------------------------------------------------------------

G = {"float32": Tolerance(rtol=0.5, atol=0.25), "float16": Tolerance(rtol=0.1, atol=0.0),
     "int8": Tolerance(quanta=2), "int32": Tolerance(rtol=0.0, atol=3.0)}  # fmt: skip
Q = {"quantized": Tolerance(quanta=1)}


@pytest.mark.parametrize(
    ("dtype", "given", "suite", "scale", "bound"),
    [
        ("float32", {}, None, None, {"rtol": 1e-3, "atol": 1e-5}),
        ("float64", {}, None, None, {"rtol": 1e-3, "atol": 1e-5}),
        ("complex64", {}, None, None, {"rtol": 1e-3, "atol": 1e-5}),
        ("complex128", {}, None, None, {"rtol": 1e-3, "atol": 1e-5}),
        ("float16", {}, None, None, {"ulp": 4}),
        ("bfloat16", {}, None, None, {"ulp": 4}),
        ("float8e5m2", {}, None, None, {"rtol": 0.0, "atol": 0.0}),
        ("int64", {}, None, None, {"rtol": 0.0, "atol": 0.0}),
        ("bool", {}, None, None, {"rtol": 0.0, "atol": 0.0}),
        ("float32", {}, (0.1, 0.2), None, {"rtol": 0.1, "atol": 0.2}),
        ("float16", {}, (0.1, 0.2), None, {"rtol": 0.1, "atol": 0.2}),
        ("complex64", {}, (0.1, 0.2), None, {"rtol": 0.1, "atol": 0.2}),
        ("int64", {}, (0.1, 0.2), None, {"rtol": 0.0, "atol": 0.0}),
        ("float8e5m2", {}, (0.1, 0.2), None, {"rtol": 0.0, "atol": 0.0}),
        ("float32", G, (0.1, 0.2), None, {"rtol": 0.5, "atol": 0.25}),
        ("float16", G, None, None, {"rtol": 0.1, "atol": 0.0}),
        ("float64", G, (0.1, 0.2), None, {"rtol": 0.1, "atol": 0.2}),
        ("complex64", G, None, None, {"rtol": 0.5, "atol": 0.25}),
        ("complex128", G, None, None, {"rtol": 1e-3, "atol": 1e-5}),
        ("int8", G, None, None, {"quanta": 2, "scale": 1.0}),
        ("int8", G, None, 0.5, {"quanta": 2, "scale": 1.0}),
        ("int32", G, None, None, {"rtol": 0.0, "atol": 3.0}),
        ("float32", Q, None, None, {"rtol": 1e-3, "atol": 1e-5}),
        ("float32", Q, None, 0.5, {"quanta": 1, "scale": 0.5}),
        ("float32", Q, None, -0.5, {"quanta": 1, "scale": 0.5}),
        ("float32", Q, None, 0.0, {"rtol": 1e-3, "atol": 1e-5}),
        ("float32", Q, (0.1, 0.2), 0.5, {"quanta": 1, "scale": 0.5}),
        ("uint8", Q, None, 0.5, {"quanta": 1, "scale": 1.0}),
        ("uint8", Q, None, None, {"rtol": 0.0, "atol": 0.0}),
        ("float32", Q | G, None, 0.5, {"quanta": 1, "scale": 0.5}),
        ("float32", Q | G, None, None, {"rtol": 0.5, "atol": 0.25}),
        ("float32", {"float32": Tolerance(quanta=3)}, None, None, {"rtol": 1e-3, "atol": 1e-5}),
        ("float32", {"float32": Tolerance(quanta=3)}, (0.1, 0.2), None,
         {"rtol": 0.1, "atol": 0.2}),
        ("float32", {"float32": Tolerance(quanta=3)}, None, 0.5, {"quanta": 3, "scale": 0.5}),
        ("float32", {"float32": Tolerance(ulp=0)}, None, None, {"ulp": 0}),
        ("float32", {"float32": Tolerance(rtol=0.5)}, None, None, {"rtol": 0.5, "atol": 0.0}),
        ("float32", {"float32": Tolerance(atol=0.5)}, None, None, {"rtol": 0.0, "atol": 0.5}),
    ],
)  # fmt: skip
def test_the_bound_of_a_type(dtype, given, suite, scale, bound):
    assert bound_for(dtype, given=given, suite=suite, scale=scale).record() == bound


def test_a_quantum_is_one_where_nobody_says_more():
    assert Bound(quanta=2).record() == {"quanta": 2, "scale": 1.0}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_default_is_a_thousandth_and_a_hundred_thousandth(dtype):
    one = 1000.0
    assert agree(tensor([one + 1.0], dtype), tensor([one], dtype))
    assert not agree(tensor([one + 1.001], dtype), tensor([one], dtype))
    assert agree(tensor([0.99e-5], dtype), tensor([0.0], dtype))
    assert not agree(tensor([1.01e-5], dtype), tensor([0.0], dtype))


@pytest.mark.parametrize(("dtype", "step"), [("float16", 2**-10), ("bfloat16", 2**-7)])
def test_half_precision_is_judged_in_units_of_its_last_place(dtype, step):
    one = tensor([1.0], dtype)
    assert agree(tensor([1 + 4 * step], dtype), one)
    assert not agree(tensor([1 + 5 * step], dtype), one)
    assert compare(tensor([1 + 5 * step], dtype), one).record["max_ulp"] == 5
    assert not agree(tensor([1 + 4 * step], dtype), one, suite=(step, 0.0))
    assert agree(tensor([1 + step], dtype), one, suite=(step, 0.0))


def test_a_quantum_is_the_outputs_own_scale():
    quantized = {"y": 0.1}
    given = [("quantized", Tolerance(quanta=1))]
    codes = np.float32([0.1 * 7, 0.1 * 8, 0.1 * 100])
    one_off = np.float32([0.1 * 8, 0.1 * 7, 0.1 * 101])
    assert agree(tensor(one_off), tensor(codes), given=given, quantized=quantized)
    two_off = np.float32([0.1 * 9, 0.1 * 8, 0.1 * 100])
    assert not agree(tensor(two_off), tensor(codes), given=given, quantized=quantized)
    assert not agree(tensor(one_off), tensor(codes), given=given)
    assert not agree(tensor(one_off), tensor(codes), given=given, quantized={"x": 0.1})
    assert not agree(tensor(one_off), tensor(codes), quantized=quantized)
    assert agree(tensor(np.int8([7])), tensor(np.int8([8])), given=given, quantized=quantized)
    assert not agree(tensor(np.int8([7])), tensor(np.int8([9])), given=given, quantized=quantized)


def test_integers_may_be_given_a_tolerance():
    assert agree(tensor([5]), tensor([8]), given=[("int64", Tolerance(atol=3.0, rtol=0.0))])
    assert not agree(tensor([5]), tensor([9]), given=[("int64", Tolerance(atol=3.0, rtol=0.0))])
    assert agree(tensor([110]), tensor([100]), given=[("int64", Tolerance(atol=0.0, rtol=0.1))])
    assert not agree(tensor([111]), tensor([100]), given=[("int64", Tolerance(rtol=0.1, atol=0.0))])
    assert agree(tensor([1]), tensor([2]), given=[("int64", Tolerance(ulp=1))])
    assert not agree(tensor([1]), tensor([3]), given=[("int64", Tolerance(ulp=1))])


# Figures -----------------------------------------------------------------------------------------


def test_the_figures_of_a_mismatch():
    found = compare(tensor([[1.0, 2.0], [4.0, 8.0]]), tensor([[1.0, 2.5], [4.0, 8.0]])).record
    assert found == {
        "output": "y", "kind": "value", "dtype": "float64", "shape": [2, 2],
        "max_abs": 0.5, "max_rel": 0.2, "max_ulp": found["max_ulp"],
        "cosine": pytest.approx(86 / math.sqrt(85 * 87.25)),
        "sqnr": pytest.approx(10 * math.log10(87.25 / 0.25)),
        "actual": 2.0, "expected": 2.5, "index": [0, 1], "first": [0, 1],
        "bad": 1, "total": 4, "ratio": pytest.approx(0.5 / (1e-5 + 2.5e-3)),
        "tolerance": {"rtol": 1e-3, "atol": 1e-5},
    }  # fmt: skip
    assert found["max_ulp"] == 2**50  # 0.5 in steps of 2**-51 below 4, from 2.0 on


def test_the_worst_element_is_the_one_furthest_beyond_its_own_tolerance():
    found = compare(tensor([1001.5, 1.1, 1.2, 500.0]), tensor([1000.0, 1.0, 1.0, 500.0])).record
    assert (found["index"], found["first"], found["bad"], found["max_abs"]) == ([2], [0], 3, 1.5)


def test_where_nothing_is_allowed_the_largest_difference_is_the_worst():
    found = compare(tensor([1, 5, 9]), tensor([2, 9, 9])).record
    assert (found["index"], found["first"], found["ratio"]) == ([1], [0], "Infinity")


def test_how_close_a_right_answer_is():
    ours, theirs = tensor([1.0, 2.0 + 1e-6]), tensor([1.0, 2.0])
    found = compare(ours, theirs)
    assert found.agree
    assert found.wrong == 0
    assert "kind" not in found.record
    assert "first" not in found.record
    assert found.record["bad"] == 0
    assert 0 < found.record["ratio"] < 1
    assert found.record["index"] == [1]
    assert compare(ours, theirs, closeness=False).record is None
    assert Judge().compare([("y", ours)], [("y", theirs)]).record is None
    assert compare(theirs, theirs).record is None  # equal bytes: there is nothing to tell


def test_of_right_answers_the_least_close_one_is_told():
    pairs = [("a", 1.0001), ("b", 1.0005), ("c", 1.0002)]
    actual = [(name, tensor([number])) for name, number in pairs]
    found = Judge(closeness=True).compare(actual, [(name, tensor([1.0])) for name, _ in pairs])
    assert found.agree
    assert found.record["output"] == "b"


def test_an_equal_output_does_not_hide_how_close_another_is():
    near, one = tensor([1.0001]), tensor([1.0])
    for order in ("ab", "ba"):
        expected = [(name, one) for name in order]
        found = Judge(closeness=True).compare([("a", one), ("b", near)], expected)
        assert (found.agree, found.wrong, found.record["output"]) == (True, 0, "b")


def test_relative_error_leaves_out_what_should_be_zero():
    found = compare(tensor([0.5, 3.0]), tensor([0.0, 2.0])).record
    assert found["max_rel"] == 0.5
    assert compare(tensor([1.0]), tensor([0.0])).record["max_rel"] == 0.0
    assert "cosine" not in compare(tensor([1.0]), tensor([0.0])).record


def test_figures_leave_out_what_is_not_finite():
    found = compare(tensor([NAN, INF, 1.0, 2.0]), tensor([1.0, INF, NAN, 2.5])).record
    assert (found["max_abs"], found["max_rel"]) == (0.5, 0.2)
    assert found["bad"] == 3
    huge = compare(tensor([1e300]), tensor([2e300])).record
    assert "cosine" not in huge
    assert huge["max_abs"] == 1e300


def test_every_number_is_finite_json():
    for actual, expected in [
        ([NAN, INF, -INF], [1.0, 1.0, 1.0]),
        ([1e308], [-1e308]),
        ([5e-324], [0.0]),
        ([1.0], [NAN]),
    ]:
        record = compare(tensor(actual), tensor(expected)).record
        json.dumps(record, allow_nan=False)
    assert [json_number(each) for each in (NAN, INF, -INF, np.float32(0.5), np.int8(-1), True)] == [
        "NaN", "Infinity", "-Infinity", 0.5, -1, True,
    ]  # fmt: skip


def test_agreement_of_the_largest_entries():
    expected = np.float32([[9, 8, 7, 6, 5, 1], [1, 2, 3, 4, 5, 6]])
    actual = np.float32([[8, 9, 7, 6, 5, 1], [1, 6, 3, 4, 5, 6.5]])
    found = compare(tensor(actual), tensor(expected)).record
    assert found["top1"] == 0.5
    assert found["top5"] == 1.0
    swapped = np.float32([[9, 8, 7, 6, 1, 5], [1, 2, 3, 4, 5, 6]])
    assert compare(tensor(swapped), tensor(expected)).record["top5"] == 0.9
    for odd in (actual[:, :4], actual[0], actual.astype(np.int32), actual[None]):
        assert "top1" not in compare(tensor(odd), tensor(odd + odd.dtype.type(1))).record
    holes = np.where(expected == 9, np.nan, expected).astype(np.float32)
    assert "top1" not in compare(tensor(actual), tensor(holes)).record
    assert "top1" not in compare(tensor(holes), tensor(holes + 1)).record
    five = np.float32([[1, 2, 3, 4, 5]])
    assert compare(tensor(five), tensor(five + 1)).record["top1"] == 1.0


# Slices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool", "complex64", "int4"])
def test_slices_change_nothing(monkeypatch, dtype):
    random = np.random.default_rng(0)
    size = 37
    if dtype == "int4":
        ours, theirs = (
            Value.tensor("int4", (size,), random.integers(0, 255, (size + 1) // 2, np.uint8))
            for _ in range(2)
        )
        ours.data, theirs.data = ours.data.tobytes(), theirs.data.tobytes()
    elif dtype in COMPLEX:
        parts = random.normal(size=(2, size, 2)).astype(COMPLEX[dtype])
        parts[0, 30, 1] = 0.0
        ours, theirs = (Value.tensor(dtype, (size,), each.tobytes()) for each in parts)
    else:
        ours, theirs = (tensor(np.trunc(random.normal(size=size) * 2), dtype) for _ in range(2))
    whole = compare(ours, theirs).record
    monkeypatch.setattr(elements, "SLICE", 8)
    sliced = compare(ours, theirs).record
    for key in ("cosine", "sqnr"):
        assert sliced.pop(key, 0) == pytest.approx(whole.pop(key, 0))
    assert sliced == whole


def test_what_is_far_behind_is_found(monkeypatch):
    monkeypatch.setattr(elements, "SLICE", 16)
    data = np.ones(100)
    for kind, number in (("value", 2.0), ("nan", NAN), ("inf", INF)):
        wrong = data.copy()
        wrong[97] = number
        found = compare(tensor(wrong), tensor(data))
        assert (found.record["kind"], found.record["index"]) == (kind, [97])


# A slow model of all this ------------------------------------------------------------------------

BINARY16 = {struct.unpack("<e", struct.pack("<H", code))[0] for code in range(65536)}
PLACES = {number: at for at, number in enumerate(sorted(filter(math.isfinite, BINARY16)))}
DOUBLES = st.floats(width=64) | st.sampled_from([0.0, -0.0, NAN, INF, -INF, 1.0, 1.001, 5e-324])


def model(actual: float, expected: float, within) -> bool:
    if math.isnan(actual) or math.isnan(expected):
        return math.isnan(actual) and math.isnan(expected)
    if math.isinf(actual) or math.isinf(expected):
        return actual == expected
    return within(actual, expected)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(DOUBLES, DOUBLES | st.none()), min_size=1, max_size=8),
    st.floats(0, 2), st.floats(0, 1e10),
)  # fmt: skip
def test_relative_tolerance_is_that_of_the_model(pairs, rtol, atol):
    ours = [one for one, _ in pairs]
    theirs = [one * (1 + rtol) if two is None else two for one, two in pairs]
    wanted = all(
        model(a, e, lambda a, e: abs(a - e) <= atol + rtol * abs(e))
        for a, e in zip(ours, theirs, strict=True)
    )
    assert agree(
        tensor(ours, "float64"), tensor(theirs, "float64"),
        given=[("float64", Tolerance(rtol=rtol, atol=atol))],
    ) is wanted  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 65535), st.integers(0, 65535) | st.integers(-9, 9).map(lambda n: n * 1j),
    st.integers(0, 8),
)  # fmt: skip
def test_units_in_the_last_place_are_those_of_the_model(code, other, limit):
    if isinstance(other, complex):  # near by
        other = (code + int(other.imag)) % 65536
    one, two = (struct.unpack("<e", struct.pack("<H", each))[0] for each in (code, other))
    wanted = model(one, two, lambda a, e: abs(PLACES[a] - PLACES[e]) <= limit)
    values = [Value.tensor("float16", (1,), struct.pack("<H", each)) for each in (code, other)]
    assert agree(*values, given=[("float16", Tolerance(ulp=limit))]) is wanted


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_integers_agree_when_they_are_equal_and_not_otherwise(data):
    dtype = data.draw(st.sampled_from(["int8", "int16", "int32", "int64", "uint8", "uint64"]))
    limits = np.iinfo(dtype)
    numbers = st.integers(int(limits.min), int(limits.max))
    one = data.draw(numbers)
    two = data.draw(numbers | st.just(one))
    found = compare(tensor(np.array([one], dtype)), tensor(np.array([two], dtype)))
    assert found.agree is (one == two)
    if one != two:
        assert found.record["max_abs"] == abs(one - two)


@settings(max_examples=200, deadline=None)
@given(st.lists(DOUBLES, min_size=1, max_size=6))
def test_everything_agrees_with_itself_under_any_tolerance(numbers):
    for dtype in ("float64", "float32", "float16", "bfloat16"):
        with np.errstate(all="ignore"):
            value = tensor(numbers, dtype)
            twin = tensor(np.negative(np.negative(part(value, 0, len(numbers)))))
        for tolerance in (Tolerance(ulp=0), Tolerance(rtol=0.0, atol=0.0)):
            assert agree(value, twin, given=[(dtype, tolerance)])


@pytest.mark.parametrize(
    ("dtype", "one", "two", "distance"),
    [
        ("float32", 0.0, -0.0, 0),
        ("float32", 1e-45, -1e-45, 2),
        ("float64", 5e-324, -5e-324, 2),
        ("float64", 1.0, 1.0 + 2**-52, 1),
        ("float64", -1.7976931348623157e308, 1.7976931348623157e308, 2 * 0x7FEFFFFFFFFFFFFF),
        ("float32", 1.0, 2.0, 1 << 23),
        ("float32", -1.0, 1.0, 2 * 0x3F800000),
        ("float4e2m1", -0.5, 0.5, 2),
        ("float8e8m0", 1.0, 4.0, 2),
    ],
)
def test_distances_in_units_of_the_last_place(dtype, one, two, distance):
    ours, theirs = (part(tensor_codes(each, dtype), 0, 1) for each in (one, two))
    assert int(ulps(ours, theirs, dtype)[0]) == distance
    assert int(ulps(theirs, ours, dtype)[0]) == distance


def tensor_codes(number, dtype) -> Value:
    return tensor([number], dtype)


def test_outputs_that_are_missing_are_told_and_the_others_are_compared() -> None:
    judge = Judge((), closeness=True)
    one, two = tensor(np.float32([1.0])), tensor(np.float32([2.0]))
    found = judge.compare([("z", one)], [("y", one), ("z", two)])
    assert found.wrong == 2, "what comes after a missing output is compared, too"
    assert found.record == {
        "output": "y", "kind": "length", "actual": "absent", "expected": "present",
        "wrong_outputs": 2,
    }  # fmt: skip


def test_items_of_a_quantized_sequence_have_its_step() -> None:
    codes = np.float32([0.5, 0.7])
    given = [("quantized", Tolerance(quanta=1))]
    off = Value.sequence([tensor(codes + np.float32(0.1))])
    right = Value.sequence([tensor(codes)])
    assert agree(off, right, given=given, quantized={"y": 0.1})
    assert not agree(off, right, given=given, quantized={"x": 0.1})
