"""One network for handwritten digits, and what makes networks smaller or faster done to it.

scikit-learn trains the original on its own digits. Each other function makes a variant of it: half
the bytes a weight, eight bits a weight, fewer neurons, a small network that learnt from it; and one
whose weights are lost, as a control. All get the same held-out digits, and bring their labels.
Everything starts from fixed seeds, so that each function trains the same original.
"""

import tempfile
import warnings
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, load, numpy_helper, save
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

SEED = 20260501
HIDDEN = (256, 128)
IR_VERSION, OPSET = 9, 19


def original():
    """float32, as it was trained."""
    return _made(_graph(_trained()))


def float16():
    """Weights and arithmetic in float16; inputs and outputs stay float32."""
    return _made(_graph(_trained(), half=True))


def int8_dynamic():
    """Weights in 8 bits; activations are quantized while it runs, each by its own range."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    return _made(_rewritten(quantize_dynamic, weight_type=QuantType.QInt8))


def int8_static():
    """Weights and activations in 8 bits, ranges from 200 digits that it was trained on."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Seen(CalibrationDataReader):
        def __init__(self):
            self.rows = iter(_digits()[0][:200])

        def get_next(self):
            row = next(self.rows, None)
            return None if row is None else {"pixels": row[None]}

    return _made(_rewritten(quantize_static, Seen(), quant_format=QuantFormat.QDQ))


def pruned():
    """Two thirds of the neurons of each hidden layer: those whose weights are the largest."""
    layers = _trained()
    for at in range(len(layers) - 1):
        (weights, bias), (after, more) = layers[at : at + 2]
        size = np.linalg.norm(weights, axis=0) * np.linalg.norm(after, axis=1)
        kept = np.sort(np.argsort(size)[size.size // 3 :])
        layers[at : at + 2] = [(weights[:, kept], bias[kept]), (after[kept], more)]
    return _made(_graph(layers))


def distilled():
    """A network of 32 neurons that learnt the original's scores."""
    seen = _digits()[0]
    student = MLPRegressor(hidden_layer_sizes=(32,), max_iter=150, random_state=7)
    with warnings.catch_warnings(action="ignore"):  # that it could learn for longer
        student.fit(seen, _scores(_trained(), seen))
    return _made(_graph(_layers(student)))


def zeroed():
    """The control: all weights lost, which loads and runs as if nothing were wrong."""
    return _made(_graph([(0 * weights, bias) for weights, bias in _trained()]))


def _digits():
    """(seen, held out) pixels, (seen, held out) labels."""
    pixels, right = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    return train_test_split(pixels, right, test_size=0.2, random_state=SEED, stratify=right)


def _trained():
    """The original's layers."""
    seen, _, right, _ = _digits()
    model = MLPClassifier(HIDDEN, max_iter=40, random_state=7)
    with warnings.catch_warnings(action="ignore"):
        model.fit(seen, right)
    return _layers(model)


def _layers(model):
    """(weights, bias) of each layer, float32."""
    both = zip(model.coefs_, model.intercepts_, strict=True)
    return [(weights.astype("float32"), bias.astype("float32")) for weights, bias in both]


def _scores(layers, rows):
    for weights, bias in layers[:-1]:
        rows = np.maximum(rows @ weights + bias, 0)
    return rows @ layers[-1][0] + layers[-1][1]


def _graph(layers, *, half=False):
    """The layers as an ONNX model from `pixels` to `scores`."""
    inner = "float16" if half else "float32"
    nodes, held, found = [], [], "pixels"
    if half:
        found = "half"
        nodes.append(helper.make_node("Cast", ["pixels"], [found], to=TensorProto.FLOAT16))
    for at, layer in enumerate(layers):
        names = [f"weights{at}", f"bias{at}"]
        held += [numpy_helper.from_array(each.astype(inner), name)
                 for each, name in zip(layer, names, strict=True)]  # fmt: skip
        last = at == len(layers) - 1
        out = "scores" if last and not half else f"sum{at}"
        nodes.append(helper.make_node("Gemm", [found, *names], [out]))
        if not last:
            found = f"hidden{at}"
            nodes.append(helper.make_node("Relu", [out], [found]))
    if half:
        nodes.append(helper.make_node("Cast", [out], ["scores"], to=TensorProto.FLOAT))
    pixels, scores = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size])
        for name, size in (("pixels", layers[0][0].shape[0]), ("scores", layers[-1][0].shape[1]))
    )
    graph = helper.make_graph(nodes, "digits", [pixels], [scores], held)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    checker.check_model(model)
    return model


def _rewritten(quantize, *more, **settings):
    """What a function that goes from file to file makes of the original."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        save(_graph(_trained()), before)
        quantize(before, after, *more, **settings)
        return load(after)


def _made(model):
    _, held, _, right = _digits()
    return {"model": model, "inputs": {"pixels": held}, "labels": right}
