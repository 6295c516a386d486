"""The files that a report writes: the page, the summary, the lines for the terminal."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_modelcompat import report
from pytest_modelcompat.errors.results import WriteError
from pytest_modelcompat.report import html as page
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.markdown import LIMIT, code, escape, markdown
from pytest_modelcompat.report.payload import payload
from pytest_modelcompat.report.terminal import summary
from pytest_modelcompat.report.text import clean
from pytest_modelcompat.report.view import View, build
from tests.browser.folders import Made, small
from tests.browser.synthetic import HOSTILE, Draw, write


class Tags(HTMLParser):
    """Every tag and attribute of a page, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.within = tag if tag in self.texts else ""
        if self.within:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within:
            self.texts[self.within][-1] += data


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> View:
    return build(read(write(tmp_path_factory.mktemp("usual"), Draw(cases=300))))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> View:
    return build(read(write(tmp_path_factory.mktemp("hostile"), Draw(cases=200, hostile=True))))


@pytest.fixture(params=["usual", "hostile"])
def any_view(request: pytest.FixtureRequest) -> View:
    found: View = request.getfixturevalue(request.param)
    return found


def text_of(view: View) -> str:
    return "".join(page.html(view))


def test_render_writes_the_page_and_the_summary_and_nothing_else(tmp_path: Path):
    folder = small(tmp_path, [Made(version="1.0", cases="PF")])
    before = {each.name for each in folder.iterdir()}
    assert report.render(folder) == folder / "index.html"
    assert {each.name for each in folder.iterdir()} == before | {"index.html", "summary.md"}


def test_the_same_run_gives_the_same_bytes(tmp_path: Path):
    folder = write(tmp_path, Draw(cases=60))
    first = report.render(folder).read_bytes()
    assert report.render(folder).read_bytes() == first


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = small(tmp_path, [Made(version="1.0", cases="P")])
    report.render(folder)
    old = (folder / "index.html").read_bytes()

    def torn(view: View) -> Any:
        yield "<!doctype html>"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "html", torn)
    with pytest.raises(WriteError, match=r"index.html: The disk is full"):
        report.render(folder)
    assert (folder / "index.html").read_bytes() == old
    assert not list(folder.glob(".*"))


