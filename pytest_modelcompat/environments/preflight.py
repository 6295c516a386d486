"""What an environment's files need, held against what its place offers, before anything runs.

The findings are notes: the loader has the last word, and a cell's status comes from what happened.
What is not known of a place is not held against it, and a library that comes with any package of
the environment counts as there, for packages load each other's. So a finding is worth reading, and
none is no promise.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.environments import elf
from pytest_modelcompat.environments.cache import atomic_write
from pytest_modelcompat.environments.offer import Offer, highest, numbers
from pytest_modelcompat.errors import preflight as words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_modelcompat.environments.protocol import Lock

__all__ = ["Finding", "notes", "scan", "sentences"]

SCHEMA = 2
SHOWN = 4  # sentences of each kind
_SHARED = re.compile(r"\.so(\.\d+)*$")
_OF_LOADER = ("ld-linux", "ld64.so", "linux-vdso", "libpython")  # there before anything is loaded
_STRICT = (2, 41)  # the first glibc that makes no stack executable for a loaded library
_STDCXX = "libstdc++.so.6"
_TAG = re.compile(r"^Tag: *\S+-(\S+) *$", re.MULTILINE)
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")
_LINUX = re.compile(r"(?:linux|musllinux_\d+_\d+)_(\w+)")
_OLD = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_SAY = {
    "machine": words.machine, "tag": words.tag, "glibc": words.glibc, "glibcxx": words.glibcxx,
    "library": words.library, "executable_stack": words.executable_stack, "damaged": words.damaged,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One file that may not work in its place.

    Attributes:
        kind: "machine", "tag", "glibc", "glibcxx", "library", "executable_stack" or "damaged".
        file: relative to the package folder.
        wants: what it needs.
        offered: what there is instead; may be empty.
    """

    kind: str
    file: str
    wants: str
    offered: str = ""


def notes(
    packages: Path, lock: Lock, offered: Callable[[], Offer], *, cache: Path
) -> tuple[str, ...]:
    """What a reader of the report must know of an environment's files; looked at once per lock.

    Args:
        packages: its package folder, on this machine.
        lock: what is in it.
        offered: gives what the place where it is used has.
        cache: the cache folder.
    """
    try:
        return _notes(packages, lock, offered(), cache=cache)
    except OSError as error:  # looking must not cost anybody a cell
        return (words.unreadable(error),)


def _notes(packages: Path, lock: Lock, offer: Offer, *, cache: Path) -> tuple[str, ...]:
    known = {**asdict(offer), "libraries": sorted(offer.libraries or ())}
    key = json.dumps([SCHEMA, lock.digest, str(packages), offer.libraries is None, known])
    kept = cache / "preflight" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        return tuple(map(str, json.loads(kept.read_bytes())["notes"]))
    except (OSError, ValueError, KeyError, TypeError):
        found = sentences(scan(packages, offer), offer)
    with contextlib.suppress(OSError):  # without room for it, it is looked at again
        atomic_write(kept, json.dumps({"notes": found}), durable=False)
    return found


def sentences(findings: Iterable[Finding], offer: Offer) -> tuple[str, ...]:
    """Findings for a reader: files with the same need together, a few of each kind."""
    alike: defaultdict[str, defaultdict[tuple[str, str], list[str]]]
    alike = defaultdict(lambda: defaultdict(list))
    libraries: defaultdict[str, list[str]] = defaultdict(list)
    for finding in findings:
        if finding.kind == "library":
            libraries[finding.file].append(finding.wants)
        else:
            alike[finding.kind][finding.wants, finding.offered].append(finding.file)
    for file, wants in libraries.items():  # one that lacks its framework lacks many
        alike["library"][words.several(wants), ""].append(file)
    told: list[str] = []
    for kind, say in _SAY.items():
        # the highest version first: the others say less
        needs = sorted(alike[kind].items(), key=lambda n: (numbers(n[0][0]), n[0]), reverse=True)
        told += [
            say(files[0].rpartition("/")[2], len(files) - 1, wants, offered, offer.place)
            for (wants, offered), files in needs[:SHOWN]
        ]
        if len(needs) > SHOWN:
            told.append(words.more(len(needs) - SHOWN))
    return tuple(told)


