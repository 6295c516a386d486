"""A warm cell with the node tests of onnx 1.22.0 on onnxruntime 1.31.1, against doing it by hand.

A is `pytest --compat-matrix --compat-fresh`: its one cell (worker started, cases run, judged and
stored), and the whole process with pytest, plan, store, output files and report. B is a bare
process that loads, runs and compares the same cases (`bare.py`), and the runner that onnx itself
has for them, `onnx.backend.test` under pytest.
"""

from __future__ import annotations

import json
import sys

from sides import HERE, PYTHON, Ours, environment, folder, parser, rounds, table, timed, versus

RUNTIME, CORPUS = "1.31.1", "1.22.0"
MATRIX = f"""\
schema: 1
axes:
  framework: {{onnxruntime: ["{RUNTIME}"]}}
  python: ["{PYTHON}"]
checks:
  op_support: {{corpus: ["onnx=={CORPUS}"]}}
"""
BACKEND = """\
import onnx.backend.test
import onnxruntime.backend

runner = onnx.backend.test.BackendTest(onnxruntime.backend, __name__)
OnnxBackendNodeModelTest = runner.test_cases["OnnxBackendNodeModelTest"]
"""


def main() -> int:
    """Measure and print."""
    made = parser(__doc__, pairs=9)
    made.add_argument("--without-backend-test", action="store_true", help="leave the slow side out")
    given = made.parse_args()
    with folder() as place:
        ours = Ours(place / "ours", MATRIX)
        python = environment(
            place / "bare", f"onnxruntime=={RUNTIME}", f"onnx=={CORPUS}", "ml_dtypes", "pytest"
        )
        (place / "test_backend.py").write_text(BACKEND)
        cell: list[float] = []
        loop: list[float] = []

        def product() -> float:
            seconds = ours.run()
            cell.extend(ours.cell_seconds())
            return seconds

        def bare() -> float:
            seconds, printed = timed([python, HERE / "bare.py"], cwd=place)
            loop.append(json.loads(printed)["seconds"])
            return seconds

        def backend() -> float:
            command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_backend.py"]
            return timed(command, cwd=place, good=(0, 1))[0]

        whole, by_hand = rounds(given.pairs, product, bare)
        rows = [
            versus("cell / bare process", cell[1:], by_hand, 1.2),
            versus("whole run / bare process", whole, by_hand),
            versus("cell / loop of the bare process", cell[1:], loop[1:]),
        ]
        if not given.without_backend_test:
            cell.clear()
            whole, theirs = rounds(max(1, given.pairs // 3), product, backend)
            rows += [
                versus("onnx.backend.test by pytest / cell", theirs, cell[1:], 8, most=False),
                versus("onnx.backend.test by pytest / whole run", theirs, whole),
            ]
    return table(f"node tests of onnx {CORPUS} on onnxruntime {RUNTIME}", rows, pairs=given.pairs)


if __name__ == "__main__":
    sys.exit(main())
