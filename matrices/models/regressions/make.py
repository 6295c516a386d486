"""Make the small models of public issues, with inputs and right answers (see expectations.yaml).

    python make.py                # onnx and numpy: the ONNX ones
    python make.py provider       # onnx and numpy: those of a provider
    python make.py old-binary     # xgboost==1.7.6: a model in the binary format that 3.1 dropped
    python make.py old-text       # lightgbm==3.3.5: a model file of the third major release

Each answer is worked out here in plain numpy from the operator's definition, or is the library's
own at the time when it wrote the file; none comes from a runtime that is accused.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FORMATS = HERE.parent / "formats"


def save(name, **arrays):
    np.savez_compressed(HERE / name, **arrays)


def write(name, nodes, inputs, outputs, *, opset, weights=None, domains=None):
    """One model; inputs and outputs are name -> array, outputs may be only (dtype, rank)."""
    import onnx
    from onnx import helper, numpy_helper

    def info(key, array):
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(key, kind, array.shape)

    graph = helper.make_graph(
        nodes,
        name,
        [info(*pair) for pair in inputs.items()],
        [info(*pair) for pair in outputs.items()],
        initializer=[numpy_helper.from_array(w, key) for key, w in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(*pair) for pair in (domains or {}).items()]
    model = helper.make_model(graph, ir_version=8, opset_imports=imports)
    onnx.save(model, str(HERE / (name + ".onnx")))
    save(name + ".npz", **inputs)
    save(name + "-expected.npz", **outputs)


def averages(padded, kernel, stride):
    """Plain averages of a 2-D array."""
    rows = range(0, padded.shape[0] - kernel + 1, stride)
    columns = range(0, padded.shape[1] - kernel + 1, stride)
    return np.array(
        [[padded[r : r + kernel, c : c + kernel].mean() for c in columns] for r in rows], "float32"
    )


def every_onnx():
    """All models that are ONNX."""
    from onnx import helper

    node = helper.make_node
    square = np.ones((1, 1, 2, 2), "float32")
    wanted = averages(np.pad(square[0, 0], ((0, 1), (0, 1))), 2, 1)[None, None]
    write(
        "averagepool-uneven-pads",
        [node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], pads=[0, 0, 1, 1],
              count_include_pad=1)],
        {"x": square}, {"y": wanted}, opset=19,
    )  # fmt: skip

    line = np.arange(1, 10, dtype="float32")[None, None]
    padded = np.pad(line[0, 0], 3)  # windows begin at 0, 3, 6, 9; the last one runs past the end
    wanted = np.array([[[padded[at : at + 7].mean() for at in (0, 3, 6, 9)]]], "float32")
    write(
        "averagepool-ceil-counts-phantoms",
        [node("AveragePool", ["x"], ["y"], kernel_shape=[7], strides=[3], pads=[3, 3],
              ceil_mode=1, count_include_pad=1)],
        {"x": line}, {"y": wanted}, opset=13,
    )  # fmt: skip

    image = np.arange(1, 10, dtype="float32").reshape(1, 1, 3, 3)
    wanted = averages(np.pad(image[0, 0], 1), 2, 1)[None, None]
    write(
        "pad-averagepool-fusion",
        [node("Pad", ["x", "pads"], ["padded"]),
         node("AveragePool", ["padded"], ["y"], kernel_shape=[2, 2])],
        {"x": image}, {"y": wanted}, opset=13,
        weights={"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], "int64")},
    )  # fmt: skip

    numbers = np.array([6, 4, -8], "int8")
    write(
        "int8-division-by-zero", [node("Div", ["a", "b"], ["y"])],
        {"a": numbers, "b": np.zeros((), "int8")}, {"y": numbers}, opset=14,
    )  # fmt: skip
    write(
        "int32-modulo-by-zero", [node("Mod", ["a", "b"], ["y"])],
        {"a": numbers.astype("int32"), "b": np.zeros(3, "int32")}, {"y": numbers.astype("int32")},
        opset=13,
    )  # fmt: skip

    row = np.array([2, 7, 4], "float32")
    wanted = np.array([2, 3.25, 5.75, 6.25, 4.75, 4], "float32").round()
    one, none = np.float32(1.0), np.int8(0)
    write(
        "qdq-resize-linear",
        [node("QuantizeLinear", ["x", "one", "none"], ["xq"]),
         node("DequantizeLinear", ["xq", "one", "none"], ["xd"]),
         node("Resize", ["xd", "", "", "sizes"], ["r"], mode="linear",
              coordinate_transformation_mode="half_pixel"),
         node("QuantizeLinear", ["r", "one", "none"], ["yq"]),
         node("DequantizeLinear", ["yq", "one", "none"], ["y"])],
        {"x": row[None, None, None]}, {"y": wanted[None, None, None]}, opset=13,
        weights={"one": np.asarray(one), "none": np.asarray(none),
                 "sizes": np.array([1, 1, 1, 6], "int64")},
    )  # fmt: skip

    given = (np.arange(9, dtype="float32").reshape(1, 1, 3, 3) - 4) / 4
    scales = {"sx": 0.01, "sw": 0.02, "sb": 0.05, "sy": 0.05}
    codes = np.array([[[[50, -30], [20, 10]]]], "int8")
    bias = np.array([-20], "int32")
    x = np.clip(np.round(given / 0.01) + 128, 0, 255) - 128
    patches = np.array([[(x[0, 0, r : r + 2, c : c + 2] * codes[0, 0]).sum() for c in range(2)]
                        for r in range(2)])  # fmt: skip
    real = patches * 0.01 * 0.02 + bias[0] * 0.05
    wanted = (np.clip(np.round(real / 0.05) + 128, 0, 255) - 128) * 0.05
    write(
        "qdq-conv-odd-bias-scale",
        [node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
         node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
         node("DequantizeLinear", ["w", "sw", "zw"], ["wd"]),
         node("DequantizeLinear", ["b", "sb", "zb"], ["bd"]),
         node("Conv", ["xd", "wd", "bd"], ["c"], kernel_shape=[2, 2]),
         node("QuantizeLinear", ["c", "sy", "zx"], ["yq"]),
         node("DequantizeLinear", ["yq", "sy", "zx"], ["y"])],
        {"x": given}, {"y": wanted.astype("float32")[None, None]}, opset=13,
        weights={**{key: np.asarray(np.float32(scale)) for key, scale in scales.items()},
                 "zx": np.asarray(np.uint8(128)), "zw": np.asarray(np.int8(0)),
                 "zb": np.asarray(np.int32(0)), "w": codes, "b": bias},
    )  # fmt: skip

    left, right = np.array([[210, 198, 234]], "uint8"), np.array([[-81], [-80], [127]], "int8")
    exact = left.astype("int64") @ right.astype("int64")
    write(
        "qgemm-saturates",
        [node("QGemm", ["x", "sa", "za", "w", "sb", "zb", "c"], ["y"], domain="com.microsoft")],
        {"x": left}, {"y": (exact * 0.01 * 0.01).astype("float32")}, opset=13,
        domains={"com.microsoft": 1},
        weights={"sa": np.asarray(np.float32(0.01)), "za": np.asarray(np.uint8(0)), "w": right,
                 "sb": np.asarray(np.float32(0.01)), "zb": np.asarray(np.int8(0)),
                 "c": np.zeros(1, "int32")},
    )  # fmt: skip

    channels = np.arange(1, 21, dtype="float32").reshape(1, 5, 2, 2)
    alpha, beta, one, size = 0.5, 0.75, 1.0, 3
    sums = np.stack([(channels[0, max(0, c - 1) : c + 2] ** 2).sum(0) for c in range(5)])[None]
    write(
        "lrn-over-batches",
        [node("LRN", ["x"], ["y"], alpha=alpha, beta=beta, bias=one, size=size)],
        {"x": channels},
        {"y": (channels / (one + alpha / size * sums) ** beta).astype("float32")}, opset=13,
    )  # fmt: skip

    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11]]], "float32")
    write(
        "nms-defaults", [node("NonMaxSuppression", ["boxes", "scores"], ["y"])],
        {"boxes": boxes, "scores": np.array([[[0.9, 0.75, 0.6]]], "float32")},
        {"y": np.zeros((0, 3), "int64")}, opset=11,
    )  # fmt: skip

    block = (np.arange(24, dtype="float32").reshape(1, 2, 3, 4) - 7) / 3
    for name, axes in (("opencv-reduce-mean", [1]), ("opencv-reduce-mean-last", [-1])):
        write(
            name, [node("ReduceMean", ["x"], ["y"], axes=axes, keepdims=1)],
            {"x": block}, {"y": block.mean(tuple(axes), keepdims=True)}, opset=13,
        )  # fmt: skip


def table():
    """Rows of the table that formats/ holds, and labels that follow from the first columns."""
    with np.load(FORMATS / "cancer.npz", allow_pickle=False) as archive:
        rows = archive["0"]
    return rows, (rows[:, 0] < np.median(rows[:, 0])).astype("float32")


def old_binary():
    """A classifier in XGBoost's binary format of before JSON."""
    import xgboost

    rows, labels = table()
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "base_score": 0.5},
        xgboost.DMatrix(rows, labels), 5,
    )  # fmt: skip
    booster.save_model(str(HERE / "xgboost-old-binary.deprecated"))
    save("xgboost-old-binary-expected.npz", **{"0": booster.predict(xgboost.DMatrix(rows))})


