"""GPUs as something that cells queue for: all cells of all runs on this machine.

Each GPU that the driver tells of is a lock file; a cell holds as many as it asks for, and gets just
those. Where the driver tells nothing (the engine is elsewhere, or it is another driver), all GPUs
are one, and whoever wants any waits for whoever has them. Who waits holds the door meanwhile, so
that a cell that wants all of them is not passed by those that want one.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.environments.cache import LockTimeout, file_lock
from pytest_modelcompat.runner import command

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["here", "taken"]

DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each
LOOK = 0.2  # seconds between two looks for a free one, and for the end of the run


def here() -> int:
    """How many GPUs the engine's machine has, as far as can be known; 0 where it cannot."""
    if not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://"):
        return 0
    return len(list(DRIVER.iterdir())) if DRIVER.is_dir() else 0


@contextlib.contextmanager
def taken(wanted: str, *, there: int, folder: Path) -> Iterator[tuple[str, ...]]:
    """Hold GPUs, as soon as there are enough free ones; their numbers, or none: any will do.

    Args:
        wanted: "all", or how many.
        there: how many there are; 0 where that is not known.
        folder: for the lock files.

    Raises:
        StoppedError: the run is being stopped, and nobody waits any more.
    """
    count = there if wanted == "all" else min(int(wanted), there)
    with contextlib.ExitStack() as held:
        with contextlib.ExitStack() as door:
            _wait_for(door, folder / "gpus.lock")
            if not count:
                held.enter_context(door.pop_all())  # kept closed as long as they are used
            mine = _take(held, count, there, folder)
        # more than there are is the engine's to refuse, in its words
        enough = wanted == "all" or int(wanted) <= there
        yield tuple(map(str, mine)) if enough else ()


def _take(held: contextlib.ExitStack, count: int, there: int, folder: Path) -> list[int]:
    mine: list[int] = []
    while len(mine) < count:
        for number in range(there):
            if number not in mine and len(mine) < count:
                with contextlib.suppress(LockTimeout):
                    held.enter_context(file_lock(folder / f"gpu-{number}.lock", timeout=0))
                    mine.append(number)
        if len(mine) < count:
            _go_on()
            time.sleep(LOOK)
    return sorted(mine)


def _wait_for(held: contextlib.ExitStack, path: Path) -> None:
    while True:
        _go_on()
        with contextlib.suppress(LockTimeout):
            held.enter_context(file_lock(path, timeout=LOOK))
            return


def _go_on() -> None:
    if command.stopped():
        raise command.StoppedError
