"""The worker where a system, a peer or a death is unusual; what cannot be had here is played."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_modelcompat.worker import (
    arrays,
    facts,
    guard,
    keeper,
    plumbing,
    processes,
    protocol,
    supervisor,
    values,
    wire,
)  # fmt: skip
from pytest_modelcompat.worker.output import Tail
from pytest_modelcompat.worker.progress import EXHAUSTED
from pytest_modelcompat.worker.values import Value

# -- what a machine says of itself


def played(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """Whatever file is opened holds this; none can be opened without."""

    def opened(*_: Any, **__: Any) -> io.StringIO:
        if text is None:
            raise FileNotFoundError
        return io.StringIO(text)

    monkeypatch.setattr(facts, "open", opened, raising=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor: 0\nmodel name: A 1\nflags: avx2 fpu\n\nmodel name: B\nflags:\n",
         ("A 1", ["avx2"])),
        ("processor: 0\nFeatures: asimd asimddp\nCPU part: 0xd0c", ("0xd0c", None)),
        ("", ("", [])),
        (None, ("", [])),
    ],
)  # fmt: skip
def test_processors(monkeypatch: pytest.MonkeyPatch, text: str | None, expected: Any) -> None:
    """The first one of several; ARM's have other words; a container may hide them."""
    played(monkeypatch, text)
    name, flags = facts._processor()
    known = expected[1] if expected[1] is not None else sorted(facts._FLAGS & {"asimd", "asimddp"})
    assert (name, flags) == (expected[0], known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [('ID=debian\nPRETTY_NAME="Debian 12"\n', "Debian 12"), ("ID=own\n", ""), (None, "")],
)
def test_systems(monkeypatch: pytest.MonkeyPatch, text: str | None, expected: str) -> None:
    played(monkeypatch, text)
    assert facts._system() == expected


def test_another_libc(monkeypatch: pytest.MonkeyPatch) -> None:
    def confstr(name: str) -> str:
        raise ValueError(name)

    monkeypatch.setattr(os, "confstr", confstr)
    assert facts._libc() == "not glibc"


# -- descriptors


def test_descriptors_are_known_by_their_files_where_a_kernel_has_no_marks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = fcntl.fcntl

    def refusing(handle: int, command: int, *more: Any) -> Any:
        if command == fcntl.F_SETSIG:
            raise OSError("what is that?")
        return real(handle, command, *more)

    ends = os.pipe()
    try:
        monkeypatch.setattr(guard.fcntl, "fcntl", refusing)
        mark = guard._mark(ends[0], 5)
        assert mark == guard._identity(ends[0])
        kept = guard.Guard.__new__(guard.Guard)
        kept._marks = [(ends[0], mark)]
        assert kept.intact()
        os.dup2(ends[1], ends[0])
        assert kept.intact()  # the other end of the same pipe
        with Path(os.devnull).open() as other:
            os.dup2(other.fileno(), ends[0])
        assert not kept.intact()
        os.close(ends[0])
        assert not kept.intact()
    finally:
        os.close(ends[1])


def test_a_mark_that_does_not_hold_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.fcntl, "fcntl", lambda *_: 0)
    with Path(os.devnull).open() as file:
        assert guard._mark(file.fileno(), 5) == guard._identity(file.fileno())


# -- deaths


@pytest.mark.parametrize(
    ("ended", "killed", "printed", "expected"),
    [
        ((None, EXHAUSTED), 0, "", "out_of_memory"),
        (("SIGKILL", None), 1, "", "out_of_memory"),
        (("SIGKILL", None), 0, "", "crashed"),
        (("SIGABRT", None), 0, "terminate called: std::bad_alloc", "out_of_memory"),
        (("SIGABRT", None), 0, "assertion failed", "crashed"),
        (("SIGSEGV", None), 1, "std::bad_alloc", "crashed"),
        ((None, 3), 1, "", "crashed"),
    ],
)
def test_whether_a_death_was_for_memory(
    monkeypatch: pytest.MonkeyPatch, ended: Any, killed: int, printed: str, expected: str
) -> None:
    """By the child's own word, by the kernel's count, by what was printed before an abort."""
    monkeypatch.setattr(supervisor, "kills", lambda: 5 + killed)
    output = Tail()
    output.add(printed.encode())
    there: Any = SimpleNamespace(kills=5, output=output)
    assert supervisor.Supervisor.manner(there, *ended) == expected


class Left(Exception):
    """Instead of the end of this process."""


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been done to processes."""
    done: list[Any] = []

    def leave(code: int) -> None:
        done.append(("exit", code))
        raise Left

    monkeypatch.setattr(os, "kill", lambda pid, number: done.append(("kill", pid, number)))
    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(signal, "signal", lambda number, what: done.append(("by", number, what)))
    monkeypatch.setattr("pytest_modelcompat.worker.limits.forgo_core", lambda: None)
    return done


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (7 << 8, []),
        (signal.SIGSEGV, [("by", signal.SIGSEGV, signal.SIG_DFL), signal.SIGSEGV]),
        (signal.SIGKILL, [signal.SIGKILL]),  # which has no other meaning to reset
    ],
)
def test_the_keeper_ends_as_the_supervisor_did(
    deeds: list[Any], status: int, expected: list[Any]
) -> None:
    with pytest.raises(Left):
        keeper._end_like(status)
    wanted = [("kill", os.getpid(), each) if isinstance(each, int) else each for each in expected]
    assert deeds == [*wanted, ("exit", 7 if status == 7 << 8 else 0)]


def test_a_signal_for_a_supervisor_that_has_just_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int, number: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", gone)
    assert keeper._pass_on(1, signal.SIGTERM) is None


def test_there_is_no_keeper_where_the_worker_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELCOMPAT_ALONE", "1")
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a keeper"))
    assert keeper.keep() == 0


def test_alone_everybody_is_killed_in_one_stroke(
    deeds: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container of ours: what starts processes faster than they are found ends, too."""
    monkeypatch.setenv("MODELCOMPAT_ALONE", "1")
    monkeypatch.setattr(processes, "descendants", lambda _: {10: "S", 11: "Z", 12: "X"})
    monkeypatch.setattr(processes, "end_descendants", lambda: [13])
    assert processes.end_everybody() == [10, 13]
    assert deeds == [("kill", -1, signal.SIGKILL)]

    deeds.clear()
    monkeypatch.delenv("MODELCOMPAT_ALONE")
    assert processes.end_everybody() == [13]
    assert deeds == []  # never on a machine that others use


