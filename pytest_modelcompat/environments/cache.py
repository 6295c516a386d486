"""The user's cache folder: where it is, locks between runs, atomic writes, and the sweep.

Two runs at once are the normal case. A lock belongs to an open file, so the kernel releases it
when its holder dies; a temporary file is locked by its writer for as long as it is written, so
that whoever can lock it knows that it was left by a dead one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import platformdirs

from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.runner import command
from pytest_modelcompat.signing import sign, signer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "LockTimeout",
    "atomic_write",
    "cache_folder",
    "clear",
    "file_lock",
    "forget_older",
    "kept_or_removed",
    "made_anew",
    "remove_tree",
    "sweep",
    "temporary_file",
    "waits",
]

MARKER = "ready.json"  # written last into a finished environment; without it the folder is rubbish
TEMPORARY = ".modelcompat-tmp"
OURS = (
    "environments", "locks", "hashes", "interpreters", "images", "preflight", "uv",
    "corpora", "data", "produced", "examined", "releases", "results", "worker",
    "work",
)  # fmt: skip
FORGET = 14 * 86400.0  # seconds since an environment for an older lock was last used
POLL = 0.05  # seconds between two looks at a lock that another run holds
TOLD = 1.0  # seconds of waiting that nobody needs to hear of

_waits: SimpleQueue[str] = SimpleQueue()


class LockTimeout(OSError):
    """Another process held the lock for too long."""


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The cache folder, absolute, not necessarily there: MODELCOMPAT_CACHE, else the user's own."""
    named = (os.environ if environ is None else environ).get("MODELCOMPAT_CACHE")
    folder = Path(named).expanduser() if named else platformdirs.user_cache_path("modelcompat")
    return folder.absolute()


@contextlib.contextmanager
def file_lock(path: Path, *, timeout: float | None = None) -> Iterator[None]:
    """Hold an exclusive lock between processes and threads; the file stays behind.

    It names its last holder: who waits for it says for whom (`waits`).

    Args:
        path: the lock file; its folder is made.
        timeout: seconds to wait for another holder; without it, for as long as that takes.

    Raises:
        LockTimeout: it was not to be had in time. With a timeout of 0 it is tried once.
        StoppedError: the run is being stopped, and nobody waits any more.
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    end = None if timeout is None else began + timeout
    told = False
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EINTR}:
                    raise
            if end is not None and time.monotonic() >= end:
                raise LockTimeout(errno.EWOULDBLOCK, "held by another process", str(path))
            if command.stopped():
                raise command.StoppedError
            if not told and time.monotonic() - began >= TOLD:
                told = True
                _tell(path)
            time.sleep(POLL)
        with contextlib.suppress(OSError):  # no room for a name: the lock is held all the same
            sign(file.fileno())
        yield


def _tell(path: Path) -> None:
    """Have it said that another run is waited for; threads of this one wait for each other, too."""
    try:
        with path.open("rb") as file:
            owner, since = signer(file.fileno())
    except OSError:
        return
    if owner != str(os.getpid()):
        _waits.put(words.waiting(str(path.with_suffix("")), owner, since))


def waits() -> list[str]:
    """What is being waited for in other runs: a sentence each, and each is given once."""
    found = []
    with contextlib.suppress(Empty):
        while True:
            found.append(_waits.get_nowait())
    return found


@contextlib.contextmanager
def temporary_file(folder: Path, *, name: str = "") -> Iterator[Path]:
    """A new, empty file in `folder`, removed on leaving unless it was moved away by then.

    It is locked meanwhile, which keeps `sweep` from taking it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        while True:
            path = folder / f".{name[:100]}.{secrets.token_hex(8)}{TEMPORARY}"
            file = stack.enter_context(path.open("xb"))
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:  # else a sweep came between these two lines
                break
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def atomic_write(path: Path, data: bytes | str, *, durable: bool = True) -> None:
    """Write a file so that others see it whole or not at all, also after a crash or a full disk.

    Args:
        path: the file; its folder is made.
        data: text is written as UTF-8.
        durable: it has reached the disk when this returns. Waiting for a busy disk takes longer
            than making an environment: what can be made again is better written without.

    Raises:
        OSError: it cannot be written; what was there before is untouched.
    """
    with temporary_file(path.parent, name=path.name) as temporary:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)


@contextlib.contextmanager
def made_anew(folder: Path) -> Iterator[None]:
    """Make a folder from nothing; without its marker at the end, it is taken away again.

    Raises:
        OSError: what stood there before cannot be removed.
    """
    remove_tree(folder)
    with kept_or_removed(folder):
        yield


@contextlib.contextmanager
def kept_or_removed(folder: Path) -> Iterator[None]:
    """Bring a finished folder up to date, or make it; without its marker at the end, it goes.

    What a killed run has half made there is removed first. Meanwhile it has no marker.

    Raises:
        OSError: what stood there before cannot be removed.
    """
    marker = folder / MARKER
    if folder.exists() and not marker.exists():
        remove_tree(folder)
    marker.unlink(missing_ok=True)
    try:
        yield
    finally:
        if not marker.exists():
            with contextlib.suppress(OSError):  # left for the sweep
                remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder (or what stands in its place) that may be half-made, or gone already.

    It is moved aside first, so that nobody finds a half-removed one under its own name.

    Raises:
        OSError: something in it cannot be removed.
    """
    aside = folder.with_name(f".{folder.name[:100]}.{secrets.token_hex(8)}{TEMPORARY}")
    try:
        folder.rename(aside)
    except FileNotFoundError:
        return
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink()


def sweep(cache: Path) -> tuple[Path, ...]:
    """Remove what runs that were killed have left in the cache, and only that.

    That is: environments without their marker that nobody is making at the moment, and temporary
    files and folders without a living writer. Called at the start of a run.

    Returns:
        What was removed.
    """
    removed: list[Path] = []
    environments = cache / "environments"
    for folder in _folders(environments):
        for made in _folders(folder):
            if (made / MARKER).exists() or made.name.endswith(TEMPORARY):
                continue
            with contextlib.suppress(OSError), file_lock(lock_of(folder), timeout=0):
                if made.exists() and not (made / MARKER).exists():
                    remove_tree(made)
                    removed.append(made)
    for place in (cache, *_folders(cache), *_folders(environments)):
        with contextlib.suppress(FileNotFoundError):
            removed += [left for left in place.glob(f".*{TEMPORARY}") if _remove_left(left)]
    return tuple(removed)


def clear(cache: Path) -> None:
    """Remove the whole cache, but nothing else that is in its folder: the user names that."""
    for name in OURS:
        remove_tree(cache / name)
    with contextlib.suppress(OSError):  # it never was, or holds what is not ours
        cache.rmdir()


def lock_of(folder: Path) -> Path:
    """The lock file of an environment's folder; beside it, for it must outlive the folder."""
    return folder.with_name(f"{folder.name}.lock")


def forget_older(place: Path, current: Path) -> None:
    """Remove the environments beside `current` that no run has used for a while."""
    for folder in place.iterdir():
        marker = folder / MARKER
        with contextlib.suppress(OSError):  # half-made, or going away: the sweep's business
            if folder != current and time.time() - marker.stat().st_mtime > FORGET:
                remove_tree(folder)


def _folders(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_left(path: Path) -> bool:
    """Remove a temporary file or folder if its writer is dead."""
    with contextlib.suppress(OSError):  # gone, or not ours to remove
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)  # moved aside to be removed: nobody needs it any more
            return True
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            return True
    return False
