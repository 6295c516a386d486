"""TensorRT without a GPU: over a fake of the vendor's module, and what the vendor's wheel says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_modelcompat.worker.arrays import from_array, to_array
from pytest_modelcompat.worker.runtimes import adapter
from pytest_modelcompat.worker.runtimes import tensorrt as ours
from tests.contract import _fake_tensorrt as fake
from tests.contract.test_runtimes import ROOT, Release, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = ROOT / "matrices" / "models" / "digits-cnn"
WHEEL = "tensorrt-cu12-bindings==11.4.0.106"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setitem(sys.modules, "tensorrt", fake.module())
    monkeypatch.setattr(ours, "Cuda", fake.Cuda)
    monkeypatch.setattr(fake.Builder, "configs", [])
    made = adapter("tensorrt", "tensorrt")
    assert made.unavailable("cuda", {}) is None
    yield made
    assert not fake.MEMORY, "memory of the device was not given back"


def images() -> tuple[np.ndarray, np.ndarray]:
    with np.load(MODEL / "holdout.npz") as inputs, np.load(MODEL / "holdout-expected.npz") as out:
        return inputs["image"], out["logits"]


def test_right_answers_for_two_sizes(made: Any) -> None:
    session = made.load(str(MODEL / "model.onnx"), "cuda", {})
    session.assign()
    assert session.inputs() == ["image"]
    assert session.signature() == [("image", "float32", ("", 1, 8, 8))]
    given, expected = images()
    for count in (16, 3):
        [(name, found)] = session.run({"image": from_array(given[:count])})
        assert name == "logits"
        np.testing.assert_allclose(to_array(found), expected[:count], rtol=1e-3, atol=1e-4)
    assert session.placement() == {"cuda": 7}
    assert len(fake.Builder.configs) == 2
    session.close()


def test_options_reach_the_builder(made: Any) -> None:
    options = {"precision": "float16", "graph_optimization": "disabled", "workspace": "8"}
    session = made.load((MODEL / "model.onnx").read_bytes(), "cuda:0", options)
    session.assign()
    session.run({"image": from_array(images()[0])})
    [config] = fake.Builder.configs
    assert config.flags == {"fp16"}
    assert config.builder_optimization_level == 0
    assert config.limits == {"workspace": 8 << 20}


def test_an_engine_that_was_built_before(made: Any, tmp_path: Path) -> None:
    path = tmp_path / "digits.engine"
    path.write_bytes(b"ftrt" + (MODEL / "model.onnx").read_bytes())
    session = made.load(str(path), "cuda", {})
    session.assign()
    given, expected = images()
    [(_, found)] = session.run({"image": from_array(given)})
    np.testing.assert_allclose(to_array(found), expected, rtol=1e-3, atol=1e-4)
    path.write_bytes(b"this is no engine")
    with pytest.raises(RuntimeError, match="deserialize_cuda_engine gave nothing"):
        made.load(str(path), "cuda", {})


def test_refusals(made: Any) -> None:
    with pytest.raises(RuntimeError, match="importModel"):
        made.load(b"this is no model", "cuda", {})
    for options in ({"graph_optimisation": "all"}, {"threads": "many"}, {"workspace": "0"}):
        with pytest.raises(ValueError, match=r".+"):
            made.check(options)
    session = made.load(str(MODEL / "model.onnx"), "cuda", {})
    session.assign()
    given = images()[0]
    with pytest.raises(ValueError, match="inputs without a value: image"):
        session.run({})
    with pytest.raises(TypeError, match="image is float32, not float64"):
        session.run({"image": from_array(given.astype("float64"))})
    with pytest.raises(ValueError, match="is refused"):
        session.run({"image": from_array(given[..., :3].copy())})


def test_devices_that_are_not_there(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made.info()["devices"] == ["cuda:0"]
    assert made.unavailable("cuda:1", {}) == "cuda:1 of 1 CUDA devices"
    assert made.unavailable("sundial", {}) == "tensorrt has no provider sundial"
    monkeypatch.setattr(fake.Cuda, "count", 0)
    assert made.unavailable("cuda", {}) == "cuda of 0 CUDA devices"
    monkeypatch.setattr(made, "cuda", None)

    def no_library() -> None:
        raise OSError("libcudart.so: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(ours, "Cuda", no_library)
    assert "cannot open shared object file" in made.unavailable("cuda", {})


def test_no_module_at_all_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="No module named 'tensorrt'"):
        adapter("tensorrt", "tensorrt")


@pytest.mark.network
@pytest.mark.slow
def test_the_vendors_wheel_says_what_is_missing_here(tmp_path: Path) -> None:
    release = Release(
        runtime="tensorrt", requirements=(WHEEL, "numpy"), python="3.10", provider="", refuses={}
    )
    ask = (
        "import json, os, runpy, sys; observer = os.environ.get('MODELCOMPAT_COVERAGE');"
        "observer and runpy.run_path(observer); sys.path.insert(0, sys.argv[1]);"
        "from pytest_modelcompat.worker.runtimes import adapter;"
        "made = adapter('tensorrt', 'tensorrt-cu12-bindings');"
        "print(json.dumps([made.info(), made.unavailable('cuda', {})]))"
    )
    done = subprocess.run(
        [environment(release, tmp_path), "-c", ask, str(ROOT)],
        check=True, capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    info, reason = json.loads(done.stdout)
    assert info["version"] == "11.4.0.106"
    assert info["providers"] == []
    assert reason == (
        "libnvonnxparser.so.11: cannot open shared object file: No such file or directory"
    )
