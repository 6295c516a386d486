"""The seam between a matrix entry and the work that it means.

A check turns its entry into a `Workload`: cases, the bundles that hold their inputs, and what they
are judged against. It never runs anything, so that the whole plan exists before the first
environment. A new check is a module with a `plan` function and a line in the registry below.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_modelcompat.matrix.model import CheckEntry
    from pytest_modelcompat.runner.plan import Workload

__all__ = ["REGISTRY", "Check", "Sources", "check"]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a plan may read.

    Attributes:
        folder: of the cache, for bundles that a check writes; named by their content.
        corpora: requirement ("onnx==1.18.0") -> the bundle that was collected from it.
        produced: (model's name, setting's label) -> the file that its producer made.
        matrix: the matrix file, named in problems.
    """

    folder: Path
    corpora: Mapping[str, Path] = field(default_factory=dict)
    produced: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    matrix: Path | None = None


class Check(Protocol):
    """One check."""

    def plan(self, entry: CheckEntry, sources: Sources) -> Workload:
        """The work of one entry.

        Raises:
            UsageProblem: the entry's patterns, models or data cannot be used; all of them at once.
        """
        ...


REGISTRY: Mapping[str, str] = {
    "op_support": "pytest_modelcompat.checks.op_support",
    "parity": "pytest_modelcompat.checks.parity",
}
"""Name in the matrix -> module."""


def check(name: str, more: Mapping[str, Check] | None = None) -> Check:
    """The check of that name.

    Args:
        name: as in the matrix.
        more: checks of other plugins.

    Raises:
        KeyError: there is none.
    """
    if more and name in more:
        return more[name]
    return cast("Check", import_module(REGISTRY[name]))
