"""What a status means: defaults, the command line, and known issues over a whole run."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest

from pytest_modelcompat.matrix.model import Cell, Framework, Image, KnownIssue, Matcher, Matrix
from pytest_modelcompat.results.expect import EntryState, KnownIndex, outcome_of
from pytest_modelcompat.results.known import Entry
from pytest_modelcompat.results.model import (
    INFO_CASE,
    NOT_OK_CASE,
    CellStatus,
    Expectation,
    Outcome,
    Stage,
    Status,
)

TODAY = date(2026, 11, 21)
VERSIONS = ("1.20.1", "1.24.4", "1.31.1")


def cell(version: str = "1.31.1", number: int = 0) -> Cell:
    return Cell(
        id=f"cell-{version}-{number}",
        matrix="m",
        matrix_file=Path("m.yaml"),
        axes=(
            ("framework", f"onnxruntime=={version}"),
            ("python", "3.12"),
            ("image", "host"),
            ("provider", "CPUExecutionProvider"),
        ),
        framework=Framework(distribution="onnxruntime", version=version, runtime="onnxruntime"),
        python="3.12",
        image=Image(),
        provider="CPUExecutionProvider",
        requirements=(f"onnxruntime=={version}",),
    )


def index(*issues: KnownIssue, fail_on=(), on_unsupported="record", cells=None) -> KnownIndex:
    matrix = Matrix(
        name="m",
        file=Path("m.yaml"),
        digest="",
        cells=tuple(cells or (cell(version) for version in VERSIONS)),
        known_issues=issues,
        on_unsupported=on_unsupported,
    )
    return KnownIndex([matrix], today=TODAY, fail_on=fail_on)


def ask(known: KnownIndex, status=Status.ERROR, *, version="1.31.1", **more) -> Expectation:
    about = {
        "check": "op_support",
        "unit": "ai.onnx::Relu",
        "case": "test_relu@onnx==1.18.0",
        "stage": Stage.LOAD,
        "message": "no luck",
        **more,
    }
    return known.expect(f"cell-{version}-0", status=status, **about)


def states(known: KnownIndex, *, whole: bool = True) -> dict[str, EntryState]:
    return {report.entry.id: report.state for report in known.close(whole=whole)}


# Defaults ----------------------------------------------------------------------------------------

NOT_OK = {"failed", "nondeterministic", "error", "crashed", "timed_out", "out_of_memory",
          "environment_failed", "misconfigured", "infrastructure_failed"}  # fmt: skip
INFO = {"unsupported", "gated", "fallback", "skipped", "not_run", "unsatisfiable", "unavailable",
        "interrupted"}  # fmt: skip
OK = {"passed", "completed"}
EVERY = [*Status, *CellStatus]


@pytest.mark.parametrize("status", EVERY, ids=lambda status: status.value)
def test_default_outcomes_are_those_of_the_design(status):
    name = status.value
    assert (name in NOT_OK) + (name in INFO) + (name in OK) == 1
    wanted = Outcome.NOT_OK if name in NOT_OK else Outcome.INFO if name in INFO else Outcome.OK
    assert outcome_of(status) is wanted
    assert outcome_of(status, fail_on={name}) is Outcome.NOT_OK
    assert outcome_of(status, fail_on={"other"}) is wanted


def test_each_status_of_a_case_stands_in_one_table():
    assert sorted([*NOT_OK_CASE, *INFO_CASE, Status.PASSED]) == sorted(Status)


@pytest.mark.parametrize("status", EVERY, ids=lambda status: status.value)
def test_on_unsupported_fail_turns_three_statuses_and_no_other(status):
    turned = outcome_of(status, on_unsupported="fail")
    if status.value in {"unsupported", "gated", "fallback"}:
        assert turned is Outcome.NOT_OK
    else:
        assert turned is outcome_of(status)


def test_the_index_applies_the_matrix_and_the_command_line():
    assert ask(index(), Status.UNSUPPORTED).outcome is Outcome.INFO
    assert ask(index(on_unsupported="fail"), Status.UNSUPPORTED).outcome is Outcome.NOT_OK
    assert ask(index(fail_on=["gated"]), Status.GATED).outcome is Outcome.NOT_OK
    assert ask(index(fail_on=["gated"]), Status.UNSUPPORTED).outcome is Outcome.INFO
    assert ask(index(), Status.PASSED) == Expectation(outcome=Outcome.OK)
    assert index().expect_cell("nowhere", status=CellStatus.COMPLETED).outcome is Outcome.OK
    known = index(fail_on=["unavailable"])
    found = known.expect_cell("cell-1.31.1-0", status=CellStatus.UNAVAILABLE)
    assert found.outcome is Outcome.NOT_OK


# Selection ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"check": "op_support"}, True),
        ({"check": "op_*"}, True),
        ({"check": "parity"}, False),
        ({"unit": "ai.onnx::Relu"}, True),
        ({"unit": "ai.onnx::*"}, True),
        ({"unit": "Relu"}, False),
        ({"unit": "ai.onnx::relu"}, False),
        ({"case": "test_relu@onnx==1.18.0"}, True),
        ({"case": "test_relu"}, True),
        ({"case": "test_rel?@*"}, True),
        ({"case": "test_rel"}, False),
        ({"case": "test_relu_*"}, False),
        ({"unit": "ai.onnx::Relu", "case": "test_other"}, False),
        ({"match": Matcher(patterns=(("framework", ("onnxruntime>=1.30",)),))}, True),
        ({"match": Matcher(patterns=(("framework", ("onnxruntime<1.30",)),))}, False),
        ({"match": Matcher(patterns=(("image", ("debian*",)),))}, False),
    ],
)
def test_selection_by_match_check_unit_and_case(selector, selected):
    known = index(KnownIssue(id="k", **selector))
    found = ask(known)
    if selected:
        assert found == Expectation(outcome=Outcome.XFAIL, known="k")
    else:
        assert found == Expectation(outcome=Outcome.NOT_OK)
    assert states(known)["k"] is (EntryState.SEEN if selected else EntryState.STALE)


def test_the_entries_of_a_unit_are_found_once_for_all_cells_that_have_the_same(monkeypatch):
    asked = []
    selects_unit = Entry.selects_unit
    monkeypatch.setattr(
        Entry, "selects_unit", lambda *about: asked.append(about[1:]) or selects_unit(*about)
    )
    known = index(KnownIssue(id="k", unit="*Relu"))
    for version in VERSIONS:
        for case in ("test_relu", "test_relu_2"):
            assert ask(known, version=version, case=case).known == "k"
            assert ask(known, version=version, case=case, unit="ai.onnx::Add").known is None
    assert asked == [("op_support", "ai.onnx::Relu"), ("op_support", "ai.onnx::Add")]


# What is expected --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ({"status": ("error",)}, True),
        ({"status": ("crashed", "error")}, True),
        ({"status": ("crashed",)}, False),
        ({"stage": ("load",)}, True),
        ({"stage": ("run", "compare")}, False),
        ({"message": "no l.ck"}, True),
        ({"message": "^luck"}, False),
        ({"message": "luck$"}, True),
        ({"status": ("error",), "stage": ("run",)}, False),
        ({"status": ("error",), "stage": ("load",), "message": "other"}, False),
        ({"status": ("error",), "stage": ("load",), "message": "luck"}, True),
    ],
)
def test_stage_status_and_message_must_all_be_as_expected(wanted, seen):
    known = index(KnownIssue(id="k", unit="*Relu", **wanted))
    assert ask(known).outcome is (Outcome.XFAIL if seen else Outcome.NOT_OK)
    assert states(known)["k"] is (EntryState.SEEN if seen else EntryState.UNSEEN)


@pytest.mark.parametrize("status", [s for s in Status if s.value in INFO], ids=lambda s: s.value)
def test_what_is_no_failure_is_expected_only_by_name(status):
    assert ask(index(KnownIssue(id="k", unit="*")), status).outcome is Outcome.INFO
    assert ask(index(KnownIssue(id="k", unit="*", stage=("load",))), status).outcome is Outcome.INFO
    named = index(KnownIssue(id="k", unit="*", status=(status.value,)))
    assert ask(named, status) == Expectation(outcome=Outcome.XFAIL, known="k")
    said = index(KnownIssue(id="k", unit="*", message="luck"))
    assert ask(said, status).outcome is Outcome.XFAIL


def test_what_the_user_made_a_failure_is_excused_like_one():
    known = index(KnownIssue(id="k", unit="*"), on_unsupported="fail")
    assert ask(known, Status.UNSUPPORTED).outcome is Outcome.XFAIL


def test_the_first_entry_that_expects_it_gives_its_name_and_all_of_them_have_seen_it():
    known = index(
        KnownIssue(id="a", unit="*", status=("crashed",)),
        KnownIssue(id="b", unit="*", message="luck"),
        KnownIssue(id="c", unit="*"),
    )
    assert ask(known).known == "b"
    assert states(known) == {
        "a": EntryState.UNSEEN, "b": EntryState.SEEN, "c": EntryState.SEEN,
    }  # fmt: skip


def test_a_message_is_searched_in_its_head_only():
    known = index(KnownIssue(id="k", unit="*", message="needle"))
    assert ask(known, message="x" * 16378 + "needle").outcome is Outcome.XFAIL
    assert ask(known, message="x" * 16379 + "needle").outcome is Outcome.NOT_OK
    assert ask(known, message="x" * 100_000 + "needle").outcome is Outcome.NOT_OK


@pytest.mark.parametrize(
    ("expires", "excused"),
    [("2026-11-22", True), ("2026-11-21", True), ("2026-11-20", False), (None, True)],
)
def test_an_entry_excuses_nothing_after_the_day_on_which_it_expires(expires, excused):
    known = index(KnownIssue(id="k", unit="*", expires=expires))
    assert ask(known).outcome is (Outcome.XFAIL if excused else Outcome.NOT_OK)
    assert states(known)["k"] is (EntryState.SEEN if excused else EntryState.EXPIRED)


def test_an_expired_entry_is_neither_stale_nor_unexpectedly_passing():
    known = index(KnownIssue(id="k", unit="*", expires="2020-01-01"))
    ask(known, Status.PASSED)
    assert known.xpass_in("cell-1.31.1-0", check="op_support", unit="ai.onnx::Relu") == ()
    assert states(known)["k"] is EntryState.EXPIRED


# Unexpectedly passing ----------------------------------------------------------------------------


def final(known: KnownIndex, status=Status.PASSED, **more) -> Expectation:
    about = {
        "check": "op_support", "unit": "ai.onnx::Relu", "case": "test_relu@onnx==1.18.0", **more,
    }  # fmt: skip
    had = Expectation(outcome=outcome_of(status))
    return known.final("cell-1.31.1-0", status=status, expectation=had, **about)


@pytest.mark.parametrize(
    ("selector", "statuses", "state"),
    [
        ({"unit": "*Relu"}, [Status.PASSED], EntryState.XPASS),
        ({"case": "test_*"}, [Status.PASSED], EntryState.XPASS),
        ({"unit": "*Relu"}, [Status.PASSED, Status.ERROR], EntryState.SEEN),
        ({"unit": "*Relu"}, [Status.ERROR, Status.PASSED], EntryState.SEEN),
        ({"unit": "*Relu", "status": ("crashed",)}, [Status.PASSED, Status.ERROR],
         EntryState.XPASS),
        ({"unit": "*Relu", "status": ("crashed",)}, [Status.ERROR], EntryState.UNSEEN),
        ({"unit": "*Relu"}, [Status.NOT_RUN, Status.SKIPPED], EntryState.UNSEEN),
        ({"unit": "*Relu"}, [Status.FALLBACK], EntryState.UNSEEN),
        ({"unit": "*Relu"}, [], EntryState.STALE),
        ({}, [Status.PASSED], EntryState.UNSEEN),
        ({"check": "op_support"}, [Status.PASSED], EntryState.UNSEEN),
    ],
)  # fmt: skip
def test_an_entry_passes_unexpectedly_when_something_passed_and_nothing_failed_as_expected(
    selector, statuses, state
):
    known = index(KnownIssue(id="k", **selector))
    for status in statuses:
        ask(known, status)
    assert states(known)["k"] is state
    assert final(known).outcome is (Outcome.XPASS if state is EntryState.XPASS else Outcome.OK)


def test_one_cell_in_which_it_still_shows_is_enough_to_keep_it():
    known = index(KnownIssue(id="k", unit="*Relu"))
    ask(known, Status.PASSED, version="1.31.1")
    ask(known, Status.ERROR, version="1.20.1")
    assert states(known)["k"] is EntryState.SEEN
    assert final(known) == Expectation(outcome=Outcome.OK)


def test_final_marks_passed_cases_of_unexpectedly_passing_entries_and_no_others():
    known = index(KnownIssue(id="k", case="test_relu@*", unit="ai.onnx::Relu"))
    assert final(known).outcome is Outcome.OK  # not before it is closed
    ask(known, Status.PASSED)
    ask(known, Status.FAILED, unit="ai.onnx::Add")
    known.close(whole=True)
    assert final(known) == Expectation(outcome=Outcome.XPASS, known="k")
    assert final(known, Status.FAILED).outcome is Outcome.NOT_OK
    assert final(known, Status.FALLBACK).outcome is Outcome.INFO
    assert final(known, case="test_relu_2@x").outcome is Outcome.OK
    assert final(known, unit="ai.onnx::Add").outcome is Outcome.OK


ONE_CELL = Matcher(patterns=(("framework", ("onnxruntime==1.31.1",)),))


@pytest.mark.parametrize(
    ("issue", "told"),
    [
        (KnownIssue(id="k", match=ONE_CELL, unit="ai.onnx::Relu"), True),
        (KnownIssue(id="k", match=ONE_CELL, unit="ai.onnx::Relu", case="test_*"), True),
        (KnownIssue(id="k", match=ONE_CELL, unit="ai.onnx::Rel?"), False),
        (KnownIssue(id="k", match=ONE_CELL, case="test_*"), False),
        (KnownIssue(id="k", unit="ai.onnx::Relu"), False),
    ],
)
def test_an_item_knows_only_what_it_alone_decides(issue, told):
    known = index(issue)
    here = {"check": "op_support", "unit": "ai.onnx::Relu"}
    assert known.xpass_in("cell-1.31.1-0", **here) == ()  # nothing was measured yet
    ask(known, Status.PASSED)
    assert known.xpass_in("cell-1.31.1-0", **here) == (("k",) if told else ())
    assert known.xpass_in("cell-1.20.1-0", **here) == ()
    ask(known, Status.ERROR)
    assert known.xpass_in("cell-1.31.1-0", **here) == ()


@pytest.mark.parametrize("unit", ["a*", "a?"])
def test_a_unit_with_the_name_of_a_pattern_decides_nothing_alone(unit):
    known = index(KnownIssue(id="k", match=ONE_CELL, unit=unit))
    ask(known, Status.PASSED, unit=unit)
    ask(known, Status.PASSED, unit="a")
    assert known.xpass_in("cell-1.31.1-0", check="op_support", unit=unit) == ()


@pytest.mark.parametrize(
    ("issue", "undecided"),
    [
        (KnownIssue(id="k", unit="*Relu"), True),
        (KnownIssue(id="k", case="test_relu"), True),
        (KnownIssue(id="k", unit="*Relu", expires="2020-01-01"), False),
        (KnownIssue(id="k", unit="*Add"), False),
        (KnownIssue(id="k"), False),
    ],
)
def test_a_passed_case_is_undecided_until_its_entry_was_seen(issue, undecided):
    known = index(issue)
    here = {"check": "op_support", "unit": "ai.onnx::Relu"}
    assert known.undecided("cell-1.31.1-0", **here) is undecided
    assert not known.undecided("elsewhere", **here)
    ask(known, Status.ERROR, version="1.20.1")
    assert not known.undecided("cell-1.31.1-0", **here)


def test_only_a_whole_run_calls_an_entry_stale():
    known = index(KnownIssue(id="k", unit="ai.onnx::Gone"))
    ask(known)
    assert states(known, whole=True)["k"] is EntryState.STALE
    assert states(known, whole=False)["k"] is EntryState.UNDECIDED


@pytest.mark.parametrize(
    ("unit", "statuses", "state"),
    [
        ("*Relu", [Status.PASSED, Status.ERROR], EntryState.SEEN),
        ("*Relu", [Status.PASSED], EntryState.UNDECIDED),
        ("*Relu", [Status.NOT_RUN], EntryState.UNSEEN),
        ("*Gone", [Status.PASSED], EntryState.UNDECIDED),
    ],
)
def test_a_shard_decides_nothing_that_others_may_still_show(unit, statuses, state):
    known = index(KnownIssue(id="k", unit=unit))
    for status in statuses:
        ask(known, status)
    (report,) = known.close(whole=True, sharded=True)
    assert (report.state, report.entry.id) == (state, "k")
    assert final(known) == Expectation(outcome=Outcome.OK)


def test_the_report_counts():
    known = index(KnownIssue(id="k", unit="*Relu", status=("error",)))
    for status in (Status.PASSED, Status.ERROR, Status.ERROR, Status.CRASHED, Status.NOT_RUN):
        ask(known, status)
    (report,) = known.close(whole=True)
    assert (report.matrix, report.selected, report.seen, report.passed) == ("m", 5, 2, 1)


# Cells -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issue", "status", "outcome"),
    [
        (KnownIssue(id="k", status=("environment_failed",)), "environment_failed", "xfail"),
        (KnownIssue(id="k"), "environment_failed", "xfail"),
        (KnownIssue(id="k", stage=("import",)), "environment_failed", "xfail"),
        (KnownIssue(id="k", stage=("install",)), "environment_failed", "not_ok"),
        (KnownIssue(id="k", message="libcuda"), "environment_failed", "xfail"),
        (KnownIssue(id="k", status=("misconfigured",)), "environment_failed", "not_ok"),
        (KnownIssue(id="k", status=("unavailable",)), "unavailable", "xfail"),
        (KnownIssue(id="k"), "unavailable", "info"),
        (KnownIssue(id="k", message="libcuda"), "unavailable", "xfail"),
        (KnownIssue(id="k", unit="*"), "environment_failed", "not_ok"),
        (KnownIssue(id="k", case="*"), "environment_failed", "not_ok"),
        (KnownIssue(id="k", check="*"), "environment_failed", "not_ok"),
        (KnownIssue(id="k"), "completed", "ok"),
    ],
)
def test_cells_are_known_by_entries_that_name_no_case(issue, status, outcome):
    known = index(issue)
    found = known.expect_cell(
        "cell-1.31.1-0", status=CellStatus(status), stage=Stage.IMPORT, message="no libcuda.so.1"
    )
    assert found.outcome.value == outcome
    assert found.known == ("k" if outcome == "xfail" else None)


def test_a_cell_without_a_stage_is_not_at_the_stage_that_an_entry_wants():
    known = index(KnownIssue(id="k", stage=("import",)))
    found = known.expect_cell("cell-1.31.1-0", status=CellStatus.MISCONFIGURED)
    assert found.outcome is Outcome.NOT_OK


def test_an_entry_of_cells_is_never_unexpectedly_passing():
    known = index(KnownIssue(id="k", status=("environment_failed",)))
    known.expect_cell("cell-1.31.1-0", status=CellStatus.COMPLETED)
    ask(known, Status.PASSED)
    assert states(known)["k"] is EntryState.UNSEEN


# Load --------------------------------------------------------------------------------------------


def test_two_hundred_thousand_cases_with_a_hundred_entries_take_seconds_at_most():
    issues = [KnownIssue(id=f"k{n}", unit=f"ai.onnx::Op{n}", message="x") for n in range(100)]
    cells = [cell("1.31.1", number) for number in range(50)]
    known = index(*issues, cells=cells)
    started = time.perf_counter()
    for each in cells:
        for n in range(4000):
            known.expect(
                each.id,
                check="op_support",
                unit=f"ai.onnx::Op{n % 200}",
                case=f"test_{n}",
                status=Status.PASSED,
            )
    assert time.perf_counter() - started < 120


# Whoever is asked, and whatever is left out -------------------------------------------------------


def test_an_unknown_cell_has_no_known_issues():
    known = index(KnownIssue(id="k", unit="ai.onnx::Relu", message=""))
    about = {"check": "op_support", "unit": "ai.onnx::Relu"}
    found = known.expect("elsewhere", case="c", status=Status.ERROR, **about)
    assert found == Expectation(outcome=Outcome.NOT_OK)
    gone = known.expect("elsewhere", case="c", status=Status.UNSUPPORTED, **about)
    assert gone == Expectation(outcome=Outcome.INFO)
    assert known.xpass_in("elsewhere", **about) == ()
    assert not known.undecided("elsewhere", **about)
    ask(known, Status.PASSED)
    assert states(known) == {"k": EntryState.XPASS}
    passed = Expectation(outcome=Outcome.OK)
    final = known.final("elsewhere", case="c", status=Status.PASSED, expectation=passed, **about)
    assert final is passed


def test_no_message_is_an_empty_one():
    known = index(KnownIssue(id="k", message="^$"))
    found = known.expect(
        "cell-1.31.1-0", check="op_support", unit="u", case="c", status=Status.ERROR
    )
    assert found.known == "k"
    cell_ = known.expect_cell("cell-1.31.1-0", status=CellStatus.ENVIRONMENT_FAILED)
    assert cell_.known == "k"


def test_an_expired_entry_does_not_hide_the_next():
    known = index(
        KnownIssue(id="old", unit="ai.onnx::Relu", expires="2026-01-01"),
        KnownIssue(id="new", unit="ai.onnx::Relu"),
    )
    assert ask(known).known == "new"
    assert states(known) == {"old": EntryState.EXPIRED, "new": EntryState.SEEN}


def test_entries_of_every_matrix_are_reported():
    matrices = [
        Matrix(
            name=name, file=Path(f"{name}.yaml"), digest="", cells=(cell(version),),
            known_issues=(KnownIssue(id=f"{name}-k", unit="ai.onnx::Relu"),),
        )
        for name, version in (("m", "1.31.1"), ("n", "1.20.1"))
    ]  # fmt: skip
    known = KnownIndex(matrices, today=TODAY)
    assert ask(known, version="1.20.1").known == "n-k"
    found = {report.entry.id: (report.matrix, report.state) for report in known.close(whole=True)}
    assert found == {"m-k": ("m", EntryState.STALE), "n-k": ("n", EntryState.SEEN)}


def test_an_entry_of_one_check_decides_nothing_in_another():
    known = index(KnownIssue(id="k", check="parity", unit="ai.onnx::Relu"), cells=[cell()])
    about = {"unit": "ai.onnx::Relu"}
    ask(known, Status.PASSED, check="parity")
    where = "cell-1.31.1-0"
    assert known.undecided(where, check="parity", **about)
    assert not known.undecided(where, check="op_support", **about)
    assert known.xpass_in(where, check="parity", **about) == ("k",)
    assert known.xpass_in(where, check="op_support", **about) == ()
    known.close(whole=True)
    passed = Expectation(outcome=Outcome.OK)
    told = {"case": "c", "status": Status.PASSED, "expectation": passed, **about}
    assert known.final(where, check="op_support", **told) is passed
    assert known.final(where, check="parity", **told).known == "k"
