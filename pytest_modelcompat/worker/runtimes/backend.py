"""Any module that implements `onnx.backend.base.Backend`: `prepare` and `run`.

The matrix names the module (`runtime: backend, module: pkg.mod`). A provider is one of the
interface's devices, `cpu` or `cuda`, with an index after a colon where wanted. Options go to
`prepare` as keyword arguments.
"""

import importlib
import io

from .. import onnxpb
from ._declared import Declared
from ._onnx_arrays import Arrays

__all__ = ["Adapter"]


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        if not module:
            raise ValueError("the runtime `backend` needs the name of its module")
        self.distribution = distribution
        import onnx
        import onnx.backend.base

        self._onnx = onnx
        self._module = module
        self._backend = _find(importlib.import_module(module), onnx.backend.base.Backend)
        self.arrays = Arrays(onnx)

    def info(self):
        """What the interface can say: which devices the backend supports."""
        devices = [name for name in ("CPU", "CUDA") if self._supports(name)]
        return {
            "runtime": "backend",
            "module": self._module,
            "version": _version(self.distribution),
            "providers": [name.lower() for name in devices],
            "devices": devices,
            "limits": {},
        }

    def unavailable(self, provider, options):
        """Whether the backend supports the device."""
        if self._supports(provider.upper()):
            return None
        return "{}: supports_device({!r}) is False".format(self._module, provider.upper())

    def _supports(self, device):
        return bool(self._backend.supports_device(device))

    def load(self, model, provider, options):
        """Parse the model and prepare it."""
        # Most backends check neither, so what they were not made for would be run as if it were.
        if isinstance(model, str):
            proto = self._onnx.load(model)
        else:
            proto = self._onnx.load(io.BytesIO(model))
        told = {name: value for name, value in (options or {}).items() if name != "threads"}
        return Session(
            self, proto, self._backend.prepare(proto, provider.upper(), **told), provider
        )


def _find(module, base):
    """What has `prepare`: the module itself, or the one Backend that it defines."""
    if callable(getattr(module, "prepare", None)) and callable(
        getattr(module, "supports_device", None)
    ):
        return module
    found = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, base) and item is not base
    ]
    if not found:
        raise AttributeError("module {} has no onnx Backend".format(module.__name__))
    # A module may import the class that it extends; the most derived one is its own.
    return max(found, key=lambda item: len(item.__mro__))


def _version(distribution):
    try:
        from importlib import metadata

        return metadata.version(distribution)
    except Exception:
        return ""


class Session:
    """One prepared model."""

    def __init__(self, adapter, proto, prepared, provider):
        self._arrays = adapter.arrays
        self._prepared = prepared
        self._provider = provider
        self._opset = next((o.version for o in proto.opset_import if not o.domain), 0)
        held = {item.name for item in proto.graph.initializer}
        self._inputs = [
            (info.name, *onnxpb.read_type(memoryview(info.type.SerializeToString())))
            for info in proto.graph.input
            if info.name not in held
        ]
        self._outputs = [
            (info.name, Declared(onnxpb.read_type(memoryview(info.type.SerializeToString()))[0]))
            for info in proto.graph.output
        ]

    def assign(self):
        """`prepare` has done it."""

    def inputs(self):
        """Names of the inputs without an initializer, in the order in which they are passed."""
        return [name for name, _, _ in self._inputs]

    def signature(self):
        """[(name, dtype, shape)]."""
        return [
            (name, Declared(words).dtype or words, shape or ())
            for name, words, shape in self._inputs
        ]

    def run(self, feeds):
        """Run once; the interface takes inputs by position."""
        given = [self._arrays.feed(feeds[name]) for name, _, _ in self._inputs]
        found = self._prepared.run(given)
        if not isinstance(found, (list, tuple)):
            found = [found]
        return [
            (name, self._arrays.value(item, declared))
            for item, (name, declared) in zip(found, self._outputs)
        ]

    def placement(self):
        """None: the interface gives no evidence of where anything ran."""

    def opset(self):
        """Of the model's main domain, 0 where it imports none."""
        return self._opset

    def close(self):
        """Release what was prepared."""
        self._prepared = None
