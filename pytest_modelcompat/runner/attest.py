"""Whether what was really there is what the cell's axes say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_modelcompat.results.placement import cell_misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_modelcompat.matrix.model import Cell

__all__ = ["contradiction"]


def contradiction(
    cell: Cell, *, attestation: Mapping[str, Any], ran_on: Mapping[str, int] | None
) -> str:
    """What of the attestation contradicts the axes, in one sentence; empty where nothing does.

    Args:
        cell: what was asked for.
        attestation: what the worker found.
        ran_on: provider -> nodes over all cases of the cell.
    """
    framework = cell.framework
    if cell_misconfigured(cell.provider, ran_on, runtime=framework.runtime):
        where = ", ".join(f"{name} ({nodes:,})" for name, nodes in (ran_on or {}).items())
        return f"{cell.provider} was accepted but ran no node of any case; they ran on {where}"
    if not attestation:
        return ""
    found = attestation.get("distributions", {}).get(canonicalize_name(framework.distribution))
    if framework.version != "installed" and not _same_version(found, framework.version):
        return f"{framework} was asked for, but {found or 'no such distribution'} is installed"
    python = str(attestation.get("python", ""))
    if cell.python[:1].isdigit() and not _same_release(python, cell.python):
        return f"Python {cell.python} was asked for, but the cell ran on {python}"
    return ""


def _same_version(found: object, asked: str) -> bool:
    """Local parts (`+cpu`) do not tell releases apart unless they were asked for."""
    try:
        one, two = Version(str(found)), Version(asked)
    except InvalidVersion:
        return found == asked
    return one == two or (two.local is None and one.public == two.public)


def _same_release(found: str, asked: str) -> bool:
    return found == asked or found.startswith(f"{asked}.")
