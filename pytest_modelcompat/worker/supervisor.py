"""The supervisor: starts the child, watches it from outside, and says what became of it.

It holds no framework and shares no interpreter with one, so nothing that a model does can stop it:
a deadline is read from shared memory, whoever holds which lock. One loop waits for everything (the
host's messages, the child's output and end, descriptors asked back at the door), and sleeps until
the nearest deadline otherwise.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import signal
import sys
import time

from . import protocol
from .deadline import Deadline
from .door import Door
from .limits import kills, looks_exhausted
from .output import Tail
from .plumbing import HIGH, clean, drain, forget, meaning, pipe, say, wake_on_death
from .processes import adopt_orphans, die_with_parent, end_everybody
from .progress import (
    DONE,
    EXHAUSTED,
    EXIT,
    FINISH,
    IMPORT,
    POSITION,
    QUEUED,
    RENEW,
    REPORTED,
    SENDING,
    SINCE,
    STAGE,
    STAGES,
    Progress,
    shared,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["main"]

_FRUITLESS = 3  # children in a row that answer no case
_PIECE = 4096  # what a pipe that is writable takes without blocking


class Supervisor:
    """One session: an order, its cases, and the children that work on them."""

    def __init__(
        self, nonce: bytes, folder: str, code: str, *, keeper: int, stdin: int, stdout: int
    ) -> None:
        self.nonce, self.folder, self.code, self.keeper = nonce, folder, code, keeper
        self.stdin, self.stdout = stdin, stdout
        self.requests = protocol.Requests()
        self.poll = select.poll()
        self.order: dict[str, Any] | None = None
        self.lines = 0  # cases in the queue
        self.answered = 0
        self.children = 0
        self.fruitless = 0
        self.over = False
        self.child = 0  # pid, 0 where there is none
        self.pipes: tuple[int, ...] = ()
        self.output = Tail()
        self.output_position = -1
        self.killed: str | None = None  # why we killed the child
        memory = shared()
        self.progress = Progress(memory)
        self.progress_handle = memory
        self.progress.slots[POSITION] = -1
        self.deadline = Deadline(self.progress)
        self.queue = os.open(
            os.path.join(folder, "queue"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        self.wake = wake_on_death()
        self.door: Door | None = None
        for handle in (stdin, self.wake):
            self.poll.register(handle, select.POLLIN)

    # -- the loop

    def run(self) -> None:
        """Until everything is answered, or the host is gone."""
        self.send(
            {
                "type": "hello",
                "protocol": protocol.PROTOCOL,
                "python": ".".join(map(str, sys.version_info[:3])),
                "executable": sys.executable,
                "pid": os.getpid(),
            }
        )
        while not self.over:
            if self.order is not None and not self.child:
                self.start()
            self.wait(self.deadline.pause() if self.child else 3600.0)
            if self.child:
                self.watch()
        self.send({"type": "done", "results": self.answered, "children": self.children})

    def wait(self, seconds: float) -> None:
        """Handle what happens within this time, then return."""
        died = False
        for handle, what in self.poll.poll(int(seconds * 1000) + 1):
            if handle == self.stdin:
                self.listen()
            elif handle == self.wake:
                drain(self.wake)
                died = True
            elif self.door is not None and handle == self.door.fileno():
                self.door.answer()
            elif not self.read_output(handle) and what & (select.POLLHUP | select.POLLERR):
                self.poll.unregister(handle)
        if died:  # last, because it closes what the others read
            self.reap()

    def listen(self) -> None:
        """Take what the host says; when it is gone, so are we."""
        data = os.read(self.stdin, 1 << 20)
        if not data:
            self.leave()
        for message in self.requests.feed(data):
            kind = message.get("type")
            if kind == "order":
                if message.get("protocol") != protocol.PROTOCOL:
                    say("the host speaks protocol {!r}".format(message.get("protocol")))
                    self.leave(1)
                with open(os.path.join(self.folder, "order.json"), "w", encoding="ascii") as file:
                    json.dump(message, file)
                self.order = message
                self.deadline.limits = message.get("limits") or {}
            elif kind == "cases":
                lines = [json.dumps(case).encode("ascii") + b"\n" for case in message["cases"]]
                data = b"".join(lines)
                while data:
                    data = data[os.write(self.queue, data) :]
                self.lines += len(lines)
                self.deadline.queued(len(lines))
                self.progress.slots[QUEUED] += sum(map(len, lines))
            elif kind == "finish":
                self.progress.slots[FINISH] = 1

    def leave(self, code: int = 0) -> None:
        """End everything at once."""
        if self.child:
            os.kill(self.child, signal.SIGKILL)
        end_everybody()
        clean(self.folder)
        os._exit(code)

    # -- the child

    def start(self) -> None:
        """Start a child; it goes on at DONE."""
        self.children += 1
        slots = self.progress.slots
        slots[STAGE], slots[SENDING] = IMPORT, 0
        slots[SINCE] = time.monotonic_ns()
        self.killed = None
        self.output.clear()
        self.output_position = slots[POSITION]
        self.kills = kills()
        self.begun_at = slots[DONE]
        out, err = pipe(), pipe()
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, out[1], 1),
            (os.POSIX_SPAWN_DUP2, err[1], 2),
        ]
        arguments = [
            *(sys.executable, "-I", "-u", self.code, "child"),
            *(self.nonce.hex(), str(os.getpid()), str(self.stdout), str(self.progress_handle)),
            self.folder,
        ]
        self.child = os.posix_spawn(
            sys.executable,
            arguments,
            os.environ,
            file_actions=actions,
            setsigmask=[],
            setsigdef=[*_CARED_FOR, signal.SIGPIPE],
        )
        for handle in (out[1], err[1]):
            os.close(handle)
        self.pipes = out[0], err[0]
        for handle in self.pipes:
            self.poll.register(handle, select.POLLIN)
        if self.door is None:  # here, beside the child's own start: both take a while to import
            adopt_orphans()
            if self.keeper:
                die_with_parent(self.keeper, signal.SIGTERM)
            self.door = Door(self.folder, self.stdout)
            self.poll.register(self.door, select.POLLIN)

    def read_output(self, handle: int) -> bool:
        """Read what the child printed; False at the end or when there is nothing now."""
        try:
            data = os.read(handle, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            return False
        position = self.progress.slots[POSITION]
        if position != self.output_position:  # what earlier cases printed is of no interest
            self.output.clear()
            self.output_position = position
        self.output.add(data)
        return True

    def reap(self) -> None:
        """See who died. Orphans are reaped on the way."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.child:
                self.bury(status)
                return

    def watch(self) -> None:
        """Kill the child if it is overdue."""
        if not self.killed and self.deadline.passed(self.stdout):
            self.killed = "timed_out"
            os.kill(self.child, signal.SIGKILL)

    # -- what became of it

    def bury(self, status: int) -> None:
        """Tell what the child died of, end what it left, and decide how to go on."""
        self.child = 0
        left_behind = end_everybody()
        for handle in self.pipes:
            while self.read_output(handle):
                pass
            forget(self.poll, handle)
            os.close(handle)
        slots = self.progress.slots
        position, stage, done = slots[POSITION], slots[STAGE], slots[DONE]
        if slots[SENDING]:
            self.write(b"".join(protocol.pad(self.nonce)))
        signum, code = meaning(status)
        death = {
            "how": self.killed or self.manner(signum, code),
            "signal": signum,
            "exit_code": code,
            "output": self.output.text() if position == self.output_position else "",
        }
        if stage == IMPORT:
            self.bury_import(death, code)
        elif position >= done:
            case = self.case(position)
            found = {"n": case["n"], "variant": case.get("variant"), "stage": STAGES[stage]}
            self.send({"type": "ended", **found, **death})
            if left_behind:
                self.send({"type": "leftover", "n": case["n"], "pids": left_behind})
            slots[DONE] = position + 1
        elif code != (0 if stage == EXIT else RENEW):
            when = "exit" if stage == EXIT else "between"
            self.send({"type": "exit_crash", "when": when, **death})
        self.answered = slots[DONE]
        self.fruitless = 0 if slots[DONE] > self.begun_at else self.fruitless + 1
        finished = slots[FINISH] and slots[DONE] >= self.lines
        if stage == EXIT or finished:
            self.over = True
        elif not self.over and self.fruitless >= _FRUITLESS:
            self.send({"type": "import_failed", "error": None, **death})
            self.over = True

    def bury_import(self, death: dict[str, Any], code: int | None) -> None:
        """A child died before it was ready; one that had been ready once gets another chance."""
        if code == REPORTED:
            with open(os.path.join(self.folder, "last-words.json"), encoding="ascii") as file:
                words = json.load(file)
            if words["type"] == "import_failed":
                words.update(signal=None, exit_code=None, output=death["output"])
            self.send(words)
            self.over = True
        elif self.answered == 0 or self.killed or self.fruitless + 1 >= _FRUITLESS:
            self.send({"type": "import_failed", "error": None, **death})
            self.over = True

    def manner(self, signum: str | None, code: int | None) -> str:
        """Whether a death that we did not cause was for memory."""
        if code == EXHAUSTED:
            return "out_of_memory"
        if signum == "SIGKILL" and kills() > self.kills:
            return "out_of_memory"
        if signum == "SIGABRT" and looks_exhausted(self.output.text()):
            return "out_of_memory"
        return "crashed"

    def case(self, position: int) -> dict[str, Any]:
        """The case at this place in the queue."""
        with open(os.path.join(self.folder, "queue"), "rb") as file:
            for _ in range(position):
                file.readline()
            found: dict[str, Any] = json.loads(file.readline())
        return found

    # -- to the host

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; only while no child can be in the middle of one."""
        for frame in protocol.frames(self.nonce, message):
            self.write(b"".join(frame))

    def write(self, data: bytes) -> None:
        """Write to the host without ever being deaf to it."""
        rest = memoryview(data)
        room = select.poll()
        room.register(self.stdout, select.POLLOUT)
        room.register(self.stdin, select.POLLIN)
        while rest:
            for handle, what in room.poll():
                if handle == self.stdin:
                    self.listen()
                elif what & (select.POLLERR | select.POLLNVAL):
                    self.leave()
                else:
                    try:
                        rest = rest[os.write(self.stdout, rest[:_PIECE]) :]
                    except OSError as problem:
                        if problem.errno != errno.EAGAIN:
                            self.leave()


_CARED_FOR = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)


def main(nonce: str, folder: str, code: str, keeper: int) -> None:
    """Be the supervisor of one session.

    Args:
        nonce: marks its frames.
        folder: private.
        code: holds the worker's modules.
        keeper: our parent's process id, or 0 where there is none.
    """
    stdin, stdout = (fcntl.fcntl(handle, fcntl.F_DUPFD, HIGH) for handle in (0, 1))
    fcntl.fcntl(stdin, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # whoever prints, prints to the diagnostics
    os.close(nothing)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the host decides what Ctrl-C means
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    supervisor = Supervisor(
        bytes.fromhex(nonce), folder, code, keeper=keeper, stdin=stdin, stdout=stdout
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.leave(143))
    # The kernel ends a worker that the host cannot reach any more, nor it the host.
    signal.alarm(int(os.environ.get("MODELCOMPAT_LIFETIME", "0")))
    supervisor.run()
    supervisor.leave()
