"""`path` of a model: patterns, environment variables, and the libraries beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.checks import parity
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.load import load_matrix
from pytest_modelcompat.worker.bundle import Bundle

MATRIX = """\
axes: {{framework: {{onnxruntime: ["1.31.1"]}}}}
checks: {{parity: {{models: [{model}]}}}}
"""


def load(folder: Path, model: str):
    file = folder / "m.yaml"
    file.write_text(MATRIX.format(model=model), "utf-8")
    (entry,) = load_matrix(file).cells[0].checks
    return entry


def names(folder: Path, path: str) -> dict[str, str]:
    models = load(folder, f"{{name: net, path: '{path}'}}").models
    return {model.name: model.path.relative_to(folder).as_posix() for model in models if model.path}


def told(folder: Path, model: str) -> str:
    with pytest.raises(UsageProblem) as caught:
        load(folder, model)
    return " ".join(problem.message for problem in caught.value.problems)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    deep = ("deep/c/model.onnx", "deep/d/model.onnx")
    for name in ("b.onnx", "a.onnx", *deep, "x.tflite", "[1].pt"):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("models/*.onnx", {"net-a": "models/a.onnx", "net-b": "models/b.onnx"}),
        ("models/[b]*", {"net-b": "models/b.onnx"}),
        ("models/deep/*/model.onnx",
         {"net-c-model": "models/deep/c/model.onnx", "net-d-model": "models/deep/d/model.onnx"}),
        ("models/deep/?", {"net-c": "models/deep/c", "net-d": "models/deep/d"}),
        ("models/**/model.onnx",
         {"net-deep-c-model": "models/deep/c/model.onnx",
          "net-deep-d-model": "models/deep/d/model.onnx"}),
        ("models/[ax].*", {"net-a": "models/a.onnx", "net-x": "models/x.tflite"}),
        ("models/[1].pt", {"net": "models/[1].pt"}),  # a file of that very name
    ],
)  # fmt: skip
def test_a_pattern_is_each_file_that_it_finds(folder, path, found):
    assert names(folder, path) == found


def test_names_that_come_out_the_same_are_counted(folder):
    (folder / "models" / "a.pt").write_bytes(b"")
    assert list(names(folder, "models/a.*")) == ["net-a", "net-a-2"]


def test_a_variable_is_put_in(folder, monkeypatch):
    monkeypatch.setenv("MY_MODELS", str(folder / "models"))
    assert names(folder, "${MY_MODELS}/a.onnx") == {"net": "models/a.onnx"}
    assert set(names(folder, "${MY_MODELS}/*.onnx")) == {"net-a", "net-b"}
    assert "no model at" in told(folder, "{name: net, path: '$MY_MODELS/a.onnx'}")


def test_what_finds_nothing_is_told(folder, monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    assert "'NO_SUCH' is not set" in told(folder, "{name: net, path: '${NO_SUCH}/a.onnx'}")
    assert "No file matches" in told(folder, "{name: net, path: 'models/*.pb'}")
    assert "No file matches" in told(folder, "{name: net, path: 'absent/*/x'}")


def test_libraries_travel_with_the_model(folder, tmp_path):
    (folder / "ops.so").write_bytes(b"one")
    entry = load(folder, "{name: net, path: models/x.tflite, reference: none, libraries: [ops.so]}")
    work = parity.workload(entry, folder=tmp_path / "cache")
    assert dict(work.models)["net-libraries/0/ops.so"] == folder / "ops.so"
    bundle = Bundle.open(work.bundles[0])
    assert bundle.case(0)["libraries"] == ["net-libraries/0/ops.so"]
    (folder / "ops.so").write_bytes(b"two")
    assert parity.workload(entry, folder=tmp_path / "cache").digest != work.digest


def test_a_library_may_be_a_module_of_the_cell(folder, tmp_path):
    model = "{name: net, path: models/x.tflite, reference: none, libraries: [%s]}"
    entry = load(folder, model % "'module:onnxruntime_extensions', 'module:a.b'")
    work = parity.workload(entry, folder=tmp_path / "cache")
    found = Bundle.open(work.bundles[0]).case(0)
    assert found["library_modules"] == ["onnxruntime_extensions", "a.b"]
    assert "libraries" not in found
    for wrong in ("module:", "module:a-b", "module:../x"):
        assert "is no name of a module" in told(folder, model % f"'{wrong}'")


def test_libraries_are_files_of_a_model_that_is_one(folder):
    assert "is a file" in told(folder, "{name: net, path: models/a.onnx, libraries: [models]}")
    assert "There is no" in told(folder, "{name: net, path: models/a.onnx, libraries: [a.so]}")
    built = "build: b.py::b, producers: [{framework: onnx==1.18.0, export: onnx}]"
    (folder / "b.py").write_text("", "utf-8")
    assert "belong to `path`" in told(folder, f"{{name: net, {built}, libraries: [b.py]}}")
