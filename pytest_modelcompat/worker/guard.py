"""What a case may have changed around itself, put back before the next one.

Checked after each case with a handful of cheap calls; in the usual case nothing is found and
nothing is done. What cannot be put back (descriptors that are gone) is told to the caller, who has
the child started anew.
"""

from __future__ import annotations

import locale
import os
import signal
import sys

from .door import knock

__all__ = ["Guard"]

_HIGH = 200
_WATCHED = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGCHLD,
    signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip


class Guard:
    """The child's surroundings as they were after the framework's import.

    Args:
        folder: the session's private folder.
        handle: the host's pipe.
    """

    def __init__(self, folder: str, handle: int) -> None:
        self.folder = folder
        self.handle = handle
        self._identities = {number: _identity(number) for number in (0, 1, 2, handle)}
        self._streams = sys.stdin, sys.stdout, sys.stderr, sys.excepthook
        self._environment = dict(os.environ)
        self._where = os.getcwd()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._handlers = [(number, signal.getsignal(number)) for number in _WATCHED]
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def restore(self) -> None:
        """Put back what can be put back."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers:
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.alarm(0)
        sys.stdin, sys.stdout, sys.stderr, sys.excepthook = self._streams
        if os.environ != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        if _where() != self._where:
            os.chdir(self._where)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        os.umask(self._umask)

    def intact(self) -> bool:
        """Whether the standard descriptors and the host's pipe are what they were."""
        return all(_identity(number) == was for number, was in self._identities.items())

    def reopen(self) -> None:
        """Ask for the host's pipe anew; OSError where it cannot be had."""
        self.handle = knock(self.folder, _HIGH)


def _identity(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _where() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None
