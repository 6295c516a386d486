"""A stored run judged again, from what it kept, without running anything."""

from __future__ import annotations

import json
import sqlite3
import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.errors.results import StoreProblem
from pytest_modelcompat.matrix.model import Tolerance
from pytest_modelcompat.results import rejudge as module
from pytest_modelcompat.results.bench import Bench
from pytest_modelcompat.results.copying import parse_tolerances
from pytest_modelcompat.results.judge import judge as default_judge
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import Expectation, Judgement, Outcome, Stage, Status
from pytest_modelcompat.results.rejudge import command, compare_outputs, rejudge
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.terms import read_terms, with_terms
from pytest_modelcompat.results.write import write_outputs
from pytest_modelcompat.worker.values import Value, encode
from tests.unit.stored_runs import RUN, case, cell, open_store

WIDE = (("float32", Tolerance(rtol=0.5, atol=0.0)),)
TIGHT = (("float32", Tolerance(rtol=0.0, atol=1e-9)),)


def floats(*numbers: float, name: str | int = "y") -> bytes:
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return encode([(name, Value.tensor("float32", (len(numbers),), data))])


def measured(store, n: int, *outputs: bytes | str, expected: bytes | None = None, **changes):
    """A case whose outputs are stored; "=" stands for the expected ones."""
    marks = tuple(each if isinstance(each, str) else store.put_blob(each) for each in outputs)
    right = store.put_blob(expected) if expected is not None else None
    return case(n, outputs=marks, expected=right, ended="returned", **changes)


@pytest.fixture
def store(tmp_path: Path):
    with open_store(tmp_path / "run") as store:
        yield store


def statuses(store, **wanted) -> list[str]:
    return [each.judgement.status.value for each in store.cases(**wanted)]


RUNTIMES = {"cell-a": "onnxruntime", "cell-b": "onnxruntime", "cell-c": "onnxruntime"}


def test_other_tolerances_change_what_they_are_about(store):
    right, known = floats(1.0, 2.0), {"known": "K", "outcome": "xfail"}
    store.add_cases([
        measured(store, 0, "="),
        measured(store, 1, floats(1.0, 2.2), expected=right, status="failed"),
        measured(store, 2, floats(1.0, 9.0), expected=right, status="failed", **known),
        measured(store, 3, floats(1.0, 2.000001), expected=right),
        case(4, status="not_run", outputs=(), outcome="info"),
        case(5, status="crashed", outputs=(), error={"message": "died", "signal": "SIGSEGV"}),
    ])  # fmt: skip
    before = [each.measurement for each in store.cases()]
    result = rejudge(store, runtimes=RUNTIMES, tolerances=WIDE)
    assert statuses(store) == ["passed", "passed", "failed", "passed", "not_run", "crashed"]
    assert (result.judged, result.kept) == (5, 0)
    assert result.changed == {(Status.FAILED, Status.PASSED): 1}
    found = list(store.cases())
    assert found[1].expectation == Expectation(outcome=Outcome.OK)
    assert found[2].expectation == Expectation(outcome=Outcome.XFAIL, known="K")
    assert found[2].judgement.mismatch["index"] == [1]
    store.set_expectations([("cell-a", 3, Expectation(outcome=Outcome.XPASS, known="K"))])
    result = rejudge(store, runtimes=RUNTIMES, tolerances=TIGHT)
    assert statuses(store) == ["passed", "failed", "failed", "failed", "not_run", "crashed"]
    (surprise,) = (each for each in store.cases() if each.n == 3)
    assert surprise.expectation == Expectation(outcome=Outcome.XFAIL, known="K")
    assert [each.measurement for each in store.cases()] == before
    assert next(store.cases(status="failed")).expectation.outcome is Outcome.NOT_OK


