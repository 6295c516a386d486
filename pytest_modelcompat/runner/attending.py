"""One exporter's process, attended: the order goes in, stages and files come out.

`worker/produce.py` says in which form. What comes is a stranger's: names are held to plain relative
ones, sizes to a limit, and anything odd ends the reading.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_modelcompat.environments.protocol import WorkerProcess

__all__ = ["Ended", "attend"]

_PRINTED = 32 << 10  # bytes of standard error that are kept, from the end
_MOST = 64 << 30  # bytes of all files
_CHUNK = 1 << 20
_LINE = 4096
_PATIENCE = 5.0  # seconds for the streams of a dead process to end
_STAGE = re.compile(rb"S ([a-z]{1,20})\n")
_FILE = re.compile(rb"F (\d{1,15}) ([^\n\0]{1,1024})\n")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an exporter's process ended.

    Attributes:
        code: its exit code, negative for a signal; None: its time was over.
        stage: the last one it entered; empty before the first.
        printed: the end of what it wrote to standard error.
    """

    code: int | None
    stage: str
    printed: str


def attend(process: WorkerProcess, order: dict[str, Any], *, into: Path, seconds: float) -> Ended:
    """Give a process its order and take what it makes.

    Args:
        process: just started.
        order: see `worker/produce.py`.
        into: folder for its files.
        seconds: for all of it.
    """
    end = time.monotonic() + seconds
    taken, printed = _Taken(process.stdout, into), _Printed(process.stderr)
    threads = [threading.Thread(target=each.read, daemon=True) for each in (taken, printed)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(OSError):  # it died at once, which its exit code tells
        _feed(process.stdin, json.dumps(order).encode())
    code = process.wait(max(0.0, end - time.monotonic()))
    if code is None:
        process.kill()
    for thread in threads:
        thread.join(_PATIENCE)
    process.kill()  # and whatever it has left behind
    return Ended(code=code, stage=taken.stage, printed=printed.text())


def _feed(stream: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[stream.write(rest) :]
    stream.close()


class _Printed:
    """Reads a stream to its end and keeps the end of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._lock = threading.Lock()

    def read(self) -> None:
        """Until it closes."""
        with contextlib.suppress(OSError, ValueError):  # closed under us, with its process
            while data := self._stream.read(_CHUNK):
                with self._lock:
                    self._kept += data
                    del self._kept[:-_PRINTED]

    def text(self) -> str:
        """What was printed last."""
        with self._lock:
            return self._kept.decode("utf-8", "backslashreplace")


class _Taken:
    """Reads stages and files; stops at whatever is neither."""

    def __init__(self, stream: IO[bytes], into: Path) -> None:
        self._stream = stream
        self._into = into
        self._buffer = bytearray()
        self._room = _MOST
        self.stage = ""

    def read(self) -> None:
        """Until it closes or is odd; a file that was cut off is taken away again."""
        with contextlib.suppress(OSError, ValueError):  # the missing result tells
            while line := self._line():
                if stage := _STAGE.fullmatch(line):
                    self.stage = stage.group(1).decode("ascii")
                elif file := _FILE.fullmatch(line):
                    self._file(file.group(2).decode("utf-8", "surrogateescape"), int(file.group(1)))
                else:
                    return

    def _more(self) -> bool:
        data = self._stream.read(_CHUNK)
        self._buffer += data or b""
        return bool(data)

    def _line(self) -> bytes:
        while b"\n" not in self._buffer[:_LINE]:
            if len(self._buffer) >= _LINE or not self._more():
                return b""
        at = self._buffer.index(b"\n") + 1
        line = bytes(self._buffer[:at])
        del self._buffer[:at]
        return line

    def _file(self, name: str, size: int) -> None:
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == "/" or ".." in parts or size > self._room:
            raise ValueError(name)
        self._room -= size
        path = self._into.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            left = size
            while left:
                if not self._buffer and not self._more():
                    path.unlink()
                    return
                piece = bytes(self._buffer[:left])
                del self._buffer[: len(piece)]
                file.write(piece)
                left -= len(piece)
