"""Cells and units in pytest's words: what becomes of each status in an item's reports."""

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from pytest_modelcompat.items import CellNode, EnvironmentItem, MatrixFile, UnitItem, cell_line
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage
from pytest_modelcompat.runner.board import Board
from tests.unit.planned import a_case, a_planned, a_workload
from tests.unit.stored_runs import case, cell

RELU = "ai.onnx::Relu"


class Compat:
    """A session with one cell, as far as items know it."""

    def __init__(self, request: pytest.FixtureRequest, planned=None, **changes) -> None:
        self.planned = planned or a_planned()
        self.board = Board([self.planned], {"cell-a": range(self.planned.size)})
        self.records: list = []
        self.waits = changes.pop("waits", False)
        self.config = request.config
        self.cells = (self.planned,)
        self.environments_selected = changes.pop("environments", frozenset())
        verdicts = SimpleNamespace(
            waits=lambda: self.waits, undecided=lambda *_: changes.get("undecided", False)
        )
        self.running = SimpleNamespace(
            board=self.board, verdicts=verdicts, error=None, failing=self.failing
        )
        path = self.planned.cell.matrix_file
        self.file = MatrixFile.from_parent(request.session, path=path, compat=self)

    def failing(self, cell_id: str, check: str, unit: str):
        assert cell_id == "cell-a"
        assert check == "op_support"
        return (r for r in self.records if r.unit == unit and r.judgement.status != "passed")

    def count(self, *records) -> None:
        self.records += records
        self.board.count(records)

    def close(self, **changes) -> None:
        self.board.close_cell(cell(**changes))

    def items(self) -> dict[str, EnvironmentItem | UnitItem]:
        found = {}
        for node in self.file.collect():
            assert isinstance(node, CellNode)
            for child in node.collect():
                inner = child.collect() if isinstance(child, pytest.Collector) else [child]
                found.update({item.name: item for item in inner})
        return found

    def reports(self, name: str) -> dict[str, pytest.TestReport]:
        item = self.items()[name]
        found = list(item.reports(self, 0.0))
        assert found[0].when == "setup"
        assert found[-1].when == "teardown"
        return {str(report.when): report for report in found}


@pytest.fixture
def compat(request) -> Compat:
    return Compat(request)


def relu(n: int, **changes):
    return case(n, unit=RELU, case=f"test_relu_{n}", **changes)


# Collection ---------------------------------------------------------------------------------------


def test_a_cells_items_are_its_environment_and_its_units(compat: Compat) -> None:
    items = compat.items()
    assert list(items) == ["environment", "ai.onnx.Relu", "ai.onnx.Abs"]
    assert items["ai.onnx.Relu"].nodeid.endswith("m.yaml::cell-a::op_support::ai.onnx.Relu")
    assert items["environment"].nodeid.endswith("m.yaml::cell-a::environment")
    assert (items["ai.onnx.Relu"].cases, items["ai.onnx.Abs"].cases) == ((0, 1), (2, 3))
    assert items["ai.onnx.Abs"].reportinfo()[2] == "cell-a ai.onnx.Abs"
    assert items["environment"].runtest() is None


def test_a_unit_that_two_entries_share_is_one_item(request) -> None:
    one = a_workload([a_case("test_relu@onnx==1.16.0")])
    two = a_workload([a_case("test_relu@onnx==1.18.0"), a_case("abs", unit="ai.onnx::Abs")])
    model = a_workload([a_case("m/0", unit=RELU)], check="parity")
    compat = Compat(request, a_planned(None, one, two, model))
    cases = {
        item.nodeid.rpartition("m.yaml::")[2]: item.cases
        for node in compat.file.collect()
        for child in node.collect()
        if isinstance(child, pytest.Collector)
        for item in child.collect()
    }
    assert cases == {
        "cell-a::op_support::ai.onnx.Relu": (0, 1),
        "cell-a::op_support::ai.onnx.Abs": (2,),
        "cell-a::parity::ai.onnx.Relu": (3,),
    }


def test_another_matrixs_cells_are_not_this_ones(request, tmp_path) -> None:
    compat = Compat(request)
    other = MatrixFile.from_parent(request.session, path=tmp_path / "other.yaml", compat=compat)
    assert list(other.collect()) == []


# The environment's item ---------------------------------------------------------------------------


def test_a_completed_cell_passes_with_its_axes(compat: Compat) -> None:
    compat.close()
    call = compat.reports("environment")["call"]
    assert call.passed
    assert dict(call.user_properties)["framework"] == "onnxruntime==1.31.1"
    assert call.duration == pytest.approx(3.75)


@pytest.mark.parametrize("status", ["unavailable", "unsatisfiable", "interrupted"])
def test_a_cell_that_could_not_be_is_skipped_with_its_reason(compat: Compat, status: str) -> None:
    reason = "no CUDA here\n" + "long story\n" * 9
    compat.close(status=CellStatus(status), outcome=Outcome.INFO, reason=reason)
    call = compat.reports("environment")["call"]
    assert call.skipped
    assert call.longrepr[2] == f"Skipped: {status}: no CUDA here"


