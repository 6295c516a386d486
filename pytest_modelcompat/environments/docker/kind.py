"""Kind `docker`: what the registry knows of it. See the package's docstring."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.environments import preflight
from pytest_modelcompat.environments.cache import cache_folder
from pytest_modelcompat.environments.docker import choice, gpus, images, tree
from pytest_modelcompat.environments.docker.containers import ROOT, SCRATCH, Wanted
from pytest_modelcompat.environments.docker.engine import (
    AbsentError,
    Engine,
    EngineLostError,
    RefusedError,
    connect,
)
from pytest_modelcompat.environments.docker.images import ImageFound, NoImageError
from pytest_modelcompat.environments.docker.owner import sweep
from pytest_modelcompat.environments.docker.probe import NoAnswerError
from pytest_modelcompat.environments.docker.process import launch
from pytest_modelcompat.environments.docker.settings import settings_of
from pytest_modelcompat.environments.docker.warm import SITE
from pytest_modelcompat.environments.offer import offer_of
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
from pytest_modelcompat.errors import docker as words
from pytest_modelcompat.matrix.model import Limits
from pytest_modelcompat.results.model import CellStatus, Stage
from pytest_modelcompat.runner.command import StoppedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_modelcompat.environments.docker.process import ContainerProcess
    from pytest_modelcompat.environments.docker.settings import ContainerSettings

__all__ = ["Containers"]

ATTEMPTS = 2  # where the engine goes away in between
ENGINE_BACK = 40.0  # seconds for it to come back
MARGIN = 60.0  # seconds beyond the cell's limit after which a worker ends itself


class Containers:
    """Environments in containers."""

    name = "docker"

    def __init__(self) -> None:
        self._swept = False
        self._lock = threading.Lock()

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Prepared | Failure:
        """Find the image, ask what it has, resolve for that, and install; or find it all done."""
        settings = settings_of(spec.image)
        reason = ""
        for attempt in range(ATTEMPTS):
            try:
                with connect(patience=ENGINE_BACK if attempt else 0.0) as engine:
                    self._sweep(engine)
                    return _prepared(spec, settings, engine, cache=cache)
            except (AbsentError, NoImageError, NoAnswerError) as error:  # noqa: PERF203
                return _failure(spec, CellStatus.UNAVAILABLE, str(error))
            except RefusedError as refused:
                told = words.engine_refused(refused.explanation)
                return _failure(spec, CellStatus.UNAVAILABLE, told)
            except EngineLostError as lost:
                reason = str(lost)
        return _failure(spec, CellStatus.INFRASTRUCTURE_FAILED, reason)

    def start(
        self,
        prepared: Prepared,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        files: Sequence[Path],
        folder: Path,  # noqa: ARG002 - nothing here is writable from there
        limits: Limits | None = None,
    ) -> ContainerProcess:
        """Start the image's interpreter in a container; its scratch folder is its own /tmp."""
        settings = settings_of(prepared.spec.image)
        limits = limits or Limits()
        seconds = limits.cell * prepared.slowdown + MARGIN
        mounts = self._mounts(files)
        inner = {
            **env,
            "MODELCOMPAT_ALONE": "1",
            "HOME": SCRATCH,
            "TMPDIR": SCRATCH,
            "MODELCOMPAT_LIFETIME": f"{seconds:.0f}",
        }
        if prepared.folder.is_dir():  # else the image has brought everything itself
            mounts[SITE] = prepared.folder
            inner["MODELCOMPAT_SITE"] = SITE
        with contextlib.ExitStack() as held:
            taken: tuple[str, ...] = ()
            try:
                if settings.gpus:
                    folder_of_locks = cache_folder() / "work"
                    taken = held.enter_context(
                        gpus.taken(settings.gpus, there=gpus.here(), folder=folder_of_locks)
                    )
                wanted = Wanted(
                    image=_image(prepared),
                    command=(*prepared.python, *arguments),
                    settings=settings,
                    role="cell",
                    env=inner,
                    mounts=mounts,
                    memory=limits.memory,
                    seconds=seconds,
                    gpus=taken,
                )
                process = launch(
                    connect(patience=ENGINE_BACK), wanted, released=held.pop_all().close
                )
            except (AbsentError, StoppedError) as gone:
                raise EngineLostError(str(gone)) from None
            except RefusedError as refused:
                raise EngineLostError(words.engine_refused(refused.explanation)) from None
        return process

    def inside(self, file: Path, *, prepared: Prepared, folder: Path) -> Path:  # noqa: ARG002
        """Under a folder of ours, by its name: a path of this machine means nothing there."""
        return _place(file)

    @staticmethod
    def _mounts(files: Sequence[Path]) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for file in files:
            place = str(_place(file))
            if found.setdefault(place, file) != file:
                raise ValueError(f"{file} and {found[place]} have the same name")
            tree.let_others_read(file)
        return found

    def _sweep(self, engine: Engine) -> None:
        """Once in a run: remove what dead runs left."""
        with self._lock:
            if not self._swept:
                sweep(engine)
                self._swept = True


def _place(file: Path) -> Path:
    return Path(ROOT, file.name)


def _failure(spec: EnvironmentSpec, status: CellStatus, reason: str) -> Failure:
    return Failure(spec=spec, status=status, stage=Stage.START, reason=reason)


def _prepared(
    spec: EnvironmentSpec, settings: ContainerSettings, engine: Engine, *, cache: Path
) -> Prepared | Failure:
    began = time.monotonic()
    image, probed = choice.image(engine, settings, spec, cache=cache)
    interpreter, tools = choice.interpreter(image, probed, spec)
    if settings.gpus:
        choice.try_gpus(image, settings, interpreter)
    facts, notes, slowdown = choice.facts(engine, image, probed, settings)
    made = Prepared(
        spec=spec,
        python=(str(interpreter.path),),
        python_version=interpreter.version,
        lock=choice.NOTHING,
        folder=cache / "environments" / spec.id,
        seconds={},
        image_digest=image.id,
        facts=facts,
        notes=notes,
        slowdown=slowdown,
    )
    if any(one.endswith("==installed") for one in spec.requirements):
        lock = choice.installed(image, settings, interpreter, spec)
        if isinstance(lock, Failure):
            return lock
        seconds = {"resolve": 0.0, "install": time.monotonic() - began}
        return replace(made, lock=lock, seconds=seconds, reused=True)
    order = tree.Order(
        spec=spec,
        image=image,
        settings=settings,
        interpreter=interpreter,
        tools=tools,
    )
    installed = tree.install(order, cache=cache)
    if isinstance(installed, Failure):
        return installed
    found = preflight.notes(
        installed.packages,
        installed.lock,
        lambda: offer_of(interpreter, f"image {image.name}", probed.libraries),
        cache=cache,
    )
    return replace(
        made,
        lock=installed.lock,
        folder=installed.packages,
        seconds=installed.seconds,
        reused=installed.reused,
        log=installed.log,
        notes=(*notes, *found),
    )


def _image(prepared: Prepared) -> ImageFound:
    """The image of a prepared environment, by its digest and nothing else."""
    assert prepared.image_digest is not None
    with connect(patience=ENGINE_BACK) as engine:
        found = images.inspect(engine, prepared.image_digest, shown=prepared.spec.image.value)
    if found is None:
        raise EngineLostError(words.no_image(prepared.spec.image.value, prepared.image_digest))
    return found
