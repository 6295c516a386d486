"""The schemas that are shipped: real stored runs meet them, and have no field that they hide."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from dataclasses import replace
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_modelcompat.results import changes_file, history
from pytest_modelcompat.results.changes import Kind
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status
from tests.samples import SAMPLES
from tests.unit.stored_runs import ENVIRONMENT, case, cell, report_folder

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("run", "plan", "case", "compat", "changes", "history")
RUNS = (*SAMPLES, *(path.parent for path in sorted(ROOT.glob("tests/golden/*/run.json"))))


def schema(name: str) -> dict[str, Any]:
    place = resources.files("pytest_modelcompat.results") / "schemas" / f"{name}.schema.json"
    return json.loads(place.read_text("utf-8"))


def closed(node: Any) -> Any:
    """The same schema, in which a field that is not described is a mistake."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {name: closed(value) for name, value in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def check(name: str, data: Any) -> None:
    found = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in islice(Draft202012Validator(closed(schema(name))).iter_errors(data), 5)
    ]
    assert found == []


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def every_node(node: Any):
    yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from every_node(each)


def test_all_that_is_shipped_is_tested() -> None:
    place = resources.files("pytest_modelcompat.results") / "schemas"
    assert {each.name for each in place.iterdir()} == {f"{name}.schema.json" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["description"]


def test_the_words_are_those_of_the_code() -> None:
    lists = [n["enum"] for name in NAMES for n in every_node(schema(name))
             if isinstance(n, dict) and isinstance(n.get("enum"), list)]  # fmt: skip
    for words in (Status, CellStatus, Outcome, Stage, Kind):
        assert [each.value for each in words] in lists


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_real_runs_meet_them(folder: Path) -> None:
    check("run", read(folder / "run.json"))
    if (folder / "plan.json").exists():
        check("plan", read(folder / "plan.json"))
    if (folder / "compat.json").exists():
        check("compat", read(folder / "compat.json"))
    validator = Draft202012Validator(closed(schema("case")))
    with gzip.open(folder / "cases.jsonl.gz", "rt", encoding="utf-8") as file:
        seen = set()
        for line in file:
            data = json.loads(line)
            # Thousands are alike: one of each shape says it all.
            shape = (data["status"], *sorted(data), *sorted(data.get("error", {})))
            if shape not in seen:
                seen.add(shape)
                assert [e.message for e in validator.iter_errors(data)] == [], data


def test_changes_and_history_meet_them(tmp_path: Path) -> None:
    for number, letters in enumerate(("PP", "FP", "PF"), 1):
        statuses = {"P": "passed", "F": "failed"}
        environment = replace(ENVIRONMENT, lock_digest=str(number) * 64, python=f"3.12.{number}")
        report_folder(
            tmp_path / str(number),
            [case(n, status=statuses[x], signature="s") for n, x in enumerate(letters)],
            [cell()],
            [environment],
            id=f"run-{number}",
            started=f"2026-11-0{number}T00:00:00+00:00",
        )
    here = tmp_path / "3"
    told = history.collect(tmp_path)
    history.write(here, told)
    changes_file.write(here, load(tmp_path / "2"), load(here), told)
    check("history", read(here / "history.json"))
    check("changes", read(here / "changes.json"))
    check("run", read(here / "run.json"))


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.pop("cells"),
        lambda d: d["cells"][0].update(status="fine"),
        lambda d: d["cells"][0]["counts"].update(passed=-1),
        lambda d: d["run"].update(finished=3),
        lambda d: d["environments"][0].update(lock_digest="short"),
        lambda d: d.update(schema=2),
    ],
)
def test_an_edited_run_does_not(edit) -> None:
    data = deepcopy(read(ROOT / "tests/golden/run-schema-1/run.json"))
    edit(data)
    assert list(Draft202012Validator(schema("run")).iter_errors(data))


def test_additions_of_later_releases_are_no_mistake() -> None:
    data = read(ROOT / "tests/golden/run-schema-1/run.json")
    data["cells"][0]["later"] = {"x": 1}
    assert list(Draft202012Validator(schema("run")).iter_errors(data)) == []
