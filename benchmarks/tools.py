"""The same small matrix by `pytest --compat-matrix`, and written by hand in nox with pip.

Four releases of onnxruntime, on each of them the node tests of onnx 1.22.0 that are about some
operators. By hand means: a noxfile with a session for each release, in virtual environments that
nox makes with virtualenv and pip fills (their caches are warm, as ours are), where pytest runs
onnx's own runner for the same cases.
"""

from __future__ import annotations

import sys

from sides import (
    PYTHON,
    Ours,
    environment,
    folder,
    interpreter,
    parser,
    rounds,
    table,
    timed,
    versus,
)

RELEASES = ["1.20.1", "1.22.1", "1.23.2", "1.31.1"]
CORPUS = "1.22.0"
# fmt: off
OPERATORS = [
    "Conv", "ConvTranspose", "Gemm", "MatMul", "MaxPool", "AveragePool", "Softmax", "Pad",
    "ReduceSum", "ReduceMean", "Slice", "Squeeze", "Unsqueeze", "Resize", "Clip", "Cast",
]
# fmt: on
MATRIX = f"""\
schema: 1
axes:
  framework: {{onnxruntime: [{", ".join(f'"{each}"' for each in RELEASES)}]}}
  python: ["{PYTHON}"]
checks:
  op_support: {{corpus: ["onnx=={CORPUS}"], match: [{", ".join(OPERATORS)}]}}
"""
NOXFILE = """\
import nox

nox.options.default_venv_backend = "virtualenv"


@nox.session(python={python!r}, reuse_venv={reuse})
@nox.parametrize("release", {releases})
def operators(session, release):
    session.install(f"onnxruntime=={{release}}", "onnx=={corpus}", "pytest", "numpy<2.3")
    session.run("pytest", "-q", "-p", "no:cacheprovider", "test_operators.py", success_codes=[0, 1])
"""
TESTS = """\
import onnx.backend.test
import onnxruntime.backend
from onnx.backend.test.loader import load_model_tests

WANTED = {operators!r}
runner = onnx.backend.test.BackendTest(onnxruntime.backend, __name__)


def subject(case):
    import onnx
    nodes = onnx.load(case.model_dir + "/model.onnx").graph.node
    return nodes[0].op_type if nodes else ""


for each in load_model_tests(kind="node"):
    if subject(each) in WANTED:
        runner.include(f"^{{each.name}}_cpu$")
OnnxBackendNodeModelTest = runner.test_cases["OnnxBackendNodeModelTest"]
"""


def main() -> int:
    """Measure and print."""
    given = parser(__doc__, pairs=3).parse_args()
    with folder() as place:
        ours = Ours(place / "ours", MATRIX)
        tool = environment(place / "tool", "nox", "virtualenv")
        hand = place / "hand"
        hand.mkdir()
        (hand / "test_operators.py").write_text(TESTS.format(operators=set(OPERATORS)))

        def by_hand(*, reuse: bool) -> float:
            text = NOXFILE.format(
                python=str(interpreter()), reuse=reuse, releases=RELEASES, corpus=CORPUS
            )
            (hand / "noxfile.py").write_text(text)
            return timed([tool, "-m", "nox"], cwd=hand)[0]

        one, two, three = rounds(
            given.pairs, ours.run, lambda: by_hand(reuse=False), lambda: by_hand(reuse=True)
        )
        planned = sum(sum(cell["counts"].values()) for cell in ours.cells())
    rows = [
        versus("nox with pip / ours", two, one, 5, most=False),
        versus("nox with pip, environments reused (-r) / ours", three, one),
    ]
    return table(f"{len(RELEASES)} cells, {planned:,} cases", rows, pairs=given.pairs)


if __name__ == "__main__":
    sys.exit(main())
