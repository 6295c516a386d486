"""`install: inside` behind a company's walls: an index with a password, a private CA, a proxy.

Everything is on this machine: https of a test's own authority, basic authentication, a proxy that
asks for a password as well. What must get through gets through, and no password is written down.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
from pytest_modelcompat.environments.registry import kind_of, prepare, record
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.model import Image
from pytest_modelcompat.results.model import CellStatus
from tests.contract._index_server import IndexServer
from tests.contract._proxy import Proxy
from tests.e2e import engine
from tests.e2e import fault_models as models
from tests.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.slow]
SECRET = "canary-91ce-index/secret"
QUOTED = "canary-91ce-index%2Fsecret"
OF_PROXY = "canary-04af-proxy-secret"
CANARIES = (SECRET.encode(), QUOTED.encode(), OF_PROXY.encode(), b"canary-")


@dataclass
class Company:
    """What stands on this machine.

    Attributes:
        index: asks for user and password, over https.
        proxy: asks for its own.
        seen: what the engine told of our containers while pip asked for a file.
    """

    index: IndexServer
    proxy: Proxy
    seen: list[str]


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Company]:
    import trustme  # noqa: PLC0415 - only where somebody has an engine

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "company-ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    seen: list[str] = []

    def watch(path: str, agent: str) -> None:
        if path.startswith("/files/") and agent.startswith("pip/"):
            seen.append(engine.docker("inspect", *engine.ours()))

    index = IndexServer(tls=context, credentials=f"someone:{SECRET}", watch=watch)
    index.add("alpha", requires=("beta>=1",))
    index.add("beta")
    proxy = Proxy(f"someone:{OF_PROXY}")
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")) or "proxy" in name.lower() or "CA_BUNDLE" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("://", f"://someone:{QUOTED}@"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:{OF_PROXY}@127.0.0.1:{proxy.port}")
    yield Company(index, proxy, seen)
    proxy.close()
    index.close()


def spec_of(**settings: str) -> EnvironmentSpec:
    given = (("install", "inside"), *settings.items())
    return make_spec(
        role="cell",
        image=Image(kind="docker", value=engine.BOOKWORM, settings=given),
        python="3.11",
        requirements=("alpha==1.0",),
        install_timeout=120.0,
    )


def unwritten(*folders: Path) -> int:
    """No canary in any byte below these folders; how many files that were."""
    count = 0
    for folder in folders:
        for path in folder.rglob("*"):
            assert "canary-" not in path.name
            if path.is_file() and not path.is_symlink():
                count += 1
                data = path.read_bytes()
                assert not [each for each in CANARIES if each in data], path
    return count


def test_pip_gets_through_and_nothing_is_written_down(company: Company, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepared = prepare(spec_of(), cache=cache)
    assert isinstance(prepared, Prepared), prepared.reason
    assert prepared.lock.packages == (("alpha", "1.0"), ("beta", "1.0"))
    target = company.index.url.split("/")[2]
    assert company.proxy.tunnels.count(target) >= 2, "uv's and pip's"
    assert company.seen, "pip in the container has asked for files"
    told = "".join(company.seen)
    assert '"pytest-modelcompat": "install"' in told
    assert "canary-" not in told, "what the engine keeps of a container while pip works"
    assert "canary-" not in json.dumps([prepared.log, prepared.lock.text, dict(prepared.facts)])
    assert "localhost" not in record(prepared).log
    assert unwritten(cache) > 5
    process = kind_of(prepared.spec).start(
        prepared,
        ["-I", "-c", "import os; print(dict(os.environ), os.listdir('/modelcompat'))"],
        env={},
        files=[],
        folder=tmp_path,
    )
    with process:
        seen = process.stdout.read().decode()
    assert "canary-" not in seen
    assert "PIP_" not in seen
    assert "PROXY" not in seen
    assert "ca.pem" not in seen
    assert engine.left() == []


@pytest.mark.parametrize("lacking", ["authority", "password", "proxy's password"])
def test_what_is_lacking_is_told_without_the_rest(
    lacking: str, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For uv, which asks first; what it cannot reach, pip is not asked for."""
    if lacking == "authority":
        monkeypatch.delenv("SSL_CERT_FILE")
    elif lacking == "password":
        address = company.index.url.replace("://", "://someone:canary-wrong-one@")
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
    else:
        wrong = f"http://someone:canary-wrong-one@127.0.0.1:{company.proxy.port}"
        monkeypatch.setenv("HTTPS_PROXY", wrong)
    failure = prepare(spec_of(), cache=tmp_path / "cache")
    assert isinstance(failure, Failure)
    assert failure.status is CellStatus.INFRASTRUCTURE_FAILED, failure.reason
    assert "The package index could not be used while resolving" in failure.reason
    assert "canary-" not in failure.reason + failure.log
    unwritten(tmp_path / "cache")
    assert engine.left() == []


def test_pip_without_the_way_is_told_as_infrastructure(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is there; then the password changes, and pip in the container hears it first."""
    cache = tmp_path / "cache"
    assert isinstance(prepare(spec_of(), cache=cache), Prepared)
    for marker in (cache / "environments").glob("inside-*/1/ready.json"):
        marker.unlink()
    company.index._authorization = "Basic other"
    failure = prepare(spec_of(), cache=cache)
    assert isinstance(failure, Failure)
    assert failure.status is CellStatus.INFRASTRUCTURE_FAILED, failure.reason
    assert "canary-" not in failure.reason + failure.log
    unwritten(cache)
    assert engine.left() == []


def test_a_whole_run_writes_no_password(company: Company, tmp_path: Path) -> None:
    company.index.add("private_backend")
    one = {"value": "1.0", "runtime": "backend", "module": "private_backend"}
    images = [
        {"id": name, "image": engine.BOOKWORM, "install": name} for name in ("inside", "mount")
    ]
    matrix = {
        "schema": 1,
        "axes": {
            "framework": {"private-backend": [one]}, "python": ["3.11"], "image": images,
        },
        "checks": {"parity": {"models": [{"name": "m", "path": "m.onnx", "reference": "none"}]}},
    }  # fmt: skip
    project = Project(
        {"matrices/m.yaml": json.dumps(matrix), "matrices/m.onnx": models.relu(), "pytest.ini": ""},
        env={"MODELCOMPAT_CACHE": str(tmp_path / "run" / "cache")},
    )
    arguments = ("--compat-matrix=matrices/m.yaml", "-q", "-p", "no:cacheprovider")
    result = project.run(tmp_path / "run", *arguments)
    for cell in result.run["cells"]:
        assert (cell["status"], cell["stage"]) == ("environment_failed", "import"), cell
        assert "No module named 'onnx'" in cell["reason"]  # the index has none
    assert "canary-" not in result.out + result.err
    assert unwritten(tmp_path / "run") > 20
    assert result.report.joinpath("run.json").is_file()
    assert "localhost" not in (result.report / "run.json").read_text("utf-8")
    assert engine.left() == []
