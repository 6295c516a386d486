"""Apache TVM by its relax front end: ONNX from a file or from memory, compiled in the cell.

Reading is stage `load`, compiling stage `assign`. The package onnx must be in the cell
(`packages: [onnx]`). Providers are targets: `cpu` (which is llvm), `cuda`, `vulkan`, `opencl`,
`metal`, `rocm`; what the wheel was built without is unavailable. Releases before relax have none of
this and fail at the import.

Options: `threads`, `graph_optimization` (`disabled`: relax's pipeline of passes without the ones
that rewrite for speed, `opt_level` 0), `target` (words of TVM's own after the kind, for example
`llvm -mcpu=core-avx2`).
"""

import io
import os

from .. import onnxpb
from ._plain import array, file_of, only, value, version_of, written_off

__all__ = ["Adapter"]

_OPTIONS = {"graph_optimization": ("all", "disabled"), "target": None}
_KINDS = {
    "cpu": "llvm", "cuda": "cuda", "vulkan": "vulkan", "opencl": "opencl", "metal": "metal",
    "rocm": "rocm",
}  # fmt: skip
_FLOATS = {"float": "float32", "double": "float64"}


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import tvm
        import tvm.relax

        self.tvm = tvm

    def info(self):
        """Version, and the targets that there is a compiler and a device for."""
        found = [name for name in _KINDS if self.unavailable(name, None) is None]
        return {
            "runtime": "tvm",
            "version": version_of(self.distribution, self.tvm.__version__),
            "build": self.tvm.__version__,
            "providers": found,
            "devices": found,
            "limits": {},
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("tvm", options, _OPTIONS)

    def unavailable(self, provider, options):
        """Whether TVM was built with the target, and sees a device for it."""
        if provider not in _KINDS:
            return "tvm has no provider {}".format(provider)
        kind = _KINDS[provider]
        if not self.tvm.runtime.enabled(kind):
            return "tvm.runtime.enabled({!r}) is False".format(kind)
        if not self.device(provider).exist:
            return "tvm.device({!r}).exist is False".format(provider)
        return None

    def device(self, provider):
        """The first device of a kind."""
        return self.tvm.device(provider, 0)

    def load(self, model, provider, options):
        """Translate the file; operators that the front end lacks are refused here."""
        told = only("tvm", options, _OPTIONS)
        os.environ["TVM_NUM_THREADS"] = told.get("threads", "1")  # read when its pool starts
        import onnx
        from tvm.relax.frontend.onnx import from_onnx

        if isinstance(model, str):
            proto = onnx.load(file_of("tvm", model, (".onnx",)))
        else:
            model = bytes(model)
            proto = onnx.load(io.BytesIO(model))
        return Session(self, from_onnx(proto), model, provider, told)


class Session:
    """One module, a virtual machine once it is compiled."""

    def __init__(self, adapter, module, model, provider, told):
        self._adapter = adapter
        self._module = module
        self._provider = provider
        self._told = told
        found = onnxpb.summary(model)
        held = set(found.initializers)
        self._inputs = [each for each in found.inputs if each[0] not in held]
        self._outputs = [name for name, _, _ in found.outputs]
        self._opset = onnxpb.main_opset(model)
        self._machine = None
        self._nodes = 0

    def assign(self):
        """Compile for the target."""
        tvm = self._adapter.tvm
        target = self._told.get("target") or _KINDS[self._provider]
        level = 0 if self._told.get("graph_optimization") == "disabled" else 3
        with tvm.transform.PassContext(opt_level=level):
            compiled = tvm.compile(self._module, target=target)
        self._machine = tvm.relax.VirtualMachine(compiled, self._adapter.device(self._provider))
        self._nodes = sum(len(block.bindings) for block in self._module["main"].body.blocks)

    def inputs(self):
        """Names of the graph's inputs without an initializer."""
        return [name for name, _, _ in self._inputs]

    def signature(self):
        """[(name, dtype, shape)]."""
        return [
            (name, _FLOATS.get(words[7:-1], words[7:-1]), shape or ())
            for name, words, shape in self._inputs
        ]

    def run(self, feeds):
        """Run once; the function takes its inputs by position."""
        names = self.inputs()
        written_off(names, feeds)
        device = self._adapter.device(self._provider)
        given = [
            self._adapter.tvm.runtime.tensor(array("tvm", feeds[name]), device) for name in names
        ]
        found = self._machine["main"](*given)
        found = [found] if hasattr(found, "numpy") else list(found)
        return [(name, value(item.numpy())) for name, item in zip(self._outputs, found)]

    def placement(self):
        """{target: bindings}: all of a module is compiled for the one target."""
        return {self._provider: self._nodes} if self._nodes else {}

    def opset(self):
        """Of the model's main domain."""
        return self._opset

    def close(self):
        """Release the machine."""
        self._machine = self._module = None
