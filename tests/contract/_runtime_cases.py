"""Tiny models with inputs and answers: what every runtime adapter is held to.

One bundle file holds them; `_runtime_driver.py` runs it in the runtime's own environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pytest_modelcompat.worker import arrays, onnxdata
from pytest_modelcompat.worker.bundle import write
from pytest_modelcompat.worker.values import Value

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import NodeProto, TypeProto

FLOAT, INT64, STRING, BOOL = (
    TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL,
)  # fmt: skip


def tensor(kind: int, shape: Any = None) -> TypeProto:
    return helper.make_tensor_type_proto(kind, shape)


def sequence(kind: int) -> TypeProto:
    return helper.make_sequence_type_proto(tensor(kind))


def value(array: Any) -> Value:
    """Any array, those of ml_dtypes included, as a Value."""
    message = numpy_helper.from_array(np.asarray(array))
    return onnxdata.read_value(message.SerializeToString(), "tensor(any)")


def model(
    nodes: list[NodeProto],
    inputs: dict[str, TypeProto],
    outputs: dict[str, TypeProto],
    *,
    opset: int = 13,
    ir: int = 8,
    weights: dict[str, Any] | None = None,
    domains: dict[str, int] | None = None,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_value_info(name, kind) for name, kind in inputs.items()],
        [helper.make_value_info(name, kind) for name, kind in outputs.items()],
        initializer=[numpy_helper.from_array(w, name) for name, w in (weights or {}).items()],
    )
    imports = [
        helper.make_opsetid(domain, version)
        for domain, version in ({"": opset} | (domains or {})).items()
    ]
    return helper.make_model(graph, ir_version=ir, opset_imports=imports).SerializeToString()


def case(name: str, data: bytes, inputs: Any, outputs: Any) -> dict[str, Any]:
    def named(values: Any) -> list[tuple[str, Value]]:
        return [
            (key, item if isinstance(item, Value) else value(item)) for key, item in values.items()
        ]

    return {
        "name": name, "unit": "tiny", "model": data,
        "inputs": named(inputs), "outputs": named(outputs),
    }  # fmt: skip


def identity(name: str, kind: int, given: Any, *, opset: int, ir: int, fed: Any = None) -> Any:
    """One Identity: whatever goes in must come out, bit by bit, and of the declared type."""
    shape = list(np.shape(given)) if not isinstance(given, Value) else list(given.shape)
    data = model(
        [helper.make_node("Identity", ["x"], ["y"])],
        {"x": tensor(kind, shape)},
        {"y": tensor(kind, shape)},
        opset=opset,
        ir=ir,
    )
    return case(name, data, {"x": given if fed is None else fed}, {"y": given})


def cases() -> list[dict[str, Any]]:
    node = helper.make_node
    x = np.array([[-1.0, 2.0, -3.0]], np.float32)
    relu = [node("Relu", ["x"], ["y"])]
    both = {"x": tensor(FLOAT, [1, 3])}, {"y": tensor(FLOAT, [1, 3])}
    a, b = np.array([10.0, 20.0], np.float32), np.array([1.0, 2.0], np.float32)
    sub = model(
        [node("Sub", ["a", "b"], ["y"]), node("Neg", ["y"], ["z"])],
        {"a": tensor(FLOAT, ["n"]), "b": tensor(FLOAT, ["n"])},
        {"z": tensor(FLOAT, ["n"]), "y": tensor(FLOAT, ["n"])},
    )
    with_default = model(
        [node("Add", ["x", "w"], ["y"])],
        {"x": tensor(FLOAT, [2]), "w": tensor(FLOAT, [2])},
        {"y": tensor(FLOAT, [2])},
        weights={"w": b},
    )
    words = Value.tensor("string", (3,), [b"", "zoë".encode(), b"a b"])
    seq = Value.sequence([value(x), value(a)], "float32")
    bits = np.array([1.5, -2.25, np.inf, 3e38], np.float32).astype(ml_dtypes.bfloat16)
    sequence_model = model(
        [node("SequenceConstruct", ["x", "a"], ["s"])],
        {"x": tensor(FLOAT, [1, 3]), "a": tensor(FLOAT, [2])},
        {"s": sequence(FLOAT)},
    )
    optional = helper.make_optional_type_proto(tensor(FLOAT, [2]))
    has = model(
        [node("OptionalHasElement", ["o"], ["y"])], {"o": optional}, {"y": tensor(BOOL, [])},
        opset=15,
    )  # fmt: skip
    zipmap = model(
        [node("ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_strings=["p", "q", "r"])],
        {"x": tensor(FLOAT, [1, 3])},
        {
            "m": helper.make_sequence_type_proto(
                helper.make_map_type_proto(STRING, tensor(FLOAT, []))
            )
        },
        domains={"ai.onnx.ml": 1},
    )
    labels = Value.tensor("string", (3,), [b"p", b"q", b"r"])
    return [
        case("relu", model(relu, *both), {"x": x}, {"y": np.maximum(x, 0)}),
        case("by_name", sub, {"b": b, "a": a}, {"y": a - b, "z": b - a}),
        case(
            "extra_input", model(relu, *both), {"nobody": a, "x": x}, {"y": np.maximum(x, 0)}
        ),
        case("default_kept", with_default, {"x": a}, {"y": a + b}),
        case(
            "folded",
            model(
                [node("Shape", ["x"], ["y"])],
                {"x": tensor(FLOAT, [1, 3])},
                {"y": tensor(INT64, [2])},
            ),
            {"x": x},
            {"y": np.array([1, 3])},
        ),
        case(
            "empty",
            model(relu, {"x": tensor(FLOAT, [0, 3])}, {"y": tensor(FLOAT, [0, 3])}),
            {"x": x[:0]},
            {"y": x[:0]},
        ),
        case(
            "scalar",
            model(relu, {"x": tensor(FLOAT, [])}, {"y": tensor(FLOAT, [])}),
            {"x": np.float32(-1)},
            {"y": np.float32(0)},
        ),
        case("missing_input", model(relu, *both), {}, {"y": x}),
        case("wrong_type", model(relu, *both), {"x": x.astype(np.float64)}, {"y": x}),
        case("bad_model", b"this is no model", {"x": x}, {"y": x}),
        case("cut_model", model(relu, *both)[:-9], {"x": x}, {"y": x}),
        case(
            "unknown_op",
            model([node("Nothing", ["x"], ["y"], domain="no.such")], *both, domains={"no.such": 1}),
            {"x": x},
            {"y": x},
        ),
        case("gated_ir", model(relu, *both, ir=999), {"x": x}, {"y": np.maximum(x, 0)}),
        case("gated_opset", model(relu, *both, opset=999), {"x": x}, {"y": np.maximum(x, 0)}),
        case("sequence_out", sequence_model, {"x": x, "a": a}, {"s": seq}),
        case(
            "sequence_in",
            model(
                [node("SequenceLength", ["s"], ["n"])],
                {"s": sequence(FLOAT)},
                {"n": tensor(INT64, [])},
            ),
            {"s": seq},
            {"n": np.array(2)},
        ),
        case("optional_full", has, {"o": Value.optional(value(b))}, {"y": np.bool_(True)}),
        case("optional_none", has, {"o": Value.optional()}, {"y": np.bool_(False)}),
        case(
            "map_out",
            zipmap,
            {"x": x},
            {"m": Value.sequence([Value.mapping(labels, value(x[0]))])},
        ),
        identity("strings", STRING, words, opset=13, ir=8),
        identity("bfloat16", TensorProto.BFLOAT16, bits, opset=13, ir=8),
        identity(
            "bfloat16_as_uint16", TensorProto.BFLOAT16, bits, opset=13, ir=8,
            fed=bits.view(np.uint16),
        ),
        identity(
            "float8", TensorProto.FLOAT8E4M3FN, np.array([1, -2], ml_dtypes.float8_e4m3fn),
            opset=19, ir=9,
        ),
        case(
            "int4_in",
            model(
                [node("DequantizeLinear", ["x", "s"], ["y"])],
                {"x": tensor(TensorProto.INT4, [3])},
                {"y": tensor(FLOAT, [3])},
                opset=21,
                ir=10,
                weights={"s": np.float32(0.5)},
            ),
            {"x": np.array([1, -2, 7], ml_dtypes.int4)},
            {"y": np.array([0.5, -1.0, 3.5], np.float32)},
        ),
        case(
            "int4_out",
            model(
                [node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=TensorProto.INT4)],
                {"x": tensor(FLOAT, [3])},
                {"y": tensor(TensorProto.INT4, [3])},
                opset=21,
                ir=10,
                weights={"s": np.float32(0.5)},
            ),
            {"x": np.array([0.5, -1.0, 3.5], np.float32)},
            {"y": np.array([1, -2, 7], ml_dtypes.int4)},
        ),
        identity("float16", TensorProto.FLOAT16, x.astype(np.float16), opset=13, ir=8),
        identity("uint64", TensorProto.UINT64, np.array([2**64 - 1], np.uint64), opset=13, ir=8),
        identity("bool", BOOL, np.array([True, False]), opset=13, ir=8),
    ]  # fmt: skip


def bundle(path: Path) -> Path:
    write(path, {"what": "tiny models"}, cases())
    return path


def file_with_weights_outside(folder: Path) -> Path:
    """y = x + [1, 2], the weights in a file beside the model."""
    data = model(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        {"x": tensor(FLOAT, [2])},
        {"y": tensor(FLOAT, [2])},
        weights={"w": np.array([1.0, 2.0], np.float32)},
    )
    (folder / "outside.bin").unlink(missing_ok=True)  # it would be appended to
    onnx.save_model(
        onnx.load_model_from_string(data), folder / "outside.onnx",
        save_as_external_data=True, location="outside.bin", size_threshold=0,
    )  # fmt: skip
    assert (folder / "outside.bin").stat().st_size == 8
    return folder / "outside.onnx"


def expected() -> dict[str, list[tuple[str, Value]]]:
    return {item["name"]: item["outputs"] for item in cases()}


def equal(one: Value, two: Value) -> bool:
    """The same bytes; of the two ways to write a map, either."""
    if one.kind == two.kind == "map":
        keys = one.items["keys"] == two.items["keys"]
        return keys and flat(one.items["values"]) == flat(two.items["values"])
    if one.kind == two.kind == "sequence" and len(one.items) == len(two.items):
        return all(equal(*pair) for pair in zip(one.items, two.items, strict=True))
    return one == two


def flat(values: Any) -> Any:
    if isinstance(values, Value):
        return arrays.to_array(values).tolist()
    return [arrays.to_array(item).tolist() for item in values]
