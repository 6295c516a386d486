"""Versions and what was found in each, condensed to ranges that claim nothing that was not tested.

A range runs from its first to its last tested version; what was not released or not tested in
between is not spoken of, except that versions which were planned but gave no data are named. Only
a range that reaches the newest planned version is open ("1.21.0+").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = ["Range", "in_order", "is_version", "label", "monotone", "ranges"]

S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Range(Generic[S]):
    """Neighbouring versions with the same state.

    Attributes:
        state: what was found in each of `versions`.
        versions: those that gave data, oldest first.
        gaps: planned versions between them that gave none.
        oldest: whether it begins at the oldest planned version.
        newest: whether it ends at the newest planned version.
    """

    state: S
    versions: tuple[str, ...]
    gaps: tuple[str, ...] = ()
    oldest: bool = False
    newest: bool = False

    @property
    def first(self) -> str:
        """The oldest version of the range."""
        return self.versions[0]

    @property
    def last(self) -> str:
        """The newest tested version of the range."""
        return self.versions[-1]


def is_version(text: str) -> bool:
    """Whether it has a place among versions: "installed" has none."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def in_order(versions: Iterable[str]) -> list[str]:
    """Distinct versions, oldest first; what is no version ("installed") comes last, by name."""

    def place(version: str) -> tuple[int, Version, str]:
        try:
            return 0, Version(version), version
        except InvalidVersion:
            return 1, Version("0"), version

    return sorted(set(versions), key=place)


def ranges(versions: Sequence[str], states: Mapping[str, S]) -> tuple[Range[S], ...]:
    """Condense.

    Args:
        versions: all that were planned, oldest first.
        states: version -> what was found; a version without data is absent.

    Returns:
        Ranges, oldest first; two neighbours never have the same state.
    """
    found: list[Range[S]] = []
    waiting: list[str] = []  # versions without data since the last one with some
    for place, version in enumerate(versions):
        if version not in states:
            waiting.append(version)
            continue
        state = states[version]
        newest = place == len(versions) - 1
        if found and found[-1].state == state:
            last = found[-1]
            found[-1] = Range(
                state=state,
                versions=(*last.versions, version),
                gaps=(*last.gaps, *waiting),
                oldest=last.oldest,
                newest=newest,
            )
        else:
            found.append(Range(state=state, versions=(version,), oldest=place == 0, newest=newest))
        waiting = []
    return tuple(found)


def monotone(found: Sequence[Range[S]], good: Collection[S]) -> bool:
    """Whether what once worked never stopped working, and did not come and go."""
    works = [each.state in good for each in found]
    return works == sorted(works)


def label(found: Range[S]) -> str:
    """The range as text: `1.17.3–1.20.1`, `1.21.0+`, `1.31.1`."""  # noqa: RUF002 - a range
    if found.newest and len(found.versions) > 1:
        return f"{found.first}+"
    if found.first == found.last:
        return found.first
    return f"{found.first}–{found.last}"  # noqa: RUF001 - a range
