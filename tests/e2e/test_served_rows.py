"""The REST of TensorFlow Serving and TorchServe: a case has the verdict that it has in process."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.test_runtimes import Release, environment
from tests.e2e.test_served import free_ports, only_case, started
from tests.project import Project, Result
from tests.served import Pages, info_of, json_of, serving, tf_pages, torchserve_pages

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "matrices" / "models" / "digits-cnn"
FORMATS = ROOT / "matrices" / "models" / "formats"
SERVERS = Path(__file__).with_name("servers")

HERE = """\
schema: 1
axes:
  framework: {{onnx: [{{value: installed, runtime: {runtime}}}]}}
  image: [current]
  options: {{url: ["{url}"], {options}}}
limits: {{case: 3s}}
checks:
  parity:
    models:
      - name: digits
        path: model.onnx
        data: {{inputs: holdout.npz, outputs: holdout-expected.npz}}
"""
OPTIONS = {
    "tf_serving": "server: [any], model: [digits]",
    "torchserve": 'server: [torchserve==0.12.0], model: [digits], outputs: ["logits:float32"]',
}
PREDICT = {
    "tf_serving": ("POST", "/v1/models/digits/versions/3:predict"),
    "torchserve": ("POST", "/predictions/digits"),
}


# Against servers of the standard library: no network -------------------------------------------


def played(runtime: str, off_by: float = 0.0) -> Pages:
    """A server that knows the answer by heart."""
    with np.load(io.BytesIO((DIGITS / "holdout-expected.npz").read_bytes())) as found:
        logits = found["logits"]
    logits[0, 7] += off_by
    if runtime == "torchserve":
        return torchserve_pages("digits", lambda body: json_of({"predictions": logits.tolist()}))
    inputs = {"image": info_of("DT_FLOAT", -1, 1, 8, 8)}
    outputs = {"logits": info_of("DT_FLOAT", -1, 10)}
    return tf_pages("digits", inputs, outputs, lambda body: json_of({"outputs": logits.tolist()}))


def run(folder: Path, runtime: str, served: Pages, options: str = "") -> Result:
    files = {path.name: path.read_bytes() for path in DIGITS.iterdir()}
    matrix = HERE.format(runtime=runtime, url=served.url, options=options or OPTIONS[runtime])
    project = Project({"pytest.ini": "[pytest]\n", "m.yaml": matrix, **files})
    return project.run(folder, "--compat-matrix=m.yaml")


@pytest.mark.parametrize("runtime", OPTIONS)
def test_an_answer_of_today_is_not_reused_tomorrow(tmp_path: Path, runtime: str) -> None:
    with serving(played(runtime)) as served:
        result = run(tmp_path / "right", runtime, served)
        assert result.code == 0, result.out[-3000:]
        assert only_case(result) == ("passed", "compare")
        assert result.cases[0].get("ran_on") is None
        (cell,) = result.run["cells"]
        assert cell["axes"]["provider"] == "served"
        told = cell["attestation"]["server"]
        assert told["url"] == served.url
        assert told["model"]["name"] == "digits"
        assert ("server that does not say who it is" in result.out) == (runtime == "tf_serving")
        assert told.get("version") == {"tf_serving": None, "torchserve": "0.12.0"}[runtime]
        served.pages.update(played(runtime, off_by=0.5).pages)
        result = run(tmp_path / "wrong", runtime, served)
    assert (only_case(result), result.code) == (("failed", "compare"), 1)
    result = run(tmp_path / "down", runtime, served)
    (cell,) = result.run["cells"]
    assert (cell["status"], result.code) == ("unavailable", 1)
    assert "ConnectionRefusedError" in cell["reason"]
    assert served.url in result.out


@pytest.mark.slow
@pytest.mark.parametrize("runtime", OPTIONS)
def test_a_server_that_does_not_answer_in_time(tmp_path: Path, runtime: str) -> None:
    over = threading.Event()

    def hangs(body: Any) -> Any:
        over.wait(600)
        return json_of({})

    with serving(played(runtime)) as served:
        served.pages[PREDICT[runtime]] = hangs
        result = run(tmp_path, runtime, served)
        over.set()
    assert only_case(result) == ("timed_out", "run")


@pytest.mark.parametrize(
    ("runtime", "options", "words"),
    [
        pytest.param("tf_serving", "server: [any], model: [nope]",
                     "404 Not Found: Could not find any vers", marks=pytest.mark.slow),
        ("tf_serving", 'server: [any], model: [digits], model_version: ["9"]', "404 Not Found"),
        pytest.param("torchserve", OPTIONS["torchserve"].replace("[digits]", "[nope]"),
                     "Model not found", marks=pytest.mark.slow),
        ("torchserve", OPTIONS["torchserve"].replace("0.12.0", "0.11.1"),
         "is torchserve 0.12.0, not torchserve 0.11.1"),
    ],
)  # fmt: skip
def test_what_the_server_does_not_have(
    tmp_path: Path, runtime: str, options: str, words: str
) -> None:
    with serving(played(runtime)) as served:
        result = run(tmp_path, runtime, served, options)
    (cell,) = result.run["cells"]
    assert (cell["status"], result.code) == ("unavailable", 1)
    assert words in cell["reason"]
    assert result.cases[0]["status"] == "not_run"


@pytest.mark.slow
@pytest.mark.parametrize("runtime", OPTIONS)
def test_a_cell_without_what_it_needs_is_refused(tmp_path: Path, runtime: str) -> None:
    """Nobody is asked: TensorFlow Serving's protocol tells no name, TorchServe's no types."""
    with serving(played(runtime)) as served:
        result = run(tmp_path, runtime, served, "model: [digits]")
    (cell,) = result.run["cells"]
    assert cell["status"] == "misconfigured"
    needed = {"tf_serving": "server: any", "torchserve": "the option outputs"}[runtime]
    assert needed in cell["reason"]
    assert served.asked == []


# Against real frameworks -----------------------------------------------------------------------

REAL = """\
schema: 1
axes:
  framework:
    {frameworks}
  python: ["3.11"]
