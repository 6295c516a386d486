"""Ctrl-C, heard where it does no harm.

Python raises KeyboardInterrupt between any two instructions of the main thread: also between
taking a lock and entering the block that gives it back, and then the threads that measure wait for
that lock for ever. So while pytest waits for results an interrupt is only noted, and raised when
the wait is over, a fraction of a second later.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["TwiceError", "held", "patient"]


class TwiceError(KeyboardInterrupt):
    """Ctrl-C came a second time before the first could be raised: stop now."""


@contextmanager
def held() -> Iterator[Callable[[], bool]]:
    """Note interrupts instead of raising them; gives a function that says whether one came.

    Elsewhere than in the main thread, and where somebody else handles them, nothing is held.

    Raises:
        KeyboardInterrupt: on leaving, where one came.
        TwiceError: on leaving, where more came.
    """
    came: list[int] = []
    if not _ours():
        yield lambda: False
        return

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise TwiceError if len(came) > 1 else KeyboardInterrupt


@contextmanager
def patient(*, heard: bool) -> Iterator[None]:
    """Let the first Ctrl-C of a run wait until its report is written; the second one stops it.

    Args:
        heard: the first one has come already.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = [heard]

    def hear(number: int, frame: FrameType | None) -> None:
        if came[0]:
            signal.default_int_handler(number, frame)
        came[0] = True

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ours() -> bool:
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
