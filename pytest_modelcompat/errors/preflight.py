"""Sentences about what an environment's files need and its place does not offer.

They are notes of a cell, beside whatever the loader itself says, and never decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "damaged", "executable_stack", "glibc", "glibcxx", "library", "machine", "more", "several",
    "tag", "unreadable",
]  # fmt: skip

_PREFIX = "preflight: "
_NAMED = 4  # libraries of one file


def _who(file: str, others: int) -> str:
    more = f" and {plural(others, 'more file')}" if others else ""
    return f"{_PREFIX}{file}{more}"


def _verb(others: int, one: str, many: str) -> str:
    return many if others else one


def glibc(file: str, others: int, wants: str, offered: str, place: str) -> str:
    """A newer GNU libc."""
    return f"{_who(file, others)} {_verb(others, 'needs', 'need')} {wants}, {place} has {offered}"


glibcxx = glibc  # the C++ library's versions are told alike


def library(file: str, others: int, wants: str, offered: str, place: str) -> str:  # noqa: ARG001
    """A library that neither comes with it nor lies where the loader looks."""
    return (
        f"{_who(file, others)} {_verb(others, 'needs', 'need')} {wants}, not found in the "
        f"environment or on the default library paths of {place}"
    )


def machine(file: str, others: int, wants: str, offered: str, place: str) -> str:
    """Built for another processor."""
    return f"{_who(file, others)} {_verb(others, 'is', 'are')} for {wants}, {place} is {offered}"


def executable_stack(file: str, others: int, wants: str, offered: str, place: str) -> str:  # noqa: ARG001
    """A stack that code can run on, which new loaders refuse."""
    asks = _verb(others, "asks", "ask")
    known = f"; {place} has {offered}" if offered else ""
    return (
        f"{_who(file, others)} {asks} for an executable stack, which "
        f"glibc 2.41 and newer refuse{known}"
    )


def tag(file: str, others: int, wants: str, offered: str, place: str) -> str:
    """A wheel whose own tags say that it is for something else."""
    of = _verb(others, "is from a wheel", "are from wheels")
    return f"{_who(file, others)} {of} for {wants}, {place} is {offered}"


def damaged(file: str, others: int, wants: str, offered: str, place: str) -> str:  # noqa: ARG001
    """A shared object that is cut off."""
    return f"{_who(file, others)} cannot be read as a shared object: {wants}"


def more(count: int) -> str:
    """Findings that are not listed."""
    return f"{_PREFIX}{plural(count, 'more finding')} of this kind"


def several(libraries: Sequence[str]) -> str:
    """Names, the first few of them."""
    named = ", ".join(libraries[:_NAMED])
    left = len(libraries) - _NAMED
    return f"{named} and {left} more" if left > 0 else named


def unreadable(error: OSError) -> str:
    """The environment's files could not be looked at."""
    told = error.strerror or str(error)
    return f"{_PREFIX}the environment's files could not be looked at: {told}"