def test_what_the_run_knew_is_kept_with_the_reference(store):
    right, near = floats(1.0), floats(1.0001)
    record = measured(store, 0, near, expected=right)
    mild = (("float32", Tolerance(rtol=0.01, atol=0.0)),)
    suite = with_terms(record.reference, suite=(0.0, 1e-7), tolerances=None, quantized=None)
    given = with_terms(record.reference, suite=(0.0, 1e-7), tolerances=mild, quantized={"x": 1.0})
    assert suite == {**record.reference, "rtol": 0.0, "atol": 1e-7}
    assert given["tolerance"] == {"float32": {"rtol": 0.01, "atol": 0.0}}
    assert read_terms(given) == {
        "suite": (0.0, 1e-7), "tolerances": mild, "quantized": {"x": 1.0},
    }  # fmt: skip
    assert with_terms(None, suite=None, tolerances=None, quantized={}) is None
    store.add_cases(
        [record, replace(record, n=1, reference=suite), replace(record, n=2, reference=given)]
    )
    rejudge(store, runtimes=RUNTIMES)
    assert statuses(store) == ["passed", "failed", "passed"]
    # What is said now comes before both.
    rejudge(store, runtimes=RUNTIMES, tolerances=TIGHT)
    assert statuses(store) == ["failed", "failed", "failed"]


def test_a_cause_that_was_found_stays_with_its_verdict(store):
    record = measured(
        store, 0, floats(3.0), expected=floats(1.0), status="failed", attribution="optimizer",
        attribution_detail={"optimizer_off": "passed"},
    )  # fmt: skip
    store.add_cases([record])
    rejudge(store, runtimes=RUNTIMES)
    (found,) = store.cases()
    assert found.judgement.mismatch is not None
    assert found.judgement.attribution == "optimizer"
    rejudge(store, runtimes=RUNTIMES, tolerances=(("float32", Tolerance(rtol=9.0, atol=0.0)),))
    (found,) = store.cases()
    assert found.judgement.attribution is None


def test_what_cannot_be_judged_again_stays(store):
    lost = measured(store, 0, floats(3.0), expected=floats(1.0), status="failed")
    torn = measured(store, 1, floats(4.0), expected=floats(2.0), status="failed")
    never = measured(store, 2, floats(5.0), status="failed")  # its reference was not kept
    store.add_cases([lost, torn, never])
    store.blobs.path(lost.measurement.outputs[0]).unlink()
    store.blobs.path(torn.measurement.outputs[0]).write_bytes(b"torn")
    result = rejudge(store, runtimes=RUNTIMES, tolerances=WIDE)
    assert (result.judged, result.kept, not result.changed) == (0, 3, True)
    assert statuses(store) == ["failed"] * 3


def test_a_case_that_only_has_to_run(store):
    record = replace(measured(store, 0, floats(3.0)), reference={"kind": "none"})
    store.add_cases([record, replace(record, n=1, reference=None)])
    result = rejudge(store, runtimes=RUNTIMES, tolerances=TIGHT)
    assert (statuses(store), result.kept) == (["passed", "passed"], 0)


def test_repeats_that_disagree(store):
    right = floats(1.0)
    record = measured(store, 0, floats(1.0), floats(1.3), expected=right, status="passed")
    mixed = measured(store, 1, "=", floats(1.3), expected=right, status="passed")
    store.add_cases([record, mixed])
    rejudge(store, runtimes=RUNTIMES)
    assert statuses(store) == ["nondeterministic", "nondeterministic"]
    rejudge(store, runtimes=RUNTIMES, tolerances=WIDE)
    assert statuses(store) == ["passed", "passed"]


@pytest.mark.parametrize(("name", "stored"), [("12", "12"), ("y", 0), ("y", "0")])
def test_outputs_are_found_by_name_or_position(store, name: str, stored: str | int):
    right = floats(1.0, name=stored)
    near = floats(1.001, name=name)
    store.add_cases([measured(store, 0, near, expected=right, status="failed")])
    rejudge(store, runtimes=RUNTIMES, tolerances=WIDE)
    assert statuses(store) == ["passed"]


def test_messages_are_classified_again(store):
    error = {
        "type": "Fail",
        "message": "Unsupported model IR version: 11, max supported IR version: 10",
    }
    record = case(0, status="error", outputs=(), error=error)
    measured_ = replace(record.measurement, stage=Stage.LOAD)
    store.add_cases([replace(record, measurement=measured_)])
    result = rejudge(store, runtimes=RUNTIMES)
    assert statuses(store) == ["gated"]
    assert result.changed == {(Status.ERROR, Status.GATED): 1}
    (found,) = store.cases()
    assert found.expectation.outcome is Outcome.INFO
    assert found.judgement.rule
    assert found.measurement.error == error


