"""Runs in a runtime's own environment: `python _format_driver.py REQUEST ANSWER`.

Request: {"root", "runtime", "distribution", "provider", "options", "model", "beside": [files],
"inputs", "scratch", "leave_out", "only"}. The model is asked in every way that a
runtime may refuse; the answer is what
it said, outputs as hex blobs. Python 3.8, numpy is the cell's.
"""

import json
import os
import runpy
import shutil
import sys

if "MODELCOMPAT_COVERAGE" in os.environ:
    runpy.run_path(os.environ["MODELCOMPAT_COVERAGE"])


def main(request, answer):
    with open(request, encoding="utf-8") as file:
        told = json.load(file)
    sys.path.insert(0, told["root"])
    from pytest_modelcompat.worker.runtimes import adapter

    numpy_before = "numpy" in sys.modules
    made = adapter(told["runtime"], told["distribution"])
    found = {
        "numpy_before": numpy_before,
        "info": made.info(),
        "unavailable": [made.unavailable(told["provider"], told["options"]),
                        made.unavailable("sundial", {})],
        "misspelt": [misspelt(made, odd) for odd in ODD],
        "cases": {name: attempt(made, told, name) for name in CASES
                  if name not in told["leave_out"] and name in (told["only"] or CASES)},
    }  # fmt: skip
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)
    sys.stdout.flush()
    os._exit(0)  # as the worker's child does


ODD = ({"graph_optimisation": "all"}, {"threads": "many"})
CASES = (
    "right", "extra_input", "missing_input", "wrong_type", "wrong_shape", "sequence",
    "bad_file", "cut_file", "empty_file", "no_file", "other_suffix", "from_bytes",
)  # fmt: skip


def misspelt(made, options):
    """The type of what is raised for an option that does not exist, or has no such value."""
    try:
        made.check(options)
    except Exception as error:
        return type(error).__name__
    return None


def attempt(made, told, name):
    """One session, from load to close."""
    from pytest_modelcompat.worker.values import encode

    found, session = {"stage": "load"}, None
    try:
        model = damaged(told, name)
        session = made.load(model, told["provider"], dict(told["options"]))
        found["stage"] = "assign"
        session.assign()
        found["stage"] = "run"
        found["inputs"] = list(session.inputs())
        found["opset"] = session.opset()
        if name == "right":
            found["signature"] = signature(session)
        feeds = fed(told, name, found["inputs"])
        first = session.run(feeds)
        before = encode(first)
        again = session.run(feeds)
        found["repeats"] = encode(again) == before
        found["ran_on"] = session.placement()
        session.close()
        session = None
        found["kept"] = encode(first) == before  # neither the second run nor close changed them
        found["outputs"] = before.hex()
        found["stage"] = "compare"
    except Exception as error:
        found["type"], found["message"] = type(error).__name__, str(error)
    if session is not None:
        session.close()
    return found


def signature(session):
    try:
        return [[name, kind, list(shape)] for name, kind, shape in session.signature()]
    except ValueError as error:
        return str(error)


def fed(told, name, inputs):
    """The feeds of a case."""
    import numpy

    from pytest_modelcompat.worker.arrays import from_array
    from pytest_modelcompat.worker.values import Value

    with numpy.load(told["inputs"], allow_pickle=False) as arrays:
        given = {inputs[int(key)]: arrays[key] for key in arrays.files}
    first = inputs[0]
    if name == "missing_input":
        del given[first]
    elif name == "wrong_type":
        other = "float64" if given[first].dtype != "float64" else "float32"
        given[first] = given[first].astype(other)
    elif name == "wrong_shape":
        given[first] = given[first][..., :3]
    elif name == "extra_input":
        given["nobody"] = numpy.zeros(3, "float32")
    values = {key: from_array(array) for key, array in given.items()}
    if name == "sequence":
        values[first] = Value.sequence([values[first]])
    return values


def damaged(told, name):
    """The model, or a copy that is broken in one way, in a folder of its own."""
    if not name.endswith("_file") and name not in ("other_suffix", "from_bytes"):
        return told["model"]
    folder = os.path.join(told["scratch"], name)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    target = os.path.join(folder, os.path.basename(told["model"]))
    whole = os.path.isdir(told["model"])
    if whole:
        shutil.copytree(told["model"], target)
    for path in [] if whole else [told["model"], *told["beside"]]:
        shutil.copy(path, folder)
    inner = os.path.join(target, "saved_model.pb") if whole else target
    with open(inner, "rb") as file:
        data = file.read()
    if name == "from_bytes":
        return data
    if name == "other_suffix":
        other = os.path.join(folder, "model.unheard-of")
        os.rename(target, other)
        return other
    if name == "no_file":
        os.remove(inner)
        return target
    broken = {"bad_file": b"this is no model\n" * 9, "cut_file": data[: len(data) // 2]}
    with open(inner, "wb") as file:
        file.write(broken.get(name, b""))
    return target


if __name__ == "__main__":
    main(*sys.argv[1:])
