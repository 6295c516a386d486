"""What the side-by-side measurements share: environments by plain uv, runs of ours, pairs, tables.

Everything is timed as a whole process, from its start to its end, unless a line says otherwise.
Sides alternate, so that a slow minute of the machine hits all of them, and a ratio is the median of
the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.cache import cache_folder
from pytest_modelcompat.environments.interpreters import NoInterpreter, find

PYTHON = "3.11"
HERE = Path(__file__).resolve().parent
_KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
_KEPT_PREFIXES = ("UV_", "PIP_", "MODELCOMPAT_", "PYTHONPATH")


class Seconds(float):
    """As they passed; `processor` are those that the process and its children computed."""

    processor: float = 0.0


@dataclass(frozen=True)
class Row:
    """One line of a table: a ratio and what it is held against.

    Attributes:
        what: the two sides, A / B.
        ratio: the median of the rounds.
        target: what it should be; None where it is only told.
        most: the target is the largest good value, else the smallest.
        note: the medians that it comes from.
    """

    what: str
    ratio: float
    target: float | None
    most: bool = True
    note: str = ""

    @property
    def kept(self) -> bool:
        """Whether the target is met."""
        if self.target is None:
            return True
        return self.ratio <= self.target if self.most else self.ratio >= self.target


def parser(doc: str | None, *, pairs: int) -> argparse.ArgumentParser:
    """The options that every measurement has."""
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    made.add_argument(
        "--pairs", type=int, default=pairs, metavar="N", help="rounds (default: %(default)s)"
    )
    return made


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        yield Path(name)


def interpreter(wanted: str = PYTHON) -> Path:
    """The interpreter that our cells of this Python run on."""
    found = find(wanted, cache=cache_folder())
    if isinstance(found, NoInterpreter):
        sys.exit(found.reason)
    return found.path


def environment(place: Path, *requirements: str) -> Path:
    """An environment made by plain uv; returns its interpreter."""
    python = place / "bin" / "python"
    env = uv.tool_environment()
    for command in (
        ["venv", "--quiet", "--python", interpreter(), place],
        ["pip", "install", "--quiet", "--compile-bytecode", "--python", python, *requirements],
    ):
        subprocess.run([uv.program(), *command], env=env, check=True)
    return python


def surroundings(**more: str) -> dict[str, str]:
    """The environment variables of both sides: settings of pip, uv and ours, nothing of pytest."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    return {**kept, **more}


def timed(
    command: Sequence[str | Path], *, cwd: Path, good: Sequence[int] = (0,), **env: str
) -> tuple[Seconds, str]:
    """Seconds of a whole process, and what it printed; ends the measurement where it failed."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd, env=surroundings(**env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = Seconds(time.perf_counter() - began)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds.processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    if done.returncode not in good:
        sys.exit(
            f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return seconds, done.stdout


class Ours:
    """Runs of this plugin in a folder of their own.

    Args:
        place: an empty folder.
        matrix: the text of the matrix.
        env: environment variables of its runs.
    """

    def __init__(self, place: Path, matrix: str, **env: str) -> None:
        place.mkdir()
        (place / "pytest.ini").write_text("[pytest]\n")
        (place / "matrix.yaml").write_text(matrix)
        self.place, self.env = place, env

    def run(self, *options: str, fresh: bool = True) -> Seconds:
        """Once; seconds of the whole process. Whether cases fail is not the question here."""
        command = [sys.executable, "-m", "pytest", "--compat-matrix", "matrix.yaml", *options]
        # Users need not have it; it takes half a second of every run at its end.
        command += ["-p", "no:hypothesispytest"]
        if fresh:
            command.append("--compat-fresh")
        seconds, _ = timed(command, cwd=self.place, good=(0, 1), **self.env)
        if not self.cells():
            sys.exit("the run has no cells")
        return seconds

    def cells(self) -> list[dict[str, object]]:
        """The cells of the last run."""
        found = json.loads((self.place / "reports" / "latest" / "run.json").read_text())
        cells: list[dict[str, object]] = found["cells"]
        return cells

    def cell_seconds(self) -> list[float]:
        """How long each cell of the last run ran, worker's start and end included."""
        return [float(cell["seconds"]["run"]) for cell in self.cells()]  # type: ignore[index]

    def install_seconds(self) -> list[float]:
        """How long each environment of a cell of the last run took, once its lock was there."""
        text = (self.place / "reports" / "latest" / "run.json").read_text()
        made = [one for one in json.loads(text)["environments"] if one["role"] == "cell"]
        return [0.0 if one.get("reused") else float(one["seconds"]["install"]) for one in made]


def rounds(number: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Seconds of each side in each round; the order turns, and a first round is not counted."""
    found: list[list[float]] = [[] for _ in sides]
    for count in range(number + 1):
        order = range(len(sides)) if count % 2 else range(len(sides) - 1, -1, -1)
        for side in order:
            seconds = sides[side]()
            if count:
                found[side].append(seconds)
    return found


def versus(
    what: str,
    one: Sequence[float],
    other: Sequence[float],
    target: float | None = None,
    *,
    most: bool = True,
) -> Row:
    """A row of two sides that took turns: the median of the rounds' ratios."""
    note = f"{statistics.median(one):.2f} s / {statistics.median(other):.2f} s"
    computed = [
        statistics.median(getattr(each, "processor", 0.0) for each in side) for side in (one, other)
    ]
    if all(computed):
        note += f" (of the processor: {computed[0]:.2f} s / {computed[1]:.2f} s)"
    ratio = statistics.median(a / b for a, b in zip(one, other, strict=True))
    return Row(what, ratio, target, most=most, note=note)


def table(title: str, rows: Sequence[Row], *, pairs: int) -> int:
    """Print it; the exit status, 1 where a target is missed."""
    print(f"{title} ({pairs} alternating rounds, {len(os.sched_getaffinity(0))} processors)")
    width = max(len(row.what) for row in rows)
    for row in rows:
        held = ""
        if row.target is not None:
            sign = "<=" if row.most else ">="
            held = f"  target {sign} {row.target:g}{'' if row.kept else '  MISSED'}"
        print(f"  {row.what:{width}}  {row.ratio:6.2f}{held}  {row.note}")
    return 0 if all(row.kept for row in rows) else 1
