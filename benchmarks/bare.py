"""What one would write by hand: load, run and compare each node test of the installed onnx.

It runs in an environment with onnx and onnxruntime and knows nothing of this package: the yardstick
of `cell.py` and `parallel.py`. It prints what it counted and the seconds of its loop.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

NARROW = {"bfloat16": (np.uint16, onnx.TensorProto.BFLOAT16)} | {
    f"float8_{short}": (np.uint8, getattr(onnx.TensorProto, f"FLOAT8{short.upper()}"))
    for short in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")
}  # types that only an OrtValue carries: as the integers of their bits


def read(path: Path, kind: str) -> object:
    """A value of a data set, by the type that the graph declares."""
    data = path.read_bytes()
    if kind == "tensor_type":
        return numpy_helper.to_array(onnx.TensorProto.FromString(data))
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))


def values(folder: Path, prefix: str, declared: list[onnx.ValueInfoProto]) -> list[object]:
    """The inputs or outputs of a data set, in the graph's order."""
    found = []
    for number, each in enumerate(declared):
        path = folder / f"{prefix}_{number}.pb"
        if path.exists():
            found.append(read(path, each.type.WhichOneof("value")))
    return found


def run(session: ort.InferenceSession, inputs: dict[str, object]) -> list[object]:
    """One run; through OrtValues where a type asks for them."""
    names = [each.name for each in session.get_inputs()]
    feeds = {name: inputs[name] for name in names if name in inputs}
    if not any(str(getattr(each, "dtype", "")) in NARROW for each in feeds.values()):
        return session.run(None, feeds)
    given = {}
    for name, array in feeds.items():
        if str(array.dtype) in NARROW:
            carrier, code = NARROW[str(array.dtype)]
            given[name] = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(carrier), code)
        else:
            given[name] = ort.OrtValue.ortvalue_from_numpy(array)
    outputs = [each.name for each in session.get_outputs()]
    return [each.numpy() for each in session.run_with_ort_values(outputs, given)]


def compare(one: object, other: object, rtol: float, atol: float) -> None:
    """AssertionError where they differ."""
    if isinstance(other, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            compare(*pair, rtol, atol)
    elif other is None:
        assert one is None
    elif str(other.dtype) in NARROW:
        carrier, _ = NARROW[str(other.dtype)]
        np.testing.assert_array_equal(np.asarray(one).view(carrier), other.view(carrier))
    elif other.dtype.kind in "OU":
        np.testing.assert_array_equal(one, other)
    else:
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)
        assert one.dtype == other.dtype


def case(folder: Path, options: ort.SessionOptions) -> None:
    """One node test with all its data sets; raises where it is not right."""
    data = (folder / "model.onnx").read_bytes()
    tolerances = {"rtol": 1e-3, "atol": 1e-7}
    if (folder / "data.json").exists():
        tolerances.update(json.loads((folder / "data.json").read_text()))
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    graph = onnx.ModelProto.FromString(data).graph
    names = [each.name for each in graph.input]
    for place in sorted(folder.glob("test_data_set_*")):
        inputs = dict(zip(names, values(place, "input", graph.input), strict=False))
        found = run(session, inputs)
        expected = values(place, "output", graph.output)
        for one, other in zip(found, expected, strict=True):
            compare(one, other, tolerances["rtol"], tolerances["atol"])


def verdict(folder: Path, options: ort.SessionOptions) -> str:
    """What became of one node test."""
    try:
        case(folder, options)
    except AssertionError:
        return "different"
    except Exception:  # noqa: BLE001 - each runtime has exceptions of its own
        return "raised"
    return "passed"


def main() -> int:
    """All of them."""
    began = time.perf_counter()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    counts: Counter[str] = Counter()
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
    for place in sorted(folder.iterdir()):
        counts[verdict(place, options)] += 1
    print(json.dumps({"seconds": time.perf_counter() - began, **counts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
