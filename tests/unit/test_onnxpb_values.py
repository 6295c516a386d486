"""Values in ONNX's own files, against onnx's own reader; and arrays of every type."""

from __future__ import annotations

import struct
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pytest_modelcompat.worker import arrays, onnxdata, onnxmake, onnxpb, wire
from pytest_modelcompat.worker.values import BITS, Blobs, Value, describe, nbytes

ML = {
    "bfloat16": ml_dtypes.bfloat16, "float8e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "float8e5m2": ml_dtypes.float8_e5m2,
    "float8e5m2fnuz": ml_dtypes.float8_e5m2fnuz, "float8e8m0": ml_dtypes.float8_e8m0fnu,
    "int4": ml_dtypes.int4, "uint4": ml_dtypes.uint4, "int2": ml_dtypes.int2,
    "uint2": ml_dtypes.uint2, "float4e2m1": ml_dtypes.float4_e2m1fn,
}  # fmt: skip


def sample(dtype: str, shape: tuple[int, ...] = (3, 3)) -> np.ndarray[Any, Any]:
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    if dtype == "bool":
        return numbers % 2 == 0
    if dtype.startswith("complex"):
        return (numbers - 2j * numbers).astype(dtype)
    signed = dtype.startswith(("int", "float", "bfloat"))
    small = numbers % 2 if BITS[dtype] < 8 else numbers
    return ((small - 1 * signed) if dtype != "float8e8m0" else small + 1).astype(
        ML.get(dtype, dtype)
    )


def typed(dtype: str, array: np.ndarray[Any, Any]) -> TensorProto:
    """The tensor with its numbers in the typed field, not in raw_data."""
    return helper.make_tensor("t", onnxpb.ELEMENTS[dtype], array.shape, array.reshape(-1).tolist())


@pytest.mark.parametrize("dtype", [name for name in BITS if name != "string"])
@pytest.mark.parametrize("shape", [(3, 3), (), (0, 2), (1,)])
def test_raw_and_typed_fields_give_the_same_bytes(dtype: str, shape: tuple[int, ...]) -> None:
    array = sample(dtype, shape)
    tensor = numpy_helper.from_array(array, "t")
    assert tensor.data_type == onnxpb.ELEMENTS[dtype]
    found = onnxdata.read_value(tensor.SerializeToString(), f"tensor({dtype})")
    assert (found.kind, found.dtype, found.shape) == ("tensor", dtype, shape)
    assert len(found.data) == nbytes(dtype, shape)
    assert onnxdata.read_value(typed(dtype, array).SerializeToString(), "tensor(x)") == found
    describe(found, Blobs())  # what the worker will do with it


@pytest.mark.parametrize("dtype", [name for name in BITS if name != "string"])
@pytest.mark.parametrize("shape", [(3, 3), (), (0, 2), (5,)])
def test_arrays_come_back(dtype: str, shape: tuple[int, ...]) -> None:
    array = sample(dtype, shape)
    value = onnxdata.read_value(numpy_helper.from_array(array).SerializeToString(), "tensor(x)")
    if BITS[dtype] < 8:
        assert arrays.packed(arrays.unpacked(value), dtype) == value
        if dtype.startswith(("int", "uint")):
            assert arrays.unpacked(value).tolist() == array.astype(int).tolist()
        return
    back = arrays.to_array(value)
    assert back.shape == shape
    assert back.view(array.dtype).tolist() == array.tolist()
    assert arrays.from_array(back, dtype) == value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=">i4").reshape(3, 4),
        np.arange(12, dtype=np.float16).reshape(3, 4).T,
        np.arange(12)[::-2],
        np.float32(1.5),
        np.bool_(True),
    ],
)
def test_any_layout_becomes_little_endian_and_contiguous(array: Any) -> None:
    value = arrays.from_array(array)
    assert arrays.to_array(value).tolist() == array.tolist()
    assert value.dtype == array.dtype.newbyteorder("=").name


def test_strings_of_any_kind() -> None:
    words = ["", "zoë", "\ud800", "a\0b", "x" * 300]
    value = arrays.from_array(np.array(words, dtype=object).reshape(5, 1))
    assert value.shape == (5, 1)
    assert arrays.to_array(value).reshape(-1).tolist() == words
    assert arrays.from_array(np.array(["a", "bc"])).data == [b"a", b"bc"]
    assert arrays.from_array(np.array([b"\xff"])).data == [b"\xff"]
    tensor = helper.make_tensor("t", TensorProto.STRING, [2], [b"\xff\xfe", "é".encode()])
    assert onnxdata.read_value(tensor.SerializeToString(), "tensor(string)").data == [
        b"\xff\xfe", b"\xc3\xa9",
    ]  # fmt: skip


