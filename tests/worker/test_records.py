"""Values and bundles at rest, and the worker's small helpers."""

from __future__ import annotations

import copy
import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker import bundle, confine, limits
from pytest_modelcompat.worker.bundle import Bundle
from pytest_modelcompat.worker.output import Tail
from pytest_modelcompat.worker.values import Blobs, Value, decode, describe, encode, raw, restore
from tests.worker.test_travel import VALUES

NAMED = [*VALUES.items(), (3, Value.none())]


def test_encode_and_decode() -> None:
    data = encode(NAMED)
    assert decode(data) == NAMED
    assert decode(memoryview(bytearray(data))) == NAMED
    assert encode(copy.deepcopy(NAMED)) == data
    assert decode(encode([])) == []


def test_raw_bytes_are_aligned() -> None:
    fill = {1: b"\xf1", 3: b"\xf2", 64: b"\xf3", 65: b"\xf4"}
    values = [("x", Value.tensor("int8", (n,), byte * n)) for n, byte in fill.items()]
    data = encode(values)
    assert [data.index(byte) % 64 for byte in fill.values()] == [0] * 4


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (Value.tensor("int8", (1,), b"a"), Value.tensor("uint8", (1,), b"a")),
        (Value.tensor("int8", (1,), b"a"), Value.tensor("int8", (1, 1), b"a")),
        (Value.tensor("int8", (1,), b"a"), Value.tensor("int8", (1,), b"b")),
        (Value.tensor("string", (1,), [b"a"]), Value.tensor("string", (1,), [b"b"])),
        (Value.sequence([]), Value.optional()),
        (Value.sequence([]), Value.sequence([Value.none()])),
        (Value.tensor("float32", (1,), bytes(4)), Value.tensor("float32", (1,), b"\0\0\0\x80")),
        (Value.none(), None),
    ],
)
def test_values_that_differ(one: Value, two: object) -> None:
    assert one != two
    assert one == copy.deepcopy(one)


def test_equality_looks_at_every_byte_of_big_values() -> None:
    size = (5 << 20) + 3
    one = Value.tensor("uint8", (size,), bytes(size))
    for at in (0, 1 << 20, size - 1):
        other = bytearray(size)
        other[at] = 1
        assert one != Value.tensor("uint8", (size,), memoryview(other))
    assert one == Value.tensor("uint8", (size,), memoryview(bytearray(size)))


@pytest.mark.parametrize(
    "value",
    [
        Value.tensor("float32", (2,), b"1234567"),
        Value.tensor("float32", (-1,), b""),
        Value.tensor("float32", (2.0,), bytes(8)),
        Value.tensor("unknown", (1,), b"1"),
        Value.tensor(None, (1,), b"1"),
        Value.tensor("string", (3,), [b"a"]),
        Value("strange"),
    ],
)
def test_what_is_no_value_is_never_described(value: Value) -> None:
    with pytest.raises(ValueError, match=r"."):
        describe(value, Blobs())


@pytest.mark.parametrize(
    "change",
    [
        {"k": "x"}, {"d": "float31"}, {"d": None}, {"d": ["float32"]}, {"s": [3]}, {"s": [-2, -1]},
        {"s": "12"}, {"s": [True, True]}, {"s": [2.0]}, {"s": [1] * 100}, {"s": [1 << 62, 1 << 62]},
        {"s": None}, {"o": -1}, {"o": 1 << 70}, {"n": -1}, {"n": 9}, {"n": "8"}, {"o": None},
        {"k": "s"}, {"k": "s", "i": 3}, {"k": "s", "i": [3]}, {"k": "o", "i": [{"k": "n"}] * 2},
        {"k": "m"}, {"k": "m", "keys": {"k": "n"}, "values": 3}, {"k": ["t"]},
        {"k": "s", "i": [], "d": "odd"},
    ],
)  # fmt: skip
def test_descriptors_that_are_none(change: dict[str, object]) -> None:
    descriptor = {"k": "t", "d": "float32", "s": [2], "o": 0, "n": 8}
    restore(descriptor, memoryview(bytes(8)))
    with pytest.raises(ValueError, match=r"."):
        restore({**descriptor, **change}, memoryview(bytes(8)))


