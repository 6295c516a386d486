"""The schema that Jenkins holds JUnit files against, and a file held against it.

It is the xunit plugin's `junit-10.xsd`, out of pytest's source distribution: pytest's own tests
use it, and it is not ours to carry.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import xmlschema

_SOURCE = "pytest==8.4.2"


@cache
def _schema() -> xmlschema.XMLSchema:
    uv = [shutil.which("uv") or ""] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    with tempfile.TemporaryDirectory() as place:
        download = ["pip", "download", "--quiet", "--no-deps", "--no-binary", "pytest", _SOURCE]
        subprocess.run([*uv, "tool", "run", *download], cwd=place, check=True, timeout=300)
        (archive,) = Path(place).glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            (name,) = [n for n in packed.getnames() if n.endswith("/junit-10.xsd")]
            member = packed.extractfile(name)
            assert member is not None
            return xmlschema.XMLSchema(member.read().decode())


def problems(text: str) -> list[str]:
    """What the schema says against a JUnit file."""
    return [f"{each.path}: {each.reason}" for each in _schema().iter_errors(text)]
