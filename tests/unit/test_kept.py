"""The cases of a reused cell: what comes back is what was kept, whichever way it goes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelcompat.matrix.model import KnownIssue
from pytest_modelcompat.results.kept import KeptCases
from pytest_modelcompat.results.model import Expectation, Outcome
from pytest_modelcompat.runner.board import Board
from tests.unit.any_records import RECORDS
from tests.unit.planned import a_plan, a_planned
from tests.unit.stored_runs import case, kept_of, open_store
from tests.unit.test_verdicts import verdicts

FINE = Expectation(outcome=Outcome.INFO)
RELU = "ai.onnx::Relu"


def numbered(records):
    return [replace(each, n=n) for n, each in enumerate(records)]


def sample():
    return [
        case(0, unit=RELU, run_seconds=(0.25, 0.5)),
        case(1, unit=RELU, status="failed", outputs=("=", "0" * 64), expected="1" * 64,
             mismatch={"index": [1], "max_abs": 0.5}),
        case(2, status="error", error={"message": "é\ud800"}, signature="s", reason="r"),
        case(3, status="failed", attribution="optimizer", attribution_detail={"cpu": "passed"},
             ran_on=None),
    ]  # fmt: skip


@given(st.lists(RECORDS, max_size=4).map(numbered))
@settings(max_examples=60, deadline=None)
def test_they_come_back_through_json(tmp_path_factory, records) -> None:
    """Against the store, which keeps the same rows one by one."""
    kept = KeptCases.from_json(kept_of(records).to_json())
    assert len(kept) == len(records)
    with open_store(tmp_path_factory.mktemp("run")) as store:
        store.add_cases([replace(each, expectation=FINE, repro="") for each in records])
        assert repr(list(kept.records("cell-a"))) == repr(list(store.cases()))


@given(st.lists(RECORDS, max_size=4).map(numbered))
@settings(max_examples=60, deadline=None)
def test_a_store_has_them_as_if_each_had_been_added(tmp_path_factory, records) -> None:
    kept = KeptCases.from_json(kept_of(records).to_json())
    with (
        open_store(tmp_path_factory.mktemp("a")) as one,
        open_store(tmp_path_factory.mktemp("b")) as other,
    ):
        for store in (one, other):
            store.add_cases([case(9, cell="cell-b", unit="another cell's text comes first")])
        one.add_cases(records)
        other.add_kept(
            "cell-a", kept, [each.expectation for each in records], [each.repro for each in records]
        )
        assert repr(list(one.cases())) == repr(list(other.cases()))


@given(st.lists(RECORDS, max_size=6).map(numbered))
@settings(max_examples=60, deadline=None)
def test_they_are_counted_as_records_are(records) -> None:
    planned = a_planned()
    records = [replace(each, check="op_support", unit=RELU) for each in records]
    one, other = (Board([planned], {"cell-a": range(4)}) for _ in range(2))
    one.count(records)
    other.take("cell-a", kept_of(records).briefs(), [each.expectation for each in records])
    there, here = (it.unit("cell-a", "op_support", RELU) for it in (one, other))
    assert here.seconds == pytest.approx(there.seconds)
    assert replace(here, seconds=0.0) == replace(there, seconds=0.0)
    assert one.progress().cases_done == other.progress().cases_done


def test_what_is_expected_of_them_is_what_is_expected_of_records() -> None:
    issues = (
        KnownIssue(id="A", check="op_support", unit=RELU, status=("failed",)),
        KnownIssue(id="B", message="é"),
        KnownIssue(id="C", case="test_op_3*", stage=("compare",)),
    )
    records = sample()
    late = replace(
        case(4, status="failed"), reference={"kind": "consensus"},
        expectation=Expectation(outcome=Outcome.INFO),
    )  # fmt: skip
    records = [*records, late, replace(late, n=5, measurement=records[2].measurement)]
    one, other = (verdicts(a_plan(a_planned(), known_issues=issues)) for _ in range(2))

    expected = [one.expect(each).expectation for each in records]

    briefs = kept_of(records).briefs()
    assert [other.expect_kept("cell-a", each) for each in briefs] == expected
    assert [each.known for each in expected] == [None, "A", "B", "C", None, "B"]
    assert repr(other._known._entries) == repr(one._known._entries)


def test_outputs_and_statuses_are_told() -> None:
    kept = kept_of(sample())
    assert kept.digests() == {"0" * 64, "1" * 64}
    assert {each.value for each in kept.statuses()} == {"passed", "failed", "error"}


def changed(change):
    data = json.loads(kept_of(sample()).to_json())
    change(data)
    return json.dumps(data)


DAMAGE = {
    "a mapping": lambda data: data.clear(),
    "a column less": lambda data: data[1].pop(),
    "a column of another length": lambda data: data[1][3].pop(),
    "a string that is not there": lambda data: data[1].__setitem__(3, [99] * 4),
    "a string before the first": lambda data: data[1].__setitem__(3, [-2] * 4),
    "a number as string": lambda data: data[0].__setitem__(0, 7),
    "cases of others": lambda data: data[2].__setitem__(0, [0, 1, 2, 4]),
    "a negative case": lambda data: (
        data[1].__setitem__(0, [0, 1, 2, -3]), data[2].__setitem__(0, [0, 1, 2, -3])),
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGE)
def test_columns_that_are_none_are_refused(how: str) -> None:
    with pytest.raises(ValueError, match=r"column|string"):
        KeptCases.from_json(changed(DAMAGE[how]))
