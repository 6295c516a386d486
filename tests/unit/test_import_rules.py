"""The rules that keep the layers apart are held by tools; here each tool is shown to bite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_modelcompat"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(PACKAGE, folder / "pytest_modelcompat", ignore=shutil.ignore_patterns("*.pyc"))
    return folder


def contracts(folder: Path, identifier: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("importlinter")
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
         "--no-cache", "--no-logo", "--contract", identifier],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("contract", "module", "line"),
    [
        ("layers", "matrix/planted.py", "import pytest_modelcompat.runner.plan"),
        ("worker", "worker/planted.py", "import pytest_modelcompat.matrix.model"),
        ("report", "report/planted.py", "import pytest_modelcompat.matrix.model"),
        ("host-to-worker", "runner/planted.py", "import pytest_modelcompat.worker.child"),
        ("frameworks", "results/planted.py", "import onnx"),
    ],
)
def test_a_forbidden_import_is_found(copy: Path, contract: str, module: str, line: str):
    assert contracts(copy, contract).returncode == 0
    planted = copy / "pytest_modelcompat" / module
    planted.write_text(line + "\n", "utf-8")
    try:
        found = contracts(copy, contract)
    finally:
        planted.unlink()
    assert found.returncode == 1, found.stdout + found.stderr
    assert "planted" in found.stdout


@pytest.mark.parametrize("line", ["import subprocess", "from subprocess import run"])
def test_a_second_door_to_processes_is_found(line: str):
    ruff = shutil.which(
        "ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    if not ruff:
        pytest.skip("ruff is in the extra `lint`")
    for name, code in (("runner/other.py", 1), ("runner/command.py", 0)):
        checked = subprocess.run(
            [ruff, "check", "--no-cache", "--select", "TID251", "--stdin-filename",
             str(PACKAGE / name), "-"],
            cwd=ROOT, input=line + "\n", capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert checked.returncode == code, checked.stdout
