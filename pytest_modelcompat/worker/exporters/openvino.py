"""`openvino`: OpenVINO's conversion of a torch module, a Keras model or an ONNX file to its IR.

The reference is what the framework of the model answers, where it is torch or Keras; an ONNX file
is answered by onnx' reference evaluator.
"""

from __future__ import annotations

import os

from .built import File

__all__ = ["Exporter"]


class Exporter:
    """See `exporters`."""

    def __init__(self, name, distribution):
        del distribution
        import openvino

        self._openvino = openvino
        self._name = name
        self._of = None

    def info(self):
        found = {"version": str(self._openvino.__version__)}
        if self._of is not None:
            found.update({"source": self._of.info()["version"]})
        return found

    def prepare(self, built):
        self._of = _source(built.model)
        return self._of.prepare(built)

    def answer(self, built, feeds):
        return self._of.answer(built, feeds)

    def exact(self, built, feeds):
        return self._of.exact(built, feeds)

    def export(self, built, folder, opset):
        if opset is not None:
            raise ValueError("OpenVINO's IR has no opsets to choose from")
        feeds = built.data_set(0)
        given = {}
        model = built.model
        if hasattr(self._of, "arguments"):
            given["example_input"] = self._of.arguments(feeds)
        elif not hasattr(model, "predict"):  # an onnx model travels by file
            import onnx

            model = os.path.join(folder, "source.onnx")
            onnx.save(built.model, model)
        made = self._openvino.convert_model(model, **given)
        self._openvino.save_model(made, os.path.join(folder, "model.xml"), compress_to_fp16=False)
        if isinstance(model, str):
            os.unlink(model)
        return File("model.xml")


def _source(model):
    """The exporter whose framework the model is of."""
    if hasattr(model, "state_dict"):
        from ._torch import TorchExporter

        return TorchExporter("openvino", "torch")
    if hasattr(model, "predict"):
        from ._keras import KerasExporter

        return KerasExporter("openvino", "tensorflow")
    from .onnx import Exporter as OnnxExporter

    return OnnxExporter("onnx", "onnx")
