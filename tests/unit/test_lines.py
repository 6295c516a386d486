"""The lines of cases.jsonl.gz: whichever way they are made, the bytes are the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_modelcompat.results import lines as module
from pytest_modelcompat.results.lines import lines
from pytest_modelcompat.results.model import Expectation, Outcome, Stage, Status
from pytest_modelcompat.results.write_line import case_line, dump
from tests.unit.any_records import RECORDS
from tests.unit.stored_runs import case, open_store

PLAIN = case(0)


def unlike(**changes):
    return replace(PLAIN, measurement=replace(PLAIN.measurement, **changes))


@given(st.lists(RECORDS, max_size=4))
@example([PLAIN, unlike(run_seconds=()), unlike(load_seconds=0.0), unlike(opset=0, peak_rss=7)])
@example([unlike(load_seconds=float("inf")), unlike(run_seconds=(float("nan"),))])
@example([unlike(outputs=()), unlike(outputs=("0" * 64,)), unlike(run_seconds=(0.5, 0.25))])
@example([replace(PLAIN, check="", unit="", case=""), replace(PLAIN, reference={"rtol": 1e999})])
@example(
    [
        case(1, outputs=("0" * 64, "="), expected="1" * 64),
        case(2, status="failed", mismatch={"max_abs": 1.5, "index": [0]}, known="K"),
        case(3, attribution="optimizer", attribution_detail={"cpu": "passed"}, ran_on=None),
        case(4, status="error", error={"message": "m", "exit_code": 0}, signature="s"),
    ]
)
@example([replace(PLAIN, cell=""), replace(PLAIN, cell="b\ud800"), replace(PLAIN, reference={})])
@settings(max_examples=150, deadline=None)
def test_they_are_those_of_the_records(tmp_path_factory, records) -> None:
    records = [replace(each, n=n) for n, each in enumerate(records)]
    seen: list[tuple] = []
    with open_store(tmp_path_factory.mktemp("run")) as store:
        store.add_cases(records)
        made = list(lines(store, lambda *case: seen.append(case)))
        stored = list(store.cases())
    assert made == [dump(case_line(each)) for each in stored]
    assert seen == [
        (each.cell, each.check, each.unit, each.case, each.judgement.status) for each in stored
    ]


def test_what_is_the_same_in_many_cells_is_nothing_else(tmp_path) -> None:
    """Each record differs from the first in one thing that its line shows, or in none."""
    seen, judged = PLAIN.measurement, PLAIN.judgement
    one = "0" * 64
    records = [
        PLAIN,
        *(replace(PLAIN, **{name: "x"}) for name in ("check", "unit", "case", "requested")),
        replace(PLAIN, repro="x"), replace(PLAIN, model_bytes=7), replace(PLAIN, reference=None),
        unlike(opset=7), unlike(ran_on={"x": 1}), unlike(ran_on=None), unlike(reason="x"),
        unlike(outputs=(one,)), unlike(expected=one), unlike(peak_rss=7), unlike(stage=Stage.RUN),
        unlike(run_seconds=(0.25,)), unlike(load_seconds=0.25), unlike(error={"type": "x"}),
        unlike(error={"type": "y"}), unlike(error={"message": "x" * 9999}),
        *(
            replace(PLAIN, judgement=replace(judged, **{name: value}))
            for name, value in {
                "status": Status.FAILED, "stage": Stage.RUN, "rule": "x", "signature": "x",
                "mismatch": {"bad": 1}, "attribution": "x", "attribution_detail": {"x": "y"},
            }.items()
        ),
        *(replace(PLAIN, expectation=Expectation(outcome=each)) for each in Outcome),
        replace(PLAIN, expectation=replace(PLAIN.expectation, known="K")),
        replace(PLAIN, measurement=replace(seen, ended="raised")),
    ]  # fmt: skip
    records = [
        replace(each, cell=cell, n=n)
        for cell in ("cell-a", "cell-b")
        for n, each in enumerate(records)
    ]
    told: list[tuple] = []
    with open_store(tmp_path) as store:
        store.add_cases(records)
        made = list(lines(store, lambda *case: told.append(case)))
    assert made == [dump(case_line(each)) for each in records]
    assert told == [(x.cell, x.check, x.unit, x.case, x.judgement.status) for x in records]


def test_most_of_them_never_become_records(tmp_path, monkeypatch) -> None:
    """Else nothing is gained, and no other test would tell."""
    monkeypatch.setattr(module, "record", None)
    with open_store(tmp_path) as store:
        store.add_cases(
            [
                case(0),
                case(1, outputs=("0" * 64, "="), expected="1" * 64),
                case(2, status="failed", mismatch={"max_abs": 1.5, "index": [0]}, known="K"),
                case(3, attribution="optimizer", attribution_detail={"cpu": "passed"}, ran_on=None),
                case(4, status="not_run", reason="stopped", run_seconds=()),
                case(5, status="error", error={"message": "m", "type": "t"}, signature="s"),
            ]
        )
        assert len(list(lines(store, lambda *_: None))) == 6
