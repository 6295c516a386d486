"""The manifests in real containers: another user, a read-only root, a shell as process 1.

No cluster; an engine does what a kubelet would have it do.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_modelcompat import cli
from pytest_modelcompat.results.load import load
from tests.e2e.engine import BOOKWORM
from tests.kubelet import ContainerNode

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PYTHON = "3.11"  # of the image
MATRIX = """\
schema: 1
axes:
  framework: {onnx: [installed]}
  image: [current]
  env: {ROUND: ["1", "2"]}
checks:
  parity:
    repeats: REPEATS
    models:
      - name: digits
        path: digits/model.onnx
        data: {inputs: digits/holdout.npz, outputs: digits/holdout-expected.npz}
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an image of one's own would have: this package, and onnx."""
    folder = tmp_path_factory.mktemp("packages")
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", folder,
         "--python-version", PYTHON, str(ROOT), "onnx"],
        check=True, timeout=600,
    )  # fmt: skip
    programs = folder / "programs"
    programs.mkdir()
    for name, module in (("pytest", "pytest"), ("modelcompat", "pytest_modelcompat.cli")):
        (programs / name).write_text(f'#!/bin/sh\nexec python3 -m {module} "$@"\n')
        (programs / name).chmod(0o755)
    folder.chmod(0o755)
    return folder


def written(folder: Path, repeats: int) -> Path:
    (folder / "here").mkdir()
    (folder / "here" / "digits").symlink_to(ROOT / "matrices" / "models" / "digits-mlp")
    (folder / "here" / "m.yaml").write_text(MATRIX.replace("REPEATS", str(repeats)))
    arguments = [
        "kubernetes", str(folder / "here" / "m.yaml"), "--image=x", "--volume-claim=results",
        f"--output={folder / 'manifests'}",
    ]  # fmt: skip
    assert cli.main(arguments) == 0
    return folder / "manifests"


def test_a_run_of_containers(packages: Path, tmp_path: Path) -> None:
    manifests = written(tmp_path, 2)
    node = ContainerNode(tmp_path / "node", image=BOOKWORM, packages=packages)
    for name in ("plan", "cells", "merge"):
        for pod in node.run(manifests / f"{name}.yaml"):
            assert pod.process.returncode == 0, pod.told
    run = load(node.volume / "m" / "merged")
    assert run.info.finished
    assert [(cell.status, cell.counts) for cell in run.cells] == [("completed", {"passed": 1})] * 2
    assert {path.stat().st_uid for path in (node.volume / "m").rglob("*")} == {1000}


def test_a_container_that_is_told_to_end(packages: Path, tmp_path: Path) -> None:
    manifests = written(tmp_path, 10_000)
    node = ContainerNode(tmp_path / "node", image=BOOKWORM, packages=packages)
    (pod,) = node.run(manifests / "plan.yaml")
    assert pod.process.returncode == 0, pod.told
    job, _ = node.create(manifests / "cells.yaml")
    pod = node.start(job)
    part = node.volume / "m" / "cells" / job["metadata"]["name"]
    while not (part / "plan.json").exists():
        assert pod.process.poll() is None, pod.wait() or pod.told
        time.sleep(0.02)
    assert pod.end() == 0, pod.told
    run = load(part)
    assert run.info.finished is None
    assert run.cells[0].status == "interrupted"
    assert run.cells[0].counts == {"not_run": 1}
