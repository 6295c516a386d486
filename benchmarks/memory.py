"""How much memory the host takes for 1,000,000 results, from the matrix to the report.

500 cells of 2,000 cases each; only environments and workers are instant (`instant.py`), which
answer faster than any real ones. The first line is this package: plan, schedule, judgements on
the board, store, output files and page. The second has pytest around it, with its 100,000 items.
Each is the largest resident size of a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from instant import install, matrix, write_corpus
from sides import HERE, Row, folder, parser, surroundings, table

from pytest_modelcompat import pipeline

CASES, UNITS, CELLS = 2000, 200, 500
TARGET = 300


def host(place: Path) -> None:
    """All steps of a run, without pytest."""
    install(place / "corpus.bundle", what="cells")
    settings = pipeline.Settings(
        files=(place / "matrix.yaml",), report=place / "report", root=place, jobs=2, fresh=True
    )
    loaded = pipeline.Loaded(settings, pipeline.load(settings))
    planned = pipeline.plan(pipeline.corpora(loaded))
    selection = {each.cell.id: range(each.size) for each in planned.plan.cells}
    running = pipeline.start(planned, selection)
    pipeline.finish(running)
    running.abandon()


def spent(command: list[str], place: Path, said: str) -> tuple[float, float]:
    """MB at most and seconds of a process that must say something."""
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    began = time.perf_counter()
    with (place / "output.txt").open("w+b") as output:
        process = subprocess.Popen(
            command, cwd=place, env=surroundings(PYTHONPATH=path), stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        output.seek(0)
        printed = output.read().decode()
    if process.returncode or said not in printed:
        sys.exit(f"it ended with {process.returncode}:\n{printed[-3000:]}")
    return usage.ru_maxrss / 1024, seconds


def main() -> int:
    """Measure and print."""
    made = parser(__doc__, pairs=1)
    made.add_argument("--cells", type=int, default=CELLS)
    made.add_argument("--without-pytest", action="store_true", help="the first line alone")
    made.add_argument("--place", type=Path, help="be the process that is measured")
    given = made.parse_args()
    if given.place:
        host(given.place)
        return 0
    with folder() as place:
        write_corpus(place / "corpus.bundle", units=UNITS, cases=CASES // UNITS)
        (place / "matrix.yaml").write_text(matrix(given.cells))
        (place / "pytest.ini").write_text("[pytest]\n")
        ours = [sys.executable, str(HERE / "memory.py"), "--place", str(place)]
        size, seconds = spent(ours, place, "")
        rows = [Row("host, MB", size, TARGET, note=f"{seconds:.0f} s")]
        if not given.without_pytest:
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "instant",
                       "--instant=cells", "--instant-corpus=corpus.bundle",
                       "--compat-matrix", "matrix.yaml", "--compat-fresh"]  # fmt: skip
            size, seconds = spent(command, place, f"{given.cells * (UNITS + 1)} passed")
            rows.append(Row("host and pytest, MB", size, None, note=f"{seconds:.0f} s"))
    title = f"{given.cells * CASES:,} results in {given.cells} cells"
    return table(title, rows, pairs=1)


if __name__ == "__main__":
    sys.exit(main())