def test_deep_nesting_is_refused() -> None:
    descriptor: dict[str, object] = {"k": "n"}
    for _ in range(5000):
        descriptor = {"k": "s", "i": [descriptor]}
    with pytest.raises(ValueError, match="not a value"):
        restore(descriptor, memoryview(b""))
    header = (b'[["x",' + b'{"i":[' * 100_000).ljust(640_000)
    head = struct.pack("<8sIIQ", b"MCVALUES", 1, 0, len(header))
    with pytest.raises(ValueError, match=r"."):
        decode(head + header)


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_damaged_blobs_raise_value_errors_only(data: st.DataObject) -> None:
    blob = bytearray(encode(NAMED[:6]))
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, min(len(blob) - 1, 900)))] = data.draw(st.integers(0, 255))
    del blob[data.draw(st.integers(0, len(blob))) :]
    try:
        decode(bytes(blob))
    except ValueError:
        return


def test_raw_of_odd_buffers() -> None:
    assert raw(memoryview(bytes(12)).cast("i", (3, 1))) == bytes(12)
    assert bytes(raw(memoryview(b"abcdef")[::2])) == b"ace"
    assert raw(memoryview(b"")[:0]) == b""


# -- bundles

CASES = [
    {"name": "a", "unit": "u", "model": b"model", "inputs": NAMED, "outputs": None, "opset": 9},
    {"name": "b", "unit": "u", "model": {"file": "m/x.onnx"}, "inputs": [], "outputs": NAMED},
]


