"""Cells for arm64 on whatever this machine is: right, told to be emulated, with longer limits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e import engine
from tests.e2e.test_docker import MATRIX, PLUGIN, statuses
from tests.e2e.test_faults import ends, with_backend
from tests.project import Project

pytestmark = [
    pytest.mark.engine,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(os.uname().machine == "aarch64", reason="nothing is emulated here"),
]

ROOT = Path(__file__).resolve().parents[2]
BOARD = {"id": "board", "image": engine.ARM64, "platform": "linux/arm64"}
OPTIONS = ("--compat-matrix=matrices/m.yaml", "--compat-fresh", *PLUGIN)
EMULATED = "emulated: aarch64 on another processor; time limits are 10 times as long"
BODY = """
import time
import numpy as np
from onnx.backend.base import Backend, BackendRep

class Prepared(BackendRep):
    def __init__(self, name):
        self.name = name

    def run(self, inputs, **_):
        time.sleep({"slow": 3.0, "hangs": 1000.0}.get(self.name, 0.0))
        return (-np.asarray(inputs[0]),)

class Faulty(Backend):
    @classmethod
    def supports_device(cls, device):
        return device == "CPU"

    @classmethod
    def prepare(cls, model, device="CPU", **_):
        return Prepared(model.graph.name)
"""


def test_the_same_answers_as_here_and_told_to_be_emulated(tmp_path: Path) -> None:
    images = f"{engine.BOOKWORM}, {json.dumps(BOARD)}"
    text = MATRIX.format(images=images, match="Conv, Relu, Softmax", more="")
    before = engine.everything()
    result = Project({"matrices/m.yaml": text, "pytest.ini": "[pytest]\n"}).run(
        tmp_path, *OPTIONS, timeout=550
    )
    here, there = result.cell(image=engine.BOOKWORM), result.cell(image=engine.ARM64)
    assert there["status"] == "completed", there
    assert statuses(result, there) == statuses(result, here)
    assert there["counts"]["passed"] >= 15
    facts = there["attestation"]
    assert facts["emulated"] is True
    assert facts["machine"] == "aarch64"
    assert here["attestation"]["machine"] == os.uname().machine
    assert here["attestation"]["emulated"] is False
    assert facts["image_digest"] == engine.digest(engine.ARM64)
    assert facts["libc"] == here["attestation"]["libc"]
    assert any(note.startswith(EMULATED) for note in there["notes"])
    assert "emulated" in (result.report / "summary.md").read_text("utf-8")
    # the wheels are others
    locks = {cell["environment"]["lock_digest"] for cell in (here, there)}
    assert None not in locks
    assert engine.everything() == before


def test_time_limits_are_ten_times_as_long(tmp_path: Path) -> None:
    made = with_backend(tmp_path, ("slow", "hangs"), BODY)
    matrix = json.loads(str(made.files["matrices/m.yaml"]))
    matrix["axes"]["image"] = [BOARD]
    matrix["limits"] = {"case": "2s", "memory": "2GiB"}
    result = made.with_file("matrices/m.yaml", json.dumps(matrix)).run(
        tmp_path, *OPTIONS, timeout=550
    )
    # a case that takes longer than the limit says, but not ten times as long, is right
    assert ends(result) == {
        "slow": ("passed", "compare", None),
        "hangs": ("timed_out", "run", "SIGKILL"),
    }
    (cell,) = result.run["cells"]
    assert cell["seconds"]["run"] >= 23  # both waited for
    assert engine.left() == []


BOARDS = {  # release -> what becomes of its models
    "tflite-runtime==2.14.0": {"passed": 3, "unsupported": 1},  # as on any processor
    "ai-edge-litert==1.4.0": {"passed": 4},
    "ai-edge-litert==2.3.0": {"crashed": 4},
}


def test_the_boards_of_the_edge(tmp_path: Path) -> None:
    """`matrices/edge.yaml`, its arm64 cells, as they are shipped."""
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in (
            ROOT / "matrices" / "edge.yaml",
            ROOT / "matrices" / "known" / "edge.yaml",
            *(ROOT / "matrices" / "models" / "formats").iterdir(),
        )
        if path.is_file()
    }
    before = engine.everything()
    result = Project(files | {"pytest.ini": "[pytest]\n"}).run(
        tmp_path, "--compat-matrix=matrices/edge.yaml", "--compat-select=image:*-arm64",
        "--compat-fresh", *PLUGIN, timeout=580,
    )  # fmt: skip
    assert result.code == 0, result.out[-3000:]
    assert {cell["axes"]["framework"]: cell["status"] for cell in result.run["cells"]} == (
        dict.fromkeys(BOARDS, "completed")
    )
    for cell in result.run["cells"]:
        facts = cell["attestation"]
        assert (facts["machine"], facts["emulated"]) == ("aarch64", True)
        assert any(note.startswith(EMULATED) for note in cell["notes"])
        assert cell["counts"] == BOARDS[cell["axes"]["framework"]]
    for case in result.cases:
        if case["status"] == "crashed":
            assert (case["stage"], case["error"]["signal"]) == ("load", "SIGSEGV")
            assert (case["outcome"], case["known"]) == ("xfail", "litert-2.3.0-arm64")
        elif case["status"] == "passed":
            assert list(case["ran_on"]) == ["cpu"]
        else:
            assert case["unit"] == "dynamic-range"
            assert "Didn't find op for builtin opcode" in case["error"]["message"]
    assert engine.everything() == before
