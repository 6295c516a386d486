"""README.md and CONTRIBUTING.md: every command is run, or held against the parser that reads it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from pytest_modelcompat import cli
from pytest_modelcompat.matrix import load_matrices
from pytest_modelcompat.matrix.load import load_matrix
from tests.unit.stored_runs import case, cell, report_folder

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
QUICKSTART = ROOT / "matrices" / "quickstart.yaml"


def blocks(text: str, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert found
    return found


def commands(text: str) -> list[list[str]]:
    """Every command of the console blocks as words, without comments; `a && b` is two."""
    found = []
    for block in blocks(text, "console"):
        for line in block.splitlines():
            assert line.startswith("$ "), line
            words = shlex.split(line[2:], comments=True)
            while "&&" in words:
                at = words.index("&&")
                found.append(words[:at])
                words = words[at + 1 :]
            found.append(words)
    return found


def of_program(text: str, name: str) -> list[list[str]]:
    """The arguments with which a program is called."""
    return [words[1:] for words in commands(text) if Path(words[0]).name == name]


README_PYTEST = of_program(README, "pytest")
README_OURS = of_program(README, "modelcompat")


def shown(arguments: list[str]) -> str:
    return " ".join(arguments) or "(nothing)"


def test_no_command_is_of_an_unknown_program() -> None:
    programs = {Path(words[0]).name for words in commands(README) + commands(CONTRIBUTING)}
    assert programs == {"python3", "pip", "pytest", "modelcompat", "nox", "pre-commit"}


def test_the_first_command_installs_extras_that_there_are_and_runs_what_is_configured() -> None:
    first = commands(README)[:3]
    assert first[0] == ["python3", "-m", "venv", ".venv"]
    assert first[1][:4] == [".venv/bin/pip", "install", "-q", "-e"]
    (extras,) = re.findall(r"^\.\[(.*)\]$", first[1][4])
    assert set(extras.split(",")) <= set(SETTINGS["project"]["optional-dependencies"])
    assert first[2] == [".venv/bin/pytest", "--compat-matrix"]
    configured = SETTINGS["tool"]["pytest"]["ini_options"]["compat_matrix"]
    assert (ROOT / configured).samefile(QUICKSTART)


@pytest.mark.parametrize("arguments", README_PYTEST, ids=shown)
def test_pytest_knows_every_option(arguments: list[str], pytestconfig: pytest.Config) -> None:
    read, unknown = pytestconfig._parser.parse_known_and_unknown_args(arguments)
    assert unknown == []
    assert read.file_or_dir == []
    if read.compat_select:
        (matrix,) = load_matrices([QUICKSTART], select=read.compat_select)
        assert matrix.cells
    Expression.compile(read.keyword) if read.keyword else None


def test_the_example_of_a_keyword_means_what_it_says(pytestconfig: pytest.Config) -> None:
    read = [pytestconfig._parser.parse_known_args(arguments) for arguments in README_PYTEST]
    (keyword,) = [each.keyword for each in read if each.keyword]
    chosen = Expression.compile(keyword)
    assert chosen.evaluate(lambda name: name in {"Conv", "op_support"})
    assert not chosen.evaluate(lambda name: name in {"Conv", "parity"})


@pytest.mark.parametrize("arguments", of_program(CONTRIBUTING, "nox"), ids=shown)
def test_parts_of_a_measurement_name_tests_that_there_are(
    arguments: list[str], pytestconfig: pytest.Config
) -> None:
    option, session, *rest = arguments
    assert (option, rest[0]) == ("-s", "--")
    assert f"def {session}(session: nox.Session)" in (ROOT / "noxfile.py").read_text("utf-8")
    part = rest[2:] if rest[1] == "--append" else rest[1:]
    read, unknown = pytestconfig._parser.parse_known_and_unknown_args(part)
    assert unknown == []
    assert read.file_or_dir
    assert [path for path in read.file_or_dir if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("arguments", README_OURS, ids=shown)
def test_our_own_commands_run(arguments: list[str], tmp_path, monkeypatch, capsys) -> None:
    folder = report_folder(tmp_path / "reports" / "latest", [case(0), case(1)], [cell()])
    plan = {"schema": 1, "cells": [{"id": "cell-a", "runtime": "onnxruntime"}]}
    (folder / "plan.json").write_text(json.dumps(plan))
    report_folder(tmp_path / "reports" / "before", [case(0), case(1)], [cell()])
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 0
    said = capsys.readouterr()
    assert said.out
    assert said.err == ""


def test_commands_in_the_text_exist() -> None:
    named = set(re.findall(r"`modelcompat (\w+)", README + CONTRIBUTING))
    assert named
    for name in named:
        with pytest.raises(SystemExit) as leaving:
            cli.main([name, "--help"])
        assert leaving.value.code == 0


def test_the_matrix_loads(tmp_path) -> None:
    shutil.copytree(ROOT / "matrices" / "models", tmp_path / "models")
    (tmp_path / "known-issues.yaml").write_text("[]\n")
    (text,) = blocks(README, "yaml")
    file = tmp_path / "matrix.yaml"
    file.write_text(text, "utf-8")
    matrix = load_matrix(file)
    assert len(matrix.cells) == 6  # three releases, two Pythons
    assert {entry.check for cell in matrix.cells for entry in cell.checks} == {
        "op_support", "parity",
    }  # fmt: skip


def test_options_in_the_text_exist(pytestconfig: pytest.Config) -> None:
    for option in set(re.findall(r"`(--[\w-]+)`", README + CONTRIBUTING)):
        _, unknown = pytestconfig._parser.parse_known_and_unknown_args([option])
        assert option not in unknown


def test_links_lead_somewhere() -> None:
    for page in (README, CONTRIBUTING):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page):
            assert (ROOT / target).exists(), target


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_are_named_are_there(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    package = ROOT / "pytest_modelcompat"
    for path in set(re.findall(r"`([\w./-]+/[\w-]+\.(?:py|yaml|md))`", text)):
        if not Path(path).stem.isupper():  # a placeholder
            assert (ROOT / path).is_file() or (package / path).is_file(), path


def test_contributing_names_sessions_and_flags_that_there_are(
    pytestconfig: pytest.Config,
) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", CONTRIBUTING, flags=re.MULTILINE)
    assert len(rows) >= 9
    noxfile = (ROOT / "noxfile.py").read_text("utf-8")
    sessions = set(re.findall(r"^@nox\.session.*\ndef (\w+)", noxfile, flags=re.MULTILINE))
    for row in rows:
        program, *arguments = shlex.split(row)
        if program == "nox":
            assert arguments[0] == "-s"
            assert arguments[1] in sessions
        elif program == "pytest":
            _, unknown = pytestconfig._parser.parse_known_and_unknown_args(arguments)
            assert unknown == []
        else:
            assert (ROOT / program).is_file(), program
    assert {shlex.split(row)[2] for row in rows if row.startswith("nox")} >= {
        "lint", "mutation", "bench", "coverage",
    }  # fmt: skip
