"""How far a variant's answers are from its original's, and how many rows it labels right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pytest_modelcompat.results.accuracy import NOTHING, accuracy, chosen, labels_in, packed
from pytest_modelcompat.results.distance import distance, matched, retyped
from pytest_modelcompat.worker.values import Value


def tensor(array: Any, dtype: str | None = None) -> Value:
    found = np.asarray(array)
    if dtype is not None:
        found = found.astype(dtype)
    return Value.tensor(str(found.dtype), found.shape, found.tobytes())


def f32(array: Any) -> Value:
    return tensor(array, "float32")


SCORES = [[1.0, 3.0, 2.0], [5.0, 4.0, 0.0], [0.0, 1.0, 7.0], [2.0, 1.0, 0.0]]


def test_figures_against_numpy():
    expected = np.array(SCORES, "float32")
    actual = expected + np.array([[0.5], [0], [-0.25], [0]], "float32")
    found = distance([("y", tensor(actual))], [("y", tensor(expected))])
    error = (actual - expected).astype("float64")
    assert found["output"] == "y"
    assert found["max_abs"] == 0.5
    assert found["max_rel"] == pytest.approx(0.5)
    assert found["sqnr"] == pytest.approx(
        10 * math.log10((expected.astype("float64") ** 2).sum() / (error**2).sum())
    )
    flat, other = actual.reshape(-1).astype("float64"), expected.reshape(-1).astype("float64")
    assert found["cosine"] == pytest.approx(
        flat @ other / np.linalg.norm(flat) / np.linalg.norm(other)
    )
    assert found["top1"] == 1.0


def test_equal_answers_have_no_distance():
    for answer in (SCORES, np.zeros((2, 3)), np.zeros((0, 3))):
        found = distance([("y", f32(answer))], [("y", f32(answer))])
        assert (found["max_abs"], found["cosine"], found["sqnr"]) == (0, 1.0, "Infinity")


def test_a_variant_that_says_the_same_of_every_row_is_seen():
    same = [[0, 1, 0]] * 4
    found = distance([("y", f32(same))], [("y", f32(SCORES))])
    assert found["top1"] == 0.25
    assert found["sqnr"] < 3


def test_half_and_whole_floats_are_compared_as_numbers():
    found = distance([("y", tensor(SCORES, "float16"))], [("y", f32(SCORES))])
    assert found["max_abs"] == 0


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [([1.0, np.nan], [1.0, 2.0]), ([1.0, 2.0], [1.0, np.nan]), ([1.0, np.inf], [1.0, -np.inf])],
)
def test_one_that_is_no_number_is_no_distance_of_the_rest(ours: Any, theirs: Any):
    found = distance([("y", f32(ours))], [("y", f32(theirs))])
    assert found == {"output": "y", "max_abs": "NaN"}


def test_what_is_no_number_on_both_sides_is_equal():
    odd = [1.0, np.nan, np.inf]
    assert distance([("y", f32(odd))], [("y", f32(odd))])["max_abs"] == 0


@pytest.mark.parametrize(
    ("actual", "expected", "why"),
    [
        (f32([1]), f32([1, 2]), "y: its shape is [1], the original's [2]"),
        (tensor([1], "int8"), f32([1]), "y: int8 against float32, which are on different scales"),
        (Value.sequence([]), f32([1]), "y: sequence against tensor, which have no distance"),
        (tensor([True]), tensor([False]), "y: bool have no distance"),
    ],
)
def test_what_has_no_distance_says_why(actual: Value, expected: Value, why: str):
    assert distance([("y", actual)], [("y", expected)])["apart"] == why


def test_the_number_of_outputs():
    two = [("a", f32([1])), ("b", f32([1]))]
    assert distance(two, two[:1])["apart"] == "it has 2 outputs, the original 1"


def test_outputs_are_the_same_by_name_else_by_place():
    one, two = f32([1]), f32([2])
    assert matched([("b", two), ("a", one)], [("a", one), ("b", two)]) == [
        ("a", one, one), ("b", two, two),
    ]  # fmt: skip
    assert matched([("x", one), ("y", two)], [("a", one), ("b", two)]) == [
        ("a", one, one), ("b", two, two),
    ]  # fmt: skip


def test_the_furthest_output_is_told():
    found = distance(
        [("a", f32([1, 2])), ("b", f32([1, 3])), ("c", f32([4, 4]))],
        [("a", f32([1, 2])), ("b", f32([1, 2])), ("c", f32([4, 4.01]))],
    )
    assert found["output"] == "b"


def test_labels_are_chosen_and_not_measured():
    found = distance([("label", tensor([1, 2, 3, 3]))], [("label", tensor([1, 2, 3, 9]))])
    assert found == {"top1": 0.75}


def test_labels_may_be_below_zero_and_no_number_is_none_of_them():
    signs = tensor([-1, 1, -1])
    assert distance([("label", signs)], [("label", signs)])["top1"] == 1.0
    assert accuracy([("label", signs)], [-1, 1, 1]) == pytest.approx(2 / 3)
    nothing = f32([[np.nan, 1]])
    assert distance([("y", nothing)], [("y", nothing)])["top1"] == 0.0
    assert accuracy([("y", nothing)], [-1]) == 0.0


def test_what_a_model_says_of_each_row():
    assert chosen(f32(SCORES)).tolist() == [1, 0, 2, 0]  # type: ignore[union-attr]
    assert chosen(tensor([[4], [5]])).tolist() == [4, 5]  # type: ignore[union-attr]
    assert chosen(f32([[1, np.nan]])).tolist() == [NOTHING]  # type: ignore[union-attr]
    for none in (f32([1, 2]), f32([[[1, 2]]]), f32(3), tensor([1j]), Value.none()):
        assert chosen(none) is None


def test_the_share_of_right_labels():
    assert accuracy([("y", f32(SCORES))], [1, 0, 2, 2]) == 0.75
    assert accuracy([("label", tensor([1, 0, 2, 2]))], [1, 0, 2, 2]) == 1.0
    assert accuracy([("y", f32([[np.nan, 1]]))], [1]) == 0.0
    assert accuracy([("y", f32(SCORES))], [1, 0, 2]) is None
    assert accuracy([("y", f32([1, 2]))], [1, 2]) is None


def test_labels_go_there_and_back():
    assert labels_in(packed([3, -1, 2**40])) == (3, -1, 2**40)
    assert labels_in(tensor([[1], [2]], "uint8")) == (1, 2)
    assert labels_in(f32([1])) is None


def test_an_output_in_another_float_type():
    made = retyped(tensor([1.5], "float16"), f32([0]))
    assert (made.dtype, bytes(made.data)) == ("float32", np.float32(1.5).tobytes())
    whole = tensor([1], "int8")
    assert retyped(whole, f32([0])) is whole
