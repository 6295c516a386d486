"""Phones: what the checkers in ONNX Runtime's own wheels say, and what then runs here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import Project, Result

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("digits-cnn", "digits-cnn-opset13", "log-sum-exp", "wine-forest")
OPSET = "The pre-built package only supports ONNX opsets [12, 13, 14, 15]."
SAID = {  # (list, model) -> what is outside; None: within
    ("package", "digits-cnn"): OPSET,
    ("package", "digits-cnn-opset13"): None,
    ("package", "log-sum-exp"): "Unsupported operators:\nai.onnx:13:ReduceLogSumExp",
    ("package", "wine-forest"): OPSET,
    ("nnapi", "digits-cnn"): None,
    ("nnapi", "digits-cnn-opset13"): None,
    ("nnapi", "log-sum-exp"): "Unsupported ops: ai.onnx:ReduceLogSumExp",
    ("nnapi", "wine-forest"): "Unsupported ops: ai.onnx.ml:TreeEnsembleClassifier",
}
WITH_PACKAGE = ("1.15.1", "1.19.2")
LATER = ("1.20.1", "1.31.1")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in (ROOT / "matrices" / "models").rglob("*")
        if path.is_file()
    }
    matrix = (ROOT / "matrices" / "phone.yaml").read_text("utf-8")
    project = Project({"pytest.ini": "[pytest]\n", "matrices/phone.yaml": matrix, **files})
    folder = tmp_path_factory.mktemp("phone")
    return project.run(folder, "--compat-matrix=matrices/phone.yaml", timeout=600)


def cell(result: Result, version: str, listed: str) -> dict:
    return result.cell(framework=f"onnxruntime=={version}", **{"options.mobile": listed})


def test_the_shipped_matrix_runs_from_one_command(result: Result) -> None:
    assert result.code == 0, result.out[-3000:]
    assert len(result.run["cells"]) == 8


@pytest.mark.parametrize(
    ("version", "listed"),
    [(version, "package") for version in WITH_PACKAGE]
    + [(version, "nnapi") for version in WITH_PACKAGE + LATER],
)
def test_what_is_outside_of_a_list_is_told_and_what_is_within_runs(
    result: Result, version: str, listed: str
) -> None:
    here = cell(result, version, listed)
    assert here["status"] == "completed", here
    cases = {case["unit"]: case for case in result.cases if case["cell"] == here["id"]}
    assert set(cases) == set(MODELS)
    for name, case in cases.items():
        outside = SAID[listed, name]
        if outside is None:
            assert (case["status"], case["stage"]) == ("passed", "compare"), case
            assert list(case["ran_on"]) == ["CPUExecutionProvider"]  # here, on no phone
        else:
            assert (case["status"], case["stage"]) == ("unsupported", "load"), case
            assert outside in case["error"]["message"]
            assert case["error"]["rule"].startswith("onnxruntime.")


@pytest.mark.parametrize("version", LATER)
def test_a_release_without_the_list_is_unavailable_and_says_so(
    result: Result, version: str
) -> None:
    here = cell(result, version, "package")
    assert here["status"] == "unavailable"
    assert f"onnxruntime {version} cannot tell what is in its package list" in here["reason"]
    assert "check_model_can_use_ort_mobile_pkg" in here["reason"]
    assert here["counts"] == {"not_run": len(MODELS)}
