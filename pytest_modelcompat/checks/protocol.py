"""The seam between a matrix entry and the work that it means.

A check turns its entry into a `Workload`: cases, the bundles that hold their inputs, and what they
are judged against. It never runs anything, so that the whole plan exists before the first
environment. A new check is a module with a `workload` function and a line in the registry below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.matrix.model import CheckEntry
    from pytest_modelcompat.runner.plan import Workload

__all__ = ["REGISTRY", "Check", "check", "workload"]


class Check(Protocol):
    """One check."""

    def workload(
        self,
        entry: CheckEntry,
        corpora: Sequence[tuple[str, Path]],
        *,
        folder: Path,
        file: Path | None = None,
    ) -> Workload:
        """The work of one entry.

        Args:
            entry: of the matrix.
            corpora: (requirement such as "onnx==1.18.0", the bundle collected from it), those that
                the entry names.
            folder: of the cache, for bundles that the check writes, named by their content.
            file: the matrix, named in problems.

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
        more: checks of other plugins; ours cannot be replaced.

    Raises:
        KeyError: there is none.
    """
    if name in REGISTRY:
        return cast("Check", import_module(REGISTRY[name]))
    return (more or {})[name]


def workload(
    entry: CheckEntry,
    corpora: Sequence[tuple[str, Path]],
    *,
    folder: Path,
    file: Path | None = None,
    more: Mapping[str, Check] | None = None,
) -> Workload:
    """The work of one entry, by the check that it names; see `Check.workload`."""
    return check(entry.check, more).workload(entry, corpora, folder=folder, file=file)
