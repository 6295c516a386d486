"""The reference evaluator of the onnx package: provider "reference", no options."""

import io

from .. import onnxpb
from ._declared import Declared
from ._onnx_arrays import Arrays
from ._unknown import no_option

__all__ = ["Adapter"]


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import onnx
        import onnx.reference

        self._onnx = onnx
        self.arrays = Arrays(onnx)

    def info(self):
        """The release's own IR version and newest opsets."""
        onnx = self._onnx
        opsets = {}
        for schema in onnx.defs.get_all_schemas_with_history():
            domain = schema.domain or "ai.onnx"
            opsets[domain] = max(opsets.get(domain, 0), schema.since_version)
        opsets["ai.onnx"] = onnx.defs.onnx_opset_version()
        return {
            "runtime": "onnx",
            "version": onnx.__version__,
            "providers": ["reference"],
            "devices": ["CPU"],
            "limits": {"ir": int(onnx.IR_VERSION), "opsets": opsets},
        }

    def unavailable(self, provider, options):
        """There is one provider."""
        return None if provider == "reference" else "onnx.reference has no {}".format(provider)

    def load(self, model, provider, options):
        """Parse the model and find an implementation of every operator."""
        for name in options or {}:
            if name != "threads":  # numpy's own affair
                raise no_option("onnx", name, {"threads"})
        if isinstance(model, str):
            proto = self._onnx.load(model)  # with its external data
        else:
            proto = self._onnx.load(io.BytesIO(model))
        return Session(self, proto, self._onnx.reference.ReferenceEvaluator(proto))


class Session:
    """One loaded model."""

    def __init__(self, adapter, proto, evaluator):
        self._arrays = adapter.arrays
        self._evaluator = evaluator
        self._opset = next((o.version for o in proto.opset_import if not o.domain), 0)
        self._nodes = len(proto.graph.node)
        graph = proto.graph
        held = {item.name for item in graph.initializer}
        self._inputs, self._required = {}, []
        for info in graph.input:
            words, shape = onnxpb.read_type(memoryview(info.type.SerializeToString()))
            self._inputs[info.name] = (Declared(words), words, shape)
            if info.name not in held:
                self._required.append(info.name)
        self._outputs = [
            (info.name, Declared(onnxpb.read_type(memoryview(info.type.SerializeToString()))[0]))
            for info in graph.output
        ]

    def assign(self):
        """There is nothing to place."""

    def inputs(self):
        """Names of the inputs without an initializer."""
        return self._required

    def signature(self):
        """[(name, dtype, shape)]; shape () also where the rank is not known."""
        return [
            (
                name,
                self._inputs[name][0].dtype or self._inputs[name][1],
                self._inputs[name][2] or (),
            )
            for name in self._required
        ]

    def run(self, feeds):
        """Run once."""
        given = {
            name: self._arrays.feed(value) for name, value in feeds.items() if name in self._inputs
        }
        found = self._evaluator.run([name for name, _ in self._outputs], given)
        return [
            (name, self._arrays.value(item, declared))
            for item, (name, declared) in zip(found, self._outputs)
        ]

    def placement(self):
        """All nodes, by the one evaluator."""
        return {"reference": self._nodes} if self._nodes else {}

    def opset(self):
        """Of the model's main domain, 0 where it imports none."""
        return self._opset

    def close(self):
        """Release the evaluator."""
        self._evaluator = None
