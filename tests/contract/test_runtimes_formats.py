"""The adapters of runtimes that are not about ONNX keep the same promises, on real releases.

Each loads digits-cnn, or a small table model, in a format of its own (`matrices/models/formats`),
and is asked in every way that it may refuse. What a release does with it is written here; an
adapter in the registry without a release here or in `test_runtimes.py` fails there.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_modelcompat.worker.arrays import to_array
from pytest_modelcompat.worker.values import decode
from tests.contract.test_runtimes import ROOT, Release, environment

DRIVER = Path(__file__).with_name("_format_driver.py")
FORMATS = ROOT / "matrices" / "models" / "formats"
OURS = {
    "missing_input": "inputs without a value: ",
    "sequence": "takes (tensors|.*), not (a )?sequence",
    "other_suffix": r"has no format for 'model\.unheard-of'",
    "from_bytes": "loads models from files",
}
RUNS = {"right", "extra_input"}


@dataclass(frozen=True, kw_only=True)
class Format:
    """One release, one of its formats, and what it says.

    Attributes:
        model, beside: files under `formats`.
        data: stem of the .npz of inputs; `expected` that of the answers.
        says: case -> what the refusal must say; others of `OURS` hold where they are not named.
        runs: cases, besides the right ones, that the runtime takes without a word.
        crashes: cases that kill the process.
        signature: of the inputs, or the words of who cannot tell.
    """

    runtime: str
    requirements: tuple[str, ...]
    python: str = "3.11"
    model: str
    beside: tuple[str, ...] = ()
    data: str = "batch"
    expected: str = "batch-expected"
    says: dict[str, str]
    runs: frozenset[str] = frozenset()
    crashes: frozenset[str] = frozenset()
    signature: Any
    outputs: tuple[str, ...]
    nodes: int
    provider: str = "cpu"
    ran_on: dict[str, int] | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.requirements[0]}-{Path(self.model).name}{'+options' * bool(self.options)}"


IMAGE = [["image", "float32", ["", 1, 8, 8]]]
TFLITE = {
    "wrong_type": "Got value of type FLOAT64 but expected type FLOAT32",
    "wrong_shape": "ResizeInputTensorStrict only allows mutating unknown dimensions",
    "no_file": "Could not open",
}
TORCH = {
    "wrong_type": "Input type .* and bias type .* should be the same|expected scalar type",
    "wrong_shape": "mat1 and mat2 shapes cannot be multiplied",
    "sequence": "Expected a value of type 'Tensor' for argument 'image'",
    "cut_file": "failed finding central directory",
    "no_file": "does not exist",
}
SAVED = {
    "wrong_type": "was expected to be a float tensor but is a double tensor",
    "cut_file": "Error parsing message",
    "empty_file": "there are 0 MetaGraphs",
    "no_file": "SavedModel file does not exist",
}
ZIP = dict.fromkeys(("bad_file", "cut_file", "empty_file"), "File is not a zip file")
FORMATS_OF = [
    Format(runtime="litert", requirements=("ai-edge-litert==2.3.0",),
           model="tflite-float32.tflite", signature=IMAGE, outputs=("logits",), nodes=7,
           says={**TFLITE, "bad_file": "not a valid Flatbuffer", "cut_file": "valid Flatbuffer",
                 "empty_file": "model allocation is null"}),
    Format(runtime="litert", requirements=("ai-edge-litert==2.3.0",), provider="xnnpack",
           model="tflite-float32.tflite", signature=IMAGE, outputs=("logits",), nodes=7,
           ran_on={"xnnpack": 7}, options={"threads": "2"},
           says={**TFLITE, "bad_file": "not a valid Flatbuffer", "cut_file": "valid Flatbuffer",
                 "empty_file": "model allocation is null"}),
    Format(runtime="litert", requirements=("tflite-runtime==2.14.0", "numpy<2"),
           model="tflite-float32.tflite", signature=IMAGE, outputs=("logits",), nodes=7,
           crashes=frozenset({"cut_file"}),  # it does not verify what it maps
           says={**TFLITE, "bad_file": "model identifier", "empty_file": "Mmap of"}),
    Format(runtime="opencv_dnn", requirements=("opencv-python-headless==5.0.0.93",),
           model="../digits-cnn/model.onnx", outputs=("logits",), nodes=7,
           signature=[["image", "float32", ["batch", 1, 8, 8]]],
           runs=frozenset({"wrong_type", "from_bytes"}),
           says={"wrong_shape": "Invalid dimension", "bad_file": "Failed to parse ONNX model",
                 "cut_file": "Failed to parse ONNX model", "empty_file": "has_graph",
                 "no_file": "Can't read ONNX file"}),
    Format(runtime="opencv_dnn", requirements=("opencv-python-headless==4.10.0.84", "numpy<2.3"),
           model="caffe.prototxt", beside=("caffe.caffemodel",), outputs=("logits",), nodes=4,
           signature="OpenCV does not tell the shapes", runs=frozenset({"wrong_type"}),
           says={"wrong_shape": "Assertion failed", "bad_file": "Failed to parse NetParameter",
                 "cut_file": "Failed to parse NetParameter", "empty_file": "",
                 "no_file": "Can't open", "from_bytes": "Failed to parse onnx model"}),
    Format(runtime="torchscript", requirements=("torch==2.13.0", "numpy"),
           model="scripted-2.13.0.pt", outputs=("output_0",), nodes=32,
           signature="does not tell the shapes",
           says={**TORCH, "bad_file": "failed finding central directory",
                 "empty_file": "not a ZIP archive"}),
    Format(runtime="torchscript", requirements=("torch==1.12.1", "numpy<2"), python="3.10",
           model="scripted-1.12.1.pt", outputs=("output_0",), nodes=32,
           signature="does not tell the shapes",
           says={**TORCH, "bad_file": "Unrecognized data format",
                 "empty_file": "Unrecognized data format"}),
    Format(runtime="torch_export", requirements=("torch==2.13.0", "numpy"),
           model="exported-2.13.0.pt2", outputs=("output_0",), nodes=7, signature=IMAGE,
           says={**ZIP, "wrong_type": "Input type .* and bias type .* should be the same",
                 "wrong_shape": r"Guard failed: image\.size\(\)\[3\] == 8",
                 "sequence": "Trying to flatten user inputs", "no_file": "No such file"}),
    Format(runtime="tensorflow", requirements=("tensorflow-cpu==2.21.0",), model="saved-2.21.0",
           outputs=("logits",), nodes=21, signature=IMAGE,
           runs=frozenset({"wrong_shape", "other_suffix"}),  # it pools what it gets
           says={**SAVED, "bad_file": "Error parsing message"}),
    Format(runtime="tensorflow", requirements=("tensorflow-cpu==2.11.1", "numpy<2"),
           python="3.10", model="saved-2.11.1", outputs=("logits",), nodes=21, signature=IMAGE,
           runs=frozenset({"wrong_shape", "other_suffix"}),
           says={**SAVED, "bad_file": "there are 0 MetaGraphs"}),
    Format(runtime="xgboost", requirements=("xgboost==3.2.0", "scipy"),
           model="xgboost-classifier.json", data="cancer", expected="xgboost-classifier-expected",
           outputs=("predictions",), nodes=20, signature=[["X", "float32", ["rows", 30]]],
           runs=frozenset({"wrong_type", "wrong_shape"}),  # columns that lack are missing values
           says={"bad_file": "Invalid model format", "cut_file": "Expecting",
                 "empty_file": "Invalid model format", "no_file": "No such file"}),
    Format(runtime="lightgbm", requirements=("lightgbm==4.7.0", "scipy"),
           model="lightgbm-classifier.txt", data="cancer",
           expected="lightgbm-classifier-expected", outputs=("predictions",), nodes=20,
           signature=[["X", "float64", ["rows", 30]]], runs=frozenset({"wrong_type"}),
           crashes=frozenset({"cut_file"}),  # it throws where nobody can catch
           says={"wrong_shape": "number of features in data", "no_file": "Could not open",
                 "bad_file": "Unknown model format", "empty_file": "Unknown model format"}),
    Format(runtime="sklearn", requirements=("scikit-learn==1.9.1", "skops==0.16.0"),
           model="sklearn-classifier.skops", data="cancer",
           expected="sklearn-classifier-expected", outputs=("label", "probabilities"), nodes=2,
           signature=[["X", "float64", ["rows", 30]]], runs=frozenset({"wrong_type"}),
           says={**ZIP, "wrong_shape": "X has 3 features", "no_file": "No such file"}),
    Format(runtime="mxnet", requirements=("mxnet==1.9.1", "numpy<1.24"), python="3.8",
           model="mxnet-symbol.json", beside=("mxnet-0000.params",), outputs=("last",), nodes=7,
           signature="does not tell the shapes",
           says={"wrong_type": "This layer requires uniform type",
                 "wrong_shape": "Shape inconsistent", "bad_file": "Expect '{'",
                 "cut_file": "reach end of line", "empty_file": "", "no_file": "No such file"}),
    Format(runtime="tvm", requirements=("apache-tvm==0.27.0.post1", "onnx==1.23.2", "numpy"),
           model="../digits-cnn/model.onnx", outputs=("logits",), nodes=13,
           signature=[["image", "float32", ["batch", 1, 8, 8]]], runs=frozenset({"from_bytes"}),
           says={"wrong_type": "expect Tensor with dtype", "wrong_shape": "match_cast error",
                 "bad_file": "Error parsing message", "cut_file": "Error parsing message",
                 "empty_file": "Model IR version 0 not supported", "no_file": "No such file"}),
    Format(runtime="ncnn", requirements=("ncnn==1.0.20261020",), model="ncnn.param",
           beside=("ncnn.bin",), data="one", expected="one-expected", outputs=("logits",),
           nodes=5, signature="does not tell the shapes", options={"precision": "float32"},
           runs=frozenset({"wrong_shape"}),  # it looks at no shape
           says={"wrong_type": "not float64", "bad_file": "parse magic failed",
                 "cut_file": "layer load_param", "empty_file": "parse magic failed",
                 "no_file": "fopen .* failed"}),
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one release said to all cases."""

    format: Format
    info: dict[str, Any]
    unavailable: list[str | None]
    numpy_before: bool
    misspelt: list[str | None]
    cases: dict[str, dict[str, Any]]


