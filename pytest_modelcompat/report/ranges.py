"""Condensed version ranges: `1.17.3–1.20.1 ✗ · 1.21.0+ ✓`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Range", "condense", "turns"]


@dataclass(frozen=True, kw_only=True)
class Range:
    """Neighbouring versions in which the same was seen.

    Attributes:
        first, last: versions.
        open: whether `last` is the newest version tested; nothing is said beyond it.
        state: index in CASE_STATES.
        versions: how many versions it joins.
        bad, total: cases that gave this state, and all cases, in the range's last version.
    """

    first: str
    last: str
    open: bool
    state: int
    versions: int
    bad: int
    total: int

    @property
    def text(self) -> str:
        """`1.21.0+` up to the newest version tested, `1.17.3–1.20.1`, or one version."""
        if self.first == self.last:
            return self.first
        return f"{self.first}+" if self.open else f"{self.first}–{self.last}"


def condense(seen: Sequence[tuple[str, int, int, int]]) -> tuple[Range, ...]:
    """Joins neighbouring versions of one state.

    Args:
        seen: (version, state, bad, total) of every version tested, oldest first.

    Returns:
        The ranges, oldest first; only the last can be open.
    """
    ranges: list[Range] = []
    start = 0
    for end in range(1, len(seen) + 1):
        if end < len(seen) and seen[end][1] == seen[start][1]:
            continue
        last = seen[end - 1]
        ranges.append(
            Range(
                first=seen[start][0],
                last=last[0],
                open=end == len(seen),
                state=last[1],
                versions=end - start,
                bad=last[2],
                total=last[3],
            )
        )
        start = end
    return tuple(ranges)


def turns(good: Sequence[bool]) -> int:
    """How often good turns into bad or back; two or more is not monotone."""
    return sum(a != b for a, b in zip(good, good[1:], strict=False))
