"""Kinds of values that few models have, as ONNX Runtime and onnx take and give them.

Both conversions decide what a case compares: each goes there and back here, on this numpy. The
onnx is the installed one; ONNX Runtime's side is played, as its objects are used.
"""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest

from pytest_modelcompat.worker.arrays import from_array
from pytest_modelcompat.worker.runtimes import _ort_values as ort
from pytest_modelcompat.worker.runtimes._declared import Declared
from pytest_modelcompat.worker.runtimes._onnx_arrays import Arrays, _custom_types, _meant
from pytest_modelcompat.worker.runtimes.onnxruntime import Adapter
from pytest_modelcompat.worker.values import Value

ONE = from_array(np.array([1.5], "float32"))
KEYS = from_array(np.array([5], "int64"))
WORDS = Value.tensor("string", (1,), [b"a"])

# -- ONNX Runtime


@pytest.mark.parametrize(
    ("value", "words", "shown"),
    [
        (ONE, "tensor(float)", [1.5]),
        (Value.sequence([ONE, ONE]), "seq(tensor(float))", [[1.5], [1.5]]),
        (Value.optional(ONE), "optional(tensor(float))", [1.5]),
        (Value.optional(), "optional(tensor(float))", None),
        (Value.mapping(KEYS, [ONE]), "map(int64,tensor(float))", {5: [1.5]}),
        (Value.mapping(WORDS, ONE), "map(string,tensor(float))", {"a": 1.5}),
    ],
)
def test_there_and_back(value: Value, words: str, shown: Any) -> None:
    declared = Declared(words)
    given = ort.feed(value, declared)
    assert plain(given) == shown
    back = ort.from_plain(given, declared)
    if value.kind == "map":
        assert (back.kind, back.items["keys"]) == ("map", value.items["keys"])
    else:
        assert plain(ort.feed(back, declared)) == shown
        assert back.kind == value.kind


def plain(given: Any) -> Any:
    if isinstance(given, list):
        return [plain(each) for each in given]
    if isinstance(given, dict):
        return {key: plain(each) for key, each in given.items()}
    return given.tolist() if hasattr(given, "tolist") else given


def test_what_plain_run_returns() -> None:
    assert ort.from_plain(None, Declared("tensor(float)")) == Value.none()
    assert ort.from_plain(None, Declared("optional(tensor(float))")) == Value.optional()
    numbers = ort.from_plain({"a": 0.25, "b": 0.75}, Declared("map(string,tensor(float))"))
    assert numbers.items["values"] == from_array(np.array([0.25, 0.75], "float32"))
    arrays = ort.from_plain({5: np.ones(2, "float32")}, Declared("map(int64,tensor(float))"))
    assert arrays.items["values"] == [from_array(np.ones(2, "float32"))]
    bits = Declared("tensor(bfloat16)")
    assert ort.from_plain(np.array([1], "uint16"), bits).dtype == "bfloat16"
    assert ort.from_plain(np.array([1], "float32"), bits).dtype == "float32"  # it was widened


class OrtValue:
    """One that runtimes return: `type` is its text, `held` its memory."""

    def __init__(self, held: Any, words: str, shape: tuple[int, ...] = ()) -> None:
        self.held, self.words = held, words
        self.dims = list(shape)

    def has_value(self) -> bool:
        return self.held is not None

    def is_tensor(self) -> bool:
        return self.words.startswith("tensor")

    def data_type(self) -> str:
        return self.words

    def shape(self) -> list[int]:
        return self.dims

    def data_ptr(self) -> int:
        return ctypes.addressof(self.held)

    def numpy(self) -> Any:
        return self.held


def test_what_comes_as_ort_values() -> None:
    declared = Declared("tensor(int4)")
    rubbish = ctypes.create_string_buffer(b"\x21\xf3", 2)  # three elements, and what lay behind
    found = ort.from_ort(OrtValue(rubbish, "tensor(int4)", (3,)), declared)
    assert found == Value.tensor("int4", (3,), b"\x21\x03")
    empty = ort.from_ort(OrtValue(rubbish, "tensor(int4)", (0,)), declared)
    assert empty == Value.tensor("int4", (0,), b"")
    array = OrtValue(np.array([1.5], "float32"), "tensor(float)")
    assert ort.from_ort(array, Declared("tensor(float)")) == ONE
    maybe = Declared("optional(tensor(float))")
    assert ort.from_ort(array, maybe) == Value.optional(ONE)
    assert ort.from_ort(OrtValue(None, "tensor(float)"), maybe) == Value.optional()
    assert ort.from_ort(OrtValue(None, "tensor(float)"), Declared("tensor(float)")) == Value.none()
    with pytest.raises(TypeError, match=r"of type seq\(tensor\(float\)\) came as an OrtValue"):
        ort.from_ort(OrtValue(1, "seq(tensor(float))"), Declared("seq(tensor(float))"))


