"""What changed between two runs, word by word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.results.changes import Kind, PackageChange, Side, kind_of, package_changes
from pytest_modelcompat.results.compare import Change, compare_cells, compare_runs
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status
from tests.unit.stored_runs import ENVIRONMENT, case, cell, report_folder

SIDES = {
    "passed": ("passed", "ok"), "failed": ("failed", "not_ok"), "known": ("failed", "xfail"),
    "xpass": ("passed", "xpass"), "unsupported": ("unsupported", "info"),
    "forbidden": ("unsupported", "not_ok"), "fallback": ("fallback", "info"),
    "flaky": ("nondeterministic", "not_ok"), "not_run": ("not_run", "info"),
    "skipped": ("skipped", "info"), "crashed": ("crashed", "not_ok"), "gated": ("gated", "info"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "kind", "fails"),
    [
        ("passed", "passed", None, False),
        ("passed", "failed", "NEW-FAIL", True),
        ("passed", "crashed", "NEW-FAIL", True),
        ("passed", "known", "KNOWN", False),
        ("passed", "unsupported", "NEW-FAIL", False),
        ("passed", "fallback", "NEW-FAIL", False),
        ("passed", "forbidden", "NEW-FAIL", True),
        ("passed", "not_run", "NO-DATA", False),
        ("passed", "skipped", "NO-DATA", False),
        ("passed", "flaky", "FLAKY", True),
        ("passed", "xpass", None, True),
        ("failed", "passed", "FIXED", False),
        ("failed", "failed", "STILL-FAIL", False),
        ("failed", "crashed", "STILL-FAIL", False),
        ("failed", "unsupported", "STILL-FAIL", False),
        ("failed", "known", "KNOWN", False),
        ("failed", "not_run", "NO-DATA", False),
        ("known", "failed", "STILL-FAIL", True),
        ("known", "passed", "FIXED", False),
        ("known", "xpass", "FIXED", True),
        ("unsupported", "passed", "FIXED", False),
        ("unsupported", "gated", None, False),
        ("unsupported", "failed", "NEW-FAIL", True),
        ("unsupported", "forbidden", "STILL-FAIL", False),
        ("flaky", "flaky", "FLAKY", False),
        ("flaky", "passed", "FLAKY", False),
        ("not_run", "failed", "NEW-FAIL", True),
        ("not_run", "passed", None, False),
        ("not_run", "skipped", None, False),
        (None, "passed", "ADDED", False),
        (None, "failed", "ADDED", True),
        (None, "known", "KNOWN", False),
        ("passed", None, "REMOVED", False),
    ],
)
def test_the_word_for_a_case(tmp_path: Path, before, after, kind, fails):
    def one(name: str, what: str | None, ident: str):
        # A second case keeps the cell measured, and the lists not empty.
        cases = [case(1, cell=ident)]
        if what:
            status, outcome = SIDES[what]
            known = "K" if what in {"known", "xpass"} else None
            cases.append(case(0, cell=ident, status=status, outcome=outcome, known=known))
        return load(report_folder(tmp_path / name, cases, [cell(ident)]))

    old, new = one("old", before, "first"), one("new", after, "second")
    changes = list(compare_runs(old, new))
    if kind is None and not fails:
        assert changes == []
        return
    if kind is None:
        # An unexpected pass is no change of the answer; the run's own exit status tells it.
        assert kind_of(Side(status="passed", outcome=Outcome.OK),
                       Side(status="passed", outcome=Outcome.XPASS)) is None  # fmt: skip
        return
    (change,) = changes
    assert (change.kind.value, change.fails) == (kind, fails)
    assert (change.unit, change.case) == ("ai.onnx::Op0", "test_op_0@onnx==1.18.0")
    assert change.cell == "second"
    assert (change.before is None, change.after is None) == (before is None, after is None)


def test_sides_carry_signature_and_known_issue(tmp_path: Path):
    old = load(report_folder(tmp_path / "1", [case(0, status="error", signature="old words")]))
    new = load(report_folder(tmp_path / "2", [
        case(0, status="error", signature="new words", known="K", outcome="xfail"),
    ]))  # fmt: skip
    (change,) = compare_runs(old, new)
    assert change.before == Side(status="error", outcome=Outcome.NOT_OK, signature="old words")
    assert change.after == Side(
        status="error", outcome=Outcome.XFAIL, signature="new words", known="K"
    )


def test_cells_are_found_by_axes_not_by_id_or_order(tmp_path: Path):
    old = load(report_folder(
        tmp_path / "1", [case(0, cell="a"), case(0, cell="b", status="failed")],
        [cell("a"), cell("b", framework="onnxruntime==1.20.1")],
    ))  # fmt: skip
    same = cell("x", framework="onnxruntime==1.20.1")
    same = replace(same, axes=same.axes[::-1])
    new = load(report_folder(
        tmp_path / "2", [case(0, cell="x", status="failed"), case(0, cell="y", status="failed")],
        [same, cell("y")],
    ))  # fmt: skip
    assert [(each.kind, each.cell) for each in compare_runs(old, new)] == [
        (Kind.STILL_FAIL, "x"), (Kind.NEW_FAIL, "y"),
    ]  # fmt: skip
    other = load(report_folder(tmp_path / "3", [case(0, cell="y")], [cell("y", matrix="other")]))
    assert [(each.kind, each.matrix) for each in compare_runs(new, other)] == [
        (Kind.ADDED, "other"), (Kind.REMOVED, "m"), (Kind.REMOVED, "m"),
    ]  # fmt: skip


def test_a_new_cell_is_one_line_and_its_failures(tmp_path: Path):
    old = load(report_folder(tmp_path / "1", [case(n) for n in range(9)]))
    cases = [case(n, cell="b", status="failed" if n == 4 else "passed") for n in range(9)]
    new = load(report_folder(
        tmp_path / "2", [*(case(n) for n in range(9)), *cases],
        [cell(), cell("b", framework="onnxruntime==2.0")],
    ))  # fmt: skip
    first, second = compare_runs(old, new)
    assert (first.kind, first.case, first.fails) == (Kind.ADDED, None, False)
    assert (second.kind, second.case, second.fails) == (
        Kind.ADDED, "test_op_4@onnx==1.18.0", True,
    )  # fmt: skip


BROKEN = {
    "environment_failed": "not_ok", "infrastructure_failed": "not_ok", "unsatisfiable": "info",
    "unavailable": "info", "interrupted": "info",
}  # fmt: skip


@pytest.mark.parametrize("status", BROKEN)
def test_a_cell_that_broke_is_one_line(tmp_path: Path, status: str):
    fine = load(report_folder(tmp_path / "1", [case(n) for n in range(5)]))
    none = [case(n, status="not_run", outcome="info") for n in range(5)]
    record = cell(status=CellStatus(status), stage=Stage.IMPORT, outcome=Outcome(BROKEN[status]))
    broken = load(report_folder(tmp_path / "2", none, [record]))
    fails = BROKEN[status] == "not_ok"
    (change,) = compare_runs(fine, broken)
    assert (change.kind, change.fails) == (Kind.NEW_FAIL if fails else Kind.NO_DATA, fails)
    assert change.after.status == status
    still = list(compare_runs(broken, broken))
    assert [each.kind for each in still] == ([Kind.STILL_FAIL] if fails else [])
    back = list(compare_runs(broken, fine))
    assert [each.kind for each in back] == ([Kind.FIXED] if fails else [])


def test_a_changed_environment_lists_its_packages(tmp_path: Path):
    old = load(report_folder(tmp_path / "1", [case(0)]))
    packages = ("Numpy==2.3.0", "onnxruntime==1.31.1", "protobuf==5.0")
    changed = replace(ENVIRONMENT, lock_digest="b" * 64, packages=packages)
    new = load(report_folder(tmp_path / "2", [case(0)], environments=[changed]))
    (change,) = compare_runs(old, new)
    assert change.kind is Kind.ENV_CHANGED
    assert not change.fails
    assert change.packages == (
        PackageChange(name="numpy", before="2.2.6", after="2.3.0"),
        PackageChange(name="protobuf", before=None, after="5.0"),
    )
    never = replace(ENVIRONMENT, lock_digest=None)
    unmade = load(report_folder(tmp_path / "3", [case(0)], environments=[never]))
    assert list(compare_runs(old, unmade)) == []


def test_package_changes():
    assert package_changes(["a==1", "B_c==2"], ["b-c==2", "a==1"]) == ()
    assert package_changes(["a==1"], []) == (PackageChange(name="a", before="1", after=None),)


def test_two_cells_of_one_run_whatever_their_axes(tmp_path: Path):
    run = load(report_folder(
        tmp_path,
        [case(n, cell="a") for n in range(4)]
        + [case(n, cell="b", status="failed" if n == 2 else "passed") for n in range(3)],
        [cell("a", framework="onnxruntime==1.20.1"), cell("b")],
    ))  # fmt: skip
    changes = {each.case.partition("@")[0]: each for each in compare_cells(run, "a", run, "b")}
    assert {name: each.kind for name, each in changes.items()} == {
        "test_op_2": Kind.NEW_FAIL, "test_op_3": Kind.REMOVED,
    }  # fmt: skip
    assert isinstance(changes["test_op_2"], Change)
    with pytest.raises(UsageProblem, match="no cell 'c'"):
        list(compare_cells(run, "a", run, "c"))


def test_a_run_against_itself_has_only_standing_failures(tmp_path: Path):
    cases = [case(n, status=status, outcome=outcome)
             for n, (status, outcome) in enumerate(SIDES.values())]  # fmt: skip
    run = load(report_folder(tmp_path, cases))
    changes = list(compare_runs(run, run))
    assert not any(each.fails for each in changes)
    assert {each.kind for each in changes} == {Kind.STILL_FAIL, Kind.KNOWN, Kind.FLAKY}
    assert Status.PASSED not in {each.after.status for each in changes}