def test_bundles(tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    digest = bundle.write(path, {"onnx": "1.18.0"}, (dict(case) for case in CASES))
    found = Bundle.open(path)
    assert (len(found), found.digest, found.meta) == (2, digest, {"onnx": "1.18.0"})
    assert found.verify()
    assert found.model(0) == b"model"
    assert (found.inputs(0), found.outputs(0)) == (NAMED, None)
    assert (found.inputs(1), found.outputs(1)) == ([], NAMED)
    assert found.case(0)["opset"] == 9
    assert found.case(0)["digest"] == bundle.case_digest(b"model", NAMED, None)
    with pytest.raises(ValueError, match="no model"):
        found.model(1)
    assert bundle.write(tmp_path / "y", {"onnx": "1.18.0"}, map(dict, CASES)) == digest
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.bundle", "y"]


def test_case_digests_tell_what_differs() -> None:
    one = Value.tensor("int8", (1,), b"a")
    digests = {
        bundle.case_digest(b"m", [("x", one)], None),
        bundle.case_digest(b"n", [("x", one)], None),
        bundle.case_digest(b"m", [("y", one)], None),
        bundle.case_digest(b"m", [("x", one)], []),
        bundle.case_digest(b"m", [], [("x", one)]),
        bundle.case_digest({"file": "m"}, [("x", one)], None),
    }
    assert len(digests) == 6


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def cases():
        yield dict(CASES[0])
        raise RuntimeError("source is gone")

    with pytest.raises(RuntimeError):
        bundle.write(tmp_path / "x", {}, cases())
    assert not list(tmp_path.iterdir())


def test_bundles_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x"
    bundle.write(path, {}, map(dict, CASES))
    whole = path.read_bytes()
    for damaged in (b"", whole[:20], whole[:-1], b"x" + whole[1:], whole + b"x", whole[:64]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"."):
            Bundle.open(path)
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert not Bundle.open(path).verify()


# -- small helpers


def test_the_zipapp_is_the_same_each_time(tmp_path: Path) -> None:
    one, two = worker_file(tmp_path / "one"), worker_file(tmp_path / "two")
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()
    before = one.stat()
    assert worker_file(tmp_path / "one").stat().st_mtime_ns == before.st_mtime_ns


def test_the_tail_keeps_both_ends() -> None:
    tail = Tail(head=10, tail=20)
    for n in range(100):
        tail.add(b"%03d," % n)
    assert tail.text() == "000,001,00\n[... 370 bytes left out ...]\n095,096,097,098,099,"
    tail.clear()
    tail.add(b"short")
    assert tail.text() == "short"


GROUPS = {
    "version 2": ("0::/user/c\n", "sys/fs/cgroup/user/c/memory.events", "low 0\noom_kill 3\n"),
    "version 2, namespace": ("0::/\n", "sys/fs/cgroup/memory.events", "oom 1\noom_kill 3\n"),
    "version 1": (
        "5:memory:/docker/abc\n1:name=systemd:/\n",
        "sys/fs/cgroup/memory/docker/abc/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    ),
    "version 1, namespace": (
        "5:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.oom_control",
        "oom_kill 3\n",
    ),
    "the machine": ("", "proc/vmstat", "pgfault 5\noom_kill 3\nnr_x 1\n"),
}


@pytest.mark.parametrize("name", GROUPS)
def test_kills_for_memory_are_counted(tmp_path: Path, name: str) -> None:
    groups, path, text = GROUPS[name]
    assert limits.kills(str(tmp_path)) == 0
    for place, content in (("proc/self/cgroup", groups), (path, text)):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(content)
    assert limits.kills(str(tmp_path)) == 3


@pytest.mark.parametrize(
    "text", ["std::bad_alloc", "MemoryError: ", "Failed to allocate memory for requested buffer"]
)
def test_words_for_memory(text: str) -> None:
    assert limits.looks_exhausted(text)


@pytest.mark.parametrize("text", ["", "Could not find an implementation for Alloc(1)", "boom"])
def test_words_for_other_things(text: str) -> None:
    assert not limits.looks_exhausted(text)


# -- external data


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def model_with(*locations: str) -> bytes:
    """A graph with one initializer whose data are elsewhere."""
    entries = b"".join(
        field(13, field(1, b"location") + field(2, location.encode())) for location in locations
    )
    tensor = b"\x08\x01\x10\x01" + field(8, b"w") + entries + b"\x70\x01"
    return b"\x08\x08" + field(7, field(5, tensor))


BAD = {
    "/etc/passwd": "absolute",
    "../secret": "outside",
    "sub/../../secret": "outside",
    "C:\\x": "absolute",
    "..\\x": "outside",
    "link": "symbolic link",
    "folder/inside": "symbolic link",
    "twin": "hard link",
    "fifo": "not a plain file",
    "sub": "not a plain file",
    "missing": "No such file",
    "": "plain file",
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "good").write_bytes(bytes(4))
    (folder / "good").write_bytes(bytes(4))
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to("sub")
    (folder / "inside").write_bytes(b"")
    os.link(tmp_path / "secret", folder / "twin")
    os.mkfifo(folder / "fifo")
    return folder


@pytest.mark.parametrize("location", BAD)
def test_external_data_that_is_refused(models: Path, location: str) -> None:
    path = models / "m.onnx"
    path.write_bytes(model_with(location))
    with pytest.raises(confine.Refused, match=BAD[location]):
        confine.check(str(path), str(models))


@pytest.mark.parametrize("location", ["good", "sub/good", "./good"])
def test_external_data_that_is_fine(models: Path, location: str) -> None:
    path = models / "m.onnx"
    path.write_bytes(model_with(location))
    confine.check(str(path), str(models))


def test_models_in_memory_have_no_external_data() -> None:
    confine.check(b"\x08\x08", None)
    with pytest.raises(confine.Refused, match="without a folder"):
        confine.check(model_with("good"), None)


def test_models_that_cannot_be_read_are_refused(models: Path) -> None:
    path = models / "m.onnx"
    path.write_bytes(model_with("good")[:-3])
    with pytest.raises(confine.Refused, match="cannot be told"):
        confine.check(str(path), str(models))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"hello world not onnx", "wire type 4 in field 13"),
        (model_with("good")[:-3], "field 7 is cut off"),
        (b"\x38\x01", "wire type 0 for a graph"),  # a graph that is a number
        (b"\x08" + b"\xff" * 9, "a varint is cut off"),
    ],
)
def test_what_is_no_whole_model_is_called_so(models: Path, content: bytes, why: str) -> None:
    path = models / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(confine.Refused) as caught:
        confine.check(str(path), str(models))
    assert str(caught.value) == (
        f"'m.onnx' is no whole ONNX model ({why}): it is cut off, damaged or of another format. "
        "The runtime was not asked, for its external data cannot be told"
    )


