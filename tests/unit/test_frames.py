"""A stored run as tidy pandas frames."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import CellStatus, Outcome
from tests.unit.stored_runs import case, cell, report_folder

pytest.importorskip("pandas")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cases = [case(n, cell=c) for c in ("cell-a", "cell-b") for n in range(3)]
    cases += [
        case(3, status="failed", signature="s", mismatch={"ratio": 2.5, "max_abs": float("inf")}),
        case(4, status="not_run", outcome="info", reason="stopped", run_seconds=()),
    ]
    none = cell("cell-c", status=CellStatus.UNAVAILABLE, outcome=Outcome.INFO, reason="no GPU")
    other = cell("cell-b", framework="onnxruntime==1.20.1")
    return report_folder(tmp_path, cases, [cell(), other, none])


def test_one_row_a_cell(folder: Path):
    cells = load(folder).frames().cells.set_index("cell")
    assert list(cells.index) == ["cell-a", "cell-b", "cell-c"]
    assert list(cells["framework"]) == [
        "onnxruntime==1.31.1", "onnxruntime==1.20.1", "onnxruntime==1.31.1",
    ]  # fmt: skip
    assert list(cells["cases.passed"]) == [3, 3, 0]
    assert cells["cases.failed"].dtype == "int64"
    assert cells.loc["cell-c", "reason"] == "no GPU"
    assert cells.loc["cell-a", "seconds.install"] == 1.25


def test_one_row_a_case(folder: Path):
    cases = load(folder).frames().cases
    assert len(cases) == 8
    by_status = cases.groupby(["framework", "status"], observed=True).size().to_dict()
    assert by_status == {
        ("onnxruntime==1.31.1", "passed"): 3, ("onnxruntime==1.31.1", "failed"): 1,
        ("onnxruntime==1.31.1", "not_run"): 1, ("onnxruntime==1.20.1", "passed"): 3,
    }  # fmt: skip
    failed = cases[cases["status"] == "failed"].iloc[0]
    assert (failed["ratio"], failed["signature"], failed["n"]) == (2.5, "s", 3)
    assert math.isinf(failed["max_abs"])
    idle = cases[cases["status"] == "not_run"].iloc[0]
    assert idle["reason"] == "stopped"
    assert math.isnan(idle["run_seconds"])
    assert cases["reference"].iloc[0] == "onnx==1.18.0"


def test_a_run_without_cells_or_cases(tmp_path: Path):
    frames = load(report_folder(tmp_path, [], [])).frames()
    assert len(frames.cells) == len(frames.cases) == 0
    assert "status" in frames.cases.columns


def test_without_pandas_it_is_told(folder: Path):
    code = (
        "import sys\n"
        "sys.modules['pandas'] = None\n"
        "from pytest_modelcompat import results\n"
        f"results.load({str(folder)!r}).frames()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UsageProblem: Data frames need pandas" in done.stderr
    assert "pip install 'pytest-modelcompat[frames]'" in done.stderr
