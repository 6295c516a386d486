"""Apache MXNet, the last release: symbol and parameters, or an ONNX file through its own import.

A model is NAME-symbol.json with NAME-0000.params beside it, as `save_checkpoint` writes them; an
`.onnx` file goes through `mxnet.contrib.onnx`, which needs the package onnx in the cell. Providers
are contexts: `cpu`, `gpu`, `gpu:0`. Options: `threads` (it must be in the environment before the
import, so `env: {OMP_NUM_THREADS: …}` is the better place), `graph_optimization` (`disabled`: no
subgraph backend).
"""

import os

from ._plain import array, file_of, only, suffix_of, value, version_of, written_off

__all__ = ["Adapter"]

_OPTIONS = {"graph_optimization": ("all", "disabled")}
_SYMBOL = "-symbol.json"


class Adapter:
    """See the seam's text in `runtimes/__init__.py`."""

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        import mxnet

        self.mxnet = mxnet

    def info(self):
        """Version, devices and what it was built with."""
        mx = self.mxnet
        count = mx.context.num_gpus()
        return {
            "runtime": "mxnet",
            "version": version_of(self.distribution, mx.__version__),
            "providers": ["cpu", *("gpu:{}".format(n) for n in range(count))],
            "devices": ["CPU", *("gpu:{}".format(n) for n in range(count))],
            "limits": {},
            "features": [each.name for each in mx.runtime.feature_list() if each.enabled],
            "optimizer_off": {"graph_optimization": "disabled"},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        only("mxnet", options, _OPTIONS)

    def unavailable(self, provider, options):
        """Put one number on the device; whatever MXNet then says is the reason."""
        try:
            self.mxnet.nd.ones(1, ctx=self.context(provider)).asnumpy()
        except Exception as error:
            return "{}: {}".format(type(error).__name__, error)
        return None

    def context(self, provider):
        """The context by its name.

        Raises:
            ValueError: there is no such kind.
        """
        kind, _, number = provider.partition(":")
        if kind not in ("cpu", "gpu"):
            raise ValueError("mxnet has no provider {}".format(provider))
        return getattr(self.mxnet, kind)(int(number or 0))

    def load(self, model, provider, options):
        """Read symbol and parameters."""
        told = only("mxnet", options, _OPTIONS)
        # Read when a graph is bound.
        os.environ["MXNET_SUBGRAPH_BACKEND"] = (
            "NONE" if told.get("graph_optimization") == "disabled" else "MKLDNN"
        )
        path = file_of("mxnet", model, (_SYMBOL, ".onnx"))
        if suffix_of(path, (".onnx",)):
            from mxnet.contrib import onnx

            symbol, arguments, states = onnx.import_model(path)
        else:
            symbol = self.mxnet.sym.load(path)
            held = self.mxnet.nd.load(path[: -len(_SYMBOL)] + "-0000.params")
            arguments = {name[4:]: item for name, item in held.items() if name[:4] == "arg:"}
            states = {name[4:]: item for name, item in held.items() if name[:4] == "aux:"}
        return Session(self, symbol, (arguments, states), provider)


class Session:
    """One symbol; bound again when the sizes of the inputs change."""

    def __init__(self, adapter, symbol, held, provider):
        self._mx = adapter.mxnet
        self._symbol = symbol
        self._context = context = adapter.context(provider)
        arguments, states = held
        self._provider = provider
        self._arguments = {key: item.as_in_context(context) for key, item in arguments.items()}
        self._states = {key: item.as_in_context(context) for key, item in states.items()}
        self._inputs = [name for name in symbol.list_arguments() if name not in arguments]

    def assign(self):
        """Graphs are bound when the sizes of the inputs are known."""

    def inputs(self):
        """Arguments of the symbol without a parameter."""
        return list(self._inputs)

    def signature(self):
        """A symbol keeps no shapes.

        Raises:
            ValueError: always.
        """
        raise ValueError("an MXNet symbol does not tell the shapes of its inputs: give `data`")

    def run(self, feeds):
        """Bind and run once."""
        written_off(self._inputs, feeds)
        given = dict(self._arguments)
        for name in self._inputs:
            fed = array("mxnet", feeds[name])
            given[name] = self._mx.nd.array(fed, ctx=self._context, dtype=fed.dtype)
        bound = self._symbol.bind(
            self._context, given, grad_req="null", aux_states=self._states or None
        )
        found = bound.forward(is_train=False)
        names = [
            name[:-7] if name.endswith("_output") else name for name in self._symbol.list_outputs()
        ]
        return [(name, value(item.asnumpy())) for name, item in zip(names, found)]

    def placement(self):
        """{context: operators}: without groups of contexts, a graph is bound to one."""
        nodes = [each for each in self._symbol.get_internals() if each.attr("__ctx_group__")]
        if nodes:
            return None
        import json

        told = json.loads(self._symbol.tojson())["nodes"]
        count = sum(each["op"] != "null" for each in told)
        return {self._provider: count} if count else {}

    def opset(self):
        """There is none."""
        return 0

    def close(self):
        """Release the parameters."""
        self._arguments = self._states = self._symbol = None
