"""The page in a real browser: links, no network, no script, print, small screens, hostile names."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.report.change import CHANGES
from pytest_modelcompat.report.columns import STAGES
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.states import OUTCOMES, STATUSES
from pytest_modelcompat.report.view import build
from tests.browser.conftest import KINDS, node_module
from tests.browser.synthetic import write
from tests.browser.test_access import VIEWS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
ACTING = "/[\\u202a-\\u202e\\x1b\\u2066-\\u2069]/.test(document.body.innerText)"
Pages = "Callable[[str], str]"
Open = "Callable[..., Any]"


def overflow(page: Page) -> int:
    found: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return found


def cell_ids(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('#mc-grid a.cell')]"
        ".map(a => decodeURIComponent(a.hash.slice(1)))"
    )
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_asked_for(opened: Open, pages: Pages, kind: str):
    with opened() as opening:
        address = pages(kind)
        page = opening.go(address)
        for view in VIEWS.values():
            page.evaluate("hash => { location.hash = hash }", view)
            page.wait_for_timeout(30)
        page.keyboard.press("n")
        page.locator(".drawer-more:not([aria-busy])").wait_for()
        asked = {url.partition("#")[0] for url in opening.requests}
        assert asked <= {address, "about:blank"}


@pytest.mark.parametrize(
    "address",
    [
        "#/cases?q=status%3Afailed+op%3ATile",
        "#/cases?q=-status%3Apassed+onnxruntime%3A%3E%3D1.24",
        "#/operators?find=Tile",
        "#/operators?all=1",
        "#/overview?columns=python&facets=none",
        "#/parity",
    ],
)
def test_a_link_shows_what_was_seen(opened: Open, pages: Pages, address: str):
    with opened() as first, opened() as second:
        one = first.go(pages("usual"))
        one.evaluate("hash => { location.hash = hash }", address)
        one.wait_for_timeout(150)
        other = second.go(pages("usual") + address)
        other.wait_for_timeout(150)
        text = one.locator("main").inner_text()
        assert len(text) > 300
        assert other.locator("main").inner_text() == text


def test_a_link_opens_the_same_drawer_and_back_closes_it(opened: Open, pages: Pages):
    with opened() as first, opened() as second:
        page = first.go(pages("usual") + "#/cases?q=is%3Anew")
        page.locator(".list-layer .list-row").nth(3).click()
        page.locator(".drawer-more:not([aria-busy])").wait_for()
        copy = second.go(page.url)
        copy.locator(".drawer-more:not([aria-busy])").wait_for()
        assert copy.locator("#mc-drawer").inner_text() == page.locator("#mc-drawer").inner_text()
        assert copy.locator(".list").get_attribute("aria-activedescendant") == "mc-row-3"
        page.go_back()
        page.locator("#mc-drawer").wait_for(state="hidden")


def test_the_id_of_a_cell_is_its_anchor(opened: Open, pages: Pages):
    with opened() as opening:
        ids = cell_ids(opening.go(pages("usual")))
        page = opening.go(f"{pages('usual')}#{ids[0]}")
        page.locator("#mc-drawer").wait_for()
        assert ids[0] in page.locator("#mc-drawer").inner_text()
        assert page.locator(".cell.open").count() == 1


def test_without_script_the_answer_is_there(opened: Open, pages: Pages):
    with opened(java_script_enabled=False) as opening:
        page = opening.page
        page.goto(pages("usual"))
        text = page.locator("main").inner_text()
        for words in ("moves can be made", "1.24.4 → 1.28.0", "You can move", "Matrix",
                      "failing cases of", "unsatisfiable"):  # fmt: skip
            assert words in text
        page.locator(".failures summary").click()
        assert page.locator(".failing tbody tr").count() == 200
        assert not page.locator("#mc-nav").is_visible()
        assert "need JavaScript" in text
        assert overflow(page) == 0


def test_print_has_verdict_matrix_and_failures(opened: Open, pages: Pages):
    with opened() as opening:
        page = opening.go(pages("usual") + "#/cases")
        printed = page.pdf()
        assert printed.startswith(b"%PDF")
        assert len(printed) > 20_000
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        for part in (".headline", "#mc-grid table >> nth=0", ".clusters >> nth=0"):
            assert page.locator(part).is_visible()
        for part in ("#mc-nav", "#mc-cases", "#mc-about", ".failures"):
            assert not page.locator(part).is_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 2560])
@pytest.mark.parametrize("kind", ["usual", "hostile"])
def test_no_screen_is_too_narrow_or_too_wide(opened: Open, pages: Pages, width: int, kind: str):
    with opened(viewport={"width": width, "height": 844}) as opening:
        for view in VIEWS.values():
            page = opening.go(pages(kind) + view)
            assert overflow(page) <= 0, view
        page.keyboard.press("n")
        page.locator(".drawer-more:not([aria-busy])").wait_for()
        assert overflow(page) <= 0


def test_hostile_names_are_text(opened: Open, pages: Pages):
    with opened() as opening:
        page = opening.go(pages("hostile"))
        for view in VIEWS.values():
            page.evaluate("hash => { location.hash = hash }", view)
            page.wait_for_timeout(80)
            assert page.evaluate("window.pwned") is None
            assert page.locator("main img, main script, main iframe, main style").count() == 0
            assert page.evaluate(ACTING) is False
        page.evaluate("location.hash = '#/cases?q=is%3Afailure'")
        page.locator(".list-layer .list-row").first.wait_for()
        for n in range(12):
            page.locator(".list-layer .list-row").nth(n).click()
            page.locator(".drawer-more:not([aria-busy])").wait_for()
            assert page.evaluate("window.pwned") is None
            assert page.locator("#mc-drawer img, #mc-drawer script").count() == 0
        assert page.locator("[onerror], [onclick], [onload], [href^='javascript']").count() == 0


def test_hostile_cells_open_by_their_ids(opened: Open, pages: Pages):
    with opened() as opening:
        page = opening.go(pages("hostile"))
        cells = page.locator("#mc-grid a.cell")
        for n in range(0, cells.count(), 3):
            cells.nth(n).click()
            page.locator("#mc-drawer-title").wait_for()
            page.keyboard.press("Escape")


def test_the_script_draws_the_matrix_as_the_template_does(opened: Open, pages: Pages):
    """`rows=python` is the first pivot where only Python varies, drawn by the script."""
    with opened() as opening:
        page = opening.go(pages("plain"))
        look = """() => [...document.querySelectorAll('#mc-grid table')].map(t => [
            [...t.querySelectorAll('caption, th')].map(n => n.innerText),
            [...t.querySelectorAll('a.cell')].map(
                n => [n.className, n.hash, n.textContent.replace(/\\s+/g, '')]),
            [...t.querySelectorAll('rect')].map(n => [n.getAttribute('class'), n.textContent,
                parseFloat(n.getAttribute('x')), parseFloat(n.getAttribute('width'))])])"""
        first = page.evaluate(look)
        assert len(first[0][1]) == 2
        # Without a facet the versions need their distribution; else the two are the same.
        page.evaluate("location.hash = '#/overview?rows=python&facets=none'")
        page.wait_for_timeout(100)
        assert page.evaluate(look)[0][0] != first[0][0]
        page.evaluate("location.hash = '#/overview?rows=python&facets=matrix'")
        page.wait_for_timeout(100)
        page.evaluate("location.hash = '#/overview?rows=python'")
        page.wait_for_timeout(100)
        drawn = page.evaluate(look)
        assert [part[1:] for part in drawn] == [part[1:] for part in first]


def test_every_cell_is_in_every_pivot(opened: Open, pages: Pages):
    with opened() as opening:
        total = len(json.loads((Path(pages("usual")[7:]).parent / "run.json").read_text())["cells"])
        for pivot in ("columns=python", "columns=provider&facets=none", "rows=image",
                      "columns=image&rows=python&facets=framework"):  # fmt: skip
            page = opening.go(f"{pages('usual')}#/overview?{pivot}")
            shown = page.locator("#mc-grid a.cell").count()
            more = page.locator("#mc-grid .stack > .dim").all_inner_texts()
            joined = page.locator("#mc-grid .times").all_inner_texts()
            hidden = sum(int(text.split()[1]) for text in more)
            assert shown + hidden == total or joined, pivot


QUERIES = {
    "status:failed": lambda c: c["status"] == "failed",
    "status:failed,error": lambda c: c["status"] in {"failed", "error"},
    "-status:passed": lambda c: c["status"] != "passed",
    "status:not-run": lambda c: c["status"] == "not_run",
    "is:failure": lambda c: c["outcome"] in {"not_ok", "xpass"},
    "is:known": lambda c: c["outcome"] == "xfail",
    "is:new": lambda c: c["change"] == "new",
    "is:measured": lambda c: c["status"] not in {"not_run", "skipped"},
    "is:flaky": lambda c: c["change"] == "flaky",
    "change:new-fail,FIXED": lambda c: c["change"] in {"new", "fixed"},
    "change:known": lambda c: c["change"] in {"known", "known_new"},
    "change:NO-DATA python:3.9": lambda c: c["change"] == "no_data" and c["python"] == "3.9",
    "op:Conv": lambda c: c["unit"] == "ai.onnx::Conv",
    "op:conv*": lambda c: c["check"] == "op_support" and "::conv" in c["unit"].lower(),
    "op:ai.onnx.ml::*": lambda c: c["unit"].startswith("ai.onnx.ml::"),
    "model:tiny-bert": lambda c: c["unit"] == "tiny-bert",
    "case:float16": lambda c: "float16" in c["case"],
    "onnxruntime:1.28.0": lambda c: c["framework"] == "onnxruntime==1.28.0",
    "onnxruntime:>=1.24,<1.30": lambda c: c["framework"]
    in {"onnxruntime==1.24.4", "onnxruntime==1.28.0"},
    "onnxruntime:1.19..1.22": lambda c: c["framework"]
    in {"onnxruntime==1.19.2", "onnxruntime==1.20.1"},
    "python:3.9": lambda c: c["python"] == "3.9",
    "python:>3.11": lambda c: c["python"] in {"3.12", "3.13"},
    "image:debian*": lambda c: c["image"].startswith("debian"),
    "provider:OpenVINO": lambda c: c["provider"] == "OpenVINOExecutionProvider",
    "provider:CUDA*": lambda c: c["provider"].startswith("CUDA"),
    "ran:CPU status:fallback": lambda c: c["status"] == "fallback"
    and "CPUExecutionProvider" in c["ran_on"],
    "opset:>=22": lambda c: c["opset"] >= 22,
    "opset:13..15": lambda c: 13 <= c["opset"] <= 15,
    "stage:load": lambda c: c["stage"] == "load",
    'error:"implementation for"': lambda c: "implementation for" in c["signature"],
    "ratio:>100": lambda c: c["ratio"] is not None and c["ratio"] > 100,
    "known:upsample-nearest": lambda c: c["known"] == "upsample-nearest",
    "tile": lambda c: "tile" in f"{c['unit']} {c['case']} {c['signature']}".lower(),
    "status:failed -op:Tile python:3.11": lambda c: c["status"] == "failed"
    and c["unit"] != "ai.onnx::Tile" and c["python"] == "3.11",
}  # fmt: skip


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The cases of the usual run, read by Python."""
    view = build(read(write(tmp_path_factory.mktemp("records"), KINDS["usual"])))
    cases = view.data.cases
    found = []
    for position, cell in enumerate(view.data.cells):
        for row in range(int(cases.start[position]), int(cases.start[position + 1])):
            check, unit, case = cases.keys[int(cases.column("key")[row])]
            ratio = float(cases.column("ratio")[row])
            found.append({
                **cell.axes, "check": check, "unit": unit, "case": case,
                "status": STATUSES[int(cases.column("status")[row])],
                "outcome": OUTCOMES[int(cases.column("outcome")[row])],
                "stage": STAGES[int(cases.column("stage")[row])],
                "change": CHANGES[int(view.changes[row])],
                "opset": int(cases.column("opset")[row]),
                "ratio": None if math.isnan(ratio) else ratio,
                **{name: cases.names[name][int(cases.column(name)[row])]
                   for name in ("signature", "known", "ran_on")},
            })  # fmt: skip
    return found


