"""Write one network, digits-cnn, in the own formats of many runtimes.

    python make.py weights        # numpy, onnx: the weights of ../digits-cnn, and its data
    python make.py caffe ncnn     # numpy
    python make.py tflite         # tensorflow-cpu==2.21.0
    python make.py saved          # tensorflow-cpu of any release, makes saved-RELEASE
    python make.py plain          # tensorflow-cpu==2.20.0: channels last, and a flex operator
    python make.py keras          # tensorflow-cpu==2.20.0
    python make.py opset9         # onnx, numpy: as MXNet's import wants it
    python make.py opset13        # onnx, numpy: as the package for phones wants it
    python make.py torchscript    # torch of any release, makes scripted-RELEASE.pt, traced-…
    python make.py exported       # torch from 2.1 on, makes exported-RELEASE.pt2
    python make.py mxnet          # mxnet==1.9.1, Python 3.8, numpy<1.24
    python make.py trees          # scikit-learn, xgboost, lightgbm, skops

Each line runs in an environment of its own, which has what its comment names. All files hold the
weights that `../make.py` trained, and all are judged against the answers that torch gave there, so
a format that says something else has a writer or a reader that is wrong. Two files are not
expected to give the very same numbers: those that are quantized have answers of their own, from
the interpreter of the release that made them without any delegate. What the tree libraries save is
judged against their own predictions at that time.

It speaks Python 3.8, because the oldest of these releases do.
"""

import shutil
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "digits-cnn"
CANCER = HERE.parent / "cancer-boosting"
SEED = 20260501


def save(name, **arrays):
    np.savez_compressed(HERE / name, **arrays)


def load(name):
    with np.load(HERE / name, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def weights():
    """Weights by layer, the batch of 16 images, and one image alone for what has no batches."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(SOURCE / "model.onnx")).graph
    held = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    found = {}
    for name, node in zip(("first", "second", "last"), layers):
        found[name], found[name + "_bias"] = (held[key] for key in node.input[1:3])
    save("weights.npz", **found)
    with np.load(SOURCE / "holdout.npz") as archive:
        images = archive["image"]
    with np.load(SOURCE / "holdout-expected.npz") as archive:
        logits = archive["logits"]
    save("batch.npz", **{"0": images})
    save("batch-expected.npz", **{"0": logits})
    save("one.npz", **{"0": images[0]})
    save("one-expected.npz", **{"0": logits[0]})


# --- Caffe: a text and a protobuf, written by hand ----------------------------------------------

PROTOTXT = """name: "digits-cnn"
input: "image"
input_shape { dim: 16 dim: 1 dim: 8 dim: 8 }
layer { name: "first" type: "Convolution" bottom: "image" top: "first"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "first_relu" type: "ReLU" bottom: "first" top: "first" }
layer { name: "second" type: "Convolution" bottom: "first" top: "second"
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 } }
layer { name: "second_relu" type: "ReLU" bottom: "second" top: "second" }
layer { name: "pool" type: "Pooling" bottom: "second" top: "pool"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "logits" type: "InnerProduct" bottom: "pool" top: "logits"
  inner_product_param { num_output: 10 } }
