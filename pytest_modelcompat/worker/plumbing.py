"""Descriptors and folders of the supervisor, and what a process' end means."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HIGH", "clean", "drain", "forget", "meaning", "pipe", "say", "wake_on_death"]

HIGH = 200  # descriptors from here on; low ones are what careless code closes


def clean(folder: str) -> None:
    """Remove the private folder; what a case made unremovable is the host's to sweep."""
    limit = time.monotonic() + 1.0
    for place, folders, files in os.walk(folder, topdown=False):
        if time.monotonic() > limit:
            return
        for name in files:
            _removing(os.unlink, os.path.join(place, name))
        for name in folders:
            path = os.path.join(place, name)
            _removing(os.unlink if os.path.islink(path) else os.rmdir, path)
    _removing(os.rmdir, folder)


def _removing(function: Any, path: str) -> None:
    try:
        function(path)
    except OSError as problem:
        say(str(problem))


def say(text: str) -> None:
    """Tell the host's diagnostics, now: before 3.9, `sys.stderr` waits, and `os._exit` does not."""
    try:
        os.write(2, text.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        return  # nobody listens any more


def forget(poll: select.poll, handle: int) -> None:
    """Stop waiting for a descriptor, if one still does."""
    try:
        poll.unregister(handle)
    except KeyError:
        return  # its writers were gone before


def pipe() -> tuple[int, int]:
    """A pipe with high numbers, so that it never collides with 0, 1 and 2 in the child."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, HIGH) for end in ends)
    for end in ends:
        os.close(end)
    os.set_blocking(high[0], False)
    return high[0], high[1]


def wake_on_death() -> int:
    """A descriptor that becomes readable when a child died."""
    ends = pipe()
    os.set_blocking(ends[1], False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ends[1], warn_on_full_buffer=False)
    return ends[0]


def drain(handle: int) -> None:
    """Read and forget what is there."""
    try:
        while os.read(handle, 4096):
            pass
    except BlockingIOError:
        return


def meaning(status: int) -> tuple[str | None, int | None]:
    """The name of the signal, or the exit code."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return signal.Signals(number).name, None
        except ValueError:
            return "signal {}".format(number), None
    return None, os.WEXITSTATUS(status)
