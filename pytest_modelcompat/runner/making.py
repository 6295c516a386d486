"""One model file made by its producer: in the producer's environment, once, kept in the cache.

Under which key, and in which form, `made.py` knows. A failure that would repeat itself is kept like
a model; one of the moment (time, memory, a stopped run) is not.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal as signals
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.cache import atomic_write, file_lock, remove_tree
from pytest_modelcompat.environments.protocol import PlaceLostError
from pytest_modelcompat.errors import producers as words
from pytest_modelcompat.results.model import Measurement, Stage
from pytest_modelcompat.runner.attending import Ended, attend
from pytest_modelcompat.runner.command import StoppedError
from pytest_modelcompat.runner.made import (
    FILES,
    RESULT,
    Made,
    key_of,
    place_of,
    plain,
    read_made,
    read_result,
    unusable,
)
from pytest_modelcompat.runner.orders import on_host, place_adapter, process_environment
from pytest_modelcompat.runner.places import Places
from pytest_modelcompat.runner.settings import Members
from pytest_modelcompat.runner.zipapp import worker_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import Prepared, WorkerProcess
    from pytest_modelcompat.runner.plan import Making

__all__ = ["Maker"]

_EXHAUSTED = re.compile(r"bad_alloc|cannot allocate memory|out of memory", re.IGNORECASE)
_LOST = frozenset({"timed_out", "out_of_memory"})
_SIGNALLED = 128  # a shell's exit code, and a container engine's, for a death by signal


class Maker:
    """Runs exporters; safe from several threads, and for two runs at once.

    Args:
        cache: the cache folder.
        room: makes a private folder for one job, a context manager.
        fresh: take no failure that was kept.
        members: kinds of environments, and exporters; ours by default.
    """

    def __init__(
        self,
        cache: Path,
        room: Callable[[str], contextlib.AbstractContextManager[Path]],
        *,
        fresh: bool = False,
        members: Members | None = None,
    ) -> None:
        self._members = members or Members()
        self._cache = cache
        self._room = room
        self._fresh = fresh
        self._lock = threading.Lock()
        self._running: set[WorkerProcess] = set()
        self._stopped = False
        self.started = 0

    def make(self, making: Making, data: Path, prepared: Prepared) -> Made:
        """The model of a setting, from the cache or made now.

        Args:
            making: the setting.
            data: bundle of its data sets.
            prepared: the producer's environment.

        Raises:
            StoppedError: the run is being stopped.
            OSError: this machine does not let us.
        """
        key = key_of(
            making,
            data,
            prepared,
            worker=worker_file(self._cache / "worker"),
            exporter=self._members.exporter(making.producer.export),
        )
        target = self._cache / "produced" / key
        with file_lock(target.with_suffix(".lock")):
            kept = read_made(target, key, data)
            if kept is not None and not (kept.failure and self._fresh):
                return kept
            remove_tree(target)
            with self._room(f"produce {key}") as folder:
                return self._run(making, data, prepared, key=key, folder=folder, target=target)

    def stop(self) -> None:
        """End what runs, start nothing more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.kill()

    # -- one job --------------------------------------------------------------------------------

    def _run(
        self,
        making: Making,
        data: Path,
        prepared: Prepared,
        *,
        key: str,
        folder: Path,
        target: Path,
    ) -> Made:
        output = folder / "out"
        output.mkdir()
        limit = making.producer.limits.case * prepared.slowdown
        try:
            ended = self._process(making, data, prepared, key=key, folder=folder, limit=limit)
        except PlaceLostError as lost:
            return Made(key=key, failure=_damage(str(lost)))
        if self._stopped:
            raise StoppedError
        result = read_result(output)
        failure = _failure(
            result, ended, limit=limit, places=Places(cell=folder, cache=self._cache)
        )
        if failure is None:
            problem = unusable(output, data)
            failure = _damage(problem) if problem else None
        if failure is not None:
            remove_tree(output / FILES)
            if failure.ended in _LOST:
                return Made(key=key, failure=failure)
        whole = {**result, "failure": None if failure is None else plain(failure)}
        atomic_write(output / RESULT, json.dumps(whole))
        target.parent.mkdir(parents=True, exist_ok=True)
        output.replace(target)
        found = read_made(target, key, data)
        return found or Made(key=key, failure=_damage("it was gone at once"))

    def _process(
        self,
        making: Making,
        data: Path,
        prepared: Prepared,
        *,
        key: str,
        folder: Path,
        limit: float,
    ) -> Ended:
        """Run the job; its files are in `folder/out` then."""
        kind = registry.kind_of(prepared.spec, self._members.environments)
        producer = making.producer
        file, _, function = making.build.rpartition("::")
        build, planned = folder / "build.py", folder / "planned.bundle"
        shutil.copyfile(file, build)
        shutil.copyfile(data, planned)
        brought = self._members.exporter(producer.export)
        exporter = place_adapter(brought, producer.export, folder) if brought else None
        scratch = folder / "scratch"
        scratch.mkdir()
        worker = worker_file(self._cache / "worker")
        inside = partial(kind.inside, prepared=prepared, folder=folder)
        order = {
            "build": str(inside(build)),
            "function": function,
            "export": producer.export,
            "exporter": str(inside(exporter)) if exporter else None,
            "distribution": Requirement(producer.framework).name,
            "opset": int(making.opset) if making.opset else None,
            "bundle": str(inside(planned)),
            "place": place_of(key),
            "memory": producer.limits.memory if on_host(producer) else None,
        }
        process = kind.start(
            prepared,
            ("-I", str(inside(worker)), "produce"),
            env=process_environment(producer, scratch, producer.limits.threads),
            files=[worker, build, planned, *([exporter] if exporter else [])],
            folder=folder,
            limits=producer.limits,
        )
        with process:
            with self._lock:
                self._running.add(process)
                self.started += 1
                stopped = self._stopped
            if stopped:
                process.kill()
            try:
                return attend(process, order, into=folder / "out", seconds=limit)
            finally:
                with self._lock:
                    self._running.discard(process)


