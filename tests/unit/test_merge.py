"""Parts of a run are put together: complete, once each, as planned; and nothing else is."""

from __future__ import annotations

import gzip
import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from pytest_modelcompat import cli
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import CellStatus, Outcome
from pytest_modelcompat.results.plan_file import cells_digest
from tests.unit.stored_runs import case, cell, report_folder

VERSIONS = ("1.17.3", "1.18.1", "1.19.2", "1.20.1", "1.31.1")
CELLS = tuple(f"cell-{version}" for version in VERSIONS)
CASES = ("test_a@onnx==1.18.0", "test_b@onnx==1.18.0", "test_c@onnx==1.18.0")


def planned(identity: str, version: str) -> dict:
    return {
        "id": identity,
        "matrix": "m",
        "axes": dict(cell(framework=f"onnxruntime=={version}").axes),
        "environment": "env-a",
        "runtime": "onnxruntime",
        "units": [
            {"check": "op_support", "unit": "ai.onnx::A", "cases": [CASES[0], CASES[1]]},
            {"check": "op_support", "unit": "ai.onnx::C", "cases": [CASES[2]]},
        ],
    }


def plan(cells: list[dict]) -> dict:
    return {
        "schema": 1, "digest": "p", "tool": "0.1.0",
        "matrices": [{"name": "m", "file": "m.yaml", "digest": "d" * 64, "removed": []}],
        "environments": [{"id": "env-a", "role": "cell"}], "notes": [], "cells": cells,
    }  # fmt: skip


WHOLE = plan([planned(i, v) for i, v in zip(CELLS, VERSIONS, strict=True)])


def shard(folder: Path, index: int, count: int = 2, *, failing: str = "", **head) -> Path:
    """A part as a run with --compat-shard leaves it; `failing` is a cell whose case b fails."""
    chosen = list(zip(CELLS, VERSIONS, strict=True))[index - 1 :: count]
    cases, cells = [], []
    for identity, version in chosen:
        cells.append(cell(identity, framework=f"onnxruntime=={version}"))
        for n, name in enumerate(CASES):
            status = "failed" if identity == failing and n == 1 else "passed"
            unit = "ai.onnx::A" if n < 2 else "ai.onnx::C"
            cases.append(case(n, cell=identity, unit=unit, case=name, status=status))
    said = {"index": index, "count": count, "cells": len(CELLS), "digest": cells_digest(CELLS)}
    head = {"id": f"run-{index}", "shard": said, **head}
    report_folder(folder, cases, cells, **head)
    (folder / "plan.json").write_text(json.dumps(plan([planned(*each) for each in chosen])))
    return folder


def merge(capsys, *arguments: object) -> tuple[int, str, str]:
    status = cli.main(["merge", *map(str, arguments)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return status, said.out, said.err


def test_all_parts_make_the_whole_in_the_matrix_order(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n) for n in (2, 1)]
    (tmp_path / "plan").write_text(json.dumps(WHOLE))
    output = tmp_path / "whole"
    status, out, err = merge(capsys, *parts, "--output", output, "--plan", tmp_path / "plan")
    assert (status, err) == (0, "")
    assert "15 cases" in out
    run = load(output)
    assert [each.id for each in run.cells] == list(CELLS)
    assert [(each.cell, each.n) for each in run.cases()] == [
        (identity, n) for identity in CELLS for n in range(3)
    ]
    assert run.info.finished == "2026-11-21T10:05:00+00:00"
    assert [part["shard"] for part in run.info.parts] == ["1/2", "2/2"]
    assert [each["id"] for each in run.plan["cells"]] == list(CELLS)
    files = {path.name for path in output.iterdir()}
    assert files >= {"index.html", "summary.md", "compat.json", "run.json", "plan.json", "locks"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_fails_in_a_part_fails_the_whole(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n, failing=CELLS[3]) for n in (1, 2)]
    assert merge(capsys, *parts, "--output", tmp_path / "whole")[0] == 1


def test_a_merged_run_is_judged_again_by_its_parts(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n) for n in (1, 2)]
    merge(capsys, *parts, "--output", tmp_path / "whole")
    assert cli.main(["rejudge", str(tmp_path / "whole")]) == 4
    assert "judge its parts again" in capsys.readouterr().err
    for part in parts:
        assert cli.main(["rejudge", str(part), "--output", f"{part}-again"]) == 0
    capsys.readouterr()
    again = [tmp_path / "1-again", tmp_path / "2-again"]
    assert merge(capsys, *again, "--output", tmp_path / "whole-again")[0] == 0
    before, after = load(tmp_path / "whole"), load(tmp_path / "whole-again")
    assert [each.counts for each in after.cells] == [each.counts for each in before.cells]
    assert any("judged again" in note for note in after.info.notes)


