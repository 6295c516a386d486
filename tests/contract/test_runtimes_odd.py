"""What cells of the shipped matrices do not ask of a runtime: kinds of values, options, devices.

Real releases, one environment each, asked once by `_odd_driver.py`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.test_runtimes import ROOT, Release, environment

pytestmark = [pytest.mark.network, pytest.mark.slow]

DRIVER = Path(__file__).with_name("_odd_driver.py")
FORMATS = ROOT / "matrices" / "models" / "formats"


def ask(folder: Path, function: str, *requirements: str, python: str = "3.11") -> Any:
    """What the function of the driver found in an environment with these requirements."""
    release = Release(
        runtime="", requirements=requirements, python=python, provider="", refuses={}
    )  # fmt: skip
    made, answer = environment(release, folder), folder / "answer.json"
    done = subprocess.run(
        [made, "-X", "faulthandler", DRIVER, ROOT, function, folder, answer],
        check=False, timeout=300, capture_output=True, text=True, errors="replace", cwd=folder,
    )  # fmt: skip
    if not answer.exists():
        pytest.fail(done.stderr[-3000:])
    return json.loads(answer.read_text())


def assert_digits(told: Any, *, outputs: str = "logits") -> None:
    """Those of digits-cnn for its images."""
    [[(name, numbers)], _] = told
    with np.load(FORMATS / "batch-expected.npz") as archive:
        expected = archive["0"]
    assert name == outputs
    np.testing.assert_allclose(np.reshape(numbers, expected.shape), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("requirements", "python", "lacks"),
    [
        (("torch==2.13.0", "numpy"), "3.11", ()),
        (("torch==1.12.1", "numpy<2"), "3.10",
         ("float8e4m3fn", "float8e5m2", "float8e4m3fnuz", "float8e5m2fnuz")),
    ],
    ids=["2.13.0", "1.12.1"],
)  # fmt: skip
def test_values_in_torch(
    tmp_path: Path, requirements: tuple[str, ...], python: str, lacks: tuple[str, ...]
) -> None:
    told = ask(tmp_path, "torch_values", *requirements, python=python)
    for dtype, found in told["round_trips"].items():
        if dtype in lacks:
            assert found == f"torch {found.split()[1]} has no {dtype}"
            assert found.split()[1].startswith(requirements[0].partition("==")[2])
        else:
            assert found == [dtype, [1.0, -2.0], True], dtype
    one = "tensor([1.])"
    assert told["sequence"] == f"[{one}, {one}]"
    assert (told["full"], told["empty"], told["none"]) == (one, None, None)
    assert told["map"] == {"5": one}
    assert told["map of numbers"] == "TypeError: torch takes no map of numbers here"
    assert (told["words"], told["word"]) == (["a", "b"], "a")
    assert told["int4"].endswith("has no int4")
    assert told["nothing"] == "none"
    same = (
        "its own memory", "dictionary", "words as keys", "list", "number", "conjugate", "graph",
    )  # fmt: skip
    assert [name for name in same if not told[name]] == []
    assert told["quantized"] == "0305"  # the codes, as other runtimes give them
    assert told["named by key"] == ["a", "b"]
    assert told["named by position"] == ["output_0", "output_1"]
    assert told["one by position"] == ["output_0"]
    assert told["types"] == ["float16", "int64", "torch.qint8"]
    offered, there = told["cuda"]
    assert offered == there
    here, nowhere = told["unavailable"]
    assert here is None
    assert "sundial" in nowhere


def test_litert(tmp_path: Path) -> None:
    told = ask(tmp_path, "litert", "ai-edge-litert==2.3.0")
    unnamed, absent = told["delegate"]
    assert unnamed == "the option delegate_library names no library"
    assert "cannot open shared object file" in absent
    assert told["contradiction"] == ("ValueError: graph_optimization: disabled leaves xnnpack out")
    assert told["no signature"] == (
        "ValueError: the file has no signature 'training'; it has ['serving_default']"
    )
    for name in ("default", "built-in", "named"):
        assert_digits(told[name])
        assert told[name][1] == {"cpu": 7}
    [(name, dtype, shape)] = told["int8"]
    assert (name, dtype, shape) == ("image", "int8", ["", 1, 8, 8])


def test_litert_of_tensorflow(tmp_path: Path) -> None:
    told = ask(tmp_path, "litert_in_tensorflow", "tensorflow-cpu==2.20.0")
    assert told["version"] == "2.20.0"
    assert_digits([told["found"], None])
    assert told["ran_on"] == {"cpu": 7}


@pytest.mark.parametrize(
    "requirements",
    [("opencv-python-headless==5.0.0.93",), ("opencv-python-headless==4.10.0.84", "numpy<2.3")],
    ids=["5.0", "4.10"],
)
def test_opencv(tmp_path: Path, requirements: tuple[str, ...]) -> None:
    told = ask(tmp_path, "opencv", *requirements)
    for reason in told["unavailable"].values():
        assert "getAvailableTargets(" in reason or "this OpenCV has no DNN_BACKEND_" in reason
    assert_digits(told["default"])
    assert_digits(told["disabled"])
    if "5.0" in requirements[0]:
        assert told["engines"] == {"auto": None, "classic": None, "new": None}
        assert_digits(told["classic"])
    else:
        assert set(told["engines"].values()) == {"ValueError: OpenCV 4.10.0 has no engines"}
    assert told["format"] == (
        "ValueError: opencv_dnn has no format for 'model.pt': it loads .onnx, .prototxt, .tflite"
    )
    assert told["two"][0] == [["product", [10.0, 21.0]], ["sum", [7.0, 10.0]]]
    assert told["tflite"][0] == ["0"]
    assert "OpenCV does not tell the shapes" in told["tflite"][1]


def test_ncnn(tmp_path: Path) -> None:
    told = ask(tmp_path, "ncnn", "ncnn==1.0.20261020")
    assert told["vulkan"]
    assert told["providers"] == ["cpu"]
    assert told["no weights"].startswith("RuntimeError: load_model = -1")
    with np.load(FORMATS / "one-expected.npz") as archive:
        expected = archive["0"].reshape(-1)
    for name in ("exact", "plain"):
        [[(_, numbers)], ran_on] = told[name]
        np.testing.assert_allclose(numbers, expected, rtol=1e-4, atol=1e-4)
        assert ran_on == {"cpu": 5}


@pytest.mark.parametrize("release", ["2026.4.1", "2024.6.0"])
def test_openvino(tmp_path: Path, release: str) -> None:
    told = ask(tmp_path, "openvino", f"openvino=={release}")
    off, speed, threads = told["options"].values()
    assert off == "ValueError: graph_optimization is all or disabled, not 'off'"
    assert speed == (
        "ValueError: openvino has no option 'speed'. "
        "Known here: graph_optimization, inference_precision, threads."
    )
    assert threads is None
    for name in ("disabled", "AUTO", "HETERO", "optional"):
        assert told[name] == [[["y", [0.0, 1.0]]], {"CPU": 1}], name
    here, nowhere, odd = told["unavailable"]
    assert here is None
    assert "NOWHERE" in nowhere
    assert "NO_SUCH_PROPERTY" in odd
    assert told["bits"] == ["bfloat16", "0000803f"]
    assert told["sequence"] == "TypeError: openvino takes tensors, not a sequence"
    assert told["complex"] == "TypeError: openvino has no element type complex64"
    inputs, signature, opset = told["xml"]
    assert (inputs, signature, opset) == (["x"], [["x", "float32", ["", 2]]], 0)
    assert told["no node"] is None
    assert told["empty"] == [[["x", [-1.0, 1.0]]], {}]


def test_tensorflow(tmp_path: Path) -> None:
    told = ask(tmp_path, "tensorflow", "tensorflow-cpu==2.21.0")
    assert "gpu" in told["gpu"].lower()
    assert told["providers"] == ["cpu"]
    assert told["which"] == (
        "ValueError: the SavedModel has no signature 'serving_default'; "
        "it has ['double', 'lengths']"
    )
    assert told["only"][0] == told["disabled"][0] == [["y", [2.0, 4.0]]]
    assert set(told["only"][1]) == {"cpu"}
    assert told["words"][0] == [["lengths", [1, 4]], ["words", ["a", "word"]]]
    assert told["open"] == [["x", "float32", []]]
    assert "cannot open shared object file" in told["library"]
    assert (told["ragged"], told["sparse"]) == ([2, 2], [1, 2])
    listed, keyed = told["keras"]["list"], told["keras"]["dictionary"]
    for signature, (_, ran_on) in (listed, keyed):
        assert signature == [["a", "float32", ["", 2]], ["b", "float32", ["", 2]]]
        assert set(ran_on) == {"cpu"}
    assert listed[1][0] == [["output_0", [7.0, 4.0]], ["output_1", [5.0, 3.0]]]
    assert keyed[1][0] == [["peak", [5.0, 3.0]], ["total", [7.0, 4.0]]]
