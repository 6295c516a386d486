"""What a name finds in a stored run, and how often its cases are read for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.results import explain
from pytest_modelcompat.results.load import load
from tests.unit.stored_runs import case, report_folder


@pytest.mark.parametrize(
    ("what", "held", "found"),
    [
        ("Op1", 100, ["test_op_1", "test_op_8"]),  # a unit
        ("ai.onnx::Op1", 1, ["test_op_1", "test_op_8"]),
        ("op_1", 100, ["test_op_1", "test_op_10", "test_op_11"]),  # parts of names
        ("op_1", 3, ["test_op_1", "test_op_10", "test_op_11"]),
        ("op_1", 2, ["test_op_1", "test_op_10", "test_op_11"]),  # more than are to be held
        ("op_12", 100, []),
    ],
)
def test_a_name_is_looked_for_in_one_pass(
    tmp_path: Path, monkeypatch, what: str, held: int, found: list[str]
) -> None:
    monkeypatch.setattr(explain, "_HELD", held)
    run = load(report_folder(tmp_path, [case(n) for n in range(12)]))
    done = []

    def cases():
        done.append(1)
        return run.cases()

    of_unit, named, units = explain.find(what, cases)
    assert [each.case.partition("@")[0] for each in (*of_unit, *named)] == found
    assert bool(of_unit) == ("Op" in what)
    assert units == {f"Op{n}" for n in range(7)}
    assert len(done) == (2 if held == 2 else 1)


def test_a_unit_comes_before_the_names_that_were_found_first(tmp_path: Path) -> None:
    run = load(report_folder(tmp_path, [case(0, case="test_Relu"), case(1, unit="ai.onnx::Relu")]))
    of_unit, named, _ = explain.find("Relu", run.cases)
    assert ([each.n for each in of_unit], list(named)) == ([1], [])
