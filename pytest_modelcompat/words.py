"""Numbers and lists in sentences, for everything that speaks to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["count", "join", "plural"]


def count(value: int) -> str:
    """An integer with thousands separated by commas."""
    return f"{value:,}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """`3 cases`, `1 case`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def join(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:  # noqa: PLR2004
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
