"""Results of cells that are kept for the next run, and when they are not."""

from __future__ import annotations

import errno
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.environments.protocol import Lock, Prepared
from pytest_modelcompat.matrix.model import CheckEntry, Framework, Limits, Model, Tolerance
from pytest_modelcompat.results.blobs import Blobs
from pytest_modelcompat.results.model import CellStatus, Expectation, Outcome, Stage
from pytest_modelcompat.runner import reuse as module
from pytest_modelcompat.runner.measure import CellEnd
from pytest_modelcompat.runner.reuse import Reuse
from tests.unit.planned import a_case, a_cell, a_planned, a_workload
from tests.unit.stored_runs import case, kept_of

KEY = "ab" * 32
NOTHING = Expectation(outcome=Outcome.INFO)


@pytest.fixture
def blobs(tmp_path) -> Blobs:
    return Blobs(tmp_path / "report")


@pytest.fixture
def it(tmp_path) -> Reuse:
    return Reuse(tmp_path / "cache", run="run-1", started="2026-11-21T10:00:00+00:00")


END = CellEnd(
    status=CellStatus.COMPLETED, attestation={"python": "3.12.1"},
    ran_on={"CPUExecutionProvider": 7}, notes=["a note"], seconds=3.0,
)  # fmt: skip


def records(blobs: Blobs):
    digest, expected = blobs.put(b"outputs"), blobs.put(b"expected")
    return [
        case(0),
        case(1, status="failed", outputs=("=", digest), expected=expected, mismatch={"index": [1]}),
        case(2, status="error", error={"type": "E", "message": "é\ud800"}, signature="s"),
        case(3, status="failed", outcome="xfail", known="K", attribution="optimizer",
             attribution_detail={"optimizer_off": "passed"}),
    ]  # fmt: skip


def test_what_was_kept_comes_back_whole(it: Reuse, blobs: Blobs, tmp_path) -> None:
    kept = records(blobs)
    it.save(KEY, END, kept_of(kept), blobs)
    other = Blobs(tmp_path / "other")
    found = it.load(KEY, other)
    assert found is not None
    end, again, briefs = found
    plain = [replace(each, expectation=NOTHING, repro="") for each in kept]  # told anew by the run
    assert list(again.records("cell-a")) == plain
    assert [each.case for each in briefs] == [each.case for each in kept]
    assert end.status is CellStatus.COMPLETED
    assert end.stage is None
    assert (end.attestation, end.ran_on) == (END.attestation, END.ran_on)
    assert end.notes == ["a note", "reused: measured by run run-1, 2026-11-21T10:00:00+00:00"]
    assert other.get(kept[1].measurement.outputs[1]) == b"outputs"
    assert other.get(kept[1].measurement.expected or "") == b"expected"


def test_the_end_of_a_misconfigured_cell_is_kept_too(it: Reuse, blobs: Blobs) -> None:
    ended = replace(END, status=CellStatus.MISCONFIGURED, stage=Stage.ASSIGN, reason="no")
    it.save(KEY, ended, kept_of([case(0)]), blobs)
    found = it.load(KEY, blobs)
    assert found is not None
    assert (found[0].status, found[0].stage, found[0].reason) == (
        CellStatus.MISCONFIGURED, Stage.ASSIGN, "no",
    )  # fmt: skip


@pytest.mark.parametrize(
    "status", [s for s in CellStatus if s not in {CellStatus.COMPLETED, CellStatus.MISCONFIGURED}]
)
def test_a_cell_that_did_not_end_well_is_not_kept(it: Reuse, blobs: Blobs, status) -> None:
    it.save(KEY, replace(END, status=status), kept_of([case(0)]), blobs)
    assert it.load(KEY, blobs) is None


@pytest.mark.parametrize("status", ["timed_out", "out_of_memory", "not_run"])
def test_what_depends_on_the_moment_is_not_kept(it: Reuse, blobs: Blobs, status: str) -> None:
    it.save(KEY, END, kept_of([case(0), case(1, status=status, outcome="info")]), blobs)
    assert it.load(KEY, blobs) is None


def test_what_a_server_elsewhere_answered_is_not_kept(it: Reuse, blobs: Blobs) -> None:
    answered = {"python": "3.12.1", "server": {"url": "http://127.0.0.1:1"}}
    it.save(KEY, replace(END, attestation=answered), kept_of([case(0)]), blobs)
    assert it.load(KEY, blobs) is None


def test_nothing_is_known_of_another_key(it: Reuse, blobs: Blobs) -> None:
    it.save(KEY, END, kept_of([case(0)]), blobs)
    assert it.load("cd" * 32, blobs) is None


def entry(cache: Path) -> Path:
    (path,) = cache.rglob("*.jsonl.gz")
    return path