packages: [numpy]
limits: {{case: 60s, memory: 8GiB}}
checks:
  parity:
    models:
      - name: net
        path: {path}
        data: {{inputs: batch.npz, outputs: batch-expected.npz}}
"""


def cells(
    folder: Path, model: str, frameworks: str, *, by_position: bool = False
) -> list[dict[str, Any]]:
    """The cells in the matrix's order, each with its only case."""
    source = FORMATS / model
    names = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
    names += [FORMATS / "batch.npz", FORMATS / "batch-expected.npz"]
    files = {path.relative_to(FORMATS).as_posix(): path.read_bytes() for path in names}
    if model == "digits.onnx":
        files = {model: (DIGITS / "model.onnx").read_bytes(),
                 "batch.npz": (DIGITS / "holdout.npz").read_bytes(),
                 "batch-expected.npz": (DIGITS / "holdout-expected.npz").read_bytes()}  # fmt: skip
    if by_position:
        kept = io.BytesIO()
        with np.load(DIGITS / "holdout.npz") as given:
            np.savez(kept, given["image"])
        files["batch.npz"] = kept.getvalue()
    matrix = REAL.format(frameworks=frameworks, path=model)
    project = Project({"pytest.ini": "[pytest]\n", "m.yaml": matrix, **files})
    result = project.run(folder, "--compat-matrix=m.yaml", timeout=600)
    assert result.code in {0, 1}, result.err[-3000:] + result.out[-3000:]
    cases = {case["cell"]: case for case in result.cases}
    return [{**cell, "case": cases[cell["id"]]} for cell in result.run["cells"]]


def verdicts(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(cell["status"], cell["case"]["status"]) for cell in found]


PASSED, FAILED = ("completed", "passed"), ("completed", "failed")
UNAVAILABLE = ("unavailable", "not_run")


