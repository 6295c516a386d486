"""`modelcompat doctor`: what this machine offers to a run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.cache import cache_folder
from pytest_modelcompat.environments.docker import cleaning
from pytest_modelcompat.environments.interpreters import Interpreter, find

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["lines"]

MINORS = tuple(f"3.{minor}" for minor in range(8, 16))


def lines() -> Iterator[str]:
    """A line for each thing that a run needs, and what there is."""
    cache = cache_folder()
    yield f"host: {platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    yield f"libc: {' '.join(platform.libc_ver())}"
    yield f"pytest {version('pytest')}, nox {version('nox')}, uv {uv.version()}"
    yield f"cache: {cache}"
    yield f"containers: {cleaning.engine_line()}"
    for minor in MINORS:
        found = find(minor, cache=cache)
        shown = found.path if isinstance(found, Interpreter) else "not found"
        yield f"python {minor}: {shown}"
