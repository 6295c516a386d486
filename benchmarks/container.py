"""A container cell with the node tests of onnx 1.22.0, against `docker run` doing it by hand.

A is the one cell of `pytest --compat-matrix --compat-fresh`: container made, worker started, cases
run, judged and stored, container gone. B is `docker run` of the same image and packages with a
process that loads, runs and compares the same cases (`bare.py`), with the engine's defaults instead
of our confinement. The start is that of a cell with one operator, against `docker run` of the same
interpreter that imports the runtime. The last row is what a second cell on the same image and lock
costs, in an empty cache: nothing is installed again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sides import HERE, Ours, Row, folder, parser, rounds, table, timed, versus

from pytest_modelcompat.environments import uv

RUNTIME, CORPUS = "1.31.1", "1.22.0"
IMAGE, PYTHON, PLATFORM = "modelcompat/debian:bookworm", "3.11.2", "x86_64-manylinux_2_36"
MATRIX = """\
schema: 1
axes:
  framework: {{onnxruntime: ["{runtime}"]}}
  python: [image]
  image: ["{image}"{another}]
checks:
  op_support: {{corpus: ["onnx=={corpus}"]{more}}}
"""


def tree(place: Path) -> Path:
    """The same packages as a folder, installed by plain uv and compiled by the image's Python."""
    place.mkdir()
    subprocess.run(
        [
            *(uv.program(), "pip", "install", "--quiet", "--target", place),
            *("--python-version", PYTHON),
            *("--python-platform", PLATFORM, "--only-binary", ":all:"),
            *(f"onnxruntime=={RUNTIME}", f"onnx=={CORPUS}", "ml_dtypes"),
        ],
        env=uv.tool_environment(), check=True,
    )  # fmt: skip
    compile_all = ("python3", "-m", "compileall", "-q", "/site")
    subprocess.run(
        ["docker", "run", "--rm", "-v", f"{place}:/site", IMAGE, *compile_all],
        check=False, capture_output=True,
    )  # fmt: skip
    return place


def main() -> int:
    """Measure and print."""
    given = parser(__doc__, pairs=5).parse_args()
    with folder() as place:
        texts = {"image": IMAGE, "corpus": CORPUS, "runtime": RUNTIME}
        whole = Ours(place / "whole", MATRIX.format(more="", another="", **texts))
        relu = ", match: [Relu]"
        one = Ours(place / "one", MATRIX.format(more=relu, another="", **texts))
        # another environment, for its containers are others, but not another tree
        another = f", {{image: '{IMAGE}', shm: 128MiB, id: second}}"
        two = Ours(
            place / "two",
            MATRIX.format(more=relu, another=another, **texts),
            MODELCOMPAT_CACHE=str(place / "cache"),
        )
        site = tree(place / "site")
        docker = [
            *("docker", "run", "--rm", "--network", "none", "-e", "PYTHONPATH=/site"),
            *("-v", f"{site}:/site:ro", "-v", f"{HERE / 'bare.py'}:/bare.py:ro", IMAGE, "python3"),
        ]
        loops: list[float] = []

        def cell(ours: Ours) -> float:
            ours.run()
            return ours.cell_seconds()[0]

        def by_hand() -> float:
            seconds, printed = timed([*docker, "/bare.py"], cwd=place)
            loops.append(json.loads(printed.splitlines()[-1])["seconds"])
            return seconds

        def importing() -> float:
            return timed([*docker, "-c", "import onnxruntime"], cwd=place)[0]

        cells, bare = rounds(given.pairs, lambda: cell(whole), by_hand)
        small, imports = rounds(given.pairs, lambda: cell(one), importing)
        late = sorted(a - b for a, b in zip(small, imports, strict=True))[given.pairs // 2]
        two.run()
        installs = two.install_seconds()
        rows = [
            versus("container cell / docker run of the bare process", cells, bare, 1.5),
            Row("start: seconds more than docker run with an import", late, 0.5),
            Row(
                "seconds of installing for a second cell on the same image and lock",
                min(installs),
                0.0,
            ),
        ]
    return table(f"node tests of onnx {CORPUS} in {IMAGE}", rows, pairs=given.pairs)


if __name__ == "__main__":
    sys.exit(main())
