"""The command line of ssh, and what is sent through it: one connection per call, no shell of ours.

The far end runs `python -I -c TEXT`, whose text has no character that a login shell could read in
its own way; everything that a user wrote travels as JSON on standard input.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.redact import command_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_modelcompat.matrix.model import Image

__all__ = ["FAILED", "MARK", "Sent", "answer", "argv", "environment", "payload", "sent_below"]

_SOURCE = Path(__file__).parent.parent / "worker" / "remote.py"
FAILED = 255  # ssh's own exit code, where the connection is what failed
MARK = "modelcompat: "
FOLDER = ".cache/modelcompat"  # in the home there
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "10",
    "ConnectionAttempts": "1",
    # a line that is cut is noticed in 15 s at most
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "ControlPath": "none",
}
_AGENT = ("SSH_AUTH_SOCK", "KRB5CCNAME")
Sent = tuple[str, Path, int, int]  # name there, file here, size, mode


def argv(image: Image, command: str, *, python: str, text: str | None = None) -> list[str]:
    """The whole command line.

    Args:
        image: names the machine, and how it is reached.
        command: a sub-command of the program.
        python: the interpreter there.
        text: of the program; `worker/remote.py` by default.
    """
    settings = dict(image.settings)
    words = ["ssh", "-T"]
    if "config" in settings:
        words += ["-F", settings["config"]]
    if "identity" in settings:
        words += ["-i", settings["identity"], "-o", "IdentitiesOnly=yes"]
    if "port" in settings:
        words += ["-p", settings["port"]]
    for name, value in _OPTIONS.items():
        words += ["-o", f"{name}={value}"]
    return [*words, "--", image.value, f"exec {python} -I -c '{_packed(text)}' {command}"]


def environment() -> dict[str, str]:
    """What ssh may see: the user's paths, and the way to the agent."""
    return command_environment() | {n: os.environ[n] for n in _AGENT if n in os.environ}


@lru_cache
def _packed(text: str | None) -> str:
    source = _SOURCE.read_bytes() if text is None else text.encode()
    packed = base64.b64encode(zlib.compress(source, 9)).decode("ascii")
    return f'import base64,zlib;exec(zlib.decompress(base64.b64decode("{packed}")))'


def sent_below(folder: Path, name: str) -> Iterator[Sent]:
    """A file, or every file below a folder, under a name there."""
    if folder.is_file():
        state = folder.stat()
        yield name, folder, state.st_size, state.st_mode & 0o700
        return
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            state = path.stat()
            at = f"{name}/{path.relative_to(folder).as_posix()}" if name else ""
            yield (
                at or path.relative_to(folder).as_posix(), path, state.st_size,
                state.st_mode & 0o700,
            )  # fmt: skip


def payload(order: dict[str, Any], files: Iterable[Sent] = ()) -> Iterator[bytes]:
    """The order, and the files that it announces, as the far end reads them."""
    kept = list(files)
    whole = {**order, "mark": MARK, "files": [(name, size, mode) for name, _, size, mode in kept]}
    text = json.dumps(whole).encode("ascii")
    yield b"%d\n" % len(text)
    yield text
    for _, path, size, _ in kept:
        with path.open("rb") as file:
            left = size
            while left:
                piece = file.read(min(left, 1 << 20))
                if not piece:
                    raise OSError(f"{path} is shorter than it was")
                left -= len(piece)
                yield piece


def answer(output: bytes) -> dict[str, Any] | None:
    """What the far end said, whatever the login shell has printed around it."""
    for line in reversed(output.decode("utf-8", "replace").splitlines()):
        if line.startswith(MARK):
            found = json.loads(line.removeprefix(MARK))
            return found if isinstance(found, dict) else None
    return None
