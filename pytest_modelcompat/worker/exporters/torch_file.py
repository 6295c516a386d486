"""torch's own files: `torchscript-trace`, `torchscript-script` (.pt) and `torch-export` (.pt2).

They know their inputs by position: what arguments are called is not part of every one of them.
"""

from __future__ import annotations

import os
import warnings

from ._torch import TorchExporter
from .built import File

__all__ = ["Exporter"]


class Exporter(TorchExporter):
    """See `exporters`."""

    def export(self, built, folder, opset):
        if opset is not None:
            raise ValueError("{} has no opsets".format(self.name))
        torch, arguments = self.torch, self.arguments(built.data_set(0))
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            if self.name == "torch-export":
                program = torch.export.export(built.model, arguments)
                torch.export.save(program, os.path.join(folder, "model.pt2"))
                return File("model.pt2")
            if self.name == "torchscript-trace":
                made = torch.jit.trace(built.model, arguments)
            else:
                made = torch.jit.script(built.model)
            torch.jit.save(made, os.path.join(folder, "model.pt"))
        return File("model.pt")
