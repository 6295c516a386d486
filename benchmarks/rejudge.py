"""A stored run of 20 cells with some 1,800 cases each, judged again by other tolerances.

The run is that of all node tests of onnx 1.22.0 on onnxruntime 1.31.1. Wider tolerances turn few
cases, tighter ones a quarter of them. The bare process only reads the lines of the run's
`cases.jsonl.gz` as JSON, and writes them; it compares nothing.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections import defaultdict

from sides import PYTHON, Ours, Row, Seconds, folder, parser, rounds, table, timed, versus

CELLS = 20
TARGET = 2.0
MATRIX = f"""\
schema: 1
axes:
  framework: {{onnxruntime: ["1.31.1"]}}
  python: ["{PYTHON}"]
  env: {{CELL: [{", ".join(f'"{n}"' for n in range(CELLS))}]}}
checks:
  op_support: {{corpus: ["onnx==1.22.0"]}}
"""
TOLERANCES = {"wider": "float32:rtol=1e-2,atol=1e-4", "tighter": "float32:rtol=1e-7,atol=1e-9"}
BARE = """\
import gzip, json, sys

with gzip.open(sys.argv[1]) as file, gzip.open(sys.argv[2], "wb", 6) as other:
    for line in file:
        other.write(json.dumps(json.loads(line), separators=(",", ":")).encode() + b"\\n")
"""


def main() -> int:
    """Measure and print."""
    given = parser(__doc__, pairs=5).parse_args()
    told: dict[str, str] = defaultdict(str)
    with folder() as place:
        ours = Ours(place / "ours", MATRIX)
        measured = ours.run()
        latest = ours.place / "reports" / "latest"

        def again(which: str) -> Seconds:
            command = [sys.executable, "-m", "pytest_modelcompat.cli", "rejudge", latest,
                       "--output", place / which, "--tolerance", TOLERANCES[which]]  # fmt: skip
            seconds, told[which] = timed(command, cwd=place)
            return seconds

        def bare() -> Seconds:
            command = [sys.executable, "-c", BARE, latest / "cases.jsonl.gz", place / "lines.gz"]
            return timed(command, cwd=place)[0]

        wider, tighter, lines = rounds(
            given.pairs, lambda: again("wider"), lambda: again("tighter"), bare
        )
    rows = []
    for name, seconds in (("wider", wider), ("tighter", tighter)):
        computed = statistics.median(getattr(each, "processor", 0.0) for each in seconds)
        note = f"{computed:.2f} s of the processor; {_changed(told[name])} of them changed"
        rows.append(Row(f"{name} tolerances, s", statistics.median(seconds), TARGET, note=note))
    rows += [
        versus("run with --compat-fresh / wider", [measured] * len(wider), wider),
        versus("wider / bare process that copies the lines", wider, lines),
    ]
    judged = told["wider"].split()[0]
    return table(f"{CELLS} cells, {judged} cases judged again", rows, pairs=given.pairs)


def _changed(printed: str) -> str:
    """How many cases had another status."""
    found = re.search(r"([\d,]+) changed", printed)
    return found[1] if found else "?"


if __name__ == "__main__":
    sys.exit(main())
