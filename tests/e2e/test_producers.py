"""Built models from the matrix to the verdict, with real producers, and every way to fail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.e2e import engine
from tests.project import Project, Result

pytestmark = [pytest.mark.network, pytest.mark.slow]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

BUILD = """\
import os


def twice():
    import numpy as np
    from onnx import TensorProto, helper

    free = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    nodes = [helper.make_node("Mul", ["x", "two"], ["y"])]
    graph = helper.make_graph(nodes, "g", [free], [out], [two])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model, lambda number: {"x": np.full((2, 3), number + 1, np.float32)}


def raises():
    raise RuntimeError("no such layer")


def crashes():
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)


def leaves():
    os._exit(0)


def exits():
    raise SystemExit(3)


def hangs():
    import time

    time.sleep(1000)


def eats():
    return bytearray(1 << 40), None


def shouts():
    os.write(1, b"F 5 ../../outside\\nabcde" * 1000)
    return twice()


def nothing():
    return 7


def logistic():
    import numpy as np
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    table, kinds = load_iris(return_X_y=True)
    table = table.astype(np.float32)
    model = LogisticRegression(max_iter=500).fit(table, kinds)
    return model, {"X": table[::7]}, lambda outputs, n: (outputs[0] == kinds[::7]).mean()
"""


def matrix(*models: str, runtimes: str = '"1.20.1"') -> str:
    lines = ["schema: 1", f"axes: {{framework: {{onnxruntime: [{runtimes}]}}}}", "checks:"]
    lines += ["  parity:", "    models:", *(f"      - {model}" for model in models)]
    return "\n".join([*lines, ""])


ONNX = "framework: onnx==1.18.0, export: onnx"
# before 1.13 there was no reference evaluator
OLD = "framework: onnx==1.12.0, export: onnx, python: '3.10', packages: [numpy<2, protobuf<3.21]"


def model(function: str, producer: str = ONNX, more: str = "", name: str = "") -> str:
    build = f"name: {name or function}, build: build.py::{function}"
    return f"{{{build}, producers: [{{{producer}}}]{more}}}"


def project(*models: str, cache: Path | None = None, **more: str) -> Project:
    files = {
        "pytest.ini": "[pytest]\n",
        "matrices/m.yaml": matrix(*models, **more),
        "matrices/build.py": BUILD,
    }
    return Project(files, env={"MODELCOMPAT_CACHE": str(cache)} if cache else {})


def run(folder: Path, made: Project, *more: str) -> Result:
    return made.run(folder, "--compat-matrix=matrices/m.yaml", *more)


def test_a_model_is_made_and_runs_where_its_producer_is_not(tmp_path: Path) -> None:
    skl = "framework: scikit-learn==1.9.1, export: skl2onnx, opset: ['12', '17']"
    result = run(
        tmp_path,
        project(
            model("twice", more=", data: {random: 2}"),
            model("logistic", skl),
            runtimes='"1.20.1", "1.31.1"',
        ),
    )
    assert result.code == 0, result.out
    assert Counter(case["status"] for case in result.cases) == {"passed": 8}
    named = {case["case"] for case in result.cases}
    assert named == {
        "twice/onnx==1.18.0,onnx/random-0",
        "twice/onnx==1.18.0,onnx/random-1",
        "logistic/scikit-learn==1.9.1,skl2onnx,opset12/random-0",
        "logistic/scikit-learn==1.9.1,skl2onnx,opset17/random-0",
    }
    planned = [case for unit in result.plan["cells"][0]["units"] for case in unit["cases"]]
    assert set(planned) == named
    references = {case["case"]: case["reference"] for case in result.cases}
    learned = references["logistic/scikit-learn==1.9.1,skl2onnx,opset17/random-0"]
    assert learned["kind"] == "producer"
    assert learned["version"] == "1.9.1"
    assert len(learned["file"]) == 64
    assert 0.8 < learned["accuracy"] <= 1
    roles = Counter(each["role"] for each in result.run["environments"])
    assert roles == {"cell": 2, "producer": 2}
    # the consumers have none of the producer's packages
    for each in result.run["environments"]:
        names = {package.partition("==")[0] for package in each["packages"]}
        assert ("scikit-learn" in names) == (each["id"].startswith("scikit-learn"))


def test_a_second_run_makes_nothing(tmp_path: Path) -> None:
    count = tmp_path / "count"  # a line for each process of a producer
    counting = BUILD + f"\nwith open({str(count)!r}, 'a') as file:\n    file.write('built\\n')\n"
    made = project(model("twice"), cache=tmp_path / "cache")
    made = made.with_file("matrices/build.py", counting)
    first = run(tmp_path / "one", made, "--compat-fresh")
    assert first.code == 0, first.out
    [entry] = [each for each in (tmp_path / "cache" / "produced").iterdir() if each.is_dir()]
    stamp = {path: path.stat().st_mtime_ns for path in entry.rglob("*")}
    again = run(tmp_path / "two", made, "--compat-fresh")
    assert [case["status"] for case in again.cases] == ["passed"]
    assert {path: path.stat().st_mtime_ns for path in entry.rglob("*")} == stamp
    assert first.cases[0]["reference"] == again.cases[0]["reference"]
    assert count.read_text("utf-8") == "built\n"
    changed = made.with_file("matrices/build.py", counting.replace("[2.0]", "[3.0]"))
    third = run(tmp_path / "three", changed, "--compat-fresh")
    assert count.read_text("utf-8") == "built\n" * 2
    assert third.cases[0]["reference"]["file"] != first.cases[0]["reference"]["file"]


LIMITED = f"{ONNX}, limits: {{case: 4s}}"
SMALL = f"{ONNX}, limits: {{memory: 4GiB}}"


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Every way to fail, in one run, beside a model that is fine."""
    folder = tmp_path_factory.mktemp("failing")
    return run(
        folder,
        project(
            model("raises"),
            model("crashes"),
            model("leaves"),
            model("exits"),
            model("hangs", LIMITED),
            model("eats", SMALL),
            model("nothing"),
            model("shouts"),
            model("twice", "framework: onnx==99.0, export: onnx", name="no-release"),
            model("twice", f"{ONNX}, python: '3.99'", name="no-python"),
            model("twice", OLD, name="no-import"),
            model("absent", name="no-function"),
            model("twice", more=", reference: none", name="no-data"),
            model("twice"),
            cache=folder / "cache",
        ),
    )


