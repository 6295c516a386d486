"""Formats that no shipped matrix has: what each release says to them, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import Project, Result

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ROOT / "matrices" / "models" / "formats"
MATRIX = """\
schema: 1
axes:
  framework:
    mxnet: ["1.9.1"]
    opencv-python-headless: ["4.8.1.78", "4.10.0.84", "5.0.0.93"]
    tensorflow-cpu: ["2.15.1", "2.20.0", "2.21.0"]
    ai-edge-litert: ["2.3.0"]
    tflite-runtime: ["2.14.0"]
    openvino: ["2024.6.0", "2026.4.1"]
  python: ["3.8", "3.11"]
exclude:
  - {framework: mxnet, python: "3.11"}
  - python: "3.8"
    framework: [opencv-python-headless, tensorflow-cpu, ai-edge-litert, tflite-runtime, openvino]
include: # with the interpreter that TensorFlow itself carries
  - {framework: {value: tensorflow-cpu==2.20.0, runtime: litert}, python: "3.10"}
  - {framework: {value: tensorflow-cpu==2.15.1, runtime: litert}, python: "3.10"}
adjust:
  - match: {framework: mxnet}
    packages: ["numpy<1.24", "onnx<1.13", "protobuf<3.21"]
  - match: {framework: ["opencv-python-headless<4.12", "tensorflow-cpu<2.18", tflite-runtime]}
    packages: ["numpy<2"]
  - match: {framework: openvino}
    options: {inference_precision: f32}
limits: {memory: 8GiB, case: 60s}
checks:
  parity:
    models:
      - name: onnx-import
        path: formats/opset9.onnx
        data: {inputs: formats/batch.npz, outputs: formats/batch-expected.npz}
        when: {framework: mxnet}
      - name: keras
        path: formats/saved-2.20.0.keras
        data: {inputs: formats/batch.npz, outputs: formats/batch-expected.npz}
        when: {framework: tensorflow-cpu, python: "3.11"}
      - name: tflite
        path: formats/tflite-plain.tflite
        data: {inputs: formats/row.npz, outputs: formats/last-expected.npz}
        when: {framework: opencv-python-headless}
      - name: tflite-itself
        path: formats/tflite-plain.tflite
        data: {inputs: formats/last.npz, outputs: formats/last-expected.npz}
        when: {framework: [ai-edge-litert, tflite-runtime, openvino]}
      - name: saved-model
        path: formats/saved-2.21.0
        data: {inputs: formats/batch.npz, outputs: formats/batch-expected.npz}
        when: {framework: openvino}
      - name: flex
        path: formats/tflite-flex.tflite
        data: {inputs: formats/flex.npz, outputs: formats/flex-expected.npz}
        when: {framework: [ai-edge-litert, tflite-runtime]}
      - name: flex-itself
        path: formats/tflite-flex.tflite
        data: {inputs: formats/flex.npz, outputs: formats/flex-expected.npz}
        when: {framework: tensorflow-cpu, python: "3.10"}
"""
OLD_KERAS = "its parent module keras.src.models.functional cannot be imported"
FLEX = "Select TensorFlow op(s), included in the given model, is(are) not supported"
SAID = {  # (framework, model) -> status, stage, words
    ("mxnet==1.9.1", "onnx-import"): ("passed", "compare", ""),
    ("tensorflow-cpu==2.15.1", "keras"): ("error", "load", OLD_KERAS),
    ("tensorflow-cpu==2.20.0", "keras"): ("passed", "compare", ""),
    ("tensorflow-cpu==2.21.0", "keras"): ("passed", "compare", ""),
    ("opencv-python-headless==4.8.1.78", "tflite"):
        ("unsupported", "load", "Unsupported operator type"),
    ("opencv-python-headless==4.10.0.84", "tflite"): ("failed", "compare", ""),  # by one per cent
    ("opencv-python-headless==5.0.0.93", "tflite"): ("passed", "compare", ""),
    ("ai-edge-litert==2.3.0", "tflite-itself"): ("passed", "compare", ""),
    ("tflite-runtime==2.14.0", "tflite-itself"): ("passed", "compare", ""),
    **{
        (f"openvino=={release}", model): ("passed", "compare", "")
        for release in ("2024.6.0", "2026.4.1")
        for model in ("tflite-itself", "saved-model")
    },
    ("ai-edge-litert==2.3.0", "flex"): ("unsupported", "assign", FLEX),
    ("tflite-runtime==2.14.0", "flex"): ("unsupported", "assign", FLEX),
    ("tensorflow-cpu==2.15.1", "flex-itself"): ("passed", "compare", ""),  # it still had them
    ("tensorflow-cpu==2.20.0", "flex-itself"): ("unsupported", "assign", FLEX),
}  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    files = {f"formats/{path.relative_to(FORMATS).as_posix()}": path.read_bytes()
             for path in FORMATS.rglob("*") if path.is_file()}  # fmt: skip
    project = Project({"pytest.ini": "[pytest]\n", "m.yaml": MATRIX, **files})
    folder = tmp_path_factory.mktemp("rows")
    return project.run(folder, "--compat-matrix=m.yaml", timeout=900)


@pytest.mark.parametrize(("framework", "model"), SAID)
def test_what_a_release_says_to_a_format(result: Result, framework: str, model: str) -> None:
    cells = {cell["id"]: cell["axes"]["framework"] for cell in result.run["cells"]}
    [case] = [
        case for case in result.cases
        if cells[case["cell"]] == framework and case["unit"] == model
    ]  # fmt: skip
    status, stage, words = SAID[framework, model]
    assert (case["status"], case["stage"]) == (status, stage), case
    assert words in case.get("error", {}).get("message", "")
    if status in {"passed", "failed"}:
        assert [name.lower() for name in case["ran_on"]] == ["cpu"]


def test_nothing_else_was_asked(result: Result) -> None:
    cells = {cell["id"]: cell["axes"]["framework"] for cell in result.run["cells"]}
    assert {(cells[case["cell"]], case["unit"]) for case in result.cases} == SAID.keys()
    assert {cell["status"] for cell in result.run["cells"]} == {"completed"}
