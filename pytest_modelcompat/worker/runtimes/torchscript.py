"""TorchScript: `.pt` files that `torch.jit.save` wrote, by scripting or by tracing.

Providers are torch's devices: `cpu`, `cuda`, `cuda:0`, `xpu`. Options: `threads`,
`graph_optimization` (`disabled`: torch.jit's optimizing executor is off).

Inputs have the names of the arguments of `forward`. A single output is `output_0`, a tuple's are
`output_0`, `output_1`, … , those of a dictionary have its keys.
"""

import contextlib

from ._plain import file_of, only, written_off
from ._torch import Torch

__all__ = ["Adapter"]

_OPTIONS = {"graph_optimization": ("all", "disabled")}


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        self.own = Torch(distribution)

    def info(self):
        """Version and devices; a file does not say which release it needs."""
        return {
            **self.own.info("torchscript"),
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("torchscript", options, _OPTIONS)

    def unavailable(self, provider, options):
        """In torch's own words."""
        return self.own.unavailable(provider)

    def load(self, model, provider, options):
        """Read the archive; its code is compiled here, unknown operators are refused here."""
        told = only("torchscript", options, _OPTIONS)
        self.own.threads(told)
        path = file_of("torchscript", model, (".pt", ".pth", ".ptl", ".jit"))
        module = self.own.torch.jit.load(path, map_location=provider)
        return Session(self.own, module, provider, told)


class Session:
    """One ScriptModule."""

    def __init__(self, own, module, provider, told):
        self._own = own
        self._module = module.eval()
        self._provider = provider
        self._optimized = told.get("graph_optimization") != "disabled"
        arguments = module._c._get_method("forward").schema.arguments[1:]
        self._all = [each.name for each in arguments]
        self._required = [each.name for each in arguments if not each.has_default_value()]

    def assign(self):
        """`load` has moved it to the device."""

    def inputs(self):
        """The arguments of forward without a default."""
        return list(self._required)

    def signature(self):
        """TorchScript keeps no shapes.

        Raises:
            ValueError: always.
        """
        raise ValueError("a TorchScript file does not tell the shapes of its inputs: give `data`")

    def run(self, feeds):
        """Run once, without gradients."""
        written_off(self._required, feeds)
        torch = self._own.torch
        given = {
            name: self._own.given(feeds[name], self._provider)
            for name in self._all
            if name in feeds
        }
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            stack.enter_context(torch.jit.optimized_execution(self._optimized))
            found = self._module(**given)
        return self._own.named(found)

    def placement(self):
        """{cpu: nodes} where the process has no other device; else torch keeps no record."""
        if self._provider != "cpu" or not self._own.cpu_only:
            return None
        nodes = sum(1 for _ in self._module.inlined_graph.nodes())
        return {"cpu": nodes} if nodes else {}

    def opset(self):
        """There is none."""
        return 0

    def close(self):
        """Release the module."""
        self._module = None
