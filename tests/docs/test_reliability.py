"""docs/reliability.md names tests: each of them is there, and no row hides that it has none."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


@cache
def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_each_named_test_is_there(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions(path)


def test_a_row_has_tests_or_says_that_it_has_none() -> None:
    heads = [row for row in ROWS if row.endswith("| what becomes of it | shown by |")]
    rows = [row for row in ROWS if row not in heads]
    assert len(heads) == 6
    assert len(rows) > 50
    for row in rows:
        _, what, becomes, shown, _ = (part.strip() for part in row.split("|"))
        assert what, row
        assert becomes, row
        pieces = shown.split("<br>")
        assert pieces == ["**no test yet**"] or all(
            re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", piece) for piece in pieces
        ), row
