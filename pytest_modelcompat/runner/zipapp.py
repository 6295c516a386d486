"""The worker as one file that any interpreter can start."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

__all__ = ["ADAPTERS", "EXPORTERS", "of_the_worker", "worker_file"]

_PACKAGE = "modelcompat_worker"  # its own name: the cell may have this plugin installed, too
_SOURCE = Path(__file__).parent.parent / "worker"
ADAPTERS = _SOURCE / "runtimes"
"""Where our own adapters are."""
EXPORTERS = _SOURCE / "exporters"
"""Where our own exporters are."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def of_the_worker(path: Path) -> bool:
    """Whether a file is part of the worker, and so in the cell by itself."""
    return path.is_relative_to(_SOURCE)


def worker_file(cache: Path) -> Path:
    """The worker's zipapp in a folder of the cache, made where it is not there yet.

    The same sources give the same bytes, and so the same name; two runs may make it at once.
    """
    data = _build(_SOURCE)
    path = cache / f"worker-{hashlib.sha256(data).hexdigest()[:16]}.pyz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache, prefix=".worker-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)  # other users read it in containers
        Path(temporary).replace(path)
    return path


def _build(source: Path) -> bytes:
    files = {
        f"{_PACKAGE}/{path.relative_to(source).as_posix()}": path.read_bytes()
        for path in sorted(source.rglob("*.py"))
        if path != source / "__main__.py"
    }
    files["__main__.py"] = (source / "__main__.py").read_bytes()
    files["MANIFEST"] = "\n".join(sorted(files)).encode("ascii")
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()
