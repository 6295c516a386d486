"""What every kind of environment promises, run over all of them: see `_members.py`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.environments import registry, uv
from pytest_modelcompat.environments.cache import sweep
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
from pytest_modelcompat.runner.cell import CellProcess, Order
from pytest_modelcompat.runner.zipapp import worker_file
from tests.contract._index_server import IndexServer
from tests.contract._members import MEMBERS, Place, members

EVERY = pytest.mark.parametrize("kind", members())


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[IndexServer]:
    server = IndexServer()
    server.add("alpha", body="import beta\n", requires=("beta>=1",))
    server.add("beta")
    server.add("beta", "2.0")
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", server.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", server.url)
    monkeypatch.setattr(uv, "PAUSES", (0.0, 0.0))
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELCOMPAT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def asked(kind: str, index: IndexServer, tmp_path: Path) -> Iterator[EnvironmentSpec]:
    folder = tmp_path / "place"
    folder.mkdir()
    with ExitStack() as stack:
        yield stack.enter_context(MEMBERS[kind].asked(Place(folder, index)))


def made(spec: EnvironmentSpec, cache: Path) -> Prepared:
    prepared = registry.prepare(spec, cache=cache)
    assert isinstance(prepared, Prepared), prepared.reason
    return prepared


def say(prepared: Prepared, code: str, folder: Path, before: str = "") -> str:
    folder.mkdir(exist_ok=True)
    process = registry.kind_of(prepared.spec).start(
        prepared, ["-I", "-c", before + code], env={"A": "1"}, files=[], folder=folder
    )
    with process:
        output = process.stdout.read().decode()
        assert process.wait(20) == 0, process.stderr.read().decode()
    return output.strip()


def test_no_kind_is_without_a_member() -> None:
    kinds = {kind.split()[0] for kind in MEMBERS}
    assert kinds == set(registry.KINDS), "add a member to _members.py"


@EVERY
class TestEveryKind:
    def test_holds_what_its_lock_says(
        self, kind: str, asked: EnvironmentSpec, cache: Path, tmp_path: Path
    ) -> None:
        prepared = made(asked, cache)
        listed = {f"{name}=={version}" for name, version in prepared.lock.packages}
        assert set(MEMBERS[kind].holds) <= listed
        for holds in MEMBERS[kind].holds:
            name, _, version = holds.partition("==")
            code = f"from importlib.metadata import version; print(version({name!r}))"
            assert say(prepared, code, tmp_path / "room", MEMBERS[kind].before) == version
        code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
        assert say(prepared, code, tmp_path / "room") == prepared.python_version
        assert str(tmp_path) not in prepared.lock.text

    def test_its_record_can_be_stored(self, kind: str, asked: EnvironmentSpec, cache: Path) -> None:
        prepared = made(asked, cache)
        entry = registry.record(prepared)
        assert (entry.kind, entry.status, entry.id) == (
            kind.split(maxsplit=1)[0],
            "completed",
            asked.id,
        )
        assert entry.lock_digest == prepared.lock.digest
        assert set(entry.seconds) >= {"resolve", "install"}
        assert json.dumps(entry.log)

    def test_nothing_is_inherited(
        self, kind: str, asked: EnvironmentSpec, cache: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv("CANARY_TOKEN", "canary-5c1e")
        prepared = made(asked, cache)
        said = say(prepared, "import os; print(dict(os.environ))", tmp_path / "room")
        assert "canary-5c1e" not in said
        assert "'A': '1'" in said

    def test_again_it_is_the_same_one(self, kind: str, asked: EnvironmentSpec, cache: Path) -> None:
        first = made(asked, cache)
        sweep(cache)  # another run begins
        again = made(asked, cache)
        assert again.lock == first.lock
        assert again.python == first.python

    def test_the_worker_runs_in_it_and_ends_with_its_standard_input(
        self, kind: str, asked: EnvironmentSpec, cache: Path, tmp_path: Path
    ) -> None:
        prepared = made(asked, cache)
        room = tmp_path / "room"
        (room / "scratch").mkdir(parents=True)
        order = Order(runtime="backend", distribution="beta", provider="cpu", module="json")
        process = CellProcess(
            registry.kind_of(asked), prepared, order=order, folder=room,
            env={"TMPDIR": str(room / "scratch"), "PATH": os.environ["PATH"]},
            worker=worker_file(cache / "worker"),
        )  # fmt: skip
        with process:
            seen = [type(event).__name__ for event in process.events()]
        # json is no backend, which is told by the worker and not by silence
        assert seen[0] == "Hello", seen
        assert "ImportFailed" in seen, seen

    def test_an_interpreter_of_another_version_is_never_taken(
        self, kind: str, asked: EnvironmentSpec, cache: Path
    ) -> None:
        failure = registry.prepare(replace(asked, python="3.77", id=f"x{asked.id}"), cache=cache)
        assert isinstance(failure, Failure)
        assert failure.status.value in {"unavailable", "misconfigured", "environment_failed"}
        assert "3.77" in failure.reason
