"""How the holder of a lock file signs it, for the sentence that those who wait for it get."""

from __future__ import annotations

import os
import time

__all__ = ["sign", "signer"]

_LENGTH = 40  # bytes, at most


def sign(descriptor: int) -> None:
    """Have nothing in a lock file but this process and the time.

    Args:
        descriptor: of the file, whose lock this process holds.

    Raises:
        OSError: no room.
    """
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {time.strftime('%Y-%m-%d %H:%M:%S')}".encode(), 0)


def signer(descriptor: int) -> tuple[str, str]:
    """Process id of the last holder and since when; both empty where nobody signed.

    Args:
        descriptor: of a lock file that can be read. Nothing in it is trusted.
    """
    owner, _, since = os.pread(descriptor, _LENGTH, 0).decode("ascii", "replace").partition(" ")
    return owner, since
