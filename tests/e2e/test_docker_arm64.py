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
