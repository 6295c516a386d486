"""Collect the node tests of the installed onnx release into one bundle.

Runs inside an environment with `onnx==X`. Until 1.22 the wheel carries the cases as files; from
1.23 they are generated in memory, with seeded random numbers, so that the same release gives the
same cases. Both are read by our own readers: the model's bytes stay as onnx wrote them.

    python -I worker.pyz collect --output FILE

prints one line of JSON: {"digest", "onnx", "count", "left_out": [{"case", "reason"}]}.
"""

import argparse
import json
import os
import random
import re
import sys
import time

from . import bundle, onnxdata, onnxpb

__all__ = ["collect", "main", "unit_of"]

_RTOL, _ATOL = 1e-3, 1e-7  # the suite's own, for cases on disk; those in memory say theirs
_EXPANDED = re.compile(r"(test_.+?)_expanded(?:_ver\d+)?\Z")


def main(argv):
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="collect", description=__doc__.partition("\n")[0])
    parser.add_argument("--output", required=True, help="the bundle to write")
    told = parser.parse_args(argv)
    # What onnx prints or warns must not mix with the answer.
    answer, sys.stdout = sys.stdout, sys.stderr
    try:
        found = collect(told.output)
    finally:
        sys.stdout = answer
    print(json.dumps(found, sort_keys=True))  # noqa: T201 - the answer
    return 0


def collect(output):
    """Write the installed release's node tests to `output`; returns what `main` prints."""
    import warnings

    started = time.monotonic()
    warnings.simplefilter("ignore")  # casts that overflow on purpose
    import onnx
    import onnx.defs

    folder = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data", "node")
    raw = list(_from_disk(folder) if os.path.isdir(folder) else _from_memory())
    cases, left_out = [], []
    subjects = _Subjects(onnx.defs, raw)
    for case in sorted(raw, key=lambda item: item["name"]):
        try:
            cases.extend(_cases(case, subjects))
        except ValueError as problem:  # noqa: PERF203 - one bad case must not cost the others
            left_out.append({"case": case["name"], "reason": str(problem)})
    meta = {
        "onnx": onnx.__version__,
        "count": len(cases),
        "operators": _operators(onnx.defs),
        "left_out": left_out,
    }
    digest = bundle.write(output, meta, cases)
    return {
        "digest": digest,
        "onnx": onnx.__version__,
        "count": len(cases),
        "left_out": left_out,
        "seconds": round(time.monotonic() - started, 3),
    }


def _from_disk(folder):
    """The cases of a wheel: {"name", "model", "sets": [(name, inputs, outputs)], rtol, atol}."""
    for name in sorted(os.listdir(folder)):
        place = os.path.join(folder, name)
        path = os.path.join(place, "model.onnx")
        if not os.path.isfile(path):
            continue
        tolerances = {}
        if os.path.isfile(os.path.join(place, "data.json")):
            with open(os.path.join(place, "data.json"), encoding="utf-8") as file:
                tolerances = json.load(file)
        sets = [item for item in os.listdir(place) if item.startswith("test_data_set_")]
        yield {
            "name": name,
            "model": _read(path),
            "sets": [
                (item, _files(os.path.join(place, item), "input"),
                 _files(os.path.join(place, item), "output"))
                for item in sorted(sets, key=_number)
            ],
            "rtol": tolerances.get("rtol", _RTOL),
            "atol": tolerances.get("atol", _ATOL),
        }  # fmt: skip


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _number(name):
    digits = name.rpartition("_")[2].partition(".")[0]
    return int(digits) if digits.isdigit() else -1


def _files(folder, prefix):
    names = [n for n in os.listdir(folder) if n.startswith(prefix + "_") and n.endswith(".pb")]
    return [_read(os.path.join(folder, name)) for name in sorted(names, key=_number)]


def _from_memory():
    """The cases that onnx generates while its case modules are imported."""
    import numpy

    # Before the import: it is what makes the numbers.
    random.seed(0)
    numpy.random.seed(0)
    from onnx.backend.test import loader

    for case in loader.load_model_tests(kind="node"):
        graph = case.model.graph
        yield {
            "name": case.name,
            "model": case.model.SerializeToString(),
            "sets": [
                (
                    "test_data_set_{}".format(n),
                    [_serialized(*pair) for pair in zip(inputs, graph.input)],
                    [_serialized(*pair) for pair in zip(outputs, graph.output)],
                )
                for n, (inputs, outputs) in enumerate(case.data_sets)
            ],
            "rtol": case.rtol,
            "atol": case.atol,
        }


def _serialized(value, info):
    """One value as the bytes of its protobuf message, as the declared type wants it."""
    from onnx import TensorProto, numpy_helper

    if isinstance(value, TensorProto):
        return value.SerializeToString()
    kind = info.type.WhichOneof("value")
    write = {
        "map_type": numpy_helper.from_dict,
        "sequence_type": numpy_helper.from_list,
        "optional_type": numpy_helper.from_optional,
    }.get(kind, numpy_helper.from_array)
    if kind == "tensor_type":
        import numpy

        value = numpy.asarray(value)  # some cases expect a numpy scalar
    return write(value, info.name).SerializeToString()


class _Subjects:
    """Which operator each case is about, and since which opset that operator is as it is."""

    def __init__(self, defs, raw):
        self._defs = defs
        self._summaries = {}
        for case in raw:
            self._summaries[case["name"]] = onnxpb.summary(case["model"])

    def summary(self, name):
        return self._summaries[name]

    def operator(self, name):
        """(domain, type, since) of the case's subject."""
        base = unit_of(name, self._summaries)
        found = self._summaries[base]
        kind, domain = found.nodes[0] if found.nodes else ("", "ai.onnx")
        return domain, kind, self._since(kind, domain, found.imports.get(domain, 1))

    def _since(self, kind, domain, opset):
        try:
            schema = self._defs.get_schema(
                kind, opset, domain="" if domain == "ai.onnx" else domain
            )
        except Exception:
            return 0  # the release tests an operator that it has no schema of
        return schema.since_version


def unit_of(name, names):
    """The case that a case was expanded from, where it is one of `names`; else the case itself."""
    match = _EXPANDED.match(name)
    return match.group(1) if match and match.group(1) in names else name


def _cases(case, subjects):
    """The bundle's cases of one test: one for each of its data sets."""
    found = subjects.summary(case["name"])
    domain, kind, since = subjects.operator(case["name"])
    for position, (label, inputs, outputs) in enumerate(case["sets"]):
        yield {
            "name": case["name"] + ("/" + label if position else ""),
            "unit": "{}::{}".format(domain, kind),
            "model": case["model"],
            "inputs": _values(inputs, found.inputs),
            "outputs": _values(outputs, found.outputs),
            "rtol": case["rtol"],
            "atol": case["atol"],
            "opset": found.imports.get("ai.onnx", found.imports.get(domain, 0)),
            "op": {"domain": domain, "type": kind, "since": since},
            "ir": found.ir_version,
            "imports": found.imports,
        }


def _values(data, declared):
    if len(data) > len(declared):
        raise ValueError("{} values for {} of the graph".format(len(data), len(declared)))
    return [
        (name, onnxdata.read_value(one, words)) for one, (name, words, _) in zip(data, declared)
    ]


def _operators(defs):
    """Every (domain, operator, since_version) that the release defines, for coverage."""
    found = {
        (schema.domain or "ai.onnx", schema.name, schema.since_version)
        for schema in defs.get_all_schemas_with_history()
    }
    return [list(item) for item in sorted(found)]
