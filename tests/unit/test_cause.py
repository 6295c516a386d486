"""The decisive line of a resolver's explanation, whatever the resolver writes around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.report.data import read
from pytest_modelcompat.report.markdown import markdown
from pytest_modelcompat.report.terminal import summary
from pytest_modelcompat.report.view import build
from pytest_modelcompat.results.cause import cause
from tests.browser.folders import Made, small

NO_WHEEL = """\
error: No solution found when resolving dependencies
  cause: Because onnxruntime==1.16.3 has no wheels with a matching Python ABI tag (e.g., `cp312`) \
and you require onnxruntime==1.16.3, we can conclude that your requirements are unsatisfiable.

hint: You require CPython 3.12 (`cp312`), but we only found wheels for other ones
"""
CONFLICT = """\
  x No solution found when resolving dependencies:
  ╰─▶ Because onnx==1.18.0 depends on protobuf>=4.25.1 and you require
      protobuf>=3,<3.20, we can conclude that your requirements and
      onnx==1.18.0 are incompatible.
      And because you require onnx==1.18.0, we can conclude that your
      requirements are unsatisfiable.
"""
LONG = """\
error: No solution found when resolving dependencies
  cause: Because a==1 depends on b>1, we can conclude that a<2 depends on b>1.
         And because c==1 depends on b<1, we can conclude that a and c are incompatible.
         And because you require a and c>=1,<3, we can conclude that your requirements are \
unsatisfiable.
"""


TOLD = {
    NO_WHEEL: "Because onnxruntime==1.16.3 has no wheels with a matching Python ABI tag (e.g., "
    "`cp312`) and you require onnxruntime==1.16.3.",
    CONFLICT: "Because onnx==1.18.0 depends on protobuf>=4.25.1 and you require protobuf>=3,<3.20, "
    "we can conclude that your requirements and onnx==1.18.0 are incompatible.",
    LONG: "Because a==1 depends on b>1, we can conclude that a<2 depends on b>1. And because c==1 "
    "depends on b<1, we can conclude that a and c are incompatible.",
}


@pytest.mark.parametrize(("explanation", "told"), TOLD.items(), ids=["wheel", "conflict", "long"])
def test_what_decides_is_left(explanation: str, told: str) -> None:
    assert cause(words.no_solution(explanation)) == told


@pytest.mark.parametrize("reason", ["", "no CUDA here\nlong story", "Because I say so"])
def test_other_reasons_are_what_they_were(reason: str) -> None:
    assert cause(reason) == reason


@pytest.mark.parametrize("width", [60, 100])
def test_every_summary_says_it_within_its_width(tmp_path: Path, width: int) -> None:
    no = {"status": "unsatisfiable", "cases": "OO"}
    cells = [
        Made(version="1.0", cases="PP"),
        Made(version="1.1", reason=words.no_solution(NO_WHEEL), **no),
        Made(version="1.2", reason=words.no_solution(CONFLICT), **no),
    ]
    folder = small(tmp_path, cells)
    lines = summary(folder, width).splitlines()
    told = " ".join(" ".join(lines).split())
    assert "Because onnxruntime==1.16.3 has no wheels with a matching Python ABI tag" in told
    assert "Because onnx==1.18.0 depends on protobuf>=4.25.1 and you require protobuf>=3" in told
    assert max(map(len, lines[:-1])) <= width
    assert "Because onnx==1.18.0 depends on protobuf>=4.25.1" in markdown(build(read(folder)))


def test_a_run_of_which_nothing_was_measured_says_it_first(tmp_path: Path) -> None:
    made = Made(
        version="1.2", status="unsatisfiable", cases="O", reason=words.no_solution(CONFLICT)
    )
    said = summary(small(tmp_path, [made]), 100)
    assert "1 cell unsatisfiable: Because onnx==1.18.0 depends on protobuf>=4.25.1" in said
