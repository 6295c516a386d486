"""A worker's stream: bytes out of its pipe, messages and the count of what was damaged."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_modelcompat.worker.protocol import CHUNK, Parser

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Stats", "loads", "messages"]

BREATH = 0.02  # seconds between two readings, where there is little to read


@dataclass
class Stats:
    """Damage to the stream.

    Attributes:
        torn: messages and frames that began and did not end as they should.
        garbage: bytes that belong to no frame.
        repeated: answers to cases that had been answered before, left out.
    """

    torn: int = 0
    garbage: int = 0
    repeated: int = 0


def messages(
    handle: int, nonce: bytes, stats: Stats
) -> Iterator[tuple[dict[str, Any], memoryview]]:
    """What comes until the stream ends: (JSON, raw bytes).

    Where something was damaged there is a message `{"type": "damaged"}`.

    Args:
        handle: descriptor of the reading end.
        nonce: the session's mark.
        stats: kept up to date.
    """
    little = _little(handle)
    parser = Parser(nonce, loads)
    data, read = b"", 0.0
    while True:
        # To be woken for each of thousands of small answers costs more than to read them, and it
        # is the worker's processor that is taken away. The pipe holds what comes meanwhile. Who is
        # in the middle of a large answer waits for us to take the rest.
        if len(data) < little and not parser.partial:
            time.sleep(max(0.0, read + BREATH - time.monotonic()))
        data = os.read(handle, 4 * CHUNK)
        read = time.monotonic()
        torn = parser.torn
        found = parser.feed(data) if data else parser.finish()
        stats.torn, stats.garbage = parser.torn, parser.garbage
        yield from found
        if parser.torn > torn:
            yield {"type": "damaged"}, memoryview(b"")
        if not data:
            return


def _little(handle: int) -> int:
    """How many bytes leave a pipe mostly empty, once it is as large as it may be.

    A user may have pipes of so many bytes in all; from then on each one holds two pages, and what
    reads those 50 times a second takes half a minute for 10 MB.
    """
    with contextlib.suppress(OSError):
        fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, 4 * CHUNK)
    try:
        return fcntl.fcntl(handle, fcntl.F_GETPIPE_SZ) // 4
    except OSError:  # no pipe
        return 0


def loads(data: bytes) -> Any:
    """JSON as the standard library reads it, in a fifth of the time where it is plain."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(data)  # lone surrogates and infinities are no JSON, and yet are sent
