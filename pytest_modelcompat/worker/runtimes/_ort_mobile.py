"""Whether a model keeps to a release's lists for phones: by the checkers in its own wheel.

The option `mobile` names the list: `package`, the operators, opsets and types of the package that
was built for phones (until 1.19; since then phones get every operator), or `nnapi`, the operators
that Android's accelerators may take. The checkers import the package onnx.
"""

import importlib
import io
import logging

__all__ = ["LISTS", "check", "missing"]

_HELPERS = "onnxruntime.tools.mobile_helpers."
_PACKAGE = _HELPERS + "check_model_can_use_ort_mobile_pkg"
_NNAPI = _HELPERS + "usability_checker"
LISTS = {"package": _PACKAGE, "nnapi": _NNAPI}
"""Value of the option -> the module of its checker."""
_FOLDED = frozenset({"ai.onnx:Constant"})  # becomes an initializer when the model is loaded


class OutsideOfListError(Exception):
    """The model has what a phone's build has not; the message is the checker's own."""


def missing(ort, name):
    """Why a list cannot be asked, or None."""
    try:
        importlib.import_module(LISTS[name])
    except ImportError as error:
        reason = "onnxruntime {} cannot tell what is in its {} list: {}"
        return reason.format(ort.__version__, name, error)
    return None


def check(model, name):
    """Ask the checker about a model, given as bytes or a path.

    Raises:
        OutsideOfListError: with everything that the checker has said.
    """
    import onnx

    checker = importlib.import_module(LISTS[name])
    if isinstance(model, str):
        proto = onnx.load(model, load_external_data=False)
    else:
        proto = onnx.load(io.BytesIO(model))
    typed = onnx.shape_inference.infer_shapes(proto)
    said = _Lines()
    within = (_of_package if name == "package" else _of_nnapi)(checker, typed, said.logger)
    if not within:
        raise OutsideOfListError("\n".join(said.lines))


def _of_package(checker, proto, logger):
    return checker.run_check_with_model(proto, checker.get_default_config_path(), logger)


def _of_nnapi(checker, proto, logger):
    # Sizes that the model leaves open can be fixed for a phone; what was never written cannot.
    found = checker.check_nnapi_partitions(proto, None)
    told = getattr(found, "print_analysis", None) or found.dump_analysis
    told(logger, "NNAPI")
    return set(found.unsupported_ops) <= _FOLDED


class _Lines(logging.Handler):
    """What a checker says, by a logger of its own."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []
        self.logger = logging.Logger("mobile", logging.DEBUG)  # noqa: LOG001 - nobody else's
        self.logger.addHandler(self)

    def emit(self, record):
        line = record.getMessage().strip("\n- ")
        if line and not line.startswith("Nodes in group"):  # every node that is within
            self.lines.append(line)
