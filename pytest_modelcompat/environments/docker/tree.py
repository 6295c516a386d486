"""The packages of a container's environment: a folder in the cache, mounted read-only.

Installed from outside by uv for the image's exact interpreter (`mount`, see `environments/tree.py`)
or by the image's own pip in a container that is thrown away (`inside`). Either way the folder is
kept under the lock's digest and whatever else decides what is in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.cache import (
    MARKER,
    atomic_write,
    file_lock,
    lock_of,
    made_anew,
)
from pytest_modelcompat.environments.docker import inside, warm
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Lock
from pytest_modelcompat.environments.resolve import Resolved, locked
from pytest_modelcompat.environments.tree import Tree, kept_log, tree_for

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.environments.docker.images import ImageFound
    from pytest_modelcompat.environments.docker.settings import ContainerSettings
    from pytest_modelcompat.environments.interpreters import Interpreter

__all__ = ["Order", "install"]

BUSY = 60.0  # seconds beyond its deadline that another run may take for the same folder
_FINISHED = "finished.json"  # of a tree: others can read it, and it has bytecode


@dataclass(frozen=True, kw_only=True)
class Order:
    """What decides the content of a tree.

    Attributes:
        spec: what it must hold.
        image: in which it is used.
        settings: of the image.
        interpreter: of the image, with `here` false.
        tools: which of pip and ensurepip it has.
    """

    spec: EnvironmentSpec
    image: ImageFound
    settings: ContainerSettings
    interpreter: Interpreter
    tools: tuple[str, ...]


def install(order: Order, *, cache: Path) -> Tree | Failure:
    """The packages that an environment must hold, installed or found whole in the cache.

    Raises:
        LockTimeout: another run has been making it for too long.
        EngineLostError, AbsentError: nobody answers.
        OSError: the cache cannot be written.
    """
    if order.settings.install == "inside":
        made = _inside(order, cache=cache)
    else:
        made = tree_for(order.spec, order.interpreter, cache=cache)
    if isinstance(made, Tree):
        _finish(order, made)
    return made


def _inside(order: Order, *, cache: Path) -> Tree | Failure:
    return locked(
        order.spec,
        order.interpreter,
        lambda resolved: _made_inside(order, resolved, cache=cache),
        cache=cache,
    )


def _made_inside(order: Order, resolved: Resolved, *, cache: Path) -> Tree | Failure:
    began = time.monotonic()
    lock: Lock = resolved.lock
    parts: list[Any] = [
        lock.digest, order.interpreter.identity, order.image.id, str(order.interpreter.path),
    ]  # fmt: skip
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    place = cache / "environments" / f"inside-{key}"
    folder = place / "1"
    with file_lock(lock_of(place), timeout=order.spec.install_timeout + BUSY):
        log = kept_log(folder, folder / "site")
        reused = log is not None
        if log is None:
            with made_anew(folder):
                done = _into(order, lock, folder)
                if isinstance(done, Failure):
                    return done
                log = done
                atomic_write(folder / MARKER, json.dumps({"log": log}), durable=False)
    return _tree(resolved, key, folder, log=log, reused=reused, began=began)


def _tree(
    resolved: Resolved, key: str, folder: Path, *, log: str, reused: bool, began: float
) -> Tree:
    return Tree(
        key=key,
        folder=folder,
        packages=folder / "site",
        lock=resolved.lock,
        seconds={"resolve": resolved.seconds, "install": time.monotonic() - began},
        reused=reused,
        log=f"{resolved.note}\n{log}".strip(),
    )


def _into(order: Order, lock: Lock, folder: Path) -> str | Failure:
    site = folder / "site"
    site.mkdir(parents=True)
    return inside.install(
        order.spec,
        image=order.image,
        settings=order.settings,
        interpreter=order.interpreter,
        tools=order.tools,
        lock=lock,
        site=site,
    )


def _finish(order: Order, tree: Tree) -> None:
    """Let nobody read the tree, and put bytecode into it; once for each tree."""
    finished = tree.folder / _FINISHED
    if finished.exists():
        return
    with file_lock(lock_of(tree.folder.parent), timeout=order.spec.install_timeout + BUSY):
        if finished.exists():
            return
        let_others_read(tree.packages)
        bytecode = tree.folder / "bytecode"
        shutil.rmtree(bytecode, ignore_errors=True)
        log = warm.compile_imports(
            image=order.image,
            settings=order.settings,
            interpreter=order.interpreter,
            names=[name for name, _ in tree.lock.packages],
            first=order.spec.requirements[:1],
            site=tree.packages,
            folder=bytecode,
        )
        shutil.rmtree(bytecode, ignore_errors=True)
        atomic_write(finished, json.dumps({"log": log}), durable=False)


def let_others_read(place: Path) -> None:
    """A container's user is nobody: with a careful umask it could not read files of ours."""
    mine = os.getuid()
    for path in (place, *(place.rglob("*") if place.is_dir() else ())):
        about = path.lstat()
        bits = 0o055 if path.is_dir() else 0o044
        linked = path.is_symlink() or about.st_uid != mine
        if not linked and about.st_mode & bits != bits:
            path.chmod(about.st_mode | bits)
