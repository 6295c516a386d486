"""A member or more for each kind of environment, for all of `test_environments_kinds.py`.

A new kind of environment adds a line to MEMBERS, or its test fails. A member says how one is asked
for that holds `beta` 1.0 (and what it depends on) from the index of the test.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.interpreters import default_python
from pytest_modelcompat.environments.protocol import EnvironmentSpec
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.model import Image
from pytest_modelcompat.runner.command import run
from tests.contract._index_server import IndexServer
from tests.e2e import engine
from tests.sshd import server


@dataclass(frozen=True)
class Place:
    """What a member may use.

    Attributes:
        folder: of the test.
        index: holds alpha 1.0 (needs beta), beta 1.0, beta 2.0.
    """

    folder: Path
    index: IndexServer

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


def ask(image: Image, *, python: str = "image", requires: str = "beta==1.0") -> EnvironmentSpec:
    """The record of an environment that holds beta 1.0."""
    return make_spec(
        role="cell", image=image, python=python, requirements=(requires,), install_timeout=120.0
    )


@contextmanager
def host(place: Place) -> Iterator[EnvironmentSpec]:
    yield ask(Image(), python=default_python())


NOXFILE = """\
import nox
print("a noxfile may print")

@nox.session(venv_backend="uv", python=["{python}", "3.77"])
def cells(session):
    session.install("beta==1.0")
    session.run("python", "-c", "raise SystemExit('it was run')")
"""


@contextmanager
def nox(place: Place) -> Iterator[EnvironmentSpec]:
    file = place.file("noxfile.py", NOXFILE.format(python=default_python()))
    image = Image(kind="nox", value=f"cells-{default_python()}", settings=(("noxfile", file),))
    yield ask(image)


TOX = """\
[tox]
no_package = true
[testenv:cells]
deps = beta==1.0
commands = python -c "raise SystemExit('it was run')"
"""


@contextmanager
def tox(place: Place) -> Iterator[EnvironmentSpec]:
    pytest.importorskip("tox")
    file = place.file("tox.ini", TOX)
    yield ask(Image(kind="tox", value="cells", settings=(("config", file),)))


@contextmanager
def python(place: Place) -> Iterator[EnvironmentSpec]:
    env = {**uv.tool_environment(), "UV_PYTHON": sys.executable}
    venv = place.folder / "venv"
    for words in (["venv", venv], ["pip", "install", "--python", venv / "bin/python", "beta==1.0"]):
        done = run([uv.program(), *words], env=env, cwd=place.folder, timeout=60)
        assert done.ok, done.err
    yield ask(Image(kind="python", value=str(venv / "bin" / "python")))
    shutil.rmtree(venv)


@contextmanager
def current(place: Place) -> Iterator[EnvironmentSpec]:
    yield ask(Image(kind="current", value="current"), requires="pytest")


@contextmanager
def ssh(place: Place) -> Iterator[EnvironmentSpec]:
    with server(place.folder / "sshd") as there:
        yield ask(there.image(python=sys.executable))


SITE = "import os, site; site.addsitedir(os.environ['MODELCOMPAT_SITE'])\n"
ENGINE = (pytest.mark.engine, pytest.mark.slow)


def left_by_us(patience: float = 5.0) -> list[str]:
    """Containers of this process that are still there after a while; others may test too."""
    end = time.monotonic() + patience
    ours = f"label={engine.OURS}.run={os.getpid()}"
    while (found := engine.docker("ps", "-aq", "--filter", ours).split()) and (
        time.monotonic() < end
    ):
        time.sleep(0.1)
    return found


@contextmanager
def docker(_: Place) -> Iterator[EnvironmentSpec]:
    yield ask(Image(kind="docker", value=engine.BOOKWORM), python="3.11")
    assert left_by_us() == []


@contextmanager
def docker_inside(_: Place) -> Iterator[EnvironmentSpec]:
    settings = (("install", "inside"),)
    yield ask(Image(kind="docker", value=engine.BOOKWORM, settings=settings), python="3.11")
    assert left_by_us() == []


@dataclass(frozen=True)
class Member:
    """How a kind is asked for, and what its tests need (a marker of pytest's, or nothing).

    Attributes:
        asked: yields what is asked for.
        holds: the packages that are expected, at least.
        marks: what the tests of this member need.
        before: code that finds the packages where no worker does.
    """

    asked: Callable[[Place], object]
    holds: tuple[str, ...] = ("beta==1.0",)
    marks: tuple[pytest.MarkDecorator, ...] = ()
    before: str = ""


MEMBERS: dict[str, Member] = {
    "host": Member(host),
    "nox": Member(nox),
    "tox": Member(tox),
    "python": Member(python),
    "current": Member(current, holds=(f"pytest=={pytest.__version__}",)),
    "ssh": Member(ssh),
    "docker": Member(docker, marks=ENGINE, before=SITE),
    "docker inside": Member(docker_inside, marks=ENGINE, before=SITE),
}


def members() -> list[object]:
    """For `parametrize`."""
    return [pytest.param(kind, marks=member.marks) for kind, member in sorted(MEMBERS.items())]


def environment_of(kind: str) -> dict[str, str]:
    """What a cell's process is given; only this, wherever it runs."""
    return {"A": "1", "PATH": os.environ["PATH"]}
