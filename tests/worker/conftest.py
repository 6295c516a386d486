"""Real supervisors under every interpreter that is here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_modelcompat.runner import cell, command
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker import bundle

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
HERE = Path(__file__).parent
FAST = ("3.8", "3.13")  # for what does not depend on the interpreter in between


@cache
def interpreter(version: str) -> str | None:
    """The path of a CPython of this version: pyenv's, or one on the PATH."""
    roots = [os.environ.get("PYENV_ROOT"), str(Path.home() / ".pyenv")]
    found = [
        path
        for root in roots
        if root
        for path in sorted(Path(root).glob(f"versions/{version}.*/bin/python"))
    ]
    named = shutil.which(f"python{version}")
    for path in [*found, *([named] if named else [])]:
        told = subprocess.run(
            [path, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if told.stdout.strip() == version:
            return str(path)
    if version == ".".join(map(str, sys.version_info[:2])):
        return sys.executable
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "python" in metafunc.fixturenames:
        every = metafunc.definition.get_closest_marker("every_python") is not None
        metafunc.parametrize("python", VERSIONS if every else FAST, indirect=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_python: run under every interpreter, not just two")


@pytest.fixture
def python(request: pytest.FixtureRequest) -> str:
    path = interpreter(request.param)
    if path is None:
        pytest.skip(f"no Python {request.param} on this machine")
    return path


def program(path: Path) -> list[str]:
    """The arguments with which a Python runs this program, looked on where coverage is measured."""
    observer = os.environ.get("MODELCOMPAT_COVERAGE")
    return [*([observer] if observer else []), str(path)]


class Plain:
    """A kind of environment that is just an interpreter."""

    name = "plain"

    def start(self, prepared, arguments, *, env, files, folder, limits=None):
        return command.start([*prepared.python, *arguments], env=env, cwd=folder)

    def inside(self, file, *, prepared=None, folder=None):
        return file


@dataclass
class Session:
    """All events of one worker, and the process that they came from."""

    events: list[Any] = field(default_factory=list)
    process: Any = None

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def answers(self) -> dict[Any, Any]:
        """n -> the one answer to it."""
        found = self.of((cell.Result, cell.Ended))
        by_n = {(e.n if e.variant is None else (e.n, e.variant)): e for e in found}
        assert len(by_n) == len(found), "a case was answered twice"
        return by_n


class Worker:
    """Starts workers of one interpreter on cases that are written down as Python."""

    def __init__(self, python: str, folder: Path, zipapp: Path) -> None:
        self.python, self.folder, self.zipapp = python, folder, zipapp
        self.env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "HOME": str(folder)}
        if "MODELCOMPAT_COVERAGE" in os.environ:
            self.env["MODELCOMPAT_COVERAGE"] = os.environ["MODELCOMPAT_COVERAGE"]
        self.count = 0

    def bundle(self, cases: list[Any]) -> Path:
        self.count += 1
        path = self.folder / f"{self.count}.bundle"
        bundle.write(path, {}, [as_case(i, case) for i, case in enumerate(cases)])
        return path

    def start(self, bundles: list[Path], **order: Any) -> cell.CellProcess:
        env = {**self.env, **order.pop("env", {})}
        path = (HERE, *order.pop("path", ()))
        order = {"runtime": "module:playground", "provider": "cpu", "case": 20.0, **order}
        return cell.CellProcess(
            Plain(),
            SimpleNamespace(python=(self.python,)),
            order=cell.Order(distribution="playground", bundles=tuple(bundles), path=path, **order),
            folder=self.folder,
            env=env,
            worker=self.zipapp,
        )

    def run(self, cases: list[Any], *, repeats: int = 1, **order: Any) -> Session:
        """Run cases to the end; each is a `run` source, or a dictionary of sources."""
        session = Session()
        with self.start([self.bundle(cases)], **order) as process:
            session.process = process
            process.submit(
                [cell.CaseOrder(n=n, bundle=0, index=n, repeats=repeats) for n in range(len(cases))]
            )
            process.finish()
            session.events = list(process.events())
        assert isinstance(session.events[-1], (cell.Done, cell.Lost, cell.Unavailable))
        return session


def as_case(i: int, case: Any) -> dict[str, Any]:
    if isinstance(case, str):
        case = {"run": case}
    known = ("inputs", "outputs", "random", "calls", "file")
    fields = {key: case.pop(key) for key in known if key in case}
    model = {"file": fields.pop("file")} if "file" in fields else json.dumps(case).encode()
    return {"name": f"case{i}", "unit": "u", "model": model, **fields}


@pytest.fixture(scope="session")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worker_file(tmp_path_factory.mktemp("worker"))


@pytest.fixture
def worker(python: str, tmp_path: Path, zipapp: Path) -> Worker:
    return Worker(python, tmp_path, zipapp)


def mentions(folder: Path) -> list[int]:
    """Living processes that were started with this folder in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environ = (entry / "environ").read_bytes()
                state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
            except OSError:
                continue
            if (
                re.search(re.escape(str(folder).encode()) + rb"(?![\w-])", environ)
                and state != b"Z"
            ):
                found.append(int(entry.name))
    return found