def test_a_missing_part_is_told_and_nothing_is_written(tmp_path: Path, capsys):
    part = shard(tmp_path / "1", 1, 3)
    other = shard(tmp_path / "3", 3, 3)
    status, _, err = merge(capsys, part, other, "--output", tmp_path / "whole")
    assert status == 1
    assert "shard 2/3 with 2 of 5 cells is missing" in err
    assert not (tmp_path / "whole").exists()


def test_a_part_without_cells_is_not_missed(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n, 7) for n in range(1, 6)]
    assert merge(capsys, *parts, "--output", tmp_path / "whole")[0] == 0


def test_what_there_is_can_be_merged_and_says_that_it_is_not_whole(tmp_path: Path, capsys):
    part = shard(tmp_path / "1", 1)
    (tmp_path / "plan").write_text(json.dumps(WHOLE))
    output = tmp_path / "whole"
    status, out, _ = merge(
        capsys, part, "--output", output, "--partial", "--plan", tmp_path / "plan"
    )
    assert status == 1
    assert "did not come to its end" in out
    run = load(output)
    assert run.info.finished is None
    assert [(each.id, each.status) for each in run.cells if each.counts == {"not_run": 3}] == [
        (CELLS[1], CellStatus.INTERRUPTED), (CELLS[3], CellStatus.INTERRUPTED),
    ]  # fmt: skip
    counted = sum(sum(each.counts.values()) for each in run.cells)
    assert counted == 15 == sum(1 for _ in run.cases())
    assert any("2 of 5 planned cells" in note for note in run.info.notes)


def test_parts_that_left_no_results_are_passed_over_and_named(tmp_path: Path, capsys):
    part = shard(tmp_path / "1", 1, 5)
    fourth = shard(tmp_path / "killed", 4, 5)
    (fourth / "run.json").unlink()
    (tmp_path / "never").mkdir()
    (tmp_path / "plan").write_text(json.dumps(WHOLE))
    every = [part, tmp_path / "never", fourth]
    options = ["--output", tmp_path / "whole", "--plan", tmp_path / "plan"]
    assert merge(capsys, *every, *options)[0] == 4  # each was named, and is looked for
    assert not (tmp_path / "whole").exists()
    status, _, _ = merge(capsys, *every, *options, "--partial")
    assert status == 1
    run = load(tmp_path / "whole")
    absent = "no part of the merged run has this cell"
    assert [each.reason for each in run.cells] == [
        "", absent, absent, "its run began in killed and was ended before it wrote results", absent,
    ]  # fmt: skip
    notes = " ".join(run.info.notes)
    assert "no run began in never" in notes
    assert "a run began and left no results in killed" in notes
    assert run.info.finished is None


def test_parts_without_any_results_make_no_whole(tmp_path: Path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    parts = [tmp_path / "a", tmp_path / "b"]
    status, _, err = merge(capsys, *parts, "--output", tmp_path / "whole", "--partial")
    assert (status, "Of 2 parts none has results" in err) == (4, True)
    assert not (tmp_path / "whole").exists()


def test_a_plan_with_other_cases_is_not_met(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n) for n in (1, 2)]
    more = json.loads(json.dumps(WHOLE))
    more["cells"][0]["units"][1]["cases"].append("test_d")
    (tmp_path / "plan").write_text(json.dumps(more))
    status, _, err = merge(capsys, *parts, "--output", tmp_path / "w", "--plan", tmp_path / "plan")
    assert (status, "1 cells were run with other cases" in err) == (1, True)


def known(seen: int, passed: int) -> tuple[dict, ...]:
    return ({
        "id": "K", "matrix": "m", "match": {"framework": ["onnxruntime>=1.18"]},
        "check": None, "unit": "ai.onnx::A", "case": "test_b", "expired": False,
        "selected": 2, "seen": seen, "passed": passed,
    },)  # fmt: skip


def test_a_known_issue_that_shows_in_another_part_is_not_gone(tmp_path: Path, capsys):
    parts = [
        shard(tmp_path / "1", 1, known=known(0, 2)),
        shard(tmp_path / "2", 2, known=known(1, 1)),
    ]
    assert merge(capsys, *parts, "--output", tmp_path / "whole")[0] == 0
    assert {each.outcome for each in load(tmp_path / "whole").cases()} == {Outcome.OK}


def test_one_that_shows_in_none_passes_unexpectedly(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n, known=known(0, 2)) for n in (1, 2)]
    status, out, _ = merge(capsys, *parts, "--output", tmp_path / "whole")
    assert status == 1
    assert "known issue K no longer shows" in out
    run = load(tmp_path / "whole")
    gone = [(each.cell, each.case) for each in run.cases() if each.outcome is Outcome.XPASS]
    assert gone == [(identity, CASES[1]) for identity in CELLS[1:]]


