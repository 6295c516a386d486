"""What exporters of estimators share: a table goes in, predictions in ONNX's order come out."""

from __future__ import annotations

import os

from . import _onnx_file

__all__ = ["TableExporter"]


class TableExporter:
    """The part that does not depend on who writes the file; see `exporters`."""

    def prepare(self, built):
        return built

    def answer(self, built, feeds):
        return _predictions(built.model, _table(feeds))

    def exact(self, built, feeds):
        return None

    def check(self, folder, file):
        _onnx_file.check(folder, file)

    @staticmethod
    def write(model, folder, **more):
        """The converter's model as the folder's file -> `File`."""
        with open(os.path.join(folder, "model.onnx"), "wb") as file:
            file.write(model.SerializeToString())
        return _onnx_file.described(folder, "model.onnx", **more)


def _predictions(model, rows):
    """What an estimator with scikit-learn's interface answers for a table.

    A classifier gives labels and probabilities, everything else what `predict` or `transform`
    gives, as a column where that is one number a row.
    """
    import numpy

    if hasattr(model, "predict_proba"):
        return [numpy.asarray(model.predict(rows)), numpy.asarray(model.predict_proba(rows))]
    call = model.predict if hasattr(model, "predict") else model.transform
    found = numpy.asarray(call(rows))
    return [found.reshape(-1, 1) if found.ndim == 1 else found]


def _table(feeds):
    """The one array of the feeds, or columns by name where there are several."""
    if len(feeds) == 1:
        return next(iter(feeds.values()))
    import pandas

    return pandas.DataFrame({name: column.reshape(-1) for name, column in feeds.items()})
