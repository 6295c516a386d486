"""What changed: every step in the words of change, each case in exactly one of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_modelcompat import report
from pytest_modelcompat.report.change import CHANGES
from pytest_modelcompat.report.changed import WORDS, Changed, word_of
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.view import build
from pytest_modelcompat.results import changes_file, history
from pytest_modelcompat.results.load import load
from tests.browser.folders import LETTERS, Made, small

if TYPE_CHECKING:
    from pathlib import Path

PLACE = {each.word: place for place, each in enumerate(WORDS)}


def changed(folder: Path, *cells: Made) -> Changed:
    return build(read(small(folder, cells))).changed


def counts(found: Changed) -> dict[str, int]:
    return {each.word: n for each, n in zip(WORDS, found.totals, strict=True) if n}


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("PPPP", "PPFP", {"NEW-FAIL": 1}),
        ("PPPP", "PPUP", {"NEW-FAIL": 1}),
        ("PPFP", "PPPP", {"FIXED": 1}),
        ("PUFP", "PUEP", {"STILL-FAIL": 2}),
        ("PKPP", "PKKP", {"KNOWN": 2}),
        ("PPNN", "PPNP", {"FLAKY": 2}),
        ("PPPP", "PPNP", {"NEW-FAIL": 1}),
        ("PPPL", "PPLP", {"FELL-BACK": 1, "CAME-BACK": 1}),
        ("PPPP", "PPOS", {"NO-DATA": 2}),
        ("PP..", "PPPF", {"ADDED": 2}),
        ("PPPP", "PP..", {"REMOVED": 2}),
        ("PPPP", "OO..", {"NO-DATA": 2, "REMOVED": 2}),
        ("PPPP", "PPPP", {}),
    ],
)
def test_each_case_has_its_word(tmp_path: Path, before: str, after: str, wanted: dict[str, int]):
    found = changed(tmp_path, Made(version="1", cases=before), Made(version="2", cases=after))
    assert counts(found) == wanted
    assert [move.title for move in found.moves] == ["onnxruntime 1 → 2"]


states = st.text("".join(LETTERS) + ".", min_size=4, max_size=4)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=states, after=states)
def test_no_case_is_lost_between_the_words(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str
):
    found = changed(
        tmp_path_factory.mktemp("run"),
        Made(version="1", cases=before),
        Made(version="2", cases=after),
    )
    told = counts(found)
    measured = (
        [letter not in ".OSD" for letter in before],
        [letter not in ".OSD" for letter in after],
    )
    pairs = list(zip(*measured, strict=True))
    assert found.compared == sum(a and b for a, b in pairs)
    assert told.get("ADDED", 0) <= sum(b and not a for a, b in pairs)
    assert told.get("NO-DATA", 0) + told.get("REMOVED", 0) == sum(a and not b for a, b in pairs)
    # What worked and does not any more has a word that says so, whatever else it is.
    lost = sum(x in "PLp" and y in "FNECTYUuGl" for x, y in zip(before, after, strict=True))
    assert told.get("NEW-FAIL", 0) >= lost


def test_targets_with_the_same_counts_are_one_row_and_every_case_is_counted(tmp_path: Path):
    cells = [
        Made(version=version, cases=cases, python=python)
        for python in ("3.10", "3.11")
        for version, cases in (("1", "PPPP"), ("2", "PFPP"))
    ]
    found = changed(tmp_path, *cells)
    (move,) = found.moves
    assert (move.targets, move.counts[PLACE["NEW-FAIL"]], move.compared) == (2, 2, 8)
    assert move.where == "Python 3.10 and 3.11, host, CPU"


def test_the_query_of_a_word_finds_the_codes_it_counts():
    told = [code for each in WORDS for code in each.codes]
    assert sorted(told) == sorted(code for code in CHANGES if code)
    assert word_of("new") == "NEW-FAIL"
    assert word_of("") == ""


def with_packages(folder: Path, packages: dict[str, list[str]]) -> None:
    """Gives each version's cell an environment of its own."""
    path = folder / "run.json"
    data = json.loads(path.read_text("utf-8"))
    for cell in data["cells"]:
        version = cell["axes"]["framework"].partition("==")[2]
        cell["environment"] = {"id": f"e{version}"}
    data["environments"] = [
        {"id": f"e{version}", "role": "cell", "kind": "host", "status": "completed",
         "seconds": {}, "packages": each}
        for version, each in packages.items()
    ]  # fmt: skip
    path.write_text(json.dumps(data), "utf-8")


