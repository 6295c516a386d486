"""One model in ONNX Runtime: its inputs, its runs, and who ran it."""

from .. import onnxpb
from ._declared import declared
from ._ort_placement import recorded
from ._ort_values import feed, from_ort, from_plain, to_ort

__all__ = ["CPU", "Session"]

CPU = "CPUExecutionProvider"


class Session:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, adapter, session, model, provider, options, profile):  # noqa: PLR0917
        self._adapter = adapter
        self._session = session
        self._model = model
        self._provider = provider
        self._options = options
        self._profile = profile
        self._ran = None
        self._declared = {item.name: declared(item.type) for item in session.get_inputs()}
        self._required = list(self._declared)
        for item in session.get_overridable_initializers():
            self._declared[item.name] = declared(item.type)
        self._outputs = [(item.name, declared(item.type)) for item in session.get_outputs()]
        every = [*self._declared.values(), *(kind for _, kind in self._outputs)]
        self._ort_values = any(kind.needs_ort_value for kind in every)

    def assign(self):
        """Loading has placed the graph already."""

    def inputs(self):
        """Names of the inputs without a default."""
        return self._required

    def signature(self):
        """[(name, dtype, shape)]; a dimension without a name is "".

        What is no tensor has its whole type in place of the dtype.
        """
        found = []
        for item in self._session.get_inputs():
            shape = tuple(
                dim if isinstance(dim, int) and dim >= 0 else str(dim or "")
                for dim in item.shape or ()
            )
            found.append((item.name, self._declared[item.name].dtype or item.type, shape))
        return found

    def run(self, feeds):
        """Run once; feeds of names that the session does not know are left out."""
        # What constant folding has removed is no input any more, and naming it is an error.
        known = {name: value for name, value in feeds.items() if name in self._declared}
        if self._provider != CPU:
            self._ran = known
        return self._run(self._session, known)

    def _run(self, session, feeds):
        names = [name for name, _ in self._outputs]
        if self._ort_values:
            given = {
                name: to_ort(self._adapter.ort, value, self._declared[name])
                for name, value in feeds.items()
            }
            found, read = session.run_with_ort_values(names, given), from_ort
        else:
            given = {name: feed(value, self._declared[name]) for name, value in feeds.items()}
            found, read = session.run(names, given), from_plain
        return [(name, read(item, kind)) for item, (name, kind) in zip(found, self._outputs)]

    def placement(self):
        """{provider: nodes}; None where nothing tells."""
        if self._provider == CPU:
            if list(self._session.get_providers()) != [CPU]:
                return None
            count = _node_count(self._model)
            return {CPU: count} if count else {}
        try:
            return self._evidence()
        except Exception:
            return None  # the case has run; only the evidence is missing

    def _evidence(self):
        if self._ran is None:
            return None
        if self._profile is not None:
            return self._profile.read(self._session)
        if self._adapter.recordable:
            return recorded(self._session) or self._profiled()
        return None

    def _profiled(self):
        """The recording is empty: run the same once more, watched by the profiler."""
        adapter = self._adapter
        profile = adapter.profile(self._provider, self._options)
        if profile is None:
            return None
        try:
            session = adapter.create(self._model, self._provider, self._options, profile)
            self._run(session, self._ran)
            return profile.read(session)
        finally:
            profile.close()

    def opset(self):
        """Of the model's main domain, 0 where unknown."""
        return onnxpb.main_opset(self._model)

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
