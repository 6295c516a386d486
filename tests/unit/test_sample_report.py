"""The committed samples are real runs, and all of their pages can be made from their data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_modelcompat import report
from pytest_modelcompat.results.compat import write_compat
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import CellStatus, Status
from reports.table import table
from tests.samples import REPORTS, SAMPLES, unpacked

DATA = ("run.json", "cases.jsonl.gz", "changes.json", "history.json")
# what cells end as besides completed: one shows what can go wrong, one that not all fits everywhere
NOT_COMPLETED = {
    "upgrade": {"unsatisfiable", "environment_failed"}, "images": {"unsatisfiable"},
}  # fmt: skip
FEWER = {
    "producers": 400,
    "images": 4_000,
    "variants": 20,
}  # cases; of models alone, and of few operators
MADE = ("index.html", "summary.md", "compat.json")
LARGEST = 4 * 10**6  # bytes of a page
each = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)


def test_there_are_samples_and_each_is_told() -> None:
    assert {sample.name for sample in SAMPLES} >= {"quickstart", "onnxruntime"}
    ignored = (REPORTS.parent / ".gitignore").read_text("utf-8")
    for name in ("run.sqlite*", "outputs/", "plan.json", "junit.xml"):
        assert f"reports/*/{name}" in ignored


@each
def test_every_planned_case_of_a_sample_has_a_status(sample: Path) -> None:
    run = load(sample)
    counted = sum(sum(cell.counts.values()) for cell in run.cells)
    assert counted == sum(1 for _ in run.cases()) > FEWER.get(sample.name, 5_000)
    others = NOT_COMPLETED.get(sample.name, set())
    assert {cell.status.value for cell in run.cells} == {"completed", *others}
    assert run.info.finished


@each
def test_what_is_shown_is_made_from_the_data_alone(sample: Path, tmp_path: Path) -> None:
    for name in DATA:
        if (sample / name).exists():
            shutil.copyfile(sample / name, tmp_path / name)
    shutil.copytree(sample / "locks", tmp_path / "locks")
    report.render(tmp_path)
    write_compat(load(tmp_path))
    for name in MADE:
        made, kept = ((folder / name).read_text("utf-8") for folder in (tmp_path, sample))
        assert unpacked(made) == unpacked(kept), f"modelcompat report {sample}  # makes it anew"


@each
def test_a_page_stays_within_its_budget(sample: Path) -> None:
    assert (sample / "index.html").stat().st_size <= LARGEST
    assert (sample / "summary.md").stat().st_size <= 60_000


@each
@pytest.mark.parametrize("name", [*MADE, "run.json"])
def test_a_sample_tells_no_folder_of_the_machine_that_made_it(sample: Path, name: str) -> None:
    text = (sample / name).read_text("utf-8")
    for folder in ("/root/", "/home/", "/tmp/", "/work/", "/.pyenv/"):
        assert folder not in text


def test_the_images_are_attested_and_the_emulated_one_is_told() -> None:
    run = load(REPORTS / "images")
    measured = [cell for cell in run.cells if cell.status is CellStatus.COMPLETED]
    digests = {cell.axes["image"]: cell.attestation["image_digest"] for cell in measured}
    names = ("bullseye", "bookworm", "trixie", "forky", "bookworm-arm64")
    assert set(digests) == {f"modelcompat/debian:{name}" for name in names}
    assert len(set(digests.values())) == len(digests)
    assert all(digest.startswith("sha256:") for digest in digests.values())
    emulated = {cell.axes["image"] for cell in measured if cell.attestation["emulated"]}
    assert emulated == {"modelcompat/debian:bookworm-arm64"}
    page = unpacked((REPORTS / "images" / "index.html").read_text("utf-8"))
    assert "ran on an emulated processor" in page


def test_the_table_of_producers_is_made_from_the_data_alone() -> None:
    kept = (REPORTS / "producers" / "table.md").read_text("utf-8")
    assert table(REPORTS / "producers") == kept


def test_the_producers_cross_settings_and_runtimes_and_each_failure_is_attributed() -> None:
    run = load(REPORTS / "producers")
    assert len({cell.axes["framework"] for cell in run.cells}) >= 8
    settings: dict[str, set[str]] = {}
    for case in run.cases():
        assert case.reference is not None
        settings.setdefault(case.unit, set()).add(case.reference["source"])
        if case.status in {Status.FAILED, Status.ERROR, Status.CRASHED}:
            assert case.attribution, case.case
    assert len(settings["pointnet2"]) >= 6
    assert len(settings) >= 6


def test_the_variants_stand_beside_their_original() -> None:
    run = load(REPORTS / "variants")
    assert len(run.variants) == 6 * len(run.cells) == 18
    beyond = {each.model for each in run.variants if each.beyond}
    assert beyond == {"digits-zeroed"}
    for each in run.variants:
        assert not each.not_compared
        assert each.original.accuracy is not None
        assert each.variant.accuracy is not None
        worse = each.original.accuracy - each.variant.accuracy
        assert worse <= 0.05 or each.model == "digits-zeroed"
    page = (REPORTS / "variants" / "index.html").read_text("utf-8")
    assert (
        "digits-int8-static" in page.partition('id="mc-h-variants"')[2].partition("</section>")[0]
    )
