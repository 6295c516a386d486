"""A stored run in the formats of others, each read by that format's own reader."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft7Validator
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_modelcompat import cli, stored_runs
from pytest_modelcompat.results import changes_file
from pytest_modelcompat.results.exports import FORMATS
from pytest_modelcompat.results.exports.badges import badges
from pytest_modelcompat.results.exports.items import items
from pytest_modelcompat.results.exports.metrics import METRICS
from pytest_modelcompat.results.load import Run, load
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage
from tests import junit
from tests.unit.stored_runs import case, cell, report_folder

SAMPLE = Path(__file__).resolve().parents[2] / "reports" / "quickstart"
HOSTILE = 'x"]]>\x00\x1b[31m\ud800</script>&\n=cmd|calc'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every verdict once, and names that nobody would choose."""
    odd = {"framework": f"onnxruntime=={HOSTILE}"}
    cases = [
        case(0),
        case(1, status="failed", mismatch={"output": "y", "max_abs": float("inf"), "ratio": 3.0}),
        case(2, status="failed", outcome="xfail", known="K"),
        case(3, status="unsupported", outcome="info"),
        case(4, status="not_run", outcome="info", reason=HOSTILE),
        case(5, status="crashed", error={"message": HOSTILE, "signal": "SIGSEGV"}),
        case(0, cell="odd", unit=HOSTILE, case=HOSTILE, repro="=1+1"),
    ]
    lost = cell(
        "lost", framework="onnxruntime==9", status=CellStatus.INFRASTRUCTURE_FAILED,
        outcome=Outcome.NOT_OK, stage=Stage.RESOLVE, reason="index down",
    )  # fmt: skip
    return report_folder(tmp_path / "run", cases, [cell(), cell("odd", **odd), lost])


def text(run: Run, name: str) -> str:
    return "".join(FORMATS[name](run))


@pytest.fixture(params=["odd", "sample"])
def run(request, folder: Path) -> Run:
    return load(folder if request.param == "odd" else SAMPLE)


def test_every_format_is_a_command_and_has_a_test() -> None:
    assert {*FORMATS, "badges", "summary"} == set(stored_runs._EXPORTS)


def test_the_summary_for_a_job_says_at_least_what_the_one_for_a_comment_says(capsys) -> None:
    assert cli.main(["export", str(SAMPLE), "--summary"]) == 0
    said = capsys.readouterr().out
    assert len(said.encode()) <= 900_000
    short = (SAMPLE / "summary.md").read_text("utf-8")
    assert len(said) >= len(short) > 1000
    assert said.splitlines()[:6] == short.splitlines()[:6]


def test_items_are_what_pytest_reported(folder: Path) -> None:
    found = {(i.cell.id, i.name): i for i in items(load(folder))}
    verdicts = {name: i.verdict for (where, name), i in found.items() if where == "cell-a"}
    assert verdicts == {
        "environment": "passed", "ai.onnx.Op0": "passed", "ai.onnx.Op1": "failed",
        "ai.onnx.Op2": "xfailed", "ai.onnx.Op3": "skipped", "ai.onnx.Op4": "skipped",
        "ai.onnx.Op5": "failed",
    }  # fmt: skip
    assert found["lost", "environment"].verdict == "error"
    assert "max_abs inf" in found["cell-a", "ai.onnx.Op1"].why[0]
    assert found["cell-a", "ai.onnx.Op2"].known == ["K"]


def test_the_sample_has_the_items_that_its_junit_would_have() -> None:
    counted = Counter(item.verdict for item in items(load(SAMPLE)))
    assert counted["failed"] == counted["error"] == 0
    assert counted["passed"] > 1000


def test_openmetrics_is_read_by_its_reference_parser(run: Run) -> None:
    families = {
        each.name: each for each in text_string_to_metric_families(text(run, "openmetrics"))
    }
    assert set(families) == set(METRICS) - {"modelcompat_new_failures"}
    cases = families["modelcompat_cases"].samples
    assert sum(each.value for each in cases) == sum(1 for _ in run.cases())
    failures = families["modelcompat_failures"].samples
    assert len(failures) == len(run.cells)
    assert {each.labels["version"] for each in failures} == {
        each.axes["framework"].partition("==")[2] for each in run.cells
    }


def test_new_failures_are_a_metric_where_there_is_a_baseline(folder: Path, tmp_path: Path) -> None:
    before = report_folder(tmp_path / "before", [case(n) for n in range(6)])
    changes_file.write(folder, load(before), load(folder))
    read = {f.name: f for f in text_string_to_metric_families(text(load(folder), "openmetrics"))}
    (sample,) = read["modelcompat_new_failures"].samples
    assert sample.value == 3  # two cases and a cell
    assert sample.labels == {"baseline": "20261121T100000-abcdef"}


def test_csv_has_a_row_a_case_and_no_formula(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(text(run, "csv"), newline="")))
    assert len(rows) == sum(1 for _ in run.cases())
    assert {row["status"] for row in rows} == {each.status.value for each in run.cases()}
    assert {row["framework"] for row in rows} <= {cell.axes["framework"] for cell in run.cells}
    assert not [v for row in rows for v in row.values() if v[:1] in {"=", "+", "-", "@"}]


