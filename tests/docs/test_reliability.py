"""docs/reliability.md names tests: each of them is there, and no row hides that it has none."""

from __future__ import annotations

import pytest

from tests.docs.named_tests import ROOT, functions, named, rows, tells

PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")


@pytest.mark.parametrize(("path", "name"), named(PAGE))
def test_each_named_test_is_there(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions(path)


def test_a_row_has_tests_or_says_that_it_has_none() -> None:
    assert PAGE.count("| what becomes of it | shown by |") == 6
    found = rows(PAGE)
    assert len(found) > 50
    for what, becomes, shown in found:
        assert what
        assert becomes, what
        assert tells(shown), what
