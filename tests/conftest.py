"""Which tests run: those that are slow or need the world outside are asked for with a flag."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import signal
import socket
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

FLAGS = {
    "network": "resolve or download real packages",
    "engine": "use a real container engine",
    "browser": "drive a real Chromium",
    "slow": "take more than a few seconds",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tests of pytest-modelcompat")
    for flag, what in FLAGS.items():
        group.addoption(f"--{flag}", action="store_true", help=f"also run tests that {what}")


def pytest_configure() -> None:
    """Hear interrupts, as the runs under test have to.

    A shell without job control starts what is in the background deaf to them, and they inherit it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for flag in FLAGS:
            if item.get_closest_marker(flag) and not config.getoption(f"--{flag}"):
                item.add_marker(pytest.mark.skip(reason=f"asked for with --{flag}"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tests of the engine take turns, over the whole machine: there is one, and they look at it.

    xdist's groups would say it as well, but they are lost without a word where pytest is 9.2
    (pytest-xdist issue 1386).
    """
    if item.config.getoption("--engine") and item.get_closest_marker("engine"):
        with Path(tempfile.gettempdir(), "modelcompat-engine-tests.lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            return (yield)
    return (yield)


ENGINE_ASKED_FOR = "unix:///engine/is-asked-for-with--engine"


@pytest.fixture(autouse=True)
def _no_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the marker, no container engine is within reach of a test or of what it starts."""
    if request.node.get_closest_marker("engine"):
        return
    monkeypatch.setenv("DOCKER_HOST", ENGINE_ASKED_FOR)
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_UNIX and _is_engine(address):
            pytest.fail(f"{address} is a container engine: mark the test with `engine`")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_engine(address: Any) -> bool:
    name = os.fsdecode(address) if isinstance(address, str | bytes) else ""
    return name.endswith(("docker.sock", "podman.sock"))


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the marker, the network is out of reach: of this process, and of uv and pip."""
    if request.node.get_closest_marker("network") or request.node.get_closest_marker("engine"):
        return
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0]):
            pytest.fail(f"{address[0]} is on the network: mark the test with `network`")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