def everything(store) -> list:
    """All that a store says, NaN as text."""
    return [repr(each) for each in store.cases()]


def default_judge_of(store, record) -> Judgement:
    return Bench(store, RUNTIMES, (), default_judge).again(record)


def of_all_kinds(store) -> None:
    """In three cells: a wrong answer, and those that differ from it in one thing that counts."""
    right, wrong = floats(1.0, 2.0), floats(1.0, 2.2)
    base = measured(store, 0, wrong, expected=right, status="failed")
    suite = with_terms(base.reference, suite=(0.5, 0.0), tolerances=None, quantized=None)
    raised = case(0, status="error", outputs=(), error={"message": "died", "type": "Fail"})
    known = replace(base.expectation, known="K")
    gated = {"message": "Unsupported model IR version: 11, max supported IR version: 10"}
    seen = raised.measurement
    kinds = [
        base,
        replace(base, requested="CUDAExecutionProvider"),
        replace(base, reference=suite),
        replace(base, measurement=replace(base.measurement, ran_on={"CUDAExecutionProvider": 1})),
        measured(store, 0, floats(1.0, 9.0), expected=right, status="failed"),
        measured(store, 0, wrong, expected=floats(1.0, 9.0), status="failed"),
        replace(base, judgement=replace(base.judgement, status=Status.PASSED)),
        replace(base, judgement=replace(base.judgement, attribution="optimizer")),
        replace(base, judgement=replace(base.judgement, status=Status.PASSED), expectation=known),
        replace(base, expectation=known),
        measured(store, 0, "=", expected=right),
        raised,
        replace(raised, measurement=replace(seen, stage=Stage.LOAD, error=gated)),
        replace(raised, measurement=replace(seen, stage=Stage.LOAD)),
        replace(raised, measurement=replace(seen, error={"message": "died" * 2000})),
        replace(raised, measurement=replace(seen, ended="crashed")),
    ]
    with_all = {
        "stage": Stage.LOAD, "rule": "x", "signature": "x", "mismatch": {"bad": 1},
        "attribution": "x", "attribution_detail": {"x": "y"},
    }  # fmt: skip
    caused = replace(base.judgement, attribution="optimizer", attribution_detail={"x": "z"})
    kinds += [
        replace(base, judgement=default_judge_of(store, base)),
        *(
            replace(base, judgement=replace(default_judge_of(store, base), **{name: value}))
            for name, value in with_all.items()
        ),
        replace(base, judgement=caused),
    ]
    for name in RUNTIMES:
        store.add_cases([replace(each, cell=name, n=n) for n, each in enumerate(kinds)])


@pytest.mark.parametrize("tolerances", [(), WIDE, TIGHT])
@pytest.mark.parametrize("against", [None, "cell-a"])
def test_what_is_alike_is_judged_once_and_as_if_it_were_alone(
    tmp_path, monkeypatch, tolerances, against
) -> None:
    """Under another runtime nothing is alike."""
    others = dict(zip(RUNTIMES, ("onnxruntime", "backend", "kserve"), strict=True))
    found = []
    for name, runtimes in (("one", RUNTIMES), ("other", others), ("alone", RUNTIMES)):
        asked = []

        def judge(measurement, asked=asked, **given):
            asked.append(measurement)
            return default_judge(measurement, **given)

        if name == "alone":
            monkeypatch.setattr(module, "alike", lambda row: row[:1])
        with open_store(tmp_path / name) as store:
            of_all_kinds(store)
            if against is None:
                result = rejudge(store, judge=judge, runtimes=runtimes, tolerances=tolerances)
            else:
                result = compare_outputs(
                    store, against, judge=judge, runtimes=runtimes, tolerances=tolerances
                )
            found.append((result, everything(store), len(asked)))
    one, other, alone = found
    assert one[:2] == alone[:2]
    assert other[2] == alone[2] > one[2]
    if against is None:
        # Of three cells; the long message is remembered nowhere.
        assert (one[2], alone[2]) == (23 + 3, 24 * 3)


