"""Runs in a runtime's own environment: `python _odd_driver.py ROOT FUNCTION FOLDER ANSWER`.

Asks an adapter what cells of the shipped matrices do not ask. Python 3.8, numpy is the cell's.
"""

import json
import os
import runpy
import sys

if "MODELCOMPAT_COVERAGE" in os.environ:
    runpy.run_path(os.environ["MODELCOMPAT_COVERAGE"])


def main(root, function, folder, answer):
    sys.path.insert(0, root)
    told = globals()[function](os.path.join(root, "matrices", "models"), folder)
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(told, file)
    sys.stdout.flush()
    os._exit(0)  # as the worker's child does


def said(function, *arguments):
    """What is raised, as text; None where nothing is."""
    try:
        function(*arguments)
    except Exception as error:
        return "{}: {}".format(type(error).__name__, error)
    return None


def images(models):
    import numpy

    from pytest_modelcompat.worker.arrays import from_array

    with numpy.load(os.path.join(models, "formats", "batch.npz")) as archive:
        return from_array(archive["0"])


def run(session, feeds):
    """[[name, flat numbers]], and where it ran; feeds by name, or the only input's value."""
    from pytest_modelcompat.worker.arrays import to_array

    session.assign()
    if not isinstance(feeds, dict):
        [name] = session.inputs()
        feeds = {name: feeds}
    found = [[name, to_array(v).reshape(-1).tolist()] for name, v in session.run(feeds)]
    ran_on = session.placement()
    session.close()
    return found, ran_on


# -- torch


def torch_values(models, folder):
    """What goes in and comes out, of every kind."""
    import torch

    from pytest_modelcompat.worker.arrays import from_array
    from pytest_modelcompat.worker.runtimes._torch import Torch, name_of
    from pytest_modelcompat.worker.values import Value

    made = Torch("torch")
    one = Value.tensor("float32", (1,), b"\x00\x00\x80\x3f")
    words = Value.tensor("string", (2,), [b"a", b"b"])
    word = Value.tensor("string", (), [b"a"])
    keys = Value.tensor("int64", (1,), (5).to_bytes(8, "little"))
    bits = {
        "bfloat16": b"\x80\x3f\x00\xc0", "float8e4m3fn": b"\x38\xc0", "float8e5m2": b"\x3c\xc0",
        "float8e4m3fnuz": b"\x40\xc8", "float8e5m2fnuz": b"\x40\xc4",
    }  # fmt: skip
    round_trips = {}
    for dtype, data in bits.items():
        value = Value.tensor(dtype, (2,), data)
        try:
            given = made.given(value, "cpu")
        except TypeError as error:
            round_trips[dtype] = str(error)
            continue
        round_trips[dtype] = [
            name_of(given.dtype), given.to(torch.float32).tolist(), made.value(given) == value,
        ]  # fmt: skip
    kept = torch.zeros(1)
    told = made.value(kept)
    kept += 1
    return {
        "round_trips": round_trips,
        "sequence": str(made.given(Value.sequence([one, one]), "cpu")),
        "full": str(made.given(Value.optional(one), "cpu")),
        "empty": made.given(Value.optional(), "cpu"),
        "none": made.given(Value.none(), "cpu"),
        "map": {str(k): str(v) for k, v in
                made.given(Value.mapping(keys, [one]), "cpu").items()},
        "map of numbers": said(made.given, Value.mapping(keys, one), "cpu"),
        "words": made.given(words, "cpu"),
        "word": made.given(word, "cpu"),
        "int4": said(made.given, Value.tensor("int4", (2,), b"\x21"), "cpu"),
        "its own memory": bytes(told.data) == bytes(4),
        "nothing": made.value(None).kind,
        "dictionary": made.value({5: torch.ones(1)}) == Value.mapping(keys, [one]),
        "words as keys": made.value({"a": torch.ones(1)})
        == Value.mapping(Value.tensor("string", (1,), [b"a"]), [one]),
        "list": made.value([torch.ones(1)]) == Value.sequence([one]),
        "number": made.value(2.0) == from_array(__import__("numpy").array(2.0)),
        "quantized": made.value(
            torch.quantize_per_tensor(torch.tensor([0.0, 1.0]), 0.5, 3, torch.quint8)
        ).data.hex(),
        "conjugate": bytes(made.value(torch.tensor([1 + 2j]).conj()).data)
        == bytes(made.value(torch.tensor([1 - 2j])).data),
        "graph": made.value(torch.ones(1, requires_grad=True) * 1) == one,
        "named by key": [name for name, _ in made.named({"a": kept, "b": kept})],
        "named by position": [name for name, _ in made.named((kept, kept))],
        "one by position": [name for name, _ in made.named({5: kept})],
        "types": [name_of(torch.half), name_of(torch.int64), name_of(torch.qint8)],
        "cuda": [made.unavailable("cuda") is None, torch.cuda.is_available()],
        "unavailable": [made.unavailable("cpu"), made.unavailable("sundial")],
    }  # fmt: skip


