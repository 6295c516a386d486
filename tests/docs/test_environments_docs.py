"""The examples of docs/environments.md are loaded, beside the files that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_modelcompat.environments.registry import KINDS
from pytest_modelcompat.matrix.load import load_matrix

PAGE = (Path(__file__).parents[2] / "docs" / "environments.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml *\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
FILES = ("noxfile.py", "tox.ini")


def test_every_example_is_taken():
    assert len(BLOCKS) == PAGE.count("```yaml")


@pytest.mark.parametrize("text", BLOCKS, ids=range(1, len(BLOCKS) + 1))
def test_an_example_loads(text: str, tmp_path: Path):
    for name in FILES:
        (tmp_path / name).write_text("", "utf-8")
    file = tmp_path / "matrices" / "example.yaml"
    file.parent.mkdir()
    file.write_text(text, "utf-8")
    assert load_matrix(file).cells


def test_every_kind_is_told():
    told = set(re.findall(r"^\| `\{kind: (\w+)|^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))
    assert set(KINDS) - {"docker"} <= {one or other for one, other in told}
