"""Runtime adapters: one module each, named in the literal registry below.

The seam exists because releases and runtimes differ in every call, while what we want to know does
not: does it load, on what did it run, what came out. An adapter is a class `Adapter` in its module.
It is made once in the child; making it imports the framework (stage `import`). It never judges: any
exception travels to the host with its type and message and is classified there.

    class Adapter:
        def __init__(self, distribution, module=None): ...
        def info(self):
            -> {"runtime": name, "version": text, "providers": [names offered],
                "devices": [text], "limits": {"ir": int, "opsets": {domain: int}},
                "optimizer_off": options that switch its optimizer off}
            (limits are probed with tiny models; what the runtime does not have is absent)
        def check(self, options):
            -> None; ValueError for an option or value that is none; may be left out
        def about(self, options):
            -> more of the attestation, which the options lead to; never raises. "server" says
               who answers from elsewhere: such results are never reused. May be left out
        def unavailable(self, provider, options):
            -> None, or the runtime's own words why this provider cannot be used here
        def load(self, model, provider, options):
            -> Session; `model` is bytes or a path (str); stage `load`

    class Session:
        def assign(self): stage `assign`: place the graph, where that is a step of its own
        def inputs(self): -> names of the inputs that must be fed
        def signature(self): -> [(name, dtype, shape)] of them, for random data; a dimension is
            text where the model leaves it open, "" without a name
        def run(self, feeds): feeds {name: Value} -> [(name, Value)]; stage `run`
        def placement(self): -> {provider: nodes}, {} where no node was left, or None: no evidence
        def opset(self): -> of the model's main domain, 0 where unknown
        def close(self): release everything

`Value` is `worker.values.Value`. `options` are text to text, as in the matrix
(`graph_optimization: all | extended | basic | disabled` is understood by every adapter that has
such a thing; `custom_ops` holds libraries with operators, joined by os.pathsep: paths, or
modules that know theirs by `get_library_path()`; others are
the adapter's own, an unknown one raises ValueError).
"""

from importlib import import_module

REGISTRY = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "onnx": "onnx",
    "backend": "backend",
    "litert": "litert",
    "opencv_dnn": "opencv_dnn",
    "tensorflow": "tensorflow",
    "torchscript": "torchscript",
    "torch_export": "torch_export",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "sklearn": "sklearn",
    "mxnet": "mxnet",
    "ncnn": "ncnn",
    "tvm": "tvm",
    "tensorrt": "tensorrt",
    "kserve": "kserve",
    "tf_serving": "tf_serving",
    "torchserve": "torchserve",
    "json_endpoint": "json_endpoint",
}


def adapter(runtime, distribution, module=None):
    """The adapter of a runtime, its framework imported.

    Raises:
        KeyError: no such adapter. Whatever the framework's import raises goes through.
    """
    found = import_module(__name__ + "." + REGISTRY[runtime])
    return found.Adapter(distribution, module)