@pytest.mark.network
@pytest.mark.slow
def test_a_saved_model_by_the_protocol_of_tensorflow_serving(tmp_path: Path) -> None:
    """TensorFlow runs it and its answers are written as TensorFlow Serving's sources say."""
    release = Release(runtime="", provider="", refuses={}, python="3.11",
                      requirements=("tensorflow-cpu==2.20.0",))  # fmt: skip
    python = environment(release, tmp_path)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    served = (
        '\n      - {{id: {id}, value: "2.20.0", runtime: tf_serving,'
        ' options: {{url: "{url}", server: any, {more}}}}}'
    )
    entries = {
        "columns": "model: saved", "rows": "model: saved, format: rows",
        "version": 'model: saved, model_version: "7"',
        "signature": "model: saved, signature: nothing", "gone": 'model: saved, model_version: "8"',
    }  # fmt: skip
    frameworks = 'tensorflow-cpu:\n      - "2.20.0"' + "".join(
        served.format(id=name, url=url, more=more) for name, more in entries.items()
    )
    model = "saved-2.21.0"
    main = [str(SERVERS / "saved_model.py"), str(port), str(FORMATS / model), "saved"]
    ready = f"{url}/v1/models/saved"
    with started(python, main, ready, tmp_path, TF_CPP_MIN_LOG_LEVEL="3"):
        found = cells(tmp_path / "right", model, frameworks)
    assert verdicts(found) == [PASSED] * 4 + [UNAVAILABLE] * 2
    assert "has no signature 'nothing', but __saved_model_init_op" in found[4]["reason"]
    assert "404 Not Found: Could not find version 8 of model saved" in found[5]["reason"]
    assert found[1]["attestation"]["server"]["model"]["version"] == "7"
    with started(python, main, ready, tmp_path, TF_CPP_MIN_LOG_LEVEL="3", OFF_BY="0.5"):
        found = cells(tmp_path / "wrong", model, frameworks)
    assert verdicts(found)[:4] == [PASSED, FAILED, FAILED, FAILED]
    found = cells(tmp_path / "down", model, frameworks)
    assert verdicts(found) == [PASSED] + [UNAVAILABLE] * 5
    assert "ConnectionRefusedError" in found[1]["reason"]


MADE = """\
import sys
import tensorflow as tf

class Model(tf.Module):
    @tf.function(input_signature=[
        tf.TensorSpec([None, 2], tf.float32, name="b"),
        tf.TensorSpec([None], tf.int64, name="a"),
        tf.TensorSpec([None], tf.string, name="t"),
    ])
    def __call__(self, b, a, t):
        return {"z": a * 2, "y": b / 3.0, "t_bytes": t, "m": tf.reduce_max(b, axis=1) > 1.0,
                "d": tf.cast(b, tf.float64) / 7.0}

made = Model()
tf.saved_model.save(made, sys.argv[1], signatures={"serving_default": made.__call__})
"""
BOTH = """\
import struct, sys
sys.path.insert(0, sys.argv[1])
from pytest_modelcompat.worker.runtimes import adapter
from pytest_modelcompat.worker.values import Value

inf, nan = float("inf"), float("nan")
feeds = {
    "b": Value.tensor("float32", (3, 2), struct.pack("<6f", 0.1, -inf, nan, 1e30, 3, -0.0)),
    "a": Value.tensor("int64", (3,), struct.pack("<3q", 1, -(2**62), 2**53 + 1)),
    "t": Value.tensor("string", (3,), [b"a\\x00b", "wörd".encode(), b""]),
}
here = adapter("tensorflow", "tensorflow-cpu").load(sys.argv[2], "cpu", {}).run(feeds)
for layout in ("columns", "rows"):
    told = {"url": sys.argv[3], "server": "any", "model": "made", "format": layout}
    session = adapter("tf_serving", "tensorflow-cpu").load("", "served", told)
    assert [name for name, _ in here] == ["d", "m", "t_bytes", "y", "z"], here
    there = session.run(feeds)
    assert there == here, (layout, here, there)
"""


@pytest.mark.network
@pytest.mark.slow
def test_values_of_many_types_are_those_of_in_process(tmp_path: Path) -> None:
    """Bit by bit: several inputs and outputs, bytes, infinities, whole numbers beyond 2**53."""
    release = Release(runtime="", provider="", refuses={}, python="3.11",
                      requirements=("tensorflow-cpu==2.20.0",))  # fmt: skip
    python = environment(release, tmp_path)
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    made = tmp_path / "made"
    subprocess.run([python, "-c", MADE, made], check=True, timeout=600, env=quiet)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    main = [str(SERVERS / "saved_model.py"), str(port), str(made), "made"]
    with started(python, main, f"{url}/v1/models/made", tmp_path, TF_CPP_MIN_LOG_LEVEL="3"):
        subprocess.run([python, "-c", BOTH, ROOT, made, url], check=True, timeout=600, env=quiet)


