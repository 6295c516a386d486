"""What a case may have changed around itself, put back before the next one.

Checked after each case with a handful of cheap calls; in the usual case nothing is found and
nothing is done. What cannot be put back (descriptors that are gone) is told to the caller, who has
the child started anew.
"""

from __future__ import annotations

import _locale  # these two without what Python wraps around them: it costs more than the calls
import _signal  # type: ignore[import-not-found]
import faulthandler
import fcntl
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Guard"]

_HIGH = 200
_HIGHEST_SIGNAL = 64
# Those by whose handlers a later case would be kept from dying as it should, or from working.
_CRASHES = (_signal.SIGSEGV, _signal.SIGABRT, _signal.SIGFPE, _signal.SIGBUS, _signal.SIGILL)
_WATCHED = (*_CRASHES, _signal.SIGINT, _signal.SIGTERM, _signal.SIGPIPE, _signal.SIGCHLD)


class Guard:
    """The child's surroundings as they were after the framework's import.

    Args:
        folder: the session's private folder.
        handle: the host's pipe.
    """

    def __init__(self, folder: str, handle: int) -> None:
        self.folder = folder
        self.handle = handle
        numbers = enumerate((0, 1, 2, handle))
        self._marks = [(number, _mark(number, _HIGHEST_SIGNAL - i)) for i, number in numbers]
        self._streams = sys.stdin, sys.stdout, sys.stderr, sys.excepthook
        self._environment = dict(_plain(os.environ))
        self._where = os.getcwd()
        self._locale = _locale.setlocale(_locale.LC_ALL, None)
        self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        self._handlers = [(number, _signal.getsignal(number)) for number in _WATCHED]

    def restore(self) -> None:
        """Put back what can be put back."""
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers:
            if _signal.getsignal(number) is not handler and handler is not None:
                _signal.signal(number, handler)
                if number in _CRASHES:
                    faulthandler.disable()
                    faulthandler.enable()
        _signal.alarm(0)
        sys.stdin, sys.stdout, sys.stderr, sys.excepthook = self._streams
        if _plain(os.environ) != self._environment:
            os.environ.clear()
            for name, value in self._environment.items():
                os.environ[os.fsdecode(name)] = os.fsdecode(value)
        if _where() != self._where:
            os.chdir(self._where)
        if _locale.setlocale(_locale.LC_ALL, None) != self._locale:
            _locale.setlocale(_locale.LC_ALL, self._locale)

    def intact(self) -> bool:
        """Whether the standard descriptors and the host's pipe are what they were."""
        try:
            for number, mark in self._marks:
                if type(mark) is int:
                    if fcntl.fcntl(number, fcntl.F_GETSIG) != mark:
                        return False
                elif _identity(number) != mark:
                    return False
        except OSError:
            return False
        return True

    def reopen(self) -> None:
        """Ask for the host's pipe anew; OSError where it cannot be had."""
        from .door import knock  # noqa: PLC0415 - only after an accident

        self.handle = knock(self.folder, _HIGH)


def _plain(environment: Any) -> dict[bytes, bytes]:
    """What is behind os.environ: comparing that itself decodes every variable, twice."""
    found: dict[bytes, bytes] = environment._data  # noqa: SLF001
    return found


def _mark(number: int, mark: int) -> int | tuple[int, int]:
    """Something by which a descriptor is known again.

    The signal that an open file would send if it sent any: nobody else uses it, it stays with the
    file, and it is read five times faster than the file's identity.
    """
    try:
        fcntl.fcntl(number, fcntl.F_SETSIG, mark)
        if fcntl.fcntl(number, fcntl.F_GETSIG) == mark:
            return mark
    except OSError:  # a kernel that is not quite Linux
        return _identity(number)
    return _identity(number)


def _identity(number: int) -> tuple[int, int]:
    found = os.fstat(number)
    return found.st_dev, found.st_ino


def _where() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None
