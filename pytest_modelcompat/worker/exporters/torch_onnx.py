"""`onnx-torchscript` and `onnx-dynamo`: the two ways of `torch.onnx.export`.

Releases differ in how they are asked: `dynamo=` came with 2.5; between 2.1 and 2.4 the second way
was `torch.onnx.dynamo_export`, which takes no opset and no names.
"""

from __future__ import annotations

import inspect
import os
import warnings

from . import _onnx_file
from ._torch import TorchExporter

__all__ = ["Exporter"]


class Exporter(TorchExporter):
    """See `exporters`."""

    def __init__(self, name, distribution):
        super().__init__(name, distribution)

        if name == "onnx-dynamo":  # what it needs is part of its import
            import onnxscript

            self._script = str(onnxscript.__version__)

    def info(self):
        found = {**super().info(), "onnx": _onnx_file.onnx_version()}
        if self.name == "onnx-dynamo":
            found["exporter"] = "onnxscript {}".format(self._script)
        return found

    def export(self, built, folder, opset):
        path = os.path.join(folder, "model.onnx")
        feeds = built.data_set(0)
        known = inspect.signature(self.torch.onnx.export).parameters
        if self.name == "onnx-dynamo" and "dynamo" not in known:
            self._early(built, feeds, path, opset)
        else:
            wanted = {"input_names": list(feeds), "output_names": list(built.outputs)}
            if opset is not None:
                wanted["opset_version"] = opset
            if "dynamo" in known:
                wanted["dynamo"] = self.name == "onnx-dynamo"
            wanted.update(self._dynamic(built, wanted.get("dynamo", False)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the host keeps what is printed, once is enough
                self.torch.onnx.export(built.model, self.arguments(feeds), path, **wanted)
        return _onnx_file.described(folder, "model.onnx", count=len(feeds))

    def _early(self, built, feeds, path, opset):
        """Torch 2.1 to 2.4."""
        if opset is not None:
            raise ValueError(
                "torch {} takes no opset for onnx-dynamo".format(self.torch.__version__)
            )
        if not hasattr(self.torch.onnx, "dynamo_export"):
            raise ValueError("torch {} has no onnx-dynamo".format(self.torch.__version__))
        self.torch.onnx.dynamo_export(built.model, *self.arguments(feeds)).save(path)

    def _dynamic(self, built, dynamo):
        if not built.dynamic:
            return {}
        if not dynamo:
            return {"dynamic_axes": built.dynamic}
        return {"dynamic_shapes": [built.dynamic.get(name) for name in built.data_set(0)]}

    def check(self, folder, file):
        _onnx_file.check(folder, file)
