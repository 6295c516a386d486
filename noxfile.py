"""What CI does, one session each; `nox -l` lists them and `nox -s lint` runs one.

Positional arguments go on to pytest: `nox -s tests -- -k judge`. The worker's tests find the
interpreters of this machine themselves and skip, by name, those that are not there.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests", "worker"]

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
BRANCHES = 90  # percent that tests have to take


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, the direction of imports, the worker's Python, and spelling."""
    session.install("-e", ".[tests,lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-logo")
    session.run(
        "vermin", "--target=3.8-", "--no-tips", "--violations", "--quiet",
        "pytest_modelcompat/worker",
    )  # fmt: skip
    session.run("codespell")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Everything that needs no network, no engine and no browser."""
    session.install("-e", ".[tests]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def worker(session: nox.Session) -> None:
    """The worker by itself, on every Python from 3.8 on that this machine has."""
    session.install("-e", ".[tests]")
    session.run("pytest", "tests/worker", "--slow", *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Real packages from the index, real environments, real signals."""
    session.install("-e", ".[tests]")
    session.run("pytest", "tests/contract", "tests/e2e", "--network", "--slow", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The report in the distribution's Chromium."""
    session.install("-e", ".[tests]")
    session.run("pytest", "tests/browser", "--browser", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Every example and command of the documentation."""
    session.install("-e", ".[tests]")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The measurements of benchmarks/, into benchmarks/results.md; or those that are named."""
    session.install("-e", ".[tests]")
    session.run("python", "benchmarks/all.py", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """Break the judging code bit by bit; what no test notices is explained in docs/mutation.md."""
    session.install("-e", ".[tests]", "mutmut>=3.8", "tomli; python_version < '3.11'")
    session.run("python", "tests/mutation.py", *session.posargs)


# What a worker starts with while its coverage is measured. Its environment holds the framework and
# nothing of ours, so coverage comes from outside; its compiled part fits one Python only, so the
# workers on others go unmeasured.
OBSERVER = """\
import os, sys
if sys.version_info[:2] == {own}:
    sys.path.append({packages!r})
    import coverage
    sys.path.remove({packages!r})
    os.environ["COVERAGE_PROCESS_START"] = {settings!r}
    coverage.process_startup()
    del os.environ["COVERAGE_PROCESS_START"]
"""
OBSERVED = """\
[run]
branch = true
parallel = true
data_file = {data}
include =
    */modelcompat_worker/*
    */code/__main__.py
    */worker-*.pyz/*
patch = _exit
disable_warnings = no-data-collected, no-ctracer
"""


@nox.session
def coverage(session: nox.Session) -> None:
    """The whole suite, with every process of ours: pytest under test, supervisor and child."""
    session.install("-e", ".[tests]")
    place = Path("build", "coverage").absolute()
    settings, script, data = place / "worker.ini", place / "observe.py", place / "data"
    shutil.rmtree(place, ignore_errors=True)
    data.mkdir(parents=True)
    told = session.run(
        "python", "-c",
        "import sys, sysconfig; print(sysconfig.get_path('purelib'), *sys.version_info[:2])",
        silent=True,
    )  # fmt: skip
    packages, *own = str(told).split()
    settings.write_text(OBSERVED.format(data=data / "coverage"), encoding="utf-8")
    observer = OBSERVER.format(packages=packages, settings=str(settings), own=tuple(map(int, own)))
    script.write_text(observer, encoding="utf-8")
    wanted = ["--network", "--slow", *(["--browser"] if shutil.which("chromium") else [])]
    env = {"COVERAGE_FILE": str(data / "coverage"), "MODELCOMPAT_COVERAGE": str(script)}
    failed = False
    try:
        session.run("coverage", "run", "-m", "pytest", *wanted, *session.posargs, env=env)
    except CommandFailed:  # told after the figures, which stand for themselves
        failed = True
    env["COVERAGE_FILE"] = str(place / "coverage")
    figures = place / "coverage.json"
    session.run("coverage", "combine", "-q", str(data), env=env)
    session.run("coverage", "html", "-q", "-d", str(place / "html"), env=env)
    session.run("coverage", "json", "-q", "-o", str(figures), env=env)
    session.run("coverage", "report", "--skip-covered", "--sort=cover", env=env)
    totals = json.loads(figures.read_text("utf-8"))["totals"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    lines = 100 * totals["covered_lines"] / totals["num_statements"]
    session.log(f"{lines:.1f} % of lines, {branches:.1f} % of branches; {place / 'html'}")
    if branches < BRANCHES:
        session.error(f"less than {BRANCHES} % of branches")
    if failed:
        session.error("tests failed")


@nox.session
def changelog(session: nox.Session) -> None:
    """Turn changelog.d into a section of CHANGELOG.md: `nox -s changelog -- 0.2.0`."""
    session.install("towncrier>=24.8")
    version = session.posargs[0] if session.posargs else session.error("which version?")
    session.run("towncrier", "build", "--yes", "--version", version)