# -- litert


def litert(models, folder):
    """Delegates, signatures, kernels."""
    from pytest_modelcompat.worker.runtimes import adapter

    made = adapter("litert", "ai-edge-litert")
    path = os.path.join(models, "formats", "tflite-float32.tflite")
    given = images(models)
    found = {
        "delegate": [
            made.unavailable("delegate", {}),
            made.unavailable("delegate", {"delegate_library": "/no/such/library.so"}),
        ],
        "contradiction": said(made.load, path, "xnnpack", {"graph_optimization": "disabled"}),
        "no signature": said(made.load, path, "cpu", {"signature": "training"}),
    }
    for name, options in (
        ("default", {}),
        ("built-in", {"graph_optimization": "disabled"}),
        ("named", {"signature": "serving_default"}),
    ):
        session = made.load(path, "cpu", options)
        found[name] = run(session, given)
    int8 = made.load(os.path.join(models, "formats", "tflite-int8.tflite"), "cpu", {})
    int8.assign()
    found["int8"] = int8.signature()
    return found


def litert_in_tensorflow(models, folder):
    """The copy of the runtime that TensorFlow's wheel brings."""
    from pytest_modelcompat.worker.runtimes import adapter

    made = adapter("litert", "tensorflow-cpu")
    session = made.load(os.path.join(models, "formats", "tflite-float32.tflite"), "cpu", {})
    found, ran_on = run(session, images(models))
    return {"version": made.info()["version"], "found": found, "ran_on": ran_on}


# -- OpenCV


def opencv(models, folder):
    """Engines, other formats, several inputs."""
    import numpy

    from pytest_modelcompat.worker import onnxmake
    from pytest_modelcompat.worker.arrays import from_array
    from pytest_modelcompat.worker.runtimes import adapter

    made = adapter("opencv_dnn", "opencv-python-headless")
    path = os.path.join(models, "digits-cnn", "model.onnx")
    feeds = {"image": images(models)}
    found = {
        "unavailable": {
            name: made.unavailable(name, {}) for name in ("cuda", "vulkan", "openvino", "opencl")
        },
        "default": run(made.load(path, "cpu", {}), feeds),
        "disabled": run(made.load(path, "cpu", {"graph_optimization": "disabled"}), feeds),
        "engines": {
            engine: said(made.load, path, "cpu", {"engine": engine})
            for engine in ("auto", "classic", "new")
        },
        "format": said(made.load, "model.pt", "cpu", {}),
    }
    if found["engines"]["classic"] is None:
        options = {"engine": "classic", "graph_optimization": "disabled"}
        found["classic"] = run(made.load(path, "cpu", options), feeds)
    info = onnxmake.value_info
    two = onnxmake.model(
        [onnxmake.node("Add", ["a", "b"], ["sum"]), onnxmake.node("Mul", ["a", "b"], ["product"])],
        [info("a", "float32", (1, 2)), info("b", "float32", (1, 2))],
        [info("product", "float32", (1, 2)), info("sum", "float32", (1, 2))],
    )
    pair = {
        "a": from_array(numpy.array([[2, 3]], "float32")),
        "b": from_array(numpy.array([[5, 7]], "float32")),
    }
    found["two"] = run(made.load(two, "cpu", {}), pair)
    tflite = made.load(os.path.join(models, "formats", "tflite-plain.tflite"), "cpu", {})
    found["tflite"] = [tflite.inputs(), said(tflite.signature)]
    return found


# -- ncnn


def ncnn(models, folder):
    """No device, slower layers, a file without its weights."""
    import shutil

    import numpy

    from pytest_modelcompat.worker.arrays import from_array
    from pytest_modelcompat.worker.runtimes import adapter

    made = adapter("ncnn", "ncnn")
    formats = os.path.join(models, "formats")
    with numpy.load(os.path.join(formats, "one.npz")) as archive:
        given = from_array(archive["0"])
    alone = shutil.copy(os.path.join(formats, "ncnn.param"), folder)
    path = os.path.join(formats, "ncnn.param")
    found = {
        "vulkan": made.unavailable("vulkan", {}),
        "providers": made.info()["providers"],
        "no weights": said(made.load, alone, "cpu", {}),
    }
    for name, options in (
        ("exact", {"precision": "float32"}),
        ("plain", {"precision": "float32", "graph_optimization": "disabled"}),
    ):
        session = made.load(path, "cpu", options)
        found[name] = run(session, given)
    return found


# -- OpenVINO


