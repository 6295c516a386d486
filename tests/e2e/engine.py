"""The real engine, for tests: what is in it, what was left in it, and its command line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OURS = "pytest-modelcompat"
BOOKWORM = "modelcompat/debian:bookworm"
BULLSEYE = "modelcompat/debian:bullseye"
TRIXIE = "modelcompat/debian:trixie"
FORKY = "modelcompat/debian:forky"
ARM64 = "modelcompat/debian:bookworm-arm64"
NOTHING = "modelcompat/nothing"
NOISY = "modelcompat/noisy"


def docker(*arguments: str, check: bool = True, stdin: bytes | None = None) -> str:
    """What the engine's command line says."""
    done = subprocess.run(
        ["docker", *arguments], check=False, capture_output=True, timeout=120, input=stdin
    )
    if check and done.returncode:
        raise AssertionError(f"docker {arguments}: {done.stderr.decode()}")
    return done.stdout.decode().strip()


def ours() -> list[str]:
    """Containers of ours, in whatever state."""
    return docker("ps", "--all", "--quiet", "--filter", f"label={OURS}").split()


def left(patience: float = 5.0) -> list[str]:
    """Containers of ours that are still there after a while."""
    end = time.monotonic() + patience
    while (found := ours()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def everything() -> dict[str, list[str]]:
    """Containers, volumes and networks by name: to be the same before and after."""
    return {
        "containers": sorted(docker("ps", "--all", "--quiet", "--no-trunc").split()),
        "volumes": sorted(docker("volume", "ls", "--quiet").split()),
        "networks": sorted(docker("network", "ls", "--format", "{{.Name}}").split()),
    }


def digest(image: str) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", image)


def about(container: str) -> dict[str, Any]:
    return json.loads(docker("inspect", container))[0]


@contextlib.contextmanager
def gone(how: signal.Signals) -> Iterator[None]:
    """The engine ended by a signal, and started again as it was at the end."""
    pids = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _comm(entry) == "dockerd"
    ]
    assert len(pids) == 1, "one engine on this machine, started by tests/images/engine"
    command = Path(f"/proc/{pids[0]}/cmdline").read_bytes().split(b"\0")[:-1]
    os.kill(pids[0], how)
    while _comm(Path(f"/proc/{pids[0]}")) == "dockerd":
        time.sleep(0.05)
    try:
        yield
    finally:
        Path("/var/run/docker.pid").unlink(missing_ok=True)
        with Path("/var/tmp/modelcompat-engine.log").open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
            )  # fmt: skip
        end = time.monotonic() + 60
        while subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
            assert time.monotonic() < end, "the engine does not come back"
            time.sleep(0.2)


def _comm(process: Path) -> str:
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return (process / "comm").read_text().strip() if state != "Z" else ""
    except OSError:
        return ""
