"""`base`: what production has, under whatever the matrix names itself.

Every line of a requirements.txt, every package of a lock is a requirement of each environment,
except for a package that the matrix names: a framework (and whatever else the same adapter drives,
for two of them would overwrite each other), a `packages` axis, or an entry of `packages`. Hashes
are left out, the lock has its own; options, URLs and paths are mistakes, told with their line, or
with the package in a lock.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pytest_modelcompat.errors import Problem
from pytest_modelcompat.errors import base as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.base_locks import LARGEST_LOCK, is_lock, locked
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.load_values import existing_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.model import Framework
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["beneath", "load_base", "name_of"]

LARGEST = 1 << 20  # bytes
_HASH = re.compile(r"\s--hash=\S+")


def load_base(context: Context, node: Node | None) -> tuple[tuple[str, ...], bytes]:
    """The requirements of the file that a matrix names, and the digest of its bytes."""
    path = existing_path(context, node, "base")
    if path is None or node is None:
        return (), b""
    lock = is_lock(path.name)
    if not (lock or path.suffix in {".txt", ".in"}) or not path.is_file():
        context.reader.tell(words.unknown_base(path.name), node)
        return (), b""
    context.files.append(path)
    data = path.read_bytes()
    largest = LARGEST_LOCK if lock else LARGEST
    try:
        text = data.decode("utf-8-sig") if len(data) <= largest else ""
    except UnicodeDecodeError:
        text = ""
    found, problems = _read(path, text, lock=lock)
    if not found and not problems:
        context.reader.tell(words.unreadable_base(path.name, largest >> 20), node)
        return (), b""
    context.reader.problems.found.extend(problems)
    return tuple(dict.fromkeys(found)), hashlib.sha256(data).digest()


def _read(path: Path, text: str, *, lock: bool) -> tuple[list[str], list[Problem]]:
    """The requirements in the text of a file, and what is wrong in it."""
    if not text.strip():
        return [], []
    if lock:
        found, sentences = locked(path.name, text)
        return found, [Problem(message=s.message, hint=s.hint, file=path) for s in sentences]
    found, problems = [], []
    for line, requirement in _lines(text):
        sentence = grammar.requirement(requirement)
        if sentence is None:
            found.append(requirement)
            continue
        problems.append(Problem(message=sentence.message, hint=sentence.hint, file=path, line=line))
    return found, problems


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Requirements with the lines that they begin on, without comments and hashes."""
    begun, whole = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        part = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        begun = begun if whole else number
        if part.endswith("\\"):
            whole += part[:-1] + " "
            continue
        whole = _HASH.sub("", whole + part).strip()
        if whole:
            yield begun, whole
        whole = ""
    if whole := _HASH.sub("", whole).strip():
        yield begun, whole


@lru_cache(maxsize=4096)
def name_of(requirement: str) -> str:
    """The normalised name of the package that a requirement is about."""
    return canonicalize_name(Requirement(requirement).name)


def beneath(
    base: Iterable[str], framework: Framework, named: Iterable[str]
) -> tuple[list[str], list[str]]:
    """What of the base goes into a cell's environment, and what gives way.

    Args:
        base: all its requirements.
        framework: of the cell.
        named: the requirements that the matrix itself has for the cell.
    """
    known = defaults().distributions
    taken = {name_of(each) for each in named} | {framework.distribution}
    taken |= {name for name, runtime in known.items() if runtime == framework.runtime}
    kept: list[str] = []
    gone: list[str] = []
    for each in base:
        (gone if name_of(each) in taken else kept).append(each)
    return kept, gone
