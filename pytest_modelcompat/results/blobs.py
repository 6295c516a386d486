"""Raw outputs by content: `outputs/xx/DIGEST`, written once, verified when read.

A blob appears under its name only when it is whole. It is not forced to the disk: it survives the
death of any process, and after a power loss `get` tells a torn one from a whole one.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.files import atomic_write, open_plain

__all__ = ["Blobs", "is_digest"]

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_REMEMBERED = 65_536  # digests, about 10 MB


def is_digest(text: str) -> bool:
    """Whether this is a sha256 as we write it; nothing else may become part of a path."""
    return _DIGEST.match(text) is not None


class Blobs:
    """The `outputs` folder of one report folder. Safe from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "outputs"
        self._root = str(self.folder)
        self._seen: set[str] = set()

    def path(self, digest: str) -> Path:
        """Where a blob is, or would be.

        Raises:
            StoredRunProblem: that is no digest.
        """
        return Path(self.name(digest))

    def name(self, digest: str) -> str:
        """The same as text, for those who have many thousands."""
        if not is_digest(digest):
            raise errors.bad_digest(digest)
        return f"{self._root}/{digest[:2]}/{digest}"

    def put(self, data: bytes | memoryview) -> str:
        """Keep these bytes.

        Returns:
            Their digest: sha256, hexadecimal.

        Raises:
            WriteError: the disk is full or read-only.
        """
        digest = hashlib.sha256(data).hexdigest()
        if digest in self._seen:
            return digest
        path = self.path(digest)
        try:
            whole = path.stat().st_size == memoryview(data).nbytes
        except OSError:
            whole = False
        if not whole:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise errors.cannot_write(path, error) from error
            atomic_write(path, data, durable=False)
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen.add(digest)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes with this digest, verified.

        Raises:
            StoredRunProblem: missing, changed, or no digest at all.
        """
        path = self.path(digest)
        try:
            with open_plain(path) as file:
                data = file.read()
        except FileNotFoundError as error:
            raise errors.blob_missing(path) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise errors.blob_damaged(path)
        return data

    def __contains__(self, digest: str) -> bool:
        return digest in self._seen or self.path(digest).is_file()
