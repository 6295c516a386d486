"""Kind `python`: an interpreter that is there already, with whatever is installed beside it.

Nothing is resolved or installed. What it has is asked of itself, becomes its lock (without hashes:
nobody can vouch for them any more) and is held against what the matrix asks for.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_modelcompat.environments.interpreters import NoInterpreter, find
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
from pytest_modelcompat.environments.redact import command_environment, redact
from pytest_modelcompat.environments.resolve import lock_from_text
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.model import CellStatus, Stage
from pytest_modelcompat.runner.command import Process, run, start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_modelcompat.matrix.model import Limits

__all__ = ["ExistingPython"]

LISTING_TIMEOUT = 60.0
_LISTING = """\
import json
from importlib.metadata import distributions
found = {}
for one in distributions():
    name = one.metadata["Name"]
    if name:
        found.setdefault(name, one.version)  # the first on the path is the one that is imported
print(json.dumps(found))
"""


class ExistingPython:
    """An interpreter given by its path; see the module's docstring."""

    name = "python"

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Prepared | Failure:
        """Ask the interpreter what it has."""
        began = time.monotonic()

        def failed(status: CellStatus, reason: str) -> Failure:
            return Failure(spec=spec, status=status, stage=Stage.START, reason=redact(reason))

        path = spec.image.value
        found = find(path if "/" in path else f"./{path}", cache=cache)
        if isinstance(found, NoInterpreter):
            return failed(CellStatus.UNAVAILABLE, found.reason)
        done = run(
            [found.path, "-I", "-c", _LISTING],
            env=command_environment(),
            cwd=Path("/"),
            timeout=LISTING_TIMEOUT,
        )
        if not done.ok:
            how = words.ended_badly(done.returncode, done.signal, done.err)
            return failed(CellStatus.UNAVAILABLE, words.python_does_not_run(path, how))
        listed = json.loads(done.out)
        has: dict[str, str] = {canonicalize_name(name): listed[name] for name in listed}
        if differences := _differences(spec, found.version, has):
            return failed(CellStatus.MISCONFIGURED, words.not_as_asked(path, differences))
        return Prepared(
            spec=spec,
            python=(os.fspath(found.path),),
            python_version=found.version,
            lock=lock_from_text("".join(f"{name}=={has[name]}\n" for name in sorted(has))),
            folder=found.path.parent,
            seconds={"resolve": 0.0, "install": time.monotonic() - began},
            reused=True,
        )

    def start(
        self,
        prepared: Prepared,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        files: Sequence[Path],  # noqa: ARG002 - on the host all of them are within reach
        folder: Path,
        limits: Limits | None = None,  # noqa: ARG002 - the worker holds them itself
    ) -> Process:
        """Start the interpreter in `folder`, with exactly `env`."""
        return start([*prepared.python, *arguments], env=env, cwd=folder)

    def inside(self, file: Path) -> Path:
        """On the host every file is where it is."""
        return file


def _differences(spec: EnvironmentSpec, version: str, has: Mapping[str, str]) -> list[str]:
    """In words, what the axes ask for and the environment does not have."""
    found = []
    asks = spec.python.split(".")
    is_release = spec.python.replace(".", "").isdigit()
    if is_release and version.split(".")[: len(asks)] != asks:
        found.append(f"Python {spec.python} is asked for, {version} is there")
    for text in spec.requirements:
        try:
            requirement = Requirement(text.removesuffix("==installed"))
        except InvalidRequirement:
            found.append(f"{text} cannot be read")
            continue
        there = has.get(canonicalize_name(requirement.name))
        if there is None:
            found.append(f"{text} is asked for, {requirement.name} is not installed")
        elif not requirement.specifier.contains(there, prereleases=True):
            found.append(f"{text} is asked for, {there} is there")
    return found
