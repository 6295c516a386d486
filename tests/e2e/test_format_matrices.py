"""The matrices of runtimes with formats of their own: one command each, and really measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import Project

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
MEASURED = {
    "edge": {"tflite-runtime", "ai-edge-litert", "ncnn"},
    "legacy": {"mxnet", "opencv-python-headless"},
    "tensorflow-compat": {"tensorflow-cpu"},
    "torchscript-compat": {"torch"},
    "trees": {"xgboost", "lightgbm", "scikit-learn"},
}


@pytest.mark.parametrize("name", MEASURED)
def test_it_runs_from_one_command(name: str, tmp_path: Path) -> None:
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in (ROOT / "matrices").rglob("*")
        if path.is_file()
    }
    result = Project(files).run(tmp_path, "--compat-matrix", f"matrices/{name}.yaml", timeout=1800)
    assert result.code == 0, result.out[-3000:]
    assert (result.report / "index.html").is_file()
    completed = [cell for cell in result.run["cells"] if cell["status"] == "completed"]
    passed = {
        cell["axes"]["framework"].partition("==")[0]
        for cell in completed
        if cell["counts"].get("passed")
    }
    assert passed == MEASURED[name]
    for cell in completed:
        distribution, _, version = cell["axes"]["framework"].partition("==")
        found = cell["attestation"]["distributions"][distribution]
        assert found.partition("+")[0] == version
    if name == "edge":  # the delegate was asked for and took nothing: right, and still not green
        [case] = [
            case for case in result.cases
            if case["unit"] == "int8" and case["cell"].startswith("tflite-runtime-2.14.0")
            and case["requested"] == "xnnpack"
        ]  # fmt: skip
        assert (case["status"], case["ran_on"]) == ("fallback", {"cpu": 7})
    if name == "legacy":  # the last release that reads it, and the first that says it does not
        statuses = {
            case["status"] for case in result.cases
            if case["unit"] == "caffe" and "5.0.0.93" in case["cell"]
        }  # fmt: skip
        assert statuses == {"unsupported"}
    if name.endswith("-compat"):  # both directions, and nothing but passes
        assert {case["status"] for case in result.cases} == {"passed"}
