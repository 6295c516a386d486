"""`modelcompat doctor`: what this machine offers to a run."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.cache import cache_folder, temporary_file
from pytest_modelcompat.environments.docker import cleaning
from pytest_modelcompat.environments.interpreters import Interpreter, find
from pytest_modelcompat.errors import environment as words

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cache_problem", "lines"]

MINORS = tuple(f"3.{minor}" for minor in range(8, 16))


def lines() -> Iterator[str]:
    """A line for each thing that a run needs, and what there is."""
    cache = cache_folder()
    yield f"host: {platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    yield f"libc: {' '.join(platform.libc_ver())}"
    yield f"pytest {version('pytest')}, nox {version('nox')}, uv {uv.version()}"
    problem = cache_problem()
    yield f"cache: {problem or cache}"
    yield f"containers: {cleaning.engine_line()}"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) if problem else cache  # for what is found out
        for minor in MINORS:
            found = find(minor, cache=place)
            shown = found.path if isinstance(found, Interpreter) else "not found"
            yield f"python {minor}: {shown}"


def cache_problem() -> str:
    """Why the cache folder cannot be used, and what to do; empty where it can."""
    cache = cache_folder()
    try:
        with temporary_file(cache):
            return ""
    except OSError as error:
        return words.refused(str(cache), error)
