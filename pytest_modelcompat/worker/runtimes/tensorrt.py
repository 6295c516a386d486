"""TensorRT from 8.5 on: an engine built from ONNX, or one made before (`.engine`, `.plan`).

Parsing is stage `load`, building stage `assign`; where inputs have open dimensions the engine is
built in the first run, for the sizes that are fed. Providers are `cuda` and `cuda:N`. A wheel whose
libraries or driver are not there makes the provider unavailable in the loader's words, not the
environment broken: the vendor's bindings come without them.

Options: `precision` (float32, float16: a permission, not an order), `workspace` (MiB),
`graph_optimization` (`disabled`: builder level 0). `threads` means nothing to it.

Written against the vendor's interface and held by a fake of it: no machine with a GPU was at hand.
"""

from importlib import import_module

from ._cudart import Cuda
from ._plain import array, file_of, only, positive, suffix_of, value, version_of, written_off

__all__ = ["Adapter"]

_MODULES = ("tensorrt", "tensorrt_bindings", "tensorrt_lean", "tensorrt_dispatch")
_OPTIONS = {
    "precision": ("float32", "float16"), "workspace": None,
    "graph_optimization": ("all", "disabled"),
}  # fmt: skip
_ENGINES = (".engine", ".plan")


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        self.trt = self.cuda = None
        self._problem = ""
        for name in _MODULES:
            try:
                self.trt = import_module(name)
                break
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
                self._problem = self._problem or str(error)
            except ImportError as error:  # a shared library that is not there
                self._problem = str(error)
                break
        if self.trt is None and self._problem.startswith("No module named"):
            raise ImportError(self._problem)
        if self.trt is not None:
            self.logger = self.trt.Logger(self.trt.Logger.ERROR)

    def info(self):
        """Version and devices."""
        reason = self.unavailable("cuda", None)
        version = getattr(self.trt, "__version__", "")
        return {
            "runtime": "tensorrt",
            "version": version_of(self.distribution, version),
            "providers": [] if reason else ["cuda"],
            "devices": [] if reason else ["cuda:{}".format(n) for n in range(self.cuda.devices())],
            "limits": {},
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        told = only("tensorrt", options, _OPTIONS)
        if "workspace" in told:
            positive("workspace", told["workspace"])

    def unavailable(self, provider, options):
        """The loader's words, then the driver's."""
        kind, _, number = provider.partition(":")
        if kind != "cuda" or not (number or "0").isdigit():
            return "tensorrt has no provider {}".format(provider)
        if self.trt is None:
            return self._problem
        try:
            if self.cuda is None:
                self.cuda = Cuda()
            count = self.cuda.devices()
        except (OSError, RuntimeError) as error:
            return str(error)
        if int(number or 0) >= count:
            return "{} of {} CUDA devices".format(provider, count)
        return None

    def load(self, model, provider, options):
        """Parse an ONNX file, or read an engine."""
        self.check(options)
        told = only("tensorrt", options, _OPTIONS)
        self.cuda.choose(int(provider.partition(":")[2] or 0))
        if suffix_of(model, _ENGINES):
            with open(model, "rb") as file:
                return Session(self, None, _engine(self, file.read()), provider)
        builder = self.trt.Builder(self.logger)
        network = builder.create_network(_explicit(self.trt))
        parser = self.trt.OnnxParser(network, self.logger)
        if isinstance(model, str):  # with its external data
            parsed = parser.parse_from_file(file_of("tensorrt", model, (".onnx", *_ENGINES)))
        else:
            parsed = parser.parse(bytes(model))
        if not parsed:
            said = [str(parser.get_error(n)) for n in range(parser.num_errors)]
            raise RuntimeError("\n".join(said) or "the parser says no and nothing else")
        return Session(self, _Plan(self, builder, network, told), None, provider)


def _explicit(trt):
    """The flags of a network with a batch dimension of its own; from 10 on there is no other."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return 0 if flag is None else 1 << int(flag)


def _engine(adapter, data):
    runtime = adapter.trt.Runtime(adapter.logger)
    found = runtime.deserialize_cuda_engine(data)
    if found is None:
        raise RuntimeError("deserialize_cuda_engine gave nothing")
    return runtime, found  # the engine must not outlive its runtime


class _Plan:
    """A parsed network that waits to be built."""

    def __init__(self, adapter, builder, network, told):
        self._adapter = adapter
        self._builder = builder
        self._network = network
        self._told = told
        self.inputs = [network.get_input(n) for n in range(network.num_inputs)]

    @property
    def open(self):
        """Whether an input has a dimension without a size."""
        return any(dim < 0 for each in self.inputs for dim in each.shape)

    def build(self, shapes):
        """An engine, for exactly these sizes where the network leaves some open."""
        trt, told = self._adapter.trt, self._told
        config = self._builder.create_builder_config()
        if told.get("precision") == "float16":
            config.set_flag(trt.BuilderFlag.FP16)
        if told.get("graph_optimization") == "disabled":
            config.builder_optimization_level = 0
        if "workspace" in told:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(told["workspace"]) << 20)
        if self.open:
            profile = self._builder.create_optimization_profile()
            for each in self.inputs:
                shape = shapes[each.name]
                profile.set_shape(each.name, shape, shape, shape)
            config.add_optimization_profile(profile)
        data = self._builder.build_serialized_network(self._network, config)
        if data is None:
            raise RuntimeError("build_serialized_network gave nothing")
        return _engine(self._adapter, data)


class Session:
    """One network or engine."""

    def __init__(self, adapter, plan, engine, provider):
        self._adapter = adapter
        self._plan = plan
        self._runtime, self._engine = engine or (None, None)
        self._provider = provider
        self._built = None

    def assign(self):
        """Build, where all sizes are known."""
        if self._plan is not None and not self._plan.open:
            self._runtime, self._engine = self._plan.build({})

    def _tensors(self):
        """[(name, is an input, dtype, shape)] of the engine, of the network before it is built."""
        trt, engine = self._adapter.trt, self._engine
        if engine is None:
            return [
                (each.name, True, self._dtype(each.dtype), tuple(each.shape))
                for each in self._plan.inputs
            ]
        names = [engine.get_tensor_name(n) for n in range(engine.num_io_tensors)]
        return [
            (
                name,
                engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
                self._dtype(engine.get_tensor_dtype(name)),
                tuple(engine.get_tensor_shape(name)),
            )
            for name in names
        ]

    def _dtype(self, kind):
        import numpy

        return numpy.dtype(self._adapter.trt.nptype(kind)).name

    def inputs(self):
        """Names."""
        return [name for name, given, _, _ in self._tensors() if given]

    def signature(self):
        """[(name, dtype, shape)]; an open dimension is ""."""
        return [
            (name, dtype, tuple(int(dim) if dim >= 0 else "" for dim in shape))
            for name, given, dtype, shape in self._tensors()
            if given
        ]

    def run(self, feeds):
        """Run once on the default stream; open sizes that were not built for are built first."""
        declared = {name: dtype for name, given, dtype, _ in self._tensors() if given}
        written_off(declared, feeds)
        given = {name: array("tensorrt", feeds[name]) for name in declared}
        for name, fed in given.items():
            if fed.dtype.name != declared[name]:
                # Addresses have no type: it would read the bytes as what it expects.
                raise TypeError("{} is {}, not {}".format(name, declared[name], fed.dtype.name))
        shapes = {name: fed.shape for name, fed in given.items()}
        if self._plan is not None and self._plan.open and self._built != shapes:
            self._runtime, self._engine = self._plan.build(shapes)
            self._built = shapes
        held = []
        try:
            return self._run(given, held)
        finally:
            for address in held:
                self._adapter.cuda.free(address)

    def _run(self, given, held):
        """Send, run, fetch; addresses that were taken join `held`."""
        import numpy

        cuda, context = self._adapter.cuda, self._engine.create_execution_context()
        for name, fed in given.items():
            held.append(cuda.allocate(fed.nbytes))
            cuda.send(held[-1], fed)
            if not context.set_input_shape(name, fed.shape):
                raise ValueError("{} of {} is refused".format(name, fed.shape))
            context.set_tensor_address(name, held[-1])
        found = []
        for name, is_input, dtype, _ in self._tensors():
            if is_input:
                continue
            shape = tuple(context.get_tensor_shape(name))
            if any(dim < 0 for dim in shape):
                raise NotImplementedError("the size of {} depends on the data".format(name))
            made = numpy.empty(shape, dtype)
            held.append(cuda.allocate(made.nbytes))
            context.set_tensor_address(name, held[-1])
            found.append((name, made, held[-1]))
        if not context.execute_async_v3(0):
            raise RuntimeError("execute_async_v3 says no")
        cuda.wait()
        for _, made, address in found:
            cuda.fetch(made, address)
        return [(name, value(made)) for name, made, _ in found]

    def placement(self):
        """{cuda: layers}: an engine runs where it was built for, or not at all."""
        return {self._provider: int(self._engine.num_layers)} if self._engine.num_layers else {}

    def opset(self):
        """The parser does not tell."""
        return 0

    def close(self):
        """Release the engine, then its runtime."""
        self._engine = None
        self._runtime = self._plan = None
