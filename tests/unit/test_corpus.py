"""The collector reads a wheel's folders and onnx's memory into one bundle, and knows subjects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.defs
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test import loader
from onnx.backend.test.case.test_case import TestCase as Case

from pytest_modelcompat.worker import arrays, corpus
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from pathlib import Path


def model(*operators: str, domain: str = "", opset: int = 13) -> onnx.ModelProto:
    names = ["x", *(f"t{n}" for n in range(len(operators) - 1)), "y"]
    nodes = [
        helper.make_node(kind, [names[n]], [names[n + 1]], domain=domain)
        for n, kind in enumerate(operators)
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    return helper.make_model(
        graph, ir_version=8, opset_imports=[helper.make_opsetid(domain, opset)]
    )


def lay(folder: Path, name: str, proto: onnx.ModelProto, sets: int = 1, **data: Any) -> None:
    place = folder / name
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(proto.SerializeToString())
    if data:
        (place / "data.json").write_text(json.dumps(data))
    for n in range(sets):
        inner = place / f"test_data_set_{n}"
        inner.mkdir()
        for kind in ("input", "output"):
            array = numpy_helper.from_array(np.array([n, 1], np.float32))
            (inner / f"{kind}_0.pb").write_bytes(array.SerializeToString())


@pytest.fixture
def collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    home = tmp_path / "onnx"
    folder = home / "backend" / "test" / "data" / "node"
    lay(folder, "test_softmax", model("Softmax"))
    lay(folder, "test_softmax_expanded", model("Exp", "ReduceSum", "Identity"))
    lay(folder, "test_softmax_expanded_ver18", model("Exp", "Identity", opset=18))
    lay(folder, "test_lonely_expanded", model("Abs"))
    lay(folder, "test_many", model("Relu"), sets=11, rtol=0.5)
    lay(folder, "test_ml", model("Normalizer", domain="ai.onnx.ml", opset=1))
    lay(folder, "test_new_thing", model("NotYetDefined"))
    lay(folder, "test_broken", model("Abs"))
    (folder / "test_broken" / "test_data_set_0" / "input_0.pb").write_bytes(b"\x08\x04\x10\x01")
    (folder / "__init__.py").write_text("")
    monkeypatch.setattr(onnx, "__file__", str(home / "__init__.py"))
    told = corpus.collect(str(tmp_path / "c.bundle"))
    found = Bundle.open(tmp_path / "c.bundle")
    assert found.digest == told["digest"]
    assert found.verify()
    return found


def by_name(bundle: Bundle) -> dict[str, dict[str, Any]]:
    return {bundle.case(i)["name"]: bundle.case(i) | {"i": i} for i in range(len(bundle))}


def test_the_unit_is_the_operator_that_a_case_is_about(collected: Bundle) -> None:
    units = {name: case["unit"] for name, case in by_name(collected).items()}
    assert units["test_softmax"] == "ai.onnx::Softmax"
    assert units["test_softmax_expanded"] == "ai.onnx::Softmax"
    assert units["test_softmax_expanded_ver18"] == "ai.onnx::Softmax"
    assert units["test_lonely_expanded"] == "ai.onnx::Abs"  # expanded from nothing here
    assert units["test_ml"] == "ai.onnx.ml::Normalizer"


def test_since_is_of_the_subject_at_the_models_opset(collected: Bundle) -> None:
    ops = {name: case["op"] for name, case in by_name(collected).items()}
    assert ops["test_softmax"] == {"domain": "ai.onnx", "type": "Softmax", "since": 13}
    assert ops["test_softmax_expanded_ver18"]["since"] == 13
    assert ops["test_many"] == {"domain": "ai.onnx", "type": "Relu", "since": 13}
    assert ops["test_new_thing"]["since"] == 0
    assert ops["test_ml"]["since"] == 1


def test_every_data_set_is_a_case_in_its_order(collected: Bundle) -> None:
    cases = by_name(collected)
    names = [name for name in cases if name.startswith("test_many")]
    assert names[:3] == ["test_many", "test_many/test_data_set_1", "test_many/test_data_set_2"]
    assert names[-1] == "test_many/test_data_set_10"
    [(name, value)] = collected.inputs(cases[names[-1]]["i"])
    assert (name, arrays.to_array(value).tolist()) == ("x", [10.0, 1.0])
    assert cases["test_many"]["rtol"] == 0.5
    assert (cases["test_softmax"]["rtol"], cases["test_softmax"]["atol"]) == (1e-3, 1e-7)
    assert collected.model(cases["test_many"]["i"]) == model("Relu").SerializeToString()


def test_a_case_that_cannot_be_read_is_told_not_hidden(collected: Bundle) -> None:
    [left] = collected.meta["left_out"]
    assert left["case"] == "test_broken"
    assert "0 bytes for float32" in left["reason"]
    assert "test_broken" not in by_name(collected)
    assert collected.meta["count"] == len(collected) == 17


def test_the_release_lists_what_it_defines(collected: Bundle) -> None:
    operators = {tuple(item) for item in collected.meta["operators"]}
    assert {("ai.onnx", "Relu", 1), ("ai.onnx", "Relu", 13), ("ai.onnx.ml", "Normalizer", 1)} <= (
        operators
    )
    assert len(operators) == len(onnx.defs.get_all_schemas_with_history())


def test_cases_in_memory_are_written_as_their_types_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = np.array([1, 2], np.float32)
    types = {
        "t": helper.make_tensor_type_proto(TensorProto.FLOAT, []),
        "s": helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, None)),
        "o": helper.make_optional_type_proto(helper.make_tensor_type_proto(1, [2])),
        "n": helper.make_optional_type_proto(helper.make_tensor_type_proto(1, [2])),
        "p": helper.make_tensor_type_proto(TensorProto.INT4, [2]),
    }
    graph = helper.make_graph(
        [helper.make_node("Relu", ["t"], ["y"])],
        "g",
        [helper.make_value_info(name, kind) for name, kind in types.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    given = [np.float32(3), [one, one], one, None, helper.make_tensor("p", 22, [2], [1, -2])]
    made = Case("test_all", "test_all", None, None, helper.make_model(graph), [(given, [one])],
                "node", 0.25, 0.5)  # fmt: skip
    monkeypatch.setattr(onnx, "__file__", str(tmp_path / "nowhere" / "__init__.py"))
    monkeypatch.setattr(loader, "load_model_tests", lambda kind: [made])
    corpus.collect(str(tmp_path / "m.bundle"))
    found = Bundle.open(tmp_path / "m.bundle")
    case = found.case(0)
    assert (case["rtol"], case["atol"], case["unit"]) == (0.25, 0.5, "ai.onnx::Relu")
    inputs = dict(found.inputs(0))
    assert (inputs["t"].shape, inputs["s"].kind, len(inputs["s"].items)) == ((), "sequence", 2)
    assert (len(inputs["o"].items), inputs["n"].items) == (1, [])
    assert arrays.unpacked(inputs["p"]).tolist() == [1, -2]


def test_the_command_answers_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def noisy(output: str) -> dict[str, Any]:
        print("chatter of onnx")
        return {"digest": output, "count": 0}

    monkeypatch.setattr(corpus, "collect", noisy)
    assert corpus.main(["--output", str(tmp_path / "x")]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"digest": str(tmp_path / "x"), "count": 0}
    assert "chatter" in err
