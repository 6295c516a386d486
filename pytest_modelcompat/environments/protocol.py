"""The seam between a run and the place where its cells run.

Two steps, each a result rather than an exception: `prepare` makes an environment (or says, in the
words of a cell's status, why there is none), and `start` puts the worker into it. A new kind of
environment is one module with these functions and one line in `registry.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_modelcompat.matrix.model import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import IO

    from typing_extensions import Self

    from pytest_modelcompat.matrix.model import Limits
    from pytest_modelcompat.results.model import CellStatus, Stage

__all__ = [
    "EnvironmentKind",
    "EnvironmentSpec",
    "Failure",
    "Lock",
    "PlaceLostError",
    "Prepared",
    "WorkerProcess",
]


@dataclass(frozen=True, kw_only=True)
class EnvironmentSpec:
    """What an environment must hold; equal specs are one environment.

    Attributes:
        id: slug and eight hex digits of the digest of everything below; also its folder's name.
        role: "cell", "producer", "reference" or "corpus".
        image: where.
        python: as the axis says: "3.12", "3.12.1", a path, "image".
        requirements: names with specifiers; the framework's pin first.
        exclude_newer: ISO date, resolved as of the end of that day UTC; or None.
        install_timeout: seconds for resolve and install, each.
    """

    id: str
    role: str
    image: Image = field(default_factory=Image)
    python: str
    requirements: tuple[str, ...]
    exclude_newer: str | None = None
    install_timeout: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The resolved, hashed requirements of an environment, without index addresses or paths."""

    digest: str  # sha256 hex of text
    text: str
    packages: tuple[tuple[str, str], ...]  # (normalised name, version)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An environment that is there: worker files can be started in it.

    Attributes:
        spec: what was asked for.
        python: argv prefix of its interpreter, as seen from where it runs.
        python_version: "3.12.1".
        lock: what is installed.
        folder: on the host.
        seconds: {"resolve": s, "install": s}.
        reused: nothing had to be installed.
        log: of resolving and installing.
        image_digest: of the container image.
        facts: what the host knows of the place; goes into the attestation of its cells.
        notes: what a reader of the report must know of its cells, a sentence each.
        slowdown: by how much the time limits of its cells are stretched (an emulated processor).
    """

    spec: EnvironmentSpec
    python: tuple[str, ...]
    python_version: str
    lock: Lock
    folder: Path
    seconds: dict[str, float]
    reused: bool = False
    log: str = ""
    image_digest: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    slowdown: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why there is no environment, in the words that its cells will carry.

    Attributes:
        spec: what was asked for.
        status: of its cells.
        stage: where it ended.
        reason: one sentence first, the tool's own explanation after it.
        log: of resolving and installing.
        lock: what was to be installed.
        seconds: {"resolve": s, "install": s}.
        gone: what the lock names is not to be had any more; a new lock may do.
    """

    spec: EnvironmentSpec
    status: CellStatus
    stage: Stage
    reason: str
    log: str = ""
    lock: Lock | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    gone: bool = False


class PlaceLostError(OSError):
    """The place where a cell was to start is gone: an engine that stopped, a machine out of reach.

    Infrastructure: the cell is tried again. The text is a sentence for the user.
    """


class WorkerProcess(Protocol):
    """A long-lived process with raw pipes on all three streams; see `runner.command.Process`.

    Every method is safe when the process is dead. Leaving the context ends it and all it started.
    """

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]

    def poll(self) -> int | None:
        """Exit code, negative signal number, or None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int | None:
        """Like `poll`, after at most `timeout` seconds (without one: until it ends)."""
        ...

    def kill(self) -> None:
        """End it and everything it has started, at once."""
        ...

    def close(self) -> None:
        """Kill it where it still runs, and close the pipes."""
        ...

    def __enter__(self) -> Self:
        """The process."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        ...


class EnvironmentKind(Protocol):
    """One kind of environment: host (nox), docker, tox, ..."""

    name: str

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Prepared | Failure:
        """Make the environment, or find it unchanged in the cache."""
        ...

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
        """Start the environment's interpreter with these arguments, pipes on all three streams.

        Args:
            prepared: from `prepare`.
            arguments: after the interpreter, e.g. ("-I", "worker.pyz").
            env: the whole environment of the process, nothing is inherited.
            files: what must be readable there (the worker, bundles, models).
            folder: private working folder of the cell.
            limits: of the cell, where something outside of the process can hold them.

        Raises:
            PlaceLostError: the place is gone since `prepare`.
            OSError: the interpreter cannot be started there.
        """
        ...

    def inside(self, file: Path, *, prepared: Prepared, folder: Path) -> Path:
        """The path by which a process of `start` finds one of its `files`, or what is below them.

        Args:
            file: on the host.
            prepared: from `prepare`.
            folder: that `start` is given.
        """
        ...
