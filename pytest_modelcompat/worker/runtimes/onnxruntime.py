"""ONNX Runtime: the distributions onnxruntime, -gpu, -openvino, … and plug-in providers.

Options beside `graph_optimization`: `threads` (within a node), `inter_threads`,
`execution_mode` (sequential, parallel), `log_severity` (0 to 4), `provider.KEY` (an option of the
provider), any key with a dot otherwise (a session config entry, word for word),
`provider_library` (path of a plug-in provider's library, or the module that knows it) and
`register` (the name to register it by; default: the provider's).
"""

import importlib
import os

from .. import onnxpb
from ..values import Value
from . import _ort_placement, _ort_probe
from ._ort_values import Declared, feed, from_ort, from_plain, to_ort

__all__ = ["Adapter"]

_CPU = "CPUExecutionProvider"
_LEVELS = {
    "all": "ORT_ENABLE_ALL",
    "extended": "ORT_ENABLE_EXTENDED",
    "basic": "ORT_ENABLE_BASIC",
    "disabled": "ORT_DISABLE_ALL",
}
_PLAIN = frozenset({
    "execution_mode", "graph_optimization", "inter_threads", "log_severity", "provider_library",
    "register", "threads",
})  # fmt: skip


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        self._ort = importlib.import_module(module or "onnxruntime")
        self._recordable = hasattr(
            self._ort.InferenceSession, "get_provider_graph_assignment_info"
        )
        self._libraries = {}
        self._kept = (None, None)

        class Quiet(self._ort.InferenceSession):
            """A session that never falls back by itself: the failure is the answer.

            Python's wrapper would print the error and go on with the CPU provider, at creation
            and again in `run`.
            """

            _enable_fallback = property(lambda _: False, lambda _, value: None)

        self._session_class = Quiet

    def info(self):
        """Version, providers, devices and limits, as the installed build tells them."""
        ort = self._ort
        devices = [ort.get_device()]
        if hasattr(ort, "get_ep_devices"):
            devices += [
                "{}: {}".format(item.ep_name, item.device.type.name)
                for item in ort.get_ep_devices()
            ]
        options = self._ort.SessionOptions()
        options.log_severity_level = 4

        def load(model):
            self._session_class(model, options, providers=[_CPU])

        return {
            "runtime": "onnxruntime",
            "version": ort.__version__,
            "providers": list(ort.get_available_providers()),
            "devices": devices,
            "limits": _ort_probe.limits(load),
        }

    def unavailable(self, provider, options):
        """Try the provider with one node; whatever the runtime then says is the reason."""
        if provider == _CPU:
            return None
        told = dict(options or {})
        told.setdefault("log_severity", "2")
        with _ort_probe.spoken() as words:
            try:
                session = self._create(_ort_probe.relu(), provider, told, None)
                if provider in session.get_providers():
                    return None
            except Exception as error:
                words.append("{}: {}".format(type(error).__name__, error))
        return "\n".join(words) or "{} is not among {}".format(
            provider, self._ort.get_available_providers()
        )

    def load(self, model, provider, options):
        """A session with the provider alone, so that whatever it leaves goes to the CPU."""
        profile = None
        if provider != _CPU and not self._recordable:
            try:
                session_options = self._options(provider, options, fresh=True)
                profile = _ort_placement.Profile(session_options)
            except OSError:
                profile = None  # no folder to write to: there will be no evidence
        try:
            session = self._create(
                model, provider, options, session_options if profile else None
            )
            return Session(self, session, model, provider, options, profile)
        except BaseException:
            if profile:
                profile.close()
            raise

    def _create(self, model, provider, options, session_options):
        if session_options is None:
            session_options = self._options(provider, options)
        if isinstance(model, memoryview):
            model = bytes(model)
        if provider in self._libraries:
            session = self._session_class(model, session_options)
        else:
            own = _provider_options(options)
            session = self._session_class(
                model, session_options, providers=[(provider, own) if own else provider]
            )
        return session

    def _options(self, provider, options, *, fresh=False):
        """SessionOptions; the last ones are kept, since nearly all cases of a cell share them."""
        options = options or {}
        key = (provider, tuple(sorted(options.items())))
        if not fresh and self._kept[0] == key:
            return self._kept[1]
        ort = self._ort
        found = ort.SessionOptions()
        for name in options:
            if name not in _PLAIN and "." not in name:
                raise ValueError("onnxruntime has no option {!r}".format(name))
        level = options.get("graph_optimization", "all")
        if level not in _LEVELS:
            raise ValueError("graph_optimization is one of {}".format(", ".join(_LEVELS)))
        found.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[level])
        found.log_severity_level = int(options.get("log_severity", "3"))
        if "threads" in options:
            found.intra_op_num_threads = int(options["threads"])
        if "inter_threads" in options:
            found.inter_op_num_threads = int(options["inter_threads"])
        mode = options.get("execution_mode", "sequential")
        if mode not in ("sequential", "parallel"):
            raise ValueError("execution_mode is sequential or parallel")
        if mode == "parallel":
            found.execution_mode = ort.ExecutionMode.ORT_PARALLEL
        for name, value in options.items():
            if "." in name and not name.startswith("provider."):
                found.add_session_config_entry(name, value)
        if "provider_library" in options:
            self._register(provider, options)
        if provider in self._libraries:
            devices = [item for item in ort.get_ep_devices() if item.ep_name == provider]
            if not devices:
                raise RuntimeError("{} has no device here".format(provider))
            found.add_provider_for_devices(devices, _provider_options(options))
        if provider != _CPU and self._recordable:
            found.add_session_config_entry(_ort_placement.RECORD, "1")
        if not fresh:
            self._kept = (key, found)
        return found

    def _register(self, provider, options):
        """Make a plug-in provider known; it does nothing until its library is registered."""
        library = options["provider_library"]
        if provider in self._libraries:
            return
        path = library
        if os.sep not in library:
            path = importlib.import_module(library).get_library_path()
        self._ort.register_execution_provider_library(options.get("register", provider), path)
        self._libraries[provider] = path


