"""What results mean for a run: known issues, a baseline, and what only the end can tell."""

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path

import pytest

from pytest_modelcompat.matrix.model import (
    CheckEntry,
    KnownIssue,
    Matcher,
    Model,
    Tolerance,
    VariantOf,
)
from pytest_modelcompat.results.expect import EntryState
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status
from pytest_modelcompat.runner.board import Board
from pytest_modelcompat.runner.verdicts import Verdicts
from pytest_modelcompat.worker.values import Value, encode
from tests.unit.planned import a_case, a_cell, a_plan, a_planned, a_workload
from tests.unit.stored_runs import case, cell, open_store, report_folder

RELU = "ai.onnx::Relu"


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "run") as store:
        yield store


def verdicts(plan, *, fail_on=(), baseline: Path | None = None) -> Verdicts:
    return Verdicts(plan, fail_on=fail_on, baseline=baseline)


def board_of(plan) -> Board:
    return Board(plan.cells, {p.cell.id: range(p.size) for p in plan.cells})


def relu(n: int = 0, **changes):
    return case(n, **{"unit": RELU, "case": "test_Relu", **changes})


# Known issues, and what the command line asked ----------------------------------------------------


def test_a_known_failure_is_expected_and_another_is_not() -> None:
    issue = KnownIssue(id="K", unit=RELU, status=("error",), message="no kernel")
    ask = verdicts(a_plan(a_planned(), known_issues=(issue,))).expect
    known = relu(status="error", error={"type": "E", "message": "no kernel for it"})
    other = relu(status="error", error={"type": "E", "message": "something else"})
    silent = relu(status="error", error=None)
    assert ask(known).expectation.outcome is Outcome.XFAIL
    assert ask(known).expectation.known == "K"
    assert ask(other).expectation.outcome is Outcome.NOT_OK
    assert ask(silent).expectation.outcome is Outcome.NOT_OK
    assert ask(relu(case="test_Abs", unit="ai.onnx::Abs", status="error")).expectation == (
        ask(other).expectation
    )


@pytest.mark.parametrize("error", [None, {}, {"signal": "SIGSEGV"}])
def test_a_death_without_a_word_is_expected_by_no_word(error) -> None:
    issue = KnownIssue(id="K", unit=RELU, message=".")
    ask = verdicts(a_plan(a_planned(), known_issues=(issue,))).expect
    assert ask(relu(status="crashed", error=error)).expectation.outcome is Outcome.NOT_OK
    said = {"signal": "SIGSEGV", "message": "x"}
    assert ask(relu(status="crashed", error=said)).expectation.outcome is Outcome.XFAIL


class Clock(dt.datetime):
    """The last half hour of a day in UTC, on a machine whose own day is the next one already."""

    @classmethod
    def now(cls, tz=None):
        instant = dt.datetime(2026, 11, 21, 23, 30, tzinfo=dt.timezone.utc)
        return instant.astimezone(tz or dt.timezone(dt.timedelta(hours=14)))


@pytest.mark.parametrize(
    ("expires", "outcome"),
    [("2026-11-22", Outcome.XFAIL), ("2026-11-21", Outcome.XFAIL), ("2026-11-20", Outcome.NOT_OK)],
)
def test_an_issue_expires_at_the_end_of_its_day_in_utc(monkeypatch, expires, outcome) -> None:
    monkeypatch.setattr("pytest_modelcompat.runner.verdicts.dt.datetime", Clock)
    issue = KnownIssue(id="K", unit=RELU, expires=expires)
    ask = verdicts(a_plan(a_planned(), known_issues=(issue,))).expect
    assert ask(relu(status="failed")).expectation.outcome is outcome


def test_the_rest_of_a_record_stays() -> None:
    record = relu(signature="s", status="crashed")
    found = verdicts(a_plan(a_planned())).expect(record)
    assert found.measurement is record.measurement
    assert found.judgement is record.judgement


def test_an_issue_of_a_stage_knows_that_stage_only() -> None:
    issue = KnownIssue(id="K", unit=RELU, stage=("compare",))
    ask = verdicts(a_plan(a_planned(), known_issues=(issue,))).expect
    assert ask(relu(status="failed")).expectation.outcome is Outcome.XFAIL
    other = KnownIssue(id="K", unit=RELU, stage=("load",))
    ask = verdicts(a_plan(a_planned(), known_issues=(other,))).expect
    assert ask(relu(status="failed")).expectation.outcome is Outcome.NOT_OK


