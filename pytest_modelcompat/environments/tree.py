"""Packages for an interpreter that is elsewhere: resolved and installed here, for there.

A container or another machine needs neither pip nor network: uv resolves for its exact Python,
platform and libc, and installs into a folder that is then mounted or copied. The folder has the
layout of a virtual environment's library (`lib/python3.12/site-packages`), is keyed by the lock's
digest and by what it is for, and made once.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.cache import (
    MARKER,
    atomic_write,
    file_lock,
    lock_of,
    made_anew,
)
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Lock
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.environments.resolve import Resolved, locked
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.model import CellStatus, Stage
from pytest_modelcompat.runner.command import Completed, run

if TYPE_CHECKING:
    from pytest_modelcompat.environments.interpreters import Interpreter

__all__ = ["Tree", "kept_log", "tree_for"]

BUSY = 60.0  # seconds beyond its deadline that another run may take
LOG_KEPT = 8000  # characters


@dataclass(frozen=True, kw_only=True)
class Tree:
    """An installed tree.

    Attributes:
        key: of lock and target; equal keys are equal trees.
        folder: holds `lib/pythonX.Y/site-packages`; read-only by convention.
        packages: that `site-packages`.
        lock: what is in it.
        seconds: {"resolve": s, "install": s}.
        reused: nothing was installed.
        log: of resolving and installing.
    """

    key: str
    folder: Path
    packages: Path
    lock: Lock
    seconds: dict[str, float]
    reused: bool
    log: str


def tree_for(spec: EnvironmentSpec, target: Interpreter, *, cache: Path) -> Tree | Failure:
    """Resolve and install what an environment must hold, for an interpreter that is elsewhere.

    Args:
        spec: what it must hold.
        target: with `here` false.
        cache: the cache folder.

    Raises:
        LockTimeout: another run has been making it for too long.
        OSError: the cache cannot be written.
    """
    if target.uv_platform is None:
        return Failure(
            spec=spec, status=CellStatus.UNAVAILABLE, stage=Stage.RESOLVE,
            reason=words.no_such_platform(target.machine, target.libc),
        )  # fmt: skip
    return locked(
        spec, target, lambda resolved: _tree_of(spec, target, resolved, cache=cache), cache=cache
    )


def _tree_of(
    spec: EnvironmentSpec, target: Interpreter, resolved: Resolved, *, cache: Path
) -> Tree | Failure:
    began = time.monotonic()
    key = hashlib.sha256(
        json.dumps([resolved.lock.digest, target.identity, target.machine]).encode()
    ).hexdigest()[:32]
    place = cache / "environments" / f"tree-{key}"
    folder = place / "1"
    xy = ".".join(map(str, target.release[:2]))
    packages = folder / "lib" / f"python{xy}" / "site-packages"

    def tree(log: str, *, reused: bool) -> Tree:
        seconds = {"resolve": resolved.seconds, "install": time.monotonic() - began}
        note = f"{resolved.note}\n" if resolved.note else ""
        return Tree(
            key=key, folder=folder, packages=packages, lock=resolved.lock, seconds=seconds,
            reused=reused, log=note + log,
        )  # fmt: skip

    def kept() -> Tree | None:
        log = kept_log(folder, packages)
        return None if log is None else tree(log, reused=True)

    if (found := kept()) is not None:
        return found
    with file_lock(lock_of(place), timeout=spec.install_timeout + BUSY):
        if (found := kept()) is not None:  # another run has made it meanwhile
            return found
        with made_anew(folder):
            done, attempts = _install(spec, target, resolved.lock, packages, cache=cache)
            log = redact(f"{done.out}{done.err}"[-LOG_KEPT:])
            if not done.ok:
                trouble = uv.trouble_of(done)
                return Failure(
                    spec=spec, status=trouble.status, stage=Stage.INSTALL,
                    reason=uv.reason_of(
                        trouble, "installing", log,
                        attempts=attempts, seconds=spec.install_timeout, cache=cache,
                    ), log=log,
                    lock=resolved.lock,
                    seconds={"resolve": resolved.seconds, "install": time.monotonic() - began},
                    gone=trouble is uv.Trouble.NO_SOLUTION,
                )  # fmt: skip
            atomic_write(folder / MARKER, json.dumps({"log": log}), durable=False)
    return tree(log, reused=False)


def kept_log(folder: Path, packages: Path) -> str | None:
    """What was said when a tree was made, if it is whole; it counts as used now."""
    try:
        log = str(json.loads((folder / MARKER).read_bytes())["log"])
        os.utime(folder / MARKER)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return log if packages.is_dir() else None


def _install(
    spec: EnvironmentSpec, target: Interpreter, lock: Lock, packages: Path, *, cache: Path
) -> tuple[Completed, int]:
    packages.mkdir(parents=True)
    command: list[str | Path] = [
        uv.program(),
        "pip",
        "install",
        *target.uv_options,
        "--target",
        packages,
    ]
    command += ["--require-hashes", "--no-build", "--no-deps", "-r", "-"]

    def install(*more: str, left: float) -> Completed:
        return run(
            [*command, *more],
            env={**uv.tool_environment(), **target.uv_variables},
            cwd=uv.tool_folder(cache),
            timeout=left,
            input=lock.text.encode(),
        )

    # what uv's cache holds needs no question to any index
    done = install("--offline", left=spec.install_timeout)
    if done.ok:
        return done, 1
    return uv.attempts(lambda left: install(left=left), seconds=spec.install_timeout)
