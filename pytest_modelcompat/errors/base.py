"""Sentences about `base`: the requirements file or lock of production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors.yaml_file import Sentence, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "bad_lock",
    "located_lock_entry",
    "lock_entry_gone",
    "lock_entry_in_versions",
    "lock_entry_without_version",
    "lock_without_project",
    "odd_lock_entry",
    "other_lock_version",
    "unknown_base",
    "unreadable_base",
]


def unknown_base(name: str) -> Sentence:
    """A base in a format that is not read."""
    return Sentence(
        f"The base {shown(name)} is not a requirements file or a lock that is read.",
        "Name a .txt file, which `uv export` and `pip freeze` write, a pylock.toml or a uv.lock.",
    )


def unreadable_base(name: str, largest: int) -> Sentence:
    """Empty, too large (in MiB), or not text."""
    return Sentence(
        f"The base {shown(name)} has no requirements.",
        f"It is UTF-8 text of at most {largest} MiB.",
    )


def bad_lock(name: str, why: str) -> Sentence:
    """A lock that is not of its format."""
    said = why.strip().splitlines()[0].rstrip(".") if why.strip() else "it is nested too deeply"
    return Sentence(f"The base {shown(name)} cannot be read: {said}.", "Write it again.")


def other_lock_version(found: str, known: str) -> str:
    """A lock of another version of its format."""
    return f"it is of version {shown(found)}, and version {known} is read"


def lock_without_project() -> str:
    """A uv.lock of a script."""
    return "there is no project in it, only packages"


def lock_entry_gone(package: str, by: str) -> str:
    """A package that another one needs is not in the lock."""
    return f"{shown(package)}, which {shown(by)} needs, is not in it"


def odd_lock_entry(key: str) -> str:
    """A value of another type than the format has there."""
    return f"what stands under {shown(key)} is missing or of another type"


def located_lock_entry(name: str, package: str, kind: str) -> Sentence:
    """A package that comes from elsewhere than an index."""
    return Sentence(
        f"The base {shown(name)} has {shown(package)} from {kind}, which cannot be pinned.",
        "Put it on an index, or name a requirements file without it.",
    )


def lock_entry_without_version(name: str, package: str) -> Sentence:
    """A package whose version is not in the lock."""
    return Sentence(
        f"The base {shown(name)} has {shown(package)} without a version.",
        "Name a requirements file with the version that production has.",
    )


def lock_entry_in_versions(name: str, package: str, versions: Iterable[str]) -> Sentence:
    """Several versions of one package, and nothing says which one counts where."""
    return Sentence(
        f"The base {shown(name)} has {shown(package)} in several versions "
        f"({', '.join(versions)}) without markers that tell them apart.",
        "Name a requirements file with the version that production has.",
    )
