"""A run in a cluster, without one: what the manifests say is done by processes of the test's.

The merged report is that of a plain run; and a Job that was killed, told to end, or never started
is in it by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_modelcompat import cli
from pytest_modelcompat.results.load import load
from tests.kubelet import Node, Pod
from tests.project import Project

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "matrices" / "models"
MATRIX = """\
schema: 1
axes:
  framework: {onnx: [installed]}
  image: [current]
  env: {ROUND: ["1", "2", "3"]}
checks:
  parity:
    models:
      - name: digits
        path: ../models/digits-mlp/model.onnx
        data:
          inputs: ../models/digits-mlp/holdout.npz
          outputs: ../models/digits-mlp/holdout-expected.npz
      - name: weights-beside # its weights are in a second file
        path: ../models/digits-autoencoder/model.onnx
        data: {inputs: ../models/digits-autoencoder/holdout.npz}
        reference: none
      - name: mistaken # what is expected of it is wrong, and known for two of three rounds
        path: ../models/digits-mlp/model.onnx
        tolerance: {float32: {ulp: 0}}
        data: {inputs: ../models/digits-mlp/holdout.npz, outputs: wrong.npz}
known_issues: [known.yaml]
"""
KNOWN = """\
- id: mistaken-on-purpose
  unit: mistaken
  status: failed
  match: {env.ROUND: ["1", "2"]}
  issue: https://example.org/1
"""
FAILS = 1  # of the third round
EXACT = ("output", "index", "bad", "total", "max_abs", "max_ulp", "actual", "expected")
"""Of a mismatch; sums over all elements differ in the last digit with where numpy's memory lies."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = MODELS / "digits-mlp"
    expected = np.load(folder / "holdout-expected.npz")
    wrong = tmp_path_factory.mktemp("wrong") / "wrong.npz"
    np.savez(wrong, **{name: expected[name][::-1] for name in expected.files})
    files: dict[str, str | bytes] = {
        "pytest.ini": "[pytest]\n",
        "kinds/of matrices/m.yaml": MATRIX,
        "kinds/of matrices/known.yaml": KNOWN,
        "kinds/of matrices/wrong.npz": wrong.read_bytes(),
    }
    for name in ("digits-mlp", "digits-autoencoder"):
        for path in (MODELS / name).iterdir():
            files[f"kinds/models/{name}/{path.name}"] = path.read_bytes()
    return Project(files)


