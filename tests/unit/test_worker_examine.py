"""What onnx says of a model that a producer's consumers failed on: here, with this onnx."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import onnx

from pytest_modelcompat.runner import command
from pytest_modelcompat.runner.attending import attend
from pytest_modelcompat.runner.orders import observed
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker import bundle, examine, onnxmake
from pytest_modelcompat.worker.bundle import Bundle
from pytest_modelcompat.worker.values import Value

X = Value.tensor("float32", (2,), struct.pack("<2f", -1, 2))


def model(folder: Path, operator: str = "Relu") -> str:
    info = [onnxmake.value_info(name, "float32", (2,)) for name in "xy"]
    made = onnxmake.model(
        [onnxmake.node(operator, ["x"], ["y"])], info[:1], info[1:], imports=(("", 13),), ir=8
    )
    path = folder / f"{operator}.onnx"
    path.write_bytes(made)
    return str(path)


def order(folder: Path, name: str, *inputs: Any) -> dict[str, Any]:
    cases = [
        {"name": f"d{n}", "unit": "m", "model": {"file": ""}, "inputs": list(given)}
        for n, given in enumerate(inputs)
    ]
    bundle.write(folder / "data.bundle", {}, cases)
    return {"model": name, "bundle": str(folder / "data.bundle"), "count": len(cases)}


def test_answers_of_each_data_set(tmp_path: Path) -> None:
    """Given by name or position; one that the evaluator refuses is its words."""
    told = order(tmp_path, model(tmp_path), [("x", X)], [(0, X)], [("z", X)])
    named, placed, other = examine._answers(told)
    for found in (named, placed):
        [(name, value)] = found["outputs"]
        assert (name, struct.unpack("<2f", value.data), found["said"]) == ("y", (0.0, 2.0), "")
    assert other["outputs"] is None
    assert "x" in other["said"]


def test_a_model_that_the_evaluator_does_not_take(tmp_path: Path) -> None:
    told = order(tmp_path, model(tmp_path, "NoSuch"), [("x", X)], [("x", X)])
    found = list(examine._answers(told))
    assert [each["outputs"] for each in found] == [None, None]
    assert all("NoSuch" in each["said"] for each in found)


def test_what_the_checker_says(tmp_path: Path) -> None:
    assert examine._check(onnx, model(tmp_path)) == ""
    assert "NoSuch" in examine._check(onnx, model(tmp_path, "NoSuch"))


def test_a_process_delivers_it(tmp_path: Path) -> None:
    told = order(tmp_path, model(tmp_path), [("x", X)])
    (tmp_path / "out").mkdir()
    process = command.start(
        [sys.executable, "-I", worker_file(tmp_path), "examine"], env=observed(), cwd=tmp_path
    )
    with process:
        ended = attend(process, told, into=tmp_path / "out", seconds=120)
    assert (ended.code, ended.stage) == (0, "run"), ended.printed
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    assert found == {"onnx": onnx.__version__, "checker": ""}
    [(name, value)] = Bundle.open(tmp_path / "out" / "data.bundle").outputs(0)
    assert (name, struct.unpack("<2f", value.data)) == ("y", (0.0, 2.0))