def test_what_else_changed_in_the_environment_is_named(tmp_path: Path):
    small(tmp_path, [Made(version=v, cases="PP") for v in ("1", "2", "3")])
    with_packages(tmp_path, {
        "1": ["onnxruntime==1", "numpy==1.26.4", "coloredlogs==15"],
        "2": ["onnxruntime==2", "numpy==2.2.6", "mpmath==1.3"],
        "3": ["onnxruntime==3", "numpy==2.2.6", "mpmath==1.3"],
    })  # fmt: skip
    newer, older = build(read(tmp_path)).changed.moves
    assert [each.text for each in newer.packages] == []
    assert [each.text for each in older.packages] == [
        "\N{MINUS SIGN} coloredlogs 15", "+ mpmath 1.3", "numpy 1.26.4 → 2.2.6",
    ]  # fmt: skip
    assert older.counts[PLACE["ENV-CHANGED"]] == 1


def test_an_environment_that_is_not_known_is_not_called_unchanged(tmp_path: Path):
    found = changed(tmp_path, Made(version="1", cases="P"), Made(version="2", cases="P"))
    assert not found.moves[0].locked
    page = report.render(tmp_path).read_text("utf-8")
    assert "nothing else changed" not in page


def runs(tmp_path: Path, before: str, after: str) -> tuple[Path, Path]:
    first = small(tmp_path / "a", [Made(version="1", cases=before)], id="first")
    second = small(tmp_path / "b", [Made(version="1", cases=after)], id="second")
    return first, second


def test_since_a_baseline(tmp_path: Path):
    first, second = runs(tmp_path, "PPFPP", "PFPOP")
    changes_file.write(second, load(first), load(second))
    view = build(read(second))
    assert view.since is not None
    assert view.since.run == "first"
    assert view.since.failing == 1
    (line,) = view.since.lines
    assert (line.kind, line.lead) == ("no", "Newly fails")
    assert line.detail == "Op1: 1 of 4 cases measured"
    page = report.render(second).read_text("utf-8")
    assert "1 new failure since run first." in page
    assert "Newly fails" in page


def test_a_cell_without_new_failures_but_with_missing_data_is_unknown(tmp_path: Path):
    first, second = runs(tmp_path, "PPP", "PPO")
    changes_file.write(second, load(first), load(second))
    since = build(read(second)).since
    assert since is not None
    assert [line.kind for line in since.lines] == ["unknown"]


def test_without_a_baseline_nothing_is_said_of_one(tmp_path: Path):
    _, second = runs(tmp_path, "PP", "PP")
    view = build(read(second))
    assert view.since is None
    assert view.past is None
    page = report.render(second).read_text("utf-8")
    assert "baseline" not in page.partition("<main")[2].partition("</main")[0].lower()


def test_earlier_runs(tmp_path: Path):
    for n, cases in enumerate(("PPP", "PFP", "PPF")):
        small(tmp_path / f"r{n}", [Made(version="1", cases=cases)], id=f"r{n}",
              started=f"2026-11-2{n}T10:00:00+00:00")  # fmt: skip
    last = tmp_path / "r2"
    history.write(last, history.collect(tmp_path, also=load(last)))
    past = build(read(last)).past
    assert past is not None
    assert [run for run, _ in past.runs] == ["r0", "r1", "r2"]
    assert dict(past.rows) == {1: "PFP", 2: "PPF"}
