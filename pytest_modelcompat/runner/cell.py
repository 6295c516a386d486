"""The host's end of one worker: orders go in, events come out, damage is counted.

Silence means nothing here: every session ends with `Done`, `Lost` or `Unavailable`, and an answer
that was damaged on its way is told.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments import cache, registry
from pytest_modelcompat.environments.protocol import PlaceLostError
from pytest_modelcompat.errors import worker as words
from pytest_modelcompat.results.remembered import Remembered
from pytest_modelcompat.runner.events import (
    Attest,
    Damaged,
    Done,
    Ended,
    Event,
    ExitCrash,
    Hello,
    ImportFailed,
    Leftover,
    Lost,
    Named,
    Note,
    Result,
    Unavailable,
    event_of,
)
from pytest_modelcompat.runner.orders import (
    CaseOrder,
    Order,
    cell_environment,
    on_host,
    order_for,
    place_adapter,
    place_files,
)
from pytest_modelcompat.runner.settings import Members
from pytest_modelcompat.runner.stream import Stats, messages
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker.protocol import CHUNK, request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from pytest_modelcompat.environments.protocol import (
        EnvironmentKind,
        Prepared,
        WorkerProcess,
    )
    from pytest_modelcompat.matrix.model import Limits
    from pytest_modelcompat.runner.plan import PlannedCell

__all__ = [
    "Attest",
    "CaseOrder",
    "CellProcess",
    "Damaged",
    "Done",
    "Ended",
    "Event",
    "ExitCrash",
    "Hello",
    "ImportFailed",
    "Leftover",
    "Lost",
    "Note",
    "Order",
    "Result",
    "Stats",
    "Unavailable",
    "start",
]

BATCH = 2000  # cases in one message
PATIENCE = 3.0  # seconds for a worker to end by itself once its standard input is closed
DIAGNOSTICS = 64 << 10  # bytes of its standard error, from the end


class CellProcess:
    """A worker at work. A context manager: on leaving, everything that it started is gone.

    `events` is for one thread; the other methods may be called from any, at any time.

    Args:
        kind: starts processes in the environment.
        prepared: the environment.
        order: for the worker.
        folder: private to this cell, writable in the cell.
        files: what must be readable in the cell.
        env: its whole environment.
        worker: the zipapp.
        limits: of the cell, for what holds them from outside.
        restored: outputs of answers that other workers of the run gave.
    """

    def __init__(
        self,
        kind: EnvironmentKind,
        prepared: Prepared,
        *,
        order: Order,
        folder: Path,
        files: Sequence[Path] = (),
        env: Mapping[str, str],
        worker: Path,
        limits: Limits | None = None,
        restored: Remembered[list[Named]] | None = None,
    ) -> None:
        self.stats = Stats()
        self._order = order
        self._restored = Remembered(BATCH) if restored is None else restored
        self._python = prepared.python[0]
        self._nonce = secrets.token_bytes(8)
        self._lock = threading.Lock()
        self._diagnostics = bytearray()
        self._listener: threading.Thread | None = None
        self._asked: set[tuple[int, str | None]] = set()
        self._answered: set[tuple[int, str | None]] = set()
        self._killed = False
        self._process: WorkerProcess | None = None
        self._problem = ""
        self._place_lost = False
        program = kind.inside(worker, prepared=prepared, folder=folder)
        arguments = ("-I", str(program), self._nonce.hex())
        try:
            self._process = kind.start(
                prepared, arguments, env=env, files=[worker, *files], folder=folder, limits=limits
            )
        except PlaceLostError as problem:
            self._problem, self._place_lost = str(problem), True
        except OSError as problem:
            self._problem = problem.strerror or str(problem)
        else:
            self._listener = threading.Thread(target=self._listen, daemon=True)
            self._listener.start()
            self._send(order.message())

    def submit(self, cases: Sequence[CaseOrder]) -> None:
        """Give it more cases."""
        self._asked.update((case.n, case.variant) for case in cases)
        for at in range(0, len(cases), BATCH):
            batch = [self._case(case) for case in cases[at : at + BATCH]]
            self._send({"type": "cases", "cases": batch})

    def finish(self) -> None:
        """No more cases will come."""
        self._send({"type": "finish"})

    def events(self) -> Iterator[Event]:
        """What it tells, until its last word; safe when it is already dead."""
        if self._place_lost:
            yield Lost(exit_code=None, diagnostics=self._problem)
            return
        if self._process is None:
            yield Unavailable(reason=words.not_started(self._python, self._problem))
            return
        greeted = False
        for message, raw in messages(self._process.stdout.fileno(), self._nonce, self.stats):
            event = self._event(message, raw)
            greeted = greeted or isinstance(event, Hello)
            if isinstance(event, Done) and event.results > len(self._answered):
                yield Note(message=words.lost_answers(event.results - len(self._answered)))
            if event is not None:
                yield event
            if isinstance(event, Done):
                return
        code = self._process.wait(PATIENCE)
        self._join()
        if greeted or self._killed:
            yield Lost(exit_code=code, diagnostics=self._told())
        else:
            reason = words.no_worker(self._python, self._told(), code)
            yield Unavailable(reason=reason)

    def kill(self) -> None:
        """End it at once, with everything it has started."""
        self._killed = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Let it end by itself, which it does within two seconds, else kill it."""
        if self._process is None:
            return
        with self._lock, contextlib.suppress(OSError):
            self._process.stdin.close()
        # It may be writing: what nobody reads would keep it from seeing that it should end.
        self._process.wait(PATIENCE)
        self._process.kill()
        self._join()
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _case(self, case: CaseOrder) -> dict[str, Any]:
        found: dict[str, Any] = {
            "n": case.n,
            "bundle": case.bundle,
            "index": case.index,
            "repeats": case.repeats,
            "variant": case.variant,
        }
        if case.whole:
            found["whole"] = True
        if case.variant is not None:
            found.update(self._order.variants.get(case.variant, {}))
        return found

    def _send(self, message: dict[str, Any]) -> None:
        """Say something; if nobody listens any more, `events` tells why."""
        if self._process is None:
            return
        rest = memoryview(request(message))
        with self._lock, contextlib.suppress(OSError, ValueError):
            while rest:
                rest = rest[self._process.stdin.write(rest) :]

    def _event(self, message: dict[str, Any], raw: memoryview) -> Event | None:
        if message.get("type") == "damaged":
            return Damaged()
        try:
            event = event_of(message, raw, self._restored)
        except (ValueError, KeyError, TypeError) as problem:
            event = _nonsense(message, problem)
        if isinstance(event, Result | Ended):
            key = event.n, event.variant
            if key not in self._asked:  # it would be taken for another case, or another cell's
                return Note(message=words.not_asked(event.n, event.variant))
            if key in self._answered:  # it died between sending an answer and noting that it did
                self.stats.repeated += 1
                return None
            self._answered.add(key)
        return event

    def _listen(self) -> None:
        assert self._process is not None
        with contextlib.suppress(OSError, ValueError):
            while data := self._process.stderr.read(CHUNK):
                self._diagnostics += data
                del self._diagnostics[:-DIAGNOSTICS]

    def _join(self) -> None:
        if self._listener is not None:
            self._listener.join(PATIENCE)

    def _told(self) -> str:
        return self._diagnostics.decode("utf-8", "backslashreplace")