# -- what came out ------------------------------------------------------------------------------


def _failure(
    result: dict[str, Any], ended: Ended, *, limit: float, places: Places
) -> Measurement | None:
    """Why there is no model, as the measurement of every case that wanted one."""
    stage = str(result.get("stage") or ended.stage)
    how, error = "raised", dict(result.get("error") or {})
    if result and not error:
        return None
    if error:
        error = {key: str(value) for key, value in error.items()}
    elif ended.code is None:
        how, error = "timed_out", {"type": "TimeLimit", "message": words.timed_out(stage, limit)}
    else:
        how, error = _death(stage, ended)
    if ended.printed.strip():
        error["output"] = ended.printed
    known = {Stage.IMPORT.value, Stage.PRODUCE.value, Stage.CHECK.value}
    where = Stage(stage) if stage in known else Stage.PRODUCE
    return Measurement(stage=where, ended=how, error=places.told(error))


def _death(stage: str, ended: Ended) -> tuple[str, dict[str, Any]]:
    signal = _signal(ended.code)
    if signal == "SIGKILL":
        return "out_of_memory", {"message": words.stopped_by_system(stage), "signal": signal}
    error: dict[str, Any] = {"message": words.died(stage, signal, ended.code)}
    if signal:
        error["signal"] = signal
    else:
        error["exit_code"] = ended.code
    exhausted = signal == "SIGABRT" and _EXHAUSTED.search(ended.printed)
    return "out_of_memory" if exhausted else "crashed", error


def _signal(code: int | None) -> str | None:
    """The signal of a death, as the system or a container engine tells it."""
    if code is None:
        return None
    number = -code if code < 0 else code - _SIGNALLED
    try:
        return signals.Signals(number).name
    except ValueError:
        return None


def _damage(what: str) -> Measurement:
    error = {"type": "Damaged", "message": words.damaged(what)}
    return Measurement(stage=Stage.PRODUCE, ended="raised", error=error)
