"""Exporters where releases differ and where build functions are odd; frameworks are played.

tests/contract/test_exporters.py has the real ones, each in an environment of its own.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pytest_modelcompat.worker import bundle, produce
from pytest_modelcompat.worker.bundle import Bundle
from pytest_modelcompat.worker.exporters import _tables, built, exporter
from pytest_modelcompat.worker.exporters.built import Built, File

DATA = {"x": np.array([[1, -2, 3]], "float32"), "z": np.array([[4, 5, 6]], "float32")}


def graph(opset: int = 13) -> onnx.ModelProto:
    """y = max(x + z, 0)."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xzy"]
    nodes = [helper.make_node("Add", ["x", "z"], ["t"]), helper.make_node("Relu", ["t"], ["y"])]
    made = helper.make_graph(nodes, "g", infos[:2], infos[2:])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


# -- what build functions give


def test_data_sets_in_every_form() -> None:
    one, two = {"x": [1.0]}, {"x": [2.0]}
    for given, expected in (
        (one, [1.0, None]),
        ([one, two], [1.0, 2.0]),
        (lambda number: {"x": [number + 1.0]}, [1.0, 2.0]),
    ):
        found = Built({"model": None, "inputs": given})
        for number, value in enumerate(expected):
            feeds = found.data_set(number)
            assert (None if feeds is None else feeds["x"].item()) == value
    assert list(Built((None, np.zeros(2))).data_set(0) or ()) == ["input"]
    assert list(Built((None, [np.zeros(2), np.ones(1)])).data_set(0) or ()) == [
        "input_0", "input_1",
    ]  # fmt: skip


def test_a_build_function_may_give_three_things_or_a_mapping() -> None:
    def accuracy(*_: object) -> float:
        return 0.5

    assert Built((None, DATA)).accuracy is None
    assert Built((None, DATA, accuracy)).accuracy is accuracy
    whole = Built({"model": 1, "inputs": DATA, "outputs": ("y",), "dynamic": {"x": {0: "n"}}})
    assert (whole.model, whole.outputs, whole.dynamic) == (1, ["y"], {"x": {0: "n"}})


def test_labels_are_given_as_inputs_are() -> None:
    one, two = {"x": [1.0, 2.0]}, {"x": [3.0, 4.0]}
    for inputs, labels, expected in (
        (one, np.array([[3], [1]]), [[3, 1], None]),
        ([one, two], [[3, 1], np.array([0, 2])], [[3, 1], [0, 2], None]),
        ([one, two], [[3, 1]], [[3, 1], None]),
        (lambda _: one, lambda number: [number, 7], [[0, 7], [1, 7]]),
        (one, None, [None, None]),
        ([one], None, [None]),
    ):
        found = Built({"model": None, "inputs": inputs, "labels": labels})
        assert [found.labels(number) for number in range(len(expected))] == expected
    assert Built((None, DATA)).labels(0) is None


