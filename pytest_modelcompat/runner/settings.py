"""What the command line and the ini file ask of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.cache import cache_folder
from pytest_modelcompat.environments.registry import KINDS
from pytest_modelcompat.runner.zipapp import of_the_worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_modelcompat.environments.protocol import EnvironmentKind

__all__ = ["ExporterFile", "Members", "Settings"]


@dataclass(frozen=True)
class ExporterFile:
    """An exporter that a plugin brings.

    Attributes:
        path: its Python file.
        needs: requirements that its environments hold besides the producer's framework.
    """

    path: Path
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Members:
    """Who takes part at each seam, by the names that a matrix uses; see `members.py`.

    Attributes:
        environments: kinds.
        runtimes: the adapters' files.
        checks: see `checks.protocol.Check`.
        exporters: files, and what they need.
        rules: what a runtime's exceptions mean, a file each.
    """

    environments: Mapping[str, EnvironmentKind] = field(default_factory=lambda: KINDS)
    runtimes: Mapping[str, Path] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)
    exporters: Mapping[str, ExporterFile] = field(default_factory=dict)
    rules: Mapping[str, Path] = field(default_factory=dict)

    def names(self) -> dict[str, Any]:
        """What `matrix.load_matrices` has to know of them."""
        return {
            "checks": tuple(self.checks),
            "runtimes": tuple(self.runtimes),
            "kinds": self.strange_kinds,
            "exports": {
                name: each.needs for name, each in self.exporters.items() if self.exporter(name)
            },
        }

    @property
    def strange_kinds(self) -> dict[str, Mapping[str, str]]:
        """Kinds of environments of other plugins, and the settings that each takes."""
        return {
            name: dict(getattr(kind, "settings", {}))
            for name, kind in self.environments.items()
            if name not in KINDS
        }

    def adapter(self, runtime: str) -> Path | None:
        """The file of a runtime's adapter that has to go into the cell; None: the worker has it."""
        return _brought(self.runtimes.get(runtime))

    def exporter(self, export: str) -> Path | None:
        """Likewise of an exporter, into its producer's environment."""
        known = self.exporters.get(export)
        return _brought(known.path if known else None)


def _brought(path: Path | None) -> Path | None:
    """The file, where another plugin brings it."""
    return None if path is None or of_the_worker(path) else path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line and the ini file ask for."""

    files: tuple[Path, ...]
    report: Path
    root: Path
    select: str | None = None
    jobs: int = 1
    shard: tuple[int, int] = (1, 1)
    fresh: bool = False
    fail_on: frozenset[str] = frozenset()
    baseline: Path | None = None
    cache: Path = field(default_factory=cache_folder)
    members: Members = field(default_factory=Members)
