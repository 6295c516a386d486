"""Measurements into the table `benchmarks/results.md`: `python benchmarks/all.py [NAME ...]`.

    python benchmarks/all.py [--pairs N] [--seconds N] [NAME ...]

All together take about an hour, and mean something only where nothing else runs meanwhile. With
names, only those are measured anew and the others' rows stay as they are; one that takes longer
than its share is ended, and its row says so.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.md"
NAMES = (
    "cell",
    "worker",
    "environments",
    "container",
    "parallel",
    "unchanged",
    "rejudge",
    "tools",
    "collect",
    "memory",
    "store",
    "report",
)
WITH_PAIRS = frozenset(NAMES) - {"store"}
SECONDS = 900.0
# As `sides.table` prints a row.
_ROW = re.compile(
    r"  (?P<what>\S.*?) {2,}(?P<figure>[\d.,]+)"
    r"(?:  target (?P<target>[<>]= [\d.,]+)(?P<missed>  MISSED)?)?(?:  (?P<note>.*))?"
)
HEAD = """\
# Measurements

Written by `python benchmarks/all.py`; what each row compares is told at the head of its command and
in [README.md](README.md). Ratios are medians over rounds in which the sides take turns. A row stays
until its command is measured again, so rows may be of different days and commits. A load of more
than a few tenths says that others used the machine: then seconds mean little, and ratios less.

| command | what | figure | target | | how it came about | measured |
|---|---|---|---|---|---|---|
"""


def machine() -> str:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} processors ({platform.machine()}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}"
    )


def commit() -> str:
    """Of the code that is measured; with a plus where it was changed since."""
    told = []
    for command in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "-uno"]):
        done = subprocess.run(
            ["git", *command], cwd=HERE, stdout=subprocess.PIPE, text=True, check=False
        )
        told.append(done.stdout.strip())
    return f"{told[0] or '?'}{'+' if told[1] else ''}"


def run(command: list[str], seconds: float) -> tuple[str, int | None]:
    """What it printed and how it ended; None where its time was up and it was killed."""
    process = subprocess.Popen(
        command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        return process.communicate(timeout=seconds)[0], process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0], None
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def rows(name: str, arguments: list[str], printed: str, code: int | None, when: str) -> list[str]:
    """The lines of the table."""
    command = f"`python benchmarks/{name}.py{''.join(f' {each}' for each in arguments)}`"
    found = []
    for line in printed.splitlines():
        if match := _ROW.fullmatch(line):
            told = {"note": "", **{key: value or "" for key, value in match.groupdict().items()}}
            missed = "**missed**" if told["missed"] else ""
            note = told["note"].strip()
            found.append(
                f"| {command} | {told['what']} | {told['figure']} | {told['target']} | {missed} "
                f"| {note} | {when} |"
            )
    if code is None:
        found.append(f"| {command} | | | | **cut off** | its time was up | {when} |")
    elif code not in {0, 1} or not found:
        found.append(f"| {command} | | | | **failed** | exit status {code} | {when} |")
    return found


def kept(text: str) -> dict[str, list[str]]:
    """The rows of a table by name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := re.match(r"\| `python benchmarks/(\w+)\.py", line):
            found.setdefault(match[1], []).append(line)
    return found


def main() -> int:
    """Measure and write; after each, so that nothing is lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--pairs", type=int, metavar="N", help="rounds of each")
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="N",
        help="that one may take (default: %(default)g)",
    )
    given = parser.parse_args()
    if strangers := set(given.names) - set(NAMES):
        parser.error(f"no such measurement: {json.dumps(sorted(strangers))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and take what runs along
    for name in given.names or NAMES:
        arguments = ["--pairs", str(given.pairs)] if given.pairs and name in WITH_PAIRS else []
        print(f"{name} ...", flush=True)
        today = dt.datetime.now(dt.timezone.utc).date().isoformat()
        load = os.getloadavg()[0]  # what else runs on the machine
        when = f"{today}, {commit()}, {machine()}, load {load:.1f} before"
        printed, code = run([sys.executable, str(HERE / f"{name}.py"), *arguments], given.seconds)
        print(printed, flush=True)
        table = kept(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        table[name] = rows(name, arguments, printed, code, when)
        lines = [line for each in NAMES for line in table.get(each, ())]
        RESULTS.write_text(HEAD + "".join(f"{line}\n" for line in lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
