"""The only door to processes: short commands under a guard, and long-lived workers.

Argument lists only, the whole environment given, own sessions (Ctrl-C in the terminal reaches the
host alone), capped output, and nothing that outlives the host: see `runner/guard.py` for commands;
a worker ends by itself when its standard input closes. Each carries a mark in its environment, by
which what it left is found when whoever was to end it has been killed (`runner/killing.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal as signals
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.runner import guard
from pytest_modelcompat.runner.killing import kill_all, kill_marked, marked
from pytest_modelcompat.runner.streams import PATIENCE, attend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

__all__ = [
    "Completed",
    "Process",
    "StoppedError",
    "allow_all",
    "run",
    "start",
    "stop_all",
    "stopped",
]

OUTPUT_LIMIT = 4 * 2**20  # bytes kept of each stream, half from its beginning, half from its end
PIPE_SIZE = 2**20  # a worker that writes a few results ahead of a busy host need not wait

_running: set[socket.socket] = set()
_running_lock = threading.RLock()  # a Ctrl-C in `stop_all` has it called again
_stopped = threading.Event()


class StoppedError(ModelcompatError):
    """The run is being stopped: the command was killed, or not started any more."""


def stop_all() -> None:
    """Kill every command that `run` waits for, in whatever thread, and refuse new ones.

    Each of those `run` raises `StoppedError`. Workers are not meant: who started one ends it.
    """
    _stopped.set()
    with _running_lock:
        for link in _running:
            with contextlib.suppress(OSError):  # it has just ended by itself
                link.shutdown(socket.SHUT_WR)


def stopped() -> bool:
    """Whether `stop_all` was called: who waits for something should not wait any longer."""
    return _stopped.is_set()


def allow_all() -> None:
    """Undo `stop_all`, for the next run in this process."""
    _stopped.clear()


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a command ended.

    Attributes:
        argv: what was run.
        returncode: its exit code; None where a signal or the deadline ended it.
        signal: the signal's number, where one ended it.
        stdout, stderr: what it wrote; the middle is left out (and says so) beyond the limit.
        seconds: from start to end.
        timed_out: the deadline passed; it and everything it had started were killed.
    """

    argv: tuple[str, ...]
    returncode: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.returncode == 0

    @property
    def out(self) -> str:
        """Standard output as text; bytes that are no UTF-8 are replaced."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def err(self) -> str:
        """Standard error as text; bytes that are no UTF-8 are replaced."""
        return self.stderr.decode("utf-8", "replace")


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    timeout: float,
    input: bytes | None = None,  # noqa: A002 - subprocess' word for it
    limit: int = OUTPUT_LIMIT,
    module: bool = False,
) -> Completed:
    """Run a command to its end, or to its deadline.

    Args:
        argv: program and arguments; the program is looked up on the PATH of `env`.
        env: the whole environment but for our mark, nothing is inherited.
        cwd: where it runs.
        timeout: seconds; then it is killed with everything it has started.
        input: for its standard input; nothing by default.
        limit: bytes kept of each output stream.
        module: the program is a module that the running Python can import, as after `python -m`.

    Raises:
        OSError: the program cannot be started (missing, not executable).
        ValueError: an argument holds a NUL.
        StoppedError: `stop_all` was called.
    """
    words = _words(argv)
    began = time.monotonic()
    # an empty entry means the folder that Python was started in
    path = json.dumps([str(Path(entry).absolute()) for entry in sys.path]) if module else "-"
    with _guarded([path, "--", *words], env=env, cwd=cwd, piped=input is not None) as pair:
        link, process = pair
        assert process.stdout is not None
        assert process.stderr is not None
        streams = (process.stdin, process.stdout, process.stderr)
        kept, told, timed_out = attend(streams, link, began + timeout, input or b"", limit)
    seconds = time.monotonic() - began
    if _stopped.is_set():
        raise StoppedError
    kind, _, number = told.partition(" ")
    if kind == "errno":
        code = int(number)
        raise OSError(code, os.strerror(code), words[0])
    if not kind and not timed_out:
        kind, number = "signal", str(int(signals.SIGKILL))  # the guard itself was killed
    return Completed(
        argv=words,
        returncode=int(number) if kind == "exit" else None,
        signal=int(number) if kind == "signal" else None,
        stdout=kept[0].value(),
        stderr=kept[1].value(),
        seconds=seconds,
        timed_out=timed_out,
    )


def _words(argv: Sequence[str | Path]) -> tuple[str, ...]:
    words = tuple(os.fspath(word) for word in argv)
    if any("\0" in word for word in words):
        raise ValueError("embedded NUL in an argument")
    return words


@contextlib.contextmanager
def _guarded(
    arguments: list[str], *, env: Mapping[str, str], cwd: Path, piped: bool
) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """A guard around a command; on leaving, however, both and all their children are gone."""
    ours, theirs = socket.socketpair()
    env, mark = marked(env)
    with ours, theirs, _stoppable(ours):
        guarded = [sys.executable, "-I", "-S", guard.__file__]
        guarded += [str(theirs.fileno()), str(os.getpid()), *arguments]
        with theirs:
            process = subprocess.Popen(
                guarded,
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                cwd=cwd,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
                bufsize=0,
            )
        try:
            yield ours, process
        finally:
            ours.close()  # now the guard ends everything
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                kill_all(process.pid, mark)
                process.wait(PATIENCE)
            if process.returncode:  # somebody killed the guard: nobody ended the rest
                kill_marked(mark)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):  # flush of a pipe nobody reads
                        stream.close()


@contextlib.contextmanager
def _stoppable(link: socket.socket) -> Iterator[None]:
    with _running_lock:
        if _stopped.is_set():
            raise StoppedError
        _running.add(link)
    try:
        yield
    finally:
        with _running_lock:
            _running.discard(link)


class Process:
    """A long-lived process with binary, unbuffered pipes on all three streams.

    A context manager: on leaving, it and everything it has started are gone. Every method is safe
    when the process is already dead.

    Attributes:
        pid: its process id, also the id of its session and process group.
        stdin, stdout, stderr: raw pipes.
    """

    def __init__(self, popen: subprocess.Popen[bytes], mark: str) -> None:
        assert popen.stdin is not None
        assert popen.stdout is not None
        assert popen.stderr is not None
        self._popen, self._mark = popen, mark
        self.pid = popen.pid
        self.stdin: IO[bytes] = popen.stdin
        self.stdout: IO[bytes] = popen.stdout
        self.stderr: IO[bytes] = popen.stderr

    def poll(self) -> int | None:
        """Exit code, negative signal number, or None while it runs."""
        if self._popen.returncode is not None:
            return self._popen.returncode
        # Not taken off the process table before `kill`: until then nobody else gets its number,
        # and what it left behind can be told from strangers.
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            ended = os.waitid(os.P_PID, self.pid, how)
        except ChildProcessError:  # just taken off by another thread's `kill`, which knows how
            return self._popen.wait()
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def wait(self, timeout: float | None = None) -> int | None:
        """Like `poll`, after at most `timeout` seconds (without one: until it ends)."""
        if self._popen.returncode is None:
            try:
                descriptor = os.pidfd_open(self.pid)
            except ProcessLookupError:  # as in `poll`
                return self._popen.wait()
            try:
                poller = select.poll()  # takes descriptors that select() does not
                poller.register(descriptor, select.POLLIN)
                poller.poll(None if timeout is None else timeout * 1000)
            finally:
                os.close(descriptor)
        return self.poll()

    def close_stdin(self) -> None:
        """Tell the worker to end."""
        with contextlib.suppress(OSError):
            self.stdin.close()

    def kill(self) -> None:
        """End it and everything it has started, at once."""
        if self._popen.returncode is not None:
            return
        kill_all(self.pid, self._mark)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel holds it; not our fault
            self._popen.wait(PATIENCE)

    def close(self) -> None:
        """Kill it where it still runs, and close the pipes."""
        self.kill()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(OSError):  # flush of a pipe nobody reads
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def start(argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> Process:
    """Start a long-lived process in a session of its own.

    Args:
        argv: program and arguments.
        env: the whole environment but for our mark, nothing is inherited.
        cwd: where it runs.

    Raises:
        OSError: the program cannot be started.
    """
    env, mark = marked(env)
    popen = subprocess.Popen(
        _words(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
        start_new_session=True,
        bufsize=0,
    )
    process = Process(popen, mark)
    # Refused above the user's share of pipe memory; the default size only costs speed.
    with contextlib.suppress(OSError):
        fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return process