@pytest.mark.parametrize(
    ("dtype", "declared", "kind"),
    [
        ("uint16", "bfloat16", "bfloat16"),  # how bfloat16 is often stored
        ("bfloat16", "bfloat16", "bfloat16"),
        ("uint16", "uint16", None),
        ("float16", "bfloat16", None),  # a mistake of the data, which the runtime is to see
    ],
)
def test_the_graph_says_what_bits_mean(dtype: str, declared: str, kind: str | None) -> None:
    asked: list[Any] = []
    held = ctypes.create_string_buffer(4)

    class Values:
        ortvalue_from_numpy_with_onnx_type = None

        @staticmethod
        def ortvalue_from_numpy(array: Any) -> str:
            asked.append((None, array.dtype.name))
            return "plain"

        @staticmethod
        def ortvalue_from_shape_and_type(shape: list[int], element: int) -> OrtValue:
            asked.append((element, shape))
            return OrtValue(held, "tensor(bfloat16)")

    value = Value.tensor(dtype, (2,), b"\x80\x3f\x00\xc0")
    ort.to_ort(SimpleNamespace(OrtValue=Values), value, Declared(f"tensor({declared})"))
    if kind is None:
        assert asked == [(None, dtype)]
    else:
        assert asked == [(onnx.TensorProto.BFLOAT16, [2])]
        assert held.raw == b"\x80\x3f\x00\xc0"


# -- ONNX Runtime's providers, where a fallback would be silent


class InferenceSession:
    """Goes on with the CPU provider when a library does not load, as the real one does."""

    def __init__(self, model: Any, options: Any, providers: list[Any]) -> None:
        first = providers[0][0] if isinstance(providers[0], tuple) else providers[0]
        self.has = [first] if first in {"CPUExecutionProvider", "There"} else []

    def get_providers(self) -> list[str]:
        return [*self.has, "CPUExecutionProvider"]


class SessionOptions:
    def __init__(self) -> None:
        self.devices: list[Any] = []
        self.entries: list[Any] = []

    def add_provider_for_devices(self, devices: list[Any], options: Any) -> None:
        self.devices.append((devices, options))

    def add_session_config_entry(self, *entry: str) -> None:
        self.entries.append(entry)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Any:
    made: Any = SimpleNamespace(
        InferenceSession=InferenceSession,
        SessionOptions=SessionOptions,
        GraphOptimizationLevel=SimpleNamespace(ORT_ENABLE_ALL=99),
        ExecutionMode=SimpleNamespace(ORT_SEQUENTIAL=0),
        libraries=[],
    )
    kinds = [("Plug", "NPU", "card A"), ("Plug", "GPU", "card B"), ("Other", "GPU", "card C")]
    made.get_ep_devices = lambda: [
        SimpleNamespace(
            ep_name=name, device=SimpleNamespace(type=SimpleNamespace(name=kind)),
            ep_metadata={"name": card},
        )
        for name, kind, card in kinds
    ]  # fmt: skip
    made.register_execution_provider_library = lambda name, path: made.libraries.append(
        (name, path)
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", made)
    monkeypatch.setitem(sys.modules, "plug", SimpleNamespace(get_library_path=lambda: "/plug.so"))
    return made


def test_a_provider_that_is_not_in_the_session_is_no_session(runtime: Any) -> None:
    made = Adapter("onnxruntime")
    assert made.create(b"", "There", {}).get_providers()[0] == "There"
    with pytest.raises(RuntimeError, match="Absent was asked for, the session has"):
        made.create(b"", "Absent", {})


def test_sessions_share_the_options_of_their_provider(runtime: Any) -> None:
    made = Adapter("onnxruntime")
    made.create(b"", "There", {"threads": "1"})
    first = made._kept[1]
    made.create(b"", "There", {"threads": "1"})
    assert made._kept[1] is first
    made.create(b"", "CPUExecutionProvider", {"threads": "1"})
    assert made._kept[1] is not first


@pytest.mark.parametrize(
    ("device", "cards"),
    [(None, ["card A", "card B"]), ("NPU", ["card A"]), ("card B", ["card B"])],
)
def test_devices_of_a_plugin(runtime: Any, device: str | None, cards: list[str]) -> None:
    made = Adapter("onnxruntime")
    options = {"provider_library": "plug", **({"device": device} if device else {})}
    for _ in range(2):
        found = made._options("Plug", {**options, "provider.speed": "high"})
        [(devices, told)] = found.devices
        assert [each.ep_metadata["name"] for each in devices] == cards
        assert told == {"speed": "high"}
    assert runtime.libraries == [("Plug", "/plug.so")]  # once


def test_a_plugin_without_such_a_device(runtime: Any) -> None:
    made = Adapter("onnxruntime")
    with pytest.raises(RuntimeError, match=r"no device of Nobody among \['Plug', 'Plug', 'O"):
        made._options("Nobody", {"provider_library": "/nobody.so", "register": "its name"})
    assert runtime.libraries == [("its name", "/nobody.so")]


# -- onnx


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return Arrays(onnx)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ONE, [1.5]),
        (Value.sequence([ONE]), [[1.5]]),
        (Value.optional(ONE), [1.5]),
        (Value.optional(), None),
        (Value.none(), None),
        (Value.mapping(KEYS, [ONE]), {5: [1.5]}),
        (Value.mapping(WORDS, ONE), {"a": 1.5}),
    ],
)
def test_what_the_evaluator_takes(arrays: Arrays, value: Value, shown: Any) -> None:
    assert plain(arrays.feed(value)) == shown


