"""What an image lacks: the loader's own line, and beside it what preflight found before.

Real wheels in an image of Debian's minimal packages where one fails by itself; for an executable
stack, which no wheel for the Python of a new system still asks for, a shared object made here.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.contract._index_server import wheel
from tests.e2e import engine
from tests.e2e import fault_models as models
from tests.e2e.test_docker import PLUGIN
from tests.elf_files import shared_object
from tests.project import Project, Result

pytestmark = [pytest.mark.engine, pytest.mark.network, pytest.mark.slow]

FORMATS = Path(__file__).resolve().parents[2] / "matrices" / "models" / "formats"
OPTIONS = ("--compat-matrix=matrices/m.yaml", "--compat-fresh", *PLUGIN)


def failed_import(result: Result, cell: dict) -> tuple[str, list[str]]:
    """The reason of a cell that must have failed at import, and what preflight has said."""
    assert (cell["status"], cell["stage"]) == ("environment_failed", "import"), cell
    assert set(cell["counts"]) == {"not_run"}
    assert result.code == 1
    return cell["reason"], [note for note in cell["notes"] if note.startswith("preflight: ")]


def test_libraries_that_a_minimal_system_does_not_have(tmp_path: Path) -> None:
    matrix = {
        "schema": 1,
        "axes": {
            "framework": {"lightgbm": ["4.5.0"], "opencv-python": ["4.8.1.78"]},
            "python": ["image"],
            "image": [engine.BOOKWORM],
        },
        "exclude_newer": "2026-11-01",
        "packages": ["numpy<2"],
        "adjust": [{"match": {"framework": "lightgbm"}, "packages": ["scipy"]}],
        "checks": {
            "parity": {
                "models": [
                    {
                        "name": name, "path": path, "data": {"inputs": "x.npz"},
                        "reference": "none", "when": {"framework": name},
                    }
                    for name, path in (("lightgbm", "tree.txt"), ("opencv-python", "net.onnx"))
                ]
            }
        },
    }  # fmt: skip
    made = Project({
        "pytest.ini": "[pytest]\n",
        "matrices/m.yaml": json.dumps(matrix),
        "matrices/tree.txt": (FORMATS / "lightgbm-classifier.txt").read_bytes(),
        "matrices/net.onnx": models.relu(),
        "matrices/x.npz": (FORMATS / "cancer.npz").read_bytes(),
    })  # fmt: skip
    result = made.run(tmp_path, *OPTIONS, timeout=500)
    lacking = {"lightgbm==4.5.0": "libgomp.so.1", "opencv-python==4.8.1.78": "libGL.so.1"}
    for framework, library in lacking.items():
        reason, found = failed_import(result, result.cell(framework=framework))
        assert f"{library}: cannot open shared object file" in reason
        (note, *_) = (each for each in found if library in each)
        assert note.endswith(
            f"not found in the environment or on the default library paths of image "
            f"{engine.BOOKWORM}"
        )
    assert engine.left() == []


BODY = """
import ctypes, os
ctypes.CDLL(os.path.join(os.path.dirname(__file__), "stack.so"))
"""


def test_an_executable_stack_on_a_new_libc(tmp_path: Path) -> None:
    version = f"1.{zlib.crc32(BODY.encode())}"
    data = io.BytesIO(wheel("stack_backend", version, BODY))
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("stack.so", shared_object(stack=7))
    (tmp_path / "wheels").mkdir()
    name = f"stack_backend-{version}-py3-none-any.whl"
    (tmp_path / "wheels" / name).write_bytes(data.getvalue())
    one = {"value": version, "runtime": "backend", "module": "stack_backend"}
    matrix = {
        "schema": 1,
        "axes": {
            "framework": {"stack-backend": [one]},
            "python": ["image"],
            "image": [engine.TRIXIE, engine.BOOKWORM],
        },
        "packages": ["onnx==1.18.0", "numpy==2.2.6"],
        "checks": {"parity": {"models": [{"name": "m", "path": "m.onnx", "reference": "none"}]}},
    }
    made = Project(
        {"matrices/m.yaml": json.dumps(matrix), "matrices/m.onnx": models.relu(), "pytest.ini": ""},
        env={"UV_FIND_LINKS": str(tmp_path / "wheels")},
    )
    result = made.run(tmp_path, *OPTIONS)
    reason, found = failed_import(result, result.cell(image=engine.TRIXIE))
    assert "cannot enable executable stack as shared object requires" in reason
    (note,) = found
    assert note == (
        "preflight: stack.so asks for an executable stack, which glibc 2.41 and newer refuse; "
        f"image {engine.TRIXIE} has glibc 2.41"
    )
    older = result.cell(image=engine.BOOKWORM)
    assert not [note for note in older.get("notes", ()) if note.startswith("preflight: ")], older
    assert "executable stack" not in older.get("reason", "")


MUSL = f"""\
FROM {engine.BOOKWORM}
RUN touch /lib/ld-musl-x86_64.so.1
RUN printf '%s\\n' 'import os, platform' 'def confstr(_): raise ValueError' 'os.confstr = confstr' \
 'platform.libc_ver = lambda *_: ("", "")' >/etc/python3.11/sitecustomize.py
"""


def test_an_image_without_the_gnu_libc(tmp_path: Path) -> None:
    """One that says so of itself, at least: no image of Debian's packages has such a Python."""
    matrix = """\
schema: 1
axes:
  framework: {onnxruntime: ["1.23.2"]}
  python: [image]
  image: [{id: musl, dockerfile: Dockerfile}]
checks:
  op_support: {corpus: ["onnx==1.18.0"], match: [Relu]}
"""
    files = {"matrices/m.yaml": matrix, "matrices/Dockerfile": MUSL, "pytest.ini": ""}
    result = Project(files).run(tmp_path, *OPTIONS)
    (cell,) = result.run["cells"]
    assert (cell["status"], cell["stage"]) == ("unsatisfiable", "resolve"), cell
    assert "no wheels with a matching platform tag (e.g., `musllinux" in cell["reason"]
    assert set(cell["counts"]) == {"not_run"}