def drive(told: Format, python: str, folder: Path, **more: Any) -> tuple[int, Any]:
    request = {
        "root": str(ROOT), "runtime": told.runtime, "provider": told.provider,
        "distribution": re.split("[=<>]", told.requirements[0])[0], "options": told.options,
        "model": str((FORMATS / told.model).resolve()),
        "beside": [str(FORMATS / name) for name in told.beside],
        "inputs": str(FORMATS / f"{told.data}.npz"), "scratch": str(folder),
        "leave_out": sorted(told.crashes), "only": [], **more,
    }  # fmt: skip
    (folder / "request.json").write_text(json.dumps(request))
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    done = subprocess.run(
        [python, "-X", "faulthandler", DRIVER, folder / "request.json", answer],
        check=False, timeout=600, capture_output=True, text=True, errors="replace", cwd=folder,
    )  # fmt: skip
    if not answer.exists() and not more:
        pytest.fail(done.stderr[-2000:])
    return done.returncode, json.loads(answer.read_text()) if answer.exists() else None


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, id=each.name, marks=[pytest.mark.network, pytest.mark.slow])
        for each in FORMATS_OF
    ],
)
def answer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    told: Format = request.param
    folder = tmp_path_factory.mktemp("format")
    release = Release(
        runtime=told.runtime, requirements=told.requirements, python=told.python, provider="",
        refuses={},
    )  # fmt: skip
    python = environment(release, folder)
    _, said = drive(told, python, folder)
    for name in sorted(told.crashes):
        code, _ = drive(told, python, folder, only=[name], leave_out=[])
        assert code < 0, f"{name} does not crash any more"
    return Answer(format=told, **said)


