"""Ten questions of a reviewer, each answered from a sample report: at most two clicks or one query.

The reader of these tests starts at the first screen of `reports/upgrade` (a real run, kept with
its page), and may only see what is visible there. Every click and every query is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
SAMPLE = Path(__file__).parents[2] / "reports" / "upgrade" / "index.html"


@dataclass
class Reader:
    """Somebody with the page open and nothing else."""

    page: Page
    clicks: int = 0
    queries: list[str] = field(default_factory=list)

    def sees(self, *words: str) -> bool:
        """Whether all words are in what is shown in the window (scrolling costs nothing)."""
        shown = self.page.locator("body").inner_text()
        return all(word in shown for word in words)

    def reads(self, selector: str) -> str:
        """The text of something that is shown."""
        found = self.page.locator(selector)
        assert found.first.is_visible(), f"{selector} is not shown"
        text: str = found.first.inner_text()
        return text

    def click(self, target: Locator) -> None:
        """One click; what it opened is waited for."""
        self.clicks += 1
        target.first.click()
        self.settle()

    def choose(self, label: str, value: str) -> None:
        """A choice in a list counts as a click."""
        self.clicks += 1
        box = self.page.locator("label", has_text=label).locator("visible=true").locator("select")
        box.first.select_option(label=value)
        self.settle()

    def ask(self, query: str) -> None:
        """`/`, the query, Enter, Enter: the first case that it finds is open."""
        self.queries.append(query)
        self.page.keyboard.press("/")
        self.page.locator("#mc-query").wait_for()
        self.page.keyboard.type(query)
        self.page.wait_for_timeout(250)
        self.page.keyboard.press("Enter")

    def open_first(self) -> None:
        """Enter on the list."""
        self.page.keyboard.press("Enter")
        self.page.locator(".drawer-more:not([aria-busy])").wait_for()

    def settle(self) -> None:
        """Until the page has followed."""
        self.page.wait_for_timeout(200)

    def check(self) -> None:
        """The price of the answer."""
        assert (self.clicks <= 2 and not self.queries) or (
            len(self.queries) == 1 and self.clicks == 0
        ), f"{self.clicks} clicks, {self.queries}"


@pytest.fixture
def reader(opened: Callable[..., Any]) -> Iterator[Reader]:
    with opened() as opening:
        found = Reader(opening.go(SAMPLE.as_uri()))
        yield found
        found.check()


def test_1_can_i_move_from_a_to_b_on_this_target(reader: Reader):
    step = reader.page.locator(".step", has_text="1.28.0 → 1.31.1").first.inner_text()
    assert "You can move on Python 3.11, host, CPU: 0 new failures in" in step
    step = reader.page.locator(".step", has_text="1.24.4 → 1.28.0").first.inner_text()
    assert "Not on Python 3.11, host, CPU: 1 operator newly fails (Attention)" in step
    box = reader.page.locator(".step", has_text="1.28.0 → 1.31.1").first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 860, "on the first screen"


def test_2_what_newly_failed(reader: Reader):
    reader.click(reader.page.locator(".totals a", has_text="NEW-FAIL").locator("visible=true"))
    assert reader.reads("#mc-found b") == "3 of 6,787 cases"
    assert "1 operator" in reader.reads("#mc-units")
    assert "Attention" in reader.reads("#mc-units")


def test_3_which_release_broke_this_case(reader: Reader):
    reader.ask("change:new-fail op:Attention")
    reader.open_first()
    assert "first bad version 1.28.0, after 1.24.4 was right" in reader.reads("#mc-drawer")


def test_4_is_it_known_and_where_is_the_issue(reader: Reader):
    reader.ask("op:Resize is:known")
    reader.open_first()
    link = reader.page.locator("#mc-drawer a", has_text="resize-down-with-aligned-corners")
    assert link.get_attribute("href") == "https://github.com/onnx/onnx/issues/2462"


def test_5_did_it_run_on_the_provider_that_was_asked_for(reader: Reader):
    reader.click(reader.page.locator("a.narrow", has_text="fallback").locator("visible=true"))
    reader.click(reader.page.locator(".list-layer .list-row"))
    text = reader.reads("#mc-drawer")
    assert "asked for\nOpenVINOExecutionProvider" in text
    assert "CPUExecutionProvider (" in text.partition("ran on")[2]


def test_6_which_operators_of_an_opset_are_missing_on_this_target(reader: Reader):
    reader.click(reader.page.locator("#mc-nav a", has_text="Operators"))
    reader.choose("Opset", "22")
    heads = reader.page.locator("th.target").all_inner_texts()
    told = [text for text in heads if "Python 3.11" in text and "openvino" not in text]
    assert "missing in 1.31.1" in told[0]
    names = reader.page.locator(".operators tbody .unit").all_inner_texts()
    assert "MaxUnpool" in names


def test_7_how_far_off_is_this_output_and_against_what(reader: Reader):
    reader.ask("op:DFT onnxruntime:1.31.1 status:failed")
    reader.open_first()
    text = reader.reads("#mc-drawer")
    for words in ("error / tolerance", "at\n[", "got\n", "expected\n", "beyond tolerance",
                  "reference\ncorpus (onnx 1.18.0)"):  # fmt: skip
        assert words in text, words


def test_8_what_differs_between_these_two_environments(reader: Reader):
    moves = reader.page.locator(".moves tr", has_text="1.24.4 → 1.28.0")
    assert "mpmath 1.3.0" in moves.first.inner_text(), "in What changed, without a click"
    reader.click(reader.page.locator("a.cell", has_text="3 new"))
    assert reader.sees("Environment against the version before")
    reader.click(reader.page.get_by_role("link", name="all differences"))
    table = reader.reads(".difference")
    assert "package onnxruntime" in table


def test_9_how_do_i_reproduce_it(reader: Reader):
    reader.ask("change:new-fail op:Attention")
    reader.open_first()
    text = reader.reads("#mc-drawer")
    assert "pytest --compat-matrix=reports/upgrade/matrix.yaml" in text
    assert "::op_support::ai.onnx.Attention" in text
    assert "uv, docker" in text


def test_10_what_did_not_run_and_why(reader: Reader):
    text = reader.page.locator("#mc-overview").inner_text()
    assert "unsatisfiable" in text
    assert "environment failed" in text
    reader.click(reader.page.locator("a.cell", has_text="environment failed"))
    assert "A module that was compiled using NumPy 1.x cannot be run in" in reader.reads(
        "#mc-drawer"
    )
