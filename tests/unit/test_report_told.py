"""What every form of the report says of the run as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.report import html as page
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.markdown import escape, markdown
from pytest_modelcompat.report.terminal import summary
from pytest_modelcompat.report.view import View, build
from tests.browser.folders import Made, small

if TYPE_CHECKING:
    from pathlib import Path

END = "did not come to its end"


def made(folder: Path, *cells: Made, **info: Any) -> View:
    return build(read(small(folder, cells, **info)))


def left_out(version: str) -> Made:
    return Made(version=version, cases="DD", status="interrupted", reason="deselected")


def everywhere(view: View, sentence: str) -> None:
    assert escape(sentence) in markdown(view)
    assert sentence in " ".join(summary(view, 100).split())
    assert f">{sentence}.</li>" in "".join(page.html(view))


@pytest.mark.parametrize("finished", [None, "2026-11-21T10:01:30+00:00"])
def test_what_was_deselected_is_told_once_and_stopped_nothing(tmp_path: Path, finished: str | None):
    cells = [Made(version="1.0", cases="PP"), *(left_out(f"1.{n}") for n in range(1, 8))]
    view = made(tmp_path, *cells, finished=finished)
    assert view.header.finished
    assert view.header.notes == ("7 of 8 cells were deselected",)
    everywhere(view, "7 of 8 cells were deselected")
    for text in ("".join(page.html(view)).partition("<main")[2].partition("mc-about")[0],
                 markdown(view), summary(view, 100)):  # fmt: skip
        assert END not in text
        assert "interrupted" not in text
    assert {face.headline for face in view.faces[1:]} == {"deselected"}
    assert [v.kind for step in view.steps for v in step.verdicts] == ["alone"]


def test_cases_that_were_deselected_are_counted(tmp_path: Path):
    view = made(tmp_path, Made(version="1.0", cases="PPDD"), left_out("1.1"))
    assert view.header.notes == (
        "1 of 2 cells and 2 of 4 cases of the other cells were deselected",
    )
    view = made(tmp_path / "b", Made(version="1.0", cases="PPD"))
    assert view.header.notes == ("1 of 3 cases was deselected",)


@pytest.mark.parametrize(
    "stopped",
    [
        Made(version="1.0", cases="PO", status="interrupted", reason="stopped"),
        Made(version="1.0", cases="OD", status="interrupted", reason="deselected"),
        Made(version="1.0", cases="PO"),
    ],
)
def test_a_run_that_was_stopped_did_not_come_to_its_end(tmp_path: Path, stopped: Made):
    view = made(tmp_path, stopped, left_out("1.1"), finished=None)
    assert not view.header.finished
    assert END in summary(view, 100)


def test_reused_cells_are_told_with_the_run_that_measured_them(tmp_path: Path):
    note = ("reused: measured by run 20261120-1, 2026-11-20T10:00:00+00:00",)
    view = made(
        tmp_path,
        Made(version="1.0", cases="PP", notes=note),
        Made(version="1.1", cases="PP", notes=note),
        Made(version="1.2", cases="PP"),
    )
    everywhere(view, "2 of 3 cells were reused from run 20261120-1")
    assert [face.note for face in view.faces] == [
        "2 of 2 passed · reused", "2 of 2 passed · reused", "2 of 2 passed",
    ]  # fmt: skip
    assert "reused from run 20261120-1" in view.faces[0].label
    assert "reused" not in view.faces[2].label


def test_reused_cells_of_several_runs(tmp_path: Path):
    view = made(
        tmp_path,
        Made(version="1.0", cases="P", notes=("reused: measured by run a, x",)),
        Made(version="1.1", cases="P", notes=("torn", "reused: measured by run b, x")),
    )
    assert view.header.notes == ("2 of 2 cells were reused from 2 earlier runs",)


def test_notes_of_the_run_are_shown_and_judging_again_comes_first(tmp_path: Path):
    again = "rejudged with float32:rtol=1; nothing was measured again"
    notes = ["a folder holds no model", again]
    view = made(tmp_path, Made(version="1.0", cases="P"), notes=notes)
    assert view.header.notes == (f"This run was {again}", "a folder holds no model")
    for sentence in view.header.notes:
        everywhere(view, sentence)


def test_many_notes_are_counted(tmp_path: Path):
    view = made(tmp_path, Made(version="1.0", cases="P"), notes=[f"note {n}" for n in range(20)])
    for text in (markdown(view), summary(view, 100), "".join(page.html(view))):
        assert "12 more notes" in text
    assert "note 12" not in summary(view, 100)


def test_two_matrices_are_told_apart(tmp_path: Path):
    cells = [Made(version=v, cases="P", matrix=m) for m in ("one", "two") for v in ("1.0", "1.1")]
    view = made(tmp_path, *cells)
    for name in ("one", "two"):
        assert f"onnxruntime 1.0 → 1.1 · {name}" in summary(view, 100)
        assert escape(f"onnxruntime 1.0 → 1.1 · {name}") in markdown(view)
    alone = made(tmp_path / "alone", *cells[:2])
    assert "· one" not in summary(alone, 100)
