"""How long an environment takes, against plain uv: `python benchmarks/environments.py`.

Both sides have warm caches: ours the lock and uv's wheels (the environment itself is removed
before each measurement), plain uv its wheels and its answers of the index. They alternate, so that
a slow minute of the machine hits both; what is printed is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.interpreters import NoInterpreter, default_python, find
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure
from pytest_modelcompat.environments.registry import prepare
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.model import Image

TARGET = 1.0


def used() -> tuple[float, float]:
    """Seconds by the clock, and of processors, this process' and its ended children's."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in usage)


class Ours:
    """An environment as a run makes it."""

    def __init__(self, spec: EnvironmentSpec, cache: Path) -> None:
        self.spec = spec
        self.cache = cache
        self.seconds: list[tuple[float, float]] = []

    def make(self) -> None:
        """Once; everything but the lock and uv's cache was removed before."""
        shutil.rmtree(self.cache / "environments", ignore_errors=True)
        began = used()
        made = prepare(self.spec, cache=self.cache)
        self.seconds.append(tuple(end - start for end, start in zip(used(), began, strict=True)))
        if isinstance(made, Failure) or made.reused:
            sys.exit(getattr(made, "reason", "it was still there: nothing was measured"))


class Plain:
    """The same two commands that one would type."""

    def __init__(self, spec: EnvironmentSpec, python: Path, folder: Path) -> None:
        self.target = folder / "plain"
        self.commands = (
            ["venv", "--quiet", "--python", python, self.target],
            ["pip", "install", "--quiet", "--python", self.target / "bin/python"],
        )
        self.commands[1].extend(spec.requirements)
        self.env = uv.tool_environment()
        self.seconds: list[tuple[float, float]] = []

    def make(self) -> None:
        """Once; the environment was removed before."""
        shutil.rmtree(self.target, ignore_errors=True)
        began = used()
        for command in self.commands:
            # without our own door to processes: its cost is ours
            subprocess.run([uv.program(), *command], env=self.env, check=True)
        self.seconds.append(tuple(end - start for end, start in zip(used(), began, strict=True)))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requirements", nargs="+", default=["onnxruntime==1.20.1", "numpy<2.3"])
    parser.add_argument("--python", default=default_python())
    parser.add_argument("--pairs", type=int, default=11)
    given = parser.parse_args()
    spec = make_spec(
        role="cell", image=Image(), python=given.python, requirements=given.requirements
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = find(given.python, cache=folder / "cache")
        if isinstance(found, NoInterpreter):
            sys.exit(found.reason)
        ours, plain = Ours(spec, folder / "cache"), Plain(spec, found.path, folder)
        for number in range(given.pairs + 1):
            for side in (ours, plain) if number % 2 else (plain, ours):
                side.make()
    # the first pair has filled the caches
    rows = [list(zip(*side.seconds[1:], strict=True)) for side in (ours, plain)]
    print(f"environment of {' '.join(spec.requirements)}, Python {given.python}, warm caches")
    middle = [statistics.median(clock) for clock, _ in rows]
    for name, seconds, (clock, processors) in zip(("ours", "plain"), middle, rows, strict=True):
        print(
            f"  {name:5} {seconds:.3f} s, fastest {min(clock):.3f} s, "
            f"processors {statistics.median(processors):.3f} s"
        )
    ratio = middle[0] / middle[1]
    fastest = min(rows[0][0]) / min(rows[1][0])
    print(f"  {fastest:.2f} of the fastest; load {os.getloadavg()[0]:.1f}")
    note = f"{middle[0]:.3f} s / {middle[1]:.3f} s"
    missed = "" if ratio <= TARGET else "  MISSED"
    print(f"  ours / uv venv + uv pip install  {ratio:.2f}  target <= {TARGET:g}{missed}  {note}")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
