"""What a model says about itself, read by lengths and varints alone."""

from __future__ import annotations

import contextlib
import random
import struct
import time
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pytest_modelcompat.worker import onnxmake, onnxpb, wire

if TYPE_CHECKING:
    from pathlib import Path


def a_model() -> onnx.ModelProto:
    """A graph with all that a summary tells: initializers, subgraphs, functions, metadata."""
    then = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["t"])],
        "then",
        [],
        [helper.make_tensor_value_info("t", TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Fancy", ["x"], ["e"], domain="my.own")],
        "else",
        [],
        [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=other),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, None, 8]),
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 3, 1, 1]),
            helper.make_value_info(
                "s",
                helper.make_optional_type_proto(
                    helper.make_sequence_type_proto(
                        helper.make_tensor_type_proto(TensorProto.INT64, None)
                    )
                ),
            ),
            helper.make_value_info(
                "m",
                helper.make_map_type_proto(
                    TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
                ),
            ),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializer=[numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "w")],
    )
    function = helper.make_function(
        "my.own",
        "Fancy",
        ["a"],
        ["b"],
        [helper.make_node("Abs", ["a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    model = helper.make_model(
        graph,
        functions=[function],
        ir_version=9,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("my.own", 2)],
        producer_name="a hand",
        producer_version="3",
    )
    helper.set_model_props(model, {"author": "zoë"})
    return model


def test_summary_tells_what_onnx_tells(tmp_path: Path) -> None:
    data = a_model().SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data)
    found = onnxpb.summary(str(tmp_path / "m.onnx"))
    assert found == onnxpb.summary(data)
    assert found.ir_version == 9
    assert found.imports == {"ai.onnx": 17, "my.own": 2}
    assert (found.producer, found.producer_version) == ("a hand", "3")
    assert found.metadata == {"author": "zoë"}
    assert found.inputs == [
        ("x", "tensor(float32)", ("batch", 3, "", 8)),
        ("flag", "tensor(bool)", ()),
        ("w", "tensor(float32)", (1, 3, 1, 1)),
        ("s", "optional(seq(tensor(int64)))", None),
        ("m", "map(string,tensor(float32))", ()),
    ]
    assert found.outputs == [("y", "tensor(float32)", None)]
    assert found.initializers == ["w"]
    assert sorted(found.nodes) == [
        ("Abs", "ai.onnx"), ("Conv", "ai.onnx"), ("Fancy", "my.own"), ("If", "ai.onnx"),
        ("Neg", "ai.onnx"),
    ]  # fmt: skip
    assert found.main_nodes == 2
    assert found.functions == [("my.own", "Fancy")]
    assert onnxpb.main_nodes(memoryview(data)) == 2
    assert onnxpb.main_opset(data) == 17
    assert onnxpb.main_opset(b"not a model") == 0


def test_every_element_type_is_known() -> None:
    names = dict(TensorProto.DataType.items())
    del names["UNDEFINED"]
    spoken = {"float": "float32", "double": "float64"}
    assert {spoken.get(n.lower(), n.lower()): v for n, v in names.items()} == onnxpb.ELEMENTS


def test_external_data_are_listed_wherever_a_tensor_may_be(tmp_path: Path) -> None:
    def outside(name: str, *, length: bool = True) -> TensorProto:
        tensor = TensorProto(name=name, data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
        entries = {"location": f"{name}.bin", "offset": "4096"} | (
            {"length": "16"} if length else {}
        )
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)
        return tensor

    model = a_model()
    model.graph.initializer.append(outside("one"))
    model.graph.node[0].attribute.append(helper.make_attribute("t", outside("two")))
    model.graph.node[1].attribute[0].g.initializer.append(outside("three"))
    model.functions[0].node[0].attribute.append(helper.make_attribute("t", outside("four")))
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(outside("five"))
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    assert sorted(onnxpb.external_data(path)) == [
        (name, f"{name}.bin", 4096, 16) for name in ("five", "four", "one", "three", "two")
    ]
    assert onnxpb.external_data(a_model().SerializeToString()) == []


@pytest.mark.parametrize("offset", ["-1", "1e3", "\uff19", "", "9" * 30])
def test_an_offset_that_is_no_number_is_refused(offset: str) -> None:
    tensor = TensorProto(name="x", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="offset", value=offset)
    model = a_model()
    model.graph.initializer.append(tensor)
    with pytest.raises(ValueError, match="offset or length"):
        onnxpb.external_data(model.SerializeToString())


def test_a_file_of_two_gigabytes_is_walked_by_its_lengths(tmp_path: Path) -> None:
    size = (1 << 31) - (1 << 16)
    path = tmp_path / "big.onnx"
    name = wire.key_bytes(8, "big")
    weights = wire.varint(9 << 3 | 2) + wire.varint(size)
    tensor_length = len(name) + len(weights) + size
    tensor = wire.varint(5 << 3 | 2) + wire.varint(tensor_length) + name + weights
    graph_length = len(tensor) + size
    with path.open("wb") as file:
        file.write(wire.key_bytes(1, 8))
        file.write(wire.varint(7 << 3 | 2) + wire.varint(graph_length) + tensor)
        file.truncate(file.tell() + size)
    begun = time.monotonic()
    assert onnxpb.external_data(path) == []
    assert onnxpb.summary(path).initializers == ["big"]
    assert time.monotonic() - begun < 60


def test_nested_subgraphs_end_in_an_error_not_in_a_deep_stack() -> None:
    graph = b""
    for _ in range(5000):
        node = wire.key_bytes(5, wire.key_bytes(6, graph))
        graph = wire.key_bytes(1, node)
    with pytest.raises(ValueError, match="nested deeper"):
        onnxpb.external_data(wire.key_bytes(7, graph))


def test_types_as_their_texts() -> None:
    """Those of the fields that read_type knows, and those that nobody has yet."""
    infos = (
        helper.make_sparse_tensor_value_info("s", TensorProto.FLOAT, ["n", 2]),
        helper.make_tensor_sequence_value_info("q", TensorProto.INT64, None),
    )
    told = [onnxpb.read_type(memoryview(info.type.SerializeToString())) for info in infos]
    assert told == [("sparse_tensor(float32)", ("n", 2)), ("seq(tensor(int64))", None)]
    assert onnxpb.read_type(memoryview(wire.key_bytes(7, b""))) == ("opaque", None)
    assert onnxpb.read_type(memoryview(wire.key_bytes(4, b""))) == ("seq(undefined)", None)
    odd = wire.key_bytes(99, b"") + wire.key_bytes(
        1, wire.key_bytes(99, b"") + wire.key_bytes(1, 1)
    )
    assert onnxpb.read_type(memoryview(odd)) == ("tensor(float32)", None)


def test_sparse_initializers_are_initializers() -> None:
    model = a_model()
    values = helper.make_tensor("weights", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("where", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    assert onnxpb.summary(model.SerializeToString()).initializers == ["w", "weights"]


def test_nested_types_end_in_an_error() -> None:
    kind = b""
    for _ in range(5000):
        kind = wire.key_bytes(4, wire.key_bytes(1, kind))
    with pytest.raises(ValueError, match="nested deeper"):
        onnxpb.read_type(memoryview(kind))


def test_many_tiny_fields_do_not_keep_the_reader_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FIELDS", 1000)
    with pytest.raises(ValueError, match="more than 1000 fields"):
        onnxpb.summary(wire.key_bytes(5, 1) * 1001)
    monkeypatch.undo()
    monkeypatch.setattr(onnxpb, "_MESSAGES", 1000)
    with pytest.raises(ValueError, match="more than 1000 messages"):
        onnxpb.external_data(wire.key_bytes(7, b"") * 1000 + wire.key_bytes(20, b""))


@pytest.mark.parametrize(
    "data",
    [
        b"",  # no graph
        b"\x00",  # field number 0
        b"\x3b",  # a group
        b"\x3e",  # wire type 6
        b"\x3a",  # length is missing
        b"\x3a\x05abc",  # cut off
        b"\x08" + b"\xff" * 11,  # a varint without an end
        b"\x38\x01",  # a number where the graph belongs
        b"\x3a\x02\x08\x01",  # a number where a node belongs
    ],
)
def test_malformed_models_are_value_errors(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        onnxpb.summary(data)


@settings(deadline=None)
@given(st.data())
def test_edited_models_give_an_answer_or_a_value_error(data: st.DataObject) -> None:
    good = bytearray(a_model().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    good = good[: data.draw(st.integers(0, len(good)))]
    with contextlib.suppress(ValueError):
        onnxpb.summary(bytes(good))
    with contextlib.suppress(ValueError):
        onnxpb.external_data(bytes(good))


@settings(deadline=None)
@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_varints_come_back(number: int) -> None:
    [(field, kind, value)] = wire.fields(memoryview(wire.key_bytes(3, number)))
    assert (field, kind, wire.signed(value)) == (3, 0, number)


def test_tiny_models_are_models_to_onnx() -> None:
    made = onnxmake.model(
        [
            onnxmake.node(
                "Cast", ["x"], ["c"], attributes=[onnxmake.attribute("to", TensorProto.INT32)]
            ),
            onnxmake.node("LeakyRelu", ["w"], ["l"], attributes=[onnxmake.attribute("alpha", 0.5)]),
            onnxmake.node("Other", ["x"], ["o"], domain="some.where"),
        ],
        [onnxmake.value_info("x", "float32", (2, "n", ""))],
        [onnxmake.value_info("c", "int32"), onnxmake.value_info("l", "float32", ())],
        initializers=[
            onnxmake.tensor("w", "float32", (2,), struct.pack("<2f", 1.5, -2.0)),
            onnxmake.tensor("s", "string", (1,), ["é".encode()]),
        ],
        ir=9,
        imports=(("", 19), ("some.where", 1)),
    )
    read = onnx.load_model_from_string(made)
    assert (read.ir_version, read.opset_import[0].version) == (9, 19)
    assert [node.op_type for node in read.graph.node] == ["Cast", "LeakyRelu", "Other"]
    assert helper.get_attribute_value(read.graph.node[0].attribute[0]) == TensorProto.INT32
    assert helper.get_attribute_value(read.graph.node[1].attribute[0]) == 0.5
    assert numpy_helper.to_array(read.graph.initializer[0]).tolist() == [1.5, -2.0]
    assert numpy_helper.to_array(read.graph.initializer[1]).tolist() == ["é"]
    assert onnxpb.summary(made).inputs == [("x", "tensor(float32)", (2, "n", ""))]
    assert read.graph.input[0].type.tensor_type.shape.dim[1].dim_param == "n"


def test_reading_costs_little() -> None:
    """A corpus has 1,884 models; a reader that takes a millisecond each would be felt."""
    data = a_model().SerializeToString()
    begun = time.perf_counter()
    for _ in range(200):
        onnxpb.summary(data)
    assert (time.perf_counter() - begun) / 200 < 1


def test_random_bytes_are_refused_or_read() -> None:
    rng = random.Random(7)
    for _ in range(300):
        data = bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
        with contextlib.suppress(ValueError):
            onnxpb.summary(data)
