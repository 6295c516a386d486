"""Variants in the report: figures in words, what may be said of them, and the worst first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.html import html
from pytest_modelcompat.report.markdown import markdown
from pytest_modelcompat.report.variants import MOST, Row, Variants, variants
from pytest_modelcompat.report.view import build
from pytest_modelcompat.results.compared import as_json
from pytest_modelcompat.results.compared import read as read_variant
from pytest_modelcompat.results.load import load
from tests.browser.folders import Made, small

if TYPE_CHECKING:
    from pathlib import Path

SIDE = {
    "case": "m/d", "status": "passed", "bytes": 4096, "load": 0.002, "run": 0.001, "low": 0.0009,
    "high": 0.0011, "repeats": 3, "peak_rss": 2**26, "accuracy": 0.95,
}  # fmt: skip
GOOD = {"output": "y", "max_abs": 0.25, "max_rel": 3.0, "cosine": 0.9999, "sqnr": 40.0, "top1": 0.9}


def folder(path: Path, *each: dict[str, Any]) -> Path:
    """A run of two cells, with these variants beside their originals."""
    models = {"small/d": ("P", 0.1), "m/d": ("P", 0.1)}
    small(path, [Made(version=version, models=models) for version in ("1", "2")])
    data = json.loads((path / "run.json").read_text("utf-8"))
    cell = data["cells"][0]["id"]
    data["run"]["variant_of"] = [{"matrix": "m", "model": "small", "of": "m"}]
    data["variants"] = [{"cell": cell, "model": "small", "of": "m", **one} for one in each]
    (path / "run.json").write_text(json.dumps(data), "utf-8")
    return path


def beside(**changes: Any) -> dict[str, Any]:
    variant = {**SIDE, "case": "small/d", "bytes": 1024, **changes.pop("variant", {})}
    original = {**SIDE, **changes.pop("original", {})}
    return {"variant": variant, "original": original, "distance": GOOD, **changes}


def row(path: Path, **changes: Any) -> Row:
    (found,) = variants(read(folder(path, beside(**changes)))).rows
    return found


def plain(text: str) -> str:
    return text.replace("\xa0", " ").replace("\N{MULTIPLICATION SIGN}", "x")


def told(found: Any) -> tuple[str, str]:
    return plain(found.text), plain(found.beside)


def test_both_sides_of_each_figure(tmp_path: Path):
    found = row(tmp_path, variant={"accuracy": 0.9}, speed=0)
    assert (found.model, found.of, found.where) == ("small", "m", "onnxruntime 1")
    assert found.state.key == "passed"
    assert found.original is None
    assert told(found.size) == ("1 KiB", "0.25 x 4 KiB")
    assert told(found.accuracy) == ("90.0 %", "5 points below 95.0 %")
    assert told(found.run) == (
        "1 ms (900 µs to 1.1 ms)", "within the spread: 1.00 x 1 ms (900 µs to 1.1 ms)",
    )  # fmt: skip
    assert [(name, plain(text)) for name, text in found.distance] == [
        ("same choice", "90.0 %"), ("SQNR", "40.0 dB"), ("cosine", "0.999900"),
        ("max abs", "0.25"), ("max rel", "3"), ("output", "y"),
    ]  # fmt: skip


def test_load_and_memory_have_no_ratio(tmp_path: Path):
    found = row(tmp_path)
    assert told(found.load) == ("2 ms", "original 2 ms")
    assert told(found.memory) == ("64 MiB", "original 64 MiB")


@pytest.mark.parametrize(("speed", "word"), [(-1, "faster: "), (1, "slower: "), (None, "")])
def test_faster_and_slower_are_said_where_the_run_says_so(tmp_path: Path, speed: Any, word: str):
    found = row(tmp_path, speed=speed)
    assert found.run is not None
    assert plain(found.run.beside) == f"{word}1.00 x 1 ms (900 µs to 1.1 ms)"


def test_what_is_not_known_is_not_equal(tmp_path: Path):
    nothing = {"bytes": 0, "load": 0.0, "run": 0.0, "repeats": 0, "peak_rss": 0, "accuracy": None}
    found = row(
        tmp_path, original={**nothing, "status": "crashed", "reason": "crashed"}, distance={},
        not_compared="the original m gave no answer (crashed)",
    )  # fmt: skip
    assert told(found.size) == ("1 KiB", "original not known")
    assert told(found.accuracy) == ("95.0 %", "original not known")
    assert told(found.run) == ("1 ms (900 µs to 1.1 ms)", "original not known")
    assert found.distance == ()
    assert found.told == "the original m gave no answer (crashed)"
    assert not found.bad
    both = row(tmp_path / "both", original=nothing, variant=nothing, distance={})
    assert (both.size, both.run, both.load, both.memory, both.accuracy) == (None,) * 5
    page = "".join(html(build(read(tmp_path / "both"))))
    assert page.count("not known</span>") >= 5


def test_what_is_beyond_a_limit_comes_first_and_is_counted(tmp_path: Path):
    apart = beside(distance={}, not_compared="why")
    found = variants(read(folder(tmp_path, beside(), apart, beside(beyond=["too far"]))))
    assert [(each.told, each.bad) for each in found.rows] == [
        ("too far", True), ("why", False), ("", False),
    ]  # fmt: skip
    assert (found.total, found.beyond, found.apart, found.left_out) == (3, 1, 1, 0)


def test_rows_that_find_no_room_are_counted(tmp_path: Path):
    path = folder(tmp_path, *[beside() for _ in range(MOST + 7)], beside(beyond=["too far"]))
    found = variants(read(path))
    assert len(found.rows) == MOST
    assert found.left_out == 8
    assert found.rows[0].bad
    view = build(read(path))
    assert "and 8 more rows, in run.json" in "".join(html(view))
    assert "…and 8 more rows, in `run.json`." in markdown(view)


def test_several_data_sets_are_told_apart(tmp_path: Path):
    one, two = beside(), beside(variant={"case": "small/torch,opset18/e"})
    found = variants(read(folder(tmp_path, one, two)))
    assert [each.data for each in found.rows] == ["d", "torch,opset18/e"]
    assert variants(read(folder(tmp_path / "one", one))).rows[0].data == ""


def test_an_original_that_is_wrong_is_seen_beside_it(tmp_path: Path):
    path = folder(tmp_path, beside())
    text = (path / "run.json").read_text("utf-8")
    found = build(read(path))
    assert found.variants.rows[0].original is None
    small(tmp_path / "bad", [Made(version="1", models={"small/d": ("P", 0.1), "m/d": ("F", 9.0)})])
    data = json.loads((tmp_path / "bad" / "run.json").read_text("utf-8"))
    data["variants"] = [{**json.loads(text)["variants"][0], "cell": data["cells"][0]["id"]}]
    (tmp_path / "bad" / "run.json").write_text(json.dumps(data), "utf-8")
    original = variants(read(tmp_path / "bad")).rows[0].original
    assert original is not None
    assert original.key == "failed"


def test_names_and_words_of_others_are_text(tmp_path: Path):
    script = "<script>alert(1)</script>"
    page = "".join(html(build(read(folder(tmp_path, beside(model=script, beyond=[script]))))))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_text_in_place_of_a_figure_is_no_markdown(tmp_path: Path):
    odd = beside(distance={"sqnr": "| **bold** [x](y)", "top1": "<b>"})
    found = markdown(build(read(folder(tmp_path, odd))))
    assert "**bold**" not in found
    assert "<b>" not in found


def test_a_run_without_variants_has_no_section(tmp_path: Path):
    path = small(tmp_path, [Made(version="1", cases="P")])
    view = build(read(path))
    assert view.variants == Variants(rows=(), total=0, beyond=0, apart=0, left_out=0)
    assert "mc-h-variants" not in "".join(html(view))
    assert "Variants" not in markdown(view)


def test_there_and_back(tmp_path: Path):
    (found,) = load(folder(tmp_path, beside(speed=-1, limits={"top1": 0.5}))).variants
    assert read_variant(json.loads(json.dumps(as_json(found)))) == found
    assert found.speed == -1


@pytest.mark.parametrize(
    "damage",
    [{"variant": 3}, {"cell": None}, {"speed": "fast"}, {"distance": [1]}, {"beyond": [1]},
     {"variant": {"bytes": "many"}}, {"distance": {"sqnr": {}}}, {"variant": {"bytes": 10**400}},
     {"variant": {"run": -1.0}}, {"distance": {"sqnr": 1e306}}, {"original": {"accuracy": 2}}],
)  # fmt: skip
def test_what_somebody_has_edited_is_refused_in_a_sentence(tmp_path: Path, damage: dict[str, Any]):
    path = folder(tmp_path, {**beside(), **damage})
    with pytest.raises(UsageProblem, match="a variant is not as a run writes it"):
        load(path)
