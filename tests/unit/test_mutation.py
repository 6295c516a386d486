"""The bookkeeping of mutation testing, and that its document tells of code that is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation import EXPLAINED, PACKAGE, Change, changes, explained, named, wanted

ROOT = Path(__file__).parents[2]
TOLD = explained((ROOT / EXPLAINED).read_text("utf-8"))


@pytest.mark.parametrize(
    ("mutant", "file", "function"),
    [
        ("x_matches__mutmut_4", "matrix/match.py", "matches"),
        ("x__fits__mutmut_12", "matrix/match.py", "_fits"),
        ("x___mutmut_1__mutmut_2", "matrix/match.py", "__mutmut_1"),
        ("xǁJudgeǁ__init____mutmut_1", "matrix/match.py", "Judge.__init__"),
    ],
)
def test_a_mutant_is_named_by_its_file_and_function(mutant, file, function) -> None:
    assert named(f"{PACKAGE}.matrix.match.{mutant}") == (file, function)


DOCUMENT = """
## `a/b.py`
Some words.
### `first`
```diff
-    x = 1
+    x = None

-    same
-    again
```
### `Class.second`
```python
-    no diff
```
```diff
+ added
```
## c.py
### `third`
```diff
- y
+ z
```
"""


def test_a_document_explains_what_stands_below_its_headings() -> None:
    assert explained(DOCUMENT) == [
        Change("a/b.py", "first", ("x = 1",), ("x = None",)),
        Change("a/b.py", "first", ("same", "again"), ()),
        Change("a/b.py", "Class.second", (), ("added",)),
        Change("c.py", "third", ("y",), ("z",)),
    ]


def test_a_block_without_signs_is_told() -> None:
    with pytest.raises(ValueError, match="not a change of f g"):
        changes("-x\ny", "f", "g")


def test_files_are_named_by_their_ends(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    assert wanted(["match.py"]) == ["matrix/match.py"]
    assert wanted(["results/judge.py", "match.py"]) == ["matrix/match.py", "results/judge.py"]
    assert {"matrix/match.py", "results/tolerance.py"} <= set(wanted([]))
    for nobody in ("atch.py", "cli.py"):
        with pytest.raises(SystemExit, match=nobody):
            wanted([nobody])


@pytest.mark.parametrize("change", TOLD, ids=str)
def test_what_is_explained_is_still_there(change: Change) -> None:
    text = (ROOT / PACKAGE / change.file).read_text("utf-8")
    *scopes, name = change.function.split(".")
    tree: ast.AST = ast.parse(text)
    for scope in (*scopes, name):
        (tree,) = (
            node
            for node in ast.iter_child_nodes(tree)
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == scope
        )
    there = [line.strip() for line in (ast.get_source_segment(text, tree) or "").splitlines()]
    assert set(change.removed) <= set(there)
    assert change.removed != change.added


def test_each_is_explained_once() -> None:
    assert len(TOLD) == len(set(TOLD)) > 0
