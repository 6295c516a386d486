"""Deadlines, read from the memory that the child writes its progress to.

Nothing is asked of the child: whatever it does, and whichever lock it holds, the clock runs. Time
in which it waits for a slow host does not count.
"""

from __future__ import annotations

import select
import time

from .progress import DONE, EXIT, IDLE, IMPORT, POSITION, SENDING, SINCE, STAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .progress import Progress

__all__ = ["Deadline"]

_IMPORT_SECONDS = 300.0
_EXIT_SECONDS = 10.0
_CASE_SECONDS = 3600.0
_STUCK = 10  # looks, 0.1 s apart, at a writable pipe into which a sending child writes nothing


class Deadline:
    """When the child is overdue.

    Attributes:
        limits: of the order: seconds for "case", "import" and "exit".
    """

    def __init__(self, progress: Progress) -> None:
        self.limits: dict[str, Any] = {}
        self._slots = progress.slots
        self._cases = 0
        self._queued_at = 0
        self._stuck = 0
        self._stuck_since = 0

    def queued(self, cases: int) -> None:
        """More cases are in the queue from now on."""
        self._cases += cases
        self._queued_at = time.monotonic_ns()

    def pause(self) -> float:
        """Seconds in which the child cannot become overdue."""
        if self._stuck:
            return 0.1
        # What begins while we sleep is due at the earliest after the shortest of the limits.
        shortest = min(self._limit(stage) for stage in (IMPORT, IDLE, EXIT))
        return min(max(self._left()[0], 0.001), shortest)

    def passed(self, pipe: int) -> bool:
        """Whether the child is overdue, now and on a second look.

        Args:
            pipe: the host's, into which the child writes.
        """
        left, picture = self._left()
        if left > 0 or not picture:
            self._stuck = 0
            return False
        if picture[3] and not self._is_stuck(picture[2], pipe):
            return False
        return self._left()[1] == picture

    def _limit(self, stage: int) -> float:
        if stage == IMPORT:
            return float(self.limits.get("import") or _IMPORT_SECONDS)
        if stage == EXIT:
            return float(self.limits.get("exit") or _EXIT_SECONDS)
        return float(self.limits.get("case") or _CASE_SECONDS)

    def _left(self) -> tuple[float, tuple[int, ...]]:
        """Seconds until the child is overdue, and the picture that says so.

        The picture is read with POSITION first and last; where the child went on in between, the
        next look will see the new case, of which the deadline is later anyway.
        """
        slots = self._slots
        position = slots[POSITION]
        stage, since, sending = slots[STAGE], slots[SINCE], slots[SENDING]
        waiting = stage == IDLE and slots[DONE] >= self._cases
        if waiting or slots[POSITION] != position:
            return self._limit(stage), ()
        if stage == IDLE:
            since = max(since, self._queued_at)
        left = self._limit(stage) - (time.monotonic_ns() - since) / 1e9
        return left, (position, stage, since, sending)

    def _is_stuck(self, since: int, pipe: int) -> bool:
        """Whether a sending child hangs by itself and not because the host is slow.

        A child that waits for the host finds room as soon as there is any; so a pipe that has room
        each time one looks, while no frame comes to an end, has no writer.
        """
        room = bool(select.select([], [pipe], [], 0)[1])
        self._stuck = self._stuck + 1 if room and since == self._stuck_since else 1
        self._stuck_since = since
        return self._stuck > _STUCK
