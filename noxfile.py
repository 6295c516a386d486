"""What CI does, one session each; `nox -l` lists them and `nox -s lint` runs one.

Positional arguments go on to pytest: `nox -s tests -- -k judge`. The worker's tests find the
interpreters of this machine themselves and skip, by name, those that are not there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

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


# The Pythons of workers, each with the newest coverage that it can have: see tests/observe.py.
WORKERS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
OBSERVED = """\
[run]
branch = true
parallel = true
include =
    */modelcompat_worker/*
    */worker-*/__main__.py
    */code/__main__.py
    */pytest_modelcompat/worker/*
    */pytest_modelcompat/runner/guard.py
disable_warnings = no-data-collected, no-ctracer
"""


@nox.session
def coverage(session: nox.Session) -> None:
    """The whole suite, with every process of ours: pytest under test, supervisor and child.

    Arguments go on to pytest. With `--append` first they are another part of the measurement that
    was begun before, of the same sources; the figures are of all parts together.
    """
    session.install("-e", ".[tests]")
    place = Path("build", "coverage").absolute()
    arguments = list(session.posargs)
    append = arguments[:1] == ["--append"]
    if append:
        del arguments[0]
    _observing(session, place, append=append)
    data, whole = place / "data", place / "coverage"
    wanted = ["--network", "--slow", *(["--browser"] if shutil.which("chromium") else [])]
    if "-n" not in arguments:
        wanted += ["-n", "auto"]
    env = {
        "COVERAGE_FILE": str(data / "coverage"),
        "MODELCOMPAT_COVERAGE": str(Path("tests", "observe.py").absolute()),
    }
    failed = False
    try:
        session.run("coverage", "run", "-m", "pytest", *wanted, *arguments, env=env)
    except CommandFailed:  # told after the figures, which stand for themselves
        failed = True
    env = {"COVERAGE_FILE": str(whole)}
    session.run("coverage", "combine", "-q", *(["--append"] if append else []), str(data), env=env)
    session.run("coverage", "html", "-q", "-d", str(place / "html"), env=env)
    session.run("coverage", "json", "-q", "-o", str(place / "figures.json"), env=env)
    session.run("coverage", "report", "--skip-covered", "--sort=cover", env=env)
    with (place / "parts.txt").open("a", encoding="utf-8") as parts:
        told = " (some of its tests failed)" if failed else ""
        parts.write(f"nox -s coverage -- {' '.join(session.posargs)}{told}\n")
    lines, branches = _figures(json.loads((place / "figures.json").read_text("utf-8")))
    (place / "figures.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for line in lines:
        session.log(line)
    if branches < BRANCHES:
        session.error(f"less than {BRANCHES} % of branches")
    if failed:
        session.error("tests failed")


def _observing(session: nox.Session, place: Path, *, append: bool) -> None:
    """Make the folder of a measurement, or see that it is of these very sources."""
    hashed = hashlib.sha256()
    for path in sorted(Path("pytest_modelcompat").rglob("*.py")):
        hashed.update(f"{path}\0".encode() + path.read_bytes())
    digest = hashed.hexdigest()
    if append:
        begun = place / "sources"
        if not begun.exists() or begun.read_text("ascii") != digest:
            session.error("nothing to append to: the sources are others, begin without --append")
    else:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / "sources").write_text(digest, encoding="ascii")
        for python in WORKERS:
            session.run(
                "uv", "pip", "install", "-q", "--target", str(place / "packages" / python),
                "--python-version", python, "--only-binary", ":all:", "coverage",
            )  # fmt: skip
    (place / "data").mkdir(exist_ok=True)
    (place / "worker.ini").write_text(OBSERVED, encoding="utf-8")


def _figures(told: dict[str, Any]) -> tuple[list[str], float]:
    """A line for the host's package, for the worker and for both; percent of branches of both."""
    lines = []
    for name, wanted in (("host", {False}), ("worker", {True}), ("together", {False, True})):
        found = [
            each["summary"]
            for path, each in told["files"].items()
            if path.startswith("pytest_modelcompat/worker/") in wanted
        ]
        parts = []
        for what, every in (("branches", "num_branches"), ("lines", "num_statements")):
            taken = sum(each[f"covered_{what}"] for each in found)
            total = sum(each[every] for each in found)
            percent = 100 * taken / max(total, 1)
            parts.append(f"{percent:5.1f} % of {what} ({taken:,} of {total:,})")
            if what == "branches":
                branches = percent
        lines.append(f"{name:8} {parts[0]}, {parts[1]}")
    return lines, branches


@nox.session
def changelog(session: nox.Session) -> None:
    """Turn changelog.d into a section of CHANGELOG.md: `nox -s changelog -- 0.2.0`."""
    session.install("towncrier>=24.8")
    version = session.posargs[0] if session.posargs else session.error("which version?")
    session.run("towncrier", "build", "--yes", "--version", version)