def test_an_answer_of_many_cells_is_read_once(store, monkeypatch) -> None:
    record = measured(store, 0, floats(1.0, 2.2), expected=floats(1.0, 2.0), status="failed")
    store.add_cases([replace(record, cell=name) for name in RUNTIMES])
    read = []
    get = store.blobs.get
    monkeypatch.setattr(store.blobs, "get", lambda digest: read.append(digest) or get(digest))
    result = rejudge(store, runtimes=RUNTIMES, tolerances=WIDE)
    assert result.changed == {(Status.FAILED, Status.PASSED): 3}
    assert len(read) == 2


@pytest.mark.parametrize(("runtime", "asked"), [("onnxruntime", 0), ("of-another-plugin", 1)])
def test_other_plugins_are_asked_for_the_rules_of_their_runtimes(tmp_path, runtime, asked) -> None:
    folder = finished(tmp_path / "run", runtime)
    calls = []
    command(folder, other_rules=lambda: calls.append(1))
    assert len(calls) == asked


def test_another_judge_and_other_expectations(store):
    store.add_cases([measured(store, 0, "="), measured(store, 1, "=")])
    asked = []

    def judge(measurement, **given):
        asked.append(given)
        return Judgement(status=Status.FAILED, stage=Stage.COMPARE)

    rejudge(
        store,
        runtimes=RUNTIMES,
        judge=judge,
        expect=lambda case: Expectation(outcome=Outcome.XFAIL, known=f"K-{case.n}"),
    )
    assert [each.expectation.known for each in store.cases()] == ["K-0", "K-1"]
    assert asked[0]["identical"] is True
    assert asked[0]["runtime"] == "onnxruntime"
    assert asked[0]["requested"] == "CPUExecutionProvider"


def test_any_cell_against_any_other(store):
    right, other = floats(1.0), floats(1.5)

    def row(n, name, *outputs, **changes):
        return measured(store, n, *outputs, cell=name, **changes)

    store.register_cells(["cell-a", "cell-b", "cell-c"])
    store.add_cases([
        # the reference answers: as expected, otherwise, not at all
        row(0, "cell-a", "="), row(1, "cell-a", other, expected=right, status="failed"),
        case(2, cell="cell-a", status="crashed", outputs=(), error={"message": "died"}),
        row(3, "cell-a", other, expected=right, status="failed"),
        # equal to what is expected, to the other answer, to anything
        row(0, "cell-b", "="), row(1, "cell-b", other, expected=right, status="failed"),
        row(2, "cell-b", "="), row(3, "cell-b", "="),
        row(0, "cell-c", other, expected=right, status="failed"),
        row(1, "cell-c", floats(1.4999), expected=right, status="failed"),
    ])  # fmt: skip
    result = compare_outputs(store, "cell-a", runtimes=RUNTIMES)
    assert statuses(store, cell="cell-a") == ["passed", "failed", "crashed", "failed"]
    assert statuses(store, cell="cell-b") == ["passed", "passed", "not_run", "failed"]
    assert statuses(store, cell="cell-c") == ["failed", "passed"]
    assert (result.judged, result.kept) == (6, 0)
    found = list(store.cases(cell="cell-b"))
    assert found[1].reference == {"kind": "cell", "source": "cell-a"}
    assert found[2].measurement.reason == "cell cell-a has no outputs of it"
    assert found[2].expectation.outcome is Outcome.INFO
    assert compare_outputs(store, "cell-a", runtimes=RUNTIMES, tolerances=WIDE).changed[
        Status.FAILED, Status.PASSED
    ] == 2  # fmt: skip


