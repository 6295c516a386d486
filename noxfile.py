"""What CI does, one session each; `nox -l` lists them and `nox -s lint` runs one.

Positional arguments go on to pytest: `nox -s tests -- -k judge`. The worker's tests find the
interpreters of this machine themselves and skip, by name, those that are not there.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests", "worker"]

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
BENCHMARKS = Path("benchmarks")


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
    """The measurements of benchmarks/, each of which prints a ratio."""
    session.install("-e", ".[tests]")
    modules = sorted(path.stem for path in BENCHMARKS.glob("*.py") if not path.stem.startswith("_"))
    for module in session.posargs or modules:
        session.run("python", "-m", f"benchmarks.{module}")


@nox.session
def mutation(session: nox.Session) -> None:
    """Break the judging code line by line, and see whether a test notices."""
    session.install("-e", ".[tests]", "mutmut>=3.2")
    session.run("mutmut", "run", *session.posargs)
    session.run("mutmut", "results")


@nox.session
def changelog(session: nox.Session) -> None:
    """Turn changelog.d into a section of CHANGELOG.md: `nox -s changelog -- 0.2.0`."""
    session.install("towncrier>=24.8")
    version = session.posargs[0] if session.posargs else session.error("which version?")
    session.run("towncrier", "build", "--yes", "--version", version)
