"""docs/kubernetes.md: its commands are those that are printed, its words those that are said."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pytest_modelcompat import cli
from pytest_modelcompat.errors import results as words
from pytest_modelcompat.kubernetes.project import MOST
from tests.docs import cli_page

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
(BLOCK,) = re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = [line.removeprefix("$ ") for line in BLOCK.splitlines()]


def test_the_commands_are_those_that_it_prints(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "matrices").symlink_to(ROOT / "matrices")
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(COMMANDS[0])
    assert program == "modelcompat"
    assert cli.main(arguments) == 0
    printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert COMMANDS[1:] == [line for line in printed if line.startswith("kubectl ")]
    for line in COMMANDS[1:]:
        for name in re.findall(r"\S+\.yaml", line):
            assert Path(name).is_file()


def test_options_that_are_named_exist(pytestconfig: pytest.Config) -> None:
    ours = {o for name in ("kubernetes", "merge")
            for action in cli_page.subparsers()[name]._actions
            for o in action.option_strings}  # fmt: skip
    known = pytestconfig._parser.optparser._option_string_actions
    text = PAGE.replace(BLOCK, "")
    named = set(re.findall(r"(?<![\w-])(--[a-z][\w-]+)", text))
    assert {"--run", "--image", "--matrix-in-image"} <= named
    assert [option for option in named if option not in ours and option not in known] == []


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


def test_what_the_report_says_is_quoted() -> None:
    assert f'"{words.in_no_part(None)}"' in PAGE
    assert f'"{words.in_no_part("…")}"' in PAGE


def test_figures_are_those_of_the_code_and_the_schemas() -> None:
    assert MOST == 2**20
    assert "1 MiB at most" in PAGE
    versions = pytest.importorskip("kubernetes_validate").utils.all_versions()
    first, last = (".".join(each.split(".")[:2]) for each in (versions[0], versions[-1]))
    told = re.search(r"schemas of Kubernetes (\S+) to (\S+),", " ".join(PAGE.split()))
    assert told
    if last == told[2]:  # a later release of the schemas' package has others
        assert first == told[1]