@pytest.fixture(scope="module")
def plain(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run on one machine gives."""
    folder = tmp_path_factory.mktemp("plain")
    result = project.run(folder, "--compat-matrix=kinds/of matrices/m.yaml")
    assert result.code == FAILS, result.out
    found = told(result.report)
    assert {case["status"] for case in found["cases"]} == {"passed", "failed"}
    assert {case["outcome"] for case in found["cases"]} == {"ok", "xfail", "not_ok"}
    return found


@pytest.fixture
def written(project: Project, tmp_path: Path) -> Path:
    """The manifests, made where the pods never look."""
    project.write(tmp_path / "here")
    arguments = [
        "kubernetes", str(tmp_path / "here/kinds/of matrices/m.yaml"),
        "--image=registry.example.org/tools:1", "--volume-claim=results", "--run=tonight",
        f"--output={tmp_path / 'manifests'}",
    ]  # fmt: skip
    assert cli.main(arguments) == 0
    shutil.rmtree(tmp_path / "here")
    return tmp_path / "manifests"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node")


def told(folder: Path) -> dict[str, Any]:
    """What two runs of the same cells have in common."""
    run = load(folder)
    run_cells = [
        {"id": c.id, "status": c.status, "outcome": c.outcome, "counts": c.counts, "axes": c.axes}
        for c in run.cells
    ]
    cases = [
        {
            "cell": c.cell, "n": c.n, "unit": c.unit, "case": c.case, "status": c.status.value,
            "outcome": c.outcome.value, "known": c.known, "stage": c.stage,
            "mismatch": {key: (c.mismatch or {}).get(key) for key in EXACT},
        }
        for c in run.cases()
    ]  # fmt: skip
    return {"cells": run_cells, "cases": cases, "plan": run.plan["cells"]}


def merged(node: Node, written: Path) -> tuple[Pod, Path]:
    (pod,) = node.run(written / "merge.yaml")
    return pod, node.volume / "tonight" / "merged"


def part(node: Node, job: dict[str, Any]) -> Path:
    return node.volume / "tonight" / "cells" / job["metadata"]["name"]


def begun(pod: Pod, folder: Path) -> None:
    """Wait until its run has begun."""
    while not (folder / "plan.json").exists():
        assert pod.process.poll() is None, pod.wait() or pod.told
        time.sleep(0.01)


def planned(node: Node, written: Path) -> list[dict[str, Any]]:
    (pod,) = node.run(written / "plan.yaml")
    assert pod.process.returncode == 0, pod.told
    return node.create(written / "cells.yaml")


def test_all_jobs_together_are_a_plain_run(node: Node, written: Path, plain) -> None:
    jobs = planned(node, written)
    assert len(jobs) == 3
    for pod in node.run(written / "cells.yaml"):
        assert pod.process.returncode == 0, pod.told  # what fails is told by the merge
    for job in jobs:
        (cell,) = load(part(node, job)).cells
        assert cell.id == job["metadata"]["annotations"]["modelcompat/cell"]
    pod, whole = merged(node, written)
    assert pod.process.returncode == FAILS, pod.told
    assert told(whole) == plain
    assert load(whole).info.finished
    assert (whole / "index.html").is_file()


def test_a_job_that_was_killed_and_one_that_never_started_are_told(
    node: Node, written: Path, plain
) -> None:
    first, second, third = planned(node, written)
    pod = node.start(first)
    begun(pod, part(node, first))
    pod.kill()
    assert not (part(node, first) / "run.json").exists()
    assert node.start(third).wait() == 0
    pod, whole = merged(node, written)
    assert pod.process.returncode == 1, pod.told
    assert "did not come to its end" in pod.told
    run = load(whole)
    assert run.info.finished is None
    assert [cell.id for cell in run.cells] == [cell["id"] for cell in plain["cells"]]
    killed, absent, fine = run.cells
    size = sum(plain["cells"][0]["counts"].values())
    assert killed.counts == absent.counts == {"not_run": size}
    assert (killed.status, absent.status) == ("interrupted", "interrupted")
    name = first["metadata"]["name"]
    assert killed.reason == f"its run began in {name} and was ended before it wrote results"
    assert absent.reason == "no part of the merged run has this cell"
    assert fine.status == "completed"
    page = (whole / "summary.md").read_text("utf-8") + (whole / "index.html").read_text("utf-8")
    notes = " ".join(run.info.notes)
    for job, why in ((first, "a run began and left no results"), (second, "no run began")):
        assert f"{why} in {job['metadata']['name']}" in notes
        assert job["metadata"]["name"] in page

    # Created again, they go on where they were.
    shutil.rmtree(whole)
    for job in (first, second):
        pod = node.start(job)
        assert pod.wait() == 0, pod.told
    pod, whole = merged(node, written)
    assert pod.process.returncode == FAILS, pod.told
    assert told(whole) == plain


def test_a_job_that_is_told_to_end_writes_what_it_has(node: Node, written: Path) -> None:
    first, second, third = planned(node, written)
    pod = node.start(second)
    begun(pod, part(node, second))
    pod.end()
    assert not load(part(node, second)).info.finished
    for job in (first, third):
        assert node.start(job).wait() == 0
    pod, whole = merged(node, written)
    assert pod.process.returncode == 1, pod.told
    assert f"the run in {second['metadata']['name']} did not come to its end" in " ".join(
        load(whole).info.notes
    )
    cell = load(whole).cells[1]
    assert cell.status == "interrupted"
    assert cell.counts["not_run"]


def test_a_matrix_on_the_volume_is_run_there(node: Node, project: Project, tmp_path: Path) -> None:
    project.write(node.volume / "project")
    file = "kinds/of matrices/m.yaml"
    arguments = [
        "kubernetes", str(node.volume / "project" / file), "--image=x", "--volume-claim=results",
        "--run=shared", f"--matrix-on-volume=project/{file}", "--select=env.ROUND:1",
        f"--output={tmp_path / 'manifests'}",
    ]  # fmt: skip
    assert cli.main(arguments) == 0
    for name in ("plan", "cells", "merge"):
        (pod,) = node.run(tmp_path / "manifests" / f"{name}.yaml")
        assert pod.process.returncode == 0, pod.told  # the third round alone fails
    (cell,) = load(node.volume / "shared" / "merged").cells
    assert cell.axes["env.ROUND"] == "1"


def test_without_any_job_there_is_no_report_and_a_sentence(node: Node, written: Path) -> None:
    planned(node, written)
    pod, whole = merged(node, written)
    assert pod.process.returncode == 4
    assert "Of 3 parts none has results" in pod.told
    assert not whole.exists()


def test_a_run_s_name_is_used_once(node: Node, written: Path) -> None:
    planned(node, written)
    (again,) = node.run(written / "plan.yaml")
    assert again.process.returncode == 4
    assert "give another one with --run" in again.told


def test_no_cell_runs_before_the_plan_is_there(node: Node, written: Path) -> None:
    node.create(written / "plan.yaml")
    job = node.create(written / "cells.yaml")[0]
    part(node, job).mkdir(parents=True)  # as a kubelet makes it
    pod = node.start(job)
    assert pod.wait() == 4
    assert "create plan.yaml first" in pod.told


def test_a_job_runs_its_own_cell_or_none(node: Node, written: Path) -> None:
    job = planned(node, written)[0]
    for name, contents in node.configs.items():
        if name.endswith("-matrix"):
            for key, content in contents.items():
                contents[key] = content.replace(b'ROUND: ["1", "2"', b'ROUND: ["9", "2"')
    pod = node.start(job)
    assert pod.wait() != 0
    assert "not found" in pod.told
    assert not (part(node, job) / "run.json").exists()


HOST = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.22.1", "1.23.2"]
  python: ["VERSION"]
exclude_newer: 2026-01-31
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [Relu, Abs]
"""


@pytest.mark.network
def test_environments_are_made_in_the_pods(tmp_path: Path) -> None:
    """What `image: host` means in a pod; its index comes from a secret."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    made = Project({"pytest.ini": "[pytest]\n", "m.yaml": HOST.replace("VERSION", version)})
    once = made.run(tmp_path / "plain", "--compat-matrix=m.yaml")
    assert once.code == 0, once.out
    output = tmp_path / "manifests"
    arguments = ["kubernetes", str(tmp_path / "plain" / "m.yaml"), "--image=x:{python}"]
    arguments += ["--volume-claim=results", "--secret=index", f"--output={output}"]
    assert cli.main(arguments) == 0
    settings = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("UV_", "PIP_", "SSL_CERT_"))
    }
    cache = subprocess.run(
        [sys.executable, "-m", "uv", "cache", "dir"], check=True, capture_output=True, text=True
    )
    node = Node(tmp_path / "node", {"index": {"UV_CACHE_DIR": cache.stdout.strip(), **settings}})
    for name in ("plan", "cells", "merge"):
        for pod in node.run(output / f"{name}.yaml"):
            assert pod.process.returncode == 0, pod.told
    whole = node.volume / "m" / "merged"
    assert told(whole) == told(once.report)
    assert {case["status"] for case in told(whole)["cases"]} == {"passed"}
    locks = [[c.environment["lock_digest"] for c in load(f).cells] for f in (whole, once.report)]
    assert locks[0] == locks[1]
