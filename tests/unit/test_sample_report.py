"""The committed sample is a real run, and its page can be made from its data at any time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_modelcompat import report
from pytest_modelcompat.results.load import load

SAMPLE = Path(__file__).resolve().parents[2] / "reports" / "quickstart"
DATA = ("run.json", "cases.jsonl.gz")


def test_every_planned_case_of_the_sample_has_a_status() -> None:
    run = load(SAMPLE)
    counted = sum(sum(cell.counts.values()) for cell in run.cells)
    assert counted == sum(1 for _ in run.cases()) > 10_000
    assert {cell.status.value for cell in run.cells} == {"completed"}


def test_the_page_is_made_from_the_data_alone(tmp_path: Path) -> None:
    for name in DATA:
        shutil.copyfile(SAMPLE / name, tmp_path / name)
    shutil.copytree(SAMPLE / "locks", tmp_path / "locks")
    page = report.render(tmp_path).read_text("utf-8")
    kept = (SAMPLE / "index.html").read_text("utf-8")
    assert _words(page) == _words(kept)


@pytest.mark.parametrize("name", ["index.html", "summary.md", "run.json", "compat.json"])
def test_the_sample_tells_no_folder_of_the_machine_that_made_it(name: str) -> None:
    text = (SAMPLE / name).read_text("utf-8")
    for folder in ("/root/", "/home/", "/tmp/", "/work/"):
        assert folder not in text


def _words(page: str) -> str:
    """The static page; what is packed depends on the machine's zlib."""
    return page.partition("<script")[0]
