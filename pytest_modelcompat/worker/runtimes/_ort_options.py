"""Options of the matrix as ONNX Runtime's session and provider options."""

import importlib
import os

from ._ort_mobile import LISTS
from ._unknown import no_option

__all__ = ["provider_options", "session_options"]

_LEVELS = {
    "all": "ORT_ENABLE_ALL",
    "extended": "ORT_ENABLE_EXTENDED",
    "basic": "ORT_ENABLE_BASIC",
    "disabled": "ORT_DISABLE_ALL",
}
_MODES = {"sequential": "ORT_SEQUENTIAL", "parallel": "ORT_PARALLEL"}
_PLAIN = frozenset({
    "custom_ops", "device", "execution_mode", "graph_optimization", "inter_threads", "log_severity",
    "mobile", "provider_library", "register", "threads",
})  # fmt: skip
_PROVIDER = "provider."


def session_options(ort, options):
    """New SessionOptions.

    Raises:
        ValueError: an option or a value that is none.
    """
    for name in options:
        if name not in _PLAIN and "." not in name:
            raise no_option("onnxruntime", name, _PLAIN)
    found = ort.SessionOptions()
    if "mobile" in options:
        _one_of(options, "mobile", None, LISTS)
    level = _one_of(options, "graph_optimization", "all", _LEVELS)
    found.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    mode = _one_of(options, "execution_mode", "sequential", _MODES)
    found.execution_mode = getattr(ort.ExecutionMode, mode)
    # Warnings would fill the diagnostics of every case.
    found.log_severity_level = int(options.get("log_severity", "3"))
    if "threads" in options:
        found.intra_op_num_threads = int(options["threads"])
    if "inter_threads" in options:
        found.inter_op_num_threads = int(options["inter_threads"])
    for place in filter(None, options.get("custom_ops", "").split(os.pathsep)):
        by_module = os.sep not in place
        path = importlib.import_module(place).get_library_path() if by_module else place
        found.register_custom_ops_library(path)
    for name, value in options.items():
        if "." in name and not name.startswith(_PROVIDER):
            found.add_session_config_entry(name, value)
    return found


def _one_of(options, name, default, values):
    value = options.get(name, default)
    if value not in values:
        raise ValueError("{} is one of {}, not {!r}".format(name, ", ".join(values), value))
    return values[value]


def provider_options(options):
    """What goes to the provider itself."""
    return {
        name[len(_PROVIDER) :]: value
        for name, value in options.items()
        if name.startswith(_PROVIDER)
    }
