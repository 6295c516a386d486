"""Details and times are packed while they are read: whatever the order, each comes back whole."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_modelcompat.report import details, render
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.details import RANKS, Details, Timings
from tests.browser.synthetic import Draw, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(details, "CHUNK", 300)


@pytest.fixture
def told() -> dict[int, tuple[str, dict[str, Any]]]:
    """Row -> rank and detail; not every row has one."""
    seed = random.Random(3)
    return {
        row: (seed.choice(RANKS), {"error": {"message": f"\N{SNOWMAN} {row}\n" * (row % 7)}})
        for row in range(2, 400, 3)
    }


def packed(told: dict[int, tuple[str, dict[str, Any]]]) -> Details:
    made = Details()
    for row, (rank, detail) in told.items():
        made.add(row, rank, json.dumps(detail).encode())
    return made.close()


@pytest.mark.usefixtures("small_chunks")
def test_each_detail_comes_back_in_any_order(told: dict[int, tuple[str, dict[str, Any]]]):
    made = packed(told)
    assert len(made) == len(told)
    assert all(len(chunks) > 3 for chunks in made.chunks.values())
    rows = list(range(403))
    random.Random(4).shuffle(rows)
    for row in rows:
        assert made.get(row) == told.get(row, ("", {}))[1], row


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_is_the_json_of_its_rows(told: dict[int, tuple[str, dict[str, Any]]]):
    seen: dict[int, Any] = {}
    for rank, chunks in packed(told).chunks.items():
        for chunk in chunks:
            found = json.loads(gzip.decompress(chunk.packed))
            assert [int(row) for row in found] == list(chunk.rows) == sorted(chunk.rows)
            seen |= {int(row): (rank, detail) for row, detail in found.items()}
    assert seen == told


@pytest.mark.usefixtures("small_chunks")
def test_rows_can_be_renumbered(told: dict[int, tuple[str, dict[str, Any]]]):
    place = np.random.default_rng(5).permutation(403)
    made = packed(told).moved(place)
    for row, (_, detail) in told.items():
        assert made.get(int(place[row])) == detail
    timings = Timings()
    for row in range(0, 403, 2):
        spread = {"n": row, "min": row / 4, "max": row + 1.5}
        timings.add(row, {"run": row / 2, "load": 0.25, "runs": spread}, row * 2**32, row)
    moved = timings.moved(place)
    by_row = {row: moved[number] for number, row in enumerate(moved.rows)}
    assert list(moved.rows) == sorted(moved.rows)
    assert by_row == {int(place[row]): timings[n] for n, row in enumerate(timings.rows)}


def test_what_is_no_time_counts_as_not_measured():
    timings = Timings()
    for seconds in ({"run": {"x": 1}, "load": -3.0, "runs": 7}, {"runs": {"n": 2**70, "min": 1}}):
        timings.add(0, seconds, 0, 0)
    assert tuple(timings[0]) == (0, 0, 0, 0, 0, 0, 0)
    assert timings[1].repeats == 2**32 - 1
    assert timings[1].low == 1


@pytest.mark.usefixtures("small_chunks")
def test_cases_in_another_order_make_the_same_page(tmp_path: Path):
    """The file may come from anybody: rows of a cell need not be neighbours in it."""
    folder = write(tmp_path / "run", Draw(cases=40))
    page, before = render(folder).read_bytes(), seen(folder)
    cases = folder / "cases.jsonl.gz"
    by_cell: dict[str, list[bytes]] = {}
    for line in gzip.decompress(cases.read_bytes()).splitlines():
        by_cell.setdefault(json.loads(line)["cell"], []).append(line)
    turned = [line for lines in reversed(by_cell.values()) for line in lines]
    cases.write_bytes(gzip.compress(b"\n".join(turned) + b"\n"))
    # Dictionaries are numbered as names come, so packed bytes differ: what is shown does not.
    static = page.partition(b'<script type="text/plain"')[0]
    assert render(folder).read_bytes().partition(b'<script type="text/plain"')[0] == static
    assert seen(folder) == before


def seen(folder: Path) -> dict[tuple[int, tuple[str, str, str]], tuple[Any, Any]]:
    """Cell and names of a case -> its detail and what it cost."""
    cases = read(folder).cases
    timings = {row: cases.timings[number] for number, row in enumerate(cases.timings.rows)}
    assert len(timings) > 10
    where = zip(cases.column("cell").tolist(), cases.column("key").tolist(), strict=True)
    return {
        (cell, cases.keys[key]): (cases.details.get(row), timings.get(row))
        for row, (cell, key) in enumerate(where)
    }
