"""Kinds `python` and `current`: an interpreter that is there already, with whatever it has.

Nothing is resolved or installed. What it has is asked of itself, becomes its lock and is held
against what the matrix asks for.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from pytest_modelcompat.environments import preflight
from pytest_modelcompat.environments.interpreters import NoInterpreter, find
from pytest_modelcompat.environments.listing import ask, differences
from pytest_modelcompat.environments.offer import offer_of_host
from pytest_modelcompat.environments.on_host import OnHost
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.model import CellStatus, Stage

__all__ = ["CurrentPython", "ExistingPython", "taken"]


class ExistingPython(OnHost):
    """An interpreter given by its path; see the module's docstring."""

    name = "python"

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Prepared | Failure:
        """Ask the interpreter what it has."""
        return taken(spec, self.path(spec), cache=cache)

    def path(self, spec: EnvironmentSpec) -> Path:
        """The interpreter that is meant."""
        return Path(dict(spec.image.settings).get("path") or spec.image.value)


class CurrentPython(ExistingPython):
    """The interpreter that pytest runs in, and what is installed beside it."""

    name = "current"

    def path(self, spec: EnvironmentSpec) -> Path:  # noqa: ARG002 - there is one only
        """The running one; a virtual environment's own link, not what it leads to."""
        return Path(sys.executable)


def taken(
    spec: EnvironmentSpec, path: Path, *, cache: Path, log: str = "", install: float = 0.0
) -> Prepared | Failure:
    """The environment around an interpreter, if it is what the axes ask for.

    Args:
        spec: what is asked for.
        path: of the interpreter.
        cache: the cache folder.
        log: of whatever has made it.
        install: seconds that making it took.
    """
    began = time.monotonic()

    def failed(status: CellStatus, reason: str) -> Failure:
        seconds = {"resolve": 0.0, "install": install}
        return Failure(
            spec=spec, status=status, stage=Stage.START, reason=redact(reason), log=log,
            seconds=seconds,
        )  # fmt: skip

    text = os.fspath(path)
    found = find(text if "/" in text else f"./{text}", cache=cache)
    if isinstance(found, NoInterpreter):
        return failed(CellStatus.UNAVAILABLE, found.reason)
    listed = ask(found.path)
    if isinstance(listed, str):
        return failed(CellStatus.UNAVAILABLE, words.python_does_not_run(text, listed))
    if wrong := differences(spec, found.version, listed.versions):
        return failed(CellStatus.MISCONFIGURED, words.not_as_asked(text, wrong))
    xy = ".".join(map(str, found.release[:2]))
    packages = found.path.parent.parent / "lib" / f"python{xy}" / "site-packages"
    notes: tuple[str, ...] = ()
    if packages.is_dir():  # some have theirs elsewhere, and are not looked at
        notes = preflight.notes(packages, listed.lock, lambda: offer_of_host(found), cache=cache)
    return Prepared(
        spec=spec,
        python=(os.fspath(found.path),),
        python_version=found.version,
        lock=listed.lock,
        folder=found.path.parent,
        seconds={"resolve": 0.0, "install": install + time.monotonic() - began},
        reused=not install,
        log=log,
        notes=notes,
    )
