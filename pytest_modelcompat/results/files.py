"""Files that are whole or absent, one writer per folder, and reading that does not trust.

Nothing here knows what is in the files. (`environments` has helpers of its own: what reads
results must not depend on what makes environments.)
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.signing import sign, signer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FolderLock",
    "atomic_file",
    "atomic_write",
    "open_plain",
    "refuse_taken",
    "temporary_name",
]

LOCK_NAME = "run.lock"
_LOOK = 0.02  # seconds between two tries
_TRIES = 3  # of a lock: somebody may just be looking at it (`refuse_taken`)


def temporary_name(name: str) -> str:
    """A name beside `name` for a file that is not finished; `folder.sweep` knows its form."""
    return f".{name}.{secrets.token_hex(4)}.tmp"


@contextmanager
def atomic_file(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file that appears under its name when the block ends well, and not at all otherwise.

    Args:
        path: where it will be; its folder exists.
        durable: also wait until the disk has it, so that a power loss cannot leave an empty file.

    Yields:
        The open file, to be written from its start.

    Raises:
        WriteError: with a sentence, where the disk is full or the folder read-only.
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise errors.cannot_write(path, error) from error
        raise


def atomic_write(path: Path, data: bytes | memoryview | str, *, durable: bool = True) -> None:
    """Write a whole file at once; see `atomic_file`."""
    with atomic_file(path, durable=durable) as file:
        file.write(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)


class FolderLock:
    """The right to write to a report folder, held by one process at a time.

    The kernel gives it back when the process ends, however it ends. The file holds the owner's
    process id and since when, for the sentence that the second one gets.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._descriptor = self._take()

    def _take(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        tries = 0
        while True:
            tries += 1
            try:
                descriptor = os.open(self._path, flags, 0o644)
            except OSError as error:
                raise errors.cannot_write(self._path, error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The owner before us may have deleted the file between our two calls; a lock on a
                # file without a name would exclude nobody.
                if _same(descriptor, self._path):
                    sign(descriptor)
                    return descriptor
            except BlockingIOError as error:
                taken = _taken(descriptor, self._path.parent)
                if tries >= _TRIES:
                    os.close(descriptor)
                    raise taken from error
                time.sleep(_LOOK)
            except OSError as error:
                os.close(descriptor)
                raise errors.cannot_write(self._path, error) from error
            os.close(descriptor)

    def release(self) -> None:
        """Give it back; a second call does nothing."""
        if self._descriptor >= 0:
            if _same(self._descriptor, self._path):
                with suppress(OSError):
                    self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1


def refuse_taken(folder: Path) -> None:
    """Refuse a report folder that another run is writing to, before anything is done for a run.

    Whoever comes between this and the `FolderLock` is found by that.

    Raises:
        StoreProblem: the same as the lock's.
    """
    with suppress(OSError):  # no lock, or none that can be looked at: the run itself will say
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _taken(descriptor, folder) from error
        finally:
            os.close(descriptor)


def _taken(descriptor: int, folder: Path) -> errors.StoreProblem:
    """That another run writes to a folder, as its lock was signed."""
    return errors.in_use(folder, *signer(descriptor))


def _same(descriptor: int, path: Path) -> bool:
    try:
        there = path.lstat()
    except OSError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def open_plain(path: Path) -> IO[bytes]:
    """Open a regular file of a stored run; links, pipes and devices are refused.

    Args:
        path: the file; its folder may be reached through links, the file itself not.

    Raises:
        FileNotFoundError: there is none.
        StoredRunProblem: it is no regular file, or cannot be read.
    """
    try:
        # O_NONBLOCK: opening a pipe without a writer would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise errors.stored_bad(path, f"it cannot be opened ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise errors.stored_bad(path, "it is not a regular file")
    return os.fdopen(descriptor, "rb")
