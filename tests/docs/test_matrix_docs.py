"""The examples of the pages about the matrix are loaded; the wrong one is refused with a hint."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.load import load_matrix
from pytest_modelcompat.matrix.load_axes import AXES_KEYS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "matrix.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml *(\w*)\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
MORE = (ROOT / "docs" / "producers.md").read_text("utf-8")
BUILT = re.findall(r"^```yaml\n(.*?)^```$", MORE, flags=re.DOTALL | re.MULTILINE)
VARIANTS = (ROOT / "docs" / "variants.md").read_text("utf-8")


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "matrices" / "models", tmp_path / "models")
    return tmp_path


def examples(kind: str):
    found = [text for mark, text in BLOCKS if mark == kind]
    assert found
    return pytest.mark.parametrize("text", found, ids=range(1, len(found) + 1))


def test_every_example_is_of_a_known_kind():
    assert {mark for mark, _ in BLOCKS} == {"", "known", "wrong"}
    assert len(BLOCKS) == PAGE.count("```yaml")


@examples("")
def test_an_example_loads(folder: Path, text: str):
    file = folder / "example.yaml"
    file.write_text(text, "utf-8")
    matrix = load_matrix(file, lookup=lambda *_: ("1.15.1", "1.18.0", "1.20.1", "2.0.0rc1"))
    assert matrix.cells
    assert all(cell.checks for cell in matrix.cells)


@pytest.mark.parametrize("text", BUILT, ids=range(1, len(BUILT) + 1))
def test_an_example_of_built_models_loads(folder: Path, text: str):
    file = folder / "example.yaml"
    file.write_text(text, "utf-8")
    models = [model for cell in load_matrix(file).cells for e in cell.checks for model in e.models]
    assert all(model.producers for model in models)


def test_the_example_of_variants_loads(folder: Path):
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", VARIANTS, flags=re.DOTALL | re.MULTILINE)
    file = folder / "example.yaml"
    file.write_text(text, "utf-8")
    models = [model for cell in load_matrix(file).cells for e in cell.checks for model in e.models]
    assert [model.variant_of.model for model in models if model.variant_of] == ["digits"] * 2


def test_the_example_of_a_build_function_is_one():
    (code,) = re.findall(r"^```python\n(.*?)^```$", MORE, flags=re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    exec(compile(code, "build.py", "exec"), names)
    assert callable(names["build"])


@examples("known")
def test_known_issues_load(folder: Path, text: str):
    (folder / "known.yaml").write_text(text, "utf-8")
    file = folder / "example.yaml"
    first = next(block for mark, block in BLOCKS if not mark)
    file.write_text(f"{first}known_issues: [known.yaml]\n", "utf-8")
    assert len(load_matrix(file).known_issues) == text.count("- id:")


@examples("wrong")
def test_a_mistake_is_told_with_its_place_and_what_was_meant(folder: Path, text: str):
    file = folder / "example.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(UsageProblem) as caught:
        load_matrix(file)
    (problem,) = caught.value.problems
    assert problem.line == 5
    assert "'python'" in problem.hint


def test_the_table_of_axes_is_complete():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    assert sorted(rows) == sorted(AXES_KEYS)
