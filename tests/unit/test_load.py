"""Stored runs are read back, and what is wrong with one is said in a sentence."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_modelcompat import results
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.errors.results import StoredRunProblem
from pytest_modelcompat.results import upgrade
from pytest_modelcompat.results.load import Run, load
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status
from tests.unit.stored_runs import LOCK, case, cell, open_store, report_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cases = [case(n, cell=c) for c in ("cell-a", "cell-b") for n in range(30)]
    failed = case(
        30, status="failed", signature="s", mismatch={"ratio": 2.5, "actual": float("inf")}
    )
    report_folder(
        tmp_path / "report",
        [*cases, failed],
        [cell(), cell("cell-b", framework="onnxruntime==1.20.1")],
        issues={"K": "https://example.org/1"},
        notes=("a note",),
    )
    (tmp_path / "report" / "plan.json").write_text('{"schema": 1, "cells": [{"id": "cell-a"}]}')
    return tmp_path / "report"


def test_a_run_is_read_back(folder: Path):
    run = load(folder)
    assert run.info.id == "20261121T100000-abcdef"
    assert run.info.issues == {"K": "https://example.org/1"}
    assert run.info.notes == ("a note",)
    assert [each.id for each in run.cells] == ["cell-a", "cell-b"]
    assert run.cells[0].axes["framework"] == "onnxruntime==1.31.1"
    assert run.cells[0].counts == {"failed": 1, "passed": 30}
    assert run.cells[0].status is CellStatus.COMPLETED
    assert run.packages(run.cells[0]) == ("numpy==2.2.6", "onnxruntime==1.31.1")
    assert run.environments["env-a"].python == "3.12.1"
    found = list(run.cases())
    assert len(found) == 61
    assert [each.n for each in run.cases("cell-b")] == list(range(30))
    last = found[30]
    assert (last.status, last.outcome, last.stage) == (Status.FAILED, Outcome.NOT_OK, Stage.COMPARE)
    assert last.mismatch == {"ratio": 2.5, "actual": "inf"}
    assert last.error == {"signature": "s"}
    assert found[0].seconds == {"load": 0.002, "run": 0.001}
    assert run.plan["cells"] == [{"id": "cell-a"}]
    assert run.lock(LOCK).startswith("numpy==2.2.6")
    assert run.cell("cell-b").id == "cell-b"
    with pytest.raises(UsageProblem, match=r"no cell 'cell-x'\. Did you mean 'cell-"):
        run.cell("cell-x")


def test_load_is_at_hand_and_costs_nothing_before(folder: Path):
    assert len(list(results.load(folder).cases())) == 61
    assert results.Run is Run
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"  # a measurement of coverage has brought some of them
        "import pytest_modelcompat.results as r\n"
        "assert not [m for m in sys.modules if m.startswith('pytest_modelcompat.results.')]\n"
        "assert not {'sqlite3', 'gzip', 'numpy'} & (set(sys.modules) - before)\n"
        f"assert len(list(r.load({str(folder)!r}).cases())) == 61\n"
        "assert 'numpy' not in sys.modules\n"
        "from pytest_modelcompat.results import load\n"
        "from pytest_modelcompat.results.load import load as same\n"
        f"assert load({str(folder)!r}).info == same({str(folder)!r}).info\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_of_hostile_models_can_be_shown(tmp_path: Path):
    name = "\ud800\0\u2028</script>"
    report_folder(tmp_path, [case(0, unit=name, case=name)], [cell()])
    (found,) = load(tmp_path).cases()
    assert found.unit == "\ufffd\0\u2028</script>"
    found.unit.encode()


def test_no_run_or_an_unfinished_one(tmp_path: Path):
    for nowhere in (tmp_path, tmp_path / "none"):
        with pytest.raises(StoredRunProblem, match=r"no stored run here \(no run\.json\)"):
            load(nowhere)
    with open_store(tmp_path):
        pass
    with pytest.raises(StoredRunProblem, match=r"not written out yet.*again to continue"):
        load(tmp_path)


def edit(name: str, change):
    def apply(folder: Path) -> None:
        data = json.loads((folder / "run.json").read_text())
        change(data)
        (folder / "run.json").write_text(json.dumps(data))

    apply.__name__ = name
    return apply


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(data) -> None:
        for key in path:
            data = data[key]
        data[last] = value

    return edit("-".join(map(str, path_and_value))[:60], change)


def text(name: str, content: bytes):
    def apply(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return apply


def relink(name: str, target: str):
    def apply(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return apply


def pipe(name: str):
    def apply(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return apply


def lines(change):
    def apply(folder: Path) -> None:
        path = folder / "cases.jsonl.gz"
        found = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        path.write_bytes(gzip.compress(b"".join(change(found))))

    return apply


def line(**changes):
    def change(found: list[bytes]) -> list[bytes]:
        data = {**json.loads(found[0]), **changes}
        return [json.dumps(data).encode() + b"\n", *found[1:]]

    return lines(change)


def raw(content: bytes):
    return lines(lambda found: [content + b"\n", *found[1:]])


DEEP = b"[" * 100_000 + b"]" * 100_000
BAD = {
    "empty": (text("run.json", b""), "run.json: .*not JSON"),
    "cut": (text("run.json", b'{"schema": 1, "run": {'), "not JSON"),
    "binary": (text("run.json", bytes(range(256))), "not UTF-8"),
    "utf-16": (text("run.json", '{"schema": 1}'.encode("utf-16")), "not UTF-8"),
    "list": (text("run.json", b"[]"), "not a mapping"),
    "deep": (text("run.json", DEEP), "nested too deeply"),
    "nan": (text("run.json", b'{"schema": NaN}'), "NaN is no number in JSON"),
    "huge number": (text("run.json", b'{"schema": ' + b"9" * 5000 + b"}"), "damaged: Exceeds"),
    "no schema": (text("run.json", b"{}"), "`schema` is not a version"),
    "schema true": (put("schema", True), "`schema` is not a version"),
    "schema 0": (put("schema", 0), "`schema` is not a version"),
    "newer": (put("schema", 99), r"newer modelcompat \(schema 99.*Upgrade"),
    "no run": (put("run", []), "`run` is not a mapping"),
    "run id": (put("run", "id", 7), "`run.id` has the wrong type"),
    "tool": (put("run", "tool", {"name": []}), "not text"),
    "matrices": (put("run", "matrices", ["m"]), "not text"),
    "cells": (put("cells", {}), "`cells` is not a list"),
    "cell": (put("cells", 0, "x"), "a record is not a mapping"),
    "cell twice": (put("cells", 1, "id", "cell-a"), "two cells have the same id"),
    "cell status": (put("cells", 0, "status", "fine"), "'fine' is no `status`"),
    "cell axes": (put("cells", 0, "axes", {"python": 3.12}), "`axes` holds"),
    "counts": (put("cells", 0, "counts", {"passed": -1}), "`counts`"),
    "counts names": (put("cells", 0, "counts", {"fine": 1}), "`counts`"),
    "environment": (put("cells", 0, "environment", {"id": []}), "`id` that is not text"),
    "no id": (edit("no id", lambda data: data["cells"][0].pop("id")), "has no `id`"),
    "seconds": (put("cells", 0, "seconds", {"run": "1"}), "`seconds`"),
    "infinite": (
        lambda folder: text(
            "run.json", (folder / "run.json").read_bytes().replace(b"1.25", b"1e999")
        )(folder),
        "`seconds`",
    ),
    "linked run": (relink("run.json", "/etc/passwd"), "cannot be opened"),
    "piped run": (pipe("run.json"), "not a regular file"),
    "linked cases": (relink("cases.jsonl.gz", "/dev/zero"), "cannot be opened"),
    "piped cases": (pipe("cases.jsonl.gz"), "not a regular file"),
    "no cases": (lambda folder: (folder / "cases.jsonl.gz").unlink(), "it is missing"),
    "not gzip": (text("cases.jsonl.gz", b"hello"), "cut off or changed"),
    "lines gone": (lines(lambda found: found[:-5]), "5 cases that run.json counts are missing"),
    "lines twice": (lines(lambda found: found + found[:1]), "counts fewer cases"),
    "unknown cell": (line(cell="x"), "line|counts fewer cases of 'x'"),
    "case status": (line(status="fine"), "'fine' is no `status`"),
    "other status": (line(status="failed"), "counts fewer cases of 'cell-a' that are failed"),
    "case type": (line(unit=7), "`unit` is not text"),
    "case n": (line(n=-1), "`n` is out of range"),
    "case n bool": (line(n=True), "`n` is not a whole number"),
    "ran_on": (line(ran_on={"CPU": "many"}), "`ran_on`"),
    "outputs": (line(outputs=[1]), "`outputs`"),
    "mismatch": (raw(b'{"cell":"cell-a","check":"c","unit":"u","case":"x","status":"passed",'
                     b'"outcome":"ok","mismatch":{"a":[1e999]}}'), "not finite"),
    "case nan": (raw(b'{"n":NaN}'), "NaN is no number"),
    "case no json": (raw(b"hello"), "not JSON"),
    "case binary": (raw(b"\xff\xfe"), "not UTF-8"),
    "case deep": (raw(DEEP), "nested too deeply"),
    "case list": (raw(b"[]"), "a record is not a mapping"),
    "empty line": (raw(b""), "not JSON"),
    "long line": (raw(b'"' + b"x" * (17 * 2**20) + b'"'), "longer than"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_damaged_run_is_told_in_a_sentence(folder: Path, name: str):
    harm, words = BAD[name]
    harm(folder)

    def read() -> None:
        for _ in load(folder).cases():
            pass

    with pytest.raises(StoredRunProblem, match=words):
        read()


def test_the_line_is_named(folder: Path):
    lines(lambda found: [*found[:17], b"{}\n", *found[18:]])(folder)
    with pytest.raises(StoredRunProblem, match=r"cases\.jsonl\.gz:18: .*has no `cell`"):
        list(load(folder).cases())


def test_a_bomb_is_read_no_further_than_what_was_counted(folder: Path):
    path = folder / "cases.jsonl.gz"
    first = gzip.decompress(path.read_bytes()).splitlines(keepends=True)[0]
    path.write_bytes(gzip.compress(first * 200_000))
    with pytest.raises(StoredRunProblem, match=r":31: .*counts fewer cases"):
        list(load(folder).cases())


def test_cut_off_at_any_byte_it_is_told(folder: Path):
    whole = {name: (folder / name).read_bytes() for name in ("run.json", "cases.jsonl.gz")}
    chance = random.Random(7)
    for name, data in whole.items():
        for end in [0, 1, len(data) - 1, *(chance.randrange(len(data)) for _ in range(40))]:
            # The last byte of run.json is a line's end, which nobody misses.
            if name == "run.json" and end == len(data) - 1:
                continue
            (folder / name).write_bytes(data[:end])
            with pytest.raises(StoredRunProblem):
                list(load(folder).cases())
        (folder / name).write_bytes(data)


def test_edited_anywhere_it_is_read_or_told_but_never_crashes(folder: Path):
    chance = random.Random(11)
    whole = (folder / "run.json").read_bytes()
    cases = gzip.decompress((folder / "cases.jsonl.gz").read_bytes())
    for _ in range(300):
        for path, data in (("run.json", whole), ("cases.jsonl.gz", cases)):
            edited = bytearray(data)
            at = chance.randrange(len(edited))
            edited[at : at + chance.randrange(3)] = bytes(
                chance.choices(b'{}[]",:019.\\u\xff', k=2)
            )
            packed = gzip.compress(bytes(edited), 1) if path.endswith("gz") else bytes(edited)
            (folder / path).write_bytes(packed)
        with suppress(StoredRunProblem):
            list(load(folder).cases())
    (folder / "run.json").write_bytes(whole)


def test_packed_bytes_flipped_anywhere_are_told(folder: Path):
    data = (folder / "cases.jsonl.gz").read_bytes()
    chance = random.Random(3)
    for _ in range(60):
        at = chance.randrange(10, len(data))
        flipped = data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
        (folder / "cases.jsonl.gz").write_bytes(flipped)
        with pytest.raises(StoredRunProblem):
            list(load(folder).cases())


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 64 + "\n", "a" * 63])
def test_what_is_no_digest_is_no_path(folder: Path, digest: str):
    for read in (load(folder).lock, load(folder).blob):
        with pytest.raises(StoredRunProblem, match="not a content digest"):
            read(digest)


def test_missing_parts_are_told_when_they_are_asked_for(folder: Path):
    run = load(folder)
    with pytest.raises(StoredRunProblem, match=r"b{64}\.txt: .*missing"):
        run.lock("b" * 64)
    with pytest.raises(StoredRunProblem, match="stored output is missing"):
        run.blob("b" * 64)
    (folder / "plan.json").unlink()
    with pytest.raises(StoredRunProblem, match=r"plan\.json: .*missing"):
        _ = run.plan


def test_unknown_fields_are_left_out(folder: Path):
    put("cells", 0, "later", {"x": 1})(folder)
    put("run", "later", [])(folder)
    line(later=[1])(folder)
    assert len(list(load(folder).cases())) == 61


def test_an_older_schema_goes_through_every_step(folder: Path, monkeypatch):
    def rename(data):
        data["run"]["id"] = data["run"].pop("name")
        return data

    def add(data):
        return {**data, "opset": data.get("opset", 0) + 1}

    data = json.loads((folder / "run.json").read_text())
    data["run"]["name"] = data["run"].pop("id")
    (folder / "run.json").write_text(json.dumps(data))
    # As if the present schema were 3, and 1 and 2 had changed something each.
    monkeypatch.setattr(upgrade, "SCHEMA", 3)
    monkeypatch.setattr(upgrade, "RUN_STEPS", {1: rename})
    monkeypatch.setattr(upgrade, "CASE_STEPS", {1: add, 2: add})
    run = load(folder)
    assert run.info.id == "20261121T100000-abcdef"
    assert {each.opset for each in run.cases()} == {15}


def test_every_schema_from_the_first_on_has_its_way_up():
    for steps in (upgrade.RUN_STEPS, upgrade.CASE_STEPS):
        assert set(steps) <= set(range(upgrade.OLDEST, upgrade.SCHEMA))
    golden = Path(__file__).parents[1] / "golden"
    stored = {path.name for path in golden.glob("run-schema-*")}
    assert stored == {f"run-schema-{n}" for n in range(upgrade.OLDEST, upgrade.SCHEMA + 1)}


def test_the_golden_run_of_schema_1():
    run = load(Path(__file__).parents[1] / "golden" / "run-schema-1")
    assert run.schema == 1
    assert run.info.tool == {"name": "pytest-modelcompat", "version": "0.1.0"}
    assert run.info.matrices[0]["name"] == "golden"
    assert [(each.id, each.status.value, each.outcome.value) for each in run.cells] == [
        ("ort-1.20.1-py3.12-0a1b2c3d", "completed", "ok"),
        ("ort-1.31.1-py3.12-4e5f6071", "completed", "ok"),
        ("ort-9.9.9-py3.12-8293a4b5", "unsatisfiable", "info"),
    ]
    assert run.cells[1].axes == {
        "framework": "onnxruntime==1.31.1", "python": "3.12", "image": "host",
        "provider": "CPUExecutionProvider",
    }  # fmt: skip
    assert run.packages(run.cells[0]) == ("numpy==2.2.6", "onnxruntime==1.20.1")
    cases = list(run.cases())
    assert [each.status.value for each in cases] == [
        "passed", "gated", "failed", "fallback", "passed", "crashed", "failed", "passed",
        "not_run", "not_run", "not_run", "not_run",
    ]  # fmt: skip
    crashed = cases[5]
    assert crashed.error == {
        "signature": "crashed: SIGSEGV", "message": "died", "signal": "SIGSEGV",
    }  # fmt: skip
    assert crashed.known == "ISSUE-1"
    assert crashed.outcome is Outcome.XFAIL
    failed = cases[2]
    assert failed.mismatch["max_abs"] == "inf"
    assert failed.attribution == "optimizer"
    assert failed.attribution_detail == {"optimizer_off": "passed"}
    assert failed.reference == {"kind": "onnx", "source": "onnx==1.18.0", "version": "1.18.0"}
    assert run.blob(failed.outputs[0]) == b"golden outputs"
    assert cases[8].reason == "no version 9.9.9"
    digest = run.cells[0].environment["lock_digest"]
    assert run.cells[0].environment["lock"] == f"locks/{digest}.txt"
    assert "onnxruntime==1.20.1" in run.lock(digest)
    assert len(run.plan["cells"]) == 3
