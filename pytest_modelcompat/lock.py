"""`modelcompat lock`: resolve what a matrix would install, and install nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_modelcompat.environments.cache import atomic_write, cache_folder
from pytest_modelcompat.environments.interpreters import GLIBC, NoInterpreter, find
from pytest_modelcompat.environments.protocol import Failure
from pytest_modelcompat.environments.releases import releases
from pytest_modelcompat.environments.resolve import resolve
from pytest_modelcompat.environments.spec import environment_of
from pytest_modelcompat.errors import Problem, UsageProblem, command_line
from pytest_modelcompat.errors import places as place_words
from pytest_modelcompat.matrix import load_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import EnvironmentSpec
    from pytest_modelcompat.runner.settings import Members

__all__ = ["lock_matrix"]


def lock_matrix(
    matrix: Path, *, select: str | None, output: Path, members: Members, libc: str | None = None
) -> tuple[list[str], bool]:
    """Resolve each environment of a matrix and write its lock.

    Args:
        matrix: the file.
        select: only these cells.
        output: folder for DIGEST.txt files.
        members: those whose names a matrix may use.
        libc: resolve as if for a machine with this glibc, "2.31"; None for this one.

    Returns:
        One line per environment, and whether all of them could be resolved.

    Raises:
        UsageProblem: mistakes in the matrix, or no cell is left.
        OSError: the folder cannot be made.
    """
    if libc is not None and libc not in GLIBC:
        sentence = place_words.unknown_glibc(libc, GLIBC)
        raise UsageProblem(Problem(message=sentence.message, hint=sentence.hint))
    lookup = partial(releases, cache=cache_folder())
    cells = load_matrix(matrix, select=select, lookup=lookup, **members.names()).cells
    if not cells:
        raise UsageProblem(
            command_line.nothing_selected(select) if select else command_line.no_cells()
        )
    output.mkdir(parents=True, exist_ok=True)  # before minutes of work, not after
    specs = {}
    for cell in cells:
        if cell.skip is None:
            spec = environment_of(cell)
            specs[spec.id] = spec
    lines, complete = [], True
    for spec in specs.values():
        line, resolved = _lock(spec, output, libc)
        lines.append(line)
        complete = complete and resolved
    return lines, complete


def _lock(spec: EnvironmentSpec, output: Path, libc: str | None) -> tuple[str, bool]:
    cache = cache_folder()
    interpreter = find(spec.python, cache=cache)
    if isinstance(interpreter, NoInterpreter):
        return f"{spec.id}: unavailable: {interpreter.reason}", False
    if libc is not None:
        interpreter = replace(interpreter, libc=f"glibc {libc}", here=False)
    resolved = resolve(spec, interpreter, cache=cache)
    if isinstance(resolved, Failure):
        return f"{spec.id}: {resolved.status.value}: {resolved.reason}", False
    lock = resolved.lock
    atomic_write(output / f"{lock.digest}.txt", lock.text)
    return f"{spec.id}: {lock.digest}.txt, {len(lock.packages)} packages", True
