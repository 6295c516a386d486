"""The page for everybody: axe-core with WCAG 2.2 AA, and the keyboard alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import node_module
from tests.samples import REPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIEWS = {
    "overview": "#/overview",
    "operators": "#/operators",
    "parity": "#/parity",
    "speed": "#/speed",
    "cases": "#/cases?q=is%3Afailure",
    "environments": "#/environments",
    "about": "#/about",
}
THEMES = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced": {"forced_colors": "active"},
}


def violations(page: Page) -> list[str]:
    """What axe finds, once nothing moves or fades any more: half faded in, any text is too pale."""
    page.evaluate("() => Promise.all(document.getAnimations().map(each => each.finished))")
    page.evaluate(node_module("axe-core/axe.min.js").read_text("utf-8"))
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_in_every_scheme(
    opened: Callable[..., Any], pages: Callable[[str], str], view: str, theme: str
):
    with opened(**THEMES[theme]) as page:
        page.go(pages("usual") + VIEWS[view])
        assert violations(page.page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_drawers_dialog_and_open_parts(
    opened: Callable[..., Any], pages: Callable[[str], str], theme: str
):
    with opened(**THEMES[theme]) as opening:
        page = opening.go(pages("usual") + "#/cases?q=is%3Anew")
        page.locator(".list-layer .list-row").first.click()
        page.locator(".drawer-more:not([aria-busy])").wait_for()
        assert violations(page) == []
        page.locator("#mc-drawer dl a").first.click()  # to its cell
        page.locator("#mc-drawer details summary").first.click()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.evaluate("location.hash = '#/operators'")
        page.locator(".operators .unit").first.click()
        assert violations(page) == []
        page.keyboard.press("?")
        assert page.locator("dialog").is_visible()
        assert violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [1280, 390])
def test_variants_beside_their_originals(opened: Callable[..., Any], theme: str, width: int):
    with opened(**THEMES[theme], viewport={"width": width, "height": 860}) as opening:
        page = opening.go((REPORTS / "variants" / "index.html").as_uri())
        section = page.locator("section[aria-labelledby=mc-h-variants]")
        rows = section.locator("tbody tr")
        assert rows.count() == 18
        assert "at most 0.05 is allowed" in rows.first.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        region = section.locator("[role=region]")
        assert region.evaluate("node => node.scrollWidth <= node.clientWidth")
        assert violations(page) == []
        rows.first.locator("a").click()  # to its cell
        assert page.locator("#mc-drawer").is_visible()


def test_hostile_names_too(opened: Callable[..., Any], pages: Callable[[str], str]):
    with opened() as opening:
        for view in VIEWS.values():
            assert violations(opening.go(pages("hostile") + view)) == []


def test_the_check_finds_what_is_broken(opened: Callable[..., Any], pages: Callable[[str], str]):
    with opened() as opening:
        page = opening.go(pages("plain"))
        page.evaluate("""() => {
            document.documentElement.removeAttribute("lang");
            const button = document.createElement("button");
            document.getElementById("mc-main").prepend(button);
            const pale = document.createElement("p");
            pale.textContent = "hardly there";
            pale.style.color = "#ccc";
            document.getElementById("mc-main").prepend(pale);
        }""")
        found = "\n".join(violations(page))
    for rule in ("html-has-lang", "button-name", "color-contrast"):
        assert rule in found


def focused(page: Page) -> str:
    """Text of what has the focus, and proof that it can be seen."""
    found: dict[str, Any] = page.evaluate("""() => {
        const node = document.activeElement;
        const style = getComputedStyle(node);
        return {text: node.getAttribute("aria-label") ?? node.textContent ?? "", tag: node.tagName,
                id: node.id, visible: node.matches(":focus-visible"),
                outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2};
    }""")
    return f"{found['tag']}#{found['id']} {found['text'][:60]}" + (
        "" if found["outline"] or found["id"] == "mc-drawer-title" else " INVISIBLE"
    )


def test_keyboard_from_the_query_to_a_case_and_back(
    opened: Callable[..., Any], pages: Callable[[str], str]
):
    with opened() as opening:
        page = opening.go(pages("usual"))
        page.keyboard.press("/")
        page.locator("#mc-query").wait_for()
        assert focused(page).startswith("INPUT#mc-query")
        page.keyboard.type("is:new op:Scan")
        page.wait_for_function("() => location.hash.endsWith('op%3AScan')")
        page.keyboard.press("Enter")
        assert "Cases" in focused(page)
        assert "INVISIBLE" not in focused(page)
        page.keyboard.press("ArrowDown")
        active = page.locator(".list").get_attribute("aria-activedescendant")
        assert active == "mc-row-1"
        page.keyboard.press("Enter")
        title = page.locator("#mc-drawer-title")
        title.wait_for()
        assert title.inner_text() == "ai.onnx::Scan"
        assert focused(page).startswith("H2#mc-drawer-title")
        page.keyboard.press("Escape")
        page.locator("#mc-drawer").wait_for(state="hidden")
        assert "Cases" in focused(page), "the focus comes back to the list"
        assert page.locator(".list").get_attribute("aria-activedescendant") == "mc-row-1"


def test_keyboard_in_the_matrix(opened: Callable[..., Any], pages: Callable[[str], str]):
    with opened() as opening:
        page = opening.go(pages("usual"))
        cells = page.locator("#mc-grid table").first.locator("a.cell")
        assert [cells.nth(n).get_attribute("tabindex") for n in range(3)] == ["0", "-1", "-1"]
        page.locator("#mc-grid a.cell").first.focus()
        seen = {focused(page)}
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp"):
            page.keyboard.press(key)
            assert "INVISIBLE" not in focused(page)
            seen.add(focused(page))
        assert len(seen) > 4
        before = focused(page)
        page.keyboard.press("Enter")
        page.locator("#mc-drawer-title").wait_for()
        page.keyboard.press("Escape")
        page.locator("#mc-drawer").wait_for(state="hidden")
        assert focused(page) == before


def test_next_and_previous_new_failure(opened: Callable[..., Any], pages: Callable[[str], str]):
    with opened() as opening:
        page = opening.go(pages("usual"))
        titles = []
        for key in "nnnp":
            page.keyboard.press(key)
            # The address changes at once, the drawer when the page hears of it: wait for its turn.
            shown = page.locator("#mc-drawer .drawer-case:not([data-seen])")
            shown.wait_for()
            titles.append(shown.inner_text() + page.url)
            shown.evaluate("node => node.dataset.seen = 'yes'")
            assert page.locator("#mc-drawer .new").count() == 1
        assert len(set(titles)) == 3
        assert titles[3] == titles[1]


def test_single_keys_can_be_switched_off(opened: Callable[..., Any], pages: Callable[[str], str]):
    with opened() as opening:
        page = opening.go(pages("plain"))
        page.keyboard.press("?")
        page.keyboard.press("Tab")
        page.locator("dialog input[type=checkbox]").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        page.keyboard.press("/")
        assert not page.locator("#mc-drawer").is_visible()
        assert page.locator("#mc-overview").is_visible()


def test_letters_typed_into_the_query_are_no_commands(
    opened: Callable[..., Any], pages: Callable[[str], str]
):
    with opened() as opening:
        page = opening.go(pages("plain") + "#/cases")
        page.locator("#mc-query").focus()
        page.keyboard.type("n/p?")
        assert page.locator("#mc-query").input_value() == "n/p?"
        assert not page.locator("#mc-drawer").is_visible()
        assert page.locator("dialog").count() == 0


@pytest.mark.parametrize("view", VIEWS)
def test_tab_reaches_something_visible_everywhere(
    opened: Callable[..., Any], pages: Callable[[str], str], view: str
):
    with opened() as opening:
        page = opening.go(pages("plain") + VIEWS[view])
        seen = []
        for _ in range(14):
            page.keyboard.press("Tab")
            seen.append(focused(page))
        # After the last one the focus leaves the page, and starts over.
        assert not [each for each in seen if "INVISIBLE" in each and not each.startswith("BODY")]
        assert seen[0].startswith("A# Skip to the report")