def test_an_issue_of_one_check_or_case_knows_no_other() -> None:
    for changes in ({"check": "parity"}, {"case": "test_other"}):
        issue = KnownIssue(id="K", **{"unit": RELU, **changes})
        ask = verdicts(a_plan(a_planned(), known_issues=(issue,))).expect
        assert ask(relu(status="failed")).expectation.outcome is Outcome.NOT_OK


def test_statuses_that_the_command_line_fails_on() -> None:
    record = relu(status="unsupported")
    assert verdicts(a_plan(a_planned())).expect(record).expectation.outcome is Outcome.INFO
    strict = verdicts(a_plan(a_planned()), fail_on={"unsupported", "unavailable"})
    assert strict.expect(record).expectation.outcome is Outcome.NOT_OK
    cell_ = strict.cell("cell-a", status=CellStatus.UNAVAILABLE, stage=None, reason="")
    assert cell_.outcome is Outcome.NOT_OK


def test_an_issue_of_a_whole_cell() -> None:
    issue = KnownIssue(
        id="K", match=Matcher(patterns=(("python", ("3.12",)),)),
        status=("environment_failed",), stage=("import",), message="libcudart",
    )  # fmt: skip
    ask = verdicts(a_plan(a_planned(), known_issues=(issue,))).cell
    told = {"status": CellStatus.ENVIRONMENT_FAILED, "stage": Stage.IMPORT}
    known = ask("cell-a", **told, reason="no libcudart.so")
    assert (known.outcome, known.known) == (Outcome.XFAIL, "K")
    assert ask("cell-a", **told, reason="no libfoo.so").outcome is Outcome.NOT_OK
    other = {**told, "stage": Stage.INSTALL}
    assert ask("cell-a", **other, reason="no libcudart.so").outcome is Outcome.NOT_OK


# An issue that no longer shows --------------------------------------------------------------------


def finished(store, issue: KnownIssue, *records, whole: bool = True):
    """A run of one cell with these records, closed."""
    plan = a_plan(a_planned(), known_issues=(issue,))
    asked, board = verdicts(plan), board_of(plan)
    judged = [asked.expect(record) for record in records]
    store.add_cases(judged)
    board.count(judged)
    asked.close(store, board, whole=whole)
    return asked, board


def test_an_issue_that_no_longer_shows_marks_what_passed(store) -> None:
    issue = KnownIssue(id="K", unit=RELU, case="test_Relu")
    asked, board = finished(
        store, issue, relu(0), relu(1, case="test_other"), case(2, unit="ai.onnx::Abs", case="t")
    )
    (report,) = asked.issues
    assert (report.state, report.passed, report.seen) == (EntryState.XPASS, 1, 0)
    stored = {record.n: record.expectation for record in store.cases(cell="cell-a")}
    assert (stored[0].outcome, stored[0].known) == (Outcome.XPASS, "K")
    assert stored[1].outcome is stored[2].outcome is Outcome.OK
    unit = board.unit("cell-a", "op_support", RELU)
    assert unit.outcomes == {"ok": 1, "xpass": 1}
    assert board.unit("cell-a", "op_support", "ai.onnx::Abs").outcomes == {"ok": 1}
    assert board.not_ok("cell-a") == 1


def test_an_issue_of_one_check_marks_what_passed_in_it(store) -> None:
    issue = KnownIssue(id="K", check="op_*", unit=RELU)
    asked, board = finished(store, issue, relu(0))
    assert asked.issues[0].state is EntryState.XPASS
    assert asked.undecided("cell-a", "op_support", RELU)
    assert not asked.undecided("cell-a", "parity", RELU)
    assert [record.expectation.outcome for record in store.cases()] == [Outcome.XPASS]
    assert board.not_ok("cell-a") == 1


def test_each_cell_marks_its_own_cases(store) -> None:
    plan = a_plan(
        a_planned(), a_planned(a_cell("cell-b", version="1.30.0")),
        known_issues=(KnownIssue(id="K", unit=RELU),),
    )  # fmt: skip
    asked, board = verdicts(plan), board_of(plan)
    records = [asked.expect(record) for record in (relu(0), relu(1, cell="cell-b"))]
    store.add_cases(records)
    board.count(records)
    asked.close(store, board, whole=True)
    assert {record.expectation.outcome for record in store.cases()} == {Outcome.XPASS}
    for name in ("cell-a", "cell-b"):
        assert board.unit(name, "op_support", RELU).outcomes == {"ok": 0, "xpass": 1}
        assert board.not_ok(name) == 1


