"""A matrix in parts, on real packages: plan, shards, merge, and one answer about known issues."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytest_modelcompat.results.load import load
from tests.project import Project

pytestmark = pytest.mark.network

MATRIX = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.20.1", "1.22.1", "1.23.2"]
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [Relu, Abs]
known_issues: [known.yaml]
"""
# Shows in no release: no part can know that, all together do.
KNOWN = """\
- id: relu-is-broken
  unit: ai.onnx::Relu
  issue: https://example.org/1
"""


def project(known: str = "[]\n") -> Project:
    return Project(
        {"pytest.ini": "[pytest]\n", "matrices/m.yaml": MATRIX, "matrices/known.yaml": known}
    )


def ours(made: Project, folder: Path, *arguments: str):
    return made.command(folder, sys.executable, "-m", "pytest_modelcompat.cli", *arguments)


def shards(made: Project, folder: Path, count: int) -> list[str]:
    names = [f"part-{index}" for index in range(1, count + 1)]
    for index, name in enumerate(names, 1):
        result = made.run(
            folder, "--compat-matrix=matrices/m.yaml", f"--compat-shard={index}/{count}",
            f"--compat-report={name}",
        )  # fmt: skip
        assert result.code == 0, result.out
    return names


def test_two_shards_are_the_whole(tmp_path: Path) -> None:
    made = project()
    plan = ours(made, tmp_path, "plan", "matrices/m.yaml")
    (tmp_path / "plan.json").write_text(plan.out)
    parts = shards(made, tmp_path, 2)
    merged = ours(made, tmp_path, "merge", *parts, "--output", "whole", "--plan", "plan.json")
    assert merged.code == 0, merged.err
    assert made.run(tmp_path, "--compat-matrix=matrices/m.yaml").code == 0
    whole, once = load(tmp_path / "whole"), load(tmp_path / "reports" / "latest")
    assert [cell.id for cell in whole.cells] == [cell.id for cell in once.cells]
    assert [cell.counts for cell in whole.cells] == [cell.counts for cell in once.cells]
    assert [(c.cell, c.n, c.case, c.status) for c in whole.cases()] == [
        (c.cell, c.n, c.case, c.status) for c in once.cases()
    ]
    assert whole.plan["cells"] == once.plan["cells"] == json.loads(plan.out)["cells"]
    lost = ours(made, tmp_path, "merge", parts[0], "--output", "half")
    assert (lost.code, "shard 2/2 with 1 of 3 cells is missing" in lost.err) == (1, True)


def test_a_known_issue_is_decided_by_all_parts_together(tmp_path: Path) -> None:
    made = project(KNOWN)
    alone = made.run(tmp_path, "--compat-matrix=matrices/m.yaml")
    assert alone.code == 1
    parts = shards(made, tmp_path, 2)
    merged = ours(made, tmp_path, "merge", *parts, "--output", "whole")
    assert merged.code == 1
    assert "relu-is-broken no longer shows" in merged.out
    outcomes = [(c.unit, c.outcome.value) for c in load(tmp_path / "whole").cases()]
    assert set(outcomes) == {("ai.onnx::Relu", "xpass"), ("ai.onnx::Abs", "ok")}


def test_a_matrix_of_which_nothing_was_measured_fails_and_says_so_loudly(tmp_path: Path) -> None:
    plain = MATRIX.replace("known_issues: [known.yaml]\n", "")
    impossible = plain.replace('["1.20.1", "1.22.1", "1.23.2"]', '["9.9.9"]')
    made = Project({"pytest.ini": "[pytest]\n", "matrices/m.yaml": impossible})
    result = made.run(tmp_path, "--compat-matrix=matrices/m.yaml")
    assert result.code == 1, result.out
    assert "NOTHING WAS MEASURED" in result.out
    assert "1 cell unsatisfiable" in result.out
    assert "9.9.9" in result.out.partition("NOTHING WAS MEASURED")[2]
    beside = made.with_file("matrices/n.yaml", plain.replace('"1.20.1", "1.22.1", ', ""))
    both = beside.run(tmp_path, "--compat-matrix=matrices")
    assert both.code == 1, both.out
    assert "NOTHING WAS MEASURED of the matrix 'm'" in both.out