@pytest.mark.parametrize("selected", [0, 2])
def test_what_is_missing_may_be_what_a_known_issue_is_for(tmp_path: Path, capsys, selected: int):
    (said,) = known(0, selected)
    part = shard(tmp_path / "1", 1, known=({**said, "selected": selected},))
    status, out, _ = merge(capsys, part, "--output", tmp_path / "whole", "--partial")
    assert (status, "no longer shows" in out) == (1, False)
    run = load(tmp_path / "whole")
    assert {each.outcome for each in run.cases()} == {Outcome.OK}
    assert not any("selected nothing" in note for note in run.info.notes)


@pytest.mark.parametrize("selected", [0, 2])
def test_a_part_of_which_not_all_was_run_leaves_known_issues_open(
    tmp_path: Path, capsys, selected: int
):
    (said,) = known(0, selected)
    first = shard(tmp_path / "1", 1, known=({**said, "selected": selected},))
    second = shard(tmp_path / "2", 2)  # with -k, it tells nothing of them
    status, _, _ = merge(capsys, first, second, "--output", tmp_path / "whole")
    run = load(tmp_path / "whole")
    assert status == 0
    assert {each.outcome for each in run.cases()} == {Outcome.OK}
    assert not any("selected nothing" in note for note in run.info.notes)


def test_environments_that_were_made_differently_are_both_kept(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n) for n in (1, 2)]
    path = tmp_path / "2" / "run.json"
    path.write_text(path.read_text().replace("a" * 64, "b" * 64))
    merge(capsys, *parts, "--output", tmp_path / "whole")
    run = load(tmp_path / "whole")
    assert sorted(run.environments) == ["env-a", "env-a@part-2"]
    assert {each.environment["id"] for each in run.cells} == set(run.environments)
    assert any("environments differently" in note for note in run.info.notes)


# What does not belong together -------------------------------------------------------------------


def edit(path: Path, **changes: object) -> None:
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **changes}))


def head(folder: Path, **changes: object) -> None:
    path = folder / "run.json"
    data = json.loads(path.read_text())
    data["run"].update(changes)
    path.write_text(json.dumps(data))


def rewrite_cases(folder: Path, change) -> None:
    path = folder / "cases.jsonl.gz"
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    text = "".join(json.dumps(line) + "\n" for line in change(lines))
    path.write_bytes(gzip.compress(text.encode()))


def _renamed(lines):
    lines[1]["case"] = "test_x"
    return lines


