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


ONE_FILE = "'{}' is a folder; a model that ends in {} is a file."


@pytest.mark.parametrize("ending", [".onnx", ".tflite", ".pt2", ".xml", ".so"])
def test_a_folder_is_no_model_of_a_format_that_is_a_file(folder, ending):
    (folder / f"net{ending}").mkdir()
    (folder / f"net{ending}" / "model.onnx").write_bytes(b"")
    with pytest.raises(UsageProblem) as caught:
        load(folder, f"{{name: net, path: net{ending}}}")
    (problem,) = caught.value.problems
    assert problem.message == ONE_FILE.format(f"net{ending}", ending)
    assert problem.hint.startswith("Name the file in it")
    assert (problem.line, problem.column) == (2, 46)


def test_each_folder_that_a_pattern_takes_for_a_file_is_told(folder):
    for name in ("c.onnx", "d.onnx"):
        (folder / "models" / name).mkdir()
    said = told(folder, "{name: net, path: 'models/*.onnx'}")
    assert said == " ".join(ONE_FILE.format(name, ".onnx") for name in ("c.onnx", "d.onnx"))


@pytest.mark.parametrize("name", ["saved", "saved-2.21", "net.keras", "net.mlpackage"])
def test_folders_of_other_formats_are_models(folder, name):
    (folder / name).mkdir()
    assert names(folder, name) == {"net": name}


@pytest.mark.parametrize("inside", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_saved_model_may_have_any_name(folder, inside):
    (folder / "net.h5").mkdir()
    (folder / "net.h5" / inside).write_bytes(b"")
    assert names(folder, "net.h5") == {"net": "net.h5"}


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


ONNX_FLAVOR = """\
flavors:
  onnx:
    code: null
    data: model.onnx
    onnx_version: 1.18.0
  python_function:
    data: model.onnx
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.onnx
mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]'
"""


@pytest.fixture
def saved(folder: Path) -> Path:
    place = folder / "models" / "saved"
    place.mkdir()
    (place / "MLmodel").write_text(ONNX_FLAVOR, "utf-8")
    (place / "model.onnx").write_bytes(b"")
    return place


def test_a_folder_of_mlflow_is_the_file_that_it_names(folder, saved):
    assert names(folder, "models/saved") == {"net": "models/saved/model.onnx"}
    assert names(folder, "models/s*") == {"net-saved": "models/saved/model.onnx"}
    saved.rename(saved.with_name("saved.onnx"))
    assert names(folder, "models/saved.onnx") == {"net": "models/saved.onnx/model.onnx"}


@pytest.mark.parametrize(
    ("flavor", "file"),
    [("sklearn: {pickled_model: model.pkl}", "model.pkl"),
     ("xgboost: {data: model.ubj}", "model.ubj"),
     ("lightgbm: {data: in/model.txt}", "in/model.txt")],
)  # fmt: skip
def test_flavors_that_a_runtime_reads(folder, saved, flavor, file):
    (saved / "MLmodel").write_text(f"flavors: {{{flavor}, python_function: {{}}}}\n", "utf-8")
    (saved / file).parent.mkdir(exist_ok=True)
    (saved / file).write_bytes(b"")
    assert names(folder, "models/saved") == {"net": f"models/saved/{file}"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("flavors: {pytorch: {model_data: data}}", "it has 'pytorch'"),
        ("flavors: [onnx]", "it has none"),
        ("- onnx", "it has none"),
        ("flavors: {onnx: {data: {}}}", "it has 'onnx'"),
        ("flavors: {onnx: {data: gone.onnx}}", "names 'gone.onnx', which is no file"),
        ("flavors: {onnx: {data: ../a.onnx}}", "names '../a.onnx', which is no file"),
        ("flavors: {onnx: {data: /etc/hostname}}", "which is no file in that folder"),
        ("flavors: {onnx: {data: link.onnx}}", "names 'link.onnx', which is no file"),
        ("flavors: {onnx: {data: out/b.onnx}}", "names 'out/b.onnx', which is no file"),
        ("flavors: {onnx: {data: .}}", "which is no file in that folder"),
        ("flavors: &a {onnx: *a}", "MLmodel in 'saved' cannot be read"),
        ("", "MLmodel in 'saved' cannot be read"),
    ],
)
def test_what_is_wrong_with_a_folder_of_mlflow(folder, saved, content, said):
    (saved / "MLmodel").write_text(content, "utf-8")
    (saved / "link.onnx").symlink_to(folder / "models" / "a.onnx")
    (saved / "out").symlink_to(folder / "models")
    assert said in told(folder, "{name: net, path: models/saved}")