def test_json_lines_hold_every_case_with_its_axes(run: Run) -> None:
    lines = [json.loads(line) for line in text(run, "jsonl").splitlines()]
    assert [(x["cell"], x["n"], x["status"]) for x in lines] == [
        (x.cell, x.n, x.status.value) for x in run.cases()
    ]
    assert all(line["axes"]["framework"] and line["@timestamp"] for line in lines)


def test_junit_is_xml_with_pytest_shape(run: Run) -> None:
    root = ET.fromstring(text(run, "junit").encode())
    assert root.tag == "testsuites"
    for suite in root:
        found = Counter(child.tag for case in suite for child in case)
        assert int(suite.get("tests")) == len(suite)
        for word, attribute in (("failure", "failures"), ("error", "errors")):
            assert found[word] == int(suite.get(attribute))
        assert found["skipped"] == int(suite.get("skipped"))
    assert sum(len(suite) for suite in root) == sum(1 for _ in items(run))


@pytest.mark.network
def test_junit_meets_the_schema_that_jenkins_uses(run: Run) -> None:
    said = text(run, "junit")
    assert junit.problems(said) == []
    assert "tests" in junit.problems(said.replace(' tests="', ' count="', 1))[0]
    assert junit.problems(said.replace('time="', 'time="long', 1))


def test_ctrf_counts_what_it_lists(run: Run) -> None:
    data = json.loads(text(run, "ctrf"))
    summary = data["results"]["summary"]
    counted = Counter(test["status"] for test in data["results"]["tests"])
    assert summary["tests"] == counted.total() == sum(1 for _ in items(run))
    assert {word: summary[word] for word in counted} == counted
    assert summary["stop"] >= summary["start"] > 1.7e12


@pytest.fixture(scope="session")
def ctrf_schema(tmp_path_factory) -> dict:
    """The schema as the standard's own package carries it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not here")
    place = tmp_path_factory.mktemp("ctrf")
    subprocess.run([npm, "pack", "--silent", "ctrf@0.3.0"], cwd=place, check=True, timeout=120)
    (archive,) = place.glob("*.tgz")
    with tarfile.open(archive) as packed:
        (member,) = [n for n in packed.getnames() if re.search(r"dist/ctrf-schema.*\.json$", n)]
        return json.load(packed.extractfile(member))


@pytest.mark.network
def test_ctrf_meets_the_schema_of_the_standard(run: Run, ctrf_schema: dict) -> None:
    validator = Draft7Validator(ctrf_schema)
    data = json.loads(text(run, "ctrf"))
    assert [error.message for error in validator.iter_errors(data)][:3] == []
    del data["results"]["summary"]["pending"]
    assert list(validator.iter_errors(data))


def test_a_badge_for_each_target_speaks_of_the_newest_version(folder: Path) -> None:
    found = {name: json.loads(content) for name, content in badges(load(folder))}
    (name,) = found
    assert re.fullmatch(r"[A-Za-z0-9.-]+\.json", name)
    assert found[name] == {
        "schemaVersion": 1, "label": "onnxruntime", "message": found[name]["message"],
        "color": "brightgreen",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "outcome", "message", "colour"),
    [
        ("passed", "ok", "all 2 pass", "brightgreen"),
        ("failed", "not_ok", "1 of 2 fail", "red"),
        ("failed", "xfail", "1 of 2 pass, 1 known", "yellow"),
        ("unsupported", "info", "1 of 2 pass", "brightgreen"),
    ],
)
def test_what_a_badge_says(tmp_path: Path, status, outcome, message, colour) -> None:
    known = "K" if outcome == "xfail" else None
    cases = [case(0), case(1, status=status, outcome=outcome, known=known)]
    ((_, content),) = badges(load(report_folder(tmp_path, cases)))
    badge = json.loads(content)
    assert (badge["message"], badge["color"]) == (f"1.31.1: {message}", colour)
    assert badge["label"] == "onnxruntime"


def test_a_badge_of_what_did_not_run_is_not_green(tmp_path: Path) -> None:
    none = [case(n, status="not_run", outcome="info") for n in range(2)]
    gone = cell(status=CellStatus.UNAVAILABLE, outcome=Outcome.INFO)
    ((_, content),) = badges(load(report_folder(tmp_path / "1", none, [gone])))
    assert json.loads(content)["color"] == "lightgrey"
    broken = cell(status=CellStatus.ENVIRONMENT_FAILED, outcome=Outcome.NOT_OK)
    ((_, content),) = badges(load(report_folder(tmp_path / "2", none, [broken])))
    assert json.loads(content)["color"] == "red"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_command_writes_the_same_to_a_file_and_to_the_screen(
    name: str, tmp_path: Path, capsys
) -> None:
    folder = str(report_folder(tmp_path / "run", [case(0), case(1)]))
    assert cli.main(["export", folder, f"--{name}"]) == 0
    said = capsys.readouterr().out
    assert cli.main(["export", folder, f"--{name}", "--output", str(tmp_path / "x")]) == 0
    assert (tmp_path / "x").read_bytes().decode() == said
    assert said.endswith("\n")


def test_badges_need_a_folder(folder: Path, tmp_path: Path, capsys) -> None:
    assert cli.main(["export", str(folder), "--badges"]) == 4
    assert "--output" in capsys.readouterr().err
    assert cli.main(["export", str(folder), "--badges", "--output", str(tmp_path / "b")]) == 0
    assert len(list((tmp_path / "b").iterdir())) == len(capsys.readouterr().out.splitlines())
