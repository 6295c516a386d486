"""Kind `host`: an environment made for its cells, as a nox session of its own.

`environments/ID/LOCK/` in the cache holds a noxfile, the lock, nox' environment, and, written last,
the marker. With the marker there and true, no process is started at all. Without it the folder is
half-made: whoever holds the lock of the environment may take it away and begin anew.

Bytecode is not compiled here: the first child writes what it imports (a fifth of the files), and
from then on a new one is as fast as with everything compiled.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments import preflight, uv
from pytest_modelcompat.environments.cache import (
    MARKER,
    atomic_write,
    file_lock,
    forget_older,
    lock_of,
    made_anew,
)
from pytest_modelcompat.environments.interpreters import (
    Interpreter,
    NoInterpreter,
    default_python,
    find,
)
from pytest_modelcompat.environments.offer import offer_of_host
from pytest_modelcompat.environments.on_host import OnHost
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Lock, Prepared
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.environments.resolve import Resolved, locked
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.model import CellStatus, Stage
from pytest_modelcompat.runner.command import Completed, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["HostEnvironments"]

MARKER_SCHEMA = 1
SESSION = "environment"
BUSY = 60.0  # seconds beyond its deadline that another run may take for an environment
LOG_KEPT = 8000  # characters
# What stands before it in the output is of no interest: uv's cache did not suffice, nothing more.
_ONLINE = "Now with the network:"
_NOXFILE = '''\
"""Made by pytest-modelcompat; run it with `nox -f noxfile.py` to make this environment by hand."""

import nox
from nox.command import CommandFailed

SYNC = ("uv", "pip", "sync", "--require-hashes", "--no-build", "lock.txt")


@nox.session(name={session!r}, venv_backend="uv", python={python!r})
def environment(session: nox.Session) -> None:
    try:
        # what uv's cache holds needs no question to any index
        session.run_install(*SYNC, "--offline")
    except CommandFailed:
        print({online!r}, flush=True)
        session.run_install(*SYNC)
'''


class HostEnvironments(OnHost):
    """Environments on this machine; see the module's docstring."""

    name = "host"

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Prepared | Failure:
        """Find the interpreter, resolve, and install; or find it all done."""
        if asks := [one for one in spec.requirements if one.endswith("==installed")]:
            return _unavailable(spec, words.nothing_installed(asks[0]))
        wanted = default_python() if spec.python == "image" else spec.python
        interpreter = find(wanted, cache=cache)
        if isinstance(interpreter, NoInterpreter):
            return _unavailable(spec, interpreter.reason)
        return locked(
            spec,
            interpreter,
            lambda resolved: self._install(spec, interpreter, resolved, cache=cache),
            cache=cache,
        )

    def _install(
        self, spec: EnvironmentSpec, interpreter: Interpreter, resolved: Resolved, *, cache: Path
    ) -> Prepared | Failure:
        began = time.monotonic()
        place = cache / "environments" / spec.id
        folder = place / resolved.lock.digest[:16]
        made = _Made(spec=spec, interpreter=interpreter, resolved=resolved, folder=folder)
        if (marker := made.marker()) is not None:
            return made.prepared(marker, seconds=time.monotonic() - began, reused=True, cache=cache)
        with file_lock(lock_of(place), timeout=spec.install_timeout + BUSY):
            if (marker := made.marker()) is not None:  # another run has made it meanwhile
                return made.prepared(
                    marker, seconds=time.monotonic() - began, reused=True, cache=cache
                )
            with made_anew(folder):
                failure = made.install(cache=cache)
                if failure is not None:
                    return failure
                marker = made.finish()
            forget_older(place, folder)
        return made.prepared(marker, seconds=time.monotonic() - began, reused=False, cache=cache)


def _unavailable(spec: EnvironmentSpec, reason: str) -> Failure:
    return Failure(spec=spec, status=CellStatus.UNAVAILABLE, stage=Stage.START, reason=reason)