def test_a_child_whose_parent_died_before_the_kernel_knew(deeds: list[Any]) -> None:
    with pytest.raises(Left):
        processes.die_with_parent(1 << 30, 0)
    assert deeds == [("exit", 1)]


def test_what_cannot_be_removed_is_told_if_anybody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """At once: the supervisor is about to leave by a way that flushes nothing."""

    def refused(path: str) -> None:
        raise OSError(f"no way to remove {Path(path).name}")

    for name in ("a", "b"):
        (tmp_path / name).touch()
    monkeypatch.setattr(os, "unlink", refused)
    monkeypatch.setattr(os, "rmdir", lambda _: None)
    plumbing.clean(str(tmp_path))
    lines = sorted(capfd.readouterr().err.splitlines())
    assert lines == ["no way to remove a", "no way to remove b"]

    tried = []

    def closed(handle: int, data: bytes) -> int:
        tried.append(handle)
        raise BrokenPipeError

    monkeypatch.setattr(os, "write", closed)
    plumbing.clean(str(tmp_path))
    assert tried == [2, 2]


# -- messages and values


def test_without_the_c_encoder_messages_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    message = {"type": "result", "n": 1, "error": None, "outputs": [["y", {"shape": [2]}]]}
    fast = protocol._encoder()(message)
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    assert protocol._encoder()(message) == fast


def test_chunks_fill_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [bytes(protocol.CHUNK), b"", b"abc"]
    assert [sum(map(len, each)) for each in protocol._chunks(parts)] == [protocol.CHUNK, 3]
    assert list(protocol._chunks([bytes(protocol.CHUNK)]))[1:] == []
    monkeypatch.setattr(protocol, "_PIECES", 2)
    pieces = [[bytes(piece) for piece in each] for each in protocol._chunks([b"a", b"b", b"c"])]
    assert pieces == [[b"a", b"b"], [b"c"]]


def test_strings_that_do_not_fill_their_bytes() -> None:
    one = struct.pack("<Q", 3)
    assert values._strings(one + b"abc", 1) == [b"abc"]
    with pytest.raises(ValueError, match="3 bytes for 1 strings"):
        values._strings(b"abc", 1)
    with pytest.raises(ValueError, match="1 bytes left after 1 strings"):
        values._strings(one + b"abcd", 1)
    with pytest.raises(ValueError, match="3 bytes at 8 of 10"):
        values._strings(one + b"ab", 1)


def test_values_show_themselves_without_their_data() -> None:
    assert repr(Value.tensor("int8", (3,), b"abc")) == "Value.tensor('int8', (3,), <3 bytes>)"
    words = Value.tensor("string", (2,), [b"ab", b"c"])
    assert repr(words) == "Value.tensor('string', (2,), <3 bytes>)"
    assert repr(Value.optional(words)) == f"Value('optional', items=[{words!r}])"
    assert Value.none() != "none"


@pytest.mark.parametrize("name", [1.5, None, ["x"]])
def test_a_name_is_a_text_or_a_position(name: Any) -> None:
    blob = values.encode([("x", Value.tensor("int8", (1,), b"\x01"))])
    assert values.decode(blob) == [("x", Value.tensor("int8", (1,), b"\x01"))]
    with pytest.raises(ValueError, match=r"neither a text nor a position|not a list of pairs"):
        values.decode(values.encode([(name, Value.tensor("int8", (1,), b"\x01"))]))


def test_more_fields_than_any_message_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FIELDS", 2)
    two = wire.key_bytes(1, 5) * 2
    assert len(list(wire.fields(memoryview(two)))) == 2
    with pytest.raises(ValueError, match="more than 2 fields"):
        list(wire.fields(memoryview(two + wire.key_bytes(1, 5))))
    found: list[int] = []
    wire.integers(wire.BYTES, memoryview(b"\x01\x02"), found)
    assert found == [1, 2]
    with pytest.raises(ValueError, match="more than 2 numbers"):
        wire.integers(wire.BYTES, memoryview(b"\x01\x02\x03"), [])
    with pytest.raises(ValueError, match="where integers belong"):
        wire.integers(wire.FIXED32, memoryview(b"abcd"), [])
    for kind, width in ((wire.FIXED64, 4), (wire.FIXED32, 8), (wire.BYTES, 3)):
        with pytest.raises(ValueError, match="no multiple"):
            wire.scalars(kind, memoryview(b"abcd"), width, [])


def test_arrays_of_a_big_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes travel with the little end first, whatever the machine has."""
    numbers = np.array([1, 2], "int16")
    told = arrays.from_array(numbers.astype(">i2"))
    assert told == arrays.from_array(numbers)
    monkeypatch.setattr(arrays, "_LITTLE", False)
    assert arrays.to_array(told).astype(int).tolist() == [256, 512]  # a big machine's 1 and 2


def test_only_packed_types_are_unpacked() -> None:
    with pytest.raises(ValueError, match="int8 is not packed"):
        arrays.unpacked(Value.tensor("int8", (1,), b"\x01"))