def test_one_case_in_which_it_still_shows_keeps_it(store) -> None:
    issue = KnownIssue(id="K", unit=RELU)
    asked, board = finished(store, issue, relu(0), relu(1, status="failed"))
    assert asked.issues[0].state is EntryState.SEEN
    assert board.not_ok("cell-a") == 0
    assert {r.expectation.outcome for r in store.cases()} == {Outcome.OK, Outcome.XFAIL}


def test_a_case_that_was_not_selected_is_marked_in_the_store_alone(store) -> None:
    plan = a_plan(a_planned(), known_issues=(KnownIssue(id="K", unit=RELU),))
    asked, board = verdicts(plan), Board(plan.cells, {"cell-a": frozenset({2, 3})})
    store.add_cases([asked.expect(relu(0))])
    asked.close(store, board, whole=False)
    (record,) = store.cases()
    assert record.expectation.outcome is Outcome.XPASS
    assert board.not_ok("cell-a") == 0


def test_an_issue_that_selects_nothing_is_stale_in_a_whole_run_alone(store) -> None:
    issue = KnownIssue(id="K", unit="ai.onnx::Gone")
    assert finished(store, issue, relu(0))[0].issues[0].state is EntryState.STALE
    partly = finished(store, issue, relu(0), whole=False)[0]
    assert partly.issues[0].state is not EntryState.STALE


def test_a_shard_tells_what_it_saw_and_decides_nothing(store) -> None:
    matcher = Matcher(patterns=(("python", ("3.12", "3.13")),))
    plan = a_plan(
        a_planned(),
        known_issues=(
            KnownIssue(id="K", match=matcher, check="op_*", unit=RELU, case="test_*"),
            KnownIssue(id="L", unit="x", expires="2020-01-01"),
        ),
    )
    asked, board = verdicts(plan), board_of(plan)
    assert asked.seen() == ()
    store.add_cases([asked.expect(relu(0)), asked.expect(relu(1))])
    asked.close(store, board, whole=True, sharded=True)
    assert [report.state for report in asked.issues] == [EntryState.UNDECIDED, EntryState.EXPIRED]
    assert {record.expectation.outcome for record in store.cases()} == {Outcome.OK}
    known, other = asked.seen()
    assert known == {
        "id": "K", "matrix": "m", "match": {"python": ["3.12", "3.13"]}, "check": "op_*",
        "unit": RELU, "case": "test_*", "expired": False, "selected": 2, "seen": 0, "passed": 2,
    }  # fmt: skip
    assert (other["id"], other["expired"], other["selected"]) == ("L", True, 0)


def test_until_then_such_a_unit_is_undecided() -> None:
    plan = a_plan(a_planned(), known_issues=(KnownIssue(id="K", unit=RELU),))
    asked = verdicts(plan)
    assert asked.issues == ()
    asked.expect(relu(0))
    assert asked.undecided("cell-a", "op_support", RELU)
    assert not asked.undecided("cell-a", "op_support", "ai.onnx::Abs")
    asked.expect(relu(1, status="failed"))
    assert not asked.undecided("cell-a", "op_support", RELU)
    assert not asked.waits()


# Against a baseline -------------------------------------------------------------------------------


@pytest.fixture
def before(tmp_path) -> Path:
    """A run in which Relu failed and Abs passed, in a cell of another id."""
    failed = relu(0, status="failed", cell="then")
    passed = case(2, unit="ai.onnx::Abs", case="test_Abs", cell="then")
    broken = cell("then", status=CellStatus.MISCONFIGURED, outcome=Outcome.NOT_OK)
    return report_folder(tmp_path / "before", [failed, passed], [broken])


def test_only_what_is_new_against_the_baseline_fails(before: Path) -> None:
    asked = verdicts(a_plan(a_planned()), baseline=before)
    assert asked.baseline == "20261121T100000-abcdef"
    old = asked.expect(relu(0, status="crashed"))
    assert old.expectation.outcome is Outcome.INFO
    assert old.judgement.status is Status.CRASHED
    new = asked.expect(case(2, unit="ai.onnx::Abs", case="test_Abs", status="failed"))
    assert new.expectation.outcome is Outcome.NOT_OK
    assert asked.expect(relu(0)).expectation.outcome is Outcome.OK


