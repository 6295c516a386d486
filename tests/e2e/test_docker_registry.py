"""Images that have to be pulled first, from a real registry: Debian's own, on loopback.

Served images of clouds are names like any other: host, port, path, and a tag or a digest.
"""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import engine
from tests.e2e.test_docker import run

pytestmark = [pytest.mark.engine, pytest.mark.network, pytest.mark.slow]

CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
NAME = "serving/inference-cpu"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of an empty registry."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = tmp_path / "registry.yml"
    config.write_text(CONFIG.format(folder=tmp_path / "registry", port=port), "utf-8")
    process = subprocess.Popen(["docker-registry", "serve", config], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while not _answers(port):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def pushed(registry: str) -> Iterator[str]:
    """An image that only the registry has."""
    name = f"{registry}/{NAME}:2.1-py311"
    engine.docker("tag", engine.BOOKWORM, name)
    engine.docker("push", "--quiet", name)
    engine.docker("rmi", name)
    try:
        yield name
    finally:
        engine.docker("rmi", name, check=False)


def test_an_image_is_pulled_and_run(pushed: str, tmp_path: Path) -> None:
    assert engine.docker("images", "--quiet", pushed) == ""
    result = run(tmp_path, pushed, match="Relu, Conv")
    (cell,) = result.run["cells"]
    assert cell["status"] == "completed", cell
    assert set(cell["counts"]) == {"passed"}
    assert cell["attestation"]["image_digest"] == engine.digest(pushed)
    assert engine.left() == []


def test_what_the_registry_does_not_have(registry: str, tmp_path: Path) -> None:
    name = f"{registry}/{NAME}:never"
    result = run(tmp_path, name, match="Relu")
    (cell,) = result.run["cells"]
    assert cell["status"] == "unavailable"
    assert f"There is no image {name} here" in cell["reason"]
    assert "not found" in cell["reason"] or "unknown" in cell["reason"]
