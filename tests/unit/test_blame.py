"""Exporter, file, runtime or reference: who is named by which evidence, and when nobody is."""

from __future__ import annotations

import pytest

from pytest_modelcompat.results.blame import Evidence, Heard, blame, settle
from pytest_modelcompat.results.model import Judgement, Stage, Status

RIGHT, SAME, OTHER = Heard.RIGHT, Heard.SAME, Heard.OTHER


def judged(status="failed", cause=None, **detail) -> Judgement:
    return Judgement(
        status=Status(status), stage=Stage.COMPARE, attribution=cause, attribution_detail=detail
    )


@pytest.mark.parametrize(
    ("status", "evidence", "cause"),
    [
        ("failed", Evidence(), "none"),
        ("failed", Evidence(evaluator=RIGHT, checker=""), "runtime"),
        ("failed", Evidence(evaluator=SAME, checker=""), "exporter"),
        ("failed", Evidence(evaluator=OTHER, checker=""), "none"),
        ("failed", Evidence(evaluator="no implementation of Grid", checker=""), "none"),
        ("failed", Evidence(evaluator=RIGHT, checker="cyclic"), "file"),
        ("failed", Evidence(evaluator=RIGHT, checker="cyclic", exact=True), "reference"),
        ("failed", Evidence(evaluator=RIGHT, checker="", exact=False), "runtime"),
        ("error", Evidence(evaluator=RIGHT, checker=""), "runtime"),
        ("error", Evidence(evaluator=SAME, checker=""), "none"),
        ("error", Evidence(checker="cyclic"), "file"),
        ("error", Evidence(exact=True), "none"),
        ("crashed", Evidence(evaluator=RIGHT), "runtime"),
    ],
)
def test_what_names_whom(status, evidence, cause):
    assert blame(judged(status), evidence).attribution == cause


@pytest.mark.parametrize("cause", ["optimizer", "provider", "nondeterminism", "exporter"])
def test_what_a_variant_has_mended_stays_named(cause):
    found = blame(
        judged(cause=cause, optimizer_off="passed"), Evidence(evaluator=RIGHT, onnx="1.23")
    )
    assert found.attribution == cause
    assert found.attribution_detail == {
        "optimizer_off": "passed",
        "evaluator of onnx 1.23": "gives the producer's answer",
    }


def test_variants_that_mended_nothing_name_nobody():
    found = blame(judged(cause="none", optimizer_off="failed"), Evidence(evaluator=SAME))
    assert found.attribution == "exporter"


def test_all_that_was_heard_is_kept():
    heard = Evidence(onnx="1.23.2", checker="", evaluator="x " * 300, exact=False)
    found = blame(judged(), heard).attribution_detail
    assert found["checker of onnx 1.23.2"] == "accepts the file"
    assert len(found["evaluator of onnx 1.23.2"]) == 160
    assert found["float64"] == "the runtime's answer is not it"


def test_neighbours_name_the_runtime_only_where_nobody_is_named():
    right, wrong = ["onnxruntime==1.20.1"], ["onnxruntime==1.30.0"]
    assert settle(judged(cause="none"), right=right, wrong=wrong).attribution == "runtime"
    assert settle(judged(), right=right, wrong=[]).attribution == "runtime"
    assert settle(judged(cause="none"), right=[], wrong=wrong).attribution == "none"
    kept = settle(judged(cause="optimizer"), right=right, wrong=wrong)
    assert kept.attribution == "optimizer"
    assert kept.attribution_detail == {"right on": right[0], "fails on": wrong[0]}
    assert settle(judged(cause="none"), right=[], wrong=[]) == judged(cause="none")


def test_many_neighbours_are_counted():
    names = [f"onnxruntime==1.{minor}.0" for minor in range(9)]
    found = settle(judged(), right=[*names, *names], wrong=[]).attribution_detail["right on"]
    assert found.endswith("onnxruntime==1.5.0 and 3 more")
