"""What adapters share: arrays of types that numpy lacks, options, what is printed, CUDA's calls.

On this interpreter, with its numpy and ml_dtypes; tests/contract has the runtimes themselves.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytest_modelcompat.worker.runtimes import _cudart, _declared, _plain
from pytest_modelcompat.worker.runtimes._ort_options import session_options
from pytest_modelcompat.worker.runtimes._words import Logged, Printed
from pytest_modelcompat.worker.values import Value

# -- arrays

BITS = {
    "bfloat16": (ml_dtypes.bfloat16, b"\x80\x3f\x00\xc0", [1.0, -2.0]),
    "float8e4m3fn": (ml_dtypes.float8_e4m3fn, b"\x38\xc0", [1.0, -2.0]),
    "float8e5m2": (ml_dtypes.float8_e5m2, b"\x3c\xc0", [1.0, -2.0]),
    "int4": (ml_dtypes.int4, b"\xf1", [1, -1]),
    "uint4": (ml_dtypes.uint4, b"\xf1", [1, 15]),
}


@pytest.mark.parametrize("dtype", BITS)
def test_types_that_numpy_lacks_keep_their_bits_and_mean_their_numbers(dtype: str) -> None:
    theirs, data, numbers = BITS[dtype]
    given = Value.tensor(dtype, (2,), data)

    found = _plain.array("r", given)

    assert found.dtype == theirs
    assert found.astype(float).tolist() == numbers
    assert _plain.value(found) == given


def test_an_array_has_memory_of_its_own() -> None:
    given = Value.tensor("float32", (1,), bytes(4))
    found = _plain.array("r", given)
    found[0] = 1.0
    assert bytes(given.data) == bytes(4)

    kept = np.zeros(1 << 15, "float32")  # small ones are copied on the way, too
    told = _plain.value(kept)
    kept[0] = 1.0
    assert bytes(told.data) == bytes(4 << 15)


def test_what_is_no_tensor() -> None:
    inner = Value.tensor("int64", (), (7).to_bytes(8, "little"))
    assert _plain.array("r", Value.optional(inner)).item() == 7
    with pytest.raises(TypeError, match="r takes tensors, not a optional"):
        _plain.array("r", Value.optional())
    with pytest.raises(TypeError, match="r takes tensors, not a sequence"):
        _plain.array("r", Value.sequence([inner]))
    assert _plain.value([np.zeros(1), (1, 2)]) == Value.sequence(
        [
            Value.tensor("float64", (1,), bytes(8)),
            Value.sequence([_plain.value(1), _plain.value(2)]),
        ]
    )


def test_types_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="r takes no float8e8m0"):
        _plain.array("r", Value.tensor("float8e8m0", (1,), b"\x7f"))
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(TypeError, match="r takes no bfloat16 here"):
        _plain.array("r", Value.tensor("bfloat16", (1,), bytes(2)))


# -- options and files


def test_options() -> None:
    allowed = {"mode": ("fast", "exact"), "library": None}
    told = {"threads": "4", "mode": "fast", "library": "/any.so"}
    assert _plain.only("r", told, allowed) == told
    assert _plain.only("r", None, allowed) == {}
    for odd, words in (
        ({"modus": "fast"}, r"r has no option 'modus'\. Did you mean 'mode'\?"),
        ({"mode": "slow"}, "mode is one of fast, exact, not 'slow'"),
        ({"threads": "0"}, "threads is a whole number above zero, not '0'"),
        ({"threads": "-1"}, "threads is a whole number above zero, not '-1'"),
        ({"threads": "1.5"}, "threads is a whole number above zero, not '1.5'"),
    ):
        with pytest.raises(ValueError, match=words):
            _plain.only("r", odd, allowed)


def test_an_option_that_is_none_is_told_with_what_was_likely_meant() -> None:
    with pytest.raises(ValueError, match=r"option 'x'\. Known here: library, mode, threads\.$"):
        _plain.only("r", {"x": "1"}, {"mode": None, "library": None})
    with pytest.raises(ValueError, match=r"r has no option 'x'$"):
        _plain.only("r", {"x": "1"}, {f"option{n}": None for n in range(20)})
    for name, meant in (("graph_optimisation", "graph_optimization"), ("thread", "threads")):
        with pytest.raises(ValueError, match=f"onnxruntime has no .*Did you mean '{meant}'"):
            session_options(None, {name: "all"})


def test_files() -> None:
    assert _plain.file_of("r", "/a/b.txt", (".txt", ".bin")) == "/a/b.txt"
    with pytest.raises(ValueError, match=r"r has no format for 'b\.onnx': it loads \.txt, \.bin"):
        _plain.file_of("r", "/a/b.onnx", (".txt", ".bin"))
    with pytest.raises(TypeError, match=r"r loads models from files \(\.txt\)"):
        _plain.file_of("r", b"bytes", (".txt",))
    assert _plain.suffix_of("/a/b.bin", (".txt", ".bin")) == ".bin"
    assert _plain.suffix_of("/a/b.onnx", (".txt", ".bin")) == ""
    assert _plain.suffix_of(b"bytes", (".txt", ".bin")) == ""


def test_inputs_without_a_value() -> None:
    x = Value.tensor("int8", (1,), b"\x01")
    y = Value.tensor("int8", (1,), b"\x02")
    [first, second] = _plain.arrays_in_order("r", ["b", "a"], {"a": x, "b": y})
    assert (first.item(), second.item()) == (2, 1)
    with pytest.raises(ValueError, match="inputs without a value: b, c"):
        _plain.arrays_in_order("r", ["a", "b", "c"], {"a": x})


def test_a_release_is_that_of_the_distribution() -> None:
    assert _plain.version_of("numpy", "no") == np.__version__
    assert _plain.version_of("there-is-no-such-thing", 1.5) == "1.5"


# -- ONNX Runtime's words for types


@pytest.mark.parametrize(
    ("text", "kind", "dtype", "inner"),
    [
        ("tensor(float)", "tensor", "float32", None),
        ("tensor(bfloat16)", "tensor", "bfloat16", None),
        ("seq(tensor(int64))", "sequence", None, "int64"),
        ("optional(seq(tensor(double)))", "optional", None, None),
        ("map(string,tensor(float))", "map", None, "float32"),
    ],
)
def test_declared_types(text: str, kind: str, dtype: str | None, inner: str | None) -> None:
    found = _declared.Declared(text)
    assert (found.kind, found.dtype) == (kind, dtype)
    if inner:
        assert found.inner.dtype == inner
    if kind == "optional":
        assert (found.inner.kind, found.inner.inner.dtype) == ("sequence", "float64")
    if kind == "map":
        assert found.key == "string"


# -- what is printed and logged


def test_what_is_printed_is_kept_and_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with Printed() as printed:
        os.write(2, b" why it failed\n")
    assert printed.text == "why it failed"
    assert capfd.readouterr().err == " why it failed\n"
    with Printed() as printed:
        pass
    assert printed.text == ""
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_descriptors_are_given_back() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with Printed():
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_torch_logs_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("torch.export")
    monkeypatch.setattr(logger, "propagate", False)  # as torch has it
    with Logged() as logged:
        logging.getLogger("torch").info("not this")
        logger.warning("cannot %s", "guess")
        logger.error("failed", exc_info=KeyError("the cause"))
        logger.error("without a cause", exc_info=(None, None, None))
    logger.warning("not this either")
    assert logged.lines == ["cannot guess", "failed", "KeyError: 'the cause'", "without a cause"]


# -- CUDA, whose library is played


class Library:
    """libcudart over this process' own memory; `fails` names a call and its code."""

    def __init__(self) -> None:
        self.fails: dict[str, int] = {}
        self.held: dict[int, Any] = {}
        self.calls: list[str] = []

        def words(code: int) -> bytes:
            return b"error number %d" % code

        self.cudaGetErrorString = words

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.calls.append(name)
            if name in self.fails:
                return self.fails[name]
            known = getattr(type(self), f"_{name[4:].lower()}", None)
            return known(self, *arguments) if known else 0

        return call

    def _getdevicecount(self, count: Any) -> int:
        count._obj.value = 2
        return 0

    def _malloc(self, address: Any, size: Any) -> int:
        if not size.value:  # then there is no address
            return 0
        held = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(held)
        self.held[ctypes.addressof(held)] = held
        return 0

    def _free(self, address: Any) -> int:
        del self.held[address.value]
        return 0

    def _memcpy(self, to: Any, source: Any, size: Any, kind: int) -> int:
        there = to if kind == 1 else source
        assert there.value in self.held, "the kind of the copy is the wrong one"
        ctypes.memmove(to, source, size.value)
        return 0


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: found)
    return found


