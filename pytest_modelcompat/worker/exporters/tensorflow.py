"""`savedmodel` and `keras`: TensorFlow's own forms, and `tf2onnx`.

A SavedModel gets one signature, `serving_default`, with the build function's names for its inputs
and outputs, whatever the model calls them itself.
"""

from __future__ import annotations

import os

from . import _onnx_file
from ._keras import KerasExporter
from .built import File

__all__ = ["Exporter"]


class Exporter(KerasExporter):
    """See `exporters`."""

    def __init__(self, name, distribution):
        super().__init__(name, distribution)
        if name == "tf2onnx":
            import tf2onnx

            self._tf2onnx = tf2onnx

    def info(self):
        found = super().info()
        if self.name == "tf2onnx":
            found["exporter"] = "tf2onnx {}".format(self._tf2onnx.__version__)
            found["onnx"] = _onnx_file.onnx_version()
        return found

    def export(self, built, folder, opset):
        if self.name == "tf2onnx":
            return self._to_onnx(built, folder, opset)
        if opset is not None:
            raise ValueError("{} has no opsets".format(self.name))
        if self.name == "keras":
            path = os.path.join(folder, "model.keras")
            built.model.save(path)
            return File("model.keras")
        self.save(built, os.path.join(folder, "saved_model"))
        return File("saved_model", inputs=list(built.data_set(0)), outputs=list(built.outputs))

    def _to_onnx(self, built, folder, opset):
        path = os.path.join(folder, "model.onnx")
        call = self.function(built)
        signature = call.input_signature
        self._tf2onnx.convert.from_function(
            call, input_signature=signature, opset=opset, output_path=path
        )
        return _onnx_file.described(folder, "model.onnx", count=len(signature))

    def check(self, folder, file):
        if self.name == "tf2onnx":
            _onnx_file.check(folder, file)
