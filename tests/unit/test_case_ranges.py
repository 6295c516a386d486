"""Where a case changes along an ordered axis, as run.json tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_modelcompat.errors.results import StoredRunProblem
from pytest_modelcompat.results.case_ranges import CaseRange, CaseRanges
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import Status
from tests.unit.stored_runs import case, cell, report_folder

STATUS = {
    "P": Status.PASSED, "L": Status.FALLBACK, "F": Status.FAILED, "U": Status.UNSUPPORTED,
    "C": Status.CRASHED, "O": Status.NOT_RUN,
}  # fmt: skip


def along(letters: str, axis: str = "framework", **more: str) -> list[CaseRange]:
    """One case over ten versions and more of an axis."""
    cells = []
    for n in range(len(letters)):
        version = f"1.{n + 2}"
        base = {"framework": "onnxruntime==1.20.1", "python": "3.11", **more}
        base[axis] = f"onnxruntime=={version}" if axis == "framework" else version
        cells.append((f"c{n}", "m", base))
    found = CaseRanges(cells)
    for n, letter in enumerate(letters):
        found.add(f"c{n}", "op_support", "ai.onnx::Relu", "test_relu", STATUS[letter])
        found.add(f"c{n}", "op_support", "ai.onnx::Relu", "test_same", STATUS["P"])
    return list(found.found())


@pytest.mark.parametrize("axis", ["framework", "python", "packages.numpy"])
def test_every_ordered_axis_is_walked(axis: str) -> None:
    (found,) = along("PPPPPPPPPFF", axis)
    assert (found.axis, found.cases) == (axis, ("test_relu",))
    assert found.of == {"framework": "onnxruntime"}.get(axis, axis.removeprefix("packages."))
    assert (found.last_good, found.first_bad, found.first_good) == ("1.10", "1.11", None)
    assert [(s.state, s.first, s.last) for s in found.spans] == [
        ("good", "1.2", "1.10"), ("bad", "1.11", "1.12"),
    ]  # fmt: skip
    assert found.monotone
    assert axis not in dict(found.target) or found.target[0] == ("framework", "onnxruntime")


@pytest.mark.parametrize("axis", ["image", "provider", "env.X", "options.y"])
def test_what_has_no_order_is_not_walked(axis: str) -> None:
    assert along("PF", axis) == []


@pytest.mark.parametrize(
    ("letters", "first_bad", "last_good", "first_good", "monotone"),
    [
        ("PPP", None, None, None, None),
        ("POP", None, None, None, None),
        ("UPP", None, None, "1.3", True),
        ("PFP", "1.3", "1.2", "1.4", False),
        ("FPF", "1.4", "1.3", "1.3", False),
        ("PLL", None, None, None, True),
        ("PLC", "1.4", "1.3", None, True),
        ("POF", "1.4", "1.2", None, True),
        ("UFF", None, None, None, True),
    ],
)
def test_first_bad_and_first_good(letters, first_bad, last_good, first_good, monotone) -> None:
    every = along(letters)
    if monotone is None:
        assert every == []
        return
    (found,) = every
    assert (found.first_bad, found.last_good) == (first_bad, last_good)
    assert (found.first_good, found.monotone) == (first_good, monotone)


def test_a_version_without_an_answer_is_named_and_breaks_no_range() -> None:
    (found,) = along("POPFF")
    assert found.spans[0].no_data == ("1.3",)
    assert found.spans[0].last == "1.4"


def folder(tmp_path: Path) -> Path:
    cells = [cell(f"c{n}", framework=f"onnxruntime==1.{n}") for n in range(3)]
    cases = [
        case(n, cell=f"c{at}", unit="ai.onnx::A", status="failed" if at == 2 and n else "passed")
        for at in range(3)
        for n in range(3)
    ]
    return report_folder(tmp_path / "run", cases, cells)


def test_run_json_tells_them_and_they_are_read_back(tmp_path: Path) -> None:
    run = load(folder(tmp_path))
    (found,) = run.ranges
    assert found.cases == ("test_op_1@onnx==1.18.0", "test_op_2@onnx==1.18.0")
    assert (found.unit, found.first_bad, found.last_good) == ("ai.onnx::A", "1.2", "1.1")
    data = json.loads((run.folder / "run.json").read_text())
    assert data["ranges"][0]["spans"] == [
        {"state": "good", "first": "1.0", "last": "1.1"},
        {"state": "bad", "first": "1.2", "last": "1.2"},
    ]
    assert data["ranges_left_out"] == 0


def test_what_does_not_find_room_is_counted() -> None:
    cells = [(f"c{n}", "m", {"framework": f"o==1.{n}"}) for n in range(2)]
    found = CaseRanges(cells)
    for n in range(2):
        for unit in "abc":
            found.add(f"c{n}", "op_support", unit, "t", STATUS["PF"[n]])
    assert len(list(found.found(most=2))) == 2
    assert found.left_out == 1


@pytest.mark.parametrize(
    "ranges",
    [3, [3], [{}], [{"matrix": "m"}], "edit state", "edit case"],
)
def test_edited_ranges_are_a_sentence(tmp_path: Path, ranges) -> None:
    path = folder(tmp_path) / "run.json"
    data = json.loads(path.read_text())
    if ranges == "edit state":
        data["ranges"][0]["spans"][0]["state"] = "fine"
    elif ranges == "edit case":
        data["ranges"][0]["cases"][0] = 3
    else:
        data["ranges"] = ranges
    path.write_text(json.dumps(data))
    with pytest.raises(StoredRunProblem, match="damaged"):
        load(path.parent)
    del data["ranges"]
    path.write_text(json.dumps(data))
    assert load(path.parent).ranges == ()
