"""From the first version to the newest: what broke on the way, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_modelcompat.report import html as page
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.markdown import markdown
from pytest_modelcompat.report.terminal import summary
from pytest_modelcompat.report.view import View, build
from tests.browser.folders import Made, small

if TYPE_CHECKING:
    from pathlib import Path

HERE = "on Python 3.11, host, CPU"


def made(folder: Path, *versions: str) -> View:
    cells = [Made(version=f"1.{n}", cases=cases) for n, cases in enumerate(versions)]
    return build(read(small(folder, cells)))


@pytest.mark.parametrize(
    ("versions", "sentence"),
    [
        (
            ["PPPP", "PFPP", "PFPE"],
            "Not HERE: since 1.1: Op1 fails; since 1.2: Op3 fails: 2 of 4 cases measured with 1.2.",
        ),
        # What the first version did not have yet, and what came and went.
        (
            ["PP", "PPP", "PPF"],
            (
                "Not HERE: since 1.2: Op2 fails: 1 of 3 cases measured with 1.2; "
                "1 measured for the first time, 1 of these does not work."
            ),
        ),
        (["PP", "FP", "PP"], "You can move HERE: 0 new failures in 2 cases measured on both."),
        (
            ["PPP", "FPP", "PPP", "FPP"],
            "Not HERE: since 1.3: Op0 fails: 1 of 3 cases measured with 1.3.",
        ),
        # Not measured in between: the first version that showed it.
        (["PP", "OP", "FP"], "Not HERE: since 1.2: Op0 fails: 1 of 2 cases measured with 1.2."),
        (
            ["PP", "FP", "OP", "FP"],
            ("Not HERE: since 1.1: Op0 fails: 1 of 2 cases measured with 1.3."),
        ),
        (["PP", "PP", "PU"], "Not HERE: since 1.2: Op1 fails: 1 of 2 cases measured with 1.2."),
        (
            ["PP", "PK", "PK"],
            (
                "You can move but for known failures HERE: 0 new failures beyond known ones "
                "in 2 cases measured on both; 1 known, 1 of them worked before, "
                "known since 1.1: Op1 fails."
            ),
        ),
        # Never bad after it was good: as it always was.
        (
            ["FP", "FP", "FP"],
            ("You can move HERE: 0 new failures in 2 cases measured on both; 1 fails as before."),
        ),
        (
            ["PP", "PP", "PO"],
            (
                "Unknown HERE: 1 of the 2 cases measured with 1.0 were not measured "
                "there; 0 new failures in the 1 that were."
            ),
        ),
    ],
)
def test_one_answer_over_all_versions(tmp_path: Path, versions: list[str], sentence: str):
    (journey,) = made(tmp_path, *versions).journeys
    assert journey.title == f"onnxruntime 1.0 → 1.{len(versions) - 1}"
    assert [v.sentence for v in journey.verdicts] == [sentence.replace("HERE", HERE)]


def test_two_versions_are_one_step_and_need_no_second_line(tmp_path: Path):
    assert made(tmp_path, "PP", "PF").journeys == ()
    # A version that measured nothing is not one of three.
    cells = [Made(version="1.2", cases="OO", status="unavailable")]
    cells += [Made(version=f"1.{n}", cases="PP") for n in range(2)]
    assert build(read(small(tmp_path / "other", cells))).journeys == ()


def test_every_form_tells_it_first(tmp_path: Path):
    view = made(tmp_path, "PP", "FP", "FP")
    text, lines = markdown(view), summary(view, 100)
    assert text.index("over all versions") < text.index("since 1.1: Op0 fails")
    assert text.index("since 1.1: Op0 fails") < text.index("1.1 → 1.2")
    assert lines.index("onnxruntime 1.0 → 1.2 over all versions") < lines.index("1.1 → 1.2\n")
    html = "".join(page.html(view))
    assert html.index("over all versions</span>") < html.index("1.1 → 1.2</dt>")


def test_a_step_that_cannot_be_made_is_never_folded(tmp_path: Path):
    view = made(tmp_path, "PP", "PP", "PP", "FP", "FP", "FP", "FP", "FP")
    (family,) = page._families(view)
    shown = [(folded, [step.range for step in steps]) for steps, folded in family.parts]
    assert shown == [
        ("", ["1.6 → 1.7", "1.5 → 1.6"]),
        ("2 older steps: ✓ 2 can move", ["1.4 → 1.5", "1.3 → 1.4"]),
        ("", ["1.2 → 1.3"]),
        ("2 older steps: ✓ 2 can move", ["1.1 → 1.2", "1.0 → 1.1"]),
    ]


def test_what_finds_no_room_is_named_if_it_cannot_be_made(tmp_path: Path):
    view = made(tmp_path, *("FP" if n % 2 else "PP" for n in range(40)))
    lines = summary(view, 120)
    assert "more steps" in lines
    assert "✗ not: " in lines
    assert "onnxruntime 1.8 → 1.9" in lines[lines.index("✗ not: ") :]
    short = markdown(view, 3_000)
    assert len(short.encode()) <= 3_000
    assert "✗ not: " in short