def _nonsense(message: dict[str, Any], problem: Exception) -> Event:
    """What to make of a message with a right checksum and a wrong content."""
    text = words.nonsense(f"{type(problem).__name__}: {problem}")
    n, variant = message.get("n"), message.get("variant")
    if message.get("type") == "result" and isinstance(n, int):
        error = {"type": "ProtocolError", "message": text, "where": ""}
        return Result(
            n=n, variant=None if variant is None else str(variant), stage="run", error=error
        )
    return Note(message=text)


def start(
    planned: PlannedCell,
    prepared: Prepared,
    *,
    folder: Path,
    members: Members | None = None,
    restored: Remembered[list[Named]] | None = None,
) -> CellProcess:
    """Start the worker of a planned cell.

    Args:
        planned: the cell and its work.
        prepared: its environment.
        folder: private to this cell, empty.
        members: kinds of environments, and adapters; ours by default.
        restored: see `CellProcess`.
    """
    members = members or Members()
    root = place_files(planned, folder)
    scratch = folder / "scratch"
    scratch.mkdir()
    bundles = tuple(path for workload in planned.workloads for path in workload.bundles)
    worker = worker_file(cache.cache_folder() / "worker")
    env = cell_environment(planned.cell, scratch=scratch)
    if on_host(planned.cell):
        env.setdefault("MODELCOMPAT_CODE", str(worker.with_suffix("")))
    kind = registry.kind_of(prepared.spec, members.environments)
    runtime = planned.cell.framework.runtime
    brought = members.adapter(runtime)
    adapter = place_adapter(brought, runtime, folder) if brought else None
    inside = partial(kind.inside, prepared=prepared, folder=folder)
    return CellProcess(
        kind,
        prepared,
        order=order_for(
            planned.cell,
            bundles=tuple(map(inside, bundles)),
            root=inside(root) if root else None,
            slowdown=prepared.slowdown,
            adapter=inside(adapter) if adapter else None,
        ),
        folder=folder,
        files=[*bundles, *([root] if root else []), *([adapter] if adapter else [])],
        env=env,
        worker=worker,
        limits=planned.cell.limits,
        restored=restored,
    )
