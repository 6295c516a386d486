"""Every measurement, one after the other, into `benchmarks/results.md`: `python benchmarks/all.py`.

    python benchmarks/all.py [--pairs N] [NAME ...]

It takes about an hour, and means something only where nothing else runs meanwhile. With names, only
those are measured anew and the others keep what they have.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.md"
NAMES = (
    "cell",
    "environments",
    "container",
    "parallel",
    "unchanged",
    "tools",
    "collect",
    "memory",
    "store",
    "report",
)
WITH_PAIRS = frozenset(NAMES) - {"store", "report"}
_SECTION = re.compile(r"^## (\w+)\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
HEAD = """\
# Measurements

Written by `python benchmarks/all.py`; what each compares is told at its head and in
[README.md](README.md). Ratios are medians over rounds in which the sides take turns.

"""


def machine() -> str:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} processors ({platform.machine()}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}"
    )


def measure(name: str, pairs: int | None) -> str:
    """A section of the file."""
    command = [sys.executable, str(HERE / f"{name}.py")]
    if pairs is not None and name in WITH_PAIRS:
        command += ["--pairs", str(pairs)]
    print(f"{name} ...", flush=True)
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    verdict = {0: "", 1: " A target was missed."}.get(done.returncode, " It failed.")
    today = dt.datetime.now(dt.timezone.utc).date().isoformat()
    return (
        f"## {name}\n\n{today}, {machine()}.{verdict}\n\n```text\n{done.stdout.rstrip()}\n```\n\n"
    )


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--pairs", type=int, metavar="N", help="rounds of each")
    given = parser.parse_args()
    if strangers := set(given.names) - set(NAMES):
        parser.error(f"no such measurement: {json.dumps(sorted(strangers))}")
    sections: dict[str, str] = {}
    if RESULTS.exists():
        text = RESULTS.read_text()
        sections = {found[1]: found[0].rstrip() + "\n\n" for found in _SECTION.finditer(text)}
    for name in given.names or NAMES:
        sections[name] = measure(name, given.pairs)
        ordered = [sections[each] for each in NAMES if each in sections]
        RESULTS.write_text((HEAD + "".join(ordered)).rstrip() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
