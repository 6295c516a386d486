"""From what an environment must hold to its record, whose id everything on disk is named after."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from pytest_modelcompat.environments.protocol import EnvironmentSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_modelcompat.matrix.model import Cell, Image

__all__ = ["environment_of", "make_spec"]

_SLUG = 60  # characters; the digest tells apart what is cut off


def make_spec(
    *,
    role: str,
    image: Image,
    python: str,
    requirements: Iterable[str],
    exclude_newer: str | None = None,
    install_timeout: float = 600.0,
) -> EnvironmentSpec:
    """The record of an environment; equal arguments give equal ids.

    Args:
        role: "cell", "producer", "reference" or "corpus".
        image: where it is.
        python: as the axis says.
        requirements: names with specifiers, the framework's pin first.
        exclude_newer: ISO date or None.
        install_timeout: seconds for resolve and install, each.
    """
    wanted = tuple(requirements)
    everything = [
        role, image.kind, image.value, image.settings, python, wanted, exclude_newer,
        float(install_timeout),
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(everything).encode()).hexdigest()[:8]
    words = [wanted[0] if wanted else role, f"py{python}", image.value]
    slug = re.sub(r"[^a-z0-9.]+", "-", " ".join(words).lower())[:_SLUG].strip("-.")
    return EnvironmentSpec(
        id=f"{slug}-{digest}",
        role=role,
        image=image,
        python=python,
        requirements=wanted,
        exclude_newer=exclude_newer,
        install_timeout=install_timeout,
    )


def environment_of(cell: Cell) -> EnvironmentSpec:
    """The environment in which a cell runs; run-only axes do not take part."""
    return make_spec(
        role="cell",
        image=cell.image,
        python=cell.python,
        requirements=cell.requirements,
        exclude_newer=cell.exclude_newer,
        install_timeout=cell.limits.install,
    )
