"""What preflight has found stands beside what the loader says, in the run and on the page."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.contract._index_server import wheel
from tests.e2e import fault_models as models
from tests.elf_files import shared_object
from tests.project import Project
from tests.samples import unpacked

pytestmark = [pytest.mark.network, pytest.mark.slow]

LACKING = "libabsent-of-tests.so.9"
BODY = """
import ctypes, os
ctypes.CDLL(os.path.join(os.path.dirname(__file__), "lacking.so"))
"""


def backend(folder: Path, body: str) -> str:
    """A backend as a wheel whose shared object needs a library that is nowhere; its version."""
    version = f"1.{zlib.crc32(body.encode())}"
    data = io.BytesIO(wheel("lacking_backend", version, body))
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("lacking.so", shared_object(needed=("libc.so.6", LACKING)))
    folder.mkdir(exist_ok=True)
    (folder / f"lacking_backend-{version}-py3-none-any.whl").write_bytes(data.getvalue())
    return version


def test_a_library_that_is_not_there(tmp_path: Path) -> None:
    value = backend(tmp_path / "wheels", BODY)
    matrix = {
        "schema": 1,
        "axes": {
            "framework": {
                "lacking-backend": [
                    {"value": value, "runtime": "backend", "module": "lacking_backend"}
                ]
            },
            "python": ["3.11"],
        },
        "packages": ["onnx==1.18.0", "numpy==2.2.6"],
        "checks": {"parity": {"models": [{"name": "m", "path": "m.onnx", "reference": "none"}]}},
    }
    files = {"m.yaml": json.dumps(matrix), "m.onnx": models.relu()}
    project = Project(files, env={"UV_FIND_LINKS": str(tmp_path / "wheels")})
    result = project.run(tmp_path, "--compat-matrix=m.yaml", "--compat-fresh", timeout=300)
    (cell,) = result.run["cells"]
    assert (cell["status"], cell["stage"]) == ("environment_failed", "import"), cell
    assert f"{LACKING}: cannot open shared object file" in cell["reason"]
    (note,) = [note for note in cell["notes"] if note.startswith("preflight: ")]
    assert note.startswith(f"preflight: lacking.so needs {LACKING}, not found in the environment")
    page = (result.report / "index.html").read_text("utf-8")
    assert note.encode().hex() in unpacked(page)
