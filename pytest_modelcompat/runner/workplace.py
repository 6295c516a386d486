"""Private working folders of a run's cells, gone with the run however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Workplace"]


class Workplace:
    """One folder for a run, locked while the run lives; folders of dead runs are swept.

    The kernel drops the lock with the process, so a folder whose lock can be taken is nobody's.
    """

    def __init__(self, cache: Path) -> None:
        place = cache / "work"
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=place))
        self._lock = (self.folder / ".lock").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def room(self, cell: str) -> Iterator[Path]:
        """An empty folder for one attempt at a cell."""
        name = hashlib.sha256(cell.encode()).hexdigest()[:12]
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder; a second call does nothing."""
        if not self._lock.closed:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.close()


def _sweep(place: Path) -> None:
    for folder in place.glob("run-*"):
        with contextlib.suppress(OSError), (folder / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
