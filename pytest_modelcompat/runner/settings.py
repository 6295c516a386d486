"""What the command line and the ini file ask of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_modelcompat.environments.cache import cache_folder

__all__ = ["Settings"]


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
