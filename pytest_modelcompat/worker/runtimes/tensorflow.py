"""TensorFlow: SavedModel folders by one of their signatures, and `.keras` files.

Providers are TensorFlow's devices: `cpu`, `gpu`, `gpu:0`. Options: `threads`, `signature` (default
`serving_default`, else the only one), `graph_optimization` (`disabled`: Grappler is off).

A `.keras` file is read in Keras' safe mode, which refuses code that a file carries. Custom
operators are loaded by the option `op_library`, a path in the cell.
"""

import os

from ._plain import array, file_of, only, value, version_of, written_off

__all__ = ["Adapter"]

_OPTIONS = {"signature": None, "graph_optimization": ("all", "disabled"), "op_library": None}
_SUFFIXES = (".keras", ".h5")


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its greetings say nothing of a case
        import tensorflow

        self.tf = tensorflow
        self._threads = None
        self._optimized = True

    def info(self):
        """Version, physical devices, and the newest GraphDef that it reads."""
        versions = self.tf.version
        devices = self.tf.config.list_physical_devices()
        kinds = sorted({each.device_type.lower() for each in devices} & {"cpu", "gpu"})
        return {
            "runtime": "tensorflow",
            "version": version_of(self.distribution, versions.VERSION),
            "build": "{} {}".format(versions.VERSION, versions.GIT_VERSION),
            "providers": kinds,
            "devices": [each.name for each in devices],
            "limits": {
                "graph_def": int(versions.GRAPH_DEF_VERSION),
                "oldest_graph_def": int(versions.GRAPH_DEF_VERSION_MIN_CONSUMER),
            },
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("tensorflow", options, _OPTIONS)

    def unavailable(self, provider, options):
        """Put one number on the device; whatever TensorFlow then says is the reason."""
        self._configure(only("tensorflow", options, _OPTIONS))
        soft = self.tf.config.get_soft_device_placement()
        self.tf.config.set_soft_device_placement(False)
        try:
            with self.tf.device(_device(provider)):
                self.tf.constant(1.0) + 1.0
        except Exception as error:
            return "{}: {}".format(type(error).__name__, error)
        finally:
            self.tf.config.set_soft_device_placement(soft)
        return None

    def _configure(self, told):
        """Threads once, before anything runs; the optimizer for what is traced from here on."""
        wanted = told.get("threads")
        if wanted is not None and self._threads is None:
            self._threads = wanted
            self.tf.config.threading.set_intra_op_parallelism_threads(int(wanted))
            self.tf.config.threading.set_inter_op_parallelism_threads(1)
        optimized = told.get("graph_optimization") != "disabled"
        if optimized != self._optimized:
            self._optimized = optimized
            self.tf.config.optimizer.set_experimental_options(
                {"disable_meta_optimizer": not optimized}
            )

    def load(self, model, provider, options):
        """Read the folder or file; unknown operators are refused here."""
        told = only("tensorflow", options, _OPTIONS)
        self._configure(told)
        if "op_library" in told:
            self.tf.load_op_library(told["op_library"])
        with self.tf.device(_device(provider)):
            if isinstance(model, str) and os.path.isdir(model):
                loaded = self.tf.saved_model.load(model)
                return Saved(self.tf, loaded, provider, told.get("signature"))
            path = file_of("tensorflow", model, _SUFFIXES)
            return Keras(self.tf, self.tf.keras.models.load_model(path, compile=False), provider)


def _device(provider):
    kind, _, number = provider.partition(":")
    return "/device:{}:{}".format(kind.upper(), number or "0")


class _Session:
    """What both kinds share; `_call` and `_function` are their own."""

    def __init__(self, tf, provider):
        self._tf = tf
        self._provider = provider
        self._ran = None

    def assign(self):
        """Operators are placed when they run."""

    def run(self, feeds):
        """Run once on the device that was asked for."""
        written_off(self.inputs(), feeds)
        given = {name: array("tensorflow", feeds[name]) for name in self.inputs()}
        with self._tf.device(_device(self._provider)):
            found = self._call({name: self._tensor(fed) for name, fed in given.items()})
        return [(name, self._value(item)) for name, item in found]

    def _tensor(self, fed):
        if fed.dtype == object:
            return self._tf.constant(fed.tolist(), dtype=self._tf.string, shape=fed.shape)
        return self._tf.constant(fed)

    def _value(self, found):
        tf = self._tf
        if isinstance(found, tf.RaggedTensor):
            found = found.to_tensor()
        if isinstance(found, tf.SparseTensor):
            found = tf.sparse.to_dense(found)
        return value(found.numpy())

    def placement(self):
        """{cpu: nodes} where TensorFlow sees no other device; else it keeps no record."""
        kinds = {each.device_type for each in self._tf.config.list_physical_devices()}
        if self._provider.partition(":")[0] != "cpu" or kinds != {"CPU"}:
            return None
        nodes = self._nodes()
        return {self._provider: nodes} if nodes else {}

    def opset(self):
        """There is none."""
        return 0


class Saved(_Session):
    """One signature of a SavedModel."""

    def __init__(self, tf, loaded, provider, signature):
        super().__init__(tf, provider)
        self._loaded = loaded  # its variables live as long as it does
        known = dict(loaded.signatures)
        wanted = signature or "serving_default"
        if signature is None and wanted not in known and len(known) == 1:
            [wanted] = known
        if wanted not in known:
            raise ValueError(
                "the SavedModel has no signature {!r}; it has {}".format(wanted, sorted(known))
            )
        self._function = known[wanted]
        self._taken = self._function.structured_input_signature[1]

    def inputs(self):
        """Names of the signature's arguments."""
        return list(self._taken)

    def signature(self):
        """[(name, dtype, shape)]; an open dimension is ""."""
        return [(name, spec.dtype.name, _shape(spec)) for name, spec in self._taken.items()]

    def _call(self, given):
        found = self._function(**given)
        return sorted(found.items()) if isinstance(found, dict) else [("output_0", found)]

    def _nodes(self):
        return len(_operations(self._function.graph))

    def close(self):
        """Release the model."""
        self._function = self._loaded = None


class Keras(_Session):
    """One Keras model, called for inference."""

    def __init__(self, tf, model, provider):
        super().__init__(tf, provider)
        self._model = model
        self._taken = {
            str(getattr(each, "name", "input_{}".format(n))).split(":")[0]: each
            for n, each in enumerate(model.inputs)
        }
        self._named = list(model.output_names) if hasattr(model, "output_names") else []

    def inputs(self):
        """Names of the model's inputs."""
        return list(self._taken)

    def signature(self):
        """[(name, dtype, shape)]; an open dimension is ""."""
        return [
            (name, getattr(each.dtype, "name", each.dtype), _shape(each))
            for name, each in self._taken.items()
        ]

    def _call(self, given):
        fed = list(given.values())
        found = self._model(fed[0] if len(fed) == 1 else fed, training=False)
        if isinstance(found, dict):
            return sorted(found.items())
        found = found if isinstance(found, (list, tuple)) else [found]
        return [("output_{}".format(n), item) for n, item in enumerate(found)]

    def _nodes(self):
        return len(self._model.layers)

    def close(self):
        """Release the model."""
        self._model = None


def _shape(spec):
    if getattr(spec.shape, "rank", 0) is None:
        return ()
    return tuple("" if dim is None else int(dim) for dim in spec.shape)


def _operations(graph):
    """The operators of a function and of those that it calls."""
    from_graph = [each.type for each in graph.get_operations()]
    nodes = list(graph.as_graph_def().library.function)
    inside = [node.op for function in nodes for node in function.node_def]
    return [kind for kind in from_graph + inside if kind not in ("Placeholder", "Const", "NoOp")]
