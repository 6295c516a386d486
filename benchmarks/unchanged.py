"""A run where nothing has changed, of 20 cells with some 1,300 cases each, against the first one.

The first run has an empty cache folder of ours: it resolves, installs, collects and measures
(packages come from uv's own cache, as far as they are in it). The unchanged one has the same
command. Between the two is a run with `--compat-fresh`, which finds everything made and measures it
all. Beside them: plain pytest with as many tests that do nothing, which nothing can be faster than.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from xml.etree import ElementTree as ET

from sides import Ours, Row, folder, parser, table, timed, versus

MATRIX = """\
schema: 1
axes:
  framework: {onnxruntime: ["1.19.2", "1.20.1", "1.22.1", "1.23.2", "1.31.1"]}
  python: ["3.11", "3.12"]
  options: {graph_optimization: [disabled, all]}
checks:
  op_support: {corpus: ["onnx==1.16.2"]}
"""
PLAIN = """\
import pytest

@pytest.mark.parametrize("n", range({}))
def test_nothing(n):
    pass
"""


def main() -> int:
    """Measure and print."""
    given = parser(__doc__, pairs=1).parse_args()
    first: list[float] = []
    fresh: list[float] = []
    again: list[float] = []
    plain: list[float] = []
    with folder() as place:
        for number in range(given.pairs):
            cache = place / f"cache{number}"
            ours = Ours(place / f"ours{number}", MATRIX, MODELCOMPAT_CACHE=str(cache))
            first.append(ours.run(fresh=False))
            planned = sum(sum(cell["counts"].values()) for cell in ours.cells())
            fresh.append(ours.run())
            again.append(sorted(ours.run(fresh=False) for _ in range(3))[1])
            kept = [cell for cell in ours.cells() if cell["seconds"]["run"] == 0]
            if len(kept) != len(ours.cells()):
                sys.exit(f"only {len(kept)} of {len(ours.cells())} cells were reused")
            shutil.rmtree(cache)
            junit = ET.parse(ours.place / "reports" / "latest" / "junit.xml")
            items = len(junit.findall(".//testcase"))
            (place / "test_plain.py").write_text(PLAIN.format(items))
            command = [sys.executable, "-m", "pytest", "-q", "--junitxml", "junit.xml",
                       "-p", "no:hypothesispytest", "test_plain.py"]  # fmt: skip
            plain.append(sorted(timed(command, cwd=place)[0] for _ in range(3))[1])
    rows = [
        versus("first run / unchanged run", first, again, 20, most=False),
        Row("unchanged run, s", statistics.median(again), 4.0),
        versus("run with --compat-fresh / unchanged run", fresh, again),
        versus(f"unchanged run / plain pytest with {items:,} tests", again, plain),
    ]
    return table(f"{len(kept)} cells, {planned:,} cases", rows, pairs=given.pairs)


if __name__ == "__main__":
    sys.exit(main())
