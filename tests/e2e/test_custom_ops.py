"""Operators of a library from elsewhere: the real package, loaded in the cells and nowhere else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.project import Project

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "matrices" / "models" / "custom-ops"


def test_operators_of_onnxruntime_extensions(tmp_path: Path) -> None:
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in MODELS.iterdir()}
    matrix = (ROOT / "matrices" / "custom-ops.yaml").read_text("utf-8")
    project = Project({"pytest.ini": "[pytest]\n", "matrices/custom-ops.yaml": matrix, **files})
    result = project.run(tmp_path, "--compat-matrix=matrices/custom-ops.yaml", timeout=900)
    assert result.code == 0, result.out[-3000:]
    extensions = {
        cell["id"]: cell["axes"]["packages.onnxruntime-extensions"] for cell in result.run["cells"]
    }
    assert Counter(extensions.values()) == {"0.4.2": 1, "0.9.0": 3, "0.10.1": 3, "0.15.2": 3}
    for cell in result.run["cells"]:
        assert cell["status"] == "completed", cell
        found = cell["attestation"]["distributions"]["onnxruntime-extensions"]
        assert found == extensions[cell["id"]]
    said: dict[tuple[str, str], set[str]] = {}
    for case in result.cases:
        key = (case["unit"], extensions[case["cell"]])
        said.setdefault(key, set()).add(case["status"])
        if case["status"] == "unsupported":
            assert case["stage"] == "load"
            assert case["error"]["rule"] == "onnxruntime.unregistered"
            assert "is not a registered function/op" in case["error"]["message"]
    every = ("0.9.0", "0.10.1", "0.15.2")
    assert said == {
        **{(name, release): {"passed"} for name in ("upper", "strip", "inverse")
           for release in every},
        **{("upper-without-its-library", release): {"unsupported"}
           for release in ("0.4.2", *every)},
        ("upper", "0.4.2"): {"passed"},
        ("strip", "0.4.2"): {"unsupported"},  # it came later
    }  # fmt: skip
