"""SIGKILL pytest at random moments of a run with containers, and look at what is left.

As a command: `python -m tests.e2e.docker_kills --count 50 --seed 1`. Besides the run's own, a
stranger's container is there all the time, and has to be there afterwards.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import engine
from tests.e2e.kills import processes
from tests.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 5.0
MATRIX = """\
schema: 1
axes:
  framework: {onnxruntime: ["1.23.2"]}
  python: [image]
  image: ["modelcompat/debian:bookworm", "{image: 'modelcompat/debian:trixie'}"]
checks:
  op_support: {corpus: ["onnx==1.18.0"], match: ["A*", "C*", "R*", "S*"]}
""".replace('"{', "{").replace('}"]', "}]")
ARGUMENTS = ("--compat-matrix=matrices/m.yaml", "--compat-fresh", "-q", "-p", "no:cacheprovider")


@dataclass
class Tally:
    kills: int = 0
    unlucky: int = 0  # the run was over before the kill
    left: list[str] = field(default_factory=list)


def _left(mark: str, before: dict[str, list[str]]) -> list[str]:
    """What is there and should not be, or is not there and should."""
    end = time.monotonic() + PATIENCE
    while True:
        now = engine.everything()
        found = [
            f"{name}: {before[name]} -> {now[name]}" for name in now if now[name] != before[name]
        ]
        found += processes(mark)
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.1)


def kills(count: int, seed: int, base: Path) -> Iterator[Tally]:
    """Kill `count` runs; yields the tally after each."""
    chance = random.Random(seed)
    cache = base / "cache"
    made = Project(
        {"matrices/m.yaml": MATRIX, "pytest.ini": "[pytest]\n"},
        env={"MODELCOMPAT_CACHE": str(cache)},
    )
    stranger = engine.docker(
        "run", "--detach", "--rm", "modelcompat/debian:bookworm", "sleep", "3000"
    )
    try:
        made.run(base / "warm", *ARGUMENTS)
        began = time.monotonic()
        calm = made.run(base / "calm", *ARGUMENTS)
        seconds = time.monotonic() - began
        assert {cell["status"] for cell in calm.run["cells"]} == {"completed"}, calm.out
        assert not engine.left()
        before = engine.everything()
        tally = Tally()
        while tally.kills < count:
            running = made.start(base / "run", *ARGUMENTS)
            assert running.stdout is not None
            end = time.monotonic() + chance.uniform(0.05, seconds)
            while time.monotonic() < end and running.poll() is None:
                time.sleep(0.005)
            over = running.poll() is not None
            if not over:
                os.kill(running.pid, signal.SIGKILL)
            running.wait()
            running.stdout.close()
            if over:
                tally.unlucky += 1
                continue
            tally.kills += 1
            tally.left += _left(str(base), before)
            yield tally
        assert stranger in engine.docker("ps", "--quiet", "--no-trunc").split()
    finally:
        engine.docker("rm", "--force", stranger, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="docker-kills-") as base:
        for tally in kills(arguments.count, arguments.seed, Path(base)):
            sys.stdout.write(f"{tally}\n")
            sys.stdout.flush()
    clean = not tally.left
    sys.stdout.write(f"{tally.kills} kills, seed {arguments.seed}: ")
    sys.stdout.write("clean\n" if clean else "NOT CLEAN\n")
    return 0 if clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
