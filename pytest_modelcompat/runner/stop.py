"""That a run is to stop, why, and who has to hear of it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Stop"]


class Stop:
    """Says once that a run stops; the first reason counts."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a Ctrl-C while it is said has it said again
        self._reason = ""
        self._listening: list[Callable[[str], None]] = []

    @property
    def reason(self) -> str:
        """Why the run stops; empty while it does not."""
        return self._reason

    def say(self, reason: str) -> None:
        """Nothing is to be started from now on."""
        with self._lock:
            self._reason = self._reason or reason

    def end(self, reason: str) -> None:
        """What runs is to end, too."""
        self.say(reason)
        with self._lock:
            listening = list(self._listening)
        for hears in listening:
            hears(reason)

    @contextmanager
    def heard(self, hears: Callable[[str], None]) -> Iterator[None]:
        """Have something told while the block runs; at once where it was said before."""
        with self._lock:
            self._listening.append(hears)
            reason = self._reason
        if reason:
            hears(reason)
        try:
            yield
        finally:
            with self._lock:
                self._listening.remove(hears)