@pytest.mark.network
@pytest.mark.slow
def test_kserves_own_server(tmp_path: Path) -> None:
    """The same model by both of its protocols."""
    release = Release(runtime="", provider="", refuses={}, python="3.11",
                      requirements=("kserve==0.21.0", "onnxruntime==1.23.2"))  # fmt: skip
    python = environment(release, tmp_path)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    said = 'format: rows, inputs: "image:float32", outputs: "logits:float32"'
    frameworks = f"""onnxruntime: ["1.23.2"]
    kserve:
      - {{value: "0.21.0", options: {{url: "{url}"}}}}
      - {{id: v1, value: "0.21.0", runtime: tf_serving,
         options: {{url: "{url}", server: any, {said}}}}}
      - {{id: gone, value: "0.21.0", runtime: tf_serving,
         options: {{url: "{url}", server: any, model: nope, {said}}}}}"""
    main = [str(SERVERS / "kserve_app.py"), str(port), str(DIGITS / "model.onnx"), "digits"]
    with started(python, main, f"{url}/v1/models/digits", tmp_path):
        found = cells(tmp_path / "right", "digits.onnx", frameworks)
    assert verdicts(found) == [PASSED, PASSED, PASSED, UNAVAILABLE]
    assert found[1]["attestation"]["server"]["version"] == "0.21.0"
    assert "Model with name nope does not exist" in found[3]["reason"]
    with started(python, main, f"{url}/v1/models/digits", tmp_path, OFF_BY="0.5"):
        found = cells(tmp_path / "wrong", "digits.onnx", frameworks)
    assert verdicts(found) == [PASSED, FAILED, FAILED, UNAVAILABLE]


@pytest.mark.network
@pytest.mark.slow
def test_a_service_of_bentoml(tmp_path: Path) -> None:
    release = Release(runtime="", provider="", refuses={}, python="3.11",
                      requirements=("bentoml==1.4.39", "onnxruntime==1.23.2"))  # fmt: skip
    python = environment(release, tmp_path)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    said = f'url: "{url}", server: any, inputs: "image:float32", outputs: "logits:float32"'
    frameworks = f"""onnxruntime: ["1.23.2"]
    bentoml:
      - {{value: "1.4.39", options: {{path: /predict, ready: /readyz, {said}}}}}
      - {{id: gone, value: "1.4.39", options: {{path: /nothing, {said}}}}}
      - {{id: unready, value: "1.4.39", options: {{path: /predict, ready: /nothing, {said}}}}}"""
    main = ["-m", "bentoml", "serve", "bento_service:Digits", "--working-dir", str(SERVERS),
            "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    env = {"MODEL": str(DIGITS / "model.onnx"), "BENTOML_HOME": str(tmp_path / "bento"),
           "BENTOML_DO_NOT_TRACK": "1"}  # fmt: skip
    with started(python, main, f"{url}/readyz", tmp_path, **env):
        found = cells(tmp_path / "right", "digits.onnx", frameworks)
    assert verdicts(found) == [PASSED, PASSED, ("completed", "error"), UNAVAILABLE]
    assert "POST /nothing: 404 Not Found" in found[2]["case"]["error"]["message"]
    assert "GET /nothing: 404 Not Found" in found[3]["reason"]
    with started(python, main, f"{url}/readyz", tmp_path, OFF_BY="0.5", **env):
        found = cells(tmp_path / "wrong", "digits.onnx", frameworks)
    assert verdicts(found)[:2] == [PASSED, FAILED]
    found = cells(tmp_path / "down", "digits.onnx", frameworks)
    assert verdicts(found) == [PASSED] + [UNAVAILABLE] * 3


@pytest.mark.network
@pytest.mark.slow
def test_a_flask_app(tmp_path: Path) -> None:
    """Its one field is `inputs`, as Hugging Face's endpoints have it; data by position fit."""
    release = Release(runtime="", provider="", refuses={}, python="3.11",
                      requirements=("flask==3.1.2", "onnxruntime==1.23.2"))  # fmt: skip
    python = environment(release, tmp_path)
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    said = f'url: "{url}", server: any, path: /score, ready: /healthz, inputs: "inputs:float32"'
    frameworks = f"""onnxruntime: ["1.23.2"]
    flask:
      - {{value: "3.1.2", runtime: json_endpoint,
         options: {{{said}, outputs: "logits:float32"}}}}
      - {{id: labels, value: "3.1.2", runtime: json_endpoint,
         options: {{{said}, outputs: "label:string"}}}}"""
    main = ["-m", "flask", "--app", str(SERVERS / "flask_app.py"), "run", "--port", str(port)]
    env = {"MODEL": str(DIGITS / "model.onnx")}
    with started(python, main, f"{url}/healthz", tmp_path, **env):
        found = cells(tmp_path / "right", "digits.onnx", frameworks, by_position=True)
    assert verdicts(found) == [PASSED, PASSED, ("completed", "error")]
    assert "outputs without a value: label" in found[2]["case"]["error"]["message"]
    with started(python, main, f"{url}/healthz", tmp_path, OFF_BY="0.5", **env):
        found = cells(tmp_path / "wrong", "digits.onnx", frameworks, by_position=True)
    assert verdicts(found)[:2] == [PASSED, FAILED]


