"""What every kind of environment promises, kept by containers: installed from outside, and inside.

On a real engine; the index is a server on this machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
from pytest_modelcompat.environments.registry import kind_of, prepare, record
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.model import Image, Limits
from pytest_modelcompat.results.model import CellStatus, Stage
from tests.contract._index_server import IndexServer
from tests.e2e import engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]
SECRET = "canary-7d20-secret"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[IndexServer]:
    server = IndexServer()
    server.add("alpha", body="import beta\n", requires=("beta>=1",))
    server.add("beta")
    server.add("beta", "2.0")
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", server.url.replace("://", f"://user:{SECRET}@"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    yield server
    server.close()


@pytest.fixture(params=["mount", "inside"])
def spec(request: pytest.FixtureRequest) -> EnvironmentSpec:
    settings = (("install", request.param),) if request.param == "inside" else ()
    return make_spec(
        role="cell",
        image=Image(kind="docker", value=engine.BOOKWORM, settings=settings),
        python="3.11",
        requirements=("alpha==1.0", "beta<2"),
        install_timeout=120.0,
    )


def made(spec: EnvironmentSpec, cache: Path) -> Prepared:
    prepared = prepare(spec, cache=cache)
    assert isinstance(prepared, Prepared), prepared.reason
    return prepared


def say(prepared: Prepared, code: str, folder: Path, *files: Path) -> str:
    site = "import os, site; site.addsitedir(os.environ['MODELCOMPAT_SITE'])\n"
    process = kind_of(prepared.spec).start(
        prepared, ["-I", "-c", site + code], env={"A": "1"}, files=files, folder=folder,
        limits=Limits(memory=2**29),
    )  # fmt: skip
    with process:
        output = process.stdout.read().decode()
        assert process.wait(20) == 0, process.stderr.read().decode()
    return output.strip()


def test_holds_what_was_locked_and_is_reused(
    spec: EnvironmentSpec, index: IndexServer, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    prepared = made(spec, cache)
    assert not prepared.reused
    assert prepared.lock.packages == (("alpha", "1.0"), ("beta", "1.0"))
    assert prepared.lock.text.count("--hash=sha256:") == 2
    assert prepared.python_version.startswith("3.11.")
    assert prepared.image_digest == engine.digest(engine.BOOKWORM)
    assert say(prepared, "import alpha, beta; print(beta.VERSION)", tmp_path) == "1.0"
    assert say(prepared, "print(os.environ['A'])", tmp_path) == "1"
    asked = len(index.requests)
    again = made(spec, cache)
    assert again.reused
    assert len(index.requests) == asked
    assert again.lock == prepared.lock
    entry = record(again)
    assert (entry.status, entry.kind, entry.packages) == (
        "completed", "docker", ("alpha==1.0", "beta==1.0"),
    )  # fmt: skip
    assert engine.left() == []


def test_files_are_found_where_it_says_and_cannot_be_written(
    spec: EnvironmentSpec, index: IndexServer, tmp_path: Path
) -> None:
    prepared = made(spec, tmp_path / "cache")
    file = tmp_path / "data.txt"
    file.write_text("content")
    file.chmod(0o600)
    kind = kind_of(spec)
    place = kind.inside(file, prepared=prepared, folder=tmp_path)
    code = f"print(open({str(place)!r}).read(), os.access({str(place)!r}, os.W_OK))"
    assert say(prepared, code, tmp_path, file) == "content False"
    other = tmp_path / "other" / "data.txt"
    other.parent.mkdir()
    other.touch()
    with pytest.raises(ValueError, match="have the same name"):
        kind.start(prepared, [], env={}, files=[file, other], folder=tmp_path)


def test_secrets_of_the_index_stay_outside(
    spec: EnvironmentSpec, index: IndexServer, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    prepared = made(spec, cache)
    seen = say(prepared, "print(dict(os.environ), open('/proc/self/cmdline').read())", tmp_path)
    assert SECRET not in seen
    assert SECRET not in json.dumps([prepared.log, prepared.lock.text, dict(prepared.facts)])
    for path in cache.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_what_cannot_be_had_is_a_failure_with_a_sentence(
    spec: EnvironmentSpec, index: IndexServer, tmp_path: Path
) -> None:
    wrong = make_spec(role="cell", image=spec.image, python="3.11", requirements=("alpha==9.9",))
    failure = prepare(wrong, cache=tmp_path / "cache")
    assert isinstance(failure, Failure)
    assert (failure.status, failure.stage) == (CellStatus.UNSATISFIABLE, Stage.RESOLVE)
    wrong = make_spec(role="cell", image=spec.image, python="3.8", requirements=("beta",))
    failure = prepare(wrong, cache=tmp_path / "cache")
    assert isinstance(failure, Failure)
    assert (failure.status, failure.stage) == (CellStatus.UNAVAILABLE, Stage.START)
    assert "has no CPython 3.8. It has 3.11." in failure.reason
    assert engine.left() == []


def test_a_process_that_is_let_go_is_gone(
    spec: EnvironmentSpec, index: IndexServer, tmp_path: Path
) -> None:
    prepared = made(spec, tmp_path / "cache")
    process = kind_of(spec).start(
        prepared, ["-I", "-c", "import time; time.sleep(1000)"], env={}, files=[], folder=tmp_path
    )
    assert process.poll() is None
    assert len(engine.ours()) == 1
    process.close()
    process.close()
    assert engine.left() == []
