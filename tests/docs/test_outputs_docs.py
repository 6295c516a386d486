"""docs/{cli,statuses,outputs,pandas,ci}.md: held against the code, executed where they can be."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from pytest_modelcompat import cli, stored_runs
from pytest_modelcompat.report.markdown import JOB_LIMIT, LIMIT
from pytest_modelcompat.results.changes import Kind
from pytest_modelcompat.results.expect import outcome_of
from pytest_modelcompat.results.exports.metrics import METRICS
from pytest_modelcompat.results.folder import OUTPUTS
from pytest_modelcompat.results.model import CellStatus, Outcome, Status
from tests.docs import cli_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("cli", "statuses", "outputs", "pandas", "ci")


def text(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def rows(page: str, title: str) -> list[list[str]]:
    """The cells of the first table below a title."""
    below = page.partition(title)[2]
    (table, *_) = re.findall(r"(?:^\|.*\n)+", below, flags=re.MULTILINE)
    lines = [[c.strip() for c in line.strip("|\n").split("|")] for line in table.splitlines()]
    return lines[2:]


def test_the_command_line_is_told_as_it_is() -> None:
    assert text("cli") == cli_page.page(), "python -m tests.docs.cli_page > docs/cli.md"


def test_every_command_and_option_has_words() -> None:
    for name, parser in cli_page.subparsers().items():
        for action in parser._actions:
            assert action.help, (name, action.dest)
    assert all(how.get("help") for _, how in cli_page.pytest_options())
    assert set(cli_page.MORE) <= set(cli_page.subparsers())


@pytest.mark.parametrize(
    ("title", "words"), [("## Statuses of a case", Status), ("## Statuses of a cell", CellStatus)]
)
def test_statuses_have_the_outcomes_that_are_told(title: str, words) -> None:
    told = {row[0].strip("`"): row[-1].strip("`") for row in rows(text("statuses"), title)}
    assert told == {each.value: outcome_of(each).value for each in words}


def test_every_outcome_is_told() -> None:
    told = [row[0].strip("`") for row in rows(text("statuses"), "## Outcomes")]
    assert told == [each.value for each in Outcome]


def test_exit_codes_are_those_of_pytest() -> None:
    told = [int(row[0]) for row in rows(text("statuses"), "## Exit status of a run")]
    assert told == [int(code) for code in pytest.ExitCode][:6]  # newer ones are never ours


def test_every_file_of_a_run_is_told_with_its_schema() -> None:
    told = {row[0].strip("`") for row in rows(text("outputs"), "# What a run writes")}
    assert told == {*OUTPUTS, "plan.json", "locks/DIGEST.txt", "outputs/", "run.sqlite"}
    shipped = {p.name for p in (ROOT / "pytest_modelcompat/results/schemas").iterdir()}
    linked = set(re.findall(r"schemas/(\w+\.schema\.json)\)", text("outputs")))
    assert linked == shipped


@pytest.mark.parametrize(("at", "name"), [(0, "ranges"), (1, "variants")])
def test_the_examples_of_a_run_are_ones(at: int, name: str) -> None:
    blocks = re.findall(r"```json\n(.*?)```", text("outputs"), flags=re.DOTALL)
    assert len(blocks) == 2
    schema = json.loads(
        (ROOT / "pytest_modelcompat/results/schemas/run.schema.json").read_text("utf-8")
    )
    Draft202012Validator(schema["properties"][name]["items"]).validate(json.loads(blocks[at]))


def test_words_formats_and_metrics_are_all_told() -> None:
    page = text("outputs")
    assert [row[0] for row in rows(page, "## Changes")] == [kind.value for kind in Kind]
    formats = {row[0].strip("`-") for row in rows(page, "## Exports")}
    assert formats == set(stored_runs._EXPORTS)
    assert set(re.findall(r"`(modelcompat_\w+)`", page)) == set(METRICS)
    assert f"{LIMIT // 1000} KB" in page
    assert f"{JOB_LIMIT // 1000} KB" in page


def test_pandas_examples_run(monkeypatch, capsys) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(ROOT)
    space: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", text("pandas"), flags=re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        exec(block, space)
    said = capsys.readouterr().out
    assert "passed" in said
    pivot = space["by_release"]
    assert pivot.loc["onnxruntime==1.31.1", "passed"] > 1000  # type: ignore[attr-defined]
    assert len(space["gained"]) > 3  # type: ignore[arg-type]
    frames = space["frames"]
    for name in re.findall(r"`(\w+)`", text("pandas").partition("`frames.cases` has")[2]):
        if name != "NaN":
            assert name in frames.cases.columns, name  # type: ignore[attr-defined]


def ci_commands() -> list[list[str]]:
    found = [
        line[2:]
        for block in re.findall(r"```console\n(.*?)```", text("ci"), flags=re.DOTALL)
        for line in block.splitlines()
    ]
    (workflow,) = re.findall(r"```yaml\n(.*?)```", text("ci"), flags=re.DOTALL)
    steps = [s for job in yaml.safe_load(workflow)["jobs"].values() for s in job["steps"]]
    found += [step["run"].replace("${{ matrix.part }}", "1") for step in steps if "run" in step]
    split = [re.split(r" (?:>>?|\|\|) ", line)[0] for line in found]
    return [shlex.split(line) for line in split if not line.startswith("pip ")]


@pytest.mark.parametrize("words", ci_commands(), ids=" ".join)
def test_ci_commands_are_ones(words: list[str], pytestconfig: pytest.Config) -> None:
    program, *arguments = words
    if program == "pytest":
        _, unknown = pytestconfig._parser.parse_known_and_unknown_args(arguments)
        assert unknown == []
    else:
        assert program == "modelcompat"
        assert cli._parser().parse_args(arguments).run


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", text(name)):
        assert (DOCS / target).exists(), target


@pytest.mark.parametrize("name", PAGES)
def test_options_that_are_named_exist(name: str, pytestconfig: pytest.Config) -> None:
    ours = {o for parser in cli_page.subparsers().values()
            for action in parser._actions for o in action.option_strings}  # fmt: skip
    known = pytestconfig._parser.optparser._option_string_actions
    for option in set(re.findall(r"(?<![\w-])(--[a-z][\w-]+)", text(name))):
        assert option in ours or option in known, option
