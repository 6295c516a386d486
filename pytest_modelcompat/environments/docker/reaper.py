"""A process that outlives a killed run just long enough to take its containers along.

A container of ours ends by itself when its standard input closes. This one sees to those that have
not been started yet, or hang. It waits on its own standard input: a line means that the run has
left nothing, the end without one that it died.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.environments.docker.owner import owner, remove_owned

if TYPE_CHECKING:
    from pytest_modelcompat.runner.command import Process

__all__ = ["ensure", "main"]

_CODE = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from pytest_modelcompat.environments.docker.reaper import main
main(sys.argv[2])
"""
_KEPT = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "PATH", "HOME", "SSH_AUTH_SOCK")
_ROUNDS = 3  # looks for containers: one may be in the making when the run dies

_lock = threading.Lock()
_running: dict[int, Process] = {}  # by our own process number: a fork is another run


def ensure() -> None:
    """Have one watch over this process."""
    from pytest_modelcompat.runner.command import start  # noqa: PLC0415 - not in the reaper itself

    with _lock:
        reaper = _running.get(os.getpid())
        if reaper is not None and reaper.poll() is None:
            return
        path = json.dumps([str(Path(entry).absolute()) for entry in sys.path])
        env = {name: os.environ[name] for name in _KEPT if name in os.environ}
        argv = [sys.executable, "-I", "-c", _CODE, path, owner()]
        _running.clear()
        _running[os.getpid()] = start(argv, env=env, cwd=Path("/"))
        atexit.register(_dismiss, os.getpid())


def _dismiss(pid: int) -> None:
    """At the end of the run: containers that are left are the reaper's business."""
    if pid != os.getpid():
        return
    with _lock:
        reaper = _running.pop(pid, None)
    if reaper is not None:
        with contextlib.suppress(OSError):
            reaper.stdin.write(b"" if _live else b"done\n")
        reaper.close_stdin()
        if not _live:
            reaper.close()


_live: set[str] = set()


def alive(container: str) -> None:
    """Note a container that must not outlive this process."""
    _live.add(container)


def gone(container: str) -> None:
    """It has been removed."""
    _live.discard(container)


def main(whose: str) -> None:
    """Wait for the end of a run, and remove what it left."""
    if sys.stdin.buffer.read():
        return
    from time import sleep  # noqa: PLC0415

    from pytest_modelcompat.environments.docker.engine import (  # noqa: PLC0415 - slow
        AbsentError,
        EngineLostError,
        connect,
    )

    # without an engine there is nothing to remove; the next run's sweep sees to the rest
    with contextlib.suppress(AbsentError, EngineLostError), connect(patience=2.0) as engine:
        for _ in range(_ROUNDS):
            remove_owned(engine, whose)
            sleep(0.5)