def finished(folder: Path, runtime: str = "onnxruntime") -> Path:
    with open_store(folder) as store:
        store.register_cells(["cell-a", "cell-b"])
        for name in ("cell-a", "cell-b"):
            store.set_cell(cell(name))
            store.add_cases([
                measured(store, n, floats(1.0 + n, 2.2), expected=floats(1.0 + n, 2.0),
                         status="failed", cell=name)
                for n in range(3)
            ])  # fmt: skip
        store.finish()
        plan = {"schema": 1, "cells": [{"id": c, "runtime": runtime} for c in RUNTIMES]}
        (folder / "plan.json").write_text(json.dumps(plan))
        write_outputs(store)
    return folder


def test_what_could_not_be_judged_is_counted_apart(tmp_path: Path):
    """Its output is gone, which two cases gave."""
    folder = finished(tmp_path / "run")
    gone = next(case.outputs[0] for case in load(folder).cases())
    (folder / "outputs" / gone[:2] / gone).unlink()
    said = command(folder, tolerances=["float32:rtol=0.5"])
    assert said.startswith(
        "4 cases judged again, 4 changed\n  failed -> passed: 4\n"
        "2 cases could not be, and kept as before: what they answered, or their reference, is not"
    )


def test_the_command_makes_a_copy(tmp_path: Path):
    folder = finished(tmp_path / "run")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said = command(folder, tolerances=["float32:rtol=0.5"])
    assert said == (
        "6 cases judged again, 6 changed\n  failed -> passed: 6\n"
        f"written to {tmp_path / 'run-rejudged'}; "
        f"`modelcompat report {tmp_path / 'run-rejudged'}` makes its page\n"
    )
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    copy = load(tmp_path / "run-rejudged")
    assert {each.status for each in copy.cases()} == {Status.PASSED}
    assert copy.cells[0].counts == {"passed": 3}
    assert copy.blob(next(copy.cases()).outputs[0])
    # Again, into the same place, with something else; and against a cell.
    assert "6 cases judged again, 0 changed" in command(folder)
    said = command(folder, against="cell-a", output=tmp_path / "other")
    assert "3 cases judged again, 3 changed\n  failed -> passed: 3" in said
    assert [each.counts for each in load(tmp_path / "other").cells] == [
        {"failed": 3},
        {"passed": 3},
    ]


def test_a_run_judged_against_a_cell_has_no_other_references(tmp_path: Path):
    folder, copy, again = finished(tmp_path / "run"), tmp_path / "copy", tmp_path / "again"
    command(folder, tolerances=["float32:rtol=0.5"], output=again)
    assert "6 cases judged again" in command(again, output=again), "its own references are there"
    command(folder, against="cell-a", output=copy)
    for output in (copy, tmp_path / "another"):
        with pytest.raises(UsageProblem, match="was judged against cell cell-a, which took"):
            command(copy, output=output)
    assert not (tmp_path / "another").exists()
    assert "3 cases judged again" in command(copy, against="cell-b", output=copy)
    with pytest.raises(UsageProblem, match="was judged against cell cell-a"):
        command(copy)


def test_the_command_tells_what_is_wrong(tmp_path: Path):
    folder = finished(tmp_path / "run")
    with pytest.raises(UsageProblem, match="no cell 'cell-x'"):
        command(folder, against="cell-x")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "index.html").write_text("somebody's")
    with pytest.raises(StoreProblem, match=r"already holds index\.html"):
        command(folder, output=tmp_path / "taken")
    other = finished(tmp_path / "other")
    ours = load(folder).info.id
    stored = (other / "run.json").read_bytes().replace(ours.encode(), b"20200101T000000-another")
    (other / "run.json").write_bytes(stored)
    with pytest.raises(UsageProblem, match="would replace what is in this folder"):
        command(folder, output=other)
    assert (other / "run.json").read_bytes() == stored
    (folder / "run.sqlite").unlink()
    with pytest.raises(StoreProblem, match="no store here"):
        command(folder)


def renamed(folder: Path, identity: str) -> Path:
    """The same run under another id, as if it were the next day's."""
    with Store.existing(folder) as store:
        text = store.run.to_json().replace(RUN.id, identity)
        with sqlite3.connect(folder / "run.sqlite") as connection:
            connection.execute("UPDATE meta SET value=? WHERE name='run'", (text,))
    found = (folder / "run.json").read_bytes().replace(RUN.id.encode(), identity.encode())
    (folder / "run.json").write_bytes(found)
    return folder


