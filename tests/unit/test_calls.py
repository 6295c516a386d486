"""A data set in several calls: what is cut, carried over, joined, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from pytest_modelcompat.worker.arrays import from_array, to_array
from pytest_modelcompat.worker.calls import Calls
from pytest_modelcompat.worker.values import Value


class Session:
    """Runs a function of arrays, and remembers what it was given."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.given: list[dict[str, Any]] = []

    def run(self, feeds: dict[str, Value]) -> list[tuple[str, Value]]:
        arrays = {name: to_array(value) for name, value in feeds.items()}
        self.given.append(arrays)
        return [(name, from_array(found)) for name, found in self.function(**arrays).items()]


def run(function: Any, how: dict[str, Any], **arrays: Any) -> tuple[dict[str, Any], Session]:
    session = Session(function)
    feeds = {name: from_array(np.asarray(array)) for name, array in arrays.items()}
    found, seconds = Calls({"axis": 0, **how}, feeds).run(session)
    assert seconds >= 0
    return {name: to_array(value) for name, value in found}, session


def cumulative(x: Any, state: Any) -> dict[str, Any]:
    """A sum over axis 1 that goes on from `state`; without it, steps would be wrong."""
    y = np.cumsum(x, axis=1) + state
    return {"y": y, "next": y[:, -1:]}


X = np.arange(24, dtype=np.float32).reshape(4, 6)
STEPS = {"kind": "step", "axis": 1, "state": {"state": "next"}}


@pytest.mark.parametrize(("size", "calls"), [(1, [1, 1, 1, 1]), (3, [3, 1]), (4, [4])])
def test_rows_come_back_in_their_order(size: int, calls: list[int]) -> None:
    found, session = run(lambda x: {"y": x * 2}, {"kind": "batch", "size": size}, x=X)
    assert [len(given["x"]) for given in session.given] == calls
    np.testing.assert_array_equal(found["y"], X * 2)
    assert found["y"].dtype == np.float32


@pytest.mark.parametrize(("size", "count"), [(1, 6), (4, 2), (6, 1)])
def test_the_state_of_one_call_is_given_to_the_next(size: int, count: int) -> None:
    start = np.ones((4, 1), np.float32)
    found, session = run(cumulative, {**STEPS, "size": size}, x=X, state=start)
    whole = cumulative(X, start)
    assert len(session.given) == count
    np.testing.assert_array_equal(session.given[0]["state"], start)
    np.testing.assert_array_equal(found["y"], whole["y"])
    np.testing.assert_array_equal(found["next"], whole["next"])


def test_without_its_state_a_sequence_is_another_one() -> None:
    how = {"kind": "step", "size": 1, "axis": 1, "axes": {"state": None}}
    found, _ = run(cumulative, how, x=X, state=np.zeros((4, 1), np.float32))
    assert not np.array_equal(found["y"], np.cumsum(X, axis=1))


def test_a_tensor_may_have_an_axis_of_its_own_or_stay_whole() -> None:
    how = {"kind": "batch", "size": 1, "axes": {"h": 1, "limit": None, "top": None, "ht": 1}}

    def function(x: Any, h: Any, limit: Any) -> dict[str, Any]:
        return {"y": np.minimum(x, limit), "ht": h + 1, "top": x.max()}

    h = np.arange(8.0).reshape(2, 4)
    found, session = run(function, how, x=X, h=h, limit=np.float32(20))
    assert [given["h"].shape for given in session.given] == [(2, 1)] * 4
    np.testing.assert_array_equal(found["ht"], h + 1)
    np.testing.assert_array_equal(found["y"], np.minimum(X, 20))
    assert found["top"] == 23  # the last call's


def test_texts_and_types_that_numpy_lacks_are_cut_too() -> None:
    words = Value.tensor("string", (3,), [b"a", "zoë".encode(), b""])
    bits = Value.tensor("bfloat16", (3, 1), bytes(range(6)))

    class Echo:
        def run(self, feeds: dict[str, Value]) -> list[tuple[str, Value]]:
            return list(feeds.items())

    how = {"kind": "batch", "size": 2, "axis": 0}
    found, _ = Calls(how, {"words": words, "bits": bits}).run(Echo())
    assert found == [("words", words), ("bits", bits)]


def swap(y: Any = None) -> Any:
    return lambda x: {"y": x if y is None else np.asarray(y)}


@pytest.mark.parametrize(
    ("function", "how", "feeds", "words"),
    [
        (swap(), {"kind": "batch", "size": 5}, {"x": X}, "has 4 rows, .* less than a batch of 5"),
        (swap(), {"kind": "batch", "size": 1}, {"x": X[:0]}, "has 0 rows"),
        (swap(), {"kind": "batch", "size": 1}, {"x": X, "w": X[:2]}, "differ in rows: x 4, w 2"),
        (swap(), {"kind": "batch", "size": 1, "axes": {"x": None}}, {"x": X}, "none has any"),
        (swap(), {"kind": "batch", "size": 1}, {"x": X, "s": 1.0}, "s has no axis 0, its shape"),
        (swap(), {"kind": "step", "size": 1, "axis": 2}, {"x": X}, "x has no axis 2"),
        (swap(3.0), {"kind": "batch", "size": 2}, {"x": X}, "y has no axis 0"),
        (swap(), {"kind": "batch", "size": 2, "axes": {"z": 1}}, {"x": X}, r"no output: \['z'\]"),
        (swap(), {"kind": "step", "size": 1, "state": {"h": "y"}}, {"x": X}, "no input: h"),
        (swap(), {"kind": "step", "size": 1, "axis": 1, "state": {"h": "z"}},
         {"x": X, "h": X}, "no output: z"),
        (lambda x: {"y": x[:, : len(x)]}, {"kind": "batch", "size": 3}, {"x": X}, "be joined"),
        (lambda x: {"y": x.astype("f4" if len(x) > 1 else "f8")}, {"kind": "batch", "size": 3},
         {"x": X}, "another type"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(function: Any, how: Any, feeds: Any, words: str) -> None:
    def called(**arrays: Any) -> Any:
        return function(arrays["x"])

    with pytest.raises(ValueError, match=words):
        run(called, how, **feeds)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Value.sequence([]), "is sequence and cannot be cut"),
        (Value.tensor("int4", (4,), b"\0\0"), "is int4 and cannot be cut"),
    ],
)
def test_what_has_no_axis_is_refused(value: Value, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Calls({"kind": "batch", "size": 1, "axis": 0}, {"x": value})