def test_the_policy_names_exactly_the_style_and_the_script_of_the_page(any_view: View):
    tags = Tags(text_of(any_view))
    (policy,) = [a["content"] for t, a in tags.tags if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    run = [
        text
        for (_, attributes), text in zip(
            [each for each in tags.tags if each[0] == "script"], tags.texts["script"], strict=True
        )
        if attributes.get("type", "x-later") == "x-later"  # uPlot's is run when it is needed
    ]
    assert len(tags.texts["style"]) == 1
    assert len(run) == 2, "uPlot and the page's own"
    named = []
    for text in (*run, *tags.texts["style"]):
        named.append(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
        assert f"'sha256-{named[-1]}'" in policy
    assert policy.count("sha256-") == len(named)
    assert "unsafe" not in policy


def test_nothing_in_the_page_can_act_or_ask_for_anything(any_view: View):
    tags = Tags(text_of(any_view))
    allowed = {
        "html", "head", "meta", "title", "style", "body", "svg", "defs", "pattern", "rect", "path",
        "symbol", "use", "a", "header", "div", "h1", "h2", "h3", "dl", "dt", "dd", "nav", "main",
        "p", "section", "span", "b", "ul", "li", "details", "summary", "table", "caption", "thead",
        "tbody", "tr", "th", "td", "pre", "kbd", "code", "noscript", "aside", "script",
    }  # fmt: skip
    assert {tag for tag, _ in tags.tags} <= allowed
    for tag, attributes in tags.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert "src" not in attributes
        href = attributes.get("href")
        assert href is None or href.startswith("#"), href


def test_data_blocks_hold_nothing_but_base64(any_view: View):
    tags = Tags(text_of(any_view))
    scripts = [attributes for tag, attributes in tags.tags if tag == "script"]
    blocks = [
        text
        for attributes, text in zip(scripts, tags.texts["script"], strict=True)
        if attributes.get("type") == "text/plain"
    ]
    assert len(blocks) >= 3
    for text in blocks:
        assert re.fullmatch(r"[A-Za-z0-9+/=]*", text)


def test_our_own_style_and_script_cannot_end_early():
    assert "</" not in page.style()
    assert not re.search(r"</(script|style)", page.script(), re.IGNORECASE)
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                 "fetch(", "XMLHttpRequest", "import(", "localStorage"):  # fmt: skip
        assert word not in page.script()


def test_every_cell_has_its_anchor(any_view: View):
    anchors = {attributes.get("id") for _, attributes in Tags(text_of(any_view)).tags}
    assert {cell.id for cell in any_view.data.cells} <= anchors


def test_hostile_text_is_shown(hostile: View):
    text = text_of(hostile)
    assert "&lt;script&gt;window.pwned=1&lt;/script&gt;" in text
    assert "{{ 7*7 }}" in text
    assert "⟨U+202E⟩" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_comments_stay_at_home():
    assert "@type" not in page.script()
    assert page.script().count("\n//") == page.style().count("\n/*") == 0


def test_style_loses_spaces_and_nothing_else():
    own = page._lean(page._COMMENT.sub("", page._read("css", page.STYLES)))
    tight = page._tight(own)
    assert re.sub(r"\s", "", tight) == re.sub(r"\s", "", own).replace(";}", "}")
    assert len(tight) < 0.9 * len(own)


@pytest.mark.parametrize(
    ("css", "tight"),
    [
        ('a::after { content: "a; b: {c}, d" ; }', 'a::after{content:"a; b: {c}, d"}'),
        ("a :hover > b { top: calc(1px + 2px) }", "a :hover > b{top:calc(1px + 2px)}"),
        ("@media (width > 9px) and (x: y) {\na, b { c: d e }\n}",
         "@media (width > 9px) and (x:y){a,b{c:d e}}"),
    ],
)  # fmt: skip
def test_what_matters_in_style_stays(css: str, tight: str):
    assert page._tight(css) == tight


def test_the_shell_keeps_its_budget(tmp_path: Path):
    empty = build(read(small(tmp_path, [Made(version="1.0", cases="P")])))
    assert len(text_of(empty).encode()) <= 200_000


def test_a_run_without_cells_is_a_page_too(tmp_path: Path):
    view = build(read(small(tmp_path, [], finished=None)))
    text = text_of(view)
    assert "Nothing was measured in 0 cells." in text
    assert "did not come to its end" in text
    assert "Nothing was measured in 0 cells." in markdown(view)
    assert "Nothing was measured in 0 cells." in summary(view, 80)


def unpack(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def test_what_the_script_reads_is_what_the_run_says(usual: View):
    packed = dict(payload(usual).blocks)
    meta = json.loads(unpack(packed["mc-meta"]))
    raw = unpack(packed["mc-columns"])
    columns = {
        each["name"]: np.frombuffer(raw, each["type"], meta["rows"], each["offset"])
        for each in meta["arrays"]
    }
    cases = usual.data.cases
    for name in ("key", "state", "status", "outcome", "stage", "opset", "signature", "known"):
        assert (columns[name] == cases.column(name)).all(), name
    ratio = cases.column("ratio")
    shown = columns["ratio"].astype(float)
    none = np.isnan(ratio)
    assert (shown[none] == meta["ratio"]["none"]).all()
    usual_ones = ~none & (ratio > 0)
    told = 10 ** (shown[usual_ones] / meta["ratio"]["scale"])
    assert np.allclose(told, ratio[usual_ones], rtol=2e-3)
    details = {}
    for name, text in packed.items():
        if name.startswith("mc-details-"):
            details |= json.loads(unpack(text))
    found = {row: json.loads(text) for row, _, text in cases.details.items()}
    assert {int(row): each for row, each in details.items()} == found
    assert len(found) == len(cases.details) > 100
    assert [cell["id"] for cell in meta["cells"]] == [cell.id for cell in usual.data.cells]


def test_commands_come_back_whole(any_view: View):
    """The names that are taken out of a command are put back as the page does it."""
    cases = any_view.data.cases
    for row in range(0, len(cases), 97):
        check, unit, case = cases.keys[int(cases.column("key")[row])]
        cell = any_view.data.cells[int(cases.column("cell")[row])]
        text = cases.names["repro"][int(cases.column("repro")[row])]
        names = {"\x01": case, "\x02": unit, "\x03": unit.replace("::", "."), "\x04": cell.id}
        for mark, name in names.items():
            text = text.replace(mark, name)
        dotted = unit.replace("::", ".")
        assert text.endswith(f"::{cell.id}::{check}::{dotted}' --compat-case '{case}'")


def test_details_of_failures_are_kept_when_not_all_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pytest_modelcompat.report.details.CHUNK", 1_000)
    view = build(read(write(tmp_path, Draw(cases=300))))
    monkeypatch.setattr(f"{payload.__module__}.BUDGET", 1)
    packed = payload(view)
    kept = json.loads(unpack(dict(packed.blocks)["mc-details-0"]))
    failing = view.data.cases.column("state")[[int(row) for row in kept]]
    assert packed.left_out == len(view.data.cases.details) - len(kept) > 0
    assert {page.CASE_STATES[int(state)].tone for state in failing} == {"bad"}
    assert f"Details of {packed.left_out:,} cases" in text_of(view)


def test_summary_says_the_verdicts_first(usual: View):
    text = markdown(usual)
    assert text.startswith("## onnxruntime\\-upgrade\n\n**")
    assert text.index("**onnxruntime 1.28.0 → 1.31.1**") < text.index("### Failures")
    assert text.endswith("The whole report is `index.html`, in the same folder.\n")


def test_summary_is_never_too_long_and_says_what_it_left_out(hostile: View, usual: View):
    assert len(markdown(hostile).encode()) <= LIMIT
    short = markdown(usual, 3_000)
    assert len(short.encode()) <= 3_000
    assert re.search(r"…and [0-9,]+ more steps?, in `index.html`", short)


@pytest.mark.parametrize("raw", HOSTILE)
def test_hostile_text_in_markdown_is_text(raw: str):
    shown = escape(clean(raw))
    assert not re.search(r"(?<!\\)[<>\[\]`*_|]", shown)
    assert "\n" not in shown
    fenced = code(clean(raw))
    assert "\n" not in fenced
    assert "|" not in fenced
    fence = re.match("`+", fenced)
    assert fence is not None
    assert fence.group() not in fenced[len(fence.group()) : -len(fence.group())]


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_terminal_fits_its_width_and_needs_no_colour(any_view: View, width: int):
    plain = summary(any_view, width)
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= width
    coloured = summary(any_view, width, colour=True)
    assert re.sub(r"\x1b\[[0-9]*m", "", coloured) == plain
    assert coloured != plain


def test_terminal_is_one_screen_and_says_how_much_more_there_is(hostile: View):
    lines = summary(hostile, 100).splitlines()
    assert len(lines) <= 50
    assert any(re.fullmatch(r"…and [0-9]+ more steps?", line) for line in lines)


@pytest.mark.parametrize("width", [40, 100])
def test_terminal_tells_the_worst_failures_and_since_when(tmp_path: Path, width: int):
    folder = small(tmp_path, [Made(version=v, cases=c) for v, c in (("1.0", "PP"), ("1.1", "PF"))])
    lines = summary(folder, width).splitlines()
    told = " ".join(" ".join(lines[lines.index("worst failures") :]).split())
    assert "✗ failed at compare: Op1 (1 case, 1 new in 1 cell" in told
    assert "1.1" in told


def test_terminal_is_loud_where_nothing_was_measured(tmp_path: Path):
    folder = small(tmp_path, [Made(version=v, cases="OO") for v in ("1.0", "1.1")])
    said = summary(folder, 60)
    assert "NOTHING WAS MEASURED" in said
    assert "2 cells " in said.partition("NOTHING WAS MEASURED")[2]
    assert max(map(len, said.splitlines()[:-1])) <= 60


def test_terminal_reads_a_folder(tmp_path: Path):
    folder = small(tmp_path, [Made(version=v, cases=c) for v, c in (("1.0", "PP"), ("1.1", "PF"))])
    text = summary(folder, 100)
    assert "✗ Not on Python 3.11, host, CPU: 1 operator newly fails (Op1)" in text
    assert text.endswith(f"report: {folder / 'index.html'}")


def test_what_is_vendored_is_what_it_says():
    folder = Path(report.__file__).parent / "templates" / "vendor" / "uplot"
    sums = dict(
        reversed(line.split()) for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines()
    )
    assert set(sums) == {each.name for each in folder.iterdir()} - {"SHA256SUMS", "README.md"}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "MIT" in (folder / "LICENSE").read_text("utf-8")


def test_a_page_without_figures_carries_no_plotter(tmp_path: Path):
    page = report.render(small(tmp_path, [Made(version="1.0.0", cases="PP")])).read_text("utf-8")
    assert "uPlot=function" not in page
    assert page.count("<script>") == 1


def test_of_many_verdicts_the_worst_are_said_and_the_others_counted(tmp_path: Path):
    """Thirteen targets break each in its own way, one does not; nothing is dropped in silence."""
    cells = [
        Made(version=version, python=f"3.{n}", cases="P" * n + last + "P" * (13 - n))
        for n in range(14)
        for version, last in (("1.24.4", "P"), ("1.28.0", "F" if n < 13 else "P"))
    ]
    text = page_text(small(tmp_path, cells))
    said = text.partition('class="family-steps"')[2].partition("</section>")[0]
    assert said.count('<li class="says') == page.MAX_SAID
    x = "\N{MULTIPLICATION SIGN}"
    wanted = f"and 4 more sentences: 3 {x} Not, 1 {x} You can move; the matrix has every target"
    assert wanted in re.sub(r"\s+", " ", said)


def page_text(folder: Path) -> str:
    """The page of a run."""
    return "".join(page.html(build(read(folder))))
