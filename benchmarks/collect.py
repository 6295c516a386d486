"""180,000 cases in 20,000 items: how long pytest takes to collect them, and to report them all.

A is `pytest --compat-matrix` of 100 cells with 200 operators of 9 cases each, where every case has
its result at once (`instant.py`). B is plain pytest with 20,000 parametrized tests that do nothing.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
from collections import defaultdict

from instant import matrix, write_corpus
from sides import HERE, Row, folder, parser, rounds, table, timed, versus

CELLS, UNITS, CASES = 100, 200, 9
PLAIN = f"""\
import pytest

@pytest.mark.parametrize("n", range({CELLS * UNITS}))
def test_nothing(n):
    pass
"""
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


def row(what: str, passed: list[float], computed: list[float], target: float) -> Row:
    """Seconds of a step, as they passed; beside them those of the processor."""
    note = f"{statistics.median(computed):.2f} s of the processor"
    return Row(what, statistics.median(passed), target, note=note)


def main() -> int:
    """Measure and print."""
    given = parser(__doc__, pairs=5).parse_args()
    steps: dict[str, list[float]] = defaultdict(list)
    with folder() as place:
        corpus = place / "corpus.bundle"
        write_corpus(corpus, units=UNITS, cases=CASES)
        (place / "matrix.yaml").write_text(matrix(CELLS))
        (place / "test_plain.py").write_text(PLAIN)
        (place / "pytest.ini").write_text("[pytest]\n")

        def ours() -> float:
            command = [*PYTEST, "-p", "instant", "--instant=items", f"--instant-corpus={corpus}",
                       "--compat-matrix", "matrix.yaml"]  # fmt: skip
            seconds, printed = timed(command, cwd=place, PYTHONPATH=path)
            assert f"{CELLS * UNITS + CELLS} passed" in printed, printed[-2000:]
            for name, value in re.findall(r"(\w+)=([\d.]+)", printed.rpartition("seconds:")[2]):
                steps[name].append(float(value))
            return seconds

        def plain() -> float:
            return timed([*PYTEST, "test_plain.py"], cwd=place)[0]

        path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
        whole, by_pytest = rounds(given.pairs, ours, plain)
    for values in steps.values():
        del values[0]
    rows = [
        row("collect, s", steps["collect"], steps["collect_computed"], 1.5),
        row("report all items, s", steps["run"], steps["run_computed"], 3.0),
        versus("whole run / plain pytest with as many tests", whole, by_pytest),
    ]
    title = f"{CELLS * UNITS * CASES:,} cases in {CELLS * UNITS:,} items"
    return table(title, rows, pairs=given.pairs)


if __name__ == "__main__":
    sys.exit(main())
