"""A started container with its three streams as pipes, like any other process.

The engine multiplexes output over one connection; two threads here take it apart and pass input
on, so that whoever reads and writes deals with pipes. A third one hears from the engine how the
container ended. When this process dies, however, the connection closes, with it the container's
standard input, and with that the worker.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import time
from typing import IO, TYPE_CHECKING, Any

from pytest_modelcompat.environments.docker import reaper
from pytest_modelcompat.environments.docker.containers import Wanted, create, discard
from pytest_modelcompat.environments.docker.engine import EngineLostError, RefusedError
from pytest_modelcompat.errors import docker as words

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from pytest_modelcompat.environments.docker.engine import Engine

__all__ = ["ContainerProcess", "launch"]

HEADER = struct.Struct(">BxxxL")  # stream, size
PIECE = 1 << 16
PIPE_SIZE = 1 << 20
STDERR = 2
PATIENCE = 10.0  # seconds for the engine to tell of an end, and to remove


def launch(engine: Engine, wanted: Wanted, *, released: Callable[[], object]) -> ContainerProcess:
    """Create and start a container.

    Args:
        engine: a connection of its own, closed with the process, or here where there is none.
        wanted: the container.
        released: called once, when it is gone.

    Raises:
        RefusedError: it cannot be made or started, in the engine's words.
        EngineLostError: nobody answers.
    """
    container = ""
    try:
        container = create(engine, wanted)
        return ContainerProcess(engine, container, memory=wanted.memory, released=released)
    except BaseException:
        if container:
            discard(engine, container)
        engine.close()
        raise


class ContainerProcess:
    """See the module's docstring; the interface is that of `environments.protocol.WorkerProcess`.

    Attributes:
        container: its id.
        out_of_memory: the kernel killed a process of it at its limit.
    """

    def __init__(
        self, engine: Engine, container: str, *, memory: int, released: Callable[[], object]
    ) -> None:
        self.container = container
        self.out_of_memory = False
        self._engine = engine
        self._memory = memory
        self._released = released
        self._code: int | None = None
        self._ended = threading.Event()  # the engine told how, or cannot tell any more
        self._removed = threading.Event()
        self._closed = False
        self._lock = threading.Lock()
        with engine.answering() as api:
            began = int(time.time()) - 1
            news = api.events(since=began, filters={"container": [container]}, decode=True)
            attached = api.attach_socket(
                container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            )
        self._news = news
        self._attached = attached
        self._link = getattr(attached, "_sock", attached)
        self._link.settimeout(None)
        self._input, self.stdin = _pipe_to()
        self.stdout, self._output = _pipe_from()
        self.stderr, self._errors = _pipe_from()
        self._threads = [
            threading.Thread(target=work, daemon=True, name=f"container-{work.__name__}")
            for work in (self._listen, self._forward, self._receive)
        ]
        self._threads[0].start()
        try:
            with engine.answering() as api:
                api.start(container)
        except BaseException:
            self._hang_up()
            for stream in (self.stdin, self.stdout, self.stderr):
                stream.close()
            for handle in (self._input, self._output, self._errors):
                os.close(handle)
            raise
        for thread in self._threads[1:]:
            thread.start()

    # -- threads ---------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Hear from the engine what becomes of the container."""
        try:
            with self._engine.answering():
                for event in self._news:
                    self._heard(event)
                    if self._removed.is_set():
                        break
        except (EngineLostError, RefusedError, ValueError):
            pass  # the connection is gone, and with it all that could be heard
        finally:
            self._ended.set()
            self._removed.set()

    def _heard(self, event: dict[str, Any]) -> None:
        action = str(event.get("Action", event.get("status", "")))
        if action == "oom":
            self.out_of_memory = True
        elif action == "die":
            code = event.get("Actor", {}).get("Attributes", {}).get("exitCode", "")
            self._code = int(code) if str(code).isdigit() else None
            self._ended.set()
        elif action == "destroy":
            self._removed.set()

    def _forward(self) -> None:
        """What is written to our end of standard input goes to the container."""
        with contextlib.suppress(OSError):  # nobody listens there any more
            while data := os.read(self._input, PIECE):
                self._link.sendall(data)
            self._link.shutdown(1)  # half: its output still comes
        with contextlib.suppress(OSError):
            os.close(self._input)

    def _receive(self) -> None:
        """What the container writes goes to our two pipes, and how it ended after it."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                stream, size = HEADER.unpack(self._exactly(HEADER.size))
                target = self._errors if stream == STDERR else self._output
                while size:
                    data = self._link.recv(min(size, PIECE))
                    if not data:
                        raise EOFError
                    size -= len(data)
                    _write(target, data)
        self._ended.wait(PATIENCE)
        if self._code != 0:
            told = words.container_ended(
                self._code, memory=self._memory, out_of_memory=self.out_of_memory
            )
            with contextlib.suppress(OSError):
                _write(self._errors, f"\n{told}\n".encode())
        self._ended.set()
        os.close(self._output)
        os.close(self._errors)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._link.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    # -- the interface ---------------------------------------------------------------------------

    def poll(self) -> int | None:
        """Exit code, or None while it runs and where nobody can tell."""
        return self._code if self._ended.is_set() else None

    @property
    def over(self) -> bool:
        """Whether it has ended, or the engine cannot tell any more."""
        return self._ended.is_set()

    def wait(self, timeout: float | None = None) -> int | None:
        """Like `poll`, after at most `timeout` seconds (without one: until it ends)."""
        self._ended.wait(timeout)
        return self.poll()

    def close_stdin(self) -> None:
        """Tell the worker to end."""
        with contextlib.suppress(OSError):
            self.stdin.close()

    def kill(self) -> None:
        """End it and everything in it, and remove it."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._ended.is_set() and self._code is not None:
            self._removed.wait(PATIENCE)  # the engine does it by itself
        if not (self._removed.is_set() and self._code is not None):
            discard(self._engine, self.container)
            self._removed.wait(PATIENCE)
        else:
            reaper.gone(self.container)  # the engine has removed it by itself
        self._hang_up()
        self._released()

    def close(self) -> None:
        """Kill it where it still runs, and close the pipes."""
        self.kill()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        self._engine.close()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._link.shutdown(2)  # wakes who reads from it
        for close in (self._news.close, self._attached.close, self._link.close):
            with contextlib.suppress(OSError, AttributeError):
                close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _pipe_to() -> tuple[int, IO[bytes]]:
    """A pipe into which others write: our end, their end."""
    ours, theirs = os.pipe()
    return ours, os.fdopen(theirs, "wb", buffering=0)


def _pipe_from() -> tuple[IO[bytes], int]:
    """A pipe from which others read: their end, our end."""
    theirs, ours = os.pipe()
    with contextlib.suppress(OSError):  # beyond the user's share of pipe memory
        fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return os.fdopen(theirs, "rb", buffering=0), ours


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
