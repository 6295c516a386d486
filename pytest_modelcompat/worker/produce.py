"""Make a model file in the producer's environment, and answer the data sets with the framework.

    worker.pyz produce < ORDER

The order, JSON on standard input until that closes; paths as seen from in here:

    build, function    the user's file, and the function in it
    export             of `exporters.REGISTRY`
    exporter           file of an exporter that is none of ours, or null
    distribution       of the framework
    opset              a number, or null
    bundle             data sets as planned: a case each, with inputs or `random`
    place              folder of the model in the consumers' cells
    memory             bytes of address space, or null

What is made is delivered on standard output (`delivery.py`): the files as `model/...`; then
`data.bundle`, with a case for each data set (inputs by the file's names, the framework's outputs in
the file's types), and behind them the exact ones that the framework could give (`exact` of a case
is the index); and last `result.json`:

    {"stage": the last one, "error": null or {"type", "message", "where"}, "info": {...},
     "main": name in `model/`, "accuracy": [number or null], "seconds": {stage: number}}

Nothing is judged.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import stat
import sys
import tempfile
import time

from . import arrays, bundle
from .delivery import Out
from .limits import forgo_core, limit_address_space, offer_to_killer
from .measure import words
from .random_inputs import random_inputs
from .sites import extend_path

__all__ = ["main"]

IMPORT, PRODUCE, CHECK, DONE = "import", "produce", "check", "done"


def main(argv):
    """The command; ends the process."""
    del argv
    out = Out()
    order = json.load(sys.stdin)
    faulthandler.enable()
    forgo_core()
    offer_to_killer()
    limit_address_space(order.get("memory"))
    folder = tempfile.mkdtemp(prefix="produce-")
    extend_path()
    job = _Job(order, folder, out)
    error = None
    try:
        job.run()
        for path in _files(folder):
            out.file(os.path.relpath(path, folder), path)
    except BaseException as problem:  # sys.exit of a build function included
        error = words(problem)
    out.data(
        "result.json",
        json.dumps({
            "stage": job.stage,
            "error": error,
            "info": job.info,
            "main": job.main,
            "accuracy": job.accuracy,
            "seconds": job.seconds,
        }).encode("utf-8", "backslashreplace"),
    )  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    sys.stderr.flush()
    # A framework that crashes on its way out has made its file all the same.
    os._exit(0)


def _files(folder):
    """The plain files below a folder; a link that a build function made leads nowhere."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield path


class _Job:
    def __init__(self, order, folder, out):
        self.order = order
        self.folder = folder
        self.out = out
        self.stage = ""
        self.info = {}
        self.main = ""
        self.accuracy = []
        self.seconds = {}
        self._since = time.monotonic()

    def enter(self, stage):
        """Say where we are before going there."""
        now = time.monotonic()
        if self.stage:
            self.seconds[self.stage] = round(now - self._since, 3)
        self.stage, self._since = stage, now
        self.out.stage(stage)

    def run(self):
        from .exporters import exporter
        from .exporters.built import Built, load_build, loaded

        order = self.order
        self.enter(IMPORT)
        make = exporter
        if order.get("exporter"):
            make = loaded(order["exporter"], "modelcompat_exporter").Exporter
        made = make(order["export"], order["distribution"])
        self.info = made.info()
        self.enter(PRODUCE)
        built = made.prepare(Built(load_build(order["build"], order["function"])()))
        planned = bundle.Bundle.open(order["bundle"])
        sets = [_data_set(planned, at, built) for at in range(len(planned))]
        answers = [made.answer(built, feeds) for feeds in sets]
        exact = [made.exact(built, feeds) for feeds in sets]
        if built.accuracy is not None:
            self.accuracy = [float(built.accuracy(a, at)) for at, a in enumerate(answers)]
        place = os.path.join(self.folder, "model")
        os.makedirs(place, exist_ok=True)
        file = made.export(built, place, order["opset"])
        self.main = file.main
        self.enter(CHECK)
        if hasattr(made, "check"):
            made.check(place, file)
        bundle.write(
            os.path.join(self.folder, "data.bundle"),
            {"check": "parity"},
            _cases(
                planned,
                file,
                order["place"],
                sets=sets,
                answers=answers,
                exact=exact,
                labels=[_labels(planned.case(at), built) for at in range(len(planned))],
            ),
        )
        self.enter(DONE)


def _data_set(planned, at, built):
    """The feeds of a planned data set, by the build function's names for them."""
    wanted = planned.case(at).get("random")
    sample = built.data_set(0)
    if wanted is None:
        names = list(sample)
        return {
            names[key] if isinstance(key, int) and key < len(names) else str(key):
                arrays.to_array(value)
            for key, value in planned.inputs(at)
        }  # fmt: skip
    found = built.data_set(wanted.get("n", 0))
    if found is not None:
        return found
    signature = [
        (name, arrays.from_array(array).dtype, array.shape) for name, array in sample.items()
    ]
    return {name: arrays.to_array(value) for name, value in random_inputs(signature, wanted)}


def _labels(about, built):
    """The right classes of a data set, from whoever gave the data: the matrix or the function."""
    wanted = about.get("random")
    if wanted is None:
        return about.get("labels")
    number = wanted.get("n", 0)
    return built.labels(number) if built.data_set(number) is not None else None


def _cases(planned, file, place, *, sets, answers, exact, labels=()):
    """The cases of the produced bundle; those with exact outputs come after all others."""
    count = len(planned)
    behind = [
        at for at in range(count) if exact[at] is not None and planned.case(at).get("answers")
    ]
    for at in range(count):
        feeds = _keyed(list(sets[at].values()), file.inputs, list(sets[at]))
        case = _case(planned, at, file, place, feeds)
        case["outputs"] = planned.outputs(at)
        if planned.case(at).get("answers"):
            case["outputs"] = _keyed(_typed(answers[at], file.types), file.outputs)
        if labels and labels[at] is not None:
            case["labels"] = labels[at]
        if at in behind:
            case["exact"] = count + behind.index(at)
        yield case
    for at in behind:
        case = _case(planned, at, file, place, [])
        case["outputs"] = _keyed(exact[at], file.outputs)
        yield case


def _case(planned, at, file, place, feeds):
    facts = file.facts
    quantized = facts.get("quantized")
    calls = planned.case(at).get("calls")
    return {
        **({"calls": calls} if calls else {}),
        "name": planned.case(at)["name"],
        "unit": planned.case(at)["unit"],
        "model": {"file": "{}/{}".format(place, file.main)},
        "inputs": feeds,
        "opset": facts.get("opset", 0),
        "ir": facts.get("ir", 0),
        "imports": facts.get("imports", {}),
        "quantized": quantized(dict(feeds)) if quantized and feeds else {},
    }


def _keyed(found, names, otherwise=None):
    """Arrays as named values; by their position where the file has no names for them."""
    keys = names
    if keys is None or len(keys) != len(found):
        keys = otherwise if names is not None and otherwise else range(len(found))
    return [(key, arrays.from_array(array)) for key, array in zip(keys, found)]


def _typed(found, types):
    """Numbers in the types that the file declares: a float64 answer of float32 outputs is cast."""
    if types is None:
        return found
    import numpy

    return [
        _cast(numpy.asarray(array), types[at] if at < len(types) else None)
        for at, array in enumerate(found)
    ]


def _cast(array, wanted):
    if wanted not in arrays.NUMPY or array.dtype.kind not in "fiu":
        return array
    if (array.dtype.kind == "f") != wanted.startswith("float"):
        return array
    return array.astype(wanted)
