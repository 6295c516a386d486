"""Finding an image in the engine, pulling or building it: from a name to a digest."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.docker.engine import Engine, RefusedError
from pytest_modelcompat.environments.docker.owner import OURS
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.errors import docker as words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_modelcompat.environments.docker.settings import ContainerSettings

__all__ = ["ImageFound", "NoImageError", "find", "inspect"]

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_TAIL = 40  # lines of a build's output
_making: dict[str, threading.Lock] = {}
_making_lock = threading.Lock()


class NoImageError(ModelcompatError):
    """There is no such image, in a sentence for the user."""


@dataclass(frozen=True, kw_only=True)
class ImageFound:
    """An image in the engine.

    Attributes:
        id: the digest of its configuration, "sha256:...", by which it is started.
        name: what the matrix calls it.
        digests: the names by which registries know these bytes.
        architecture: as its maker wrote it down, which is not always right: "amd64".
        volumes: what it declares as such.
        user: its own.
    """

    id: str
    name: str
    digests: tuple[str, ...] = ()
    architecture: str = ""
    volumes: tuple[str, ...] = ()
    user: str = ""


def find(
    engine: Engine, settings: ContainerSettings, *, seconds: float, anew: bool = False
) -> ImageFound:
    """The image that a matrix names, pulled or built where it must be.

    Args:
        engine: to look in.
        settings: of the image.
        seconds: for pulling or building.
        anew: pull, even where one of that name is there.

    Raises:
        NoImageError: there is none, and none can be had.
        EngineLostError: nobody answers.
    """
    with _making_lock:
        lock = _making.setdefault(settings.name, threading.Lock())
    with lock:
        if settings.dockerfile is not None:
            return _build(engine, settings, seconds)
        if not anew and (found := inspect(engine, settings.name)):
            return found
        return _pull(engine, settings, seconds)


def inspect(engine: Engine, name: str, *, shown: str = "") -> ImageFound | None:
    """An image that is there, or None."""
    try:
        with engine.answering() as api:
            about = api.inspect_image(name)
    except RefusedError as refused:
        if refused.status == 404:  # noqa: PLR2004 - HTTP's number for it
            return None
        raise
    config = about.get("Config") or {}
    return ImageFound(
        id=str(about["Id"]),
        name=shown or name,
        digests=tuple(sorted(about.get("RepoDigests") or ())),
        architecture=str(about.get("Architecture", "")),
        volumes=tuple(sorted(config.get("Volumes") or ())),
        user=str(config.get("User", "")),
    )


def _pull(engine: Engine, settings: ContainerSettings, seconds: float) -> ImageFound:
    name = settings.name
    end = time.monotonic() + seconds
    reference = name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"
    try:
        with engine.answering() as api:
            lines = api.pull(reference, stream=True, decode=True, platform=settings.platform)
            _watch(lines, end, words.pull_timed_out(name, seconds))
    except RefusedError as refused:
        raise NoImageError(words.no_image(name, refused.explanation)) from None
    found = inspect(engine, name)
    if found is None:
        raise NoImageError(words.no_image(name, ""))
    return found


def _build(engine: Engine, settings: ContainerSettings, seconds: float) -> ImageFound:
    dockerfile, context = settings.dockerfile, settings.context
    assert dockerfile is not None
    assert context is not None
    key = json.dumps([str(dockerfile), str(context), settings.build_args, settings.platform])
    tag = f"modelcompat/built:{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    end = time.monotonic() + seconds
    said: list[str] = []
    arguments = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    try:
        with engine.answering() as api:
            lines = api.build(
                path=str(context),
                dockerfile=os.path.relpath(dockerfile, context)
                if dockerfile.is_relative_to(context)
                else str(dockerfile),
                tag=tag,
                buildargs={**arguments, **dict(settings.build_args)},
                labels={OURS: "built"},
                network_mode=None if settings.network == "none" else settings.network,
                platform=settings.platform,
                rm=True,
                forcerm=True,
                decode=True,
            )
            _watch(lines, end, words.build_timed_out(dockerfile.name, seconds), said)
    except RefusedError as refused:
        explanation = "\n".join([*said[-_TAIL:], refused.explanation])
        raise NoImageError(words.not_built(dockerfile.name, redact(explanation))) from None
    found = inspect(engine, tag, shown=settings.name)
    if found is None:
        raise NoImageError(words.not_built(dockerfile.name, "\n".join(said[-_TAIL:])))
    return found


def _watch(
    lines: Iterable[dict[str, Any]], end: float, late: str, said: list[str] | None = None
) -> None:
    """Follow a pull or build to its end; in a thread, because a registry may just say nothing.

    Raises:
        RefusedError: it failed, in the engine's words.
        NoImageError: it took too long.
    """
    failed: list[BaseException] = []

    def follow() -> None:
        try:
            for line in lines:
                if error := line.get("error"):
                    failed.append(RefusedError(redact(str(error))))
                    return
                if said is not None and (text := str(line.get("stream", "")).strip()):
                    said.append(text)
        except Exception as error:  # noqa: BLE001 - raised again where somebody waits
            failed.append(error)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    thread.join(max(0.0, end - time.monotonic()))
    if thread.is_alive():
        raise NoImageError(late)
    if failed:
        raise failed[0]