def test_queries_find_what_python_finds(opened: Open, pages: Pages, records: list[dict[str, Any]]):
    with opened() as opening:
        page = opening.go(pages("usual") + "#/cases")
        for query, test in QUERIES.items():
            page.evaluate("q => { location.hash = '#/cases?q=' + encodeURIComponent(q) }", query)
            page.wait_for_function(
                "q => document.getElementById('mc-query').value === q", arg=query
            )
            told = page.locator("#mc-found b").first.inner_text()
            wanted = sum(map(test, records))
            assert wanted > 0, f"{query} shows nothing"
            assert told == f"{wanted:,} of {len(records):,} cases", query
            assert page.locator("#mc-problems").inner_text() == ""


#: query -> the case itself, and whether there is one of the same name elsewhere that
ELSEWHERE: dict[str, tuple[Any, bool, Any]] = {
    "status:failed status@1.24.4:passed": (
        lambda c: c["status"] == "failed", True,
        lambda c: c["framework"].endswith("==1.24.4") and c["status"] == "passed"),
    "status@onnxruntime+1.28.0+3.1?:failed,error": (
        lambda c: True, True,
        lambda c: c["framework"] == "onnxruntime==1.28.0" and c["python"].startswith("3.1")
        and c["status"] in {"failed", "error"}),
    "status:passed -is@*:failure": (
        lambda c: c["status"] == "passed", False,
        lambda c: c["outcome"] in {"not_ok", "xpass"}),
    'error@OPENVINO:"implementation for"': (
        lambda c: True, True,
        lambda c: c["provider"] == "OpenVINOExecutionProvider"
        and "implementation for" in c["signature"]),
}  # fmt: skip