"""


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def blob(array):
    dims = b"".join(varint(dim) for dim in array.shape)
    data = np.ascontiguousarray(array, "<f4").tobytes()
    return field(7, field(1, dims)) + field(5, data)


def caffe():
    """NetParameter: layer = 100; of a layer name = 1, type = 2, blobs = 7."""
    held, out = load("weights.npz"), field(1, b"digits-cnn")
    kinds = (("first", "Convolution"), ("second", "Convolution"), ("last", "InnerProduct"))
    for name, kind in kinds:
        told = "logits" if name == "last" else name
        layer = field(1, told.encode()) + field(2, kind.encode())
        layer += field(7, blob(held[name])) + field(7, blob(held[name + "_bias"]))
        out += field(100, layer)
    (HERE / "caffe.prototxt").write_text(PROTOTXT, encoding="ascii")
    (HERE / "caffe.caffemodel").write_bytes(out)


# --- ncnn: a text and raw weights, written by hand ----------------------------------------------

PARAM = """7767517
6 6
Input            image   0 1 image 0=8 1=8 2=1
Convolution      first   1 1 image first 0=8 1=3 4=1 5=1 6=72 9=1
Convolution      second  1 1 first second 0=16 1=3 4=1 5=1 6=1152 9=1
Pooling          pool    1 1 second pool 0=0 1=2 2=2
Flatten          flat    1 1 pool flat
InnerProduct     logits  1 1 flat logits 0=10 1=1 2=2560
"""


def ncnn():
    """Weights follow a tag of four bytes (0: float32 as it is), biases follow without one."""
    held, out = load("weights.npz"), b""
    for name in ("first", "second", "last"):
        out += struct.pack("<I", 0) + held[name].astype("<f4").tobytes()
        out += held[name + "_bias"].astype("<f4").tobytes()
    (HERE / "ncnn.param").write_text(PARAM, encoding="ascii")
    (HERE / "ncnn.bin").write_bytes(out)


# --- TensorFlow ---------------------------------------------------------------------------------


def network(tf):
    """The network as a tf.Module with one signature; images have the channel first, as outside."""
    held = load("weights.npz")

    class Network(tf.Module):
        def __init__(self):
            super().__init__()
            for name, array in held.items():
                order = (2, 3, 1, 0) if array.ndim == 4 else (1, 0) if array.ndim == 2 else (0,)
                setattr(self, name, tf.Variable(array.transpose(order), name=name))

        @tf.function(input_signature=[tf.TensorSpec([None, 1, 8, 8], tf.float32, name="image")])
        def __call__(self, image):
            found = tf.transpose(image, [0, 2, 3, 1])
            found = tf.nn.relu(tf.nn.conv2d(found, self.first, 1, "SAME") + self.first_bias)
            found = tf.nn.relu(tf.nn.conv2d(found, self.second, 1, "SAME") + self.second_bias)
            found = tf.nn.max_pool2d(found, 2, 2, "VALID")
            found = tf.reshape(tf.transpose(found, [0, 3, 1, 2]), [-1, 256])
            return {"logits": tf.matmul(found, self.last) + self.last_bias}

    return Network()


def saved():
    """A SavedModel folder, named by the release."""
    import tensorflow as tf

    made = network(tf)
    folder = HERE / ("saved-" + tf.__version__)
    shutil.rmtree(str(folder), ignore_errors=True)
    tf.saved_model.save(made, str(folder), signatures=made.__call__.get_concrete_function())


def tflite():
    """Four files: float32, half-size weights, 8-bit weights, and 8-bit throughout."""
    import tensorflow as tf

    made = network(tf)
    images = load("batch.npz")["0"]
    function = made.__call__.get_concrete_function()
    for name in ("float32", "float16", "dynamic", "int8"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], made)
        if name != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if name == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if name == "int8":
            converter.representative_dataset = lambda: ([each[None]] for each in images)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        data = converter.convert()
        (HERE / f"tflite-{name}.tflite").write_bytes(data)
        if name not in ("dynamic", "int8"):
            continue
        interpreter = tf.lite.Interpreter(
            model_content=data,
            experimental_op_resolver_type=(
                tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )
        [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
        fed = images
        if name == "int8":
            scale, zero = taken["quantization"]
            fed = np.clip(np.round(images / scale) + zero, -128, 127).astype(np.int8)
            save("tflite-int8.npz", **{"0": fed})
        interpreter.resize_tensor_input(taken["index"], fed.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], fed)
        interpreter.invoke()
        answer = interpreter.get_tensor(given["index"])
        save(f"tflite-{name}-expected.npz", **{"0": answer})


def plain():
    """Without transpositions, as phones have it; and one operator that only TensorFlow has."""
    import tensorflow as tf

    held = load("weights.npz")
    last = held["last"].reshape(10, 16, 4, 4).transpose(2, 3, 1, 0).reshape(256, 10)

    @tf.function(input_signature=[tf.TensorSpec([1, 8, 8, 1], tf.float32, name="image")])
    def network(image):
        found = tf.nn.conv2d(image, held["first"].transpose(2, 3, 1, 0), 1, "SAME")
        found = tf.nn.relu(found + held["first_bias"])
        found = tf.nn.conv2d(found, held["second"].transpose(2, 3, 1, 0), 1, "SAME")
        found = tf.nn.relu(found + held["second_bias"])
        found = tf.reshape(tf.nn.max_pool2d(found, 2, 2, "VALID"), [1, 256])
        return {"logits": tf.matmul(found, last) + held["last_bias"]}

    @tf.function(input_signature=[tf.TensorSpec([2, 2], tf.float32, name="x")])
    def flex(x):
        return {"y": tf.linalg.inv(x)}

    for name, function in (("plain", network), ("flex", flex)):
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()], function
        )
        if name == "flex":
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS
            ]  # fmt: skip
        (HERE / f"tflite-{name}.tflite").write_bytes(converter.convert())
    save("last.npz", **{"0": load("one.npz")["0"].reshape(1, 8, 8, 1)})
    save("row.npz", **{"0": load("one.npz")["0"].reshape(1, 1, 8, 8)})
    save("last-expected.npz", **{"0": load("one-expected.npz")["0"].reshape(1, 10)})
    x = np.array([[2, 1], [0, 4]], "float32")
    save("flex.npz", **{"0": x})
    save("flex-expected.npz", **{"0": np.linalg.inv(x)})


def keras():
    """The file that Keras itself writes."""
    import tensorflow as tf

    held, layers = load("weights.npz"), tf.keras.layers
    image = tf.keras.Input((1, 8, 8), name="image")
    found = layers.Permute((2, 3, 1))(image)
    for name, count in (("first", 8), ("second", 16)):
        found = layers.Conv2D(count, 3, padding="same", activation="relu", name=name)(found)
    found = layers.Permute((3, 1, 2))(layers.MaxPooling2D(2)(found))
    model = tf.keras.Model(image, layers.Dense(10, name="last")(layers.Flatten()(found)))
    for name in ("first", "second", "last"):
        order = (2, 3, 1, 0) if held[name].ndim == 4 else (1, 0)
        model.get_layer(name).set_weights([held[name].transpose(order), held[name + "_bias"]])
    model.save(str(HERE / ("saved-" + tf.__version__ + ".keras")))


# --- torch --------------------------------------------------------------------------------------


def module(torch):
    held = {name: torch.from_numpy(array.copy()) for name, array in load("weights.npz").items()}

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(1, 8, 3, padding=1)
            self.second = torch.nn.Conv2d(8, 16, 3, padding=1)
            self.last = torch.nn.Linear(256, 10)

        def forward(self, image):
            found = torch.relu(self.first(image))
            found = torch.max_pool2d(torch.relu(self.second(found)), 2)
            return self.last(torch.flatten(found, 1))

    made = Network()
    with torch.no_grad():
        for name in ("first", "second", "last"):
            getattr(made, name).weight.copy_(held[name])
            getattr(made, name).bias.copy_(held[name + "_bias"])
    return made.eval()


def without_places(path):
    """Write an archive again without what tells only where its maker's sources lay."""
    with zipfile.ZipFile(str(path)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(str(path), "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            if not name.endswith(".debug_pkl"):
                archive.writestr(zipfile.ZipInfo(name), data)


def torchscript():
    """The same by scripting and by tracing."""
    import torch

    release, made = torch.__version__.partition("+")[0], module(torch)
    images = torch.from_numpy(load("batch.npz")["0"])
    for name, compiled in (
        ("scripted", torch.jit.script(made)),
        ("traced", torch.jit.trace(made, images)),
    ):
        path = HERE / f"{name}-{release}.pt"
        compiled.save(str(path))
        without_places(path)


def exported():
    """By torch.export, the batch left open."""
    import torch

    release = torch.__version__.partition("+")[0]
    images = torch.from_numpy(load("batch.npz")["0"])
    dims = {"image": {0: torch.export.Dim("batch", min=1, max=64)}}
    program = torch.export.export(module(torch), (images,), dynamic_shapes=dims)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    torch.export.save(program, str(HERE / f"exported-{release}.pt2"))


# --- MXNet --------------------------------------------------------------------------------------


def mxnet():
    """Symbol and parameters, as Module.save_checkpoint writes them."""
    import mxnet as mx

    held, layer = load("weights.npz"), mx.sym.Variable("image")
    for name, filters in (("first", 8), ("second", 16)):
        layer = mx.sym.Convolution(layer, num_filter=filters, kernel=(3, 3), pad=(1, 1), name=name)
        layer = mx.sym.Activation(layer, act_type="relu")
    layer = mx.sym.Pooling(layer, pool_type="max", kernel=(2, 2), stride=(2, 2))
    layer = mx.sym.FullyConnected(mx.sym.Flatten(layer), num_hidden=10, name="last")
    layer.save(str(HERE / "mxnet-symbol.json"))
    arrays = {}
    for name in ("first", "second", "last"):
        arrays[f"arg:{name}_weight"] = mx.nd.array(held[name])
        arrays[f"arg:{name}_bias"] = mx.nd.array(held[name + "_bias"])
    mx.nd.save(str(HERE / "mxnet-0000.params"), arrays)


def opset9():
    """IR 3, with the weights among the inputs: what MXNet's importer was written for."""
    convolutions(9, ir=3, fed=True)


def opset13():
    """Within what ONNX Runtime's package for phones was built with: opsets 12 to 15."""
    convolutions(13, ir=7, fed=False)


def convolutions(number, ir, fed):
    """digits-cnn in an opset; `fed`: its weights are inputs, too."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    held, node = load("weights.npz"), helper.make_node
    around = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        node("Conv", ["image", "first", "first_bias"], ["a"], **around),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "second", "second_bias"], ["c"], **around),
        node("Relu", ["c"], ["d"]),
        node("MaxPool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["e"], ["f"]),
        node("Gemm", ["f", "last", "last_bias"], ["logits"], transB=1),
    ]
    shapes = {"image": (16, 1, 8, 8)}
    shapes.update({name: array.shape for name, array in held.items()} if fed else {})
    graph = helper.make_graph(
        nodes, "digits-cnn",
        [helper.make_tensor_value_info(*pair) for pair in
         ((name, TensorProto.FLOAT, shape) for name, shape in shapes.items())],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (16, 10))],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", number)], ir_version=ir)
    save_model(model, str(HERE / f"opset{number}.onnx"))


# --- trees --------------------------------------------------------------------------------------


def trees():
    """Classifiers and regressors on the breast-cancer table, by their own libraries."""
    import lightgbm
    import skops.io
    import xgboost
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = load_breast_cancer(return_X_y=True)
    rows = rows.astype(np.float32)
    train, test = rows[::2], rows[1::8]
    size = train[:, 0].astype(np.float32)  # of the cells: what the regressors are to tell
    save("cancer.npz", **{"0": test})
    for name, goal, told in (
        ("classifier", labels[::2], "binary"),
        ("regressor", size, "regression"),
    ):
        columns = train if name == "classifier" else np.where(np.arange(30) == 0, 0, train)
        shown = test if name == "classifier" else np.where(np.arange(30) == 0, 0, test)
        data = xgboost.DMatrix(columns, goal)
        objective = "binary:logistic" if name == "classifier" else "reg:squarederror"
        booster = xgboost.train(
            {"objective": objective, "max_depth": 3, "nthread": 1, "seed": SEED}, data, 20
        )
        booster.save_model(str(HERE / f"xgboost-{name}.json"))
        booster.save_model(str(HERE / f"xgboost-{name}.ubj"))
        answer = booster.predict(xgboost.DMatrix(shown))
        save(f"xgboost-{name}-expected.npz", **{"0": answer})
        booster = lightgbm.train(
            {"objective": told, "num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": SEED},
            lightgbm.Dataset(columns, goal), 20,
        )  # fmt: skip
        booster.save_model(str(HERE / f"lightgbm-{name}.txt"))
        save(f"lightgbm-{name}-expected.npz", **{"0": booster.predict(shown)})
        if name == "classifier":
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
            model.fit(columns, goal)
            expected = {"0": model.predict(shown), "1": model.predict_proba(shown)}
        else:
            model = make_pipeline(StandardScaler(), Ridge())
            model.fit(columns, goal)
            expected = {"0": model.predict(shown)}
        skops.io.dump(model, str(HERE / f"sklearn-{name}.skops"))
        save(f"sklearn-{name}-expected.npz", **expected)
    save("cancer-sizeless.npz", **{"0": np.where(np.arange(30) == 0, 0, test).astype(np.float32)})


PARTS = {
    part.__name__: part
    for part in (
        weights,
        caffe,
        ncnn,
        saved,
        tflite,
        plain,
        keras,
        opset9,
        opset13,
        torchscript,
        exported,
        mxnet,
        trees,
    )
}

if __name__ == "__main__":
    for name in sys.argv[1:]:
        PARTS[name]()
