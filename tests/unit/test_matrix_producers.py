"""What a producer's environment holds, and that the names of exports are the same everywhere."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.load_producers import requirements_of
from pytest_modelcompat.matrix.model import Producer
from pytest_modelcompat.worker import exporters


def test_every_export_is_known_to_loader_worker_schema_and_docs():
    schema = json.loads(files("pytest_modelcompat.matrix").joinpath("schema.json").read_text())
    names = sorted(exporters.REGISTRY)
    assert sorted(defaults().exports) == names
    assert schema["$defs"]["producer"]["properties"]["export"]["enum"] == names
    page = Path(__file__).parents[2].joinpath("docs", "producers.md").read_text("utf-8")
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_module_of_the_registry_is_there():
    folder = Path(exporters.__file__).parent
    assert {f"{name}.py" for name in exporters.REGISTRY.values()} <= {
        path.name for path in folder.iterdir()
    }


@pytest.mark.parametrize(
    ("framework", "export", "packages", "found"),
    [
        ("onnx==1.18.0", "onnx", (), ("onnx==1.18.0", "numpy")),
        ("onnx==1.18.0", "onnx", ("Numpy<2",), ("onnx==1.18.0", "Numpy<2")),
        (
            "torch==2.13.0",
            "onnx-dynamo",
            (),
            ("torch==2.13.0", "onnx", "onnxscript", "numpy"),
        ),
        ("torch==1.12.1", "onnx-torchscript", (), ("torch==1.12.1", "onnx", "numpy", "numpy<2")),
        ("tensorflow-cpu==2.15.1", "tf2onnx", (),
         ("tensorflow-cpu==2.15.1", "tf2onnx", "onnx", "numpy", "onnx<1.18")),
        ("tensorflow-cpu==2.15.1", "savedmodel", (), ("tensorflow-cpu==2.15.1", "numpy")),
        ("torch==1.12.1", "onnx-torchscript", ("numpy==1.20", "onnx==1.12.0"),
         ("torch==1.12.1", "numpy==1.20", "onnx==1.12.0")),
        ("scikit-learn==1.2.0", "skl2onnx", ("skl2onnx==1.14",),
         ("scikit-learn==1.2.0", "skl2onnx==1.14", "onnx", "numpy")),
    ],
)  # fmt: skip
def test_what_is_not_named_is_added(framework, export, packages, found):
    producer = Producer(framework=framework, export=export, packages=packages)
    assert requirements_of(producer) == found
