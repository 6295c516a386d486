"""Which image, which of its interpreters, and what is to be said about them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.docker import images
from pytest_modelcompat.environments.docker.containers import Wanted
from pytest_modelcompat.environments.docker.engine import Engine, RefusedError
from pytest_modelcompat.environments.docker.images import ImageFound, NoImageError
from pytest_modelcompat.environments.docker.once import run_once
from pytest_modelcompat.environments.docker.probe import NoAnswerError, Probed, probe
from pytest_modelcompat.environments.interpreters import OLDEST, Interpreter
from pytest_modelcompat.environments.listing import SCRIPT, differences, read_listing
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Lock
from pytest_modelcompat.environments.resolve import lock_from_text
from pytest_modelcompat.errors import docker as words
from pytest_modelcompat.errors import environment as environment_words
from pytest_modelcompat.results.model import CellStatus, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.environments.docker.settings import ContainerSettings

__all__ = ["NOTHING", "facts", "image", "installed", "interpreter", "try_gpus"]

NOTHING: Lock = lock_from_text("")
SLOWDOWN = 10.0  # of an emulated processor, roughly
_MACHINES = {
    "linux/amd64": "x86_64", "linux/arm64": "aarch64", "linux/arm64/v8": "aarch64",
    "linux/arm/v7": "armv7l", "linux/386": "i686",
}  # fmt: skip
_MEMORY = 2**30
_SECONDS = 60.0


def image(
    engine: Engine, settings: ContainerSettings, spec: EnvironmentSpec, *, cache: Path
) -> tuple[ImageFound, Probed]:
    """The image, for the platform that is asked for, and what it has.

    Raises:
        NoImageError, NoAnswerError: there is none, in a sentence.
    """
    plain = replace(settings, gpus=None, volumes=())
    path = spec.python if "/" in spec.python else ""
    found = images.find(engine, settings, seconds=spec.install_timeout)
    wanted = _MACHINES.get(settings.platform or "", "")
    try:
        probed = probe(found, plain, cache=cache, path=path)
    except NoAnswerError:
        if not wanted:
            raise
        probed = Probed(machine="", system="")
    if wanted and probed.machine != wanted and settings.dockerfile is None:
        try:
            found = images.find(engine, settings, seconds=spec.install_timeout, anew=True)
        except NoImageError as none:
            machine = probed.machine or found.architecture
            told = words.wrong_architecture(settings.name, settings.platform or "", machine)
            raise NoImageError(f"{told}\n{none}") from None
        probed = probe(found, plain, cache=cache, path=path)
    if wanted and probed.machine != wanted:
        raise NoImageError(
            words.wrong_architecture(settings.name, settings.platform or "", probed.machine)
        )
    return found, probed


def interpreter(
    image: ImageFound, probed: Probed, spec: EnvironmentSpec
) -> tuple[Interpreter, tuple[str, ...]]:
    """The interpreter that the python axis asks for, its target known, and its tools.

    Raises:
        NoImageError: the image has none that fits, in a sentence.
    """
    if not probed.pythons:
        raise NoImageError(words.no_python(image.name, probed.system))
    for python, tools in zip(probed.pythons, probed.tools, strict=True):
        if not _fits(python, spec.python):
            continue
        if python.release[:2] < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise NoImageError(words.python_too_old(image.name, python.version, oldest))
        return replace(python, here=False), tools
    there = [f"{python.version} ({python.path})" for python in probed.pythons]
    raise NoImageError(words.no_such_python(image.name, spec.python, there, probed.system))


def _fits(python: Interpreter, wanted: str) -> bool:
    if wanted == "image":
        return python.implementation == "cpython"
    if "/" in wanted:
        return str(python.path) == wanted
    asked = wanted.rstrip("t").split(".")
    return (
        python.implementation == "cpython"
        and python.version.split(".")[: len(asked)] == asked
        and python.free_threaded == wanted.endswith("t")
    )


def facts(
    engine: Engine, image: ImageFound, probed: Probed, settings: ContainerSettings
) -> tuple[dict[str, Any], tuple[str, ...], float]:
    """What the host attests of the place, what a reader must know of it, and how slow it is."""
    emulated = probed.machine != os.uname().machine
    relaxations = settings.relaxations
    known: dict[str, Any] = {
        "image": image.name,
        "image_digest": image.id,
        "image_registry_digests": list(image.digests),
        "engine": f"docker {engine.version}",
        "install": settings.install,
        "emulated": emulated,
        "relaxed": list(relaxations),
    }
    notes = [words.relaxed(relaxations)] if relaxations else []
    if emulated:
        notes.insert(0, words.emulated(probed.machine, SLOWDOWN))
    return known, tuple(notes), SLOWDOWN if emulated else 1.0


def try_gpus(image: ImageFound, settings: ContainerSettings, interpreter: Interpreter) -> None:
    """Start a container with the GPUs that are asked for.

    Raises:
        NoImageError: the engine has none to give, in its words.
    """
    try:
        run_once(_short(image, settings, interpreter, "raise SystemExit"))
    except RefusedError as refused:
        told = words.gpus_refused(settings.gpus or "", refused.explanation)
        raise NoImageError(told) from None


def installed(
    image: ImageFound, settings: ContainerSettings, interpreter: Interpreter, spec: EnvironmentSpec
) -> Lock | Failure:
    """What an image has that brings its framework itself; nothing is installed."""
    done = run_once(_short(image, settings, interpreter, SCRIPT))
    listed = read_listing(done.out) if done.code == 0 else None
    if listed is None:
        reason = words.strange_answer(image.name, done.err or done.out)
        return Failure(spec=spec, status=CellStatus.UNAVAILABLE, stage=Stage.START, reason=reason)
    if wrong := differences(spec, interpreter.version, listed.versions):
        reason = environment_words.not_as_asked(image.name, wrong)
        return Failure(spec=spec, status=CellStatus.MISCONFIGURED, stage=Stage.START, reason=reason)
    return listed.lock


def _short(
    image: ImageFound, settings: ContainerSettings, interpreter: Interpreter, code: str
) -> Wanted:
    return Wanted(
        image=image,
        command=(str(interpreter.path), "-I", "-c", code),
        settings=settings,
        role="probe",
        memory=_MEMORY,
        seconds=_SECONDS,
    )
