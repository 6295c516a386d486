"""Runs in a runtime's own environment: `python _runtime_driver.py REQUEST ANSWER`.

Request: {"root", "runtime", "distribution", "module", "provider", "options", "bundle",
"file", "unavailable": [[provider, options]], "leave_out", "only"}. Answer: what the adapter said,
outputs as hex blobs. Python 3.8, standard library.
"""
# ruff: noqa: BLE001, PLC0415, PTH123 - it runs in a cell, like the worker

import json
import os
import runpy
import sys

if "MODELCOMPAT_COVERAGE" in os.environ:
    runpy.run_path(os.environ["MODELCOMPAT_COVERAGE"])


def main(request, answer):
    with open(request, encoding="utf-8") as file:
        told = json.load(file)
    sys.path.insert(0, told["root"])
    from pytest_modelcompat.worker.bundle import Bundle
    from pytest_modelcompat.worker.runtimes import adapter

    numpy_before = "numpy" in sys.modules
    made = adapter(told["runtime"], told["distribution"], told["module"])
    info = made.info()
    bundle = Bundle.open(told["bundle"])
    found = {
        "numpy_before": numpy_before,
        "info": info,
        "unavailable": [made.unavailable(*pair) for pair in told["unavailable"]],
        "misspelt": [misspelt(made, bundle, told, **odd) for odd in ODD],
        "file": from_file(made, told),
        "cases": {
            bundle.case(i)["name"]: measure(made, bundle, i, told)
            for i in range(len(bundle))
            if bundle.case(i)["name"] not in told["leave_out"]
            and (not told["only"] or bundle.case(i)["name"] in told["only"])
        },
    }
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)


ODD = ({"graph_optimisation": "all"}, {"graph_optimization": "yes"})


def misspelt(made, bundle, told, **options):
    """The type of what is raised for an option that does not exist, or has no such value."""
    try:
        made.load(bundle.model(0), told["provider"], options)
    except Exception as error:
        return type(error).__name__
    return None


def from_file(made, told):
    """What y = x + [1, 2] gives for [10, 20], and where it ran; the model is a path."""
    from array import array

    from pytest_modelcompat.worker.values import Value

    session = made.load(told["file"], told["provider"], dict(told["options"]))
    session.assign()
    x = Value.tensor("float32", (2,), array("f", [10.0, 20.0]).tobytes())
    [(_, found)] = session.run({"x": x})
    said = [array("f", bytes(found.data)).tolist(), session.placement(), session.opset()]
    session.close()
    return said


def measure(made, bundle, i, told):
    from pytest_modelcompat.worker.values import encode

    found, session = {"stage": "load"}, None
    try:
        session = made.load(bundle.model(i), told["provider"], dict(told["options"]))
        found["stage"] = "assign"
        session.assign()
        found["stage"] = "run"
        found["inputs"] = list(session.inputs())
        found["signature"] = [
            [name, kind, list(shape)] for name, kind, shape in session.signature()
        ]
        found["opset"] = session.opset()
        first = session.run(dict(bundle.inputs(i)))
        again = session.run(dict(bundle.inputs(i)))
        found["outputs"] = encode(first).hex()
        found["repeats"] = encode(again).hex() == found["outputs"]
        found["ran_on"] = session.placement()
        found["stage"] = "compare"
    except Exception as error:
        found["type"], found["message"] = type(error).__name__, str(error)
    if session is not None:
        session.close()
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
