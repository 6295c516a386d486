"""uv as a program: where it is, what it is told, and what its complaints mean."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import sysconfig
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_modelcompat.environments.cache import atomic_write
from pytest_modelcompat.environments.redact import command_environment, redact
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.model import CellStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_modelcompat.runner.command import Completed

__all__ = [
    "Trouble",
    "attempts",
    "program",
    "reason_of",
    "settings",
    "tool_environment",
    "tool_folder",
    "trouble_of",
    "version",
]

# find_uv_bin asks sysconfig, which gives a second thread half an answer while the first one asks.
sysconfig.get_config_vars()

ATTEMPTS = 3
PAUSES = (1.0, 4.0)  # seconds before the second and the third attempt


class Trouble(Enum):
    """What kind of failure a tool's words tell of."""

    NO_SOLUTION = "no solution"
    NETWORK = "network"
    ACCESS = "access"  # an index refuses, or the user has switched the network off
    HASH = "hash"
    DISK_FULL = "disk full"
    NOT_WRITABLE = "not writable"
    TIMED_OUT = "timed out"
    OTHER = "other"

    @property
    def retryable(self) -> bool:
        """Whether another attempt may end differently."""
        return self in {Trouble.NETWORK, Trouble.HASH}

    @property
    def status(self) -> CellStatus:
        """What it makes of the cells of the environment."""
        if self is Trouble.NO_SOLUTION:
            return CellStatus.UNSATISFIABLE
        if self is Trouble.OTHER:
            return CellStatus.ENVIRONMENT_FAILED
        return CellStatus.INFRASTRUCTURE_FAILED


# The first that is found in the text decides: a contradiction that is only one because an index
# could not be asked is not a contradiction, and a wrong hash is also a failed download.
_SIGNS = tuple(
    (trouble, re.compile("|".join(patterns), re.IGNORECASE))
    for trouble, *patterns in (
        (Trouble.DISK_FULL, "No space left on device", "Disk quota exceeded"),
        (
            Trouble.NOT_WRITABLE,
            "Read-only file system", "Permission denied", "Failed to initialize cache",
        ),
        (Trouble.HASH, "Hash mismatch", "does not match the (locked|expected) hash"),
        (
            Trouble.ACCESS,
            "lack of valid authentication credentials", "network was disabled",
            "Network connectivity is disabled",
        ),
        (
            Trouble.NO_SOLUTION,
            "No solution found", "not compatible with the current", "has no wheels? with",
        ),
        (
            Trouble.NETWORK,
            "Request failed after", "Failed to fetch", "Failed to download",
            "error sending request", "dns error", "connection (refused|reset|closed)",
            "operation timed out", "certificate", "HTTP status (server|client) error",
            "request or response body error", "Failed to (read|extract|unzip)",
        ),
    )
)  # fmt: skip


def trouble_of(done: Completed) -> Trouble:
    """What a failed command of uv, or of nox around it, complains about."""
    if done.timed_out:
        return Trouble.TIMED_OUT
    text = f"{done.err}\n{done.out}"
    for trouble, signs in _SIGNS:
        if signs.search(text):
            return trouble
    return Trouble.OTHER


def reason_of(
    trouble: Trouble,
    doing: Literal["resolving", "installing"],
    explanation: str,
    *,
    attempts: int,
    seconds: float,
    cache: Path,
) -> str:
    """A trouble as a sentence, the tool's own explanation after it.

    Args:
        trouble: from `trouble_of`.
        doing: in the middle of what.
        explanation: without secrets.
        attempts: how many there were.
        seconds: the time limit.
        cache: the folder that everything is written into.
    """
    timed_out, failed = {
        "resolving": (words.resolve_timed_out, words.resolve_failed),
        "installing": (words.install_timed_out, words.install_failed),
    }[doing]
    return {
        Trouble.NO_SOLUTION: words.no_solution(explanation),
        Trouble.TIMED_OUT: timed_out(seconds, explanation),
        Trouble.DISK_FULL: words.disk_full(str(cache)),
        Trouble.NOT_WRITABLE: words.not_writable(str(cache), explanation),
        Trouble.HASH: words.wrong_hash(explanation),
        Trouble.OTHER: failed(explanation),
    }.get(trouble) or words.network_failed(doing, attempts, explanation)


