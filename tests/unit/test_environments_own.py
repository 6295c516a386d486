"""What nox and tox say of a user's file becomes an environment or a cell's status; both are played.

`tests/contract/test_environments_kinds.py` has the real tools.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_modelcompat.environments import own
from pytest_modelcompat.environments.own_nox import Nox
from pytest_modelcompat.environments.own_tox import Tox
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.model import Image
from pytest_modelcompat.results.model import CellStatus
from pytest_modelcompat.runner.command import Completed


def done(out: str = "", *, code: int | None = 0, err: str = "", late: bool = False) -> Completed:
    return Completed(
        argv=(), returncode=code, signal=None, stdout=out.encode(), stderr=err.encode(),
        seconds=1.0, timed_out=late,
    )  # fmt: skip


class Played(own.Job):
    """A job whose tool gives these answers, one after another."""

    answers: Any
    calls: Any

    def call(self, tool: str, *arguments: str | Path) -> Completed:
        self.calls.append((tool, *map(str, arguments)))
        return self.answers.pop(0)


def job(folder: Path, answers: Sequence[Completed], *, python: str = "3.12") -> Played:
    image = Image(kind="nox", value="tests")
    spec = make_spec(role="cell", image=image, python=python, requirements=(), install_timeout=5)
    made = Played(spec=spec, file=folder / "declared", folder=folder, deadline=time.monotonic())
    object.__setattr__(made, "answers", list(answers))
    object.__setattr__(made, "calls", [])
    return made


def sessions(*pairs: tuple[str, str | None]) -> Completed:
    listed = [{"session": name, "python": python} for name, python in pairs]
    printed = 'the noxfile prints\n[1]\n[{"session": "tests-of-its-own"}]\n'
    return done(f"{printed}{json.dumps(listed)}\nand [says more\n")


def interpreter(folder: Path, name: str) -> Path:
    path = folder / name / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


# -- nox


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        ((("tests", None),), "tests"),
        ((("tests-3.11", "3.11"), ("tests-3.12", "3.12")), "tests-3.12"),
        ((("tests(3.12, a)", "3.12"),), "tests(3.12, a)"),
    ],
)
def test_the_session_that_is_meant(tmp_path: Path, listed: Any, chosen: str) -> None:
    path = interpreter(tmp_path, "there")
    asked = job(tmp_path, [sessions(*listed), done("installed")])
    assert Nox().make(asked) == (path, "installed")
    assert asked.calls[1][-2:] == ("-s", chosen)
    assert "--install-only" in asked.calls[1]


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (sessions(("tests-3.10", "3.10"), ("tests-3.11", "3.11")), "means 2 nox sessions"),
        (sessions(("a", "3.12"), ("b", "3.12")), "means 2 nox sessions: a, b"),
        (done("no list"), "nox cannot give the environment tests"),
        (done("", code=1, err="it does not load"), "it does not load"),
    ],
)
def test_no_session_or_too_many(tmp_path: Path, listed: Completed, words: str) -> None:
    found = Nox().make(job(tmp_path, [listed]))
    assert isinstance(found, own.Trouble)
    assert found.status is CellStatus.ENVIRONMENT_FAILED
    assert words in found.reason


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (done(err="Python interpreter 3.12 not found.", code=1), CellStatus.UNAVAILABLE,
         "nox finds no interpreter"),
        (done(err="no such package", code=1), CellStatus.ENVIRONMENT_FAILED, "no such package"),
        (done(code=None, late=True), CellStatus.INFRASTRUCTURE_FAILED, "within 5 s"),
        (done("nothing was made"), CellStatus.ENVIRONMENT_FAILED, "no environment of its own"),
    ],
)  # fmt: skip
def test_what_nox_could_not_make(
    tmp_path: Path, answer: Completed, status: CellStatus, words: str
) -> None:
    found = Nox().make(job(tmp_path, [sessions(("tests", None)), answer]))
    assert isinstance(found, own.Trouble)
    assert found.status is status
    assert words in found.reason


def test_a_list_that_never_comes(tmp_path: Path) -> None:
    found = Nox().make(job(tmp_path, [done(code=None, late=True)]))
    assert isinstance(found, own.Trouble)
    assert found.status is CellStatus.INFRASTRUCTURE_FAILED


def test_the_environment_of_a_session_among_those_it_requires(tmp_path: Path) -> None:
    """Folders have the session's name without what paths dislike; long ones a digest of it."""
    interpreter(tmp_path, "build")
    path = interpreter(tmp_path, "tests-3-12-a")
    answers = [sessions(("tests(3.12, a)", None)), done()]
    assert Nox().make(job(tmp_path, answers)) == (path, "")
    second, third = tmp_path / "second", tmp_path / "third"
    for folder in (second, third):
        interpreter(folder, "build")
        interpreter(folder, "other")
    path = interpreter(second, "0a3c485b")
    answers = [sessions(("digested", None)), done()]
    assert Nox().make(job(second, answers)) == (path, "")
    answers = [sessions(("digested", None)), done()]
    found = Nox().make(job(third, answers))
    assert isinstance(found, own.Trouble)  # neither its name nor its digest is there
    assert "no environment of its own" in found.reason


# -- tox


def test_the_interpreter_that_tox_tells(tmp_path: Path) -> None:
    path = interpreter(tmp_path, "tests")
    asked = job(tmp_path, [done("made"), done(f"[testenv:tests]\nenv_python = {path}\n")])
    assert Tox().make(asked) == (path, "made")
    assert "--notest" in asked.calls[0]


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        ([done(err="could not find python interpreter with spec(s): py27", code=1)],
         CellStatus.UNAVAILABLE, "tox finds no interpreter"),
        ([done("provided environments not found in configuration file: ['tests']", code=254)],
         CellStatus.ENVIRONMENT_FAILED, "tox cannot give the environment tests"),
        ([done(err="install_deps failed", code=1)], CellStatus.ENVIRONMENT_FAILED,
         "tox could not make the environment tests"),
        ([done(), done("env_python = /no/such/python\n")], CellStatus.ENVIRONMENT_FAILED,
         "no environment of its own"),
        ([done(), done("nothing")], CellStatus.ENVIRONMENT_FAILED, "no environment of its own"),
        ([done(), done("env_python = /bin/sh\n", code=1)], CellStatus.ENVIRONMENT_FAILED,
         "no environment of its own"),
    ],
)  # fmt: skip
def test_what_tox_could_not_make(
    tmp_path: Path, answers: list[Completed], status: CellStatus, words: str
) -> None:
    found = Tox().make(job(tmp_path, answers))
    assert isinstance(found, own.Trouble)
    assert found.status is status
    assert words in found.reason


# -- both


def test_a_tool_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    spec = job(tmp_path, []).spec
    real = own.Job(spec=spec, file=tmp_path / "f", folder=tmp_path, deadline=time.monotonic())
    with pytest.raises(FileNotFoundError, match="no_such_tool is not installed"):
        real.call("no_such_tool", "--version")


def test_a_file_that_is_gone_makes_the_cell_unavailable(tmp_path: Path) -> None:
    spec = job(tmp_path, []).spec
    found = own.OwnEnvironments(Nox()).prepare(spec, cache=tmp_path)
    assert found.status is CellStatus.UNAVAILABLE
    assert "any more" in found.reason
