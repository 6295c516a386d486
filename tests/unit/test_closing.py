"""The end of a cell: nothing planned is without a status, and a wrong cell is not a right one."""

from __future__ import annotations

import pytest

from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status
from pytest_modelcompat.runner.closing import attested, suspected, unanswered
from pytest_modelcompat.runner.measure import CellEnd
from tests.unit.planned import a_case, a_cell, a_planned, a_workload
from tests.unit.stored_runs import case, open_store


def end(status: str = "completed", **changes) -> CellEnd:
    return CellEnd(status=CellStatus(status), **changes)


RIGHT = {"python": "3.12.1", "distributions": {"onnxruntime": "1.31.1"}}


def test_a_cell_that_is_what_its_axes_say_stays_as_it_is() -> None:
    ended = end(attestation=RIGHT, ran_on={"CPUExecutionProvider": 3})
    assert attested(a_planned(), ended) is ended


@pytest.mark.parametrize(
    ("facts", "ran_on", "reason"),
    [
        ({**RIGHT, "distributions": {"onnxruntime": "1.30.0"}}, {}, "but 1.30.0 is installed"),
        ({**RIGHT, "distributions": {}}, {}, "but no such distribution is installed"),
        ({**RIGHT, "python": "3.11.9"}, {}, "Python 3.12 was asked for, but the cell ran on 3.11"),
    ],
)
def test_a_cell_that_was_another_one_is_misconfigured(facts, ran_on, reason: str) -> None:
    found = attested(a_planned(), end(attestation=facts, ran_on=ran_on, notes=["kept"]))
    assert found.status is CellStatus.MISCONFIGURED
    assert found.stage is Stage.ASSIGN
    assert reason in found.reason
    assert found.notes == ["kept"]


def test_a_provider_that_ran_nothing_is_told_with_what_ran() -> None:
    planned = a_planned(a_cell(provider="CUDAExecutionProvider"))
    found = attested(planned, end(attestation=RIGHT, ran_on={"CPUExecutionProvider": 1234}))
    assert found.status is CellStatus.MISCONFIGURED
    assert "CUDAExecutionProvider was accepted but ran no node" in found.reason
    assert "CPUExecutionProvider (1,234)" in found.reason


def test_a_cell_that_failed_anyway_keeps_its_own_reason() -> None:
    ended = end("environment_failed", reason="no", attestation={"python": "2.7"})
    assert attested(a_planned(), ended) is ended


def test_every_planned_case_without_a_result_gets_a_record() -> None:
    planned = a_planned()
    records = list(unanswered(planned, end(), done={1}, wanted=range(4)))
    assert [record.n for record in records] == [0, 2, 3]
    assert [record.unit for record in records] == ["ai.onnx::Relu", "ai.onnx::Abs", "ai.onnx::Abs"]
    first = records[0]
    assert first.cell == "cell-a"
    assert first.check == "op_support"
    assert first.case == "test_Relu"
    assert first.requested == "CPUExecutionProvider"
    assert first.judgement.status is Status.NOT_RUN
    assert first.judgement.stage is first.measurement.stage is Stage.START
    assert first.measurement.ended == "not_run"
    assert first.expectation.outcome is Outcome.INFO
    assert {record.measurement.reason for record in records} == {"the worker ended before it"}


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (end("interrupted", reason="interrupted"), "interrupted"),
        (end("unavailable", reason="no CUDA\nlong story"), "unavailable: no CUDA"),
        (end("unavailable", reason="\n no CUDA"), "unavailable: no CUDA"),
        (end("infrastructure_failed"), "infrastructure_failed: "),
    ],
)
def test_the_reason_is_the_cells(ended: CellEnd, reason: str) -> None:
    (record, *_) = unanswered(a_planned(), ended, done=(), wanted=range(4))
    assert record.measurement.reason == reason


def test_what_was_deselected_says_so_and_not_what_the_cell_died_of() -> None:
    records = list(unanswered(a_planned(), end("unavailable", reason="x"), done=(), wanted={2}))
    assert [r.measurement.reason for r in records] == [
        "deselected", "deselected", "unavailable: x", "deselected",
    ]  # fmt: skip


