"""Ending a process and everything that it started, wherever that went.

What belongs to a process is found in three ways, because each has a hole: below it in the tree
(not what was orphaned), in its session (not what founded another), and by the mark that it was
started with (not what threw its environment away).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.runner import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["kill_all", "kill_marked", "marked"]

_VARIABLE = "MODELCOMPAT_PROCESS"


def marked(env: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """An environment by which a process and its descendants are known again.

    Returns:
        The environment, and the mark in it.
    """
    mark = secrets.token_hex(8)
    return {**env, _VARIABLE: mark}, mark


def kill_all(root: int, mark: str) -> None:
    """Kill a process of ours that has not been reaped, and all that belongs to it.

    Args:
        root: it leads a session of its own.
        mark: from `marked`.
    """
    _kill(lambda: (root, *guard.descendants(root), *_members(root, mark)))


def kill_marked(mark: str) -> None:
    """Kill what carries a mark."""
    _kill(lambda: _members(None, mark))


def _kill(find: Callable[[], Iterable[int]]) -> None:
    """Kill what is found until there is nothing new.

    Frozen first, nearest to the root first, so that nothing can start another one or hand its
    children over to the init process while this works its way down.
    """
    stopped: list[int] = []
    while new := [pid for pid in dict.fromkeys(find()) if pid not in stopped]:
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped += new
    for pid in reversed(stopped):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _members(session: int | None, mark: str) -> list[int]:
    """Living processes of a session, and those that carry a mark."""
    found = []
    variable = f"{_VARIABLE}={mark}".encode()
    for entry in os.listdir("/proc"):  # noqa: PTH208 - a third of the time of iterdir
        if entry.isdigit() and int(entry) != session:
            with contextlib.suppress(OSError):  # gone since the listing, or another user's
                ours = os.getsid(int(entry)) == session
                if ours or variable in Path("/proc", entry, "environ").read_bytes():
                    found.append(int(entry))
    return found
