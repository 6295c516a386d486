"""Whole runs in environments of the user's own: a nox session, a tox environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import Project

pytestmark = [pytest.mark.network, pytest.mark.slow]

MATRIX = """\
schema: 1
axes:
  framework: {onnxruntime: [installed, "1.20.1"]}
  image:
    - {kind: nox, value: cells}
    - {kind: tox, value: cells, id: by-tox}
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [Relu]
"""
NOX = """\
import nox

@nox.session(venv_backend="uv")
def cells(session):
    session.install("onnxruntime==1.23.2")
    session.run("python", "-c", "raise SystemExit('it was run')")
"""
TOX = """\
[tox]
no_package = true
[testenv:cells]
deps = onnxruntime==1.23.2
commands = python -c "raise SystemExit('it was run')"
"""


def test_what_they_installed_is_used_attested_and_held_against_the_axes(tmp_path: Path) -> None:
    files = {"m.yaml": MATRIX, "noxfile.py": NOX, "tox.ini": TOX}
    result = Project(files).run(tmp_path, "--compat-matrix", "m.yaml", timeout=600)
    assert result.code == 1, result.out + result.err
    found = {}
    for cell in result.run["cells"]:
        kind = cell["environment"]["kind"]
        found[kind, cell["axes"]["framework"]] = cell["status"]
        if cell["status"] == "completed":
            assert cell["attestation"]["distributions"]["onnxruntime"] == "1.23.2"
            lock = result.report / "locks" / f"{cell['environment']['lock_digest']}.txt"
            assert "onnxruntime==1.23.2\n    # content sha256:" in lock.read_text("utf-8")
        else:
            assert "onnxruntime==1.20.1 is asked for, 1.23.2 is there" in cell["reason"]
    for kind in ("nox", "tox"):
        assert found[kind, "onnxruntime==installed"] == "completed"
        assert found[kind, "onnxruntime==1.20.1"] == "misconfigured"
    measured = {case["status"] for case in result.cases}
    assert measured == {"passed", "not_run"}
    assert not (tmp_path / ".nox").exists()
    assert not (tmp_path / ".tox").exists()
