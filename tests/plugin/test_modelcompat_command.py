"""The `modelcompat` command: what it does; mistakes: one clear message, exit 4, no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_modelcompat import __version__
from pytest_modelcompat.cli import STARTER, USAGE_ERROR, main
from pytest_modelcompat.matrix.load import load_matrix
from tests.project import SMALL
from tests.unit.stored_runs import case, cell, report_folder

KEPT = os.environ.get("MODELCOMPAT_CACHE")  # node tests that were collected before
GOLDEN = Path(__file__).parents[1] / "golden" / "run-schema-1"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    """A folder with a matrix, a stored run, a file, an empty folder, and a cache of its own."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "m.yaml").write_text(SMALL)
    (folder / "afile").write_text("x\n")
    (folder / "empty").mkdir()
    shutil.copytree(GOLDEN, folder / "run")
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_text('{"schema": 1, "run')
    (folder / "newer").mkdir()
    (folder / "newer" / "run.json").write_text('{"schema": 99}')
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MODELCOMPAT_CACHE", str(tmp_path / "cache"))
    return folder


def run(*arguments: str) -> int:
    """The exit status, whichever way it comes."""
    try:
        return main(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)


BAD = {
    "no command": ([], "required: COMMAND"),
    "unknown command": (["explian", "x"], "invalid choice: 'explian'"),
    "unknown option": (["report", "--now"], "unrecognized arguments: --now"),
    "init: file is there": (["init", "afile"], "afile exists already"),
    "init: below a file": (["init", "afile/m.yaml"], "afile: File exists"),
    "init: two files": (["init", "a", "b"], "unrecognized arguments: b"),
    "plan: no such matrix": (["plan", "nowhere.yaml"], "no matrix at 'nowhere.yaml'"),
    "plan: not a matrix": (["plan", "afile"], "afile:1:1: A matrix is a mapping"),
    "plan: nothing left": (["plan", "m.yaml", "--select", "python:2.7"], "leaves no cell"),
    "plan: unknown axis": (["plan", "m.yaml", "--select", "framwork:x"], "'framework'?"),
    "lock: no matrix": (["lock"], "required: matrix"),
    "lock: no such matrix": (["lock", "nowhere.yaml"], "no matrix at 'nowhere.yaml'"),
    "lock: a folder": (["lock", "empty"], "no matrix in this folder"),
    "lock: not a matrix": (["lock", "afile"], "afile:1:1: A matrix is a mapping"),
    "lock: unknown axis": (["lock", "m.yaml", "--select", "framwork:x"], "'framework'?"),
    "lock: nothing left": (["lock", "m.yaml", "--select", "python:2.7"], "leaves no cell"),
    "lock: output is a file": (["lock", "m.yaml", "--output", "afile"], "afile: File exists"),
    "lock: output without a value": (["lock", "m.yaml", "--output"], "expected one argument"),
    "kubernetes: no image": (
        ["kubernetes", "m.yaml", "--volume-claim", "x"],
        "required: --image",
    ),
    "kubernetes: no such matrix": (
        ["kubernetes", "no.yaml", "--image", "x", "--volume-claim", "x"],
        "no matrix at 'no.yaml'",
    ),
    "kubernetes: not a matrix": (
        ["kubernetes", "afile", "--image", "x", "--volume-claim", "x"],
        "afile:1:1: A matrix is",
    ),
    "report: nothing there": (["report", "nowhere"], "no stored run here"),
    "report: the default is not there": (["report"], "reports/latest: There is no stored run"),
    "report: no run in it": (["report", "empty"], "no stored run here"),
    "report: a file": (["report", "afile"], "afile: This is a file, and a stored run is a folder"),
    "report: damaged": (["report", "broken"], "broken/run.json"),
    "report: of a newer version": (["report", "newer"], "99"),
    "rejudge: nothing there": (["rejudge", "nowhere"], "no stored run here"),
    "rejudge: no store": (["rejudge", "run"], "run/run.sqlite: There is no store here"),
    "rejudge: no type": (["rejudge", "run", "--tolerance", "float3:rtol=1"], "'float32'?"),
    "rejudge: no form": (["rejudge", "run", "--tolerance", "float32"], "atol, quanta, rtol, ulp"),
    "rejudge: no number": (["rejudge", "run", "--tolerance", "int8:quanta=x"], "'x' is no number"),
    "rejudge: no cell": (["rejudge", "run", "--against", "nowhere"], "no cell 'nowhere'"),
    "rejudge: output is a file": (["rejudge", "run", "--output", "afile"], "not a folder"),
    "diff: no such axis": (
        ["diff", "run", "run", "--across", "framewrok"],
        "Neither run has an axis 'framewrok'",
    ),
    "diff: no folder": (["diff"], "required: before"),
    "diff: nothing there": (["diff", "nowhere", "run"], "nowhere: There is no stored run here"),
    "diff: no later run": (["diff", "run"], "reports/latest: There is no stored run here"),
    "diff: a file": (["diff", "run", "afile"], "afile: This is a file, and a stored"),
    "diff: no such cell": (["diff", "run", "run", "--cells", "a", "b"], "no cell 'a'"),
    "diff: no history": (["diff", "run", "run", "--history", "nowhere"], "no such folder of ear"),
    "report: no history": (["report", "run", "--history", "afile"], "no such folder of earlier"),
    "report: no baseline": (["report", "run", "--baseline", "empty"], "no stored run here"),
    "export: no format": (["export", "run"], "one of the arguments"),
    "export: two formats": (["export", "run", "--csv", "--ctrf"], "not allowed with"),
    "export: nothing there": (["export", "nowhere", "--csv"], "no stored run here"),
    "export: of a newer version": (["export", "newer", "--junit"], "newer modelcompat"),
    "export: badges to the screen": (["export", "run", "--badges"], "--output"),
    "export: badges into a file": (["export", "run", "--badges", "--output", "afile"], "folder"),
    "export: into a folder": (["export", "run", "--csv", "--output", "empty"], "empty: "),
    "export: below nothing": (
        ["export", "run", "--csv", "--output", "no/x"],
        "no/x: The folder that this is to be written into does not exist. Make it first",
    ),
    "bisect: no case": (["bisect", "m.yaml"], "required: case"),
    "bisect: no such matrix": (["bisect", "nowhere.yaml", "x"], "no matrix at 'nowhere.yaml'"),
    "bisect: one release": (["bisect", "m.yaml", "test_relu"], "nothing to search between"),
    "bisect: nothing left": (["bisect", "m.yaml", "x", "--select", "python:2.7"], "leaves no cell"),
    "bisect: no status": (["bisect", "m.yaml", "x", "--accept", "fine"], "status 'fine'"),
    "merge: no part": (["merge", "--output", "out"], "required: parts"),
    "merge: nowhere to": (["merge", "run"], "required: --output"),
    "merge: nothing there": (["merge", "nowhere", "--output", "out"], "no stored run here"),
    "merge: no run in it": (["merge", "empty", "--output", "out"], "no stored run here"),
    "merge: no archive": (["merge", "afile", "--output", "out"], "not a zip file"),
    "merge: damaged": (["merge", "broken", "--output", "out"], "broken/run.json"),
    "merge: of a newer version": (["merge", "newer", "--output", "out"], "newer modelcompat"),
    "merge: into a file": (["merge", "run", "--output", "afile"], "a folder of its own"),
    "merge: into a part": (["merge", "run", "--output", "run"], "a folder of its own"),
    "merge: one part twice": (["merge", "run", "run", "--output", "out"], "Give each part once"),
    "merge: no plan": (["merge", "run", "--plan", "gone", "--output", "out"], "gone: This stored"),
    "merge: plan is none": (["merge", "run", "--plan", "afile", "--output", "o"], "is not JSON"),
    "explain: what": (["explain"], "required: what"),
    "explain: no run": (["explain", "x"], "reports/latest: There is no stored run here"),
    "explain: nothing like it": (["explain", "zzz", "--report", "run"], "no cell 'zzz'"),
    "doctor: takes nothing": (["doctor", "now"], "unrecognized arguments: now"),
    "clean: takes nothing": (["clean", "cache"], "unrecognized arguments: cache"),
    "clean: all in full": (["clean", "--a"], "unrecognized arguments: --a"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_command_line(name: str, capsys) -> None:
    arguments, message = BAD[name]

    assert run(*arguments) == 4

    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if line.startswith("modelcompat")]
    assert len(lines) == 1, said.err
    assert message in lines[0]
    assert "Traceback" not in said.err
    assert not Path("out").exists()


def test_every_command_is_among_the_mistakes(capsys) -> None:
    assert run("nope") == 4
    choices = capsys.readouterr().err.rpartition("choose from")[2]
    commands = {word.strip("'(),") for word in choices.split()}
    assert commands == {name.partition(":")[0] for name in BAD if ":" in name}


@pytest.mark.network
def test_plan_is_json_of_what_would_run(monkeypatch, capsys) -> None:
    if KEPT is None:
        monkeypatch.delenv("MODELCOMPAT_CACHE")
    else:
        monkeypatch.setenv("MODELCOMPAT_CACHE", KEPT)
    assert run("plan", "m.yaml", "--select", "framework:onnxruntime") == 0
    (planned,) = json.loads(capsys.readouterr().out)["cells"]
    assert {unit["unit"] for unit in planned["units"]} == {"ai.onnx::Abs", "ai.onnx::Relu"}


def test_version_is_the_packages(capsys) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


def test_init_writes_a_matrix_that_loads(place: Path, capsys) -> None:
    assert run("init") == 0
    written = place / "matrices" / "compat.yaml"
    assert "pytest --compat-matrix=matrices/compat.yaml" in capsys.readouterr().out
    assert written.read_text("utf-8") == STARTER.format(name="matrices/compat.yaml")
    assert {cell.framework.version for cell in load_matrix(written).cells} == {"1.20.1", "1.23.2"}


def test_report_is_made_anew(place: Path, capsys) -> None:
    page = place / "run" / "index.html"
    assert not page.exists()
    assert run("report", "run") == 0
    assert capsys.readouterr().out.strip() == "run/index.html"
    assert page.stat().st_size > 1000


def test_explain_tells_a_cell_in_full(capsys) -> None:
    identity = json.loads((GOLDEN / "run.json").read_text("utf-8"))["cells"][0]["id"]
    assert run("explain", identity, "--report", "run") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["id"] == identity
    assert told["matrix"]
    assert "known" not in told  # what is empty is left out


def test_explain_tells_every_case_like_a_name(place: Path, capsys) -> None:
    report_folder(place / "own", [case(n) for n in range(12)], [cell()])
    assert run("explain", "test_op_1", "--report", "own") == 0
    out = capsys.readouterr().out
    told = [json.loads(text + "}") for text in out.split("\n}\n") if text]
    assert [each["case"] for each in told] == [f"test_op_{n}@onnx==1.18.0" for n in (1, 10, 11)]
    assert {each["status"] for each in told} == {"passed"}


@pytest.mark.parametrize(
    "what",
    ["Conv", "ai.onnx::Conv", "ai.onnx.Conv", "m.yaml::cell-b::op_support::ai.onnx.Conv"],
)
def test_explain_lists_an_operators_cases(place: Path, capsys, what: str) -> None:
    bad = {"status": "failed", "signature": "ai.onnx::Conv: failed value float32"}
    cases = [
        case(0, cell="cell-a", unit="ai.onnx::Conv"),
        case(1, cell="cell-a", unit="ai.onnx::Conv"),
        case(2, cell="cell-a", unit="ai.onnx::ConvTranspose"),
        case(0, cell="cell-b", unit="ai.onnx::Conv"),
        case(1, cell="cell-b", unit="ai.onnx::Conv", **bad),
    ]
    report_folder(place / "own", cases, [cell("cell-a"), cell("cell-b")])
    assert run("explain", what, "--report", "own") == 0
    one = "m.yaml" in what
    assert capsys.readouterr().out.splitlines() == [
        "ai.onnx::Conv: 2 cases in "
        + ("1 cell, 1 passed, 1 failed" if one else "2 cells, 3 passed, 1 failed"),
        f"  test_op_0@onnx==1.18.0 (opset 13): {1 if one else 2} passed",
        f"  test_op_1@onnx==1.18.0 (opset 13): {'' if one else '1 passed, '}1 failed",
        "    cell-b: failed: ai.onnx::Conv: failed value float32",
        "`modelcompat explain CASE` tells one in full",
    ]


def test_explain_knows_an_operator_of_one_opset(place: Path, capsys) -> None:
    """A single case is told in full."""
    cases = [case(n, unit="ai.onnx::Conv", opset=opset) for n, opset in enumerate((11, 13))]
    report_folder(place / "own", cases, [cell()])
    assert run("explain", "Conv@13", "--report", "own") == 0
    assert json.loads(capsys.readouterr().out)["case"] == "test_op_1@onnx==1.18.0"
    capsys.readouterr()
    assert run("explain", "Conv@12", "--report", "own") == 4
    assert run("explain", "conv", "--report", "own") == 4
    assert "Did you mean 'Conv'?" in capsys.readouterr().err


def test_explain_names_the_cells_that_part_of_an_id_could_mean(place: Path, capsys) -> None:
    cells = [cell("lib-1-py3.11-host-a"), cell("lib-1-py3.12-host-b"), cell("lib-2-py3.11-host-c")]
    cases = [case(0, cell=each.id, unit="ai.onnx::Conv") for each in cells]
    report_folder(place / "own", cases, cells)
    assert run("explain", "lib-1", "--report", "own") == 4
    said = capsys.readouterr().err
    assert "Cells with it in their id: lib-1-py3.11-host-a, lib-1-py3.12-host-b." in said
    assert "lib-2" not in said


def test_explain_escapes_what_is_hostile(place: Path, capsys) -> None:
    bad = case(0, status="error", error={"type": "E", "message": "\x1b[2J\u202e"})
    report_folder(place / "own", [bad], [cell()])
    assert run("explain", "test_op_0", "--report", "own") == 0
    out = capsys.readouterr().out
    assert "\\u001b[2J\\u202e" in out
    assert "\x1b" not in out


def test_rejudge_applies_another_tolerance(place: Path, capsys) -> None:
    report_folder(place / "own", [case(0)], [cell()])
    (place / "own" / "plan.json").write_text(
        json.dumps({"schema": 1, "cells": [{"id": "cell-a", "runtime": "onnxruntime"}]})
    )
    assert run("rejudge", "own", "--tolerance", "float32:rtol=1e-2") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "1 case judged again, 0 changed"
    assert "written to own-rejudged" in out
    assert (place / "own-rejudged" / "run.json").is_file()


def test_rejudge_imports_neither_pytest_nor_plugins_nor_the_language(place: Path) -> None:
    """They took longer than judging; what comes to be imported by a harmless line is not seen."""
    report_folder(place / "own", [case(0)], [cell()])
    (place / "own" / "plan.json").write_text(
        json.dumps({"schema": 1, "cells": [{"id": "cell-a", "runtime": "onnxruntime"}]})
    )
    code = (
        "import sys\n"
        "from pytest_modelcompat.cli import main\n"
        "assert main(['rejudge', 'own']) == 0\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert "pytest_modelcompat.results.rejudge" in modules
    assert not modules & {
        "pytest", "pluggy", "numpy", "subprocess", "importlib.resources",
        "pytest_modelcompat.members", "pytest_modelcompat.environments",
        "pytest_modelcompat.matrix.load",
    }  # fmt: skip


def test_a_mistake_ends_as_it_does_in_pytest() -> None:
    assert int(pytest.ExitCode.USAGE_ERROR) == USAGE_ERROR


def test_diff_fails_on_a_regression_alone(place: Path, capsys) -> None:
    good, bad = case(0), case(0, status="failed")
    report_folder(place / "good", [good, case(1)], [cell()])
    report_folder(place / "bad", [bad, case(1)], [cell()])

    assert run("diff", "good", "good") == 0
    assert capsys.readouterr().out == "nothing changed\n"
    assert run("diff", "good", "bad") == 1
    first, last = capsys.readouterr().out.splitlines()
    assert "test_op_0@onnx==1.18.0: passed -> failed" in first
    assert "onnxruntime==1.31.1 3.12 host" in first
    assert last.startswith("1 ")
    assert run("diff", "bad", "good") == 0
    assert "failed -> passed" in capsys.readouterr().out


def test_diff_leaves_out_what_failed_before_unless_asked(place: Path, capsys) -> None:
    report_folder(place / "bad", [case(0, status="failed")], [cell()])
    assert run("diff", "bad", "bad") == 0
    assert "test_op_0" not in capsys.readouterr().out
    assert run("diff", "bad", "bad", "--all") == 0
    assert "test_op_0" in capsys.readouterr().out


def test_doctor_tells_what_is_here(tmp_path, capsys) -> None:
    assert run("doctor") == 0
    lines = capsys.readouterr().out.splitlines()
    told = dict(line.split(": ", 1) for line in lines if ": " in line)
    assert told["host"].startswith("Linux ")
    assert told["cache"] == str(tmp_path / "cache")
    this = ".".join(map(str, sys.version_info[:2]))
    assert Path(told[f"python {this}"]).is_absolute()
    assert {f"python 3.{minor}" for minor in range(8, 16)} <= set(told)
    assert any(line.startswith("pytest ") and ", uv " in line for line in lines)


def test_a_cache_that_cannot_be_used_is_told(place: Path, monkeypatch, capsys) -> None:
    """Nobody has named a file in it, so another name would help nobody."""
    monkeypatch.setenv("MODELCOMPAT_CACHE", str(place / "afile"))
    hint = "afile: it is not a folder. Point MODELCOMPAT_CACHE to a folder that can be written."
    assert run("doctor") == 1
    lines = capsys.readouterr().out.splitlines()
    (told,) = [line for line in lines if line.startswith("cache:")]
    assert told.endswith(hint), told
    assert any(line.startswith("python 3.12: ") for line in lines), "the rest is told, too"
    assert run("lock", "m.yaml") == 4
    assert capsys.readouterr().err.endswith(f"{hint}\n")
    monkeypatch.setenv("MODELCOMPAT_CACHE", "/proc/nowhere")
    assert run("doctor") == 1
    assert "Point MODELCOMPAT_CACHE" in capsys.readouterr().out
    assert run("lock", "m.yaml") == 4
    assert "Point MODELCOMPAT_CACHE" in capsys.readouterr().err


def test_a_read_only_run_says_what_would_help(place: Path, capsys) -> None:
    """A bind mount: root ignores modes, but not this."""
    report_folder(place / "own", [case(0)], [cell()])
    shut = place / "shut"
    shut.mkdir()
    for step in (["--bind", "own", "shut"], ["-o", "remount,ro,bind", "shut"]):
        if subprocess.run(["mount", *step], check=False, capture_output=True).returncode:
            subprocess.run(["umount", "-l", "shut"], check=False, capture_output=True)
            pytest.skip("a read-only bind mount is not permitted here")
    try:
        for arguments, named in (
            (("report", "shut"), "summary.md"),
            (("rejudge", "own", "--output", "shut"), "run.lock"),
            (("export", "own", "--csv", "--output", "shut/x.csv"), "x.csv"),
            (("export", "own", "--badges", "--output", "shut/b"), "b"),
        ):
            assert run(*arguments) == 4
            said = capsys.readouterr().err
            assert f"shut/{named}: The folder cannot be written." in said
            assert "--output for what is made of one; `modelcompat report` needs a copy" in said
        assert not list(shut.glob(".*"))
    finally:
        subprocess.run(["umount", "-l", "shut"], check=True)


def test_clean_removes_what_dead_runs_left(tmp_path, capsys) -> None:
    made = tmp_path / "cache" / "environments"
    for name, ready in (("half", False), ("whole", True)):
        (made / name / "digest").mkdir(parents=True)
        if ready:
            (made / name / "digest" / "ready.json").write_text("{}")
    assert run("clean") == 0
    assert capsys.readouterr().out == "removed 1 left-overs\n"
    assert [path.parent.name for path in made.glob("*/digest")] == ["whole"]


def test_clean_all_removes_the_cache_and_nothing_else(tmp_path, capsys) -> None:
    cache = tmp_path / "cache"
    for name in ("environments", "locks", "results", "work"):
        (cache / name).mkdir(parents=True)
        (cache / name / "file").write_text("")
    assert run("clean", "--all") == 0
    assert not cache.exists()
    assert run("clean", "--all") == 0  # nothing there

    (cache / "locks").mkdir(parents=True)
    (cache / "thesis.tex").write_text("years of work")  # a cache folder named by mistake
    assert run("clean", "--all") == 0
    assert [path.name for path in cache.iterdir()] == ["thesis.tex"]
    assert capsys.readouterr().out.count("removed ") == 3


def test_who_stops_reading_is_no_error(place: Path) -> None:
    report_folder(place / "own", [case(n) for n in range(3000)], [cell()])
    command = [sys.executable, "-m", "pytest_modelcompat.cli", "explain", "op", "--report", "own"]
    ours, theirs = os.pipe()
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        os.read(ours, 10)
        os.close(ours)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 1
    assert said == b""