BAD = {
    "twice the same": (lambda f: shutil.copytree(f / "1", f / "2"), "is in 1 and in 2"),
    "the same shard twice": (
        lambda f: head(shutil.copytree(f / "1", f / "2"), id="other"), "is in 2 and in 1"
    ),
    "another matrix": (
        lambda f: head(shard(f / "2", 2), matrices=[{"name": "m", "digest": "e" * 64}]),
        "they differ in their matrix 'm'",
    ),
    "another number of shards": (lambda f: shard(f / "2", 3, 4), "is in 1 and in 2"),
    "other cells": (
        lambda f: head(shard(f / "2", 2), shard={"index": 2, "count": 2, "cells": 9,
                                                  "digest": "0"}), "differ in their shards",
    ),
    "a shard that is none": (
        lambda f: head(shard(f / "2", 2), shard={"index": "2", "count": 2}), "`run.shard`"
    ),
    "not its own plan": (
        lambda f: edit(shard(f / "2", 2) / "plan.json", cells=[]), "cells of plan.json"
    ),
    "a plan of something else": (
        lambda f: edit(shard(f / "2", 2) / "plan.json", cells=[{"id": 3}]), "plan.json is not as"
    ),
    "no plan": (lambda f: (shard(f / "2", 2) / "plan.json").unlink(), "plan.json: This stored"),
    "a case of another name": (
        lambda f: rewrite_cases(shard(f / "2", 2), _renamed), "not what its plan says"
    ),
    "a case missing": (
        lambda f: rewrite_cases(shard(f / "2", 2), lambda lines: lines[:-1]), "missing"
    ),
    "cells in another order": (
        lambda f: rewrite_cases(shard(f / "2", 2), lambda lines: lines[3:] + lines[:3]),
        "not where they were",
    ),
    "known issues that are none": (
        lambda f: shard(f / "2", 2, known=({"id": "K"},)), "`run.known`"
    ),
    "a newer schema": (lambda f: edit(shard(f / "2", 2) / "run.json", schema=99), "newer"),
    "not finished": (lambda f: head(shard(f / "2", 2), finished=None), "did not come to its end"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_belong_together_is_a_sentence(tmp_path: Path, capsys, name: str):
    make, message = BAD[name]
    shard(tmp_path / "1", 1)
    make(tmp_path)
    status, out, err = merge(capsys, tmp_path / "1", tmp_path / "2", "--output", tmp_path / "w")
    assert status in {1, 4}
    assert message in err
    assert out == ""
    assert not (tmp_path / "w").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_output_is_a_folder_of_its_own(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n) for n in (1, 2)]
    assert merge(capsys, *parts, "--output", parts[0])[0] == 4
    assert load(parts[0]).info.id == "run-1"


def test_an_output_that_is_not_what_its_name_says_is_refused(tmp_path: Path, capsys):
    parts = [shard(tmp_path / str(n), n) for n in (1, 2)]
    name = "ab" * 32
    (parts[0] / "outputs" / "ab").mkdir(parents=True)
    (parts[0] / "outputs" / "ab" / name).write_bytes(b"something else")
    status, _, err = merge(capsys, *parts, "--output", tmp_path / "w")
    assert (status, "does not have the digest in its name" in err) == (4, True)


# Archives ----------------------------------------------------------------------------------------


def packed(folder: Path, path: Path, root: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name != "run.sqlite":
                archive.write(file, root + str(file.relative_to(folder)))
    return path


def test_archives_are_parts_too(tmp_path: Path, capsys):
    parts = [
        packed(shard(tmp_path / "1", 1), tmp_path / "1.zip"),
        packed(shard(tmp_path / "2", 2), tmp_path / "2.zip", "report-2/"),
    ]
    assert merge(capsys, *parts, "--output", tmp_path / "whole")[0] == 0
    assert [each.id for each in load(tmp_path / "whole").cells] == list(CELLS)


def hostile(path: Path, *members: tuple[object, bytes], method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


RUN = ("run.json", b'{"schema": 1}')
HOSTILE = {
    "dots": ([RUN, ("../run.json", b"x")], "leads out of it"),
    "dots inside": ([RUN, ("locks/../../x", b"x")], "leads out of it"),
    "absolute": ([RUN, ("/etc/passwd", b"x")], "leads out of it"),
    "backslash": ([RUN, ("..\\run.json", b"x")], "leads out of it"),
    "drive": ([RUN, ("c:/x", b"x")], "leads out of it"),
    "link": ([(link("run.json"), b"/etc/passwd")], "a link or device"),
    "link beside": ([RUN, (link("locks/x"), b"/etc")], "a link or device"),
    "bomb": ([RUN, ("cases.jsonl.gz", b"\0" * 2**26)], "far too much"),
    "two runs": ([("a/run.json", b"{}"), ("b/run.json", b"{}")], "several runs"),
    "no run": ([("readme", b"x")], "no run.json"),
    "deep run": ([("a/b/run.json", b"{}")], "no run.json"),
    "pickle in it": ([RUN, ("cases.pkl", b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")], "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_with_a_sentence(tmp_path: Path, capsys, name: str):
    members, message = HOSTILE[name]
    path = tmp_path / "in" / "x.zip"
    path.parent.mkdir()
    method = zipfile.ZIP_DEFLATED if name == "bomb" else zipfile.ZIP_STORED
    hostile(path, *members, method=method)
    status, _, err = merge(capsys, path, "--output", tmp_path / "w")
    assert status == 4
    assert message in err
    assert {each.name for each in tmp_path.iterdir()} == {"in"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, capsys):
    hostile(tmp_path / "x.zip", RUN, RUN)
    assert "twice" in merge(capsys, tmp_path / "x.zip", "--output", tmp_path / "w")[2]


def test_a_size_that_lies_is_found_out(tmp_path: Path, capsys):
    path = packed(shard(tmp_path / "1", 1), tmp_path / "1.zip")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("plan.json")
        size = info.file_size
    data = path.read_bytes()
    # In the list at the end, where readers look: a smaller size than what comes out.
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"plan.json"))
    lie = data[: at + 24] + (size // 2).to_bytes(4, "little") + data[at + 28 :]
    path.write_bytes(lie)
    status, _, err = merge(capsys, path, "--output", tmp_path / "w")
    assert status == 4
    assert "refused" in err


@pytest.mark.parametrize("cut", [10, 200, -30])
def test_half_an_archive_is_refused(tmp_path: Path, capsys, cut: int):
    path = packed(shard(tmp_path / "1", 1), tmp_path / "1.zip")
    path.write_bytes(path.read_bytes()[:cut])
    status, _, err = merge(capsys, path, "--output", tmp_path / "w")
    assert (status, "refused" in err) == (4, True)


def test_what_is_no_archive_or_not_there(tmp_path: Path, capsys):
    (tmp_path / "x").write_bytes(b"hello")
    assert "refused" in merge(capsys, tmp_path / "x", "--output", tmp_path / "w")[2]
    assert "no stored run" in merge(capsys, tmp_path / "no", "--output", tmp_path / "w")[2]
