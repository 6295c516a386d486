"""`onnx`: a build function that makes the ONNX model itself; the evaluator's answers are right.

The model is an onnx `ModelProto`, its bytes, or the path of a file. A float64 answer is not to be
had: the graph says its types.
"""

from __future__ import annotations

import os

from . import _onnx_file

__all__ = ["Exporter"]


class Exporter:
    """See `exporters`."""

    def __init__(self, name, distribution):
        del name, distribution
        import onnx
        import onnx.reference

        self._onnx = onnx
        self._evaluator = None

    def info(self):
        return {"version": str(self._onnx.__version__)}

    def prepare(self, built):
        if isinstance(built.model, (str, os.PathLike)):
            built.model = self._onnx.load(os.fspath(built.model))
        elif isinstance(built.model, bytes):
            built.model = self._onnx.load_from_string(built.model)
        return built

    def answer(self, built, feeds):
        if self._evaluator is None:
            self._evaluator = self._onnx.reference.ReferenceEvaluator(built.model)
        return list(self._evaluator.run(None, feeds))

    def exact(self, built, feeds):
        return None

    def export(self, built, folder, opset):
        model = built.model
        if opset is not None:
            from onnx import version_converter

            model = version_converter.convert_version(model, opset)
        self._onnx.save(model, os.path.join(folder, "model.onnx"))
        return _onnx_file.described(folder, "model.onnx")

    def check(self, folder, file):
        _onnx_file.check(folder, file)
