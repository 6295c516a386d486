"""Commands that bring a cell back: its run, its environment alone, its container.

The first one is the run's own; the others need nothing of this project. Paths are relative to the
report's folder, where the locks lie.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_modelcompat.report.data import Cell

__all__ = ["commands"]

_PLAIN_LOCK = re.compile(r"locks/[0-9a-zA-Z:._-]+\.txt")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._:/-]*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = "host"


def commands(cell: Cell) -> tuple[tuple[str, str], ...]:
    """What to type, as (label, command).

    Only what the grammar of a lock's path, a version and an image allows gets into a command; the
    stored run may come from anybody.

    Args:
        cell: of the run; without a lock there is only its own command.
    """
    found = (
        [("Run it again (its own environment, by nox and uv)", cell.repro)] if cell.repro else []
    )
    environment = cell.environment
    lock, python = str(environment.get("lock") or ""), str(environment.get("python") or "")
    if not _PLAIN_LOCK.fullmatch(lock) or not _VERSION.fullmatch(python):
        return tuple(found)
    image = str(environment.get("image") or _HOST)
    if image == _HOST:
        found.append((
            "Its packages alone (uv), in the report's folder",
            _uv(python, lock),
        ))  # fmt: skip
        found.append((
            "The same packages in a container (docker): not the place where this cell ran",
            _docker(f"python:{python}-slim", lock),
        ))  # fmt: skip
    elif _IMAGE.fullmatch(image):
        digest = str(environment.get("image_digest") or "")
        name = f"{image.partition(':')[0]}@{digest}" if _DIGEST.fullmatch(digest) else image
        found.append(("Its image (docker), in the report's folder", _docker(name, lock)))
    return tuple(found)


def _uv(python: str, lock: str) -> str:
    return (
        f"uv venv --python {python} repro\n"
        f"uv pip sync --python repro --require-hashes {shlex.quote(lock)}"
    )


def _docker(image: str, lock: str) -> str:
    return (
        f'docker run --rm -it -v "$PWD/locks:/locks:ro" {shlex.quote(image)} sh -c \\\n'
        f"  'python3 -m pip install --require-hashes -r /{lock} && exec python3'"
    )
