"""Ask the newest onnx about a model that failed somewhere: is the file valid, what does it answer?

    worker.pyz examine < ORDER

The order, JSON: `model` (path), `bundle` (its data sets), `count` (how many of them). The answer
goes out as `produce` says it: `data.bundle` with the evaluator's outputs (`said` of a case is why
there are none), and `result.json`:

    {"onnx": release, "checker": the checker's words against the file, "" where it has none}
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile

from . import bundle
from .delivery import Out
from .limits import forgo_core, offer_to_killer
from .measure import words

__all__ = ["main"]


def main(argv):
    """The command; ends the process."""
    del argv
    out = Out()
    order = json.load(sys.stdin)
    forgo_core()
    offer_to_killer()
    out.stage("import")
    import onnx

    out.stage("check")
    result = {"onnx": str(onnx.__version__), "checker": _check(onnx, order["model"])}
    out.stage("run")
    folder = tempfile.mkdtemp(prefix="examine-")
    path = os.path.join(folder, "data.bundle")
    bundle.write(path, {"check": "parity"}, _answers(order))
    out.file("data.bundle", path)
    out.data("result.json", json.dumps(result).encode("utf-8", "backslashreplace"))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _check(onnx, path):
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as problem:
        return words(problem)["message"] or type(problem).__name__
    return ""


def _answers(order):
    """A case for each data set, with what the evaluator answers."""
    from .runtimes import adapter

    data = bundle.Bundle.open(order["bundle"])
    session, said = None, ""
    try:
        session = adapter("onnx", "onnx").load(order["model"], "reference", {})
    except Exception as problem:
        said = words(problem)["message"]
    for at in range(order["count"]):
        found, why = None, said
        if session is not None:
            try:
                found = session.run(_feeds(session, data.inputs(at)))
            except Exception as problem:
                why = words(problem)["message"] or type(problem).__name__
        yield {
            "name": data.case(at)["name"],
            "unit": "",
            "model": {"file": ""},
            "inputs": [],
            "outputs": found,
            "said": why,
        }


def _feeds(session, given):
    names = list(session.inputs())
    return {names[key] if isinstance(key, int) else key: value for key, value in given}