@pytest.mark.parametrize("changes", [{"check": "parity"}, {"unit": "x"}, {"case": "x"}])
def test_a_case_is_the_same_by_all_of_its_names(before: Path, changes) -> None:
    asked = verdicts(a_plan(a_planned()), baseline=before)
    record = relu(0, status="failed", **changes)
    assert asked.expect(record).expectation.outcome is Outcome.NOT_OK


def test_a_cell_with_other_axes_has_no_baseline(before: Path) -> None:
    plan = a_plan(a_planned(a_cell(version="1.30.0")))
    asked = verdicts(plan, baseline=before)
    assert asked.expect(relu(0, status="failed")).expectation.outcome is Outcome.NOT_OK


def test_a_cell_that_ends_as_it_did_is_nothing_new(before: Path) -> None:
    asked = verdicts(a_plan(a_planned()), baseline=before)
    told = {"stage": None, "reason": ""}
    same = asked.cell("cell-a", status=CellStatus.MISCONFIGURED, **told)
    assert same.outcome is Outcome.INFO
    worse = asked.cell("cell-a", status=CellStatus.ENVIRONMENT_FAILED, **told)
    assert worse.outcome is Outcome.NOT_OK
    assert asked.cell("cell-a", status=CellStatus.COMPLETED, **told).outcome is Outcome.OK


@pytest.mark.parametrize("status", ["failed", "crashed", "unsupported"])
def test_what_a_baseline_of_the_baseline_excused_is_not_new_again(tmp_path, status: str) -> None:
    """Night after night, each with the one before as its baseline."""
    excused = relu(0, status=status, cell="then", outcome="info")
    broken = cell("then", status=CellStatus.MISCONFIGURED, outcome=Outcome.INFO)
    before = report_folder(tmp_path / "before", [excused], [broken])
    asked = verdicts(a_plan(a_planned()), baseline=before, fail_on={"unsupported"})
    assert asked.expect(relu(0, status=status)).expectation.outcome is Outcome.INFO
    told = {"stage": None, "reason": ""}
    same = asked.cell("cell-a", status=CellStatus.MISCONFIGURED, **told)
    assert same.outcome is Outcome.INFO


@pytest.mark.parametrize(
    ("status", "outcome"), [("unsupported", "info"), ("not_run", "info"), ("failed", "xfail")]
)
def test_what_was_no_failure_then_excuses_none_now(tmp_path, status: str, outcome: str) -> None:
    then = relu(0, status=status, cell="then", outcome=outcome)
    before = report_folder(tmp_path / "before", [then], [cell("then")])
    asked = verdicts(a_plan(a_planned()), baseline=before)
    assert asked.expect(relu(0, status="failed")).expectation.outcome is Outcome.NOT_OK


def test_a_known_issue_stays_one_beside_a_baseline(before: Path) -> None:
    plan = a_plan(a_planned(), known_issues=(KnownIssue(id="K", unit=RELU),))
    found = verdicts(plan, baseline=before).expect(relu(0, status="failed"))
    assert found.expectation.outcome is Outcome.XFAIL


def test_without_a_baseline_there_is_none() -> None:
    assert verdicts(a_plan(a_planned())).baseline is None


# References that are answers of the run -----------------------------------------------------------

CONSENSUS = {"kind": "consensus"}
CELLS = ("cell-a", "cell-b", "cell-c")


def floats(*numbers: float) -> bytes:
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return encode([("y", Value.tensor("float32", (len(numbers),), data))])


def run_of(reference=CONSENSUS, *, entry: CheckEntry | None = None, **workload):
    """Three cells that run one case of one model."""
    work = a_workload(
        [a_case("twice/0", unit="twice", reference=reference)],
        check="parity", entry=entry or CheckEntry(check="parity"), **workload,
    )  # fmt: skip
    cells = [a_planned(a_cell(name, version=f"1.{20 + n}.0"), work) for n, name in enumerate(CELLS)]
    return a_plan(*cells, known_issues=(KnownIssue(id="K", unit="twice", status=("failed",)),))


