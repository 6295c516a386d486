"""The store: what goes in comes out, in order, once, and only one run at a time writes."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.errors.results import StoreProblem
from pytest_modelcompat.results.files import refuse_taken
from pytest_modelcompat.results.folder import adopt
from pytest_modelcompat.results.info import RunInfo
from pytest_modelcompat.results.model import Expectation, Judgement, Outcome, Stage, Status
from pytest_modelcompat.results.store import Store
from tests.unit.stored_runs import ENVIRONMENT, LOCK, RUN, case, cell, open_store

NASTY = "\udc80 lone, NUL \0, \U0001d518nicode, ' \" \n" + "x" * 10_000


def everything(n: int = 5):
    record = case(
        n,
        status="failed",
        error={"type": "E", "message": NASTY, "exit_code": 0, "signal": None},
        mismatch={
            "max_abs": math.inf,
            "actual": math.nan,
            "index": [0, 1],
            "max_ulp": np.float32(0.5),
        },
        run_seconds=(0.1, 0.2, 0.3),
        outputs=("a" * 64, "="),
        expected="b" * 64,
        attribution="optimizer",
        attribution_detail={"optimizer_off": "passed"},
        signature=NASTY,
        known="K-1",
        outcome="xfail",
        unit=NASTY,
        repro="pytest 'x'",
    )
    return replace(
        record,
        measurement=replace(record.measurement, peak_rss=2**40, reason="because"),
        judgement=replace(record.judgement, rule="rule-1"),
        model_bytes=2**41,
    )


def test_a_record_comes_back_as_it_was(tmp_path: Path):
    with open_store(tmp_path) as store:
        record = everything()
        store.add_cases([record])
        (back,) = store.cases()
    assert math.isnan(back.judgement.mismatch.pop("actual"))
    record.judgement.mismatch.pop("actual")
    assert back.judgement.mismatch["max_ulp"] == 0.5
    assert back == record


def test_the_smallest_record_comes_back_as_it_was(tmp_path: Path):
    record = case(0, outputs=(), run_seconds=(), opset=0, ran_on=None)
    record = replace(record, reference=None, requested="")
    with open_store(tmp_path) as store:
        store.add_cases([record])
        assert list(store.cases()) == [record]


def test_cells_environments_and_locks_come_back(tmp_path: Path):
    one = cell(
        NASTY,
        attestation={"cpu": "x", "versions": {"numpy": "2"}},
        stage=Stage.IMPORT,
        notes=("torn",),
        counts={"passed": 1},
    )
    with open_store(tmp_path) as store:
        store.set_cell(one)
        store.set_cell(cell("b"))
        store.set_environment(ENVIRONMENT)
        store.set_environment(replace(ENVIRONMENT, reused=True))
        store.set_lock(LOCK, "text")
        assert store.cells() == [one, cell("b")]
        assert store.environments() == [replace(ENVIRONMENT, reused=True)]
        assert list(store.locks()) == [(LOCK, "text")]


def test_order_is_the_plan_s_whatever_came_first(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.register_cells(["a", "b", "c"])
        store.add_cases([case(2, cell="c"), case(1, cell="a")])
        store.add_cases([case(0, cell="c"), case(300, cell="a"), case(0, cell="a")])
        store.set_cell(cell("c"))
        store.set_cell(cell("a"))
        found = [(each.cell, each.n) for each in store.cases()]
        assert [each.id for each in store.cells()] == ["a", "c"]
    assert found == [("a", 0), ("a", 1), ("a", 300), ("c", 0), ("c", 2)]


def test_filters_narrow_together(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([case(n, cell=c) for c in "ab" for n in range(20)])
        store.add_cases([case(20, cell="a", status="failed"), case(6, cell="b", status="failed")])

        def numbers(**wanted):
            return [(each.cell, each.n) for each in store.cases(**wanted)]

        assert numbers(cell="a", unit="ai.onnx::Op6") == [("a", 6), ("a", 13), ("a", 20)]
        assert numbers(status="failed") == [("a", 20), ("b", 6)]
        assert numbers(status=Status.FAILED, unit="ai.onnx::Op6", cell="b") == [("b", 6)]
        assert numbers(outcome="not_ok", check="op_support", cell="a") == [("a", 20)]
        assert numbers(cell="no such") == numbers(unit="no such") == []
        assert store.recorded("b")[6] == "failed"
        assert store.recorded("b")[7] == "passed"
        assert len(store.recorded("b")) == 20
        assert store.recorded("no such") == {}


def test_counts_by_cell(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([case(n, cell="a") for n in range(5)])
        store.add_cases([case(9, cell="a", status="crashed"), case(0, cell="b", status="failed")])
        assert store.counts() == {"a": {"crashed": 1, "passed": 5}, "b": {"failed": 1}}
        assert store.outcomes() == {"a": {"not_ok": 1, "ok": 5}, "b": {"not_ok": 1}}


def test_a_case_measured_again_is_replaced(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([case(3, status="crashed")])
        store.add_cases([case(3)])
        assert [each.judgement.status for each in store.cases()] == [Status.PASSED]


def test_judging_again_leaves_what_was_measured(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([everything(0), everything(1)])
        before = _rows(tmp_path, "measurement")
        passed = Judgement(status=Status.PASSED, stage=Stage.COMPARE)
        store.set_judgements([("cell-a", 1, passed, Expectation(outcome=Outcome.XPASS, known="K"))])
        store.set_judgements([("cell-a", 0, passed, None)])
        first, second = store.cases()
        assert first.judgement == second.judgement == passed
        assert first.expectation == everything().expectation
        assert second.expectation == Expectation(outcome=Outcome.XPASS, known="K")
        assert _rows(tmp_path, "measurement") == before
        store.set_expectations([("cell-a", 0, Expectation(outcome=Outcome.OK))])
        assert next(store.cases()).expectation == Expectation(outcome=Outcome.OK)


def _rows(folder: Path, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "run.sqlite")
    try:
        return connection.execute(f"SELECT * FROM {table} ORDER BY key").fetchall()
    finally:
        connection.close()


def test_planned_cases_without_a_record_are_not_run(tmp_path: Path):
    planned = [(n, "op_support", f"u{n}", f"c{n}") for n in range(25_000)]
    with open_store(tmp_path) as store:
        store.add_cases([case(7), case(24_999, status="failed")])
        assert store.fill_not_run("cell-a", iter(planned), "stopped", requested="P") == 24_998
        assert store.fill_not_run("cell-a", iter(planned), "again") == 0
        assert store.counts() == {"cell-a": {"failed": 1, "not_run": 24_998, "passed": 1}}
        filled = next(store.cases(unit="u6"))
    assert (filled.case, filled.requested) == ("c6", "P")
    assert (filled.measurement.ended, filled.measurement.reason) == ("not_run", "stopped")
    assert filled.expectation.outcome is Outcome.INFO


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([case(0)])
        broken = replace(case(2, unit="new unit"), n="two")
        with pytest.raises(TypeError):
            store.add_cases([case(1, cell="new cell", unit="new unit"), broken])
        assert [each.n for each in store.cases()] == [0]
        # Names that were entered with the failed batch must be entered again.
        store.add_cases([case(1, cell="new cell", unit="new unit")])
        assert [each.unit for each in store.cases(cell="new cell")] == ["new unit"]


def test_threads_write_and_read_at_once(tmp_path: Path):
    failures = []
    with open_store(tmp_path) as store:

        def write(name: str) -> None:
            for start in range(0, 400, 20):
                store.add_cases([case(n, cell=name) for n in range(start, start + 20)])
                store.set_cell(cell(name))

        def read() -> None:
            for _ in range(20):
                numbers: dict[str, list[int]] = {}
                for each in store.cases():
                    numbers.setdefault(each.cell, []).append(each.n)
                # Whole batches only, in order.
                failures.extend(
                    found
                    for found in numbers.values()
                    if found != list(range(len(found))) or len(found) % 20
                )
                store.counts()

        threads = [threading.Thread(target=write, args=(f"cell-{n}",)) for n in range(6)]
        threads += [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert store.counts() == {f"cell-{n}": {"passed": 400} for n in range(6)}
        assert len(store.cells()) == 6


def test_an_iteration_sees_one_moment(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([case(n) for n in range(3000)])
        cases = store.cases()
        next(cases)
        store.add_cases([case(n, status="failed") for n in range(6000)])
        assert {each.judgement.status for each in cases} == {Status.PASSED}


def test_a_cell_that_comes_while_an_iteration_begins_is_not_in_it(tmp_path: Path, monkeypatch):
    with open_store(tmp_path) as store:
        store.add_cases([case(0)])

        def late(stored: str) -> str:
            monkeypatch.undo()
            store.add_cases([case(0, cell="late")])
            return stored

        monkeypatch.setattr("pytest_modelcompat.results.query.readable", late)
        assert [each.cell for each in store.cases()] == ["cell-a"]
        assert [each.cell for each in store.cases()] == ["cell-a", "late"]


def test_an_unfinished_run_of_the_same_plan_goes_on(tmp_path: Path):
    with open_store(tmp_path) as store:
        assert not store.continued
        store.add_cases([case(0)])
        store.set_cell(cell())
        run = store.run
    again = Store.open(tmp_path, plan_digest="p", run=replace(RUN, id="another"))
    with again as store:
        assert store.continued
        kept = "continued: 1 result of an interrupted run was kept"
        assert store.run == replace(run, notes=(*run.notes, kept))
        assert store.recorded("cell-a") == {0: "passed"}
        assert store.cells() == [cell()]


def test_a_run_that_goes_on_says_so_once_and_counts_what_was_measured(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.set_run(replace(store.run, notes=("something else",)))
        store.add_cases([case(0), case(1, status=Status.NOT_RUN), case(2, status=Status.SKIPPED)])
    with open_store(tmp_path) as store:
        store.add_cases([case(1), case(3, status=Status.CRASHED)])
    with open_store(tmp_path) as store:
        said = "continued: 3 results of an interrupted run were kept"
        assert store.run.notes == (said, "something else")
        assert RunInfo.from_json(store._meta("run")) == store.run, "also on disk"
    with open_store(tmp_path, "other") as store:
        assert store.run.notes == RUN.notes


@pytest.mark.parametrize("why", ["other plan", "finished", "fresh"])
def test_any_other_run_is_replaced(tmp_path: Path, why: str):
    with open_store(tmp_path) as store:
        store.add_cases([case(0)])
        if why == "finished":
            store.finish()
    plan = "other" if why == "other plan" else "p"
    with open_store(tmp_path, plan, fresh=why == "fresh") as store:
        assert not store.continued
        assert list(store.cases()) == []
        assert store.run.plan_digest == plan


OURS = ("index.html", "run.json", "cases.jsonl.gz", "compat.json", "summary.md", "junit.xml")


def test_only_our_files_of_the_old_run_are_removed(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ("c" * 64)).write_text("not ours to remove")
    folder = tmp_path / "report"
    with open_store(folder) as store:
        blob = store.put_blob(b"old")
        for name in OURS:
            (folder / name).write_text("old")
        (folder / "locks").mkdir()
        (folder / "locks" / f"{LOCK}.txt").write_text("old")
        (folder / "locks" / "mine.txt").write_text("foreign")
        (folder / "outputs" / "zz").symlink_to(outside)
        (folder / "outputs" / "notes").write_text("foreign")
        (folder / "thesis.tex").write_text("foreign")
        (folder / ".x.txt.0123abcd.tmp").write_text("half-written")
        store.finish()
    with open_store(folder, "other") as store:
        assert not store.blobs.path(blob).exists()
        left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left - {"run.sqlite-wal", "run.sqlite-shm"} == {
        "run.sqlite", "run.lock", "locks/mine.txt", "outputs/notes", "thesis.tex",
    }  # fmt: skip
    assert (outside / ("c" * 64)).exists()


def test_a_replacement_that_was_cut_short_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch
):
    with open_store(tmp_path) as store:
        (tmp_path / "index.html").write_text("old report")
        store.finish()

    def die(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest_modelcompat.results.store.sweep", die)
    with pytest.raises(KeyboardInterrupt):
        open_store(tmp_path, "other")
    monkeypatch.undo()
    assert (tmp_path / "index.html").exists()
    with open_store(tmp_path, "other") as store:
        assert store.continued
        assert not (tmp_path / "index.html").exists()


def test_the_old_run_stays_until_the_new_one_could_be_opened(tmp_path: Path, monkeypatch):
    with open_store(tmp_path) as store:
        store.add_cases([case(0)])
        (tmp_path / "index.html").write_text("old report")
        store.finish()

    def die(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest_modelcompat.results.folder.create", die)
    with pytest.raises(KeyboardInterrupt):
        open_store(tmp_path, "other")
    assert (tmp_path / "index.html").exists()
    with Store.existing(tmp_path) as store:
        assert [each.n for each in store.cases()] == [0]


def test_foreign_files_under_our_names_are_not_overwritten(tmp_path: Path):
    (tmp_path / "index.html").write_text("somebody's site")
    with pytest.raises(StoreProblem, match=r"already holds index\.html.*Give --compat-report"):
        open_store(tmp_path)
    assert (tmp_path / "index.html").read_text() == "somebody's site"
    assert not (tmp_path / "run.lock").exists()


def test_a_report_without_its_store_is_ours(tmp_path: Path):
    (tmp_path / "index.html").write_text("old report")
    (tmp_path / "run.json").write_text('{"schema":1,"run":{}}')
    with open_store(tmp_path):
        assert not (tmp_path / "index.html").exists()


def test_the_report_folder_may_hold_other_things(tmp_path: Path):
    (tmp_path / "README.md").write_text("x")
    with open_store(tmp_path) as store:
        store.finish()
    assert (tmp_path / "README.md").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "run.sqlite"]


HOLD = """
import sys, pathlib
sys.path.insert(0, {root!r})
from tests.unit.stored_runs import case, open_store
store = open_store(pathlib.Path({folder!r}))
store.add_cases([case(n, cell="of the first") for n in range(500)])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("follows", ["the same run", "another run", "another, watched"])
def test_a_second_run_is_refused_and_a_killed_one_is_not_in_the_way(tmp_path: Path, follows: str):
    code = HOLD.format(root=str(Path(__file__).parents[2]), folder=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"
        said = rf"Another run \(process {other.pid}, since 20\S+ [\d:]+\) is writing"
        with pytest.raises(StoreProblem, match=said):
            open_store(tmp_path)
        with pytest.raises(StoreProblem, match=said):
            refuse_taken(tmp_path)
        with pytest.raises(StoreProblem, match="Another run"):
            Store.existing(tmp_path)
        other.kill()
        other.wait()
        other.stdin.close()
    refuse_taken(tmp_path)
    # What the killed one left in its log goes with it: none of it gets into the new store.
    assert (tmp_path / "run.sqlite-wal").stat().st_size
    if follows != "the same run":
        watcher = sqlite3.connect(tmp_path / "run.sqlite")
        if follows == "another, watched":
            watcher.execute("SELECT count(*) FROM measurement").fetchone()
        with open_store(tmp_path, "other") as store:
            assert not store.continued
            assert list(store.cases()) == []
            store.add_cases([case(n) for n in range(500)])
            assert store.counts() == {"cell-a": {"passed": 500}}
        watcher.close()
        connection = sqlite3.connect(tmp_path / "run.sqlite")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        return
    with open_store(tmp_path) as store:
        assert store.continued
        assert len(store.recorded("of the first")) == 500
        with pytest.raises(StoreProblem, match=f"process {os.getpid()}"):
            open_store(tmp_path)
    assert not (tmp_path / "run.lock").exists()


def _finished(folder: Path) -> Path:
    with open_store(folder) as store:
        store.add_cases([case(n) for n in range(2000)])
        store.finish()
    return folder / "run.sqlite"


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def _garble(path: Path, page: int = 1) -> None:
    data = bytearray(path.read_bytes())
    at = page % (len(data) // 4096) * 4096
    data[at : at + 4096] = bytes(range(256)) * 16
    path.write_bytes(data)


def _pragma(path: Path, pragma: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.write_bytes(b"hello " * 1000), "does not begin like one"),
        (_truncate, "damaged"),
        (_garble, "damaged"),
        (lambda path: os.truncate(path, 50), "damaged"),
        (lambda path: _pragma(path, "application_id=7"), "another program's database"),
        (lambda path: _pragma(path, "user_version=999"), "newer modelcompat .store schema 999"),
        (lambda path: (path.unlink(), path.mkdir()), "damaged"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
    ],
)
def test_a_damaged_store_is_told_in_a_sentence(tmp_path: Path, harm, words: str):
    path = _finished(tmp_path)
    _pragma(path, "journal_mode=DELETE")
    harm(path)
    for use in (Store.existing, open_store):
        if use is open_store and words == "damaged" and harm in {_truncate, _garble}:
            continue  # a finished run is replaced unread
        with pytest.raises(UsageProblem, match=words):
            use(tmp_path)
    assert not (tmp_path / "run.lock").exists()


@pytest.mark.parametrize("page", [1, 30, -1])
def test_an_unfinished_damaged_store_is_not_continued(tmp_path: Path, page: int):
    with open_store(tmp_path) as store:
        store.add_cases([case(n) for n in range(2000)])
        store.settle()
    _garble(tmp_path / "run.sqlite", page)
    with pytest.raises(StoreProblem, match="damaged"):
        open_store(tmp_path)


def test_an_older_store_is_replaced_but_not_worked_on(tmp_path: Path):
    path = _finished(tmp_path)
    _pragma(path, "user_version=0")
    with pytest.raises(StoreProblem, match="older modelcompat"):
        Store.existing(tmp_path)
    with open_store(tmp_path) as store:
        assert not store.continued


def _as_before_sizes(path: Path) -> None:
    """The store as a release of store schema 1 left it."""
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE measurement DROP COLUMN model_bytes")
    connection.execute("PRAGMA user_version=1")
    connection.close()


def test_a_store_of_schema_1_is_worked_on(tmp_path: Path):
    _as_before_sizes(_finished(tmp_path))
    before = (tmp_path / "run.sqlite").read_bytes()
    folder = tmp_path / "copy"
    folder.mkdir()
    adopt(tmp_path, folder)
    assert (tmp_path / "run.sqlite").read_bytes() == before, "the other folder's own"
    for place in (folder, tmp_path):
        with Store.existing(place) as store:
            known = list(store.cases())
            assert {each.model_bytes for each in known} == {0}
            store.add_cases([replace(known[0], model_bytes=7)])
            assert next(iter(store.cases())).model_bytes == 7


def test_an_unfinished_run_of_schema_1_goes_on(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([case(0)])
        store.settle()
    _as_before_sizes(tmp_path / "run.sqlite")
    with open_store(tmp_path) as store:
        assert store.continued
        store.add_cases([replace(case(1), model_bytes=7)])
        assert [each.model_bytes for each in store.cases()] == [0, 7]


def test_a_file_that_was_only_just_begun_is_no_obstacle(tmp_path: Path):
    (tmp_path / "run.sqlite").touch()
    with open_store(tmp_path) as store:
        assert not store.continued
    with pytest.raises(StoreProblem, match="no store"):
        Store.existing(tmp_path / "nowhere")


def test_the_folder_s_name_is_only_a_name(tmp_path: Path):
    for name in (
        "with space",
        "100%?#&",
        "\u00fcn\u00efcode-\U0001d518",
        os.fsdecode(b"bytes-\xff"),
        "-x",
    ):
        with open_store(tmp_path / name) as store:
            store.add_cases([case(0)])
            assert len(list(store.cases())) == 1
    (tmp_path / "file").touch()
    for taken in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreProblem, match="not a folder"):
            open_store(taken)


def test_after_the_end_one_file_holds_everything(tmp_path: Path):
    path = _finished(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run.sqlite"]
    (tmp_path / "copy").mkdir()
    path.rename(tmp_path / "copy" / "run.sqlite")
    with Store.existing(tmp_path / "copy") as store:
        assert store.counts() == {"cell-a": {"passed": 2000}}
        assert store.run.finished


def test_a_reader_does_not_keep_a_run_from_ending(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([case(n) for n in range(3000)])
        cases = store.cases()
        next(cases)
        store.finish()
        assert sum(1 for _ in cases) == 2999


def test_the_view_for_people_shows_words(tmp_path: Path):
    with open_store(tmp_path) as store:
        store.add_cases([case(4, status="failed", known="K", outcome="xfail")])
    connection = sqlite3.connect(tmp_path / "run.sqlite")
    row = connection.execute("SELECT cell, n, unit, status, outcome, known FROM result").fetchone()
    connection.close()
    assert row == ("cell-a", 4, "ai.onnx::Op4", "failed", "xfail", "K")