def scan(packages: Path, offer: Offer) -> list[Finding]:
    """Everything in a package folder that its place may not be able to load.

    Raises:
        OSError: a file cannot be read.
    """
    found: list[Finding] = []
    objects: list[tuple[Path, elf.SharedObject]] = []
    present: set[str] = set()
    for path in _files(packages):
        name = path.relative_to(packages).as_posix()
        if path.name == "WHEEL":
            found += _of_tags(name, path.read_text("utf-8", "replace"), offer)
            continue
        present.add(path.name)
        try:
            read = elf.read(path)
        except elf.DamagedError as error:
            found.append(Finding(kind="damaged", file=name, wants=str(error)))
            continue
        if read is not None:
            present.add(read.soname)
            objects.append((path, read))
    for path, read in objects:
        found += _of_object(path, read, packages, present, offer)
    return found


def _files(packages: Path) -> Iterator[Path]:
    def raised(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(packages, onerror=raised):
        folders.sort()
        wheel = folder.endswith(".dist-info")
        for name in sorted(names):
            if (".so" in name and _SHARED.search(name)) or (wheel and name == "WHEEL"):
                path = Path(folder, name)
                if path.is_file():  # else a link to nowhere
                    yield path


def _of_object(
    path: Path, read: elf.SharedObject, packages: Path, present: set[str], offer: Offer
) -> Iterator[Finding]:
    name = path.relative_to(packages).as_posix()
    if read.machine != offer.machine:
        yield Finding(kind="machine", file=name, wants=read.machine, offered=offer.machine)
        return
    glibc = highest((version for _, version in read.versions), "GLIBC_")
    if offer.musl and glibc:
        yield Finding(kind="glibc", file=name, wants=f"GLIBC_{_text(glibc)}", offered="musl")
    if offer.glibc is not None and glibc > offer.glibc:
        yield Finding(
            kind="glibc", file=name, wants=f"GLIBC_{_text(glibc)}", offered=_text(offer.glibc)
        )
    glibcxx = highest((version for lib, version in read.versions if lib == _STDCXX), "GLIBCXX_")
    if offer.glibcxx is not None and _STDCXX not in present and glibcxx > offer.glibcxx:
        yield Finding(
            kind="glibcxx", file=name, wants=f"GLIBCXX_{_text(glibcxx)}",
            offered=_text(offer.glibcxx),
        )  # fmt: skip
    if read.executable_stack and (offer.glibc is None or offer.glibc >= _STRICT):
        offered = f"glibc {_text(offer.glibc)}" if offer.glibc else ""
        yield Finding(kind="executable_stack", file=name, wants="executable stack", offered=offered)
    if offer.libraries is not None:
        for library in read.needed:
            there = library in present or library in offer.libraries
            if (
                not there
                and not library.startswith(_OF_LOADER)
                and not _beside(path, read, library)
            ):
                yield Finding(kind="library", file=name, wants=library)


def _beside(path: Path, read: elf.SharedObject, library: str) -> bool:
    """Whether a file's own search path leads to a library; also out of the package folder."""
    if "/" in library:
        return (path.parent / library).exists()
    return any(Path(_filled(folder, path), library).exists() for folder in read.search)


def _filled(folder: str, path: Path) -> str:
    origin = str(path.parent)
    return folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)


def _of_tags(name: str, text: str, offer: Offer) -> Iterator[Finding]:
    """What the wheel says that it is for, in its own tags; one that fits is enough."""
    platforms = [one for tag in _TAG.findall(text) for one in tag.split(".")]
    if not platforms or any(_fits(one, offer) for one in platforms):
        return
    libc = f"glibc {_text(offer.glibc)} on " if offer.glibc else "musl on " if offer.musl else ""
    what = f"{libc}{offer.machine}"
    package = name.split("/")[-2].removesuffix(".dist-info").replace("-", " ")
    yield Finding(kind="tag", file=package, wants=" or ".join(sorted(platforms)), offered=what)


def _fits(platform: str, offer: Offer) -> bool:
    old, _, machine = platform.partition("_")
    floor: tuple[int, ...] | None = _OLD.get(old)
    if match := _MANYLINUX.fullmatch(platform):
        floor, machine = (int(match[1]), int(match[2])), match[3]
    if floor is not None:
        old_enough = not offer.musl and (offer.glibc is None or floor <= offer.glibc)
        return machine == offer.machine and old_enough
    if match := _LINUX.fullmatch(platform):
        musl = platform.startswith("musl")
        return match[1] == offer.machine and not (musl and offer.glibc is not None)
    return platform == "any" or not platform.startswith(("macosx", "win"))


def _text(version: Iterable[int]) -> str:
    return ".".join(map(str, version))
