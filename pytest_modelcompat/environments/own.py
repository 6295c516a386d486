"""Kinds `nox` and `tox`: an environment that a file of the user's declares.

Its tool is called by its command line, in a process of its own, and told to install only; the file
is never imported here. The environment lies in our cache, so that nobody's own `.nox` or `.tox` is
touched, and the tool is asked to bring it up to date in every run: only it knows what the file
depends on. Where a file that may declare something has changed, it is made from nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.cache import (
    MARKER,
    atomic_write,
    file_lock,
    forget_older,
    kept_or_removed,
    lock_of,
)
from pytest_modelcompat.environments.existing import taken
from pytest_modelcompat.environments.on_host import OnHost
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.errors import places as words
from pytest_modelcompat.results.model import CellStatus, Stage
from pytest_modelcompat.runner.command import Completed, run

__all__ = ["Job", "OwnEnvironments", "Tool", "Trouble"]

BUSY = 60.0  # seconds beyond its deadline that another run may take for an environment
LOG_KEPT = 8000  # characters
# Files beside the named one that may say what is installed.
_DECLARING = (
    "*.toml", "*.lock", "setup.cfg", "setup.py", "tox.ini", "noxfile.py", "*requirements*.txt",
    "*requirements*.in", "*constraints*.txt", "requirements/*",
)  # fmt: skip
_ALSO = ("PYENV_ROOT", "VIRTUALENV_DISCOVERY")


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why the tool gives no environment."""

    status: CellStatus
    reason: str
    log: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One environment to make.

    Attributes:
        spec: what is asked for.
        file: that declares it.
        folder: where the tool may put environments.
        deadline: of the monotonic clock.
    """

    spec: EnvironmentSpec
    file: Path
    folder: Path
    deadline: float

    @property
    def name(self) -> str:
        """Of the environment, as the user's file has it."""
        return self.spec.image.value

    def call(self, tool: str, *arguments: str | Path) -> Completed:
        """The tool's command line, to its end or the deadline.

        Raises:
            FileNotFoundError: there is no such tool.
        """
        module = importlib.util.find_spec(tool) is not None
        env = uv.tool_environment()
        # those of pip reach it: here it is the user's own choice of installer that is used
        env |= {n: v for n, v in os.environ.items() if n.startswith("PIP_") or n in _ALSO}
        if not module and shutil.which(tool, path=env.get("PATH")) is None:
            raise FileNotFoundError(words.tool_absent(tool))
        left = max(self.deadline - time.monotonic(), 0.1)
        return run([tool, *arguments], env=env, cwd=self.file.parent, timeout=left, module=module)

    def trouble(self, tool: str, done: Completed) -> Trouble:
        """What a failed call makes of the cells."""
        log = logged(done)
        seconds = self.spec.install_timeout
        found = uv.trouble_of(done)
        if done.timed_out:
            status = CellStatus.INFRASTRUCTURE_FAILED
            return Trouble(
                status=status, reason=words.tool_timed_out(tool, self.name, seconds, log), log=log
            )
        status = (
            CellStatus.INFRASTRUCTURE_FAILED
            if found in {uv.Trouble.NETWORK, uv.Trouble.DISK_FULL}
            else CellStatus.ENVIRONMENT_FAILED
        )
        return Trouble(status=status, reason=words.not_made(tool, self.name, log), log=log)


def logged(done: Completed) -> str:
    """What a call has printed, without secrets."""
    return redact(f"{done.out}{done.err}"[-LOG_KEPT:])


class Tool(Protocol):
    """A tool whose environments these are."""

    name: str
    setting: str  # of the image, naming the file

    def make(self, job: Job) -> tuple[Path, str] | Trouble:
        """The environment's interpreter, and the log of making it.

        Raises:
            FileNotFoundError: there is no such tool.
        """
        ...


class OwnEnvironments(OnHost):
    """Environments of one tool; see the module's docstring."""

    def __init__(self, tool: Tool) -> None:
        self.name = tool.name
        self._tool = tool

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Prepared | Failure:
        """Let the tool install, then look at what there is."""
        began = time.monotonic()
        file = Path(dict(spec.image.settings).get(self._tool.setting, ""))
        if not file.is_file():
            trouble = Trouble(
                status=CellStatus.UNAVAILABLE, reason=words.declaration_gone(str(file))
            )
            return self._failure(spec, trouble, began)
        place = cache / "environments" / spec.id
        folder = place / _digest(file)
        with file_lock(lock_of(place), timeout=spec.install_timeout + BUSY):
            job = Job(spec=spec, file=file, folder=folder, deadline=began + spec.install_timeout)
            made = self._made(job)
            if isinstance(made, Trouble):
                return self._failure(spec, made, began)
            forget_older(place, folder)
            python, log = made
            return taken(spec, python, cache=cache, log=log, install=time.monotonic() - began)

    def _made(self, job: Job) -> tuple[Path, str] | Trouble:
        with kept_or_removed(job.folder):
            job.folder.mkdir(parents=True, exist_ok=True)
            try:
                made = self._tool.make(job)
            except FileNotFoundError as error:
                made = Trouble(status=CellStatus.UNAVAILABLE, reason=str(error))
            if not isinstance(made, Trouble):
                atomic_write(job.folder / MARKER, "{}", durable=False)
        return made

    def _failure(self, spec: EnvironmentSpec, trouble: Trouble, began: float) -> Failure:
        return Failure(
            spec=spec,
            status=trouble.status,
            stage=Stage.INSTALL if trouble.log else Stage.START,
            reason=redact(trouble.reason),
            log=trouble.log,
            seconds={"resolve": 0.0, "install": time.monotonic() - began},
        )


def _digest(file: Path) -> str:
    """Of the declaring file, its neighbours that may declare, and where packages come from."""
    digest = hashlib.sha256(str(file).encode())
    near = {found for pattern in _DECLARING for found in file.parent.glob(pattern)}
    for path in sorted({file, *near}):
        if path.is_file():
            digest.update(f"\0{path.name}\0".encode())
            digest.update(path.read_bytes())
    digest.update(uv.settings(uv.tool_environment()).encode())
    return digest.hexdigest()[:16]
