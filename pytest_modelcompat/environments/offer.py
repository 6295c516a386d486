"""What a place offers to the shared objects that are to be loaded there."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.worker import libraries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_modelcompat.environments.interpreters import Interpreter

__all__ = ["Found", "Offer", "found_by", "highest", "look", "numbers", "offer_of", "offer_of_host"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a look at a place has found; see `worker/libraries.py`.

    Attributes:
        libraries: names on its default library paths, or None where nobody looked.
        glibcxx: the highest version of its C++ library; empty where there is none.
        musl: its loader is that of musl.
    """

    libraries: tuple[str, ...] | None = None
    glibcxx: str = ""
    musl: bool = False


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What is known of a place; what is not known is never held against anything.

    Attributes:
        place: what it is called in a sentence.
        machine: of its processor.
        glibc: its version, or None where it has another libc, or none is known.
        glibcxx: the highest GLIBCXX version of its C++ library, or None where that is not known.
        libraries: names on its default library paths, or None where they are not known.
        musl: its libc is musl, which runs nothing that was built for the GNU libc.
    """

    place: str
    machine: str
    glibc: tuple[int, ...] | None = None
    glibcxx: tuple[int, ...] | None = None
    libraries: frozenset[str] | None = None
    musl: bool = False


@functools.cache
def look() -> str:
    """The program that looks at a place: defines `offered(folders)` for any Python there."""
    return Path(libraries.__file__).read_text("utf-8")


def found_by(told: Mapping[str, Any]) -> Found:
    """The record of what `offered` gave.

    Raises:
        KeyError: it is not whole.
    """
    return Found(
        libraries=tuple(map(str, told["libraries"])),
        glibcxx=str(told["glibcxx"]),
        musl=bool(told["musl"]),
    )


def offer_of(python: Interpreter, place: str, found: Found) -> Offer:
    """What a place offers to an interpreter of it.

    Args:
        python: what it told of itself.
        place: what it is called in a sentence.
        found: by a look there.
    """
    return Offer(
        place=place,
        machine={"arm64": "aarch64", "amd64": "x86_64"}.get(python.machine, python.machine),
        glibc=python.glibc,
        glibcxx=numbers(found.glibcxx) or None,
        libraries=None if found.libraries is None else frozenset(found.libraries),
        musl=found.musl and python.glibc is None,
    )


def offer_of_host(python: Interpreter) -> Offer:
    """What this machine offers to an interpreter of it, libraries included."""
    # those beside the interpreter itself (conda) are found through its own search path
    beside = python.path.resolve().parent.parent / "lib"
    return offer_of(python, "this machine", _found_here(str(beside)))


def numbers(version: str) -> tuple[int, ...]:
    """GLIBC_2.28 as numbers; nothing for one that has none (GLIBC_PRIVATE)."""
    tail = version.rpartition("_")[2]
    return tuple(map(int, tail.split("."))) if re.fullmatch(r"\d+(\.\d+)*", tail) else ()


def highest(versions: Iterable[str], prefix: str) -> tuple[int, ...]:
    """The highest of those versions that begin so; nothing where there is none."""
    return max((numbers(one) for one in versions if one.startswith(prefix)), default=())


@functools.cache
def _found_here(beside: str) -> Found:
    return found_by(libraries.offered([beside]))