def test_labels_come_from_whoever_gave_the_data() -> None:
    found = Built({"model": None, "inputs": {"x": [1.0]}, "labels": [4]})
    drawn = {"seed": 0, "dims": {}}
    assert produce._labels({"random": {**drawn, "n": 0}}, found) == [4]
    assert produce._labels({"random": {**drawn, "n": 1}}, found) is None  # drawn: nobody knows
    many = Built({"model": None, "inputs": {"x": [1.0]}, "labels": lambda number: [number]})
    assert produce._labels({"random": {**drawn, "n": 1}}, many) is None
    assert produce._labels({"inputs": []}, found) is None
    assert produce._labels({"inputs": [], "labels": [9]}, found) == [9]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "this one returned NoneType"),
        ((1,), "this one returned tuple"),
        ((1, 2, 3, 4), "this one returned tuple"),
        ({}, "this one returned a mapping with nothing"),
        ({"model": 1}, "this one returned a mapping with model"),
        ({"model": 1, "inputs": 2, "name": 3}, "a mapping with inputs, model, name"),
    ],
)
def test_other_things_are_refused(given: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Built(given)


def test_tensors_of_frameworks_become_arrays() -> None:
    class Tensor:
        steps: tuple[str, ...] = ()

        def detach(self) -> Tensor:
            self.steps += ("detach",)
            return self

        def cpu(self) -> Tensor:
            self.steps += ("cpu",)
            return self

        def numpy(self) -> np.ndarray:
            assert self.steps == ("detach", "cpu")
            return np.ones(2)

    assert built.as_array(Tensor()).tolist() == [1.0, 1.0]
    assert built.as_array([1, 2]).tolist() == [1, 2]
    array = np.zeros(1)
    assert built.as_array(array) is array


# -- torch.onnx.export, as it was asked over the years


class Tensor:
    """As much of a tensor as an exporter touches."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def numpy(self) -> np.ndarray:
        return self.array

    def is_floating_point(self) -> bool:
        return self.array.dtype.kind == "f"

    def double(self) -> Tensor:
        return Tensor(self.array.astype("float64"))


class Net:
    """y = max(x + z, 0); gives a tuple, a tensor or a dictionary."""

    def __init__(self, gives: str = "tensor") -> None:
        self.gives, self.trains = gives, True

    def eval(self) -> None:
        self.trains = False

    def double(self) -> Net:
        return self

    def __call__(self, x: Tensor, z: Tensor) -> Any:
        found = Tensor(np.maximum(x.array + z.array, 0))
        return {"tensor": found, "tuple": (found, found), "dict": {"a": found}}[self.gives]


class NoGrad:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Torch whose `onnx` has nothing yet."""
    made = ModuleType("torch")
    made.__version__ = "2.3.1"
    made.from_numpy, made.no_grad = Tensor, NoGrad
    made.onnx = SimpleNamespace()
    script = ModuleType("onnxscript")
    script.__version__ = "0.1"
    monkeypatch.setitem(sys.modules, "torch", made)
    monkeypatch.setitem(sys.modules, "onnxscript", script)
    return made


def asked(torch: ModuleType, *, dynamo: bool) -> list[dict[str, Any]]:
    """How `torch.onnx.export` of a release is called; it writes the graph above."""
    calls: list[dict[str, Any]] = []

    def export(model: Any, arguments: Any, path: str, **wanted: Any) -> None:
        calls.append(wanted)
        assert not model.trains
        onnx.save(graph(wanted.get("opset_version", 13)), path)

    if dynamo:

        def newer(model: Any, arguments: Any, path: str, *, dynamo: bool = False, **w: Any) -> None:
            export(model, arguments, path, dynamo=dynamo, **w)

        torch.onnx.export = newer
    else:
        torch.onnx.export = export
    assert ("dynamo" in inspect.signature(torch.onnx.export).parameters) == dynamo
    return calls


def exported(name: str, folder: Path, *, opset: int | None = None, **more: Any) -> Any:
    made = exporter(name, "torch")
    found = made.prepare(Built({"model": Net(), "inputs": DATA, **more}))
    return made.export(found, str(folder), opset)


def test_before_there_was_a_choice_nothing_is_said_of_it(torch: ModuleType, tmp_path: Path) -> None:
    calls = asked(torch, dynamo=False)
    file = exported("onnx-torchscript", tmp_path, opset=11, dynamic={"x": {0: "n"}})
    assert calls == [
        {"input_names": ["x", "z"], "output_names": ["output_0"], "opset_version": 11,
         "dynamic_axes": {"x": {0: "n"}}},
    ]  # fmt: skip
    assert (file.inputs, file.outputs, file.types) == (["x", "z"], ["y"], ["float32"])
    assert file.facts["opset"] == 11


@pytest.mark.parametrize(("name", "dynamo"), [("onnx-torchscript", False), ("onnx-dynamo", True)])
def test_where_there_is_a_choice_it_is_always_made(
    torch: ModuleType, tmp_path: Path, name: str, dynamo: bool
) -> None:
    calls = asked(torch, dynamo=True)
    exported(name, tmp_path, outputs=["y"], dynamic={"x": {0: "n"}})
    [call] = calls
    assert call.pop("dynamo") is dynamo
    assert call.pop("output_names") == ["y"]
    assert "opset_version" not in call
    shapes = {"dynamic_shapes": [{0: "n"}, None]} if dynamo else {"dynamic_axes": {"x": {0: "n"}}}
    assert call == {"input_names": ["x", "z"], **shapes}


def test_the_early_second_way(torch: ModuleType, tmp_path: Path) -> None:
    """torch 2.1 to 2.4 have a function of their own, which takes no opset; older ones none."""
    asked(torch, dynamo=False)
    with pytest.raises(ValueError, match=r"torch 2\.3\.1 has no onnx-dynamo"):
        exported("onnx-dynamo", tmp_path)
    calls = []

    def dynamo_export(model: Any, *arguments: Any) -> Any:
        calls.append([each.array.tolist() for each in arguments])
        return SimpleNamespace(save=lambda path: onnx.save(graph(18), path))

    torch.onnx.dynamo_export = dynamo_export
    assert exported("onnx-dynamo", tmp_path).facts["opset"] == 18
    assert calls == [[array.tolist() for array in DATA.values()]]
    with pytest.raises(ValueError, match=r"torch 2\.3\.1 takes no opset for onnx-dynamo"):
        exported("onnx-dynamo", tmp_path, opset=18)


@pytest.mark.parametrize(("gives", "count"), [("tensor", 1), ("tuple", 2), ("dict", 1)])
def test_torch_answers_in_two_precisions(torch: ModuleType, gives: str, count: int) -> None:
    asked(torch, dynamo=True)
    made = exporter("onnx-dynamo", "torch")
    found = made.prepare(Built({"model": Net(gives), "inputs": DATA}))
    assert found.outputs == [f"output_{at}" for at in range(count)]
    answers, exact = made.answer(found, DATA), made.exact(found, DATA)
    assert len(answers) == len(exact) == count
    assert [answers[0].tolist(), exact[0].tolist()] == [[[5, 3, 9]]] * 2
    assert (answers[0].dtype, exact[0].dtype) == ("float32", "float64")
    assert made.info()["exporter"] == "onnxscript 0.1"


# -- onnx, and OpenVINO's conversion


@pytest.mark.parametrize("form", ["model", "bytes", "path"])
def test_an_onnx_model_in_every_form(tmp_path: Path, form: str) -> None:
    path = tmp_path / "given.onnx"
    onnx.save(graph(), path)
    given = {"model": graph(), "bytes": graph().SerializeToString(), "path": path}[form]
    made = exporter("onnx", "onnx")
    found = made.prepare(Built((given, DATA)))
    assert [each.tolist() for each in made.answer(found, DATA)] == [[[5, 3, 9]]]
    assert made.exact(found, DATA) is None
    there = tmp_path / "out"
    there.mkdir()
    file = made.export(found, str(there), 14)
    made.check(str(there), file)
    assert (file.inputs, file.outputs, file.facts["opset"]) == (["x", "z"], ["y"], 14)
    assert made.export(found, str(there), None).facts["opset"] == 13


def test_a_damaged_file_does_not_pass_the_check(tmp_path: Path) -> None:
    made = exporter("onnx", "onnx")
    model = graph()
    model.graph.node[0].op_type = "NoSuchOperator"
    file = made.export(made.prepare(Built((model, DATA))), str(tmp_path), None)
    with pytest.raises(onnx.checker.ValidationError, match="NoSuchOperator"):
        made.check(str(tmp_path), file)


class OpenVINO(ModuleType):
    """Keeps what it was asked to convert."""

    __version__ = "2026.4.1"

    def __init__(self) -> None:
        super().__init__("openvino")
        self.asked: list[Any] = []

    def convert_model(self, model: Any, **given: Any) -> str:
        if isinstance(model, str):
            onnx.checker.check_model(model)
        self.asked.append((type(model).__name__, given))
        return "converted"

    @staticmethod
    def save_model(made: str, path: str, *, compress_to_fp16: bool) -> None:
        assert not compress_to_fp16
        Path(path).write_text(made)


def test_openvino_of_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = OpenVINO()
    monkeypatch.setitem(sys.modules, "openvino", openvino)
    made = exporter("openvino", "openvino")
    assert made.info() == {"version": "2026.4.1"}
    found = made.prepare(Built((graph(), DATA)))
    assert [each.tolist() for each in made.answer(found, DATA)] == [[[5, 3, 9]]]
    assert made.exact(found, DATA) is None
    assert made.info() == {"version": "2026.4.1", "source": onnx.__version__}
    file = made.export(found, str(tmp_path), None)
    assert (file.main, file.inputs) == ("model.xml", None)
    assert openvino.asked == [("str", {})]
    assert [path.name for path in tmp_path.iterdir()] == ["model.xml"]  # no source beside it
    with pytest.raises(ValueError, match="no opsets"):
        made.export(found, str(tmp_path), 13)


def test_openvino_of_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: ModuleType
) -> None:
    openvino = OpenVINO()
    monkeypatch.setitem(sys.modules, "openvino", openvino)
    monkeypatch.setattr(Net, "state_dict", {}, raising=False)
    made = exporter("openvino", "openvino")
    found = made.prepare(Built((Net(), DATA)))
    assert made.exact(found, DATA)[0].dtype == "float64"
    made.export(found, str(tmp_path), None)
    [(kind, given)] = openvino.asked
    assert kind == "Net"
    assert [each.array.tolist() for each in given["example_input"]] == [[[1, -2, 3]], [[4, 5, 6]]]
    assert made.info()["source"] == "2.3.1"


