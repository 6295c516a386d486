"""Sections that the script draws: speed, operators of one opset, the baseline, earlier runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.report import render
from pytest_modelcompat.results import changes_file, history
from pytest_modelcompat.results.load import load
from tests.browser.conftest import KINDS
from tests.browser.folders import Made, small
from tests.browser.synthetic import write
from tests.browser.test_access import THEMES, violations

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser


def test_the_plot_is_drawn_and_the_table_says_the_same(
    opened: Callable[..., Any], pages: Callable[[str], str]
):
    with opened() as opening:
        page = opening.go(pages("usual") + "#/speed?model=1")
        page.locator("#mc-plot canvas").wait_for()
        drawn = page.evaluate("""() => {
            const canvas = document.querySelector("#mc-plot canvas");
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return data.some((value, n) => n % 4 === 3 && value > 0);
        }""")
        assert drawn
        row = page.locator(".speed tbody tr", has_text="resnet8").inner_text()
        assert "slower +" in row, "1.24.4 is half as slow again in this world"
        assert "slower" not in page.locator(".speed tbody tr", has_text="labels").inner_text()
        assert "faster" not in page.locator(".speed").inner_text()
        for metric, unit in (
            ("throughput", "/s"),
            ("memory", "MiB"),
            ("load", "ms"),
            ("size", "KiB"),
        ):
            page.evaluate("m => { location.hash = '#/speed?metric=' + m }", metric)
            page.wait_for_timeout(150)
            assert unit in page.locator(".speed .figure").first.inner_text()
            assert page.locator("#mc-plot canvas").count() == 1


def test_operators_of_one_opset_are_those_of_the_stored_cases(
    opened: Callable[..., Any], pages: Callable[[str], str], tmp_path: Path
):
    run = load(write(tmp_path, KINDS["usual"]))
    units = {case.unit for case in run.cases() if case.check == "op_support" and case.opset == 22}
    newest = {
        cell.id for cell in run.cells
        if cell.axes["framework"] == "onnxruntime==1.31.1" and cell.axes["python"] == "3.13"
    }  # fmt: skip
    states: dict[str, Counter[str]] = {}
    for case in run.cases():
        if case.cell in newest and case.opset == 22 and case.check == "op_support":
            states.setdefault(case.unit, Counter())[case.status.value] += 1
    missing = {unit for unit, seen in states.items() if seen["unsupported"] or seen["gated"]}
    with opened() as opening:
        page = opening.go(pages("usual") + "#/operators?opset=22&all=1")
        assert (
            f"{len(units)} operators of {len(units)}" in page.locator("[role=status]").inner_text()
        )
        head = page.locator("th.target", has_text="Python 3.13, host").first.inner_text()
        assert f"{len(missing)} missing in 1.31.1" in head
        assert missing, "nothing to see here"


@pytest.fixture
def with_baseline(tmp_path: Path) -> str:
    for n, cases in enumerate(("PPPFK", "PFPPK", "PPFPK")):
        small(tmp_path / f"r{n}", [Made(version="1", cases=cases)], id=f"run{n}",
              started=f"2026-11-2{n}T10:00:00+00:00")  # fmt: skip
    last = tmp_path / "r2"
    told = history.collect(tmp_path, also=load(last))
    history.write(last, told)
    changes_file.write(last, load(tmp_path / "r1"), load(last), told)
    return render(last).as_uri()


@pytest.mark.parametrize("theme", THEMES)
def test_a_baseline_and_earlier_runs(opened: Callable[..., Any], with_baseline: str, theme: str):
    with opened(**THEMES[theme]) as opening:
        page = opening.go(with_baseline)
        assert "1 new failure since run run1." in page.locator(".headline").inner_text()
        assert violations(page) == []
        page.keyboard.press("n")
        page.locator(".over-runs ol").wait_for()
        text = page.locator("#mc-drawer").inner_text()
        assert "NEW-FAIL since the baseline" in text
        strip = page.locator(".over-runs li .chip").all_inner_texts()
        assert [each.split()[-1] for each in strip] == ["passed", "passed", "failed"]
        assert violations(page) == []
        page.evaluate("location.hash = '#/cases?q=since:new-fail'")
        page.wait_for_timeout(150)
        assert page.locator("#mc-found b").first.inner_text() == "1 of 5 cases"
        page.evaluate("location.hash = '#/cases?q=since:odd'")
        page.wait_for_timeout(150)
        assert "no change is called “odd”" in page.locator("#mc-problems").inner_text()


def test_a_matrix_of_many_rows_shows_the_worst_and_says_what_it_leaves_out(
    opened: Callable[..., Any], tmp_path: Path
):
    cells = [
        Made(version=version, cases="P" * (n + 1) + ("F" if n == 250 else "P"),
             axes={"env.N": str(n)})
        for n in range(300) for version in ("1", "2")
    ]  # fmt: skip
    with opened() as opening:
        page = opening.go(render(small(tmp_path, cells)).as_uri())
        assert page.locator("#mc-grid tbody tr").count() == 100
        assert "250" in page.locator("#mc-grid tbody tr").first.inner_text(), "the worst row"
        assert "and 200 more rows" in page.locator("#mc-grid").inner_text()
        page.get_by_role("link", name="show all").click()
        page.wait_for_timeout(200)
        assert page.locator("#mc-grid tbody tr").count() == 300


def test_what_a_model_costs_is_in_its_drawer(
    opened: Callable[..., Any], pages: Callable[[str], str]
):
    with opened() as opening:
        page = opening.go(
            pages("usual") + "#/cases?q=model:resnet8 onnxruntime:1.28.0 status:passed"
        )
        page.locator(".list-layer .list-row").first.click()
        text = page.locator("#mc-drawer").inner_text()
        for what in ("latency", "time to load", "memory at most", "model size"):
            assert what in text
        page.evaluate("location.hash = '#/cases?q=op:Conv onnxruntime:1.28.0'")
        page.wait_for_timeout(150)
        page.locator(".list-layer .list-row").first.click()
        assert "model size" not in page.locator("#mc-drawer").inner_text()


def test_of_many_versions_the_newest_are_in_sight(opened: Callable[..., Any], tmp_path: Path):
    cells = [Made(version=f"1.{n}.0", cases="PP") for n in range(20)]
    with opened() as opening:
        page = opening.go(render(small(tmp_path, cells)).as_uri())
        page.wait_for_function("() => document.querySelector('#mc-grid .scroll').scrollLeft > 0")
        box = page.locator("#mc-grid thead th").last.bounding_box()
        assert box["x"] + box["width"] <= 1280


def test_every_chip_of_the_first_screen_finds_what_it_counts(
    opened: Callable[..., Any], pages: Callable[[str], str]
):
    with opened() as opening:
        page = opening.go(pages("usual"))
        chips = page.locator(".totals a.narrow").all()
        told = [(chip.get_attribute("href"), chip.locator("b").inner_text()) for chip in chips]
        assert len(told) > 8
        for address, number in told:
            page.evaluate("hash => { location.hash = hash }", address)
            page.wait_for_timeout(120)
            assert page.locator("#mc-found b").first.inner_text().split()[0] == number, address


def test_the_drawer_names_the_ways_back(opened: Callable[..., Any], pages: Callable[[str], str]):
    run = json.loads((Path(pages("usual")[7:]).parent / "run.json").read_text("utf-8"))
    lock = next(
        cell["environment"]["lock"] for cell in run["cells"]
        if cell["axes"]["framework"] == "onnxruntime==1.28.0" and cell["axes"]["python"] == "3.11"
    )  # fmt: skip
    with opened() as opening:
        page = opening.go(pages("usual") + "#/cases?q=onnxruntime:1.28.0 python:3.11 is:new")
        page.locator(".list-layer .list-row").first.click()
        page.locator(".other-ways summary").click()
        text = page.locator(".other-ways").inner_text()
        assert f"uv pip sync --python repro --require-hashes {lock}" in text
        assert "docker run --rm" in text
