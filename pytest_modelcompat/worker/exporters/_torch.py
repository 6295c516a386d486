"""What every exporter of torch does: seeds, evaluation mode, its own answers in two precisions."""

from __future__ import annotations

import copy

from .built import as_array

__all__ = ["TorchExporter"]


class TorchExporter:
    """The part of a torch exporter that does not depend on the file's format."""

    def __init__(self, name, distribution):
        del distribution
        import torch

        self.name = name
        self.torch = torch

    def info(self):
        return {"version": str(self.torch.__version__)}

    def prepare(self, built):
        """Evaluation mode; names for the outputs where the build function gave none."""
        built.model.eval()
        if built.outputs is None:
            count = len(self.answer(built, built.data_set(0)))
            built.outputs = ["output_{}".format(at) for at in range(count)]
        return built

    def arguments(self, feeds):
        """The inputs as tensors, in order."""
        # a copy: torch warns of arrays that cannot be written to
        return tuple(self.torch.from_numpy(array.copy()) for array in feeds.values())

    def answer(self, built, feeds):
        return self._run(built.model, self.arguments(feeds))

    def exact(self, built, feeds):
        model = copy.deepcopy(built.model).double()
        arguments = [
            each.double() if each.is_floating_point() else each for each in self.arguments(feeds)
        ]
        return self._run(model, arguments)

    def _run(self, model, arguments):
        with self.torch.no_grad():
            found = model(*arguments)
        if isinstance(found, dict):
            found = list(found.values())
        if not isinstance(found, (list, tuple)):
            found = [found]
        return [as_array(each) for each in found]
