"""One model file made by its producer: in the producer's environment, once, kept in the cache.

`produced/KEY/` holds what `worker/produce.py` left: the model's files, its data sets with the
framework's own answers, and what is known about them. The key is the digest of the build file, the
lock, the interpreter, the settings of the export and its data sets. A failure that would repeat
itself is kept in the same way; one of the moment (time, memory, a stopped run) is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal as signals
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.cache import atomic_write, file_lock, remove_tree
from pytest_modelcompat.environments.protocol import PlaceLostError
from pytest_modelcompat.errors import producers as words
from pytest_modelcompat.results.model import Measurement, Stage
from pytest_modelcompat.runner.attending import Ended, attend
from pytest_modelcompat.runner.command import StoppedError
from pytest_modelcompat.runner.orders import on_host, place_adapter, process_environment
from pytest_modelcompat.runner.places import Places
from pytest_modelcompat.runner.settings import Members
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_modelcompat.environments.protocol import Prepared, WorkerProcess
    from pytest_modelcompat.runner.plan import Making

__all__ = ["Made", "Maker"]

_FORMAT = 1
_RESULT, _FILES, _DATA = "result.json", "model", "data.bundle"
_EXHAUSTED = re.compile(r"bad_alloc|cannot allocate memory|out of memory", re.IGNORECASE)
_LOST = frozenset({"timed_out", "out_of_memory"})
_SIGNALLED = 128  # a shell's exit code, and a container engine's, for a death by signal


@dataclass(frozen=True, kw_only=True)
class Made:
    """What became of one setting.

    Attributes:
        key: digest of everything that decides it.
        failure: why there is no model; None: there is one.
        bundle: its data sets with the producer's answers.
        files: (name in the cell, path).
        main: sha256 of the file that is loaded, or of all files where it is a folder.
        info: versions of what made it.
        seconds: by stage, of the process that made it.
        accuracy: of the producer's own answers, by data set.
    """

    key: str
    failure: Measurement | None = None
    bundle: Path | None = None
    files: tuple[tuple[str, Path], ...] = ()
    main: str = ""
    info: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    accuracy: tuple[float, ...] = ()


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
        members = members or Members()
        self._kinds = members.environments
        self._exporters = members.strange_exporters
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
        key = self._key(making, data, prepared)
        target = self._cache / "produced" / key
        with file_lock(target.with_suffix(".lock")):
            kept = self._kept(target, key, data)
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

    def _key(self, making: Making, data: Path, prepared: Prepared) -> str:
        file, _, function = making.build.rpartition("::")
        parts = [
            _FORMAT, hashlib.sha256(Path(file).read_bytes()).hexdigest(), function,
            making.producer.framework, making.producer.export, making.opset, data.name,
            prepared.lock.digest, prepared.python_version, prepared.image_digest,
            worker_file(self._cache / "worker").name,
        ]  # fmt: skip
        strange = self._exporters.get(making.producer.export)
        if strange is not None:
            parts.append(hashlib.sha256(strange.read_bytes()).hexdigest())
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

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
        result = _read(output / _RESULT)
        failure = _failure(
            result, ended, limit=limit, places=Places(cell=folder, cache=self._cache)
        )
        if failure is None:
            problem = _unusable(output, data)
            failure = _damage(problem) if problem else None
        if failure is not None:
            remove_tree(output / _FILES)
            if failure.ended in _LOST:
                return Made(key=key, failure=failure)
        whole = {**result, "failure": None if failure is None else _plain(failure)}
        atomic_write(output / _RESULT, json.dumps(whole))
        target.parent.mkdir(parents=True, exist_ok=True)
        output.replace(target)
        found = self._kept(target, key, data)
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
        kind = registry.kind_of(prepared.spec, self._kinds)
        producer = making.producer
        file, _, function = making.build.rpartition("::")
        build, planned = folder / "build.py", folder / "planned.bundle"
        shutil.copyfile(file, build)
        shutil.copyfile(data, planned)
        strange = self._exporters.get(producer.export)
        files = [build, planned]
        if strange is not None:
            files.append(place_adapter(strange, producer.export.replace("-", "_"), folder))
        scratch = folder / "scratch"
        scratch.mkdir()
        worker = worker_file(self._cache / "worker")
        inside = partial(kind.inside, prepared=prepared, folder=folder)
        order = {
            "build": str(inside(build)),
            "function": function,
            "export": producer.export,
            "exporter": str(inside(files[-1])) if strange is not None else None,
            "distribution": Requirement(producer.framework).name,
            "opset": int(making.opset) if making.opset else None,
            "bundle": str(inside(planned)),
            "place": _place(key),
            "memory": producer.limits.memory if on_host(producer) else None,
        }
        process = kind.start(
            prepared,
            ("-I", str(inside(worker)), "produce"),
            env=process_environment(producer, scratch, producer.limits.threads),
            files=[worker, *files],
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

    def _kept(self, target: Path, key: str, data: Path) -> Made | None:
        """What the cache holds; None where that is nothing whole."""
        result = _read(target / _RESULT)
        if "failure" not in result:
            return None
        try:
            if result["failure"] is not None:
                return Made(key=key, failure=_failed(result["failure"]), info=_info(result))
            if _unusable(target, data):
                return None
            place = _place(key)
            inside = _files(target / _FILES)
            return Made(
                key=key,
                bundle=target / _DATA,
                files=tuple((f"{place}/{name}", path) for name, path in inside),
                main=_digest(inside, str(result["main"])),
                info=_info(result),
                seconds={str(k): float(v) for k, v in result["seconds"].items()},
                accuracy=tuple(float(each) for each in result["accuracy"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OSError):
            return None


def _place(key: str) -> str:
    return f"produced-{key[:16]}"


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


def _plain(failure: Measurement) -> dict[str, Any]:
    return {"stage": failure.stage.value, "ended": failure.ended, "error": failure.error}


def _failed(raw: dict[str, Any]) -> Measurement:
    return Measurement(stage=Stage(raw["stage"]), ended=str(raw["ended"]), error=dict(raw["error"]))


def _unusable(folder: Path, data: Path) -> str:
    """What is wrong with the files that a job has left, empty for nothing."""
    try:
        found, planned = Bundle.open(folder / _DATA), Bundle.open(data)
    except (OSError, ValueError) as problem:
        return f"{_DATA}: {problem}"
    if len(found) < len(planned):
        return f"{len(found)} data sets of {len(planned)}"
    if not _files(folder / _FILES):
        return "no file"
    return ""


def _files(folder: Path) -> list[tuple[str, Path]]:
    """(name, path) of the files below a folder."""
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            found.append((path.relative_to(folder).as_posix(), path))
    return found


def _digest(files: list[tuple[str, Path]], main: str) -> str:
    """Of the main file; of all of them where it is a folder."""
    whole = hashlib.sha256()
    chosen = [path for name, path in files if name == main] or [path for _, path in files]
    for path in chosen:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                whole.update(piece)
    return whole.hexdigest()


def _info(result: dict[str, Any]) -> dict[str, str]:
    found = result.get("info")
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    """A job's result; nothing where there is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
