"""Batches and sequences over real releases: the ways of calling agree, and are really different."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.project import Project, Result

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "matrices" / "models"
LSTM = "models/sensor-lstm/"


def project(*names: str, **more: str) -> Project:
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for name in names
        for path in [MODELS / name, *(MODELS / name).rglob("*")]
        if path.is_file()
    }
    return Project({"pytest.ini": "[pytest]\n", **files, **more})


def test_the_shipped_matrix(tmp_path: Path) -> None:
    matrix = (ROOT / "matrices" / "streaming.yaml").read_text("utf-8")
    made = project("digits-cnn", "sensor-lstm", "streams.py", **{"matrices/streaming.yaml": matrix})
    result = made.run(tmp_path, "--compat-matrix=matrices/streaming.yaml", timeout=900)
    assert result.code == 0, result.out[-3000:]
    assert {cell["status"] for cell in result.run["cells"]} == {"completed"}
    assert {case["status"] for case in result.cases} == {"passed"}
    ways = Counter(
        (case["unit"], case["case"].rpartition("/")[2].partition(",")[2]) for case in result.cases
    )
    cells = len(result.run["cells"])
    assert cells == 5
    assert ways == {
        **{("digits-cnn", way): cells for way in ("", "batch1", "batch4")},
        **{("sensor-lstm", way): cells for way in ("", "step1", "step8")},
        **{("lstm", way): 2 * cells for way in ("", "batch1", "batch4", "step1", "step4")},
    }
    kinds = {case["unit"]: case["reference"]["kind"] for case in result.cases}
    assert kinds == {"digits-cnn": "data", "sensor-lstm": "data", "lstm": "producer"}


MATRIX = """\
schema: 1
axes: {{framework: {{onnxruntime: ["1.20.1", "1.31.1"]}}}}
checks: {{parity: {{models: [{{name: lstm, path: {path}, data: {data}}}]}}}}
"""


def run(folder: Path, data: str) -> Result:
    matrix = MATRIX.format(path=f"{LSTM}model.onnx", data=data)
    made = project("sensor-lstm", **{"matrices/m.yaml": matrix})
    return made.run(folder, "--compat-matrix=matrices/m.yaml")


def by_way(result: Result) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for case in result.cases:
        way = case["case"].rpartition("/")[2].partition(",")[2]
        found.setdefault(way, set()).add(case["status"])
    return found


def test_a_state_that_is_not_handed_on_is_seen(tmp_path: Path) -> None:
    given = f"inputs: {LSTM}holdout.npz, outputs: {LSTM}holdout-expected.npz"
    kept = "axes: {hidden: whole, memory: whole, next_hidden: whole, next_memory: whole}"
    result = run(tmp_path, f"{{{given}, sequence: {{step: 1, axis: 1, {kept}}}}}")
    assert result.code == 1
    assert by_way(result) == {"": {"passed"}, "step1": {"failed"}}


def test_what_cannot_be_cut_is_an_error_in_plain_words(tmp_path: Path) -> None:
    given = f"inputs: {LSTM}holdout.npz, outputs: {LSTM}holdout-expected.npz"
    result = run(tmp_path, f"{{{given}, batch: [1]}}")
    assert result.code == 1
    [said] = {case["error"]["message"] for case in result.cases if case["status"] == "error"}
    assert said == "inputs differ in rows: steps 2, hidden 1, memory 1"


def test_the_evaluator_is_asked_for_the_whole(tmp_path: Path) -> None:
    """Steps that lose their state are wrong, and no reference is made of them."""
    kept = "axes: {hidden: whole, memory: whole, next_hidden: whole, next_memory: whole}"
    state = "state: {hidden: next_hidden, memory: next_memory}"
    given = "random: 1, dims: {time: 12}"
    lost = run(tmp_path / "lost", f"{{{given}, sequence: {{step: 1, axis: 1, {kept}}}}}")
    assert by_way(lost) == {"": {"passed"}, "step1": {"failed"}}
    handed = run(tmp_path / "handed", f"{{{given}, sequence: {{step: [1, 4], axis: 1, {state}}}}}")
    assert handed.code == 0, handed.out[-3000:]
    assert by_way(handed) == {"": {"passed"}, "step1": {"passed"}, "step4": {"passed"}}
    assert {case["reference"]["kind"] for case in lost.cases + handed.cases} == {"onnx"}