def test_a_resolvers_answer_is_told_by_what_decides(compat: Compat) -> None:
    reason = "No set fits.\nerror: No solution found\n  cause: Because a depends on b, it is so."
    compat.close(status=CellStatus.UNSATISFIABLE, outcome=Outcome.INFO, reason=reason)
    told = "unsatisfiable: Because a depends on b, it is so."
    assert compat.reports("environment")["call"].longrepr[2] == f"Skipped: {told}"
    line = cell_line(cell(status=CellStatus.UNSATISFIABLE, reason=reason))
    assert "unsatisfiable (Because a depends on b, it is so.)" in line


@pytest.mark.parametrize("outcome", [Outcome.NOT_OK, Outcome.XPASS])
def test_a_cell_that_fails_says_where_why_and_how_to_see_it(compat: Compat, outcome) -> None:
    compat.close(
        status=CellStatus.ENVIRONMENT_FAILED, stage=Stage.IMPORT, outcome=outcome,
        reason="ImportError: libx", notes=("torn",), repro="pytest x",
    )  # fmt: skip
    call = compat.reports("environment")["call"]
    assert call.failed
    assert str(call.longrepr).splitlines() == [
        "environment_failed at stage import", "ImportError: libx", "torn", "",
        "reproduce: pytest x",
    ]  # fmt: skip


def test_infrastructure_is_an_error_and_no_failure(compat: Compat) -> None:
    compat.close(
        status=CellStatus.INFRASTRUCTURE_FAILED, stage=None, outcome=Outcome.NOT_OK, reason="no net"
    )
    found = compat.reports("environment")
    assert set(found) == {"setup", "teardown"}
    assert found["setup"].failed
    assert str(found["setup"].longrepr).startswith("infrastructure_failed at stage ?\nno net")


def test_known_infrastructure_is_an_expected_failure(compat: Compat) -> None:
    compat.close(
        status=CellStatus.INFRASTRUCTURE_FAILED, outcome=Outcome.XFAIL, known="K", reason="no net"
    )
    found = compat.reports("environment")
    assert found["setup"].passed
    assert found["call"].skipped
    assert found["call"].wasxfail == "K: infrastructure_failed"


def test_a_cell_that_never_closed_was_stopped(compat: Compat) -> None:
    found = compat.reports("environment")
    assert set(found) == {"setup", "teardown"}
    assert found["setup"].skipped
    assert found["setup"].longrepr[2] == "Skipped: stopped"


# A unit's item ------------------------------------------------------------------------------------

NAME = "ai.onnx.Relu"


def test_one_failing_case_fails_its_unit_and_is_shown(compat: Compat) -> None:
    compat.count(relu(0, run_seconds=(1.0,)), relu(1, status="failed", run_seconds=(2.0,)))
    call = compat.reports(NAME)["call"]
    assert call.failed
    assert "test_relu_1: failed at stage compare" in str(call.longrepr)
    assert "test_relu_0" not in str(call.longrepr)
    assert call.duration == pytest.approx(3.0, abs=0.1)


def test_a_known_issue_that_is_gone_fails_too(compat: Compat) -> None:
    compat.count(relu(0, outcome="xpass", known="K"), relu(1))
    assert compat.reports(NAME)["call"].failed


def test_known_failures_are_expected_before_what_passed(compat: Compat) -> None:
    compat.count(
        relu(0, status="failed", outcome="xfail", known="L"),
        relu(1, status="failed", outcome="xfail", known="K"),
    )
    call = compat.reports(NAME)["call"]
    assert call.skipped
    assert call.wasxfail == "K, L"


def test_what_passed_passes_beside_what_could_not_be(compat: Compat) -> None:
    compat.count(relu(0), relu(1, status="unsupported", outcome="info"))
    assert compat.reports(NAME)["call"].passed


def test_nothing_that_passed_is_skipped_with_the_most_frequent_reason(request) -> None:
    three = a_workload([a_case(f"test_{n}") for n in range(3)])
    compat = Compat(request, a_planned(None, three), environments=frozenset({"cell-a"}))
    compat.count(
        relu(0, status="not_run", outcome="info", reason="rare"),
        relu(1, status="not_run", outcome="info", reason="no reference: x\nmore"),
        relu(2, status="not_run", outcome="info", reason="no reference: x\nmore"),
    )
    call = compat.reports(NAME)["call"]
    assert call.skipped
    assert call.longrepr[2] == "Skipped: no reference: x"


def test_without_a_reason_the_statuses_are_told(compat: Compat) -> None:
    compat.count(
        relu(0, status="unsupported", outcome="info"), relu(1, status="gated", outcome="info")
    )
    assert compat.reports(NAME)["call"].longrepr[2] == "Skipped: gated, unsupported"


def test_a_unit_that_was_not_counted_to_its_end_was_stopped(compat: Compat) -> None:
    compat.count(relu(0, status="failed"))
    call = compat.reports(NAME)["call"]
    assert call.skipped
    assert call.longrepr[2] == "Skipped: stopped"


