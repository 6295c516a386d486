"""The real engine, for tests: what is in it, what was left in it, and its command line."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

OURS = "pytest-modelcompat"
BOOKWORM = "modelcompat/debian:bookworm"
BULLSEYE = "modelcompat/debian:bullseye"
TRIXIE = "modelcompat/debian:trixie"
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
        "networks": sorted(docker("network", "ls", "--quiet", "--no-trunc").split()),
    }


def digest(image: str) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", image)


def about(container: str) -> dict[str, Any]:
    return json.loads(docker("inspect", container))[0]
