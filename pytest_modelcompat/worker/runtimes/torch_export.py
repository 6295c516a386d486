"""Programs of `torch.export`: `.pt2` files that `torch.export.save` wrote.

A matrix chooses it by `runtime: torch_export`; torch alone means TorchScript. Providers are torch's
devices, as there. A program holds its tensors by device: for another one than it was exported on,
torch's own pass moves it, from 2.7 on. Options: `threads`.

Inputs have the names of the program's placeholders, in the order of the call; a single output is
`output_0`, a tuple's are `output_0`, `output_1`, … , those of a dictionary have its keys.
"""

from ..values import BITS
from ._plain import file_of, only, written_off
from ._torch import Torch, name_of
from ._words import Logged

__all__ = ["Adapter"]


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        self.own = Torch(distribution)
        import torch.export

        self._export = torch.export

    def info(self):
        """Version and devices; `schema` is the version of the files that it writes."""
        found = self.own.info("torch_export")
        try:
            from torch._export.serde.schema import SCHEMA_VERSION
        except ImportError:
            return found
        return {**found, "limits": {"schema": ".".join(map(str, SCHEMA_VERSION))}}

    def check(self, options):
        """ValueError for an option that is none."""
        only("torch_export", options, {})

    def unavailable(self, provider, options):
        """In torch's own words."""
        return self.own.unavailable(provider)

    def load(self, model, provider, options):
        """Read and check the program."""
        told = only("torch_export", options, {})
        self.own.threads(told)
        path = file_of("torch_export", model, (".pt2",))
        logged = Logged()
        try:
            with logged:
                program = self._export.load(path)
        except RuntimeError as error:
            # "Please check the warnings above": they are the reason.
            raise RuntimeError("\n".join([str(error), *logged.lines])) from error
        if provider != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, provider)
        return Session(self.own, program, provider)


class Session:
    """One exported program, unlifted to a module."""

    def __init__(self, own, program, provider):
        self._own = own
        self._program = program
        self._module = program.module()
        self._provider = provider
        self._names = [
            each for each in program.graph_signature.user_inputs if isinstance(each, str)
        ]

    def assign(self):
        """`load` has moved it to the device."""

    def inputs(self):
        """Names of the placeholders that a caller gives."""
        return list(self._names)

    def signature(self):
        """[(name, dtype, shape)] from the placeholders; an open dimension is ""."""
        held = {node.name: node.meta.get("val") for node in self._program.graph.nodes}
        found = []
        for name in self._names:
            told = held[name]
            kind = name_of(told.dtype) if hasattr(told, "dtype") else type(told).__name__
            if kind not in BITS:
                raise ValueError("the input {!r} is of type {}: give `data`".format(name, kind))
            shape = tuple(dim if isinstance(dim, int) else "" for dim in told.shape)
            found.append((name, kind, shape))
        return found

    def run(self, feeds):
        """Run once, without gradients."""
        written_off(self._names, feeds)
        torch = self._own.torch
        flat = [self._own.given(feeds[name], self._provider) for name in self._names]
        from torch.utils import _pytree as pytree

        arguments, named = pytree.tree_unflatten(flat, self._program.call_spec.in_spec)
        with torch.no_grad():
            found = self._module(*arguments, **named)
        return self._own.named(found)

    def placement(self):
        """{cpu: nodes} where the process has no other device; else torch keeps no record."""
        if self._provider != "cpu" or not self._own.cpu_only:
            return None
        nodes = sum(node.op == "call_function" for node in self._program.graph.nodes)
        return {"cpu": nodes} if nodes else {}

    def opset(self):
        """There is none."""
        return 0

    def close(self):
        """Release the program."""
        self._module = self._program = None
