"""Pages whose tables name tests: `FILE::test`, or that there is none yet."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NONE = "**no test yet**"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_PIECE = re.compile(r"`tests/[\w/]+\.py::test_\w+`")


@cache
def functions(path: str) -> frozenset[str]:
    """Names of the functions of a file, those in classes among them."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def named(page: str) -> list[tuple[str, str]]:
    """(file, test) of each that a page names, once."""
    return sorted(set(_NAMED.findall(page)))


def rows(page: str) -> list[list[str]]:
    """The cells of each row of its tables, heads left out."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    found = [[part.strip() for part in line.split("|")[1:-1]] for line in lines]
    return [cells for cells in found if cells[-1] != "shown by"]


def tells(cell: str) -> bool:
    """Whether a last cell names tests, or says that there is none."""
    return cell == NONE or all(_PIECE.fullmatch(piece) for piece in cell.split("<br>"))
