"""TensorFlow Lite, as `tflite-runtime` and under its new name as `ai-edge-litert`: `.tflite`.

Providers: `cpu` is the runtime's own default, which gives what it can to XNNPACK; `xnnpack` asks
for that delegate and tells which nodes it took. Both run on the processor. The delegates for
graphics processors and for phones are libraries that the wheels lack: an option
`delegate_library` names one, its nodes are then told as `delegate`.

Options: `threads`, `graph_optimization` (`disabled`: no default delegate, so that the built-in
kernels run), `delegate_library`, `signature` (default: the first one of the file).
"""

from importlib import import_module

from ._plain import array, file_of, only, value, version_of, written_off

__all__ = ["Adapter"]

_HOMES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "ai-edge-litert-nightly": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
_OPTIONS = {
    "graph_optimization": ("all", "disabled"),
    "delegate_library": None,
    "signature": None,
}
_DELEGATE = "DELEGATE"  # what a node is called that stands for others
_PROVIDERS = ("cpu", "xnnpack", "delegate")


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        home = _HOMES.get(distribution)
        if home is not None:
            self._module = import_module(home)
            self._resolvers = self._module.OpResolverType
            self._load_delegate = self._module.load_delegate
            return
        # TensorFlow's own copy; the folder of that name is another module than the attribute
        self._module = import_module("tensorflow").lite
        self._resolvers = self._module.experimental.OpResolverType
        self._load_delegate = self._module.experimental.load_delegate

    def info(self):
        """The release; what a file needs of it is written in the file, operator by operator."""
        return {
            "runtime": "litert",
            "version": version_of(self.distribution, ""),
            "providers": list(_PROVIDERS),
            "devices": ["CPU"],
            "limits": {},
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("litert", options, _OPTIONS)

    def unavailable(self, provider, options):
        """The delegates of this wheel are two; another one is a library that must load."""
        if provider not in _PROVIDERS:
            return "litert has no provider {}".format(provider)
        library = (options or {}).get("delegate_library")
        if provider == "delegate" and not library:
            return "the option delegate_library names no library"
        if library:
            try:
                self._load_delegate(library)
            except Exception as error:
                return "{}: {}".format(type(error).__name__, error)
        return None

    def load(self, model, provider, options):
        """Read the file; operators are looked up and delegates applied when it is placed."""
        told = only("litert", options, _OPTIONS)
        if provider == "xnnpack" and told.get("graph_optimization") == "disabled":
            raise ValueError("graph_optimization: disabled leaves xnnpack out")
        kinds = self._resolvers
        arguments = {"num_threads": int(told.get("threads", "1"))}
        plain = told.get("graph_optimization") == "disabled" or provider == "delegate"
        arguments["experimental_op_resolver_type"] = (
            kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else kinds.AUTO
        )
        if provider == "delegate":
            library = self._load_delegate(told["delegate_library"])
            arguments["experimental_delegates"] = [library]
        path = file_of("litert", model, (".tflite",))
        interpreter = self._module.Interpreter(model_path=path, **arguments)
        return Session(interpreter, provider, told.get("signature"))


class Session:
    """One interpreter."""

    def __init__(self, interpreter, provider, signature):
        self._interpreter = interpreter
        self._provider = provider
        known = interpreter.get_signature_list()
        if signature is not None and signature not in known:
            raise ValueError(
                "the file has no signature {!r}; it has {}".format(signature, sorted(known))
            )
        self._inputs = {each["name"]: each["index"] for each in interpreter.get_input_details()}
        self._outputs = {each["name"]: each["index"] for each in interpreter.get_output_details()}
        self._signature = signature or next(iter(known), None)
        self._placed = False

    def assign(self):
        """Look up the operators, apply the delegates, get memory."""
        self._interpreter.allocate_tensors()
        self._placed = True
        if self._signature is not None:
            self._rename()

    def _rename(self):
        """The names that the file's signature gives, which are those that its maker chose."""
        runner = self._interpreter.get_signature_runner(self._signature)
        if not hasattr(runner, "get_input_details"):  # before 2.9
            return
        inputs = {name: each["index"] for name, each in runner.get_input_details().items()}
        outputs = {name: each["index"] for name, each in runner.get_output_details().items()}
        if set(inputs.values()) == set(self._inputs.values()) and set(outputs.values()) == set(
            self._outputs.values()
        ):  # a signature of another subgraph has indices of its own
            self._inputs, self._outputs = inputs, outputs

    def inputs(self):
        """Names, those of the signature where there is one."""
        return list(self._inputs)

    def signature(self):
        """[(name, dtype, shape)]; a dimension that can be resized is ""."""
        details = {each["index"]: each for each in self._interpreter.get_input_details()}
        found = []
        for name, index in self._inputs.items():
            each = details[index]
            shape = tuple(
                int(dim) if dim >= 0 else "" for dim in each.get("shape_signature", each["shape"])
            )
            found.append((name, _dtype(each["dtype"]), shape))
        return found

    def run(self, feeds):
        """Run once; inputs of another size are resized, which the runtime may refuse."""
        interpreter = self._interpreter
        written_off(self._inputs, feeds)
        details = {each["index"]: each for each in interpreter.get_input_details()}
        given = {index: array("litert", feeds[name]) for name, index in self._inputs.items()}
        resized = False
        for index, fed in given.items():
            if tuple(details[index]["shape"]) != fed.shape:
                # Strict: only dimensions that the file leaves open.
                interpreter.resize_tensor_input(index, fed.shape, strict=True)
                resized = True
        if resized:
            interpreter.allocate_tensors()
        for index, fed in given.items():
            interpreter.set_tensor(index, fed)
        interpreter.invoke()
        return [(name, value(interpreter.get_tensor(at))) for name, at in self._outputs.items()]

    def placement(self):
        """{provider: nodes} from the runtime's list of nodes, a delegate's own among them."""
        every = self._interpreter._get_ops_details()
        nodes = [each for each in every if each["op_name"] != _DELEGATE]
        taken = _delegated(every) if self._provider != "cpu" else 0
        # Under `cpu`, the default delegate is the runtime's own affair: it runs there, too.
        found = {self._provider: taken, "cpu": len(nodes) - taken}
        return {name: count for name, count in found.items() if count}

    def opset(self):
        """There is none."""
        return 0

    def close(self):
        """Release the interpreter."""
        self._interpreter = None


def _delegated(nodes):
    """How many nodes a delegate replaced.

    The list keeps them and adds one for each part that was given away, with the tensors at its
    edges: what lies between these edges is what it computes.
    """
    makers = {
        int(tensor): at
        for at, each in enumerate(nodes)
        if each["op_name"] != _DELEGATE
        for tensor in each["outputs"]
    }
    taken = set()
    for each in nodes:
        if each["op_name"] != _DELEGATE:
            continue
        edge = {int(tensor) for tensor in each["inputs"]}
        left = [int(tensor) for tensor in each["outputs"]]
        while left:
            tensor = left.pop()
            at = makers.get(tensor)
            if tensor in edge or at is None or at in taken:
                continue
            taken.add(at)
            left += [int(tensor) for tensor in nodes[at]["inputs"]]
    return len(taken)


def _dtype(kind):
    import numpy

    if kind in (numpy.bytes_, bytes):
        return "string"
    return numpy.dtype(kind).name