def test_an_array_of_no_type_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="no dtype"):
        arrays.from_array(np.array(["2020-01-01"], dtype="datetime64[D]"))


def test_bfloat16_in_an_old_file_is_what_the_graph_says() -> None:
    tensor = numpy_helper.from_array(np.array([0x3F80], np.uint16)).SerializeToString()
    assert onnxdata.read_value(tensor, "tensor(bfloat16)").dtype == "bfloat16"
    assert onnxdata.read_value(tensor, "tensor(uint16)").dtype == "uint16"
    assert onnxdata.read_value(tensor, "tensor(float16)").dtype == "uint16"


def test_sequences_optionals_and_maps() -> None:
    one, two = np.array([1.0], np.float32), np.array([[2.0, 3.0]], np.float32)
    sequence = onnxdata.read_value(
        numpy_helper.from_list([one, two]).SerializeToString(), "seq(tensor(float32))"
    )
    assert [arrays.to_array(item).tolist() for item in sequence.items] == [[1.0], [[2.0, 3.0]]]
    assert sequence.dtype == "float32"
    nested = onnxdata.read_value(
        numpy_helper.from_list([[one], [one, two]]).SerializeToString(), "seq(seq(tensor(x)))"
    )
    assert [len(item.items) for item in nested.items] == [1, 2]
    empty = onnx.SequenceProto(elem_type=1)
    assert onnxdata.read_value(empty.SerializeToString(), "seq(tensor(x))").items == []

    full = numpy_helper.from_optional([one]).SerializeToString()
    found = onnxdata.read_value(full, "optional(seq(tensor(x)))")
    assert found.items[0].kind == "sequence"
    none = numpy_helper.from_optional(None, dtype=1).SerializeToString()
    assert onnxdata.read_value(none, "optional(tensor(x))") == Value.optional()

    told = numpy_helper.from_dict({5: one, -7: two}).SerializeToString()
    found = onnxdata.read_value(told, "map(int64,tensor(float32))")
    assert arrays.to_array(found.items["keys"]).tolist() == [5, -7]
    assert len(found.items["values"]) == 2


