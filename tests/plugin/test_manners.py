"""pytest's own options mean what they always mean, on a real cell of a real release."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest

from tests import junit
from tests.project import Project, Result

pytestmark = pytest.mark.network

MATRIX = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.23.2"]
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [Relu, Abs, Neg, BitwiseAnd]
"""

PROJECT = Project({"matrices/m.yaml": MATRIX, "pytest.ini": "[pytest]\n"})
OPTION = "--compat-matrix=matrices/m.yaml"


def outcomes(result: Result) -> dict[str, int]:
    """What pytest's last line counts."""
    last = result.out.strip().splitlines()[-1]
    return {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", last)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Result:
    """The matrix, run without anything."""
    return PROJECT.run(tmp_path_factory.mktemp("plain"), OPTION, "--compat-fresh")


def test_a_run_passes_and_leaves_every_output(plain: Result) -> None:
    assert plain.code == 0, plain.out + plain.err
    for name in (
        "index.html",
        "run.json",
        "plan.json",
        "cases.jsonl.gz",
        "summary.md",
        "compat.json",
        "junit.xml",
        "run.sqlite",
    ):
        assert (plain.report / name).stat().st_size > 0, name
    assert outcomes(plain)["passed"] == 5


def test_planned_is_the_sum_of_statuses(plain: Result) -> None:
    planned = sum(len(unit["cases"]) for cell in plain.plan["cells"] for unit in cell["units"])
    counted = sum(sum(cell["counts"].values()) for cell in plain.run["cells"])
    assert planned == counted == len(plain.cases) == 9


def test_collect_only_names_every_item_and_runs_nothing(plain: Result, tmp_path) -> None:
    result = PROJECT.run(tmp_path, OPTION, "--collect-only", "-q")
    assert result.code == 0
    cell = plain.run["cells"][0]["id"]
    nodes = [line for line in result.out.splitlines() if "::" in line]
    assert nodes[0] == f"matrices/m.yaml::{cell}::environment"
    assert f"matrices/m.yaml::{cell}::op_support::ai.onnx.Relu" in nodes
    assert len(nodes) == 5
    assert not (tmp_path / "reports").exists()


def test_keyword_runs_only_the_selected_items_own_cases(plain: Result, tmp_path) -> None:
    result = PROJECT.run(tmp_path, OPTION, "-k", "Relu")
    assert result.code == 0, result.out
    assert outcomes(result) == {"passed": 1, "deselected": 4}
    measured = {case["unit"] for case in result.cases if case["status"] == "passed"}
    assert measured == {"ai.onnx::Relu"}
    left = [case for case in result.cases if case["unit"] != "ai.onnx::Relu"]
    assert {case["status"] for case in left} == {"not_run"}
    assert len(result.cases) == len(plain.cases)


def test_a_node_id_selects_one_item(plain: Result, tmp_path) -> None:
    node = f"matrices/m.yaml::{plain.run['cells'][0]['id']}::op_support::ai.onnx.Abs"
    result = PROJECT.run(tmp_path, OPTION, node)
    assert outcomes(result) == {"passed": 1}, result.out


def test_the_repro_command_of_a_case_runs_it_again(plain: Result, tmp_path) -> None:
    case = next(case for case in plain.cases if case["unit"] == "ai.onnx::Neg")
    program, *arguments = case["repro"].replace("'", "").split()
    assert program == "pytest"
    result = PROJECT.run(tmp_path, *arguments)
    assert outcomes(result) == {"passed": 1}, result.out


def test_junit_goes_where_it_is_sent_and_into_the_report(tmp_path) -> None:
    result = PROJECT.run(tmp_path, OPTION, "--junitxml=elsewhere.xml")
    for path in (tmp_path / "elsewhere.xml", result.report / "junit.xml"):
        suite = ET.parse(path).getroot().find("testsuite")
        assert suite is not None
        assert suite.get("tests") == "5"
        assert suite.get("failures") == suite.get("errors") == "0"
        assert junit.problems(path.read_text("utf-8")) == []


def test_verbose_names_items_and_the_default_does_not(plain: Result, tmp_path) -> None:
    loud = PROJECT.run(tmp_path, OPTION, "-v")
    assert "::op_support::ai.onnx.Relu PASSED" in loud.out
    assert "ai.onnx.Relu" not in plain.out
    assert len(plain.out.splitlines()) <= 40


def test_test_paths_are_collected_beside_the_matrix(tmp_path) -> None:
    project = PROJECT.with_file("test_it.py", "def test_it(): pass\n")
    alone = project.run(tmp_path, OPTION)
    assert outcomes(alone) == {"passed": 5}
    both = project.run(tmp_path, OPTION, "test_it.py")
    assert outcomes(both) == {"passed": 6}
    without = project.run(tmp_path)
    assert outcomes(without) == {"passed": 1}


def test_known_issue_xfails_and_its_absence_fails(tmp_path) -> None:
    entry = """\
- id: relu
  match: {{framework: onnxruntime}}
  check: op_support
  unit: "ai.onnx::{unit}"
  status: {status}
  reason: for this test
"""
    matrix = MATRIX + "known_issues: [known.yaml]\n"
    seen = PROJECT.with_file("matrices/m.yaml", matrix)
    seen = seen.with_file("matrices/known.yaml", entry.format(unit="Relu", status="failed"))
    result = seen.run(tmp_path, OPTION)
    assert result.code == 1
    assert "no longer shows" in result.out
    assert {c["outcome"] for c in result.cases if c["unit"] == "ai.onnx::Relu"} == {"xpass"}


def test_last_failed_runs_only_what_failed(tmp_path) -> None:
    project = PROJECT.with_file("matrices/m.yaml", MATRIX + "on_unsupported: fail\n").with_file(
        "matrices/m.yaml",
        MATRIX.replace(
            "[Relu, Abs, Neg, BitwiseAnd]", "[Relu, 'ai.onnx.preview.training::Adagrad']"
        )
        + "on_unsupported: fail\n",
    )
    first = project.run(tmp_path, OPTION)
    assert first.code == 1, first.out
    failed = outcomes(first)["failed"]
    again = project.run(tmp_path, OPTION, "--lf")
    assert again.code == 1
    assert outcomes(again)["failed"] == failed
    assert outcomes(again).get("passed", 0) == 0


def test_exitfirst_stops_and_says_what_was_not_run(tmp_path) -> None:
    text = MATRIX.replace('["1.23.2"]', '["1.23.2", "1.22.1"]').replace(
        "Relu", "'ai.onnx.preview.training::Adagrad', Relu"
    )
    project = PROJECT.with_file("matrices/m.yaml", text + "on_unsupported: fail\n")
    result = project.run(tmp_path, OPTION, "-x", "--compat-jobs=1", "--compat-fresh")
    assert result.code == 1
    assert outcomes(result)["failed"] == 1
    planned = sum(len(unit["cases"]) for cell in result.plan["cells"] for unit in cell["units"])
    assert len(result.cases) == planned


def test_progress_shows_on_a_terminal_only(plain: Result, tmp_path) -> None:
    assert not re.search(r"cells \d+/1", plain.out)
    PROJECT.write(tmp_path)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", OPTION, "--compat-fresh"],
        cwd=tmp_path,
        env=PROJECT.environment(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = _drain(master, process)
    assert process.returncode == 0
    assert re.search(r"cells \d+/1 · cases ", shown), shown[-2000:]


def test_one_interrupt_still_writes_the_report(tmp_path) -> None:
    text = MATRIX.replace("[Relu, Abs, Neg, BitwiseAnd]", '["*"]').replace("1.23.2", "1.22.1")
    levels = "  options: {graph_optimization: [all, extended, basic, disabled]}\nchecks:"
    project = PROJECT.with_file("matrices/m.yaml", text.replace("checks:", levels))
    process = project.start(tmp_path, OPTION, "--compat-fresh", "--compat-jobs=1")
    store = tmp_path / "reports" / "latest" / "run.sqlite"
    end = time.monotonic() + 60
    while not store.exists() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2, out.decode()
    result = Result(2, out.decode(), "", tmp_path)
    said = result.out.index("stopping 1 cell, then writing the report of what there is; Ctrl-C")
    assert said < result.out.index("compatibility")
    planned = sum(len(unit["cases"]) for cell in result.plan["cells"] for unit in cell["units"])
    assert len(result.cases) == planned
    assert (result.report / "index.html").is_file()
    assert "interrupted" in {cell["status"] for cell in result.run["cells"]}
    again = project.run(tmp_path, OPTION)
    assert again.run["run"]["id"] == result.run["run"]["id"]
    assert {cell["status"] for cell in again.run["cells"]} == {"completed"}


def test_a_matrix_that_measured_nothing_is_not_green(tmp_path) -> None:
    project = PROJECT.with_file(
        "matrices/m.yaml", MATRIX.replace("axes:", 'axes:\n  python: ["3.6"]')
    )
    result = project.run(tmp_path, OPTION)
    assert result.code == 1, result.out
    assert result.run["cells"][0]["status"] == "unavailable"


def test_reused_results_say_so_and_fresh_ones_do_not(tmp_path) -> None:
    first = PROJECT.run(tmp_path / "one", OPTION)
    second = PROJECT.run(tmp_path / "two", OPTION)
    fresh = PROJECT.run(tmp_path / "three", OPTION, "--compat-fresh")
    assert first.code == second.code == fresh.code == 0
    notes = str(second.run["cells"][0]["notes"])
    assert "reused: measured by run" in notes
    assert "reused" not in str(fresh.run["cells"][0].get("notes", ""))
    strip = ("seconds", "peak_rss")
    assert [{k: v for k, v in case.items() if k not in strip} for case in second.cases] == [
        {k: v for k, v in case.items() if k not in strip} for case in fresh.cases
    ]


def _drain(master: int, process: subprocess.Popen[bytes]) -> str:
    parts = []
    while True:
        ready, _, _ = select.select([master], [], [], 0.2)
        if ready:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            parts.append(data)
        elif process.poll() is not None:
            break
    process.wait()
    os.close(master)
    return b"".join(parts).decode("utf-8", "replace")


def test_a_report_folder_that_exists_does_not_move_the_project(tmp_path) -> None:
    """pytest takes the folder behind an option that it does not know for a test path."""
    project = PROJECT.with_file("pytest.ini", "[pytest]\ncompat_matrix = matrices/m.yaml\n")
    project = project.with_file("matrices/other.yaml", MATRIX)
    out = tmp_path / "elsewhere"
    out.mkdir()
    inside = tmp_path / "project"
    inside.mkdir()
    result = project.run(inside, "--compat-matrix", "--compat-report", str(out))
    assert result.code == 0, result.out + result.err
    assert outcomes(result)["passed"] == 5
    assert (out / "run.json").is_file()


def test_an_option_that_is_none_is_the_cells_mistake_and_no_models(tmp_path) -> None:
    text = MATRIX.replace("checks:", "  options: {graph_optimization: [disable]}\nchecks:")
    result = PROJECT.with_file("matrices/m.yaml", text).run(tmp_path, OPTION)
    cell = result.run["cells"][0]
    assert result.code == 1
    assert cell["status"] == "misconfigured"
    assert "graph_optimization is one of all, extended, basic, disabled" in cell["reason"]
    assert set(cell["counts"]) == {"not_run"}


def test_known_issues_that_selected_nothing_are_told(tmp_path) -> None:
    known = "- {id: never, match: {framework: 'onnxruntime<1.16'}, status: failed, reason: none}\n"
    project = PROJECT.with_file("matrices/m.yaml", MATRIX + "known_issues: [known.yaml]\n")
    result = project.with_file("matrices/known.yaml", known).run(tmp_path, OPTION)
    assert result.code == 0, result.out
    assert "known issue never: selected nothing" in result.out
    assert any("never" in note for note in result.run["run"]["notes"])


def test_a_known_issue_of_cells_that_were_left_out_is_not_called_stale(tmp_path) -> None:
    text = MATRIX.replace("axes:", "axes:\n  env: {HERE: [one, two]}", 1)
    known = "- {id: elsewhere, match: {env.HERE: two}, status: failed, reason: none}\n"
    project = PROJECT.with_file("matrices/m.yaml", text + "known_issues: [known.yaml]\n")
    project = project.with_file("matrices/known.yaml", known)
    result = project.run(tmp_path, OPTION, "--compat-select=env.HERE:one")
    assert result.code == 0, result.out
    assert [cell["axes"]["env.HERE"] for cell in result.run["cells"]] == ["one"]
    assert "selected nothing" not in result.out
    assert not any("elsewhere" in note for note in result.run["run"].get("notes", ()))