def test_a_case_without_a_reference_says_why_unless_deselected() -> None:
    work = a_workload([a_case(not_run="no reference: no"), a_case(not_run="no reference: no")])
    records = list(unanswered(a_planned(None, work), end(), done=(), wanted={0}))
    assert [r.measurement.reason for r in records] == ["no reference: no", "deselected"]
    assert {r.judgement.status for r in records} == {Status.NOT_RUN}


def test_a_skipped_cells_cases_are_skipped_with_the_matrixs_reason() -> None:
    planned = a_planned(a_cell(skip="needs a licence"))
    records = list(unanswered(planned, end("unavailable"), done=(), wanted=()))
    assert {r.judgement.status for r in records} == {Status.SKIPPED}
    assert {r.measurement.reason for r in records} == {"needs a licence"}


def test_opset_and_reference_of_the_plan_are_kept() -> None:
    work = a_workload([a_case(opset=17, reference={"kind": "given"})], check="parity")
    (record,) = unanswered(a_planned(None, work), end(), done=(), wanted={0})
    assert record.measurement.opset == 17
    assert record.reference == {"kind": "given"}
    assert record.check == "parity"


# Failures that follow the corpus' release ---------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path) as store:
        yield store


def of_release(n: int, release: str, status: str, **changes):
    return case(n, status=status, case=f"test_it@onnx=={release}", opset=13, **changes)


def test_a_failure_in_one_release_of_the_tests_alone_is_the_references(store) -> None:
    store.add_cases(
        [
            of_release(0, "1.18.0", "failed", signature="kept"),
            of_release(1, "1.20.1", "passed"),
        ]
    )
    ((cell, n, judgement, nothing),) = suspected(store, "cell-a")
    assert (cell, n, nothing) == ("cell-a", 0, None)
    assert judgement.attribution == "reference"
    assert judgement.status is Status.FAILED
    assert judgement.signature == "kept"
    store.set_judgements([(cell, n, judgement, nothing)])
    (stored,) = store.cases(cell="cell-a", status=Status.FAILED)
    assert stored.judgement.attribution == "reference"


def test_a_right_answer_of_another_provider_is_right_too(store) -> None:
    store.add_cases(
        [
            of_release(0, "1.18.0", "failed"),
            of_release(1, "1.20.1", "fallback"),
        ]
    )
    assert [n for _, n, _, _ in suspected(store, "cell-a")] == [0]


def test_a_model_that_failed_under_the_same_name_is_left_alone(store) -> None:
    store.add_cases(
        [
            of_release(0, "1.18.0", "failed"),
            of_release(1, "1.20.1", "passed"),
            of_release(2, "1.18.0", "failed", check="parity"),
        ]
    )
    assert [n for _, n, _, _ in suspected(store, "cell-a")] == [0]


def test_each_cell_is_asked_about_its_own_failures(store) -> None:
    store.add_cases(
        [
            of_release(0, "1.18.0", "failed"),
            of_release(1, "1.20.1", "passed"),
            of_release(2, "1.18.0", "failed", cell="cell-b"),
            of_release(3, "1.20.1", "passed", cell="cell-b"),
        ]
    )
    assert [(cell, n) for cell, n, _, _ in suspected(store, "cell-a")] == [("cell-a", 0)]
    assert [(cell, n) for cell, n, _, _ in suspected(store, "cell-b")] == [("cell-b", 2)]


@pytest.mark.parametrize(
    "records",
    [
        [],
        [of_release(0, "1.18.0", "passed"), of_release(1, "1.20.1", "passed")],
        [of_release(0, "1.18.0", "failed"), of_release(1, "1.20.1", "failed")],
        [of_release(0, "1.18.0", "failed")],
        [of_release(0, "1.18.0", "failed"), of_release(1, "1.20.1", "passed", cell="cell-b")],
        [of_release(0, "1.18.0", "failed", check="parity"), of_release(1, "1.20.1", "passed")],
        [of_release(0, "1.18.0", "failed"), of_release(1, "1.20.1", "passed", check="parity")],
    ],
    ids=["nothing", "no failure", "in all", "no other", "another cell", "a model", "no test"],
)
def test_nothing_else_is(store, records) -> None:
    store.add_cases(records)
    assert suspected(store, "cell-a") == []
