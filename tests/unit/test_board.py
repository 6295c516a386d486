"""Counts of cells and units, and who waits for them."""

from __future__ import annotations

import threading
import time

import pytest

from pytest_modelcompat.results.model import Outcome
from pytest_modelcompat.runner.board import Board
from tests.unit.planned import a_cell, a_planned
from tests.unit.stored_runs import case, cell

RELU, ABS = "ai.onnx::Relu", "ai.onnx::Abs"


def relu(n: int, **changes):
    return case(n, unit=RELU, **changes)


def board(selected=range(4)) -> Board:
    return Board([a_planned()], {"cell-a": selected})


def test_records_are_counted_by_unit() -> None:
    it = board()
    it.count(
        [
            relu(0, run_seconds=(0.5, 0.25)),
            relu(1, status="failed", outcome="xfail", known="K", reason="r"),
        ]
    )
    unit = it.unit("cell-a", "op_support", RELU)
    assert (unit.remaining, unit.cases) == (0, (0, 1))
    assert unit.statuses == {"passed": 1, "failed": 1}
    assert unit.outcomes == {"ok": 1, "xfail": 1}
    assert unit.reasons == {"r": 1}
    assert unit.known == {"K"}
    assert unit.seconds == pytest.approx(0.5 + 0.25 + 0.001 + 2 * 0.002)
    assert it.unit("cell-a", "op_support", ABS).remaining == 2
    assert it.unit("cell-a", "parity", RELU) is None
    assert it.unit("cell-z", "op_support", RELU) is None


def test_what_was_not_selected_is_not_counted() -> None:
    it = board(frozenset({0}))
    it.count([relu(0), relu(1), case(2, unit=ABS), case(3, unit="ai.onnx::Other")])
    assert it.unit("cell-a", "op_support", RELU).statuses == {"passed": 1}
    assert it.unit("cell-a", "op_support", ABS) is None
    progress = it.progress()
    assert (progress.cases, progress.cases_done) == (1, 1)


def test_a_verdict_of_the_end_takes_the_place_of_the_first() -> None:
    it = board()
    old = relu(0, outcome="info", run_seconds=(1.0,))
    it.count([old, relu(1)])
    unit = it.unit("cell-a", "op_support", RELU)
    before = unit.seconds
    unit.replace(old, relu(0, status="failed", run_seconds=(1.0,)))
    assert {k: v for k, v in unit.statuses.items() if v} == {"passed": 1, "failed": 1}
    assert {k: v for k, v in unit.outcomes.items() if v} == {"ok": 1, "not_ok": 1}
    assert unit.remaining == 0
    assert unit.seconds == pytest.approx(before)
    unit.change(Outcome.OK, Outcome.XPASS)
    assert unit.outcomes["xpass"] == 1
    assert it.not_ok("cell-a") == 2


def test_measured_is_what_really_ran() -> None:
    it = board()
    it.count([relu(0), relu(1, status="not_run", outcome="info")])
    it.count([case(2, unit=ABS, status="skipped", outcome="info")])
    it.count([case(3, unit=ABS, status="crashed")])
    assert it.measured("cell-a") == 2
    assert it.not_ok("cell-a") == 1


def test_progress_tells_what_is_going_on() -> None:
    it = Board(
        [a_planned(), a_planned(a_cell("cell-b"))], {"cell-a": range(4), "cell-b": frozenset({1})}
    )
    it.preparing(1)
    it.preparing(1)
    it.preparing(-1)
    it.running(1)
    it.count([relu(0)])
    it.close_cell(cell())
    found = it.progress()
    assert (found.cells, found.cells_done, found.cases, found.cases_done) == (2, 1, 5, 1)
    assert (found.preparing, found.running) == (1, 1)
    assert 0 <= found.seconds < 60


@pytest.mark.parametrize(
    ("happens", "wakes"),
    [
        ("unit", {"unit"}),
        ("cell", {"unit", "cell"}),
        ("finish", {"unit", "cell", "run"}),
    ],
)
def test_who_waits_is_woken_by_what_concerns_them(happens: str, wakes: set[str]) -> None:
    it = board()
    waits = {
        "unit": {"cell": "cell-a", "unit": ("op_support", RELU)},
        "cell": {"cell": "cell-a"},
        "run": {"cell": "cell-a", "whole_run": True},
    }
    assert not any(it.wait(seconds=0.001, **what) for what in waits.values())

    def later() -> None:
        time.sleep(0.05)
        if happens == "unit":
            it.count([relu(0)])
            it.count([relu(1)])
        elif happens == "cell":
            it.close_cell(cell())
        else:
            it.finish()

    thread = threading.Thread(target=later)
    thread.start()
    first = min(wakes)
    started = time.monotonic()
    assert it.wait(seconds=30, **waits[first])
    assert time.monotonic() - started < 20
    thread.join()
    assert {name for name, what in waits.items() if it.wait(seconds=0.001, **what)} == wakes
    assert it.finished is (happens == "finish")
    assert (it.cell("cell-a") is not None) is (happens == "cell")