def test_external_data_are_refused() -> None:
    tensor = TensorProto(data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    with pytest.raises(ValueError, match="another file"):
        onnxdata.read_value(tensor.SerializeToString(), "tensor(float32)")


@pytest.mark.parametrize(
    ("tensor", "what"),
    [
        (TensorProto(data_type=1, dims=[2], raw_data=b"1234"), "4 bytes for float32"),
        (TensorProto(data_type=1, dims=[-1], raw_data=b"1234"), "negative"),
        (TensorProto(data_type=1, dims=[1 << 40, 1 << 40], raw_data=b""), "0 bytes"),
        (TensorProto(data_type=99, dims=[1], raw_data=b"1"), "no type that we know"),
        (TensorProto(data_type=27, dims=[4], raw_data=b"123"), "float6e2m3"),
        (TensorProto(data_type=8, dims=[2], string_data=[b"a"]), "1 strings"),
        (TensorProto(dims=[0]), "no type"),
    ],
)
def test_tensors_that_do_not_hold_are_value_errors(tensor: TensorProto, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        onnxdata.read_value(tensor.SerializeToString(), "tensor(float32)")


@pytest.mark.parametrize("field", [3, 5, 6, 7])
def test_nested_values_end_in_an_error(field: int) -> None:
    data = b""
    for _ in range(2000):
        data = wire.key_bytes(7 if field == 3 else 5, data)
    with pytest.raises(ValueError, match="nested deeper"):
        onnxdata.read_value(data, "seq(x)")


def test_mixed_sequences_and_odd_maps_are_refused() -> None:
    one = numpy_helper.from_array(np.ones(1, np.float32)).SerializeToString()
    with pytest.raises(ValueError, match="more than one kind"):
        onnxdata.read_value(wire.key_bytes(3, one) + wire.key_bytes(5, b""), "seq(x)")
    with pytest.raises(ValueError, match="keys of type float32"):
        onnxdata.read_value(wire.key_bytes(2, 1), "map(x)")
    with pytest.raises(ValueError, match="does not fit int8"):
        onnxdata.read_value(wire.key_bytes(2, 3) + wire.key_bytes(3, 300), "map(x)")
    with pytest.raises(ValueError, match="1 keys, 0 values"):
        onnxdata.read_value(wire.key_bytes(2, 7) + wire.key_bytes(3, 300), "map(x)")
    with pytest.raises(ValueError, match="cannot read"):
        onnxdata.read_value(b"", "sparse_tensor(float32)")


@pytest.mark.parametrize(
    ("data", "declared", "words"),
    [
        (wire.key_bytes(2, 8) + wire.key_bytes(6, 1), "tensor(x)", "a number where a string"),
        (wire.key_bytes(2, 1) + wire.key_bytes(9, 1), "tensor(x)", "a number where raw data"),
        (wire.key_bytes(4, b""), "seq(x)", "sequences of sparse tensors"),
        (wire.key_bytes(3, 1), "seq(x)", "a number where a value"),
        (wire.key_bytes(4, b""), "optional(x)", "optional sparse tensors"),
        (wire.key_bytes(7, 1), "optional(x)", "a number where a value"),
        (wire.key_bytes(4, 1), "map(x)", "a number where a string"),
        (wire.key_bytes(5, 1), "map(x)", "a number where a value"),
        (wire.key_bytes(2, 99), "map(x)", "keys of type undefined"),
    ],
)
def test_fields_of_another_kind_are_refused(data: bytes, declared: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        onnxdata.read_value(data, declared)


def test_keys_may_be_words() -> None:
    one = np.ones(1, np.float32)
    values = numpy_helper.from_list([one, one])
    told = onnx.MapProto(key_type=8, string_keys=[b"a", b"b"], values=values).SerializeToString()
    found = onnxdata.read_value(told, "map(string,tensor(float32))")
    assert found.items["keys"] == Value.tensor("string", (2,), [b"a", b"b"])
    assert [item.dtype for item in found.items["values"]] == ["float32", "float32"]


@given(st.binary(max_size=200), st.sampled_from(["tensor(x)", "seq(x)", "optional(x)", "map(x)"]))
def test_any_bytes_give_a_value_or_a_value_error(data: bytes, declared: str) -> None:
    try:
        found = onnxdata.read_value(data, declared)
    except ValueError:
        return
    describe(found, Blobs())


# --- quantized outputs -------------------------------------------------------------------------


def q_model(*nodes: bytes, outputs: tuple[str, ...], scale: Any = 0.25) -> bytes:
    scales = [scale] if isinstance(scale, float) else list(scale)
    return onnxmake.model(
        list(nodes),
        [onnxmake.value_info("x", "float32", (2,)), onnxmake.value_info("s_in", "float32", ())],
        [onnxmake.value_info(name, "float32", (2,)) for name in outputs],
        initializers=[
            onnxmake.tensor(
                "s", "float32", (len(scales),), struct.pack(f"<{len(scales)}f", *scales)
            )
        ],
    )


def test_quanta_of_outputs() -> None:
    node = onnxmake.node
    model = q_model(
        node("QuantizeLinear", ["x", "s"], ["q"]),
        node("DequantizeLinear", ["q", "s"], ["d"]),
        node("Transpose", ["d"], ["moved"]),
        node("Relu", ["d"], ["other"]),
        outputs=("q", "d", "moved", "other"),
        scale=[0.25, -0.5],
    )
    assert onnxdata.quantized(model) == {"q": 1.0, "d": 0.5, "moved": 0.5}


def test_a_scale_may_be_an_input_or_a_constant_or_unknown() -> None:
    node = onnxmake.node
    model = q_model(node("DequantizeLinear", ["x", "s_in"], ["d"]), outputs=("d",))
    assert onnxdata.quantized(model) == {}
    fed = {"s_in": Value.tensor("float32", (), struct.pack("<f", 0.125))}
    assert onnxdata.quantized(model, fed) == {"d": 0.125}
    half = Value.tensor("float16", (), struct.pack("<e", 0.5))
    assert onnxdata.quantized(model, {"s_in": half}) == {"d": 0.5}
    brain = Value.tensor("bfloat16", (), b"\x80\x3f")
    assert onnxdata.quantized(model, {"s_in": brain}) == {"d": 1.0}
    powers = Value.tensor("float8e8m0", (3,), bytes([126, 129, 255]))  # a half, four, not a number
    assert onnxdata.quantized(model, {"s_in": powers}) == {"d": 4.0}
    for unknown in (
        Value.tensor("int8", (1,), b"\x01"), Value.sequence([half]),
        Value.tensor("float32", (1,), struct.pack("<f", float("nan"))),
    ):  # fmt: skip
        assert onnxdata.quantized(model, {"s_in": unknown}) == {}
    constant = onnxmake.tensor("", "float32", (), struct.pack("<f", 2.0))
    model = q_model(
        node("Constant", [], ["c"], attributes=[onnxmake.attribute("value", constant)]),
        node("DequantizeLinear", ["x", "c"], ["d"]),
        outputs=("d",),
    )
    assert onnxdata.quantized(model) == {"d": 2.0}
    loop = q_model(node("Identity", ["b"], ["a"]), node("Identity", ["a"], ["b"]), outputs=("a",))
    assert onnxdata.quantized(loop) == {}
