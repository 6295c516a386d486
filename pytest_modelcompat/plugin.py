"""The pytest plugin's front door: options, and nothing else.

It is loaded in every pytest run of every user who has the package installed, so it imports nothing
beyond the standard library's typing; a test holds that. With `--compat-matrix` it hands over to
`session.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat import DEFAULT_MATRICES, DEFAULT_REPORT

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the command line."""
    group = parser.getgroup("modelcompat", "compatibility matrices of models and runtimes")
    group.addoption(
        "--compat-matrix",
        nargs="?",
        const="",
        default=None,
        metavar="FILE|DIR",
        help="run a compatibility matrix, or every matrix of a folder "
        f"(default: ini compat_matrix, else {DEFAULT_MATRICES}/)",
    )
    group.addoption(
        "--compat-report",
        default=None,
        metavar="DIR",
        help=f"folder of the report (default: {DEFAULT_REPORT})",
    )
    group.addoption(
        "--compat-select",
        default=None,
        metavar="MATCHER",
        help='only these cells, e.g. "framework:onnxruntime>=1.25 python:3.12"',
    )
    group.addoption(
        "--compat-plan", action="store_true", help="print the plan as JSON and run nothing"
    )
    group.addoption(
        "--compat-jobs",
        default=None,
        metavar="N",
        help="cells that run side by side (default: number of processors)",
    )
    group.addoption(
        "--compat-baseline",
        default=None,
        metavar="DIR",
        help="a stored run: only what is new against it fails this one",
    )
    group.addoption(
        "--compat-shard",
        default=None,
        metavar="I/N",
        help="run only the I-th of N parts of the cells",
    )
    group.addoption(
        "--compat-fresh", action="store_true", help="measure everything, reuse no earlier result"
    )
    group.addoption(
        "--compat-fail-on",
        default=None,
        metavar="STATUS,...",
        help="statuses that fail the run besides the usual ones, e.g. unsupported,fallback",
    )
    parser.addini("compat_matrix", "matrix file or folder that --compat-matrix means", default="")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks for outsiders; without them pytest would refuse plugins that have them."""
    from pytest_modelcompat import hookspecs  # noqa: PLC0415 - only once it is needed

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Hand over to the session where a matrix was asked for; refuse what would do nothing."""
    if config.getoption("compat_matrix") is None and not _asked_for(config):
        return
    from pytest_modelcompat import session  # noqa: PLC0415 - costs nothing without the option

    session.configure(config)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print the plan and stop, where that was asked for."""
    if not config.getoption("compat_plan"):
        return None
    from pytest_modelcompat import session  # noqa: PLC0415 - costs nothing without the option

    return session.print_plan(config)


def _asked_for(config: pytest.Config) -> bool:
    names = ("report", "select", "plan", "jobs", "baseline", "shard", "fresh", "fail_on")
    return any(config.getoption(f"compat_{name}") for name in names)
