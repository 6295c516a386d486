"""References that come from the run's own answers."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_modelcompat.checks.reference import consensus, from_cell
from pytest_modelcompat.matrix.model import Tolerance
from pytest_modelcompat.worker.values import Value


def answer(*numbers, name="y"):
    array = np.array(numbers, np.float64)
    return [(name, Value.tensor("float64", array.shape, array.tobytes()))]


def test_the_answer_of_a_cell():
    answers = {"a": answer(1), "b": answer(2)}
    found = from_cell(answers, "b")
    assert (found.source, found.answer, found.reason) == ("b", answers["b"], "")
    absent = from_cell(answers, "c")
    assert absent.answer is None
    assert "c" in absent.reason


@pytest.mark.parametrize(
    ("numbers", "source", "agreeing"),
    [
        ([1, 1, 1], "c0", ["c0", "c1", "c2"]),
        ([1, 1, 2], "c0", ["c0", "c1"]),
        ([2, 1, 1], "c1", ["c1", "c2"]),
        ([1, 2, 3], None, []),
        ([1, 1], None, []),
        ([1], None, []),
        ([], None, []),
        ([1, 1, 2, 2], None, []),
        ([1, 1, 2, 3], None, []),
        ([1, 1, 1, 2], "c0", ["c0", "c1", "c2"]),
        ([1, 1, 2, 2, 2], "c2", ["c2", "c3", "c4"]),
        ([1, 1.0009, 1.0018], "c1", ["c0", "c1", "c2"]),  # the one in the middle agrees with both
        ([np.nan, np.nan, 1], "c0", ["c0", "c1"]),
    ],
)
def test_a_consensus_takes_three_answers_and_a_majority(numbers, source, agreeing):
    answers = {f"c{n}": answer(number) for n, number in enumerate(numbers)}
    found = consensus(answers)
    assert (found.source, list(found.agreeing)) == (source, agreeing)
    assert found.answer == (answers[source] if source else None)
    assert bool(found.reason) is (source is None)
    assert consensus(dict(reversed(answers.items()))) == found


def test_a_consensus_is_within_the_tolerance_that_is_given():
    answers = {f"c{n}": answer(number) for n, number in enumerate([1.0, 1.1, 1.2])}
    assert consensus(answers).answer is None
    wide = (("float64", Tolerance(rtol=0.5, atol=0.0)),)
    assert consensus(answers, wide).source == "c0"


def test_answers_of_other_names_are_the_same_by_position():
    answers = {"a": answer(1), "b": answer(1, name="z"), "c": answer(1, name="w")}
    assert consensus(answers).source == "a"
    more = {"a": answer(1), "b": answer(1) + answer(2, name="z"), "c": answer(3)}
    assert consensus(more).answer is None