def test_yesterdays_copy_is_replaced(tmp_path: Path):
    """Its results are those of the run that it was made of; a folder is for the latest one."""
    folder = finished(tmp_path / "latest")
    command(folder)
    first = load(tmp_path / "latest-rejudged").info.id
    renamed(folder, "20261122T100000-another")
    assert "written to" in command(folder)
    second = load(tmp_path / "latest-rejudged").info.id
    assert (first, second) == (RUN.id, "20261122T100000-another")
    command(tmp_path / "latest-rejudged", output=tmp_path / "copy-of-a-copy")
    command(finished(tmp_path / "third"), output=tmp_path / "copy-of-a-copy")
    assert load(tmp_path / "copy-of-a-copy").info.id == RUN.id


def test_a_run_that_was_judged_in_place_is_no_copy(tmp_path: Path):
    folder, other = finished(tmp_path / "run"), finished(tmp_path / "other")
    command(folder, output=folder)
    renamed(other, "20261122T100000-another")
    with pytest.raises(UsageProblem, match="would replace"):
        command(other, output=folder)
    assert load(folder).info.id == RUN.id
    (folder / "run.json").unlink()  # its process died before it was written anew
    with pytest.raises(UsageProblem, match="would replace"):
        command(other, output=folder)
    with Store.existing(folder) as store:
        assert len(list(store.cases())) == 6


def test_a_copy_of_an_unfinished_run_may_have_gone_on(tmp_path: Path):
    """What was measured since is nowhere else."""
    folder, other = finished(tmp_path / "run"), finished(tmp_path / "other")
    renamed(other, "20261122T100000-another")
    with sqlite3.connect(folder / "run.sqlite") as connection:
        connection.execute("UPDATE meta SET value='running' WHERE name='state'")
    command(folder, output=tmp_path / "copy")
    with open_store(tmp_path / "copy") as store:
        assert store.continued
        store.finish()
        write_outputs(store)
    with pytest.raises(UsageProblem, match="would replace"):
        command(other, output=tmp_path / "copy")


def test_tolerances_are_read_from_text():
    assert parse_tolerances(["float32:rtol=1e-2", "float16:ulp=8", "quantized:quanta=1"]) == (
        ("float32", Tolerance(rtol=0.01, atol=0.0)), ("float16", Tolerance(ulp=8.0)),
        ("quantized", Tolerance(quanta=1.0)),
    )  # fmt: skip
    bad = {
        "": "'' is no type",
        "flaot32:rtol=1": "'flaot32' is no type. Did you mean 'float32'",
        "float32": "'' is no form",
        "float32:rtl=1": "'rtl' is no form. Did you mean 'rtol'",
        "float32:rtol=x": "'x' is no number",
        "float32:rtol=nan": "finite",
        "float32:rtol=-1": "not negative",
        "float32:rtol=1,ulp=2": "can be given",
    }
    with pytest.raises(UsageProblem) as caught:
        parse_tolerances(list(bad))
    assert len(caught.value.problems) == len(bad)
    for problem, words in zip(caught.value.problems, bad.values(), strict=True):
        assert words in str(problem)


@pytest.mark.slow
def test_a_run_of_twenty_cells_is_judged_again_in_two_seconds(tmp_path: Path):
    with open_store(tmp_path) as store:
        for number in range(20):
            name = f"cell-{number}"
            batch = []
            for n in range(1300):
                if n % 20:
                    batch.append(measured(store, n, "=", cell=name))
                else:
                    wrong, right = floats(1.0, 2.0 + n / 1000), floats(1.0, 2.0)
                    batch.append(
                        measured(store, n, wrong, expected=right, cell=name, status="failed")
                    )
            store.add_cases(batch)
        runtimes = {f"cell-{number}": "onnxruntime" for number in range(20)}
        start = time.process_time()  # other work on this machine is not what is measured
        result = rejudge(store, runtimes=runtimes, tolerances=WIDE)
        took = time.process_time() - start
    assert result.judged == 26_000
    assert took < 120, f"{took:.2f} s"  # a guard; benchmarks/ measure