def answered(store, plan, answers: dict[str, bytes | None], **changes):
    """The run's records as they are before the end."""
    asked, board = verdicts(plan), board_of(plan)
    reference = plan.cells[0].workloads[0].cases[0].reference
    for name, answer in answers.items():
        outputs = () if answer is None else (store.put_blob(answer),)
        record = case(
            0, cell=name, check="parity", unit="twice", case="twice/0", outputs=outputs,
            outcome="info", ended="returned" if answer else "raised",
            status="passed" if answer else "error", reference=reference,
        )  # fmt: skip
        judged = asked.expect(record)
        store.add_cases([judged])
        board.count([judged])
        closed = cell(name, counts={"passed": 1})
        store.set_cell(closed)
        board.close_cell(closed)
    return asked, board


def by_cell(store):
    return {record.cell: record for record in store.cases()}


def test_the_majority_judges_who_differs(store) -> None:
    plan = run_of()
    asked, board = answered(
        store, plan, {"cell-a": floats(1.0), "cell-b": floats(3.0), "cell-c": floats(1.0)}
    )
    assert asked.waits()
    assert asked.undecided("cell-a", "parity", "twice")
    assert {r.expectation.outcome for r in store.cases()} == {Outcome.INFO}

    asked.close(store, board, whole=True)

    found = by_cell(store)
    assert [found[name].judgement.status for name in CELLS] == [
        Status.PASSED, Status.FAILED, Status.PASSED,
    ]  # fmt: skip
    assert found["cell-b"].judgement.mismatch["max_abs"] == 2.0
    assert found["cell-b"].expectation.outcome is Outcome.XFAIL  # known issues know it too
    assert found["cell-a"].expectation.outcome is Outcome.OK
    assert found["cell-b"].reference == {
        "kind": "consensus", "source": "cell-a", "agreeing": ["cell-a", "cell-c"],
    }  # fmt: skip
    assert found["cell-b"].measurement.expected == found["cell-a"].measurement.outputs[0]
    unit = board.unit("cell-b", "parity", "twice")
    assert {k: v for k, v in unit.statuses.items() if v} == {"failed": 1}
    assert {k: v for k, v in unit.outcomes.items() if v} == {"xfail": 1}
    assert unit.remaining == 0
    assert unit.known == {"K"}
    assert board.cell("cell-b").counts == {"failed": 1}
    assert {c.id: c.counts for c in store.cells()}["cell-b"] == {"failed": 1}


def test_without_a_majority_nothing_is_judged(store) -> None:
    plan = run_of()
    asked, board = answered(
        store, plan, {"cell-a": floats(1.0), "cell-b": floats(2.0), "cell-c": floats(3.0)}
    )
    asked.close(store, board, whole=True)
    for record in store.cases():
        assert record.judgement.status is Status.NOT_RUN
        assert record.judgement.stage is Stage.COMPARE
        assert record.measurement.reason.startswith("no reference: no majority")
        assert record.expectation.outcome is Outcome.INFO
    assert board.cell("cell-a").counts == {"not_run": 1}


def test_another_cell_is_the_reference(store) -> None:
    plan = run_of({"kind": "cell", "source": "cell-b"})
    asked, board = answered(
        store, plan, {"cell-a": floats(1.0), "cell-b": floats(3.0), "cell-c": floats(3.0)}
    )
    asked.close(store, board, whole=True)
    found = by_cell(store)
    assert [found[name].judgement.status.value for name in CELLS] == ["failed", "passed", "passed"]
    assert found["cell-a"].reference["source"] == "cell-b"
    assert found["cell-a"].reference["agreeing"] == ["cell-b"]


def test_who_died_is_judged_at_once_and_answers_nobody(store) -> None:
    plan = run_of({"kind": "cell", "source": "cell-b"})
    asked, board = answered(
        store, plan, {"cell-a": floats(1.0), "cell-b": None, "cell-c": floats(3.0)}
    )
    assert by_cell(store)["cell-b"].expectation.outcome is Outcome.NOT_OK
    asked.close(store, board, whole=True)
    found = by_cell(store)
    assert found["cell-b"].judgement.status is Status.ERROR
    for name in ("cell-a", "cell-c"):
        assert found[name].judgement.status is Status.NOT_RUN
        assert "cell-b gave no answer" in found[name].measurement.reason


