"""Who is to blame for the failure of a built model, shown with real failures of each kind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.project import Project, Result

pytestmark = [pytest.mark.network, pytest.mark.slow]

BUILD = '''\
def branches():
    """The traced file knows the branch of the first data set only."""
    import torch

    class Net(torch.nn.Module):
        def forward(self, x):
            if x.sum() > 0:
                return x * 2
            return x * 3

    return Net(), lambda number: {"x": torch.ones(2, 3) * (-1) ** number}


def graph(node, shape, kind=None, size=None):
    import numpy as np
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", kind or TensorProto.FLOAT, size)
    made = helper.make_graph([node], "g", [x], [y])
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(made, opset_imports=opset, ir_version=9), {
        "x": np.full(shape, -1.5, np.float32)
    }


def empty_maximum():
    """onnxruntime 1.17 to 1.20 refused it."""
    from onnx import helper, numpy_helper
    import numpy as np

    model, inputs = graph(
        helper.make_node("ReduceMax", ["x", "axes"], ["y"]), [2, 0, 4], size=[2, 1, 4]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axes"))
    return model, inputs


def another_type():
    """The file says that a float is an integer; the checker without inference lets it through."""
    from onnx import TensorProto, helper

    return graph(helper.make_node("Abs", ["x"], ["y"]), [2, 3], TensorProto.INT64, [2, 3])
'''

MATRIX = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.20.1", "1.23.2"]
checks:
  parity:
    models:
      - name: branches
        build: build.py::branches
        data: {random: 2}
        producers:
          - {framework: torch==2.13.0, export: onnx-torchscript, opset: ["17"], python: "3.11"}
      - name: empty-maximum
        build: build.py::empty_maximum
        producers: [{framework: onnx==1.18.0, export: onnx}]
      - name: another-type
        build: build.py::another_type
        producers: [{framework: onnx==1.18.0, export: onnx}]
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    project = Project(
        {"pytest.ini": "[pytest]\n", "matrices/m.yaml": MATRIX, "matrices/build.py": BUILD}
    )
    return project.run(tmp_path_factory.mktemp("blame"), "--compat-matrix=matrices/m.yaml")


def the_case(result: Result, start: str, release: str) -> dict[str, Any]:
    cell = result.cell(framework=f"onnxruntime=={release}")["id"]
    (case,) = [
        case for case in result.cases if case["cell"] == cell and case["case"].startswith(start)
    ]
    return case


def test_a_file_that_says_something_else_than_the_model_is_the_exporter_s(result: Result) -> None:
    for release in ("1.20.1", "1.23.2"):
        right = "branches/torch==2.13.0,onnx-torchscript,opset17/random-0"
        assert the_case(result, right, release)["status"] == "passed", result.out
        case = the_case(result, right.replace("random-0", "random-1"), release)
        assert (case["status"], case["stage"]) == ("failed", "compare")
        assert case["attribution"] == "exporter"
        heard = case["attribution_detail"]
        assert heard["optimizer_off"] == "failed"
        assert heard["evaluator of onnx 1.23.2"] == "gives the runtime's answer"
        assert heard["checker of onnx 1.23.2"] == "accepts the file"
        assert heard["float64"] == "the runtime's answer is not it"
        assert "fails on" in heard


def test_a_file_that_is_right_elsewhere_is_the_runtime_s(result: Result) -> None:
    case = the_case(result, "empty-maximum", "1.20.1")
    assert case["status"] == "error"
    assert case["attribution"] == "runtime"
    heard = case["attribution_detail"]
    assert heard["evaluator of onnx 1.23.2"] == "gives the producer's answer"
    assert heard["right on"] == "onnxruntime==1.23.2"
    assert the_case(result, "empty-maximum", "1.23.2")["status"] == "passed"


def test_a_file_that_the_newest_checker_refuses_is_itself_to_blame(result: Result) -> None:
    case = the_case(result, "another-type", "1.23.2")
    assert case["status"] == "error", case
    assert case["attribution"] == "file"
    assert "accepts" not in case["attribution_detail"]["checker of onnx 1.23.2"]
