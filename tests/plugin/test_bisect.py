"""`modelcompat bisect` on real releases."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_modelcompat.results.load import load
from tests.project import Project

pytestmark = pytest.mark.network

# RotaryEmbedding came to the corpus with opset 23; releases before it do not accept its models.
MATRIX = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.20.1", "1.23.2"]
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [RMSNormalization, Relu]
"""


def ours(folder: Path, *arguments: str):
    made = Project({"matrices/m.yaml": MATRIX})
    return made.command(folder, sys.executable, "-m", "pytest_modelcompat.cli", *arguments)


def test_the_first_good_release_is_found_in_the_index(tmp_path: Path) -> None:
    case = "test_rms_normalization_2d_axis0"
    coarse = ours(tmp_path, "bisect", "matrices/m.yaml", case)
    assert coarse.code == 0, coarse.err
    assert coarse.out.startswith("first good: 1.23.2 (passed)\nlast bad: 1.20.1 (gated")
    fine = ours(tmp_path, "bisect", "matrices/m.yaml", case, "--releases", "--report", "b")
    assert fine.code == 0, fine.err
    first = fine.out.splitlines()[0]
    assert first.startswith("first good: 1.2"), fine.out
    assert "1.23.2" not in first
    probed = [load(folder) for folder in sorted((tmp_path / "b").iterdir())]
    assert all(sum(c.counts.values()) > sum(c.counts.get(s, 0) for s in ("passed", "gated"))
               for run in probed for c in run.cells)  # fmt: skip
    assert {case.status.value for run in probed for case in run.cases()} <= {
        "passed", "gated", "not_run",
    }  # fmt: skip


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    for arguments, message in (
        (["matrices/m.yaml", "test_rms_normalization_2d_axis"], "Did you mean"),
        (["matrices/m.yaml", "RMSNormalization"], "means"),
        (["matrices/m.yaml", "test_relu", "--select", "framework:onnxruntime<1.21"], "1.20.1"),
        (["matrices/m.yaml", "test_relu", "--accept", "fine"], "status 'fine'"),
        (["matrices/m.yaml", "test_relu", "--report", "matrices/m.yaml"], "not a folder"),
    ):
        done = ours(tmp_path, "bisect", *arguments)
        assert (done.code, message in done.err, "Traceback" in done.err) == (4, True, False)
        assert "running" not in done.err, "all of it is known before anything runs"
        assert not (tmp_path / "reports").exists()