@pytest.mark.parametrize(
    ("name", "words"),
    [("torchscript-trace", "torchscript-trace has no opsets"),
     ("torch-export", "torch-export has no opsets")],
)  # fmt: skip
def test_formats_without_opsets(torch: ModuleType, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        exported(name, tmp_path, opset=13)


# -- tables


def test_what_estimators_answer() -> None:
    rows = np.ones((2, 3))
    classifier = SimpleNamespace(
        predict=lambda rows: np.array([1, 0]), predict_proba=lambda rows: np.eye(2)
    )
    labels, chances = _tables._predictions(classifier, rows)
    assert (labels.tolist(), chances.tolist()) == ([1, 0], [[1, 0], [0, 1]])
    regressor = SimpleNamespace(predict=lambda rows: np.array([1.5, 2.5]))
    assert _tables._predictions(regressor, rows)[0].tolist() == [[1.5], [2.5]]
    scaler = SimpleNamespace(transform=lambda rows: rows * 2)
    assert _tables._predictions(scaler, rows)[0].tolist() == (rows * 2).tolist()


def test_columns_by_name_are_one_table() -> None:
    table = _tables._table({"a": np.array([[1], [2]]), "b": np.array([[3.5], [4.5]])})
    assert list(table.columns) == ["a", "b"]
    assert table.to_numpy().tolist() == [[1, 3.5], [2, 4.5]]
    alone = np.zeros((2, 3))
    assert _tables._table({"X": alone}) is alone


# -- what a producer sends


def test_outputs_are_named_as_the_file_has_them_where_it_has_as_many() -> None:
    arrays = [np.zeros(1), np.ones(1)]

    def keys(*more: Any) -> list[Any]:
        return [key for key, _ in produce._keyed(arrays, *more)]

    assert keys(["a", "b"]) == ["a", "b"]
    assert keys(None) == [0, 1]
    assert keys(["a"]) == [0, 1]
    assert keys(["a"], ["x", "z"]) == ["x", "z"]  # a file that lost one: the build function's
    assert keys(None, ["x", "z"]) == [0, 1]  # a file without names: by position


def test_answers_come_in_the_types_of_the_file() -> None:
    answers = [np.array([0.1]), np.array([3], "int64"), np.array([1.0]), np.array(["a"])]
    found = produce._typed(answers, ["float32", "int32", "int64", "float32"])
    # a float is no integer, whatever the file says: that is a finding, and not ours to hide
    assert [each.dtype.name for each in found[:3]] == ["float32", "int32", "float64"]
    assert found[3].dtype.kind == "U"
    assert produce._typed(answers, None) is answers
    assert [each.dtype.name for each in produce._typed(answers[:2], ["float32"])] == [
        "float32", "int64",
    ]  # fmt: skip


@pytest.fixture
def planned(tmp_path: Path) -> Any:
    def made(*cases: dict[str, Any]) -> Bundle:
        whole = [{"name": f"d{n}", "unit": "m", "model": {"file": ""}, **each}
                 for n, each in enumerate(cases)]  # fmt: skip
        bundle.write(tmp_path / "planned.bundle", {}, whole)
        return Bundle.open(tmp_path / "planned.bundle")

    return made


def test_data_sets_that_were_planned(planned: Any) -> None:
    """Given ones by name or position, the build function's own, and random ones beyond these."""
    given = [(0, produce.arrays.from_array(DATA["z"])), ("z", produce.arrays.from_array(DATA["x"]))]
    random = {"seed": 0, "dims": {}}
    work = planned(
        {"inputs": given}, {"random": {**random, "n": 0}}, {"random": {**random, "n": 1}}
    )
    model = Built({"model": None, "inputs": DATA})

    swapped, own, beyond = (produce._data_set(work, at, model) for at in range(3))

    assert [swapped["x"].tolist(), swapped["z"].tolist()] == [[[4, 5, 6]], [[1, -2, 3]]]
    assert {name: each.tolist() for name, each in own.items()} == {
        name: each.tolist() for name, each in DATA.items()
    }
    assert {name: (each.dtype, each.shape) for name, each in beyond.items()} == {
        name: (each.dtype, each.shape) for name, each in DATA.items()
    }
    assert beyond["x"].tolist() != DATA["x"].tolist()


def test_a_link_that_a_build_function_made_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").write_text("b")
    (tmp_path / "a").write_text("a")
    (tmp_path / "secret").symlink_to("/etc/passwd")
    found = [str(Path(path).relative_to(tmp_path)) for path in produce._files(str(tmp_path))]
    assert found == ["a", "out/b"]


def test_the_facts_of_a_file_go_with_its_cases(planned: Any) -> None:
    calls = [["x"], ["z"]]
    work = planned(
        {"answers": True, "calls": calls, "inputs": []},
        {"inputs": []},
        {"answers": True, "inputs": []},
    )
    file = File("m.onnx", inputs=["x", "z"], outputs=["y"], types=["float32"],
                facts={"opset": 13, "quantized": lambda feeds: {"y": sorted(feeds)}})  # fmt: skip
    one = [np.array([[5.0]])]

    cases = list(produce._cases(work, file, "place", sets=[DATA] * 3, answers=[one] * 3,
                                exact=[one, one, None], labels=[[7], None, []]))  # fmt: skip

    first, unanswered, inexact, behind = cases
    assert first["calls"] == calls
    assert "calls" not in unanswered
    assert [case.get("labels") for case in cases] == [[7], None, [], None]
    assert first["model"] == {"file": "place/m.onnx"}
    assert first["quantized"] == {"y": ["x", "z"]}
    assert [(name, value.dtype) for name, value in first["outputs"]] == [("y", "float32")]
    assert first["exact"] == 3
    assert not unanswered["outputs"]  # nobody planned answers for it
    assert [("exact" in case) for case in (unanswered, inexact)] == [False, False]
    assert inexact["outputs"] == first["outputs"]
    assert [(name, value.dtype) for name, value in behind["outputs"]] == [("y", "float64")]
    assert behind["quantized"] == {}