def openvino(models, folder):
    """Devices, properties, names, types."""
    import openvino as ov

    from pytest_modelcompat.worker import onnxmake
    from pytest_modelcompat.worker.runtimes import adapter
    from pytest_modelcompat.worker.values import Value

    info = onnxmake.value_info

    def relu(dtype="float32", shape=(2,), opset=13):
        return onnxmake.model(
            [onnxmake.node("Relu", ["x"], ["y"])], [info("x", dtype, shape)],
            [info("y", dtype, shape)], imports=(("", opset),), ir=8,
        )  # fmt: skip

    made = adapter("openvino", "openvino")
    x = Value.tensor("float32", (2,), b"\x00\x00\x80\xbf\x00\x00\x80\x3f")
    bits = Value.tensor("uint16", (2,), b"\x80\xbf\x80\x3f")
    found = {
        "options": {
            str(options): said(made.load, relu(), "CPU", options)
            for options in (
                {"graph_optimization": "off"}, {"speed": "high"}, {"INFERENCE_NUM_THREADS": "1"},
            )
        },
        "disabled": run(made.load(relu(), "CPU", {"graph_optimization": "disabled"}), {"x": x}),
        "AUTO": run(made.load(relu(), "AUTO", {}), {"x": x}),
        "HETERO": run(made.load(relu(), "HETERO:CPU", {}), {"x": x}),
        "optional": run(made.load(relu(), "CPU", {}), {"x": Value.optional(x)}),
        "unavailable": [made.unavailable("CPU", {}), made.unavailable("NOWHERE", {}),
                        made.unavailable("CPU", {"NO_SUCH_PROPERTY": "1"})],
    }  # fmt: skip
    session = made.load(relu("bfloat16"), "CPU", {})
    session.assign()
    [(_, half)] = session.run({"x": bits})
    found["bits"] = [half.dtype, bytes(half.data).hex()]
    session = made.load(relu(), "CPU", {})
    session.assign()
    for name, value in (
        ("sequence", Value.sequence([x])), ("complex", Value.tensor("complex64", (2,), bytes(16))),
    ):  # fmt: skip
        found[name] = said(session.run, {"x": value})
    path = os.path.join(folder, "relu.xml")
    ov.save_model(made.load(relu(shape=("n", 2)), "CPU", {})._model, path)
    converted = made.load(path, "CPU", {})
    found["xml"] = [converted.inputs(), converted.signature(), converted.opset()]
    nothing = onnxmake.model([], [info("x", "float32", (2,))], [info("x", "float32", (2,))],
                             imports=(("", 13),), ir=8)  # fmt: skip
    found["no node"] = said(lambda: found.update(empty=run(made.load(nothing, "CPU", {}),
                                                           {"x": x})))  # fmt: skip
    return found


# -- TensorFlow


def tensorflow(models, folder):
    """Signatures, devices, kinds of tensors."""
    import numpy
    import tensorflow as tf

    from pytest_modelcompat.worker.arrays import from_array
    from pytest_modelcompat.worker.runtimes import adapter

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
        def lengths(self, words):
            return {"lengths": tf.strings.length(words), "words": words}

        @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
        def double(self, x):
            return {"y": x * 2.0}

    net = Net()
    two, one = os.path.join(folder, "two"), os.path.join(folder, "one")
    tf.saved_model.save(net, two, signatures={"lengths": net.lengths, "double": net.double})
    tf.saved_model.save(net, one, signatures={"double": net.double})
    made = adapter("tensorflow", "tensorflow-cpu")
    x = from_array(numpy.array([1, 2], "float32"))
    words = from_array(numpy.array(["a", "word"], object))
    found = {
        "gpu": made.unavailable("gpu", {}),
        "providers": made.info()["providers"],
        "which": said(made.load, two, "cpu", {}),
        "only": run(made.load(one, "cpu", {}), {"x": x}),
        "disabled": run(made.load(one, "cpu", {"graph_optimization": "disabled"}), {"x": x}),
        "words": run(made.load(two, "cpu", {"signature": "lengths"}), {"words": words}),
        "open": made.load(one, "cpu", {}).signature(),
        "library": said(made.load, one, "cpu", {"op_library": "/no/such/library.so"}),
    }
    session = made.load(one, "cpu", {})
    found["ragged"] = session._value(tf.ragged.constant([[1], [2, 3]])).shape
    found["sparse"] = session._value(tf.sparse.from_dense([[0, 1]])).shape
    keras = {"list": [], "dictionary": []}
    for kind, kept in keras.items():
        inputs = [tf.keras.Input((2,), name=name) for name in ("a", "b")]
        total = tf.keras.layers.Add(name="sum")(inputs)
        peak = tf.keras.layers.Maximum(name="peak")(inputs)
        outputs = [total, peak] if kind == "list" else {"total": total, "peak": peak}
        path = os.path.join(folder, kind + ".keras")
        tf.keras.Model(inputs, outputs).save(path)
        session = made.load(path, "cpu", {})
        pair = {"a": numpy.array([[2, 3]], "float32"), "b": numpy.array([[5, 1]], "float32")}
        kept += [session.signature(), run(session, {n: from_array(v) for n, v in pair.items()})]
    found["keras"] = keras
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