def test_queries_ask_across_cells(opened: Open, pages: Pages, records: list[dict[str, Any]]):
    def same(c: dict[str, Any]) -> tuple[str, ...]:
        return c["check"], c["unit"], c["case"]

    with opened() as opening:
        page = opening.go(pages("usual") + "#/cases")
        for query, (here, wants, there) in ELSEWHERE.items():
            known = {same(c) for c in records if there(c)}
            wanted = sum(here(c) and (same(c) in known) is wants for c in records)
            assert 0 < wanted < sum(map(here, records)), query
            page.evaluate("q => { location.hash = '#/cases?q=' + encodeURIComponent(q) }", query)
            page.wait_for_function(
                "q => document.getElementById('mc-query').value === q", arg=query
            )
            assert page.locator("#mc-found b").first.inner_text().split()[0] == f"{wanted:,}", query
            assert page.locator("#mc-problems").inner_text() == ""
        page.evaluate("location.hash = '#/cases?q=status@1.99:passed+colour@*:red'")
        page.wait_for_function("() => document.getElementById('mc-problems').textContent")
        said = page.locator("#mc-problems").inner_text()
        assert "no cell is “1.99”" in said
        assert "nothing here is called colour" in said


def test_a_word_that_means_nothing_is_said(opened: Open, pages: Pages):
    with opened() as opening:
        page = opening.go(pages("plain") + "#/cases?q=colour%3Ared+is%3Aodd")
        said = page.locator("#mc-problems").inner_text()
        assert "nothing here is called colour" in said
        assert "nothing can be “is:odd”" in said
        page = opening.go(
            pages("plain") + "#/cases?q=status%3Afaild,failed+stage%3Alaod+outcome%3Aok"
        )
        said = page.locator("#mc-problems").inner_text()
        assert "no status is called “faild”; there are passed, fallback, failed" in said
        assert "no stage is called “laod”" in said
        assert "outcome" not in said