def test_a_models_own_tolerance_counts(store) -> None:
    wide = (("float32", Tolerance(rtol=0.0, atol=5.0)),)
    entry = CheckEntry(
        check="parity",
        models=(Model(name="twice", path=Path("twice.onnx"), tolerance=wide),),
    )
    plan = run_of({"kind": "cell", "source": "cell-b"}, entry=entry)
    asked, board = answered(
        store, plan, {"cell-a": floats(1.0), "cell-b": floats(3.0), "cell-c": floats(9.0)}
    )
    asked.close(store, board, whole=True)
    found = by_cell(store)
    assert [found[name].judgement.status.value for name in CELLS] == ["passed", "passed", "failed"]


def test_cases_with_a_reference_of_their_own_do_not_wait(store) -> None:
    plan = run_of({"kind": "given"})
    asked, board = answered(store, plan, {"cell-a": floats(1.0)})
    assert not asked.waits()
    assert not verdicts(run_of(None)).waits()
    before = by_cell(store)
    asked.judge_late(store, board)
    assert by_cell(store) == before


def test_what_a_killed_run_stored_of_a_cell_that_is_not_selected_now_is_judged_too(store) -> None:
    plan = run_of({"kind": "cell", "source": "cell-b"})
    asked, _ = answered(store, plan, {"cell-a": floats(1.0), "cell-b": floats(1.0)})
    board = Board((), {})
    assert board.unit("cell-a", "parity", "twice") is None
    asked.close(store, board, whole=False)
    assert {r.judgement.status for r in store.cases()} == {Status.PASSED}
    assert {r.expectation.outcome for r in store.cases()} == {Outcome.XPASS}  # of K, by both
    assert board.cell("cell-a") is None


# Variants with limits ----------------------------------------------------------------------------


def variants_of(top1: float | None):
    """A cell with a model and its variant."""
    models = (
        Model(name="net", path=Path("/n.onnx")),
        Model(name="small", path=Path("/s.onnx"), variant_of=VariantOf(model="net", top1=top1)),
    )
    entry = CheckEntry(check="parity", models=models)
    work = a_workload(
        [a_case("net/0", unit="net"), a_case("small/0", unit="small")], check="parity", entry=entry
    )
    return a_plan(a_planned(a_cell(checks=(entry,)), work))


def scores(store, n: int, unit: str, *rows: tuple[float, float]):
    value = Value.tensor("float32", (len(rows), 2), b"".join(struct.pack("<2f", *r) for r in rows))
    return case(
        n, check="parity", unit=unit, case=f"{unit}/0", outcome="info",
        outputs=(store.put_blob(encode([("y", value)])),),
        reference={"kind": "data", "inputs": "the same"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("top1", "status", "outcome"),
    [
        (None, Status.PASSED, Outcome.OK),
        (0.5, Status.PASSED, Outcome.OK),
        (0.6, Status.FAILED, Outcome.NOT_OK),
    ],
)
def test_a_variant_with_limits_waits_for_its_original(store, top1, status, outcome) -> None:
    plan = variants_of(top1)
    asked, board = verdicts(plan), board_of(plan)
    store.set_cell(cell())
    seen = [scores(store, 0, "net", (0, 1), (0, 1)), scores(store, 1, "small", (0, 1), (1, 0))]
    told = [asked.expect(each) for each in seen]
    assert told[0].expectation.outcome is Outcome.OK
    assert told[1].expectation.outcome is (Outcome.OK if top1 is None else Outcome.INFO)
    assert asked.undecided("cell-a", "parity", "small") is (top1 is not None)
    assert not asked.undecided("cell-a", "parity", "net")
    store.add_cases(told)
    board.count(told)
    board.close_cell(cell(counts={"passed": 2}))

    asked.close(store, board, whole=True)

    net, small = store.cases()
    assert net == told[0]
    assert (small.judgement.status, small.expectation.outcome) == (status, outcome)
    found = board.unit("cell-a", "parity", "small")
    assert found is not None
    assert {name: n for name, n in found.statuses.items() if n} == {status.value: 1}
    counts = {"passed": 2} if status is Status.PASSED else {"passed": 1, "failed": 1}
    record = board.cell("cell-a")
    assert record is not None
    assert record.counts == counts


def test_a_variant_that_died_is_judged_at_once() -> None:
    found = verdicts(variants_of(1.0)).expect(
        case(1, check="parity", unit="small", case="small/0", status="crashed")
    )
    assert found.expectation.outcome is Outcome.NOT_OK
