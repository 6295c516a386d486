"""A model folder that MLflow itself has written is a model by its path."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.contract.test_runtimes import Release, environment
from tests.project import Project

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "matrices" / "models" / "digits-cnn"
MLFLOW = Release(
    runtime="mlflow", provider="", refuses={}, python="3.11",
    requirements=(
        "mlflow-skinny==3.17.2", "onnx==1.18.0", "onnxruntime==1.31.1", "numpy", "pandas",
    ),
)  # fmt: skip
SAVE = """
import sys
import mlflow.onnx, onnx
mlflow.onnx.save_model(onnx.load(sys.argv[1]), sys.argv[2])
"""
MATRIX = """\
schema: 1
axes: {framework: {onnxruntime: ["1.31.1"]}, python: ["3.11"]}
checks:
  parity:
    models:
      - name: saved
        path: saved
        data: {inputs: holdout.npz, outputs: holdout-expected.npz}
"""


def test_a_folder_that_mlflow_saved(tmp_path: Path) -> None:
    python = environment(MLFLOW, tmp_path / "mlflow")
    files = {name: (DIGITS / name).read_bytes() for name in ("holdout.npz", "holdout-expected.npz")}
    project = Project({"pytest.ini": "[pytest]\n", "m.yaml": MATRIX, **files})
    place = project.write(tmp_path / "project")
    subprocess.run(
        [python, "-c", SAVE, DIGITS / "model.onnx", place / "saved"], check=True, timeout=300
    )
    assert (place / "saved" / "MLmodel").is_file()
    result = project.run(place, "--compat-matrix=m.yaml")
    assert result.code == 0, result.out[-3000:]
    digest = hashlib.sha256((place / "saved" / "model.onnx").read_bytes()).hexdigest()
    (unit,) = result.plan["cells"][0]["units"]
    assert unit["files"].pop("model.onnx") == digest
    [beside] = unit["files"]  # it keeps the weights beside the model
    assert (place / "saved" / beside).is_file()
    (case,) = result.cases
    assert (case["unit"], case["case"], case["status"]) == ("saved", "saved/holdout", "passed")
