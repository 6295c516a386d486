"""A run in which nothing changed: the same results, told to be those of the run that measured."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from tests.docs.test_extending import MATRIX, installed
from tests.project import Result

FILE = "matrices/sums.yaml"
OPTIONS = (MATRIX, "--compat-select", "image:open")


def lines(result: Result) -> list[str]:
    with gzip.open(result.report / "cases.jsonl.gz", "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def outcome(result: Result) -> tuple[int, str]:
    """Exit status and counts, without the time that it took."""
    (counts,) = re.findall(r"=+ (.*(?:passed|failed).*) in .*=+", result.out)
    return result.code, counts


def test_every_byte_of_every_case_is_that_of_the_run_that_measured(tmp_path: Path) -> None:
    project = installed(tmp_path)
    first = project.run(tmp_path, *OPTIONS, timeout=60)
    (measured,) = first.run["cells"]
    told, cases, found = outcome(first), lines(first), first.run["run"]
    compat = json.loads((first.report / "compat.json").read_text("utf-8"))

    again = project.run(tmp_path, *OPTIONS, timeout=60)

    (cell,) = again.run["cells"]
    assert f"reused: measured by run {found['id']}, {found['started']}" in cell["notes"]
    assert cell["seconds"]["run"] == 0
    assert again.run["run"]["id"] != found["id"]
    assert outcome(again) == told
    assert lines(again) == cases
    changing = {"seconds": None, "notes": None}
    assert {**cell, **changing} == {**measured, **changing}
    for each in (compat, compat_again := json.loads((again.report / "compat.json").read_text())):
        each["__meta"] = {}
    assert compat_again == compat
    assert found["id"] in (again.report / "index.html").read_text("utf-8"), "in the cell's note"

    fresh = project.run(tmp_path, *OPTIONS, "--compat-fresh", timeout=60)

    (cell,) = fresh.run["cells"]
    assert not [note for note in cell["notes"] if "reused" in note]
    assert outcome(fresh) == told
    assert [_timeless(line) for line in lines(fresh)] == [_timeless(line) for line in cases]


def test_a_known_issue_that_came_since_excuses_what_is_reused(tmp_path: Path) -> None:
    project = installed(tmp_path)
    first = project.run(tmp_path, *OPTIONS, timeout=60)
    assert first.code == 1
    (failed,) = [case for case in first.cases if case["outcome"] == "not_ok"]
    issue = {"id": "K-1", "check": failed["check"], "case": failed["case"], "status": "failed"}
    text = project.files[FILE]
    assert isinstance(text, str)
    project = project.with_file("matrices/known.yaml", json.dumps([issue]))
    project = project.with_file(FILE, text + "\nknown_issues: [known.yaml]\n")

    again = project.run(tmp_path, *OPTIONS, timeout=60)

    assert again.code == 0, again.out
    (cell,) = again.run["cells"]
    assert any(note.startswith("reused") for note in cell["notes"])
    (excused,) = [case for case in again.cases if case["outcome"] == "xfail"]
    assert (excused["case"], excused["known"]) == (failed["case"], "K-1")


def _timeless(line: str) -> dict:
    case = json.loads(line)
    return {name: value for name, value in case.items() if name not in {"seconds", "peak_rss"}}
