"""The container engine, as far as we talk to it: one connection, and two kinds of bad news.

`EngineLostError` means that nobody answered: infrastructure. `RefusedError` carries the engine's
own words about what it was asked for: an answer.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.protocol import PlaceLostError
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.errors import docker as words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import APIClient
    from typing_extensions import Self

__all__ = ["AbsentError", "Engine", "EngineLostError", "RefusedError", "connect"]

TIMEOUT = 120.0  # seconds for one answer; a busy disk makes creating a container slow
POLL = 0.3


class AbsentError(ModelcompatError):
    """There is no engine here, or nothing to talk to it with."""


class EngineLostError(PlaceLostError):
    """The engine does not answer any more."""


class RefusedError(ModelcompatError):
    """The engine answered no.

    Attributes:
        explanation: its own words.
        status: the answer's HTTP status; 0 where it came in the middle of a stream.
    """

    def __init__(self, explanation: str, status: int = 0) -> None:
        super().__init__(explanation)
        self.explanation = explanation
        self.status = status


class Engine:
    """A connection; not for several threads at once. A context manager.

    Attributes:
        api: the SDK's client of the API; calls to it stand within `answering`.
        version: of the engine.
    """

    def __init__(self, api: APIClient, version: str) -> None:
        self.api = api
        self.version = version

    @contextlib.contextmanager
    def answering(self) -> Iterator[APIClient]:
        """Turn what goes wrong in here into `EngineLostError` or `RefusedError`."""
        with _translated():
            yield self.api

    def remove(self, container: str) -> None:
        """End a container at once and remove it with its anonymous volumes; gone is fine."""
        try:
            with self.answering() as api:
                api.remove_container(container, v=True, force=True)
        except RefusedError as refused:
            if refused.status not in {_NOT_FOUND, _CONFLICT}:  # gone, or going
                raise

    def close(self) -> None:
        """Drop the connection."""
        self.api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_NOT_FOUND, _CONFLICT = 404, 409


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from docker.errors import APIError, DockerException, NullResource  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except APIError as error:
        said = redact(str(error.explanation or error).strip())
        raise RefusedError(said, error.status_code or 0) from error
    except (DockerException, NullResource) as error:
        raise RefusedError(redact(str(error))) from error
    except (OSError, HTTPError) as error:  # requests' own are among them
        raise EngineLostError(words.engine_lost(redact(str(error)))) from error


def connect(*, patience: float = 0.0) -> Engine:
    """Talk to the engine that DOCKER_HOST names, or the local one.

    Args:
        patience: seconds to wait for one that is just being started again.

    Raises:
        AbsentError: there is none, or the SDK is not installed.
    """
    try:
        import docker  # noqa: PLC0415 - only where a matrix has a container
        from docker.utils import kwargs_from_env  # noqa: PLC0415
    except ImportError:
        raise AbsentError(words.no_sdk()) from None
    end = time.monotonic() + patience
    while True:
        try:
            _knock()
            api = docker.APIClient(version="auto", timeout=TIMEOUT, **_settings(kwargs_from_env))
            return Engine(api, str(api.version().get("Version", "")))
        except (docker.errors.DockerException, OSError) as error:
            if time.monotonic() >= end:
                raise AbsentError(words.no_engine(redact(str(error)))) from None
        time.sleep(POLL)


def _knock() -> None:
    """See whether anybody listens at a local socket; the SDK leaves its own open where not."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if address.startswith("unix://"):
        path = "/" + address.removeprefix("unix://").lstrip("/")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(TIMEOUT)
                link.connect(path)
        except OSError as error:
            raise OSError(f"{path}: {error.strerror or error}") from error


def _settings(from_env: Any) -> dict[str, Any]:
    found: dict[str, Any] = from_env()
    return found
