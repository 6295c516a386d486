"""`base`: what production has, under whatever the matrix names itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.load import load_matrix

FILE = """\
# made by hand
numpy==1.26.4 \\
    --hash=sha256:0000 \\
    --hash=sha256:1111
onnxruntime-gpu==1.19.0  # gives way: the same adapter drives it
protobuf==4.25.0 ; python_version < "3.13"
six==1.16.0
"""
MATRIX = """\
base: requirements.txt
packages: ["protobuf>=5"]
axes:
  framework: {onnxruntime: ["1.20.1"]}
  packages: {six: ["1.17.0"]}
"""


def load(folder: Path, file: str | bytes, matrix: str = MATRIX):
    (folder / "requirements.txt").write_bytes(file.encode() if isinstance(file, str) else file)
    (folder / "m.yaml").write_text(matrix)
    return load_matrix(folder / "m.yaml")


def test_what_the_matrix_names_wins(tmp_path: Path) -> None:
    (cell,) = load(tmp_path, FILE).cells
    assert cell.requirements == (
        "onnxruntime==1.20.1", "six==1.17.0", "protobuf>=5", "numpy==1.26.4"
    )  # fmt: skip
    assert cell.rules == (
        "base: onnxruntime-gpu==1.19.0 gives way",
        'base: protobuf==4.25.0 ; python_version < "3.13" gives way',
        "base: six==1.16.0 gives way",
    )


def test_another_base_is_another_matrix(tmp_path: Path) -> None:
    one = load(tmp_path, FILE).digest
    assert load(tmp_path, FILE + "attrs\n").digest != one


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--index-url https://example.org", "is an option"),
        ("-r other.txt", "is an option"),
        ("-e .", "is an option"),
        ("six @ https://example.org/six.whl", "is a URL"),
        ("git+https://example.org/x.git", "is a VCS reference"),
        ("./six.whl", "is a path"),
        ("six==", "is not a requirement"),
    ],
)
def test_mistakes_are_told_with_file_and_line(line: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as caught:
        load(tmp_path, f"{FILE}{line}\n")
    (problem,) = caught.value.problems
    assert words in problem.message
    assert (problem.file, problem.line) == (tmp_path / "requirements.txt", 8)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"# nothing\n" * 200_000])
def test_what_is_no_text_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="has no requirements"):
        load(tmp_path, data)


@pytest.mark.parametrize("name", ["poetry.lock", "Pipfile.lock", "lock.toml"])
def test_other_formats_are_refused_with_the_way_out(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("version = 1")
    with pytest.raises(UsageProblem, match="is not a requirements file"):
        load(tmp_path, FILE, MATRIX.replace("requirements.txt", name))
