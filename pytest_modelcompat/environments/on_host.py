"""What all kinds of environment on this machine share: a process of it, and every file at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.runner.command import Process, start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import Prepared
    from pytest_modelcompat.matrix.model import Limits

__all__ = ["OnHost"]


class OnHost:
    """The second half of a kind of environment; see `protocol.EnvironmentKind`."""

    def start(
        self,
        prepared: Prepared,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        files: Sequence[Path],  # noqa: ARG002 - on the host all of them are within reach
        folder: Path,
        limits: Limits | None = None,  # noqa: ARG002 - the worker holds them itself
    ) -> Process:
        """Start the environment's interpreter in `folder`, with exactly `env`."""
        return start([*prepared.python, *arguments], env=env, cwd=folder)

    def inside(self, file: Path, *, prepared: Prepared, folder: Path) -> Path:  # noqa: ARG002
        """On the host every file is where it is."""
        return file
