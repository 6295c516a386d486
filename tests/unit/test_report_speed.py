"""Speed and size: medians with their spread, and no comparison that the figures do not carry."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.report.commands import commands
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.parity import parity
from pytest_modelcompat.report.speed import Speed, speed
from tests.browser.folders import Made, small

if TYPE_CHECKING:
    from pathlib import Path

EPYC = {"cpu": "AMD EPYC", "machine": "x86_64", "cpus": 2}
XEON = {"cpu": "Intel Xeon", "machine": "x86_64", "cpus": 2}


def timed(
    folder: Path,
    cells: dict[str, tuple[dict[str, Any], dict[str, Any]]],
    sets: int = 1,
    more: tuple[str, ...] = (),
) -> Speed:
    """A run with a model per version: version -> (hardware, seconds)."""
    models = dict.fromkeys((*(f"m/set{n}" for n in range(sets)), *more), ("P", 0.1))
    small(folder, [Made(version=version, models=models) for version in cells])
    data = json.loads((folder / "run.json").read_text("utf-8"))
    by_id = {}
    for cell in data["cells"]:
        version = cell["axes"]["framework"].partition("==")[2]
        cell["attestation"], by_id[cell["id"]] = cells[version]
    (folder / "run.json").write_text(json.dumps(data), "utf-8")
    with gzip.open(folder / "cases.jsonl.gz", "rt") as file:
        lines = [json.loads(line) for line in file]
    with gzip.open(folder / "cases.jsonl.gz", "wt") as file:
        for line in lines:
            line["seconds"] = by_id[line["cell"]]
            if "batch" in line["case"]:
                line["model_bytes"] = 4096
            file.write(json.dumps(line) + "\n")
    return speed(read(folder))


def took(run: float, low: float, high: float, n: int = 3) -> dict[str, Any]:
    return {"load": 0.01, "run": run, "runs": {"n": n, "min": low, "max": high}}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (took(1.0, 0.9, 1.1), took(2.0, 1.9, 2.1), 1),
        (took(2.0, 1.9, 2.1), took(1.0, 0.9, 1.1), -1),
        (took(1.0, 0.9, 1.5), took(1.6, 1.4, 1.7), 0),
        (took(1.0, 0.9, 1.1, 1), took(2.0, 1.9, 2.1, 1), None),
        (took(1.0, 0.9, 1.1), {"load": 0.01, "run": 9.0}, None),
    ],
)
def test_slower_only_where_repeats_do_not_overlap(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], change: int | None
):
    found = timed(tmp_path, {"1": (EPYC, before), "2": (EPYC, after)})
    (machine,) = found.hardware
    assert machine.name == "AMD EPYC, x86_64, 2 CPUs"
    first, second = machine.models[0].figures[0]
    assert first is not None
    assert second is not None
    assert first.change is None
    assert second.change == change


def test_never_across_different_hardware(tmp_path: Path):
    found = timed(tmp_path, {
        "1": (EPYC, took(1.0, 0.9, 1.1)), "2": (XEON, took(9.0, 8.9, 9.1)),
        "3": (EPYC, took(1.0, 0.9, 1.1)),
    })  # fmt: skip
    assert [each.name for each in found.hardware] == [
        "AMD EPYC, x86_64, 2 CPUs", "Intel Xeon, x86_64, 2 CPUs",
    ]  # fmt: skip
    epyc, xeon = found.hardware
    assert [track.versions for track in epyc.tracks] == [("1", "3")]
    assert [track.versions for track in xeon.tracks] == [("2",)]
    assert xeon.models[0].figures[0][0].change is None  # type: ignore[union-attr]
    assert epyc.models[0].figures[0][1].change == 0  # type: ignore[union-attr]


def test_figures_of_a_server_elsewhere_are_never_compared(tmp_path: Path):
    """The cell tells of the machine that asked, and of whoever answered none knows."""
    far = {**EPYC, "server": {"url": "http://127.0.0.1:1", "name": "sundial"}}
    cells = {"1": (EPYC, took(1.0, 0.9, 1.1)), "2": (far, took(9.0, 8.9, 9.1)),
             "3": (far, took(1.0, 0.9, 1.1))}  # fmt: skip
    found = timed(tmp_path, cells)
    assert [each.name for each in found.hardware] == ["AMD EPYC, x86_64, 2 CPUs", ""]
    for machine in found.hardware:
        assert {each.change for each in machine.models[0].figures[0] if each} == {None}


def test_hardware_that_nobody_told_is_never_compared(tmp_path: Path):
    found = timed(tmp_path, {"1": ({}, took(1.0, 0.9, 1.1)), "2": ({}, took(9.0, 8.9, 9.1))})
    (machine,) = found.hardware
    assert machine.name == ""
    assert [each.change for each in machine.models[0].figures[0] if each] == [None, None]


def test_medians_over_data_sets(tmp_path: Path):
    found = timed(tmp_path, {"1": (EPYC, took(2.0, 1.0, 3.0))}, sets=3)
    figure = found.hardware[0].models[0].figures[0][0]
    assert figure is not None
    assert (figure.run, figure.low, figure.high, figure.sets) == (2.0, 1.0, 3.0, 3)


def test_ways_of_calling_are_figures_of_their_own(tmp_path: Path):
    more = ("m/set0,batch4", "m/torch==1,x/set0", "m/torch==1,x/set0,step1", "m/a,b")
    found = timed(tmp_path, {"1": (EPYC, took(2.0, 1.0, 3.0))}, more=more)
    ways = {each.variant: each.figures[0][0] for each in found.hardware[0].models}
    assert set(ways) == {"", "batch4", "torch==1,x", "torch==1,x step1"}
    assert [figure.sets for figure in ways.values() if figure] == [2, 1, 1, 1]
    assert {way: figure.size for way, figure in ways.items() if figure and figure.size} == {
        "batch4": 4096
    }


def test_producer_by_runtime(tmp_path: Path):
    models: dict[str, tuple[str, float | str | None]] = {
        "a/torch==1,x/set0": ("P", 0.1), "b/torch==1,x/set0": ("F", 30.0),
        "a/torch==2,x/set0": ("P", 0.2), "b/torch==2,x/set0": ("P", 0.9),
    }  # fmt: skip
    data = read(small(tmp_path, [Made(version="1", models=models)]))
    old, new = parity(data).producers
    assert (old.variant, new.variant) == ("torch==1,x", "torch==2,x")
    (bad,), (good,) = old.cells, new.cells
    assert bad is not None
    assert good is not None
    assert (bad.right, bad.total, bad.worst.text) == (1, 2, "30")
    assert (good.right, good.total, good.worst.text) == (2, 2, "0.90")


def cell_with(tmp_path: Path, **environment: str) -> tuple[tuple[str, str], ...]:
    small(tmp_path, [Made(version="1", cases="P")])
    path = tmp_path / "run.json"
    data = json.loads(path.read_text("utf-8"))
    data["cells"][0] |= {"environment": {"id": "e", **environment}, "repro": "pytest X"}
    path.write_text(json.dumps(data), "utf-8")
    return commands(read(tmp_path).cells[0])


def test_ways_back_to_a_host_environment(tmp_path: Path):
    found = cell_with(tmp_path, image="host", python="3.11.7", lock="locks/ab12.txt")
    texts = [text for _, text in found]
    assert texts[0] == "pytest X"
    assert texts[1] == (
        "uv venv --python 3.11.7 repro\nuv pip sync --python repro --require-hashes locks/ab12.txt"
    )
    assert "docker run --rm" in texts[2]
    assert "python:3.11.7-slim" in texts[2]


def test_ways_back_to_an_image_name_its_digest(tmp_path: Path):
    digest = "sha256:" + "ab" * 32
    found = cell_with(tmp_path, image="python:3.12-slim", image_digest=digest, python="3.12.1",
                      lock="locks/ab12.txt")  # fmt: skip
    assert f"python@{digest}" in found[1][1]
    assert not any("uv venv" in text for _, text in found)


@pytest.mark.parametrize(
    "environment",
    [
        {"image": "host", "python": "3.11; rm -rf ~", "lock": "locks/a.txt"},
        {"image": "host", "python": "3.11", "lock": "locks/../../x.txt;ls"},
        {"image": "host", "python": "3.11", "lock": "/etc/passwd"},
        {"image": "--privileged", "python": "3.11", "lock": "locks/a.txt"},
        {"image": "a b$(ls)", "python": "3.11", "lock": "locks/a.txt"},
    ],
)
def test_nothing_of_a_stranger_gets_into_a_command(tmp_path: Path, environment: dict[str, str]):
    assert [text for _, text in cell_with(tmp_path, **environment)] == ["pytest X"]
