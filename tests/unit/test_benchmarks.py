"""The measurements can be asked what they are; what they share counts rightly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
COMMANDS = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if path.stem not in {"__init__", "bare", "instant", "sides"}  # these are parts of others
)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_says_what_it_measures(name: str) -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", "--help"],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("usage:")
    assert f"benchmarks/{name}.py" in (FOLDER / "README.md").read_text("utf-8")


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(FOLDER)
    import sides  # noqa: PLC0415 - a script's module

    return sides


def test_sides_take_turns_and_the_first_round_does_not_count(sides) -> None:
    seen: list[str] = []

    def side(name: str, seconds: float):
        def run() -> float:
            seen.append(name)
            return seconds if seen.count(name) > 1 else 99.0

        return run

    assert sides.rounds(3, side("a", 2.0), side("b", 1.0)) == [[2.0] * 3, [1.0] * 3]
    assert "".join(seen) == "baabbaab"


def test_a_ratio_is_the_median_of_the_rounds(sides) -> None:
    row = sides.versus("a / b", [1.0, 4.0, 9.0], [1.0, 2.0, 3.0], 2.5)
    assert (row.ratio, row.kept) == (2.0, True)
    assert not sides.versus("a / b", [3.0], [1.0], 2.5).kept
    assert sides.versus("a / b", [3.0], [1.0], 2.5, most=False).kept


def test_a_missed_target_is_told_and_ends_with_1(sides, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [sides.Row("x", 2.0, 1.0), sides.Row("y", 2.0, None)]
    assert sides.table("title", rows, pairs=1) == 1
    assert capsys.readouterr().out.count("MISSED") == 1
    assert sides.table("title", rows[1:], pairs=1) == 0


@pytest.mark.parametrize("what", ["items", "cells"])
def test_a_run_without_its_measuring_goes_through(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    from instant import matrix, write_corpus  # noqa: PLC0415 - a script's module

    write_corpus(tmp_path / "corpus.bundle", units=2, cases=3)
    (tmp_path / "matrix.yaml").write_text(matrix(5))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "instant",
         f"--instant={what}", "--instant-corpus=corpus.bundle", "--compat-matrix", "matrix.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(FOLDER),
             "MODELCOMPAT_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip

    assert "15 passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, "all", raising=False)
    import all as module  # noqa: PLC0415 - a script's module

    monkeypatch.setattr(module, "RESULTS", tmp_path / "results.md")
    monkeypatch.setattr(module, "HERE", tmp_path)
    (tmp_path / "cell.py").write_text(
        "from sides import Row, table\n"
        "raise SystemExit(table('t', [Row('ours / theirs', 1.5, 1.2, note='3 s / 2 s'),"
        " Row('told', 1234.5, None)], pairs=1))\n"
    )
    (tmp_path / "store.py").write_text(
        "import time; print('  x  1.00', flush=True); time.sleep(99)"
    )
    (tmp_path / "tools.py").write_text("raise SystemExit(3)")
    return module


def test_figures_become_rows_and_rows_stay(every, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))

    def measured(*arguments: str) -> list[list[str]]:
        monkeypatch.setattr(sys, "argv", ["all.py", *arguments])
        assert every.main() == 0
        lines = every.RESULTS.read_text("utf-8").splitlines()
        return [
            [part.strip() for part in line.split("|")[1:-1]]
            for line in lines
            if line.startswith("| `")
        ]

    first = measured("cell")
    assert [row[1:6] for row in first] == [
        ["ours / theirs", "1.50", "<= 1.2", "**missed**", "3 s / 2 s"],
        ["told", "1234.50", "", "", ""],
    ]
    assert first[0][0] == "`python benchmarks/cell.py`"
    cut = measured("store", "--seconds", "0.5")
    assert cut[:2] == first, "they were measured earlier and stay"
    assert [row[1:5] for row in cut[2:]] == [["x", "1.00", "", ""], ["", "", "", "**cut off**"]]
    failed = measured("tools", "cell", "--pairs", "2")
    assert failed[0][0] == "`python benchmarks/cell.py --pairs 2`"
    assert [row[4] for row in failed] == ["**missed**", "", "**failed**", "", "**cut off**"]