def attempts(command: Callable[[float], Completed], *, seconds: float) -> tuple[Completed, int]:
    """Run a command that needs the network, again where that may help.

    Args:
        command: takes the seconds that are left to it.
        seconds: for all attempts together.

    Returns:
        How the last attempt ended, and how many there were.
    """
    end = time.monotonic() + seconds
    made = 0
    while True:
        made += 1
        done = command(max(end - time.monotonic(), 0.1))
        if done.ok or made == ATTEMPTS or not trouble_of(done).retryable:
            return done, made
        if time.monotonic() + PAUSES[made - 1] >= end:
            return done, made
        time.sleep(PAUSES[made - 1])


@functools.cache
def program() -> Path:
    """The executable of uv.

    Raises:
        FileNotFoundError: there is none, although it is a dependency of this package.
    """
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only once, and only where it is needed
    except ImportError:
        found = shutil.which("uv")
    else:
        found = find_uv_bin()
    if found is None:
        raise FileNotFoundError(words.no_tool("uv", "not found"))
    return Path(found)


@functools.cache
def version() -> str:
    """The version of uv, without running it where possible."""
    try:
        return importlib.metadata.version("uv")
    except importlib.metadata.PackageNotFoundError:
        state = program().stat()
        return f"{state.st_size}-{state.st_mtime_ns}"


def tool_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which uv and nox run: the user's settings of indexes, and our manners."""
    env = command_environment(environ)
    env.update(
        NO_COLOR="1",
        UV_NO_PROGRESS="1",
        UV_PYTHON_DOWNLOADS="never",
        UV_NO_ENV_FILE="1",
        LC_ALL="C.UTF-8",
    )
    return env


def tool_folder(cache: Path) -> Path:
    """A folder to run uv in that keeps it from reading the settings of projects around it.

    uv takes the nearest `uv.toml` or `pyproject.toml` upwards of where it runs; this one is
    empty. The user's own settings still hold.
    """
    folder = cache / "uv"
    nearest = folder / "uv.toml"
    if not nearest.exists():
        text = "# keeps uv from reading the settings of a project around the cache\n"
        atomic_write(nearest, text, durable=False)
    return folder


def settings(env: Mapping[str, str]) -> str:
    """A digest of all that decides where packages come from, local wheel folders included."""
    digest = hashlib.sha256()
    named = {name: value for name, value in env.items() if _decides(name)}
    digest.update(redact(json.dumps(named, sort_keys=True), env).encode())
    home = Path(env.get("HOME", "/"))
    files = [
        Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "uv/uv.toml",
        *(Path(place) / "uv/uv.toml" for place in env.get("XDG_CONFIG_DIRS", "").split(":")),
        Path("/etc/xdg/uv/uv.toml"),
        Path("/etc/uv/uv.toml"),
    ]
    if env.get("UV_CONFIG_FILE"):
        files.append(Path(env["UV_CONFIG_FILE"]))
    for file in files:
        if file.is_absolute() and file.is_file():
            digest.update(file.read_bytes())
    for place in env.get("UV_FIND_LINKS", "").split(","):
        folder = Path(place.removeprefix("file://"))
        if place and folder.is_dir():
            with os.scandir(folder) as entries:
                wheels = sorted(
                    (entry.name, entry.stat().st_size, entry.stat().st_mtime_ns)
                    for entry in entries
                    if entry.name.endswith(".whl")
                )
            digest.update(json.dumps(wheels).encode())
    return digest.hexdigest()


def _decides(name: str) -> bool:
    fetching = ("CONCURRENT", "TIMEOUT", "RETRIES", "LINK_MODE", "CACHE", "CREDENTIALS")
    return name.startswith("UV_") and not any(word in name for word in fetching)
