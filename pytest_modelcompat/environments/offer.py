"""What a place offers to the shared objects that are to be loaded there."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.environments import elf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_modelcompat.environments.interpreters import Interpreter

__all__ = ["Offer", "highest", "numbers", "offer_of", "offer_of_host"]

_CONFIGURED = Path("/etc/ld.so.conf")
_DEPTH = 5  # of files that include files
_FOREIGN = re.compile(r"^(\w+)-linux-(gnu|musl)\w*$")


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What is known of a place; what is not known is never held against anything.

    Attributes:
        place: what it is called in a sentence.
        machine: of its processor.
        glibc: its version, or None where it has another libc, or none is known.
        glibcxx: the highest GLIBCXX version of its C++ library, or None where that is not known.
        libraries: names on its default library paths, or None where they are not known.
    """

    place: str
    machine: str
    glibc: tuple[int, ...] | None = None
    glibcxx: tuple[int, ...] | None = None
    libraries: frozenset[str] | None = None


def offer_of(python: Interpreter, place: str) -> Offer:
    """What an interpreter elsewhere has told of its place."""
    return Offer(place=place, machine=_machine(python), glibc=python.glibc)


def offer_of_host(python: Interpreter) -> Offer:
    """What this machine offers to an interpreter of it, libraries included."""
    machine = _machine(python)
    # those beside the interpreter itself (conda) are found through its own search path
    folders = [python.path.resolve().parent.parent / "lib", *_folders(machine)]
    names, glibcxx = _libraries(tuple(dict.fromkeys(folders)))
    return Offer(
        place="this machine", machine=machine, glibc=python.glibc, glibcxx=glibcxx, libraries=names
    )


def numbers(version: str) -> tuple[int, ...]:
    """GLIBC_2.28 as numbers; nothing for one that has none (GLIBC_PRIVATE)."""
    tail = version.rpartition("_")[2]
    return tuple(map(int, tail.split("."))) if re.fullmatch(r"\d+(\.\d+)*", tail) else ()


def highest(versions: Iterable[str], prefix: str) -> tuple[int, ...]:
    """The highest of those versions that begin so; nothing where there is none."""
    return max((numbers(one) for one in versions if one.startswith(prefix)), default=())


def _machine(python: Interpreter) -> str:
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(python.machine, python.machine)


@functools.cache
def _libraries(folders: tuple[Path, ...]) -> tuple[frozenset[str], tuple[int, ...] | None]:
    names: set[str] = set()
    glibcxx: list[tuple[int, ...]] = []
    for folder in folders:
        if not folder.is_dir():
            continue
        here = {entry.name for entry in os.scandir(folder) if ".so" in entry.name}
        names |= here
        if "libstdc++.so.6" in here:
            glibcxx.append(highest(_defined(folder / "libstdc++.so.6"), "GLIBCXX_"))
    return frozenset(names), max(glibcxx, default=None) or None


def _defined(library: Path) -> tuple[str, ...]:
    try:
        found = elf.read(library)
    except elf.DamagedError:
        return ()  # not known, then
    return found.defines if found else ()


def _folders(machine: str) -> Iterator[Path]:
    """Where the loader looks by itself, without those of other processors."""
    places = [Path(place) for place in _configured(_CONFIGURED, 0)]
    for top in ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"):
        places += [Path(top), Path(top, f"{machine}-linux-gnu")]
    for place in places:
        foreign = _FOREIGN.match(place.name)
        if not (foreign and foreign[1] != machine):
            yield place


def _configured(file: Path, depth: int) -> Iterator[str]:
    if depth > _DEPTH or not file.is_file():
        return
    for line in file.read_text("utf-8", "replace").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("include "):
            for pattern in text.split()[1:]:
                whole = file.parent / pattern
                for one in sorted(Path("/").glob(str(whole).lstrip("/"))):
                    yield from _configured(one, depth + 1)
        elif text.startswith("/"):
            yield text