def test_the_evaluator_may_write_into_what_it_gets(arrays: Arrays) -> None:
    found = arrays.feed(ONE)
    found[0] = 7.0
    assert from_array(np.array([1.5], "float32")) == ONE


@pytest.mark.parametrize(
    ("dtype", "data", "numbers"),
    [
        ("bfloat16", b"\x80\x3f\x00\xc0", [1.0, -2.0]),
        ("float8e4m3fn", b"\x38\xc0", [1.0, -2.0]),
        ("int4", b"\xf1", [1, -1]),
        ("uint4", b"\xf1", [1, 15]),
        ("float4e2m1", b"\xc2", [1.0, -2.0]),
    ],
)
def test_types_that_numpy_lacks(arrays: Arrays, dtype: str, data: bytes, numbers: Any) -> None:
    value = Value.tensor(dtype, (2,), data)
    given = arrays.feed(value)
    assert given.astype(float).tolist() == numbers
    assert arrays.value(given, Declared(f"tensor({dtype})")) == value


def test_a_type_that_this_onnx_lacks(arrays: Arrays) -> None:
    poor = Arrays.__new__(Arrays)
    poor._types = {}
    with pytest.raises(TypeError, match="onnx has no array of bfloat16"):
        poor.feed(Value.tensor("bfloat16", (1,), bytes(2)))


def test_what_the_evaluator_gives(arrays: Arrays) -> None:
    one = np.array([1.5], "float32")
    optional = Declared("optional(tensor(float))")
    assert arrays.value([one], optional) == Value.optional(ONE)  # its Optional makes a list
    assert arrays.value(one, optional) == Value.optional(ONE)
    assert arrays.value(None, optional) == Value.optional()
    sequences = Declared("optional(seq(tensor(float)))")
    assert arrays.value([one], sequences) == Value.optional(Value.sequence([ONE], "float32"))
    assert arrays.value([[one]], sequences) == Value.optional(Value.sequence([ONE], "float32"))
    assert arrays.value(None, Declared("tensor(float)")) == Value.none()
    assert arrays.value({5: one}, Declared("map(int64,tensor(float))")) == Value.mapping(
        KEYS, [ONE]
    )
    assert arrays.value({"a": one}, Declared("tensor(float)")) == Value.mapping(WORDS, [ONE])
    assert arrays.value((one, one), Declared("tensor(float)")).kind == "sequence"


def test_bits_in_an_integer_are_what_the_graph_says() -> None:
    assert _meant(np.dtype("uint16"), "bfloat16") == "bfloat16"
    assert _meant(np.dtype("uint8"), "float8e5m2") == "float8e5m2"
    assert _meant(np.dtype("uint16"), "float8e5m2") is None  # another width: it is a number
    assert _meant(np.dtype("float32"), "bfloat16") is None
    assert _meant(np.dtype("int64"), "int64") is None
    assert _meant(np.dtype(ml_dtypes.int4), None) == "int4"
    assert _meant(np.dtype([("e4m3fn", "u1")]), None) == "float8e4m3fn"  # before onnx 1.19
    assert _meant(np.dtype([("int4", "i1")]), None) == "int4"


def test_where_older_releases_have_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    newer, older = SimpleNamespace(name="newer"), SimpleNamespace(name="older")
    monkeypatch.setitem(sys.modules, "onnx._custom_element_types", newer)
    monkeypatch.setitem(sys.modules, "onnx.reference.custom_element_types", older)
    assert _custom_types() is newer
    monkeypatch.setitem(sys.modules, "onnx._custom_element_types", None)
    assert _custom_types() is older
    monkeypatch.setitem(sys.modules, "onnx.reference.custom_element_types", None)
    assert _custom_types() is None
