"""docs/systems.md has a row for each system, and names tests that are there."""

from __future__ import annotations

import pytest

from tests.docs.named_tests import NONE, ROOT, functions, named, rows, tells

PAGE = (ROOT / "docs" / "systems.md").read_text("utf-8")
NOT_SHOWN = 0
"""Rows without a test; the number goes down and never up."""


@pytest.mark.parametrize(("path", "name"), named(PAGE))
def test_each_named_test_is_there(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions(path)


def test_every_row_says_what_shows_it() -> None:
    found = rows(PAGE)
    assert len(found) > 45
    for cells in found:
        assert len(cells) == 3, cells
        assert cells[0]
        assert tells(cells[2]), cells
        assert cells[1] or cells[2] == NONE, f"{cells[0]}: what is shown?"
    assert sum(cells[2] == NONE for cells in found) == NOT_SHOWN
