"""20 cells on 2 processors with `--compat-jobs 2`, against the sum of the single cells / 2.

The cells differ in an environment variable only, so that they share an environment and do the same
work: the node tests of onnx 1.22.0 on onnxruntime 1.31.1. The single cells are those of a run with
`--compat-jobs 1`. What both runs do before and after their cells (pytest, plan, output files,
report) is in the second line only.

Two processors of a machine are seldom twice one: they may share a core, or its host. So the same
rounds hold one bare process that loads, runs and compares the cases (`bare.py`), and two at once,
which need nothing from each other.
"""

from __future__ import annotations

import os
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor

from sides import HERE, PYTHON, Ours, Row, environment, folder, parser, rounds, table, timed

CELLS, JOBS = 20, 2
MATRIX = f"""\
schema: 1
axes:
  framework: {{onnxruntime: ["1.31.1"]}}
  python: ["{PYTHON}"]
  env: {{BENCHMARK_CELL: [{", ".join(f'"{number}"' for number in range(CELLS))}]}}
checks:
  op_support: {{corpus: ["onnx==1.22.0"]}}
"""


def main() -> int:
    """Measure and print."""
    given = parser(__doc__, pairs=3).parse_args()
    processors = sorted(os.sched_getaffinity(0))[:JOBS]
    if len(processors) < JOBS:
        sys.exit(f"it needs {JOBS} processors")
    os.sched_setaffinity(0, processors)
    sums: list[float] = []
    with folder() as place:
        ours = Ours(place / "ours", MATRIX)

        def single() -> float:
            whole = ours.run("--compat-jobs", "1")
            sums.append(sum(ours.cell_seconds()))
            return whole

        def parallel() -> float:
            return ours.run("--compat-jobs", str(JOBS))

        python = environment(place / "bare", "onnxruntime==1.31.1", "onnx==1.22.0", "ml_dtypes")

        def bare() -> float:
            return timed([python, HERE / "bare.py"], cwd=place)[0]

        def at_once() -> float:
            with ThreadPoolExecutor(JOBS) as pool:
                return statistics.mean(pool.map(lambda _: bare(), range(JOBS)))

        one, two, alone, together = rounds(given.pairs, single, parallel, bare, at_once)
    del sums[0]
    # Outside of the cells both runs do the same, one thing after the other.
    cells = [b - (a - total) for a, b, total in zip(one, two, sums, strict=True)]
    ideal = [total / JOBS for total in sums]
    rows = [
        Row(
            f"sum of {CELLS} single cells / {JOBS} / all cells with {JOBS} jobs",
            statistics.median(a / b for a, b in zip(ideal, cells, strict=True)),
            0.85,
            most=False,
            note=f"{statistics.median(ideal):.2f} s / {statistics.median(cells):.2f} s",
        ),
        Row(
            f"a bare process alone / one of {JOBS} at once",
            statistics.median(a / b for a, b in zip(alone, together, strict=True)),
            None,
            note=f"{statistics.median(alone):.2f} s / {statistics.median(together):.2f} s",
        ),
        Row(
            f"whole run with 1 job / {JOBS} / whole run with {JOBS} jobs",
            statistics.median(a / JOBS / b for a, b in zip(one, two, strict=True)),
            None,
            note=f"{statistics.median(one) / JOBS:.2f} s / {statistics.median(two):.2f} s",
        ),
    ]
    return table(f"{CELLS} cells on {JOBS} processors", rows, pairs=given.pairs)


if __name__ == "__main__":
    sys.exit(main())