def old_text():
    """A classifier of LightGBM 3."""
    import lightgbm

    rows, labels = table()
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 3, "verbosity": -1, "num_threads": 1,
         "min_data_in_leaf": 5},
        lightgbm.Dataset(rows, labels), 5,
    )  # fmt: skip
    booster.save_model(str(HERE / "lightgbm-3.txt"))
    save("lightgbm-3-expected.npz", **{"0": booster.predict(rows)})


def provider():
    """A mean behind convolutions, the first of several least elements, sums along one axis."""
    from onnx import helper

    rng = np.random.default_rng(20357)
    images = rng.standard_normal((2, 3, 16, 16)).astype("float32")
    weights = {
        "w1": rng.uniform(-0.2, 0.2, (64, 3, 3, 3)).astype("float32"),
        "b1": rng.uniform(-0.2, 0.2, 64).astype("float32"),
        "w2": rng.uniform(-0.1, 0.1, (1, 64, 1, 1)).astype("float32"),
        "b2": np.full(1, 0.5, "float32"),
    }
    padded = np.pad(images.astype("float64"), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    first = np.einsum("nchwyx,ocyx->nohw", windows, weights["w1"]) + weights["b1"][:, None, None]
    second = np.einsum("nchw,oc->nohw", first, weights["w2"][:, :, 0, 0]) + weights["b2"][0]
    write(
        "openvino-provider-mean-of-all-axes",
        [helper.make_node("Conv", ["x", "w1", "b1"], ["first"], pads=[1, 1, 1, 1]),
         helper.make_node("Conv", ["first", "w2", "b2"], ["second"]),
         helper.make_node("ReduceMean", ["second"], ["y"], axes=[1, 2, 3], keepdims=0)],
        {"x": images}, {"y": second.mean(axis=(1, 2, 3)).astype("float32")}, opset=13,
        weights=weights,
    )  # fmt: skip

    far = np.array([[89, 89], [100, 88], [200, -10]], "float32")
    wide = far.astype("float64")
    wanted = np.log(np.exp(wide - wide.max(1, keepdims=True)).sum(1)) + wide.max(1)
    for name, opset in (("log-sum-exp-12", 12), ("log-sum-exp", 13)):
        write(
            name, [helper.make_node("ReduceLogSumExp", ["x"], ["y"], axes=[1], keepdims=0)],
            {"x": far}, {"y": wanted.astype("float32")}, opset=opset,
        )  # fmt: skip

    cube = np.arange(24, dtype="float32").reshape(2, 3, 4)
    write(
        "reduce-l1-axes",
        [helper.make_node("ReduceL1", ["x"], ["y"], axes=[1], keepdims=1)],
        {"x": cube}, {"y": cube.sum(1, keepdims=True)}, opset=13,
    )  # fmt: skip

    many = np.random.default_rng(27416).uniform(-10, 10, 64).astype("float32")
    many[[9, 21, 40, 55]] = -np.inf
    write(
        "argmin-first-infinity",
        [helper.make_node("ArgMin", ["x"], ["y"], axis=0, keepdims=1, select_last_index=0)],
        {"x": many}, {"y": many.argmin(0, keepdims=True)}, opset=13,
    )  # fmt: skip

    few = np.full(16, -1, "int32")
    few[:4] = 0
    write(
        "argmin-ties", [helper.make_node("ArgMin", ["x"], ["y"], axis=0, keepdims=1)],
        {"x": few}, {"y": few.argmin(0, keepdims=True)}, opset=11,
    )  # fmt: skip


PARTS = {"onnx": every_onnx, "provider": provider, "old-binary": old_binary, "old-text": old_text}

if __name__ == "__main__":
    for part in sys.argv[1:] or ["onnx"]:
        PARTS[part]()
