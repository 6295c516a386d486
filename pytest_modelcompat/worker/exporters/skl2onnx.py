"""`skl2onnx`: an estimator or pipeline of scikit-learn; its own predictions are the reference.

A classifier has the outputs `label` and `probabilities`, everything else what `predict` or
`transform` gives, as a column where that is one number a row. What it
answers in float64 is cast to the type that the file declares.
"""

from __future__ import annotations

import os

from . import _onnx_file

__all__ = ["Exporter", "predictions"]


class Exporter:
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

    def prepare(self, built):
        return built

    def answer(self, built, feeds):
        return predictions(built.model, table(feeds))

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
            initial_types=initial_types(built.data_set(0)),
            target_opset=opset,
            options={id(built.model): {"zipmap": False}} if classifier else None,
        )
        with open(os.path.join(folder, "model.onnx"), "wb") as file:
            file.write(model.SerializeToString())
        return _onnx_file.described(folder, "model.onnx")

    def check(self, folder, file):
        _onnx_file.check(folder, file)


def predictions(model, rows):
    """What an estimator with scikit-learn's interface answers for a table, in ONNX's order."""
    import numpy

    if hasattr(model, "predict_proba"):
        return [numpy.asarray(model.predict(rows)), numpy.asarray(model.predict_proba(rows))]
    call = model.predict if hasattr(model, "predict") else model.transform
    found = numpy.asarray(call(rows))
    return [found.reshape(-1, 1) if found.ndim == 1 else found]


def table(feeds):
    """The one array of the feeds, or columns by name where there are several."""
    if len(feeds) == 1:
        return next(iter(feeds.values()))
    import pandas

    return pandas.DataFrame({name: column.reshape(-1) for name, column in feeds.items()})


def initial_types(feeds):
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
