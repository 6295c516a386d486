"""`batch` and `sequence` of a model's data: from the file to the cases."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from pytest_modelcompat.checks import parity
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.load import load_matrix
from pytest_modelcompat.matrix.model import Calls
from pytest_modelcompat.worker.bundle import Bundle

MATRIX = """\
axes: {{framework: {{onnxruntime: ["1.31.1"]}}}}
checks: {{parity: {{models: [{{name: net, path: net.onnx, data: {data}}}]}}}}
"""
STATE = "state: {h: next}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "t"])
              for name in ("x", "h", "y", "next")]  # fmt: skip
    nodes = [helper.make_node("Add", ["x", "h"], ["y"]), helper.make_node("Relu", ["y"], ["next"])]
    graph = helper.make_graph(nodes, "g", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    onnx.checker.check_model(model)
    return tmp_path


def entry(folder: Path, data: str):
    file = folder / "m.yaml"
    file.write_text(MATRIX.format(data=data), "utf-8")
    return load_matrix(file).cells[0].checks[0]


def told(folder: Path, data: str) -> str:
    with pytest.raises(UsageProblem) as caught:
        parity.workload(entry(folder, data), folder=folder / "cache")
    return " ".join(f"{problem.message} {problem.hint}" for problem in caught.value.problems)


def batch(size: int, **more) -> Calls:
    return Calls(kind="batch", size=size, **more)


def step(size: int, **more) -> Calls:
    return Calls(kind="step", size=size, axis=1, **more)


@pytest.mark.parametrize(
    ("data", "calls"),
    [
        ("{random: 1}", ()),
        ("{batch: 4}", (batch(4),)),
        ("{random: 2, batch: [1, 4]}", (batch(1), batch(4))),
        ("{batch: {size: 2, axis: 1, axes: {h: 0, y: whole}}}",
         (batch(2, axis=1, axes=(("h", 0), ("y", None))),)),
        ("{sequence: {step: 1, axis: 1, state: {h: next}}}", (step(1, state=(("h", "next"),)),)),
        ("{batch: 1, sequence: {step: [1, 5], axis: 1}}", (batch(1), step(1), step(5))),
    ],
)  # fmt: skip
def test_ways_of_calling_are_read(folder: Path, data: str, calls: tuple[Calls, ...]) -> None:
    [model] = entry(folder, data).models
    assert model.data.calls == calls
    assert model.data.random >= 1


def test_a_folder_may_have_them_too(folder: Path) -> None:
    (folder / "sets" / "test_data_set_0").mkdir(parents=True)
    [model] = entry(folder, "{folder: sets, batch: 1}").models
    assert model.data.folder == folder / "sets"
    assert (model.data.random, model.data.calls) == (0, (batch(1),))


def test_each_data_set_is_a_case_whole_and_in_every_way(folder: Path) -> None:
    data = f"{{random: 2, batch: [1, 4], sequence: {{step: 1, axis: 1, {STATE}}}}}"
    found = parity.workload(entry(folder, data), folder=folder / "cache")
    assert [case.name for case in found.cases] == [
        f"net/random-{n}{way}" for n in (0, 1) for way in ("", ",batch1", ",batch4", ",step1")
    ]
    bundle = Bundle.open(found.bundles[0])
    assert [bundle.case(at)["random"]["n"] for at in range(8)] == [0] * 4 + [1] * 4
    assert "calls" not in bundle.case(4)
    assert bundle.case(6)["calls"] == {
        "kind": "batch", "size": 4, "axis": 0, "axes": {}, "state": {},
    }  # fmt: skip
    assert bundle.case(7)["calls"] == {
        "kind": "step", "size": 1, "axis": 1, "axes": {}, "state": {"h": "next"},
    }  # fmt: skip
    without = parity.workload(entry(folder, "{random: 2}"), folder=folder / "cache")
    assert without.digest != found.digest


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{batch: {size: 1, axes: {nxet: 1}}}", "no such tensor there: 'nxet'. Did you mean"),
        ("{sequence: {step: 1, axis: 1, state: {y: next}}}", "no such tensor there: 'y'"),
        ("{sequence: {step: 1, axis: 1, state: {h: x}}}", "no such tensor there: 'x'"),
    ],
)
def test_names_that_the_model_does_not_have_are_told(folder: Path, data: str, words: str) -> None:
    assert words in told(folder, data)
