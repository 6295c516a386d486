"""The models that the shipped matrices carry: small, old enough, and right about themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

MODELS = Path(__file__).parents[2] / "matrices" / "models"
FOLDERS = sorted(path.parent for path in MODELS.glob("*/model.onnx"))
NAMES = [folder.name for folder in FOLDERS]
LARGEST = 300_000
NEWEST = {"": 17, "ai.onnx.ml": 3}  # what onnxruntime 1.15 takes

models = pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)


def data(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs and expected outputs, never unpickled."""
    if (folder / "holdout.npz").is_file():
        found = []
        for name in ("holdout.npz", "holdout-expected.npz"):
            with np.load(folder / name, allow_pickle=False) as archive:
                found.append({key: archive[key] for key in archive.files})
        return found[0], found[1]
    found = []
    for kind in ("input", "output"):
        tensors = [
            onnx.load_tensor(path)
            for path in sorted((folder / "test_data_set_0").glob(f"{kind}_*.pb"))
        ]
        found.append({tensor.name: numpy_helper.to_array(tensor) for tensor in tensors})
    return found[0], found[1]


def test_every_model_has_a_maker():
    tree = ast.parse((MODELS / "make.py").read_text("utf-8"))
    table = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "MODELS"
    )
    assert isinstance(table, ast.Dict)
    assert sorted(key.value for key in table.keys) == NAMES


def test_there_are_enough_kinds():
    operators = {node.op_type for f in FOLDERS for node in onnx.load(f / "model.onnx").graph.node}
    assert {"Conv", "QuantizeLinear", "LSTM", "LayerNormalization", "Softmax"} <= operators
    assert {"TreeEnsembleClassifier", "Scaler", "OneHotEncoder", "LinearClassifier"} <= operators
    assert any((folder / "weights.bin").is_file() for folder in FOLDERS)


@models
def test_old_runtimes_take_it(folder: Path):
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    domains = [entry.domain for entry in model.opset_import]
    assert len(domains) == len(set(domains))
    assert all(entry.version <= NEWEST[entry.domain] for entry in model.opset_import)


@models
def test_it_is_small(folder: Path):
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < LARGEST


@models
def test_data_fits_the_graph(folder: Path):
    graph = onnx.load(folder / "model.onnx").graph
    inputs, outputs = data(folder)
    for values, arrays in ((graph.input, inputs), (graph.output, outputs)):
        assert [value.name for value in values] == list(arrays)
        for value in values:
            array, declared = arrays[value.name], value.type.tensor_type
            text = declared.elem_type == onnx.TensorProto.STRING
            assert array.dtype.kind == "U" if text else True
            if not text:
                assert onnx.helper.np_dtype_to_tensor_dtype(array.dtype) == declared.elem_type
                assert np.isfinite(array).all()
            dims = declared.shape.dim
            assert len(dims) == array.ndim
            for dim, size in zip(dims, array.shape, strict=True):
                assert dim.dim_value in {0, size}
                assert size > 0


@models
def test_the_reference_evaluator_agrees(folder: Path):
    """Expected outputs came from the libraries; here a second, slow opinion must say the same."""
    model = onnx.load(folder / "model.onnx")
    inputs, expected = data(folder)
    inputs = {
        name: array.astype(object) if array.dtype.kind == "U" else array
        for name, array in inputs.items()
    }
    if folder.name == "digits-cnn-int8":  # onnx.reference has no DequantizeLinear-13
        model = onnx.version_converter.convert_version(model, 19)
    answers = ReferenceEvaluator(model).run(None, inputs)
    for (name, wanted), answer in zip(expected.items(), answers, strict=True):
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(answer, wanted, rtol=1e-3, atol=1e-5, err_msg=name)
        else:
            assert np.asarray(answer).astype(wanted.dtype).tolist() == wanted.tolist()


def test_predictions_are_worth_something():
    """A model that learned nothing would pass every parity check and show nothing."""
    _, outputs = data(MODELS / "digits-cnn")
    assert len(set(outputs["logits"].argmax(1).tolist())) > 5
    _, outputs = data(MODELS / "weather-onehot")
    assert len(set(outputs["label"].tolist())) == 3
