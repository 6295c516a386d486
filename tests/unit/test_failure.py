"""What a failing item says."""

from __future__ import annotations

from pytest_modelcompat.runner.failure import text
from tests.unit.stored_runs import case


def test_a_mismatch_is_told_with_where_it_is_and_how_to_see_it_again() -> None:
    mismatch = {
        "output": "y", "kind": "values", "index": [0, 3], "actual": 1.5, "expected": 1.0,
        "max_abs": 0.5, "max_ulp": None, "cosine": 0.9,
    }  # fmt: skip
    told = text([case(0, status="failed", mismatch=mismatch, repro="pytest x::y")])
    assert told.splitlines() == [
        "test_op_0@onnx==1.18.0: failed at stage compare",
        "  output y, kind values, index [0, 3], actual 1.5, expected 1.0, max_abs 0.5",
        "",
        "reproduce: pytest x::y",
    ]


def test_a_mismatch_is_told_with_its_tolerance_and_how_much_is_bad() -> None:
    mismatch = {
        "output": "y", "kind": "value", "index": [4], "actual": 1.0, "expected": 0.0,
        "max_abs": 1.0, "bad": 1234, "total": 10000, "tolerance": {"rtol": 0.001, "atol": 1e-7},
        "ratio": 1e7,
    }  # fmt: skip
    told = text([case(0, status="failed", mismatch=mismatch)]).splitlines()[1]
    assert told == (
        "  output y, kind value, 1,234 of 10,000 elements bad, index [4], actual 1.0, "
        "expected 0.0, max_abs 1.0, tolerance atol=1e-07 rtol=0.001 exceeded 1e+07-fold"
    )
    ulp = {"output": "y", "kind": "value", "max_ulp": 9, "tolerance": {"ulp": 4}, "ratio": "inf"}
    told = text([case(0, status="failed", mismatch=ulp)]).splitlines()[1]
    assert told == "  output y, kind value, max_ulp 9, tolerance ulp=4 exceeded inf-fold"


def test_a_death_is_told_with_its_signal_and_last_words() -> None:
    error = {
        "message": "", "signal": "SIGSEGV", "exit_code": None, "output": "a" * 5000 + "last words",
    }  # fmt: skip
    told = text([case(0, status="crashed", error=error)])
    assert "  died: signal SIGSEGV" in told.splitlines()
    assert "exit_code" not in told
    (printed,) = [line for line in told.splitlines() if "printed last" in line]
    assert printed.endswith("last words")
    assert len(printed) < 900


def test_a_raw_message_is_capped_and_its_signature_told_where_it_differs() -> None:
    error = {"type": "Fail", "message": "at 0x7f01 " + "x" * 9000}
    told = text([case(0, status="error", error=error, signature="at ADDRESS")]).splitlines()
    assert told[1].startswith("  Fail: at 0x7f01 xxx")
    assert len(told[1]) < 1600
    assert "  signature: at ADDRESS" in told
    same = {"type": "Fail", "message": "plain"}
    assert "signature" not in text([case(0, status="error", error=same, signature="plain")])


def test_what_made_the_difference_is_told_with_what_was_tried() -> None:
    record = case(
        0, status="failed", attribution="optimizer", attribution_detail={"optimizer_off": "passed"}
    )
    assert "  attribution: optimizer (optimizer_off: passed)" in text([record]).splitlines()
    bare = text([case(0, status="failed", attribution="reference")]).splitlines()
    assert "  attribution: reference" in bare


def test_known_issues_are_named() -> None:
    gone = text([case(0, outcome="xpass", known="K")])
    assert "passed at stage compare unexpectedly: known issue K no longer shows" in gone
    seen = text([case(0, status="failed", outcome="not_ok", known="K")])
    assert "failed at stage compare (known issue K)" in seen


def test_three_are_told_in_full_and_the_rest_counted() -> None:
    records = [case(n, status="failed", repro=f"pytest {n}") for n in range(8)]
    told = text(iter(records))
    assert told.count("failed at stage") == 3
    assert "and 5 more cases" in told
    assert told.endswith("reproduce: pytest 0")


def test_nothing_is_nothing() -> None:
    assert text([]) == ""
