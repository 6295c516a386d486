"""Verdicts: the whole table of what may be said about a step, and what must never be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.verdict import Verdict, steps, walk
from tests.browser.folders import LETTERS, Made, small

if TYPE_CHECKING:
    from pathlib import Path


def told(folder: Path, *cells: Made):
    data = read(small(folder, cells))
    return steps(data, walk(data))


def only(folder: Path, *cells: Made) -> Verdict:
    found = told(folder, *cells)
    assert len(found) == 1
    assert len(found[0].verdicts) == 1
    return found[0].verdicts[0]


@pytest.mark.parametrize(
    ("before", "after", "kind", "detail", "rest"),
    [
        ("PPPP", "PPPP", "yes", "0 new failures in 4 cases measured on both", ""),
        ("PPPP", "PPFP", "no", "1 operator newly fails (Op2): 1 of 4 cases measured on both", ""),
        ("PPPP", "EPFC", "no", "3 operators newly fail (Op0, Op2, Op3): 3 of 4", ""),
        ("PPPP", "PPNP", "no", "1 operator newly fails", ""),
        ("PPPP", "PPTY", "no", "2 operators newly fail", ""),
        # No longer supported is a loss, whatever it means for the run's exit status.
        ("PPPP", "PPUP", "no", "1 of them no longer supported", ""),
        ("PPPP", "PPGP", "no", "1 of them no longer supported", ""),
        ("LPPP", "UPPP", "no", "1 operator newly fails (Op0)", ""),
        # Known failures excuse the move, and are counted.
        ("PPPP", "PPKP", "yes", "0 new failures", "1 known"),
        ("PKPP", "PKPP", "yes", "0 new failures", "1 known"),
        ("PKPP", "PPPP", "yes", "0 new failures", "1 newly works"),
        ("PKPP", "PpPP", "yes", "0 new failures", "1 newly works, 1 passes unexpectedly"),
        # What failed before may fail on, in the open.
        ("PPFP", "PPFP", "yes", "0 new failures", "1 fails as before"),
        ("PEFP", "PFEP", "yes", "0 new failures", "2 fail as before"),
        ("PPUP", "PPUP", "yes", "0 new failures", "1 not supported as before"),
        ("PPUP", "PPFP", "yes", "0 new failures", "1 fails as before"),
        ("PPFP", "PPPP", "yes", "0 new failures", "1 newly works"),
        # Fallback is a state of its own.
        ("PPPP", "PPLP", "fallback", "1 of 4 cases measured on both newly ran on another", ""),
        (
            "LLLL",
            "LLLL",
            "fallback",
            "none of 4 cases measured on both ran on the provider",
            "4 on",
        ),
        ("PLPP", "PLPP", "yes", "0 new failures", "1 on another provider as before"),
        ("PLPP", "PPPP", "yes", "0 new failures", ""),
        ("PPPP", "PPlP", "no", "1 operator newly fails (Op2)", ""),  # declared a failure
        ("PPPP", "PLFP", "no", "1 operator newly fails (Op2)", ""),
        # Never "you can move" without the same cases.
        ("PPPP", "PPOP", "unknown", "1 of the 4 cases measured with 1.0 were not measured", ""),
        ("PPPP", "PPSP", "unknown", "1 of the 4 cases measured with 1.0 were not measured", ""),
        ("PPPP", "PPP", "unknown", "1 of the 4 cases measured with 1.0 were not measured", ""),
        ("PPPP", "PPL.", "unknown", "0 new failures in the 3 that were", ""),
        ("PPPP", "FO", "no", "; 3 cases not measured there", ""),
        ("PP..", "..PP", "unknown", "no case was measured both there and with 1.0", ""),
        ("SPPP", "SPPP", "yes", "0 new failures in 3 cases", ""),
        ("OPPP", "OPPP", "yes", "0 new failures in 3 cases", ""),
        # More cases are welcome, and if they fail, that is said.
        ("PPP", "PPPP", "yes", "0 new failures in 3 cases", "1 measured for the first time"),
        ("PPP", "PPPF", "yes", "0 new failures in 3", "1 measured for the first time, 1 of these"),
        ("SPP", "FPP", "yes", "0 new failures in 2 cases", "1 of these does not work"),
        # Nothing that worked can break: no reason to call that a move.
        ("FFFF", "FFFF", "unknown", "none of 4 cases works there, and none did with 1.0", ""),
        ("UUUU", "GGGG", "unknown", "none of 4 cases works there", ""),
    ],
)
def test_table(  # noqa: PLR0917 - a row of the table
    tmp_path: Path, before: str, after: str, kind: str, detail: str, rest: str
):
    verdict = only(tmp_path, Made(version="1.0", cases=before), Made(version="1.1", cases=after))
    assert verdict.kind == kind, verdict.sentence
    assert detail in verdict.detail
    assert rest in verdict.rest


def test_an_option_that_the_runtime_refuses_is_not_told_as_a_provider_that_ran_nothing(
    tmp_path: Path,
):
    refused = Made(version="1.1", cases="OO", status="misconfigured", stage="load")
    verdict = only(tmp_path, Made(version="1.0", cases="PP"), refused)
    assert verdict.kind == "unknown"
    assert verdict.detail == "the runtime refused how the cell is configured"


@pytest.mark.parametrize(
    ("status", "cases", "kind", "detail"),
    [
        ("unsatisfiable", "OOOO", "no", "onnxruntime 1.1 cannot be installed there"),
        ("environment_failed", "OOOO", "unknown", "the environment could not be made (it failed"),
        ("unavailable", "OOOO", "unknown", "not available here"),
        ("infrastructure_failed", "OOOO", "unknown", "the infrastructure failed"),
        ("interrupted", "OOOO", "unknown", "interrupted before it measured anything"),
        ("interrupted", "PPOO", "unknown", "2 of the 4 cases measured with 1.0 were not measured"),
        ("interrupted", "PFOO", "no", "1 operator newly fails (Op1)"),
        ("completed", "OOOO", "unknown", "no case was measured"),
        ("completed", "SSSS", "unknown", "no case was measured"),
        ("completed", "", "unknown", "no case was measured"),
        ("misconfigured", "LLLL", "unknown", "the provider that was asked for ran nothing"),
        ("misconfigured", "LLFL", "no", "1 operator newly fails (Op2)"),
    ],
)
def test_cells_that_did_not_complete(
    tmp_path: Path, status: str, cases: str, kind: str, detail: str
):
    verdict = only(
        tmp_path,
        Made(version="1.0", cases="PPPP"),
        Made(version="1.1", cases=cases, status=status, reason="because"),
    )
    assert verdict.kind == kind
    assert detail in verdict.detail
    if cases in {"OOOO", "LLLL"} and status != "completed":
        assert verdict.reason == "because"


letters = st.text(alphabet="".join(LETTERS).replace("D", "") + ".", min_size=1, max_size=6)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=letters, after=letters)
def test_can_move_is_never_said_lightly(tmp_path: Path, before: str, after: str):
    found = told(tmp_path, Made(version="1.0", cases=before), Made(version="1.1", cases=after))
    verdicts = [verdict for step in found for verdict in step.verdicts]
    quiet, good = set("SO."), set("PpL")
    width = max(len(before), len(after))
    pairs = list(zip(before.ljust(width, "."), after.ljust(width, "."), strict=True))
    for verdict in verdicts:
        if verdict.kind not in {"yes", "fallback"}:
            continue
        both = [(a, b) for a, b in pairs if a not in quiet and b not in quiet]
        assert both
        assert not [b for a, b in pairs if a not in quiet and b in quiet], "not measured again"
        assert not [b for a, b in both if a in good and b not in good and b != "K"], "newly fails"
        if verdict.kind == "yes":
            assert not [b for a, b in both if a in "Pp" and b == "L"], "newly fell back"
            assert any(b in "Pp" for _, b in both)


def test_a_step_starts_at_the_nearest_older_version_that_measured_anything(tmp_path: Path):
    found = told(
        tmp_path,
        Made(version="1.2", cases="PPF"),
        Made(version="1.10", cases="PFF"),
        Made(version="1.0", cases="PPP"),
        Made(version="1.1", cases="OOO", status="unsatisfiable"),
    )
    assert [step.title for step in found] == [
        "onnxruntime 1.2 → 1.10",
        "onnxruntime 1.0 → 1.2",
        "onnxruntime 1.0 → 1.1",
    ]
    assert found[0].verdicts[0].detail.startswith("1 operator newly fails (Op1)")


def test_targets_with_one_answer_share_a_sentence(tmp_path: Path):
    cells = [
        Made(version=version, cases=cases, python=python)
        for python in ("3.9", "3.10", "3.11", "3.12")
        for version, cases in (("1.0", "PPP"), ("1.1", "PPF" if python == "3.12" else "PPP"))
    ]
    (step,) = told(tmp_path, *cells)
    assert [(verdict.lead, verdict.where, verdict.lanes) for verdict in step.verdicts] == [
        ("Not", "Python 3.12, host, CPU", 1),
        ("You can move", "Python 3.9, 3.10 and 3.11, host, CPU", 3),
    ]
    assert step.verdicts[0].each == ""
    assert step.verdicts[1].sentence == (
        "You can move on Python 3.9, 3.10 and 3.11, host, CPU (each of 3 targets): "
        "0 new failures in 3 cases measured on both."
    )


def test_a_target_that_skipped_versions_says_from_which_it_comes(tmp_path: Path):
    (newest, _) = told(
        tmp_path,
        *(Made(version=version, cases="P") for version in ("1.0", "1.1", "1.2")),
        Made(version="1.0", cases="P", python="3.9"),
        Made(version="1.2", cases="O", python="3.9", status="unsatisfiable"),
    )
    assert newest.title == "onnxruntime 1.1 → 1.2"
    assert [verdict.where for verdict in newest.verdicts] == [
        "Python 3.9, host, CPU (from 1.0)",
        "Python 3.11, host, CPU",
    ]


def test_one_version_alone_claims_nothing_about_moving(tmp_path: Path):
    verdict = only(tmp_path, Made(version="1.0", cases="PPLFK"))
    assert verdict.kind == "alone"
    assert verdict.sentence == (
        "Measured on Python 3.11, host, CPU: 2 of 5 cases passed, no other version to compare "
        "with; 1 failed, 1 known, 1 on another provider (fallback)."
    )


def test_a_single_framework_version_steps_along_the_axis_that_has_versions(tmp_path: Path):
    found = told(
        tmp_path,
        *(
            Made(version="1.0", cases=cases, axes={"packages.numpy": numpy})
            for numpy, cases in (("1.26.4", "PP"), ("2.2.6", "PF"))
        ),
    )
    assert [step.title for step in found] == ["onnxruntime: numpy 1.26.4 → 2.2.6"]
    assert found[0].verdicts[0].kind == "no"


def test_the_link_of_a_verdict_names_its_cells(tmp_path: Path):
    verdict = only(
        tmp_path,
        Made(version="1.0", cases="PP", image="debian:bookworm", axes={"env.X": "a b"}),
        Made(version="1.1", cases="PF", image="debian:bookworm", axes={"env.X": "a b"}),
    )
    assert verdict.query == (
        "is:new onnxruntime:1.1 python:3.11 image:debian:bookworm provider:CPUExecutionProvider "
        'X:"a b"'
    )


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            "PPFK",
            "PKFK",
            (
                "You can move but for known failures HERE: 0 new failures beyond "
                "known ones in 4 cases measured on both; 2 known, 1 of them worked before, "
                "1 fails as before."
            ),
        ),
        (
            "PK",
            "PK",
            ("You can move HERE: 0 new failures in 2 cases measured on both; 1 known."),
        ),
        (
            "PFF",
            "KFF",
            (
                "Not HERE: none of 3 cases works there; 1 of them did with 1.0, "
                "and what fails is known."
            ),
        ),
        (
            "P",
            "K",
            (
                "Not HERE: the only case does not work there; it did with 1.0, "
                "and what fails is known."
            ),
        ),
        (
            "F",
            "F",
            ("Unknown HERE: the only case does not work there, and it did not with 1.0."),
        ),
        (
            "L",
            "L",
            (
                "Only with fallback HERE: the only case did not run on the "
                "provider asked for; 0 new failures; 1 on another provider as before."
            ),
        ),
    ],
)
def test_what_a_known_issue_excuses_is_not_called_what_it_is_not(
    tmp_path: Path, before: str, after: str, sentence: str
):
    verdict = only(tmp_path, Made(version="1.0", cases=before), Made(version="1.1", cases=after))
    assert verdict.sentence == sentence.replace("HERE", "on Python 3.11, host, CPU")
    assert verdict.query.startswith("is:known-new ") == ("K" in after and before != after)


def test_models_and_operators_are_told_apart(tmp_path: Path):
    before = {"labels/d0": ("P", 0.1), "labels/d1": ("P", 0.1), "bert/d0": ("P", 0.2)}
    after = {"labels/d0": ("F", 9.0), "labels/d1": ("F", "Infinity"), "bert/d0": ("P", 0.2)}
    verdict = only(
        tmp_path,
        Made(version="1.0", cases="P", models=before),
        Made(version="1.1", cases="F", models=after),
    )
    assert verdict.detail == (
        "1 operator newly fails (Op0) and 1 model newly fails (labels): "
        "3 of 4 cases measured on both"
    )