@pytest.mark.network
@pytest.mark.slow
def test_torchserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real server, of the last release that there is, with its own base handler."""
    if shutil.which("java") is None:
        pytest.skip("TorchServe needs Java, which is not here")
    if "PIP_FIND_LINKS" in os.environ:  # where a build of torch without a GPU's packages may lie
        monkeypatch.setenv("UV_FIND_LINKS", os.environ["PIP_FIND_LINKS"])
    needs = ("torchserve==0.12.0", "torch-model-archiver==0.12.0", "torch==2.13.0", "numpy",
             "pyyaml", "setuptools<81")  # fmt: skip
    release = Release(runtime="", provider="", refuses={}, python="3.11", requirements=needs)
    python = environment(release, tmp_path)
    model = "scripted-2.13.0.pt"
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run(
        [Path(python).with_name("torch-model-archiver"), "--model-name", "net", "--version", "1.0",
         "--serialized-file", FORMATS / model, "--handler", SERVERS / "torch_handler.py",
         "--export-path", store],
        check=True, timeout=600,
    )  # fmt: skip
    ports = free_ports(3)
    kinds = ("inference", "management", "metrics")
    urls = {f"{kind}_address": f"http://127.0.0.1:{port}"
            for kind, port in zip(kinds, ports, strict=True)}  # fmt: skip
    url = urls["inference_address"]
    settings = {
        **urls, "enable_grpc": "false", "disable_token_authorization": "true",
        "service_envelope": "json", "ts_open_inference_protocol": "true",
        "default_workers_per_model": "1",
    }  # fmt: skip
    config = tmp_path / "config.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), "utf-8")
    said = 'model: net, inputs: "image:float32", outputs: "output_0:float32"'
    frameworks = f"""torch: ["2.13.0"]
    torchserve:
      - {{value: "0.12.0", options: {{url: "{url}", {said}}}}}
      - {{id: version, value: "0.12.0", options: {{url: "{url}", model_version: "1.0", {said}}}}}
      - {{id: gone, value: "0.12.0", options: {{url: "{url}", model_version: "2.0", {said}}}}}
      - {{id: integers, value: "0.12.0",
         options: {{url: "{url}", {said.replace("0:float32", "0:int64")}}}}}
      - {{id: v2, value: "0.12.0", runtime: kserve, options: {{url: "{url}", model: net}}}}"""
    main = ["-c", "from ts.model_server import start; start()", "--foreground", "--ncs",
            "--model-store", str(store), "--models", "net=net.mar",
            "--ts-config", str(config)]  # fmt: skip
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    with started(python, main, f"{url}/ping", tmp_path, PATH=path):
        found = cells(tmp_path / "right", model, frameworks)
    assert verdicts(found) == [
        PASSED, PASSED, PASSED, UNAVAILABLE, ("completed", "error"), UNAVAILABLE,
    ]  # fmt: skip
    server = found[1]["attestation"]["server"]
    assert (server["name"], server["version"]) == ("torchserve", "0.12.0")
    assert "Model version: 2.0 does not exist for model: net" in found[3]["reason"]
    assert "which is none" in found[4]["case"]["error"]["message"]
    # its answers to the Open Inference Protocol lack the metadata of models, which has the types
    assert "GET /v2/models/net: 404 Not Found" in found[5]["reason"]
    with started(python, main, f"{url}/ping", tmp_path, PATH=path, OFF_BY="0.5"):
        found = cells(tmp_path / "wrong", model, frameworks)
    assert verdicts(found)[:3] == [PASSED, FAILED, FAILED]
    found = cells(tmp_path / "down", model, frameworks)
    assert verdicts(found) == [PASSED] + [UNAVAILABLE] * 5
    assert "ConnectionRefusedError" in found[1]["reason"]