class _Made:
    """One environment's folder: what must be in it, and whether it is."""

    def __init__(
        self, *, spec: EnvironmentSpec, interpreter: Interpreter, resolved: Resolved, folder: Path
    ) -> None:
        self.spec = spec
        self.interpreter = interpreter
        self.resolved = resolved
        self.lock: Lock = resolved.lock
        self.folder = folder
        self.venv = folder / ".nox" / SESSION
        self.log = ""

    def marker(self) -> dict[str, Any] | None:
        """What the marker says, if it is there and still true."""
        try:
            marker = json.loads((self.folder / MARKER).read_bytes())
            true = (
                marker["schema"] == MARKER_SCHEMA
                and marker["lock"] == self.lock.digest
                and marker["interpreter"] == self._interpreter()
                and (self.venv / "pyvenv.cfg").is_file()
                and (self.venv / "bin" / "python").exists()  # false where its target is gone
            )
            return marker if true and self._whole(marker["installed"]) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def install(self, *, cache: Path) -> Failure | None:
        """Let nox make it; why not, or None."""
        self.folder.mkdir(parents=True)
        text = _NOXFILE.format(session=SESSION, python=str(self.interpreter.path), online=_ONLINE)
        (self.folder / "noxfile.py").write_text(text, "utf-8")
        (self.folder / "lock.txt").write_text(self.lock.text, "utf-8")
        # nox works in this folder: see uv.tool_folder
        (self.folder / "uv.toml").write_text("", "utf-8")
        env = uv.tool_environment()
        # nox then need not search for it
        env["UV"] = str(uv.program())
        noxfile = str(self.folder / "noxfile.py")
        command = ["nox", "--no-color", "-f", noxfile]
        command += ["--error-on-missing-interpreters", "--non-interactive", "-s", SESSION]
        began = time.monotonic()
        done, attempts = uv.attempts(
            lambda left: _last_try(
                run(command, env=env, cwd=uv.tool_folder(cache), timeout=left, module=True)
            ),
            seconds=self.spec.install_timeout,
        )
        self.log = redact(f"{done.out}{done.err}"[-LOG_KEPT:])
        if done.ok:
            return None
        return self._failure(done, attempts, cache, time.monotonic() - began)

    def finish(self) -> dict[str, Any]:
        """Write the marker; from now on the environment is there."""
        marker = {
            "schema": MARKER_SCHEMA,
            "lock": self.lock.digest,
            "interpreter": self._interpreter(),
            "installed": self._present(),
            "log": self.log,
        }
        atomic_write(self.folder / MARKER, json.dumps(marker), durable=False)
        return marker

    def prepared(
        self, marker: Mapping[str, Any], *, seconds: float, reused: bool, cache: Path
    ) -> Prepared:
        """The record."""
        if reused:
            with contextlib.suppress(OSError):  # a read-only cache serves as well
                os.utime(self.folder / MARKER)
        note = f"{self.resolved.note}\n" if self.resolved.note else ""
        return Prepared(
            spec=self.spec,
            python=(str(self.venv / "bin" / "python"),),
            python_version=self.interpreter.version,
            lock=self.lock,
            folder=self.folder,
            seconds={"resolve": self.resolved.seconds, "install": seconds},
            reused=reused,
            log=note + str(marker.get("log", "")),
            notes=preflight.notes(
                self._packages(),
                self.lock,
                lambda: offer_of_host(self.interpreter),
                cache=cache,
            ),
        )

    def _failure(self, done: Completed, attempts: int, cache: Path, seconds: float) -> Failure:
        trouble = uv.trouble_of(done)
        reason = uv.reason_of(
            trouble, "installing", self.log,
            attempts=attempts, seconds=self.spec.install_timeout, cache=cache,
        )  # fmt: skip
        return Failure(
            spec=self.spec,
            status=trouble.status,
            stage=Stage.INSTALL,
            reason=reason,
            log=self.log,
            lock=self.lock,
            seconds={"resolve": self.resolved.seconds, "install": seconds},
            gone=trouble is uv.Trouble.NO_SOLUTION,
        )

    def _interpreter(self) -> dict[str, Any]:
        return {"path": str(self.interpreter.path), "identity": list(self.interpreter.identity)}

    def _present(self) -> list[str]:
        """The names in the environment's package folder."""
        return sorted(os.listdir(self._packages()))  # noqa: PTH208

    def _packages(self) -> Path:
        xy = ".".join(map(str, self.interpreter.release[:2]))
        return self.venv / "lib" / f"python{xy}" / "site-packages"

    def _whole(self, installed: Sequence[str]) -> bool:
        """Whether nothing was taken away, and no distribution was added by hand."""
        present = set(self._present())
        added = present.difference(installed)
        return present.issuperset(installed) and not any(
            name.endswith(".dist-info") for name in added
        )


def _last_try(done: Completed) -> Completed:
    """The output of nox, without that of the attempt that was not meant to succeed at any price."""
    return replace(done, stdout=done.stdout.rpartition(f"{_ONLINE}\n".encode())[2])
