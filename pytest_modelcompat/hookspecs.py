"""The hooks for outsiders, one per seam; `docs/extending.md` tells how to write one of each.

Our own members come in through them, too (`members.py`). This module is
loaded in every pytest run, because pytest refuses plugins whose hooks it does not know; so it
imports nothing that pytest has not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_modelcompat.checks.protocol import Check
    from pytest_modelcompat.environments.protocol import EnvironmentKind
    from pytest_modelcompat.runner.settings import ExporterFile


@pytest.hookspec
def pytest_modelcompat_environments() -> Mapping[str, EnvironmentKind]:  # type: ignore[empty-body]
    """Kinds of environments, by the name that `image: [{kind: NAME, value: …}]` uses.

    See `pytest_modelcompat.environments.protocol.EnvironmentKind`. Where a kind has an attribute
    `settings` (name -> "text" or "path"), a matrix may give these beside `value`; they arrive in
    `spec.image.settings`.
    """


@pytest.hookspec
def pytest_modelcompat_runtimes() -> Mapping[str, Path]:  # type: ignore[empty-body]
    """Adapters, by the name that `framework: {DIST: [{value: …, runtime: NAME}]}` uses.

    Each is one Python file that is copied into the cell and imported there: standard library,
    `modelcompat_worker.values`, and what is installed in the cell. Its docstring's contract is that
    of `pytest_modelcompat/worker/runtimes/__init__.py`.
    """


@pytest.hookspec
def pytest_modelcompat_checks() -> Mapping[str, Check]:  # type: ignore[empty-body]
    """Checks, by the name that a matrix's `checks` uses.

    See `pytest_modelcompat.checks.protocol.Check`.
    """


@pytest.hookspec
def pytest_modelcompat_exporters() -> Mapping[str, ExporterFile]:  # type: ignore[empty-body]
    """Exporters, by the name that `export` of a producer uses.

    Each is one Python file that is copied into the producer's environment and imported there:
    standard library, `modelcompat_worker.exporters.built`, and what is installed there; `needs` of
    `pytest_modelcompat.testing.ExporterFile` is installed besides the framework. Its contract is
    the docstring of `pytest_modelcompat/worker/exporters/__init__.py`.
    """


@pytest.hookspec
def pytest_modelcompat_rules() -> Mapping[str, Path]:  # type: ignore[empty-body]
    """What the exceptions of runtimes mean, by the runtime's name: a YAML file of rules each.

    `docs/extending.md` shows one; the form is that of `pytest_modelcompat/results/rules/*.yaml`.
    """