def _provider_options(options):
    return {
        name[len("provider.") :]: value
        for name, value in (options or {}).items()
        if name.startswith("provider.")
    }


class Session:
    """One loaded model."""

    def __init__(self, adapter, session, model, provider, options, profile):
        self._adapter = adapter
        self._session = session
        self._model = model
        self._provider = provider
        self._options = options
        self._profile = profile
        self._ran = None
        self._declared = {item.name: Declared(item.type) for item in session.get_inputs()}
        self._required = list(self._declared)
        for item in session.get_overridable_initializers():
            self._declared[item.name] = Declared(item.type)
        self._outputs = [(item.name, Declared(item.type)) for item in session.get_outputs()]
        every = [*self._declared.values(), *(declared for _, declared in self._outputs)]
        self._ort_values = any(declared.needs_ort_value for declared in every)

    def assign(self):
        """Loading has placed the graph already."""

    def inputs(self):
        """Names of the inputs without a default."""
        return self._required

    def signature(self):
        """[(name, dtype, shape)]; dtype of what is no tensor is its type, dimensions may be text.

        A dimension without a name is "".
        """
        found = []
        for item in self._session.get_inputs():
            declared = self._declared[item.name]
            shape = tuple(
                dim if isinstance(dim, int) and dim >= 0 else str(dim or "")
                for dim in item.shape or ()
            )
            found.append((item.name, declared.dtype or item.type, shape))
        return found

    def run(self, feeds):
        """Run once; feeds of names that the session does not know are left out."""
        # What constant folding has removed is no input any more, and naming it is an error.
        known = {name: value for name, value in feeds.items() if name in self._declared}
        if self._provider != _CPU:
            self._ran = known
        return self._run(self._session, known)

    def _run(self, session, feeds):
        names = [name for name, _ in self._outputs]
        if self._ort_values:
            given = {
                name: to_ort(self._adapter._ort, value, self._declared[name])
                for name, value in feeds.items()
            }
            found = session.run_with_ort_values(names, given)
            return [
                (name, from_ort(item, declared))
                for item, (name, declared) in zip(found, self._outputs)
            ]
        given = {name: feed(value, self._declared[name]) for name, value in feeds.items()}
        found = session.run(names, given)
        return [
            (name, from_plain(item, declared))
            for item, (name, declared) in zip(found, self._outputs)
        ]

    def placement(self):
        """{provider: nodes}; None where nothing tells."""
        if self._provider == _CPU:
            if list(self._session.get_providers()) != [_CPU]:
                return None
            count = _node_count(self._model)
            return {_CPU: count} if count else {}
        if self._profile is not None:
            return self._profile.read(self._session) if self._ran is not None else None
        if not self._adapter._recordable:
            return None
        found = _ort_placement.recorded(self._session)
        if found or self._ran is None:
            return found or None
        return self._profiled()

    def _profiled(self):
        """The recording is empty: run the same once more, watched by the profiler."""
        adapter = self._adapter
        options = adapter._options(self._provider, self._options, fresh=True)
        try:
            profile = _ort_placement.Profile(options)
        except OSError:
            return None
        try:
            session = adapter._create(self._model, self._provider, self._options, options)
            self._run(session, self._ran)
            return profile.read(session)
        finally:
            profile.close()

    def close(self):
        """Release the session and whatever the profiler wrote."""
        self._session = self._ran = self._model = None
        if self._profile is not None:
            self._profile.close()
            self._profile = None


def _node_count(model):
    """Nodes of the main graph; 1 where the format is not ONNX's own."""
    try:
        with onnxpb.opened(model) as view:
            return onnxpb.main_nodes(view)
    except ValueError:
        return 1
