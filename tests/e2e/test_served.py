"""A parity case sent to a served model has the verdict that it has in process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from tests.contract.test_runtimes import Release, environment
from tests.project import Project, Result
from tests.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "matrices" / "models"
DIGITS = MODELS / "digits-cnn"
SERVERS = Path(__file__).with_name("servers")

HERE = """\
schema: 1
axes:
  framework: {{onnx: [{{value: installed, runtime: kserve}}]}}
  image: [current]
  options: {{url: ["{url}"], model: [digits], server: ["{server}"]}}
limits: {{case: 3s}}
checks:
  parity:
    models:
      - name: digits
        path: model.onnx
        data: {{inputs: holdout.npz, outputs: holdout-expected.npz}}
"""


# Against a server of the standard library: no network ------------------------------------------


def played(off_by: float = 0.0, **change: Any) -> Served:
    """A server that knows the answer by heart, but for `change`."""
    with np.load(io.BytesIO((DIGITS / "holdout-expected.npz").read_bytes())) as found:
        logits = found["logits"]
    numbers = logits.reshape(-1).tolist()
    numbers[7] += off_by
    answer = {"name": "logits", "datatype": "FP32", "shape": list(logits.shape), "data": numbers}

    def infer(name: str, request: Any) -> Any:
        [given] = request["inputs"]
        assert (given["name"], given["datatype"]) == ("image", "FP32")
        return [{**answer, **change}]

    return Served(infer=infer, models={"digits": {"name": "digits"}})


def run(folder: Path, served: Served, *, server: str = "sundial==1.5") -> Result:
    files = {path.name: path.read_bytes() for path in DIGITS.iterdir()}
    matrix = HERE.format(url=served.url, server=server)
    project = Project({"pytest.ini": "[pytest]\n", "m.yaml": matrix, **files})
    return project.run(folder, "--compat-matrix=m.yaml")


def only_case(result: Result) -> tuple[str, str]:
    (case,) = result.cases
    return case["status"], case["stage"]


def test_an_answer_of_today_is_not_reused_tomorrow(tmp_path: Path) -> None:
    with serving(played()) as served:
        result = run(tmp_path / "right", served)
        assert result.code == 0, result.out[-3000:]
        assert only_case(result) == ("passed", "compare")
        assert result.cases[0].get("ran_on") is None
        (cell,) = result.run["cells"]
        assert cell["axes"]["provider"] == "served"
        told = cell["attestation"]["server"]
        assert (told["name"], told["version"]) == ("sundial", "1.5")
        assert told["model"]["name"] == "digits"
        served.infer = played(off_by=0.5).infer
        result = run(tmp_path / "wrong", served)
    assert (only_case(result), result.code) == (("failed", "compare"), 1)
    assert "logits" in result.out
    result = run(tmp_path / "down", served)
    (cell,) = result.run["cells"]
    assert (cell["status"], result.code) == ("unavailable", 1)
    assert "ConnectionRefusedError" in cell["reason"]
    assert served.url in result.out


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{"datatype": "FP64"}, {"shape": [160]}, {"name": "other"}], ids=str
)
def test_of_another_type_shape_or_name_is_a_wrong_answer(tmp_path: Path, change: Any) -> None:
    with serving(played(**change)) as served:
        assert only_case(run(tmp_path, served)) == ("failed", "compare")


def test_a_server_that_does_not_answer_in_time(tmp_path: Path) -> None:
    over = threading.Event()
    with serving(played()) as served:
        served.infer = lambda name, request: over.wait(600)
        result = run(tmp_path, served)
        over.set()
    assert only_case(result) == ("timed_out", "run")


def test_a_server_that_goes_away_after_it_was_met(tmp_path: Path) -> None:
    with serving(played()) as served:
        served.instead["GET", "/v2/models/digits/ready"] = 503, {}, b"going down"
        result = run(tmp_path, served)
    assert only_case(result) == ("error", "load")
    assert result.cases[0]["error"]["message"].endswith("503 Service Unavailable: going down")


@pytest.mark.slow
def test_another_server_than_was_asked_for(tmp_path: Path) -> None:
    with serving(played()) as served:
        result = run(tmp_path, served, server="sundial==1.4")
    (cell,) = result.run["cells"]
    assert (cell["status"], result.code) == ("unavailable", 1)
    assert "is sundial 1.5, not sundial 1.4" in cell["reason"]


# Against real ones -----------------------------------------------------------------------------

READY = "/v2/health/ready"
ORT = "onnxruntime==1.23.2"
APP = Release(
    runtime="", provider="", refuses={}, python="3.11",
    requirements=("fastapi==0.115.14", "uvicorn==0.38.0", ORT, "numpy"),
)  # fmt: skip
MLSERVER = Release(
    runtime="", provider="", refuses={}, python="3.11", requirements=("mlserver==1.7.1", ORT)
)
NETS = ("digits-cnn", "digits-mlp", "nothing")
REAL = """\
schema: 1
axes:
  framework:
    onnxruntime: ["1.23.2"]
    {distribution}: [{{value: "{version}", runtime: kserve, options: {options}}}]
  python: ["3.11"]
checks:
  parity:
    models:
"""
ENTRY = """\
      - name: {name}
        path: {name}.onnx
        data: {{inputs: {data}-in.npz, outputs: {data}-out.npz}}
