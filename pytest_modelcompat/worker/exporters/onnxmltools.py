"""`onnxmltools`: a model of XGBoost or LightGBM with scikit-learn's interface.

The reference is the library's own prediction. Its opset is at most the one that the installed
onnxmltools knows.
"""

from __future__ import annotations

import warnings

from . import _onnx_file
from ._tables import TableExporter

__all__ = ["Exporter"]


class Exporter(TableExporter):
    """See `exporters`."""

    def __init__(self, name, distribution):
        del name
        import onnxmltools

        library = distribution.replace("-", "_").partition("_cpu")[0]
        self._library = __import__(library)
        self._tools = onnxmltools
        self._convert = getattr(onnxmltools, "convert_{}".format(library))

    def info(self):
        return {
            "version": str(self._library.__version__),
            "exporter": "onnxmltools {}".format(self._tools.__version__),
            "onnx": _onnx_file.onnx_version(),
        }

    def export(self, built, folder, opset):
        from onnxmltools.convert.common.data_types import FloatTensorType

        feeds = built.data_set(0)
        types = [(name, FloatTensorType([None, array.shape[1]])) for name, array in feeds.items()]
        more = {"zipmap": False} if self._library.__name__ == "lightgbm" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = self._convert(built.model, initial_types=types, target_opset=opset, **more)
        return self.write(model, folder, count=len(feeds))
