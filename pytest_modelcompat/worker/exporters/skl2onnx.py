"""`skl2onnx`: an estimator or pipeline of scikit-learn; its own predictions are the reference.

A classifier has the outputs `label` and `probabilities`, everything else what `predict` or
`transform` gives, as a column where that is one number a row. What it
answers in float64 is cast to the type that the file declares.
"""

from __future__ import annotations

from . import _onnx_file
from ._tables import TableExporter

__all__ = ["Exporter"]


class Exporter(TableExporter):
    """See `exporters`."""

    def __init__(self, name, distribution):
        del name, distribution
        import skl2onnx
        import sklearn

        self._skl2onnx = skl2onnx
        self._version = str(sklearn.__version__)

    def info(self):
        return {
            "version": self._version,
            "exporter": "skl2onnx {}".format(self._skl2onnx.__version__),
            "onnx": _onnx_file.onnx_version(),
        }

    def exact(self, built, feeds):
        wide = {
            name: array.astype("float64") if array.dtype.kind == "f" else array
            for name, array in feeds.items()
        }
        return self.answer(built, wide)

    def export(self, built, folder, opset):
        classifier = hasattr(built.model, "predict_proba")
        model = self._skl2onnx.convert_sklearn(
            built.model,
            initial_types=_initial_types(built.data_set(0)),
            target_opset=opset,
            options={id(built.model): {"zipmap": False}} if classifier else None,
        )
        return self.write(model, folder)


def _initial_types(feeds):
    """skl2onnx' types of the inputs: any number of rows."""
    from skl2onnx.common import data_types

    names = {
        "float32": "FloatTensorType", "float64": "DoubleTensorType", "int64": "Int64TensorType",
        "int32": "Int32TensorType", "bool": "BooleanTensorType",
    }  # fmt: skip
    found = []
    for name, array in feeds.items():
        kind = names.get(array.dtype.name, "StringTensorType")
        found.append((name, getattr(data_types, kind)([None, *array.shape[1:]])))
    return found
