"""References that nobody gave: the evaluator's, the majority's, another cell's; and a baseline."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from pytest_modelcompat.results import changes_file
from tests.project import Project

pytestmark = pytest.mark.network


def scaled(name: str, factor: float) -> bytes:
    """y = factor * x, free in its first dimension."""
    free = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    constant = helper.make_tensor("k", TensorProto.FLOAT, [1], [factor])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "k"], ["y"])], name, [free], [out], [constant]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


MATRIX = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.20.1", "1.22.1", "1.23.2"]
checks:
  parity:
    models:
      - name: twice
        path: twice.onnx
        data: {{random: 2, dims: {{n: 4}}}}
        {reference}
"""


def project(reference: str = "") -> Project:
    text = MATRIX.format(reference=f"reference: {reference}" if reference else "")
    return Project(
        {
            "pytest.ini": "[pytest]\n",
            "matrices/m.yaml": text,
            "matrices/twice.onnx": scaled("m", 2.0),
        }
    )


def test_the_reference_evaluator_is_the_default(tmp_path) -> None:
    result = project().run(tmp_path, "--compat-matrix=matrices/m.yaml")
    assert result.code == 0, result.out
    assert {case["status"] for case in result.cases} == {"passed"}
    assert {case["case"] for case in result.cases} == {"twice/random-0", "twice/random-1"}
    for case in result.cases:
        assert case["reference"]["kind"] == "onnx"
        assert case["reference"]["version"].startswith("onnx==")
    assert [e["role"] for e in result.run["environments"]].count("reference") == 1


def test_a_consensus_takes_three_answers(tmp_path) -> None:
    result = project("consensus").run(tmp_path, "--compat-matrix=matrices/m.yaml")
    assert result.code == 0, result.out
    assert {case["status"] for case in result.cases} == {"passed"}
    assert all(len(case["reference"]["agreeing"]) == 3 for case in result.cases)
    two = project("consensus").run(
        tmp_path / "two",
        "--compat-matrix=matrices/m.yaml",
        "--compat-select=framework:onnxruntime>=1.22",
    )
    assert two.code == 1, two.out  # nothing was measured that could be judged
    assert {case["status"] for case in two.cases} == {"not_run"}
    assert "takes 3 answers" in two.cases[0]["reason"]


def test_none_only_has_to_run(tmp_path) -> None:
    result = project("none").run(tmp_path, "--compat-matrix=matrices/m.yaml")
    assert {case["status"] for case in result.cases} == {"passed"}
    assert {case.get("reference", {"kind": "none"})["kind"] for case in result.cases} == {"none"}
    again = project("none").run(tmp_path / "again", "--compat-matrix=matrices/m.yaml")
    for each in (result, again):  # measured, and reused
        assert {case["model_bytes"] for case in each.cases} == {len(scaled("m", 2.0))}


def test_given_data_that_is_wrong_fails_until_it_is_the_baseline(tmp_path) -> None:
    x = np.ones((2, 3), np.float32)
    folder = tmp_path / "matrices"
    folder.mkdir()
    np.savez(folder / "in.npz", x=x)
    np.savez(folder / "out.npz", y=x * 3)
    text = MATRIX.replace("{{random: 2, dims: {{n: 4}}}}", "{{inputs: in.npz, outputs: out.npz}}")
    wrong = project().with_file("matrices/m.yaml", text.format(reference=""))
    first = wrong.run(tmp_path, "--compat-matrix=matrices/m.yaml", "--compat-report=first")
    assert first.code == 1, first.out
    assert "max_abs 1.0" in first.out
    second = wrong.run(tmp_path, "--compat-matrix=matrices/m.yaml", "--compat-baseline=first")
    assert second.code == 0, second.out
    assert {(c["status"], c["outcome"]) for c in second.cases} == {("failed", "info")}
    assert second.run["run"]["baseline"]
    changes = changes_file.read(second.report).changes
    assert {(each.kind.value, each.fails) for each in changes} == {("STILL-FAIL", False)}
    third = wrong.run(
        tmp_path, "--compat-matrix=matrices/m.yaml", "--compat-baseline=reports/latest",
        "--compat-report=third",
    )  # fmt: skip
    assert third.code == 0, third.out  # night after night, each against the one before
