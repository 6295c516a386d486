"""Mistakes on the command line: one clear message each, exit status 4, no traceback."""

from __future__ import annotations

import sys

import pytest

from tests.project import SMALL, Project

PROJECT = Project({"matrices/small.yaml": SMALL, "pytest.ini": "[pytest]\n"})

MATRIX = "--compat-matrix=matrices/small.yaml"

BAD = {
    "no such file": (["--compat-matrix=nowhere.yaml"], "no matrix at 'nowhere.yaml'", "init"),
    "no such folder": (["--compat-matrix=nowhere/"], "no matrix at 'nowhere/'", "init"),
    "empty folder": (["--compat-matrix=empty"], "holds no matrix file", "init"),
    "a file that is no matrix": (["--compat-matrix=pytest.ini"], "pytest.ini:1", ""),
    "a NUL in a name is a name": (["--compat-matrix=a\u0085b"], "no matrix at", "init"),
    "jobs of words": ([MATRIX, "--compat-jobs=many"], "whole number from 1 to 1024", ""),
    "no jobs": ([MATRIX, "--compat-jobs=0"], "whole number from 1 to 1024", ""),
    "minus jobs": ([MATRIX, "--compat-jobs=-2"], "whole number from 1 to 1024", ""),
    "too many jobs": ([MATRIX, "--compat-jobs=99999999999999999999"], "whole number", ""),
    "shard without of": ([MATRIX, "--compat-shard=1"], "--compat-shard takes I/N", "1/4"),
    "shard beyond": ([MATRIX, "--compat-shard=5/4"], "--compat-shard takes I/N", "1/4"),
    "shard zero": ([MATRIX, "--compat-shard=0/4"], "--compat-shard takes I/N", "1/4"),
    "status misspelt": ([MATRIX, "--compat-fail-on=unsuported"], "'unsuported'", "'unsupported'?"),
    "status unknown": ([MATRIX, "--compat-fail-on=fallback,zzz"], "'zzz'", ""),
    "select without colon": ([MATRIX, "--compat-select=onnxruntime"], "onnxruntime", ""),
    "select unknown axis": ([MATRIX, "--compat-select=framwork:onnx*"], "framwork", "'framework'"),
    "select bad specifier": (
        [MATRIX, "--compat-select=framework:onnxruntime>=x"],
        "onnxruntime>=x",
        "",
    ),
    "select leaves nothing": (
        [MATRIX, "--compat-select=python:2.7"],
        "leaves no cell",
        "--compat-plan",
    ),
    "report is a file": (
        [MATRIX, "--compat-report=pytest.ini"],
        "it is not a folder",
        "Name another",
    ),
    "baseline is no run": (
        [MATRIX, "--compat-baseline=matrices"],
        "it has no run.json",
        "earlier run",
    ),
    "baseline is the report": (
        [MATRIX, "--compat-baseline=stored", "--compat-report=empty/../stored"],
        "is the folder that this run writes its report into",
        "Copy the earlier run",
    ),
    "option without matrix": (["--compat-jobs=2"], "does nothing without --compat-matrix", "Add"),
    "plan without matrix": (["--compat-plan"], "does nothing without --compat-matrix", "Add"),
    "xdist": ([MATRIX, "-n2"], "-n", "--compat-jobs"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_command_line(name: str, tmp_path) -> None:
    arguments, message, hint = BAD[name]
    (tmp_path / "empty").mkdir()
    (tmp_path / "stored").mkdir()
    (tmp_path / "stored" / "run.json").write_text("{}")

    result = PROJECT.run(tmp_path, *arguments, timeout=60)

    said = result.out + result.err
    assert result.code == 4, said
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("ERROR: ")]
    assert len(lines) == 1, said
    assert message in lines[0]
    assert hint in lines[0]


def test_all_mistakes_are_told_at_once(tmp_path) -> None:
    result = PROJECT.run(
        tmp_path, MATRIX, "--compat-jobs=no", "--compat-shard=no", "--compat-fail-on=no"
    )
    assert result.code == 4
    for option in ("--compat-jobs", "--compat-shard", "--compat-fail-on"):
        assert option in result.err


def test_a_matrix_above_the_place_one_stands_in(tmp_path) -> None:
    project = Project({**PROJECT.files, "below/pytest.ini": "[pytest]\n"})
    (tmp_path / "below").mkdir()
    for named in ("../matrices/small.yaml", "../matrices"):
        result = project.command(
            tmp_path, "sh", "-c", f"cd below && exec {sys.executable} -m pytest --collect-only -q"
            f" -p no:cacheprovider --compat-matrix={named}",
        )  # fmt: skip
        assert result.code == 0, result.out + result.err
        assert "::op_support::ai.onnx.Relu" in result.out


KNOWN = "# what we know\n---\n- id: K-1\n  unit: m\n  status: [failed]\n"


def test_a_list_of_known_issues_beside_its_matrix_is_passed_over(tmp_path) -> None:
    files = {**PROJECT.files, "matrices/small.yaml": SMALL + "known_issues: [known.yaml]\n"}
    project = Project({**files, "matrices/known.yaml": KNOWN, "matrices/empty.yml": "[]\n"})
    for command in ("--compat-plan", "--collect-only"):
        result = project.run(tmp_path, "--compat-matrix=matrices", command, timeout=60)
        assert result.code == 0, result.out + result.err
        assert "small.yaml" in result.out
        assert "known.yaml" not in result.out


def test_a_list_that_is_named_itself_is_told_to_be_one(tmp_path) -> None:
    project = PROJECT.with_file("matrices/known.yaml", KNOWN)
    result = project.run(tmp_path, "--compat-matrix=matrices/known.yaml", timeout=60)
    assert result.code == 4
    assert "list" in result.err
    assert "known_issues" in result.err
