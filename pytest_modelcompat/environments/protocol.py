"""The seam between a run and the place where its cells run.

Two steps, each a result rather than an exception: `prepare` makes an environment (or says, in the
words of a cell's status, why there is none), and `start` puts the worker into it. A new kind of
environment is one module with these two functions and one line in `registry.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_modelcompat.matrix.model import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_modelcompat.results.model import CellStatus, Stage
    from pytest_modelcompat.runner.command import Process

__all__ = ["EnvironmentKind", "EnvironmentSpec", "Failure", "Lock", "Prepared"]


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
    """An environment that is there: worker files can be started in it."""

    spec: EnvironmentSpec
    python: tuple[str, ...]  # argv prefix of its interpreter, as seen from where it runs
    python_version: str  # "3.12.1"
    lock: Lock
    folder: Path  # on the host
    seconds: dict[str, float]  # {"resolve": s, "install": s}
    reused: bool = False
    log: str = ""
    image_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why there is no environment, in the words that its cells will carry.

    `retryable` marks what may be the network's or daemon's fault and has been retried already.
    """

    spec: EnvironmentSpec
    status: CellStatus
    stage: Stage
    reason: str  # one sentence first, the tool's own explanation after it
    log: str = ""
    lock: Lock | None = None
    seconds: dict[str, float] = field(default_factory=dict)


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
    ) -> Process:
        """Start the environment's interpreter with these arguments, pipes on all three streams.

        Args:
            prepared: from `prepare`.
            arguments: after the interpreter, e.g. ("-I", "worker.pyz").
            env: the whole environment of the process, nothing is inherited.
            files: what must be readable there (the worker, bundles, models).
            folder: private working folder of the cell.
        """
        ...