@pytest.mark.parametrize("suffix", [".tflite", ".pb"])
def test_what_is_not_what_its_name_says_is_told_so(models: Path, suffix: str) -> None:
    path = models / f"m{suffix}"
    path.write_bytes(b"hello world")
    with pytest.raises(confine.Refused) as caught:
        confine.check(str(path), str(models))
    other = "does not begin as a .tflite file does, and " if suffix == ".tflite" else ""
    assert str(caught.value).startswith(f"'m{suffix}' {other}is no whole ONNX model (wire type 4")


def test_a_whole_model_is_not_called_cut_off(models: Path) -> None:
    path = models / "m.onnx"
    path.write_bytes(model_with("good", "good"))
    with pytest.raises(confine.Refused) as caught:
        confine.check(str(path), str(models))
    assert str(caught.value) == (
        "'m.onnx': its external data cannot be told, and the runtime was not asked: "
        "a tensor with two entries 'location'"
    )


HEADS = {
    ".ort": b"\x18\0\0\0ORTM\0\0",
    ".pt": b"PK\x03\x04\0\0",
    ".pt2": b"PK\x03\x04\0\0",
    ".tflite": b"\x1c\0\0\0TFL3\0\0",
    ".xml": b"\xef\xbb\xbf \r\n<?xml version='1.0'?>",
}


@pytest.mark.parametrize(
    ("suffix", "head"), [*HEADS.items(), (".pt", b"\x80\x02}q"), (".xml", b"<net>")]
)
def test_formats_without_external_data_go_through(models: Path, suffix: str, head: bytes) -> None:
    path = models / f"m{suffix}"
    path.write_bytes(head)
    confine.check(str(path), str(models))
    other = models / "m.onnx"
    other.write_bytes(head)
    with pytest.raises(confine.Refused, match="cannot be told"):
        confine.check(str(other), str(models))


@pytest.mark.parametrize("suffix", [*HEADS, ".pb", ".bin", ""])
def test_a_name_makes_no_format(models: Path, suffix: str) -> None:
    path = models / f"m{suffix}"
    path.write_bytes(model_with("/etc/passwd"))
    with pytest.raises(confine.Refused, match="absolute"):
        confine.check(str(path), str(models))
    path.write_bytes(b"neither the one nor the other")
    with pytest.raises(confine.Refused, match="cannot be told"):
        confine.check(str(path), str(models))


@pytest.mark.parametrize(("suffix", "mark"), [(".ort", b"ORTM"), (".tflite", b"TFL3")])
def test_first_bytes_alone_make_no_format(models: Path, suffix: str, mark: bytes) -> None:
    """A text field before all else puts the mark where the other format has it."""
    path = models / f"m{suffix}"
    path.write_bytes(b"\x32\x06ab" + mark + model_with("/etc/passwd"))
    with pytest.raises(confine.Refused, match="absolute"):
        confine.check(str(path), str(models))


@pytest.mark.parametrize("locations", [("good", "/etc/passwd"), ("/etc/passwd", "good")])
def test_two_locations_of_one_tensor_are_refused(models: Path, locations: tuple[str, str]) -> None:
    path = models / "m.onnx"
    path.write_bytes(model_with(*locations))
    with pytest.raises(confine.Refused, match="two entries"):
        confine.check(str(path), str(models))


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_model_names_stay_in_their_folder(name: str) -> None:
    with pytest.raises(confine.Refused):
        confine.locate("/files", name)


def test_the_worker_refuses_before_the_runtime_sees_it(worker, models: Path) -> None:
    (models / "bad.onnx").write_bytes(model_with("/etc/passwd"))
    (models / "model.pt").write_bytes(b"\x80" + json.dumps({"run": "out = []"}).encode())
    session = worker.run([{"file": "bad.onnx"}, {"file": "model.pt"}], files_root=models)
    error = session.answers[0].error
    assert session.answers[0].stage == "load"
    assert error["type"] == "modelcompat_worker.confine.Refused"
    assert "/etc/passwd" in error["message"]
    assert session.answers[1].error is None
    assert session.answers[1].peak_rss > 1 << 20
