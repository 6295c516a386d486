"""Which kinds of environment there are, and the one function that makes any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.environments.cache import LockTimeout
from pytest_modelcompat.environments.docker.kind import Containers
from pytest_modelcompat.environments.existing import CurrentPython, ExistingPython
from pytest_modelcompat.environments.nox import HostEnvironments
from pytest_modelcompat.environments.own import OwnEnvironments
from pytest_modelcompat.environments.own_nox import Nox
from pytest_modelcompat.environments.own_tox import Tox
from pytest_modelcompat.environments.protocol import (
    EnvironmentKind,
    EnvironmentSpec,
    Failure,
    Prepared,
    WorkerProcess,
)
from pytest_modelcompat.environments.redact import impersonal, redact
from pytest_modelcompat.environments.ssh import Remote
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.model import CellStatus, EnvironmentRecord, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Limits

__all__ = ["KINDS", "kind_of", "prepare", "record"]

LOG_SHOWN = 8000  # characters


class NotOffered:
    """What stands for a kind that no plugin brings: of a plugin that was there once."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Failure:  # noqa: ARG002
        """Say so."""
        return Failure(
            spec=spec,
            status=CellStatus.UNAVAILABLE,
            stage=Stage.START,
            reason=words.kind_not_offered(self.name),
        )

    def start(
        self,
        prepared: Prepared,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        files: Sequence[Path],
        folder: Path,
        limits: Limits | None = None,
    ) -> WorkerProcess:
        """Never reached: there is nothing prepared."""
        raise NotImplementedError(self.name)

    def inside(self, file: Path, *, prepared: Prepared, folder: Path) -> Path:  # noqa: ARG002
        """Nothing is seen from there."""
        return file


# image kind -> how it is made. A new kind is a module and a line here.
KINDS: dict[str, EnvironmentKind] = {
    "host": HostEnvironments(),
    "python": ExistingPython(),
    "current": CurrentPython(),
    "docker": Containers(),
    "nox": OwnEnvironments(Nox()),
    "tox": OwnEnvironments(Tox()),
    "ssh": Remote(),
}


def kind_of(spec: EnvironmentSpec, kinds: Mapping[str, EnvironmentKind] = KINDS) -> EnvironmentKind:
    """The kind that makes this environment, and starts processes in it."""
    return kinds.get(spec.image.kind) or NotOffered(spec.image.kind)


def prepare(
    spec: EnvironmentSpec, *, cache: Path, kinds: Mapping[str, EnvironmentKind] = KINDS
) -> Prepared | Failure:
    """Make an environment, or say why there is none; what the machine refuses is a result too.

    Args:
        spec: what it must hold.
        cache: the cache folder, see `cache.cache_folder`.
        kinds: those that take part.

    Raises:
        StoppedError: the run is being stopped.
    """
    try:
        return kind_of(spec, kinds).prepare(spec, cache=cache)
    except LockTimeout:
        reason = words.environment_busy(spec.install_timeout)
    except OSError as error:
        reason = words.refused(str(cache), error)
    return Failure(
        spec=spec,
        status=CellStatus.INFRASTRUCTURE_FAILED,
        stage=Stage.INSTALL,
        reason=redact(reason),
    )


def record(made: Prepared | Failure) -> EnvironmentRecord:
    """The environment as run.json shows it."""
    lock = made.lock
    return EnvironmentRecord(
        id=made.spec.id,
        role=made.spec.role,
        kind=made.spec.image.kind,
        status=(CellStatus.COMPLETED if isinstance(made, Prepared) else made.status).value,
        lock_digest=lock.digest if lock else None,
        python=made.python_version if isinstance(made, Prepared) else made.spec.python,
        reason="" if isinstance(made, Prepared) else redact(made.reason),
        seconds=dict(made.seconds),
        packages=tuple(f"{name}=={version}" for name, version in lock.packages) if lock else (),
        log=impersonal(redact(made.log))[-LOG_SHOWN:],
        reused=isinstance(made, Prepared) and made.reused,
    )