@pytest.mark.parametrize("told", [True, False])
def test_a_lost_cell_fails_its_units_where_nobody_else_tells_it(request, told: bool) -> None:
    """With its environment's item deselected, a broken cell must not look like a skip."""
    compat = Compat(request, environments=frozenset({"cell-a"}) if told else frozenset())
    lost = {"status": "not_run", "outcome": "info", "reason": "environment_failed: no"}
    compat.count(relu(0, **lost), relu(1, **lost))
    compat.close(
        status=CellStatus.ENVIRONMENT_FAILED, stage=Stage.IMPORT, outcome=Outcome.NOT_OK,
        reason="no",
    )  # fmt: skip
    call = compat.reports(NAME)["call"]
    if told:
        assert call.skipped
        assert call.longrepr[2] == "Skipped: environment_failed: no"
    else:
        assert call.failed
        assert str(call.longrepr).startswith("environment_failed at stage import\nno")


def test_an_unavailable_cell_skips_its_units(compat: Compat) -> None:
    lost = {"status": "not_run", "outcome": "info", "reason": "unavailable: no CUDA"}
    compat.count(relu(0, **lost), relu(1, **lost))
    compat.close(status=CellStatus.UNAVAILABLE, outcome=Outcome.INFO, reason="no CUDA")
    assert compat.reports(NAME)["call"].longrepr[2] == "Skipped: unavailable: no CUDA"


# Waiting, and speaking through pytest's hooks -----------------------------------------------------


def waiting(compat: Compat, name: str) -> threading.Thread:
    item = compat.items()[name]
    thread = threading.Thread(target=item.wait, args=(compat,), daemon=True)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    return thread


def ends(thread: threading.Thread) -> bool:
    thread.join(30)
    return not thread.is_alive()


def test_a_unit_waits_for_its_own_cases_only(compat: Compat) -> None:
    thread = waiting(compat, NAME)
    compat.count(relu(0), relu(1))
    assert ends(thread)


def test_an_undecided_unit_waits_for_the_end_of_the_run(request) -> None:
    compat = Compat(request, undecided=True)
    compat.count(relu(0), relu(1))
    thread = waiting(compat, NAME)
    compat.board.finish()
    assert ends(thread)


def test_an_environment_waits_for_its_cell(compat: Compat) -> None:
    thread = waiting(compat, "environment")
    compat.close()
    assert ends(thread)


def test_an_environment_waits_for_the_run_where_cells_judge_each_other(request) -> None:
    compat = Compat(request, waits=True)
    compat.close()
    thread = waiting(compat, "environment")
    compat.board.finish()
    assert ends(thread)


def test_what_went_wrong_in_a_thread_is_raised(compat: Compat) -> None:
    compat.running.error = ZeroDivisionError("ours")
    compat.board.finish()
    with pytest.raises(ZeroDivisionError, match="ours"):
        compat.items()[NAME].wait(compat)


def test_every_report_goes_through_pytests_own_hooks(compat: Compat, monkeypatch) -> None:
    compat.count(relu(0), relu(1))
    item, heard = compat.items()[NAME], []
    hooks = {
        "pytest_runtest_logstart": lambda **_: heard.append("start"),
        "pytest_runtest_logreport": lambda report: heard.append((report.when, report.outcome)),
        "pytest_runtest_logfinish": lambda **_: heard.append("finish"),
    }
    monkeypatch.setattr(type(item), "ihook", SimpleNamespace(**hooks))
    item.report(compat)
    assert heard == [
        "start", ("setup", "passed"), ("call", "passed"), ("teardown", "passed"), "finish",
    ]  # fmt: skip


# A cell's line ------------------------------------------------------------------------------------


def test_a_cells_line_tells_axes_counts_and_time() -> None:
    line = cell_line(cell(counts={"passed": 1703, "unsupported": 20}))
    assert line == (
        "onnxruntime==1.31.1 · 3.12 · host · CPUExecutionProvider  "
        "completed: 1,703 passed, 20 unsupported  3.8 s"
    )


def test_axes_of_packages_and_options_tell_what_they_are_of() -> None:
    axes = (
        *cell().axes, ("packages.numpy", "1.26.4"), ("env.OMP_NUM_THREADS", "4"),
        ("options.graph_optimization", "disabled"),
    )  # fmt: skip
    line = cell_line(cell(axes=axes))
    assert " · numpy 1.26.4 · OMP_NUM_THREADS=4 · graph_optimization=disabled  completed" in line


def test_a_bad_cells_line_tells_why_and_what_is_known() -> None:
    line = cell_line(cell(
        status=CellStatus.UNAVAILABLE, reason="x" * 500 + "\nmore", known="K", counts={"not_run": 3}
    ))  # fmt: skip
    assert "unavailable (xxx" in line
    assert "…)" in line
    assert "more" not in line
    assert " [known: K]: 3 not_run" in line
    assert len(line) < 300


# Ctrl-C -------------------------------------------------------------------------------------------


def test_an_item_that_waits_hears_an_interrupt(compat: Compat) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    item = compat.items()["ai.onnx.Relu"]
    timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            item.wait(compat)
    finally:
        signal.signal(signal.SIGINT, before)
        timer.join()
    compat.count(relu(0))  # nobody holds what the threads need