"""


def files(*names: str) -> dict[str, bytes]:
    """The models and their data; `nothing` has an operator that there is not."""
    found = {}
    for name in names:
        folder = MODELS / (name if name != "nothing" else "digits-cnn")
        model = onnx.load(folder / "model.onnx")
        if name == "nothing":
            model.graph.node[0].op_type, model.graph.node[0].domain = "Nothing", "no.such"
            model.opset_import.add(domain="no.such", version=1)
        found[f"{name}.onnx"] = model.SerializeToString()
        found[f"{name}-in.npz"] = (folder / "holdout.npz").read_bytes()
        found[f"{name}-out.npz"] = (folder / "holdout-expected.npz").read_bytes()
    return found


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


@contextlib.contextmanager
def started(
    python: str, arguments: list[str], url: str, folder: Path, **env: str
) -> Iterator[None]:
    """A server, with all that it starts, from when its `url` answers."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [python, *arguments], cwd=folder, env={**os.environ, **env}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            until = time.monotonic() + 120
            while True:
                assert process.poll() is None, (folder / "server.log").read_text()
                with contextlib.suppress(OSError):
                    if urllib.request.urlopen(url).status == 200:
                        break
                assert time.monotonic() < until, (folder / "server.log").read_text()
                time.sleep(0.1)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def verdicts(folder: Path, names: tuple[str, ...], **axis: str) -> dict[str, dict[str, Any]]:
    """Distribution -> model -> case, of the cell in process and of the served one."""
    matrix = REAL.format(**axis) + "".join(ENTRY.format(name=name, data=name) for name in names)
    project = Project({"pytest.ini": "[pytest]\n", "m.yaml": matrix, **files(*names)})
    result = project.run(folder, "--compat-matrix=m.yaml", timeout=600)
    assert result.code in {0, 1}, result.err[-3000:] + result.out[-3000:]
    frameworks = {cell["id"]: cell["axes"]["framework"].partition("==")[0]
                  for cell in result.run["cells"]}  # fmt: skip
    found: dict[str, dict[str, Any]] = {name: {} for name in frameworks.values()}
    for case in result.cases:
        found[frameworks[case["cell"]]][case["unit"]] = case
    for cell in result.run["cells"]:
        found[cell["axes"]["framework"].partition("==")[0]]["cell"] = cell
    return found


def said(cases: dict[str, Any], *names: str) -> list[tuple[str, str]]:
    return [(cases[name]["status"], cases[name]["stage"]) for name in names]


@pytest.mark.network
@pytest.mark.slow
def test_a_fastapi_app(tmp_path: Path) -> None:
    python = environment(APP, tmp_path)
    models = tmp_path / "models"
    models.mkdir()
    for name, data in files(*NETS).items():
        (models / name).write_bytes(data)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    axis = {"distribution": "fastapi", "version": "0.115.14",
            "options": f'{{url: "{url}", server: "digits-app==3"}}'}  # fmt: skip
    arguments = ["-m", "uvicorn", "--app-dir", str(SERVERS), "--port", str(port), "app:app"]
    with started(python, arguments, url + READY, tmp_path, MODELS=str(models)):
        found = verdicts(tmp_path / "right", NETS, **axis)
    for cases in found.values():
        assert said(cases, *NETS) == [
            ("passed", "compare"), ("passed", "compare"), ("unsupported", "load"),
        ]  # fmt: skip
    assert "Nothing" in found["fastapi"]["nothing"]["error"]["message"]
    assert found["fastapi"]["cell"]["attestation"]["server"]["name"] == "digits-app"
    with started(python, arguments, url + READY, tmp_path, MODELS=str(models), OFF_BY="0.5"):
        found = verdicts(tmp_path / "wrong", NETS[:2], **axis)
    assert said(found["onnxruntime"], *NETS[:2]) == [("passed", "compare")] * 2
    assert said(found["fastapi"], *NETS[:2]) == [("failed", "compare")] * 2
    found = verdicts(tmp_path / "down", NETS[:2], **axis)
    assert said(found["onnxruntime"], *NETS[:2]) == [("passed", "compare")] * 2
    assert found["fastapi"]["cell"]["status"] == "unavailable"
    assert "ConnectionRefusedError" in found["fastapi"]["cell"]["reason"]


@pytest.mark.network
@pytest.mark.slow
def test_mlserver(tmp_path: Path) -> None:
    python = environment(MLSERVER, tmp_path)
    repository, ports = tmp_path / "repository", free_ports(3)
    names = NETS[:2]
    for name in names:
        folder = repository / name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(files(name)[f"{name}.onnx"])
        shutil.copy(SERVERS / "served_model.py", folder)
        settings = {"name": name, "implementation": "served_model.Onnx",
                    "parameters": {"uri": str(folder / "model.onnx")}}  # fmt: skip
        (folder / "model-settings.json").write_text(json.dumps(settings))
    kinds = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    settings = {"host": "127.0.0.1", "parallel_workers": 0, **kinds}
    (repository / "settings.json").write_text(json.dumps(settings))
    url = f"http://127.0.0.1:{ports[0]}"
    axis = {"distribution": "mlserver", "version": "1.7.1", "options": f'{{url: "{url}"}}'}
    main = ["-c", "from mlserver.cli import main; main()", "start", str(repository)]
    with started(python, main, url + READY, tmp_path):
        found = verdicts(tmp_path / "right", names, **axis)
    for cases in found.values():
        assert said(cases, *names) == [("passed", "compare")] * 2
    told = found["mlserver"]["cell"]["attestation"]["server"]
    assert (told["name"], told["version"]) == ("mlserver", "1.7.1")
    with started(python, main, url + READY, tmp_path, CODEC="numpy"):
        found = verdicts(tmp_path / "columns", names, **axis)
    assert said(found["onnxruntime"], *names) == [("passed", "compare")] * 2
    assert said(found["mlserver"], *names) == [("passed", "compare"), ("failed", "compare")]
