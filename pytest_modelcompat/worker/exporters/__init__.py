"""Exporters: what makes a model file of a framework's model. One module each, named below.

The seam exists because every framework says differently what its model answers and how it becomes
a file, while what we want to know does not differ: was a file made, what is it called, and what
does the framework itself answer for the same inputs. An exporter is a class `Exporter` in its
module. It is made once, in the producer's environment; making it imports the framework (stage
`import`). It never judges: any exception travels to the host with its type and message.

    class Exporter:
        def __init__(self, name, distribution): ...
        def info(self):
            -> {"version": text}: of the framework, and of what exports where that is another
               package ({"exporter": "tf2onnx 1.16.1"}); more is shown as it is
        def prepare(self, built):
            -> the `Built` as the framework wants it (evaluation mode, a default for its outputs'
               names); stage `produce`, as the next three
        def answer(self, built, feeds):
            feeds {input's name: array} -> [array]: what the framework itself answers, in the
            order of the model's outputs; the reference
        def exact(self, built, feeds):
            -> the same computed in float64, or None where the framework cannot
        def export(self, built, folder, opset):
            writes the model's files into `folder` -> `File`; `opset` is an int or None
        def check(self, folder, file):
            has the framework's own checker look at the file, which raises what it has against
            it; stage `check`; may be left out

`Built` and `File` are in `built.py`.
"""

from importlib import import_module

REGISTRY = {
    "keras": "tensorflow",
    "onnx": "onnx",
    "onnx-dynamo": "torch_onnx",
    "onnx-torchscript": "torch_onnx",
    "onnxmltools": "onnxmltools",
    "openvino": "openvino",
    "savedmodel": "tensorflow",
    "skl2onnx": "skl2onnx",
    "tf2onnx": "tensorflow",
    "tflite": "tflite",
    "tflite-dynamic": "tflite",
    "tflite-float16": "tflite",
    "tflite-int8": "tflite",
    "torch-export": "torch_file",
    "torchscript-script": "torch_file",
    "torchscript-trace": "torch_file",
}
"""Export, as a matrix names it -> module."""


def exporter(name, distribution):
    """The exporter of that name, its framework imported.

    Raises:
        KeyError: there is none. Whatever the framework's import raises goes through.
    """
    found = import_module(__name__ + "." + REGISTRY[name])
    return found.Exporter(name, distribution)
