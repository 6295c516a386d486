"""How long an environment takes, against plain uv: `python benchmarks/environments.py`.

Both sides have warm caches: ours the lock and uv's wheels (the environment itself is removed
before each measurement), plain uv its wheels and its answers of the index. They alternate, so that
a slow minute of the machine hits both; what is printed is the ratio of the medians.
"""

from __future__ import annotations

import argparse
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


class Ours:
    """An environment as a run makes it."""

    def __init__(self, spec: EnvironmentSpec, cache: Path) -> None:
        self.spec = spec
        self.cache = cache
        self.seconds: list[float] = []

    def make(self) -> None:
        """Once; everything but the lock and uv's cache was removed before."""
        shutil.rmtree(self.cache / "environments", ignore_errors=True)
        began = time.perf_counter()
        made = prepare(self.spec, cache=self.cache)
        self.seconds.append(time.perf_counter() - began)
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
        self.seconds: list[float] = []

    def make(self) -> None:
        """Once; the environment was removed before."""
        shutil.rmtree(self.target, ignore_errors=True)
        began = time.perf_counter()
        for command in self.commands:
            # without our own door to processes: its cost is ours
            subprocess.run([uv.program(), *command], env=self.env, check=True)
        self.seconds.append(time.perf_counter() - began)


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
    middle = [statistics.median(side.seconds[1:]) for side in (ours, plain)]
    ratio = middle[0] / middle[1]
    print(f"environment of {' '.join(spec.requirements)}, Python {given.python}, warm caches")
    print(f"  ours  {middle[0]:.3f} s  (through nox, with hashes)")
    print(f"  plain {middle[1]:.3f} s  (uv venv + uv pip install)")
    print(f"  ratio {ratio:.2f}  (median of {given.pairs} alternating pairs, target {TARGET:.1f})")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