def lines_of(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def head(**changes):
    def damage(path: Path) -> None:
        first, *rest = lines_of(path)
        changed = json.dumps({**json.loads(first), **changes})
        path.write_bytes(gzip.compress("\n".join([changed, *rest]).encode()))

    return damage


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(12, len(data) - 8):
        data[at] ^= 0x5A
    path.write_bytes(data)


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "flipped": flip,
    "no archive": lambda path: path.write_bytes(b"hello"),
    "empty": lambda path: path.write_bytes(b""),
    "an empty archive": lambda path: path.write_bytes(gzip.compress(b"")),
    "no JSON": lambda path: path.write_bytes(gzip.compress(b"{")),
    "another JSON": lambda path: path.write_bytes(gzip.compress(b"[]\n[]")),
    "a record that is none": lambda path: path.write_bytes(
        gzip.compress(f"{lines_of(path)[0]}\n{{}}".encode())
    ),
    "a status that there is not": lambda path: path.write_bytes(
        gzip.compress("\n".join(lines_of(path)).replace('"failed"', '"splendid"').encode())
    ),
    "a line less": lambda path: path.write_bytes(
        gzip.compress("\n".join(lines_of(path)[:-1]).encode())
    ),
    "an unknown status": head(status="splendid"),
    "an unknown stage": head(stage="party"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_entry_is_none(it: Reuse, blobs: Blobs, tmp_path, how: str) -> None:
    it.save(KEY, END, kept_of(records(blobs)), blobs)
    DAMAGE[how](entry(tmp_path))
    assert it.load(KEY, Blobs(tmp_path / "other")) is None


def test_an_entry_whose_outputs_are_gone_is_none(it: Reuse, blobs: Blobs, tmp_path) -> None:
    kept = records(blobs)
    it.save(KEY, END, kept_of(kept), blobs)
    (tmp_path / "cache" / "results" / "outputs" / kept[1].measurement.outputs[1][:2]).rename(
        tmp_path / "away"
    )
    assert it.load(KEY, Blobs(tmp_path / "other")) is None


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_outputs_are_copied_where_they_cannot_be_linked(
    it: Reuse, blobs: Blobs, tmp_path, monkeypatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.os, "link", refuse)
    kept = records(blobs)
    it.save(KEY, END, kept_of(kept), blobs)
    other = Blobs(tmp_path / "other")
    assert it.load(KEY, other) is not None
    assert other.get(kept[1].measurement.outputs[1]) == b"outputs"


# What decides a key -------------------------------------------------------------------------------


def prepared(**changes) -> Prepared:
    planned = a_planned()
    fields = {
        "spec": planned.environment, "python": ("/x/python",), "python_version": "3.12.1",
        "lock": Lock(digest="a" * 64, text="", packages=()), "folder": Path("/x"), "seconds": {},
    }  # fmt: skip
    return Prepared(**{**fields, **changes})


def work(**changes):
    return a_workload([a_case(reference={"kind": "given"})], check="parity", **changes)


def model(rtol: float) -> CheckEntry:
    tolerance = (("float32", Tolerance(rtol=rtol, atol=0.0)),)
    return CheckEntry(check="parity", models=(Model(name="m", tolerance=tolerance),))


PLAIN = a_planned(a_cell(), work())

OTHERS = {
    "provider": (a_planned(a_cell(provider="CUDAExecutionProvider"), work()), prepared()),
    "options": (a_planned(a_cell(options=(("a", "b"),)), work()), prepared()),
    "env": (a_planned(a_cell(env=(("A", "b"),)), work()), prepared()),
    "limits": (a_planned(a_cell(limits=Limits(case=1.0)), work()), prepared()),
    "adapter": (
        a_planned(
            a_cell(
                framework=Framework(
                    distribution="onnxruntime", version="1.31.1", runtime="backend", module="m"
                )
            ),
            work(),
        ),
        prepared(),
    ),
    "cell": (a_planned(a_cell("cell-b"), work()), prepared()),
    "cases": (a_planned(a_cell(), work(digest="other")), prepared()),
    "more cases": (a_planned(a_cell(), work(), work(digest="other")), prepared()),
    "reference": (
        a_planned(a_cell(), a_workload([a_case(reference={"kind": "onnx"})], check="parity")),
        prepared(),
    ),
    "tolerance": (
        a_planned(
            a_cell(),
            work(entry=CheckEntry(check="parity", tolerance=(("int8", Tolerance(ulp=1)),))),
        ),
        prepared(),
    ),
    "a model's tolerance": (a_planned(a_cell(), work(entry=model(1e-3))), prepared()),
    "lock": (PLAIN, prepared(lock=Lock(digest="b" * 64, text="", packages=()))),
    "interpreter": (PLAIN, prepared(python_version="3.12.2")),
    "image": (PLAIN, prepared(image_digest="sha256:1")),
}


def test_the_same_conditions_have_the_same_key(it: Reuse, tmp_path) -> None:
    other = Reuse(tmp_path / "elsewhere", run="run-2", started="later")
    moved = prepared(python=("/y/python",), folder=Path("/y"), seconds={"install": 9.0})
    assert it.key(PLAIN, prepared()) == other.key(a_planned(a_cell(), work()), moved)


@pytest.mark.parametrize("what", OTHERS)
def test_other_conditions_have_another_key(it: Reuse, what: str) -> None:
    assert it.key(*OTHERS[what]) != it.key(PLAIN, prepared())


def test_another_tolerance_of_a_model_has_another_key(it: Reuse) -> None:
    one, two = (a_planned(a_cell(), work(entry=model(rtol))) for rtol in (1e-3, 1e-4))
    assert it.key(one, prepared()) != it.key(two, prepared())


@pytest.mark.parametrize("what", ["_code", "_host"])
def test_another_machine_and_another_version_of_this_have_another_key(
    it: Reuse, monkeypatch, what: str
) -> None:
    before = it.key(PLAIN, prepared())
    monkeypatch.setattr(module, what, lambda: ["another"])
    assert it.key(PLAIN, prepared()) != before
