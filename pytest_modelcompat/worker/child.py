"""The child: holds the framework, takes the cases one after another, sends what came out.

It may die at any instant without harm: the order, the queue of cases and the progress live outside
of it. It trusts nothing that a case has touched: after each case it ends what the case left
running, puts its surroundings back, and where that is not possible has itself started anew.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import time

from .bundle import Bundle
from .guard import Guard
from .limits import (
    forgo_core,
    group_kills,
    limit_address_space,
    looks_exhausted,
    offer_to_killer,
)
from .measure import Exited, measure, words
from .processes import (
    adopt_orphans,
    alone,
    descendants,
    die_with_parent,
    end_descendants,
    has_children,
)
from .progress import (
    ATTESTED,
    DONE,
    EXHAUSTED,
    EXIT,
    FINISH,
    QUEUED,
    RENEW,
    REPORTED,
    SENDING,
    STAGE,
    STAGES,
    Progress,
)
from .protocol import send
from .sites import extend_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["main"]


class Queue:
    """The cases, in a file that the supervisor appends to.

    A file and shared memory, not a pipe: a case that reads from every descriptor steals nothing.
    """

    def __init__(self, path: str, progress: Progress) -> None:
        self.path = path
        self.slots = progress.slots
        self.position = self.slots[DONE] - 1
        self._at = 0
        self._lines: list[bytes] = []
        self._taken = 0
        for _ in range(self.slots[DONE]):
            self._line()

    def next(self) -> dict[str, Any] | None:
        """The next case, waited for; None when no more will come."""
        line = self._line()
        if line is None:
            return None
        self.position += 1
        found: dict[str, Any] = json.loads(line)
        return found

    def _line(self) -> bytes | None:
        pause = 0.0005
        while self._taken == len(self._lines):
            if self.slots[QUEUED] == self._at:
                if self.slots[FINISH] and self.slots[QUEUED] == self._at:
                    return None
                time.sleep(pause)
                pause = min(2 * pause, 0.02)
                continue
            with open(self.path, "rb") as file:
                file.seek(self._at)
                data = file.read(self.slots[QUEUED] - self._at)
            self._at += len(data)
            self._lines, self._taken = data.splitlines(), 0
        self._taken += 1
        return self._lines[self._taken - 1]


class Child:
    """One life of a child, from the import of the framework to its end."""

    def __init__(self, nonce: bytes, handle: int, progress: Progress, folder: str) -> None:
        self.nonce, self.folder, self.progress = nonce, folder, progress
        self.pid = os.getpid()
        with open(os.path.join(folder, "order.json"), encoding="ascii") as file:
            self.order: dict[str, Any] = json.load(file)
        self.options: dict[str, str] = dict(self.order.get("options") or {})
        limits = self.order.get("limits") or {}
        if limits.get("threads"):
            self.options.setdefault("threads", str(limits["threads"]))
        self.memory: int | None = limits.get("memory")
        self.handle = handle
        self.bundles: dict[int, Bundle] = {}
        self.adapter: Any = None

    def prepare(self) -> None:
        """Import the framework, say what is there, and whether the provider can be used."""
        limit_address_space(self.memory)
        extend_path(self.order.get("path") or ())
        try:
            self.adapter = _adapter(self.order)
            if not self.progress.slots[ATTESTED]:
                self.attest()
        except BaseException as problem:
            self.last_words({"type": "import_failed", "how": "raised", "error": words(problem)})
        self.keep = frozenset(descendants(self.pid)) if has_children() else frozenset()
        self.guard = Guard(self.folder, self.handle)
        gc.freeze()  # the framework's objects stay; looking through them costs every collection

    def attest(self) -> None:
        """Send the facts, once in a session."""
        from .facts import facts  # noqa: PLC0415 - not needed after a restart

        about = getattr(self.adapter, "about", None)
        more = about(self.options) if about is not None else {}
        self.send({"type": "attest", **facts(), **self.adapter.info(), **more})
        self.progress.slots[ATTESTED] = 1
        check = getattr(self.adapter, "check", None)
        if check is not None:
            try:
                check(self.options)
            except ValueError as error:
                self.last_words({"type": "refused", "reason": str(error)})
        reason = self.adapter.unavailable(self.order["provider"], self.options)
        if reason is not None:
            self.last_words({"type": "unavailable", "reason": str(reason)})

    def last_words(self, message: dict[str, Any]) -> None:
        """Leave a message for the supervisor, who adds what was printed, and end."""
        with open(os.path.join(self.folder, "last-words.json"), "w", encoding="ascii") as file:
            json.dump(message, file)
        leave(REPORTED)

    def work(self) -> None:
        """Answer cases until there are no more."""
        queue = Queue(os.path.join(self.folder, "queue"), self.progress)
        slots = self.progress.slots
        self.progress.rest()
        while True:
            case = queue.next()
            if case is None:
                break
            self.progress.begin(queue.position)
            renew = self.answer(case)
            slots[DONE] = queue.position + 1
            self.progress.rest()
            if renew:
                leave(RENEW)
        self.progress.rest(EXIT)

    def answer(self, case: dict[str, Any]) -> bool:
        """Measure one case and send what came out; True where this process is not to go on."""
        head = {"n": case["n"], "variant": case.get("variant")}
        blobs: Sequence[Any] = ()
        killed = group_kills() if alone() else 0
        try:
            found, blobs = self.measure(case)
            message = {"type": "result", **head, **found}
            if found["error"] and alone() and group_kills() > killed:
                # of a process that it had started: what it says of that are other words for it
                message = {"type": "ended", **head, "how": "out_of_memory", "signal": None}
                message.update(stage=found["stage"], exit_code=None)
                message["output"] = "{type}: {message}".format(**found["error"])
        except Exited as leaving:
            message = {"type": "ended", **head, "how": "crashed", "signal": None}
            message["stage"] = STAGES[self.progress.slots[STAGE]]
            message["exit_code"] = leaving.code
            message["output"] = str(leaving)
        if os.getpid() != self.pid:  # a case forked, and this is the copy
            os._exit(0)
        left_behind = end_descendants(self.keep) if has_children() else []
        self.guard.restore()
        intact = self.guard.intact()
        if not intact:
            self.guard.reopen()
            self.handle = self.guard.handle
        if left_behind:
            self.send({"type": "leftover", "n": case["n"], "pids": left_behind})
        self.send(message, blobs)
        error = message.get("error")
        return not intact or bool(error and looks_exhausted("{type}: {message}".format(**error)))

    def measure(self, case: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Any]]:
        """One case, by the order's provider and options or its own."""
        number = case["bundle"]
        if number not in self.bundles:
            self.bundles[number] = Bundle.open(self.order["bundles"][number])
        return measure(
            self.adapter,
            self.bundles[number],
            case["index"],
            repeats=case.get("repeats") or 1,
            provider=case.get("provider") or self.order["provider"],
            options={**self.options, **(case.get("options") or {})},
            root=self.order.get("files_root"),
            enter=self.progress.enter,
            whole=bool(case.get("whole")),
        )

    def send(self, message: dict[str, Any], blobs: Sequence[Any] = ()) -> None:
        """Send a message; its time is the host's and not the case's."""
        slots = self.progress.slots
        self.progress.beat()
        slots[SENDING] = 1
        send(self.handle, self.nonce, message, blobs, self.progress.beat)
        slots[SENDING] = 0


leave: Callable[[int], Any] = os._exit


def main(nonce: str, parent: int, handle: int, progress_handle: int, folder: str) -> None:
    """Be the child; the arguments are the supervisor's, descriptors are inherited."""
    die_with_parent(parent)
    os.setsid()
    adopt_orphans()
    forgo_core()
    offer_to_killer()
    progress = Progress(progress_handle)
    os.close(progress_handle)
    fcntl.fcntl(handle, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    os.chdir(os.path.join(folder, "work"))
    child = Child(bytes.fromhex(nonce), handle, progress, folder)
    try:
        child.prepare()
        child.work()
    except MemoryError:
        leave(EXHAUSTED)
    except BrokenPipeError:
        leave(1)  # nobody listens any more


def _adapter(order: dict[str, Any]) -> Any:
    """Make the adapter that the order names; `module:NAME` is one outside of the registry."""
    runtime = order["runtime"]
    if runtime.startswith("module:"):
        from importlib import import_module  # noqa: PLC0415 - for adapters of others only

        found = import_module(runtime.partition(":")[2])
        return found.Adapter(order["distribution"], order.get("module"))
    from .runtimes import adapter  # noqa: PLC0415 - part of the import that is measured

    return adapter(runtime, order["distribution"], order.get("module"))