def test_the_filter_can_be_taken_along(opened: Open, pages: Pages):
    with opened(accept_downloads=True) as opening:
        page = opening.go(pages("hostile") + "#/cases?q=is%3Afailure")
        told = int(page.locator("#mc-found b").first.inner_text().split()[0].replace(",", ""))
        with page.expect_download() as waiting:
            page.get_by_role("button", name="CSV").click()
        text = Path(waiting.value.path()).read_text("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert len(rows) == told
        assert not [row for row in rows if str(row["case"])[:1] in "=+-@"]
        with page.expect_download() as waiting:
            page.get_by_role("button", name="JSON").click()
        saved = json.loads(Path(waiting.value.path()).read_text("utf-8"))
        assert len(saved["cases"]) == told
        assert saved["query"] == "is:failure"
        assert {each["outcome"] for each in saved["cases"]} == {"not_ok"}


def test_the_list_reaches_its_last_row(opened: Open, pages: Pages):
    with opened() as opening:
        page = opening.go(pages("usual") + "#/cases")
        page.locator(".list").focus()
        page.keyboard.press("End")
        total = int(page.locator(".list").get_attribute("aria-rowcount")) - 1
        assert page.locator(f"#mc-row-{total - 1}").is_visible()
        assert page.locator(".list-layer .list-row").count() < 80
        page.keyboard.press("Home")
        assert page.locator("#mc-row-0").is_visible()


def test_copying_gives_link_command_and_issue_text(opened: Open, pages: Pages):
    with opened(permissions=["clipboard-read", "clipboard-write"]) as opening:
        page = opening.go(pages("usual") + "#/cases?q=is%3Anew+status%3Acrashed")
        page.locator(".list-layer .list-row").first.click()
        page.locator(".drawer-more:not([aria-busy])").wait_for()

        def copied(name: str) -> str:
            page.get_by_role("button", name=name, exact=True).click()
            page.wait_for_timeout(100)
            text: str = page.evaluate("navigator.clipboard.readText()")
            return text

        assert copied("Copy link") == page.url
        assert copied("Copy").startswith("pytest --compat-matrix matrices/")
        issue = copied("Copy as issue")
        for words in ("ai.onnx::Scan: crashed on onnxruntime 1.31.1", "killed by SIGSEGV in run",
                      "1.28.0 passed, 1.31.1 crashed", "To reproduce:"):  # fmt: skip
            assert words in issue


def test_two_environments_are_compared(opened: Open, pages: Pages):
    with opened() as opening:
        page = opening.go(pages("usual") + "#/environments")
        for n, text in (
            (0, "onnxruntime 1.19.2 · Python 3.9"),
            (1, "onnxruntime 1.28.0 · Python 3.11"),
        ):
            select = page.locator("#mc-compare select").nth(n)
            wanted = [o for o in select.locator("option").all_inner_texts() if o.startswith(text)]
            select.select_option(label=wanted[0])
        table = page.locator(".difference")
        table.wait_for()
        text = table.inner_text()
        assert "package numpy" in text
        assert "1.26.4" in text
        assert "python" in text


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_reduced_motion_is_respected(opened: Open, pages: Pages, motion: str):
    with opened(reduced_motion=motion) as opening:
        page = opening.go(pages("plain"))
        page.locator("#mc-grid a.cell").first.click()
        name = page.evaluate("getComputedStyle(document.getElementById('mc-drawer')).animationName")
        assert (name == "none") is (motion == "reduce")


def test_data_that_cannot_be_unpacked_is_said(tmp_path: Path, opened: Open, pages: Pages):
    text = Path(pages("plain")[7:]).read_text("utf-8")
    torn = tmp_path / "torn.html"
    torn.write_text(text.replace('id="mc-meta">', 'id="mc-meta">AAAA'), "utf-8")
    with opened() as opening:
        opening.page.goto(torn.as_uri())
        opening.page.locator("main .alarm").wait_for()
        assert "could not be unpacked" in opening.page.locator("main .alarm").inner_text()
        assert opening.page.locator(".headline").is_visible()


def test_scripts_are_type_checked():
    here = Path(__file__).parent
    done = subprocess.run(
        ["node", str(node_module("typescript/bin/tsc")), "--project", str(here)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
