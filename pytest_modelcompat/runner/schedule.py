"""Which environment is made and which cell runs when: two small pools and one ordered queue.

Environments are made in the order in which the plan first needs them, a few at a time because they
mostly wait for the network; a cell becomes ready with its environment and cells run in the plan's
order, one per job.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
    from pytest_modelcompat.runner.plan import PlannedCell

__all__ = ["Schedule"]

PREPARERS = 3


class Schedule:
    """Runs every cell once, in background threads.

    Args:
        cells: to run, in order; a cell that needs no environment is marked by the caller's
            `needs_environment`.
        jobs: how many cells run side by side.
        prepare: makes an environment; must not raise for what can go wrong in one.
        run: measures a cell in its environment (None where it needs none); must not raise likewise.
        finished: called once, from the last thread, when every cell was run.
        failed: called with the exception where `prepare` or `run` did raise: our bug.
    """

    def __init__(
        self,
        cells: Sequence[PlannedCell],
        *,
        jobs: int,
        needs_environment: Callable[[PlannedCell], bool],
        prepare: Callable[[EnvironmentSpec], Prepared | Failure],
        run: Callable[[PlannedCell, Prepared | Failure | None], None],
        finished: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._prepare = prepare
        self._run = run
        self._finished = finished
        self._failed = failed
        self._jobs = jobs
        self._lock = threading.Lock()
        self._left = len(cells)
        self._waiting: dict[str, list[tuple[int, PlannedCell]]] = {}
        self._to_prepare: queue.SimpleQueue[EnvironmentSpec | None] = queue.SimpleQueue()
        self._ready: queue.PriorityQueue[
            tuple[float, int, PlannedCell | None, Prepared | Failure | None]
        ] = queue.PriorityQueue()
        self._ticket = itertools.count()
        self._threads: list[threading.Thread] = []
        for position, planned in enumerate(cells):
            if not needs_environment(planned):
                self._ready.put((position, next(self._ticket), planned, None))
                continue
            waiting = self._waiting.setdefault(planned.environment.id, [])
            if not waiting:
                self._to_prepare.put(planned.environment)
            waiting.append((position, planned))

    def start(self) -> None:
        """Start the threads."""
        if not self._left:
            self._finished()
            return
        preparers = min(PREPARERS, len(self._waiting))
        for _ in range(preparers):
            self._to_prepare.put(None)
            self._thread(self._prepare_loop)
        for _ in range(min(self._jobs, self._left)):
            self._thread(self._run_loop)

    def join(self, seconds: float) -> bool:
        """Wait for the threads to end, so many seconds for all of them; whether they did."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _thread(self, loop: Callable[[], None]) -> None:
        # Daemons: a second Ctrl-C must not wait for an installation.
        thread = threading.Thread(target=self._guard, args=(loop,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guard(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self._failed(error)

    def _prepare_loop(self) -> None:
        while (spec := self._to_prepare.get()) is not None:
            prepared = self._prepare(spec)
            for position, planned in self._waiting[spec.id]:
                self._ready.put((position, next(self._ticket), planned, prepared))

    def _run_loop(self) -> None:
        while True:
            _, _, planned, prepared = self._ready.get()
            if planned is None:
                return
            self._run(planned, prepared)
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last:
                for _ in range(self._jobs):
                    self._ready.put((float("inf"), next(self._ticket), None, None))
                self._finished()