def test_bytes_go_to_the_device_and_back(library: Library) -> None:
    cuda = _cudart.Cuda()
    assert cuda.devices() == 2
    cuda.choose(1)
    given, back = np.arange(6, dtype="float32"), np.zeros(6, "float32")
    address = cuda.allocate(given.nbytes)
    cuda.send(address, given)
    cuda.wait()
    cuda.fetch(back, address)
    assert back.tolist() == given.tolist()
    cuda.free(address)
    assert not library.held


def test_nothing_is_copied_of_an_empty_array_which_has_an_address_all_the_same(
    library: Library,
) -> None:
    cuda = _cudart.Cuda()
    address = cuda.allocate(0)
    assert address
    cuda.send(address, np.zeros(0, "float32"))
    assert "cudaMemcpy" not in library.calls


def test_a_code_becomes_the_drivers_words(library: Library) -> None:
    cuda = _cudart.Cuda()
    library.fails["cudaMalloc"] = 2
    with pytest.raises(RuntimeError, match=r"^cudaMalloc = 2: error number 2$"):
        cuda.allocate(1)


def test_the_library_of_a_wheel_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's first, then those in the folders of modules, the newest release first."""
    for place in ("nvidia/cu13/lib/libcudart.so.13", "nvidia/cuda_runtime/lib/libcudart.so.12"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).touch()
    asked = []

    def load(path: str) -> Library:
        asked.append(path)
        if not Path(path).is_file():
            raise OSError(f"{path}: cannot open shared object file")
        return Library()

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    _cudart.Cuda()
    assert asked[0] == "libcudart.so.13"
    assert asked[-1] == str(tmp_path / "nvidia/cu13/lib/libcudart.so.13")

    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(OSError, match=r"libcudart\.so: cannot open"):
        _cudart.Cuda()
