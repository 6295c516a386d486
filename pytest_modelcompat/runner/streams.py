"""The streams of a guarded command: fed, read, capped, and given up at the deadline."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from typing import IO

__all__ = ["Kept", "attend"]

CHUNK = 65536
PATIENCE = 5.0  # seconds for a guard to end what it watches


class Kept:
    """The beginning and the end of a stream, in bounded memory."""

    def __init__(self, limit: int) -> None:
        self.half = limit // 2
        self.head = bytearray()
        self.tail = bytearray()
        self.dropped = 0

    def add(self, data: bytes) -> None:
        """Keep what fits."""
        room = self.half - len(self.head)
        self.head += data[:room]
        self.tail += data[room:] if room > 0 else data
        if len(self.tail) > 2 * self.half:
            self.dropped += len(self.tail) - self.half
            del self.tail[: -self.half]

    def value(self) -> bytes:
        """What was kept, with a note in place of what was not."""
        dropped = self.dropped + max(0, len(self.tail) - self.half)
        if not dropped:
            return bytes(self.head + self.tail)
        note = f"\n[... {dropped} bytes left out ...]\n".encode()
        return bytes(self.head) + note + bytes(self.tail[-self.half :])


class _Deadline:
    """How long to go on attending; past it the guard is told, and gets a moment to obey."""

    def __init__(self, end: float, link: socket.socket) -> None:
        self.end = end
        self.link = link
        self.passed = False
        self._ending = False

    def left(self) -> float:
        """Seconds to wait for something to happen; none: wait no more."""
        left = self.end - time.monotonic()
        if left <= 0 and not self._ending:
            self.passed = self._ending = True
            with contextlib.suppress(OSError):  # it has just ended by itself
                self.link.shutdown(socket.SHUT_WR)
            self.end = time.monotonic() + PATIENCE
            return PATIENCE
        return left

    def guard_is_gone(self) -> None:
        """Someone killed it: orphans may hold the streams open for as long as they like."""
        if not self._ending:
            self._ending = True
            self.end = min(self.end, time.monotonic() + 1)


def attend(
    streams: tuple[IO[bytes] | None, IO[bytes], IO[bytes]],
    link: socket.socket,
    end: float,
    data: bytes,
    limit: int,
) -> tuple[tuple[Kept, Kept], str, bool]:
    """Feed and read until the streams and the guard have ended, or the deadline has passed.

    Args:
        streams: standard input (or None), output and error, as the command's other ends.
        link: to the guard.
        end: the deadline, by the monotonic clock.
        data: for standard input.
        limit: bytes kept of each output.

    Returns:
        Output and error; what the guard told (nothing if it died); whether the deadline passed.
    """
    stdin, stdout, stderr = streams
    kept = (Kept(limit), Kept(limit))
    told = b""
    rest = memoryview(data)
    deadline = _Deadline(end, link)
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ, kept[0])
        selector.register(stderr, selectors.EVENT_READ, kept[1])
        selector.register(link, selectors.EVENT_READ)
        if stdin is not None:
            os.set_blocking(stdin.fileno(), False)
            selector.register(stdin, selectors.EVENT_WRITE)
        while selector.get_map() and (left := deadline.left()) > 0:
            for key, _ in selector.select(left):
                if key.fileobj is link:
                    told = link.recv(64)
                    selector.unregister(link)
                    if not told:
                        deadline.guard_is_gone()
                elif key.fileobj is stdin:
                    rest = _feed(stdin, rest)
                    if not rest:
                        selector.unregister(stdin)
                        stdin.close()
                else:
                    block = os.read(key.fd, CHUNK)
                    key.data.add(block)
                    if not block:
                        selector.unregister(key.fileobj)
    return kept, told.decode("ascii", "replace"), deadline.passed and not told


def _feed(stdin: IO[bytes], rest: memoryview) -> memoryview:
    """Write what the pipe takes; what is left, nothing once the other side has closed it."""
    try:
        return rest[os.write(stdin.fileno(), rest[:CHUNK]) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return rest[:0]
