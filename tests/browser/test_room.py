"""Without room, on a phone and on paper, tables become cards: all of it, and nothing sideways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.report import render
from tests.browser.folders import Made, small
from tests.browser.test_access import VIEWS, violations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
SHEET = {"width": 718, "height": 1016}  # what A4 leaves between its margins
#: what reaches over its box: the box's name, and by how much
SIDEWAYS = """() => [...document.querySelectorAll(".scroll, main, body")]
    .filter((node) => node.checkVisibility() && node.scrollWidth > node.clientWidth + 1)
    .map((node) => `${node.ariaLabel ?? node.tagName}: ${node.scrollWidth - node.clientWidth}`)"""
CARDS = """[...document.querySelectorAll("table.stack")].filter((t) => t.checkVisibility())"""
#: of each square that can be seen and has a label: its table, its label, its column's head
LABELS = f"""() => {CARDS}.flatMap((table) => {{
    const heads = [...table.tHead.rows];
    // A head that spans all head rows is in the first of them only.
    const before = heads.length > 1 && heads[0].cells[0].rowSpan > 1 ? 1 : 0;
    return [...table.tBodies[0].rows].flatMap((row) => [...row.cells])
        .filter((cell) => cell.dataset.label && cell.checkVisibility())
        .map((cell) => [table.className, cell.dataset.label,
                        heads.at(-1).cells[cell.cellIndex - before].textContent]);
}})"""
ROLES = f"""() => {CARDS}.map((table) => {{
    const row = table.tBodies[0].rows[0];
    return [table, table.tHead, table.tBodies[0], row, row.cells[0]].map((node) => node.role);
}})"""
WIDE = """() => [...document.querySelectorAll("main *")]
    .filter((node) => node.checkVisibility() && !node.closest(".vh, thead, pre, svg"))
    .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
    .map((node) => node.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_every_view_without_scrolling_sideways(
    opened: Callable[..., Any], pages: Callable[[str], str], view: str
):
    with opened(viewport=PHONE) as opening:
        for kind in ("usual", "hostile"):
            page = opening.go(pages(kind) + VIEWS[view])
            assert page.evaluate(SIDEWAYS) == []


@pytest.mark.parametrize("view", ["overview", "operators", "parity", "speed", "environments"])
def test_a_card_says_what_its_column_said(
    opened: Callable[..., Any], pages: Callable[[str], str], view: str
):
    with opened(viewport=PHONE) as opening:
        page = opening.go(pages("usual") + VIEWS[view])
        found = page.evaluate(LABELS)
        assert len(found) > 20
        for _, label, head in found:
            shown, column = label.lower(), head.lower()
            words = shown.replace("·", " ").replace(",", " ").split()
            assert column in shown or any(word in column for word in words), (label, head)
        for *roles, first in page.evaluate(ROLES):
            assert roles == ["table", "rowgroup", "rowgroup", "row"]
            assert first in {"rowheader", "cell"}
        assert violations(page) == []


def test_matrix_drawn_by_another_pivot_is_cards_too(
    opened: Callable[..., Any], pages: Callable[[str], str]
):
    with opened(viewport=PHONE) as opening:
        page = opening.go(pages("usual") + "#/overview?columns=python")
        labels = {label for name, label, _ in page.evaluate(LABELS) if name == "grid stack"}
        assert {"Python 3.11", "Python 3.13"} <= labels
        assert page.evaluate(SIDEWAYS) == []


def numbers(page: Page) -> list[str]:
    """Every number of the totals, the changes and the clusters that can be seen."""
    found: list[str] = page.evaluate("""() => [...document.querySelectorAll(
            ".total b, .moves .num, .clusters .n a, .clusters .n .new")]
        .filter((node) => node.checkVisibility({visibilityProperty: true}))
        .map((node) => node.textContent.trim())""")
    return found


def test_print_keeps_every_number_and_fits_the_sheet(
    opened: Callable[..., Any], pages: Callable[[str], str]
):
    with opened(viewport=SHEET) as opening:
        page = opening.go(pages("usual"))
        before = numbers(page)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert len(before) > 30
        assert numbers(page) == before
        assert page.evaluate(WIDE) == []


def test_print_cuts_no_count_of_a_cell(opened: Callable[..., Any], tmp_path: Path):
    """Cells with many new failures have the least room for their number."""
    cells = [Made(version=f"1.{n}.0", cases=("F" if n % 2 else "P") * 1200) for n in range(6)]
    address = render(small(tmp_path, cells)).as_uri()
    with opened(viewport=SHEET) as opening:
        page = opening.go(address)
        page.emulate_media(media="print")
        cut = page.evaluate("""() => [...document.querySelectorAll("#mc-grid .cell-word")]
            .filter((n) => n.scrollWidth > n.clientWidth).map((n) => n.textContent)""")
        assert page.locator("#mc-grid .cell-word").count() == 6
        assert cut == []