def test_importing_the_adapter_imports_no_numpy(answer: Answer) -> None:
    assert not answer.numpy_before


def test_info(answer: Answer) -> None:
    info = answer.info
    assert info["runtime"] == answer.format.runtime
    assert info["version"] == answer.format.requirements[0].partition("==")[2]
    assert answer.format.provider in info["providers"]
    assert info["devices"]
    json.dumps(info)


def test_a_provider_that_is_not_there_says_so(answer: Answer) -> None:
    mine, other = answer.unavailable
    assert mine is None
    assert other
    assert "sundial" in other.lower()


def test_an_option_that_does_not_exist_is_a_value_error(answer: Answer) -> None:
    assert answer.misspelt == ["ValueError", "ValueError"]


def test_right_answers_come_out_and_stay(answer: Answer) -> None:
    told = answer.format
    with np.load(FORMATS / f"{told.expected}.npz") as archive:
        expected = {int(key): archive[key] for key in archive.files}
    for name in RUNS:
        said = answer.cases[name]
        assert said["stage"] == "compare", said
        assert said["repeats"], "the second run gives something else"
        assert said["kept"], "the outputs changed after the run"
        got = decode(bytes.fromhex(said["outputs"]))
        assert tuple(key for key, _ in got) == told.outputs
        for n, (_, value) in enumerate(got):
            array = to_array(value)
            assert (array.shape, array.dtype) == (expected[n].shape, expected[n].dtype)
            np.testing.assert_allclose(array, expected[n], rtol=1e-4, atol=1e-4)


def test_refusals_are_the_runtimes_own_words(answer: Answer) -> None:
    told = answer.format
    for name, said in answer.cases.items():
        if name in RUNS | told.runs:
            assert said["stage"] == "compare", (name, said)
            continue
        words = told.says.get(name, OURS.get(name))
        assert words is not None, f"nothing is written here about {name}: {said}"
        assert "message" in said, f"{name} is not refused any more"
        assert re.search(words, said["message"]), (name, said["message"][:500])
        early = name.endswith("_file") or name in {"other_suffix", "from_bytes"}
        if words:
            assert said["stage"] in ({"load", "assign"} if early else {"run"}), name


def test_placement_tells_where_it_ran(answer: Answer) -> None:
    told = answer.format
    assert answer.cases["right"]["ran_on"] == (told.ran_on or {told.provider: told.nodes})


def test_inputs_and_their_signature(answer: Answer) -> None:
    told, said = answer.format, answer.cases["right"]
    if isinstance(told.signature, str):
        assert told.signature in said["signature"]
    else:
        assert said["signature"] == told.signature
        assert said["inputs"] == [name for name, _, _ in told.signature]
    assert said["opset"] == (17 if told.model.endswith(".onnx") else 0)
