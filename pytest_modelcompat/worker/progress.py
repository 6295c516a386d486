"""Where the child is, in memory that the supervisor can read whatever the child is doing.

Eight-byte slots, each written by one aligned store (packed stores were torn, and healthy children
killed for it). POSITION is stored last when a case begins, so a reader that sees the same POSITION
before and after reading the others has a picture that belongs together. Times are nanoseconds of
the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import mmap
import os
import time

__all__ = [
    "ASSIGN", "ATTESTED", "DONE", "EXHAUSTED", "EXIT", "FINISH", "IDLE", "IMPORT", "LOAD",
    "POSITION", "QUEUED", "RENEW", "REPORTED", "RUN", "SENDING", "SINCE", "STAGE",
    "STAGES", "Progress", "shared",
]  # fmt: skip

POSITION = 0  # in the queue, of the case that is being measured or was last
STAGE = 1
SINCE = 2  # when the case, the import or the idling began; while sending: the last frame
SENDING = 3  # 1 while the child writes to the host: a slow host is not a hanging case
DONE = 4  # cases answered: the position where a new child goes on
QUEUED = 5  # bytes of the queue file that are whole lines; stored by the supervisor
FINISH = 6  # 1 when no more will come; stored by the supervisor
ATTESTED = 7  # 1 once the adapter has told about itself; later children need not do it again
_SIZE = 8 * 8

# Exit codes by which a child says what its end means.
RENEW = 75  # it asks to be started anew, having said all it had to say
REPORTED = 76  # its last words are in the folder: import failed, or no such provider
EXHAUSTED = 77  # no memory was left even for its answer

IDLE, IMPORT, LOAD, ASSIGN, RUN, EXIT = range(6)
STAGES = ("idle", "import", "load", "assign", "run", "exit")


def shared() -> int:
    """A descriptor of memory for one Progress, to be inherited by the child."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("modelcompat", 0)
    else:  # an interpreter built for an older C library
        import tempfile  # noqa: PLC0415 - slow to import, rarely needed

        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
        os.set_inheritable(handle, True)  # noqa: FBT003 - positional only
    os.truncate(handle, _SIZE)
    return handle


def _mapped(handle: int) -> mmap.mmap:
    """The memory, without the copy of the descriptor that the module keeps.

    A case that writes to whatever is open would write there. The copy gets the lowest free number.
    """
    copy = os.dup(handle)
    os.close(copy)
    made = mmap.mmap(handle, _SIZE)
    if _same(copy, handle):
        os.close(copy)
        _KEPT.append(made)  # which would close that number again, whatever it is by then
    return made


_KEPT: list[mmap.mmap] = []


def _same(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


class Progress:
    """The slots; the child's end has a method for each thing that can happen."""

    def __init__(self, handle: int) -> None:
        self._map = _mapped(handle)
        self.slots = memoryview(self._map).cast("q")

    def begin(self, position: int) -> None:
        """A case begins: its deadline counts from now."""
        slots = self.slots
        slots[SINCE] = time.monotonic_ns()
        slots[STAGE] = LOAD
        slots[POSITION] = position

    def enter(self, stage: int) -> None:
        """The same case goes on to another stage; its deadline stays."""
        self.slots[STAGE] = stage

    def rest(self, stage: int = IDLE) -> None:
        """No case is being measured from now on."""
        slots = self.slots
        slots[STAGE] = stage
        slots[SINCE] = time.monotonic_ns()

    def beat(self) -> None:
        """A frame went out: neither the host nor the child hangs."""
        self.slots[SINCE] = time.monotonic_ns()
