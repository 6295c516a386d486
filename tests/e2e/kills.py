"""SIGKILL pytest at random moments and look at what is left.

As a command: `python -m tests.e2e.kills --count 100 --seed 1`. Each sequence kills a run a few
times, then lets it finish, and holds the result against an undisturbed run's. What counts as
acknowledged is what another process could read from the store before the kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.project import Project, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

MATRIX = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.20.1", "1.23.2"]
  options:
    graph_optimization: [all, disabled]
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: ["A*", "C*", "M*", "R*", "S*"]
"""

PATIENCE = 5.0  # seconds within which everything must be gone
PER_RUN = 5  # kills before a run is left to finish


@dataclass
class Tally:
    """What the kills did."""

    kills: int = 0
    unlucky: int = 0  # the run was over before the kill
    acknowledged: int = 0
    lost: int = 0
    left: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    finished: int = 0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.left or self.damaged or self.different)


def project(cache: Path) -> Project:
    return Project(
        {"matrices/kills.yaml": MATRIX, "pytest.ini": "[pytest]\n"},
        env={"MODELCOMPAT_CACHE": str(cache)},
    )


ARGUMENTS = ("--compat-matrix=matrices/kills.yaml", "-q", "-p", "no:cacheprovider")


def acknowledged(store: Path) -> dict[tuple[str, int], str]:
    """(cell, n) -> status of every row that another process can read now."""
    if not store.is_file():
        return {}
    try:
        connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)
    except sqlite3.OperationalError:
        return {}
    try:
        rows = connection.execute(
            "SELECT cell.id, measurement.key & ((1 << 32) - 1), judgement.status"
            " FROM measurement JOIN judgement USING (key)"
            " JOIN cell ON cell.key = measurement.key >> 32"
        ).fetchall()
    except sqlite3.OperationalError:
        return {}  # the tables are not there yet
    finally:
        connection.close()
    return {(cell, n): str(status) for cell, n, status in rows}


def processes(mark: str) -> list[str]:
    """Command lines of live processes that have to do with a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((entry / "cwd").readlink())
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z" and (mark in command or where.startswith(mark)):
            found.append(f"{entry.name} {command}")
    return found


def outcome(result: Result) -> tuple[list[Any], list[Any]]:
    """What must be equal between two runs: all but times and ids of the moment."""
    cells = [
        [cell["axes"], cell["status"], cell["outcome"], cell["counts"]]
        for cell in result.run["cells"]
    ]
    moment = ("seconds", "repro", "peak_rss")
    cases = sorted(
        json.dumps({k: v for k, v in case.items() if k not in moment}, sort_keys=True)
        for case in result.cases
    )
    return cells, cases


def undisturbed(folder: Path, cache: Path) -> tuple[list[Any], list[Any]]:
    result = project(cache).run(folder, *ARGUMENTS)
    said = result.out + result.err
    assert result.code in {0, 1}, said
    assert (result.report / "run.json").is_file(), said
    return outcome(result)


def kill_once(folder: Path, cache: Path, *, after: float, tally: Tally) -> bool:
    """Kill one run; whether it was over before that."""
    store = folder / "reports" / "latest" / "run.sqlite"
    running = project(cache).start(folder, *ARGUMENTS)
    assert running.stdout is not None
    end = time.monotonic() + after
    while time.monotonic() < end and running.poll() is None:
        time.sleep(0.01)
    over = running.poll() is not None
    seen = {} if over else acknowledged(store)
    if not over:
        os.kill(running.pid, signal.SIGKILL)
    running.wait()
    running.stdout.close()
    if over:
        tally.unlucky += 1
        return True
    tally.kills += 1
    tally.acknowledged += len(seen)
    left = _gone(str(cache))
    tally.left += left
    _check_store(store, seen, tally)
    return False


def _gone(mark: str) -> list[str]:
    end = time.monotonic() + PATIENCE
    while left := processes(mark):
        if time.monotonic() > end:
            return left
        time.sleep(0.05)
    return []


def _check_store(store: Path, seen: dict[tuple[str, int], str], tally: Tally) -> None:
    if not store.is_file():
        tally.lost += len(seen)
        return
    kept = acknowledged(store)
    tally.lost += sum(1 for key, status in seen.items() if kept.get(key) != status)
    connection = sqlite3.connect(store)
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    finally:
        connection.close()
    if verdict != "ok":
        tally.damaged.append(verdict)


def sequences(count: int, seed: int, base: Path) -> Iterator[Tally]:
    """Kill `count` times; yields the tally after each sequence of kills and its finished run."""
    chance = random.Random(seed)
    cache = base / "cache"
    started = time.monotonic()
    undisturbed(base / "warm", cache)
    shutil.rmtree(cache / "results", ignore_errors=True)
    started = time.monotonic()
    expected = undisturbed(base / "calm", cache)
    seconds = time.monotonic() - started
    tally = Tally()
    number = 0
    while tally.kills < count:
        number += 1
        shutil.rmtree(cache / "results", ignore_errors=True)
        folder = base / f"run-{number}"
        for _ in range(min(PER_RUN, count - tally.kills)):
            if kill_once(folder, cache, after=chance.uniform(0.05, seconds), tally=tally):
                break
        result = project(cache).run(folder, *ARGUMENTS)
        tally.finished += 1
        if result.code not in {0, 1} or outcome(result) != expected:
            tally.different.append(f"run {number}: exit {result.code}")
        shutil.rmtree(folder, ignore_errors=True)
        yield tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="kills-") as base:
        for tally in sequences(arguments.count, arguments.seed, Path(base)):
            sys.stdout.write(f"{tally}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{tally.kills} kills, seed {arguments.seed}: ")
    sys.stdout.write("clean\n" if tally.clean else "NOT CLEAN\n")
    return 0 if tally.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