ENDS = {
    "raises": ("error", "produce", "no such layer"),
    "crashes": ("error", "produce", "died of SIGSEGV at stage produce"),
    "leaves": ("error", "produce", "ended early with exit code 0"),
    "exits": ("error", "produce", "3"),
    "hangs": ("error", "produce", "its limit is 4 s"),
    "eats": ("error", "produce", ""),
    "nothing": ("error", "produce", "this one returned int"),
    "no-release": ("error", "resolve", "no version of onnx==99.0"),
    "no-import": ("error", "import", "reference"),
    "no-function": ("error", "produce", "absent"),
    "no-python": ("not_run", "start", "No CPython 3.99"),
    "shouts": ("passed", "compare", ""),
    "no-data": ("passed", "compare", ""),
    "twice": ("passed", "compare", ""),
}


@pytest.mark.parametrize("name", sorted(ENDS))
def test_each_failure_of_a_producer_is_named(failing: Result, name: str) -> None:
    status, stage, words = ENDS[name]
    [case] = [case for case in failing.cases if case["unit"] == name]
    assert (case["status"], case["stage"]) == (status, stage), case
    assert words in json.dumps(case.get("error", {})) + case.get("reason", "")
    if status == "error":
        assert case["outcome"] == "not_ok"
        assert case["attribution"] == "exporter"
        assert case["repro"].startswith("pytest ")
    if name == "crashes":
        assert case["error"]["signal"] == "SIGSEGV"


def test_failures_cost_nothing_else_and_leave_nothing_behind(failing: Result) -> None:
    assert failing.code == 1
    [cell] = failing.run["cells"]
    assert cell["status"] == "completed"
    assert sum(cell["counts"].values()) == len(ENDS)
    assert not (failing.folder / "outside").exists()
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(failing.folder / "cache") not in done.stdout
    assert list((failing.folder / "cache" / "work").iterdir()) == []


def test_a_producer_may_work_in_an_environment_that_exists(tmp_path: Path) -> None:
    """Any kind: here an interpreter of the user's own, for producer and consumer alike."""
    release = version("onnx")
    place = f"{{kind: python, value: {sys.executable}}}"
    producer = f"framework: onnx=={release}, export: onnx, image: {place}, python: '{PYTHON}'"
    lines = [
        "schema: 1",
        f"axes: {{framework: {{onnx: ['{release}']}}, image: [{place}]}}",
        f"checks: {{parity: {{models: [{model('twice', producer)}]}}}}",
    ]
    made = Project({
        "pytest.ini": "[pytest]\n",
        "matrices/m.yaml": "\n".join([*lines, ""]),
        "matrices/build.py": BUILD,
    })  # fmt: skip
    result = run(tmp_path, made)
    assert result.code == 0, result.out
    [case] = result.cases
    assert (case["status"], case["reference"]["kind"]) == ("passed", "producer")
    kinds = {(each["role"], each["kind"]) for each in result.run["environments"]}
    assert {("producer", "python"), ("cell", "python")} <= kinds


@pytest.mark.engine
def test_a_producer_may_work_in_a_container(tmp_path: Path) -> None:
    """Built in a container, delivered on its standard output, run on the host."""
    producer = f"{ONNX}, image: '{engine.BOOKWORM}', python: image"
    result = run(tmp_path, project(model("twice", producer)))
    assert result.code == 0, result.out
    [case] = result.cases
    assert (case["status"], case["reference"]["kind"]) == ("passed", "producer")
    kinds = {(each["role"], each["kind"]) for each in result.run["environments"]}
    assert {("producer", "docker"), ("cell", "host")} <= kinds
