"""ncnn: NAME.param with the weights beside it in NAME.bin.

ncnn has no batches: a value has one to four dimensions, the channels before height and width. Its
calls answer with a number and print why; here both become the message of an exception.

Providers: `cpu`, `vulkan`. Options: `threads`, `precision` (`float32`: weights and layers keep
their type; by default ncnn halves them where the processor can), `graph_optimization` (`disabled`:
no packed layouts and no Winograd or matrix kernels for convolutions).
"""

from ..arrays import to_array
from ._plain import file_of, only, value, version_of, written_off
from ._words import Printed

__all__ = ["Adapter"]

_OPTIONS = {"precision": ("half", "float32"), "graph_optimization": ("all", "disabled")}
_HALF = (
    "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage",
    "use_bf16_packed",
)  # fmt: skip
_FAST = (
    "use_packing_layout", "use_winograd_convolution", "use_sgemm_convolution",
    "use_winograd23_convolution", "use_winograd43_convolution", "use_winograd63_convolution",
)  # fmt: skip
_TAKEN = ("float32", "int32")  # four bytes an element; others would be read as if they had


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import ncnn

        self.ncnn = ncnn

    def info(self):
        """Version and devices."""
        return {
            "runtime": "ncnn",
            "version": version_of(self.distribution, self.ncnn.__version__),
            "providers": ["cpu"] if self.unavailable("vulkan", None) else ["cpu", "vulkan"],
            "devices": ["CPU"],
            "limits": {},
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("ncnn", options, _OPTIONS)

    def unavailable(self, provider, options):
        """Vulkan needs a build and a device; ncnn prints why it found none."""
        if provider == "cpu":
            return None
        if provider != "vulkan":
            return "ncnn has no provider {}".format(provider)
        if not hasattr(self.ncnn, "get_gpu_count"):
            return "this ncnn was built without Vulkan"
        with Printed() as printed:
            count = self.ncnn.get_gpu_count()
        if count > 0:
            return None
        said = printed.text.splitlines()
        return "get_gpu_count() = {}{}".format(count, ": " + said[0] if said else "")

    def load(self, model, provider, options):
        """Read the layers, then their weights."""
        told = only("ncnn", options, _OPTIONS)
        path = file_of("ncnn", model, (".param",))
        net = self.ncnn.Net()
        net.opt.num_threads = int(told.get("threads", "1"))
        net.opt.use_vulkan_compute = provider == "vulkan"
        off = _HALF if told.get("precision") == "float32" else ()
        off += _FAST if told.get("graph_optimization") == "disabled" else ()
        for name in off:
            if hasattr(net.opt, name):
                setattr(net.opt, name, False)
        _call("load_param", net.load_param, path)
        _call("load_model", net.load_model, path[: -len(".param")] + ".bin")
        return Session(self.ncnn, net, provider)


def _call(name, function, *arguments):
    """Call; what was printed where the answer is not 0.

    Raises:
        RuntimeError: "load_param = -1: parse magic failed".
    """
    with Printed() as printed:
        code = function(*arguments)
    if code:
        raise RuntimeError("{} = {}: {}".format(name, code, printed.text or "nothing was printed"))


class Session:
    """One net."""

    def __init__(self, ncnn, net, provider):
        self._ncnn = ncnn
        self._net = net
        self._provider = provider

    def assign(self):
        """`load` has made the layers' pipelines."""

    def inputs(self):
        """Names of the input blobs."""
        return list(self._net.input_names())

    def signature(self):
        """The file may leave shapes out, and ncnn does not tell them.

        Raises:
            ValueError: always.
        """
        raise ValueError("ncnn does not tell the shapes of its inputs: give `data`")

    def run(self, feeds):
        """Run once."""
        names = self.inputs()
        written_off(names, feeds)
        extractor, kept = self._net.create_extractor(), []
        for name in names:
            fed = feeds[name]
            if fed.kind != "tensor" or fed.dtype not in _TAKEN:
                raise TypeError("ncnn takes {}, not {}".format(_TAKEN, fed.dtype or fed.kind))
            # A copy in ncnn's own memory: it may keep what it was given.
            kept.append(self._ncnn.Mat(to_array(fed).copy()).clone())
            _call("input", extractor.input, name, kept[-1])
        found = []
        for name in self._net.output_names():
            with Printed() as printed:
                code, blob = extractor.extract(name)
            if code:
                raise RuntimeError("extract({}) = {}: {}".format(name, code, printed.text))
            found.append((name, value(blob.numpy() if hasattr(blob, "numpy") else blob)))
        extractor.clear() if hasattr(extractor, "clear") else None
        return found

    def placement(self):
        """{cpu: layers}; with Vulkan, layers may stay on the processor without a record."""
        if self._provider != "cpu":
            return None
        layers = [each for each in self._net.layers() if each.type != "Input"]
        return {"cpu": len(layers)} if layers else {}

    def opset(self):
        """There is none."""
        return 0

    def close(self):
        """Release the layers."""
        self._net.clear()
        self._net = None
