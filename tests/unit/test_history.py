"""Many runs: each case over time, what is flaky, and what a run keeps of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat import cli
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.errors.results import StoredRunProblem
from pytest_modelcompat.report.states import CASE_STATES
from pytest_modelcompat.results import changes_file, history
from pytest_modelcompat.results.changes import Kind
from pytest_modelcompat.results.compare import compare_runs
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import Status
from tests.unit.stored_runs import ENVIRONMENT, case, cell, report_folder

LETTER = {letter: status.value for status, letter in history.LETTERS.items()}


def night(folder: Path, number: int, letters: str, *, lock: str = "a", notes=()) -> Path:
    """A run of some cases; `?`: it does not have that case."""
    cases = [
        case(n, status=LETTER[letter], outcome="ok" if letter == "P" else "not_ok")
        for n, letter in enumerate(letters)
        if letter != "?"
    ]
    return report_folder(
        folder / f"night-{number}",
        cases,
        [cell(notes=tuple(notes))],
        environments=[replace(ENVIRONMENT, lock_digest=lock * 64)],
        id=f"2026110{number}T000000-aaaaaa",
        started=f"2026-11-0{number}T00:00:00+00:00",
    )


def nights(folder: Path, *each: str, locks: str = "aaaaaaaa", **more) -> history.History:
    for number, (letters, lock) in enumerate(zip(each, locks, strict=False), 1):
        night(folder, number, letters, lock=lock, **more)
    return history.collect(folder)


def name(n: int) -> tuple[str, str, str]:
    return "op_support", f"ai.onnx::Op{n % 7}", f"test_op_{n}@onnx==1.18.0"


def test_the_letters_are_those_of_the_report():
    shown = {state.key: state.letter for state in CASE_STATES}
    assert {status.value: letter for status, letter in history.LETTERS.items()} == {
        status.value: shown[status.value] for status in Status
    }


def test_only_what_did_not_always_end_alike_is_listed(tmp_path: Path):
    found = nights(tmp_path, "PPFP?", "PFFPP", "PFFOP")
    ((key, which),) = found.cases
    assert which == name(1)
    assert found.cases[key, which] == "PFF"
    assert [run.id[:8] for run in found.runs] == ["20261101", "20261102", "20261103"]
    assert found.since("PFF") == found.runs[1].id
    assert found.since("FPO") == found.runs[1].id
    assert found.since("??O") is None
    assert found.cells[key].statuses == ("completed",) * 3
    assert found.of(key, *name(1)) == "PFF"
    assert found.of(key, *name(0)) is None


@pytest.mark.parametrize(
    ("letters", "locks", "flaky"),
    [
        ("PF", "aa", False),
        ("PFF", "aaa", False),
        ("PFP", "aaa", True),
        ("PFP", "aba", False),  # right in one environment, wrong in the other
        ("PFPF", "abab", False),
        ("PFP", "abb", False),
        ("PPN", "aaa", True),
        ("POP", "aaa", False),
        ("PEFE", "aaaa", True),
    ],
)
def test_flaky_is_to_and_fro_in_one_environment(tmp_path: Path, letters, locks, flaky):
    found = nights(tmp_path, *(f"{letter}P" for letter in letters), locks=locks)
    listed = {which for _, which in found.flaky_cases()}
    assert listed == ({name(0)} if flaky else set())


def test_what_was_taken_over_proves_nothing(tmp_path: Path):
    for number, letter in enumerate("PFP", 1):
        notes = ["reused from run X"] if number == 2 else []
        night(tmp_path, number, f"{letter}P", notes=notes)
    assert list(history.collect(tmp_path).flaky_cases()) == []


def test_copies_count_once_and_damaged_runs_are_named(tmp_path: Path):
    night(tmp_path, 1, "P")
    night(tmp_path, 2, "F")
    shutil.copytree(tmp_path / "night-1", tmp_path / "a-copy")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    cut = night(tmp_path, 3, "PF") / "cases.jsonl.gz"
    cut.write_bytes(cut.read_bytes()[:-20])
    (tmp_path / "other").mkdir()
    found = history.collect(tmp_path)
    assert len(found.runs) == 2
    assert list(found.cases.values()) == ["PF"]
    assert len(found.unread) == 2
    assert "broken" in found.unread[0]
    assert "night-3" in found.unread[1]
    with pytest.raises(UsageProblem, match="no such folder of earlier runs"):
        history.collect(tmp_path / "nowhere")


def test_it_is_kept_beside_a_run_and_read_back(tmp_path: Path):
    found = nights(tmp_path, "PP", "PF", "PP")
    here = tmp_path / "night-3"
    assert history.read(here) is None
    history.write(here, found)
    back = history.read(here)
    assert back == found
    (line,) = json.loads((here / "history.json").read_text())["cases"]
    assert (line["letters"], line["flaky"]) == ("PFP", True)
    history.write(here, found, most=0)
    assert history.read(here).left_out == 1


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 99},
        {"schema": 0},
        {"cells": 3},
        {"cells": [{"matrix": "m"}]},
        {"cases": [{"cell": 7, "check": "c", "unit": "u", "case": "n", "letters": "PFP"}]},
        {"cases": [{"cell": 0, "check": "c", "unit": "u", "case": "n", "letters": "P"}]},
        {"runs": [{"id": "x", "more": 1}]},
        {"left_out": "x"},
    ],
)
def test_an_edited_history_is_a_sentence(tmp_path: Path, change):
    here = tmp_path / "night-3"
    found = nights(tmp_path, "PP", "PF", "PP")
    history.write(here, found)
    path = here / "history.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoredRunProblem, match=r"history\.json"):
        history.read(here)


def test_a_change_of_what_comes_and_goes_is_called_flaky_and_still_fails(tmp_path: Path):
    found = nights(tmp_path, "PP", "FP", "PP", "FF")
    before, after = load(tmp_path / "night-3"), load(tmp_path / "night-4")
    changes = list(history.flaky_told(compare_runs(before, after), found))
    assert [(each.kind, each.fails) for each in changes] == [
        (Kind.FLAKY, True), (Kind.NEW_FAIL, True),
    ]  # fmt: skip
    kept = changes_file.write(tmp_path / "night-4", before, after, found)
    assert kept.counts == {Kind.FLAKY: 1, Kind.NEW_FAIL: 1}
    assert changes_file.read(tmp_path / "night-4") == kept


def test_changes_are_kept_and_read_back_with_environments(tmp_path: Path):
    night(tmp_path, 1, "PFP?")
    after = report_folder(
        tmp_path / "after",
        [case(0, status="failed", signature="s"), case(1), case(3)],
        environments=[
            replace(ENVIRONMENT, lock_digest="b" * 64, python="3.12.2", packages=("numpy==2.3.0",))
        ],
    )
    old, new = load(tmp_path / "night-1"), load(after)
    kept = changes_file.write(after, old, new)
    assert changes_file.read(after) == kept
    assert {kind.value: n for kind, n in kept.counts.items()} == {
        "ENV-CHANGED": 1, "NEW-FAIL": 1, "FIXED": 1, "ADDED": 1, "REMOVED": 1,
    }  # fmt: skip
    assert kept.failing == 1
    moved = kept.changes[0]
    assert [(each.name, each.before, each.after) for each in moved.place] == [
        ("python", "3.12.1", "3.12.2")
    ]
    few = changes_file.changes_of(old, compare_runs(old, new), most=1)
    assert [each.kind for each in few.changes] == [Kind.NEW_FAIL]
    assert few.left_out == 4
    path = after / "changes.json"
    path.write_text(path.read_text().replace("NEW-FAIL", "NEW-WORD"))
    with pytest.raises(StoredRunProblem, match=r"changes\.json"):
        changes_file.read(after)


def test_the_command_line(tmp_path: Path, capsys):
    nights(tmp_path, "PP", "FP", "PP", "FF")
    one, two = str(tmp_path / "night-3"), str(tmp_path / "night-4")
    assert cli.main(["diff", one, two]) == 1
    assert capsys.readouterr().out.count("NEW-FAIL") == 3
    assert cli.main(["diff", one, two, "--history", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "FLAKY " in said
    assert said.splitlines()[-1] == "1 FLAKY, 1 NEW-FAIL"
    assert cli.main(["diff", two, one]) == 0
    assert cli.main(["diff", one, two, "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()[-2:]]
    assert {line["kind"] for line in lines} == {"NEW-FAIL"}
    assert lines[0]["axes"]["framework"] == "onnxruntime==1.31.1"
    assert cli.main(["report", two, "--baseline", one, "--history", str(tmp_path)]) == 0
    assert changes_file.read(Path(two)).counts[Kind.FLAKY] == 1
    assert len(history.read(Path(two)).runs) == 4


def test_a_release_against_the_one_before(tmp_path: Path, capsys):
    """Each run has its own release: cells are told apart by the framework's version alone."""

    def release(version: str, letters: str, lock: str) -> str:
        cases = [case(n, status=LETTER[x]) for n, x in enumerate(letters)]
        packages = ("numpy==2.2.6", f"onnxruntime=={version}")
        return str(
            report_folder(
                tmp_path / version,
                cases,
                [cell(framework=f"onnxruntime=={version}")],
                environments=[replace(ENVIRONMENT, lock_digest=lock * 64, packages=packages)],
            )
        )

    one, two = release("1.24.4", "PPP", "a"), release("1.25.1", "PFP", "b")
    assert cli.main(["diff", one, two]) == 1
    said = capsys.readouterr().out
    assert "ADDED" in said
    assert "REMOVED" in said
    assert cli.main(["diff", one, two, "--across", "framework"]) == 1
    said = capsys.readouterr().out
    assert "only onnxruntime 1.24.4 → 1.25.1 changed" in said
    assert "NEW-FAIL    onnxruntime==1.25.1 3.12 host CPUExecutionProvider op_support" in said
    assert said.splitlines()[-1] == "1 ENV-CHANGED, 1 NEW-FAIL"
    assert cli.main(["diff", two, two, "--cells", "cell-a", "cell-a"]) == 0
