"""The frames: whatever is done to the stream, what was not touched arrives."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelcompat.worker import protocol
from pytest_modelcompat.worker.protocol import CHUNK, Parser, Requests, frames, pad, request

NONCE = bytes.fromhex("0123456789abcdef")


def framed(message: dict[str, Any], *blobs: bytes) -> bytes:
    return b"".join(b"".join(map(bytes, frame)) for frame in frames(NONCE, message, blobs))


def parsed(data: bytes, step: int = 1 << 20) -> tuple[list[Any], Parser]:
    parser, found = Parser(NONCE), []
    for at in range(0, len(data), step):
        found += parser.feed(data[at : at + step])
    found += parser.finish()
    return [(message, bytes(raw)) for message, raw in found], parser


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_messages_in_pieces(step: int) -> None:
    data = framed({"a": 1}) + framed({"b": "\ud800"}, b"raw", b"", b"more") + framed({})
    found, parser = parsed(data, step)
    assert found == [({"a": 1}, b""), ({"b": "\ud800"}, b"rawmore"), ({}, b"")]
    assert (parser.torn, parser.garbage) == (0, 0)


@pytest.mark.parametrize("size", [CHUNK - 20, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 3])
def test_big_messages_are_chunked(size: int) -> None:
    blob = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert all(sum(map(len, frame)) <= CHUNK + 24 for frame in frames(NONCE, {}, [blob]))
    assert parsed(framed({}, blob))[0] == [({}, blob)]


def test_a_frame_is_never_more_buffers_than_one_call_takes() -> None:
    blobs = [b"x"] * 5000 + [b"y" * CHUNK]
    pieces = list(frames(NONCE, {}, blobs))
    assert max(map(len, pieces)) < os.sysconf("SC_IOV_MAX")
    assert parsed(framed({}, *blobs))[0] == [({}, b"".join(blobs))]


@settings(max_examples=300, deadline=None)
@given(
    junk=st.lists(st.binary(max_size=300), min_size=1, max_size=6),
    sizes=st.lists(st.integers(0, 2 * CHUNK + 10), min_size=1, max_size=5),
    step=st.sampled_from([1000, 65_536, 1 << 20]),
)
def test_garbage_between_messages(junk: list[bytes], sizes: list[int], step: int) -> None:
    parts, expected = [], []
    for n, size in enumerate(sizes):
        parts += [junk[n % len(junk)], framed({"n": n}, bytes(size))]
        expected.append(({"n": n}, bytes(size)))
    found, parser = parsed(b"".join(parts), step)
    assert found == expected
    assert parser.torn == 0
    assert parser.garbage == sum(len(junk[n % len(junk)]) for n in range(len(sizes)))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_byte_changed_costs_one_message(data: st.DataObject) -> None:
    whole = [framed({"n": n}, bytes([n]) * 3000) for n in range(4)]
    victim = data.draw(st.integers(0, 3))
    at = data.draw(st.integers(0, len(whole[victim]) - 1))
    broken = bytearray(whole[victim])
    broken[at] ^= data.draw(st.integers(1, 255))
    found, parser = parsed(b"".join([*whole[:victim], bytes(broken), *whole[victim + 1 :]]))
    assert [message["n"] for message, _ in found] == [n for n in range(4) if n != victim]
    assert parser.torn + parser.garbage > 0


@settings(max_examples=200, deadline=None)
@given(keep=st.integers(0, 3 * CHUNK), step=st.sampled_from([777, 1 << 20]))
def test_a_message_cut_anywhere_then_padded(keep: int, step: int) -> None:
    torn = framed({"torn": 1}, bytes(3 * CHUNK))[: keep + 1]
    data = framed({"n": 0}) + torn + b"".join(pad(NONCE))
    parser = Parser(NONCE)
    for at in range(0, len(data), step):
        parser.feed(data[at : at + step])
    # At once, and not when the stream ends: a child that goes on slowly must not hide the death.
    found = parser.feed(framed({"n": 1}))
    assert [message for message, _ in found] == [{"n": 1}]
    parser.finish()
    assert parser.torn + parser.garbage > 0


@settings(deadline=None)
@given(keep=st.integers(1, 200))
def test_a_torn_tail_is_counted(keep: int) -> None:
    last = framed({"n": 1}, b"x" * 200)
    found, parser = parsed(framed({"n": 0}) + last[:keep])
    assert found == [({"n": 0}, b"")]
    assert parser.torn + parser.garbage > 0


def test_the_end_of_a_big_message_is_missing() -> None:
    data = framed({"n": 0}, bytes(3 * CHUNK))
    found, parser = parsed(data[: 2 * (CHUNK + 24)])
    assert found == []
    assert parser.torn == 1


def test_a_lost_chunk_in_the_middle_costs_that_message_only() -> None:
    pieces = [b"".join(map(bytes, frame)) for frame in frames(NONCE, {"n": 0}, [bytes(3 * CHUNK)])]
    found, parser = parsed(b"".join([*pieces[:1], *pieces[2:]]) + framed({"n": 1}))
    assert found == [({"n": 1}, b"")]
    assert parser.torn == 1


def test_frames_of_another_session_are_garbage() -> None:
    other = b"".join(b"".join(map(bytes, f)) for f in frames(b"otherone", {"n": 0}))
    found, parser = parsed(other + framed({"n": 1}))
    assert found == [({"n": 1}, b"")]
    assert parser.garbage == len(other)


@pytest.mark.parametrize("payload", [b"", b"\1", b"\xff\xff\xff\xff", b"\2\0\0\0[]", b"\1\0\0\0{"])
def test_a_right_checksum_around_nonsense(payload: bytes) -> None:
    head = protocol._frame(NONCE, 1, 3, 0, [payload])
    found, parser = parsed(head + payload + framed({"n": 1}))
    assert found == [({"n": 1}, b"")]
    assert parser.torn == 1


@settings(deadline=None)
@given(st.binary(max_size=5000))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    parsed(NONCE + data + NONCE, 100)


def test_a_pipe_that_somebody_made_non_blocking() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    blob = os.urandom(3 << 20)
    got: list[bytes] = []

    def read() -> None:
        while data := os.read(reader, 1 << 16):
            got.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    beats: list[int] = []
    protocol.send(writer, NONCE, {"n": 0}, [blob], lambda: beats.append(1))
    os.close(writer)
    thread.join()
    os.close(reader)
    assert parsed(b"".join(got))[0] == [({"n": 0}, blob)]
    assert len(beats) == len(list(frames(NONCE, {"n": 0}, [blob])))


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(), st.integers()), max_size=5), st.integers(1, 50))
def test_requests_in_pieces(messages: list[dict[str, int]], step: int) -> None:
    data = b"".join(map(request, messages))
    requests, found = Requests(), []
    for at in range(0, len(data), step):
        found += requests.feed(data[at : at + step])
    assert found == messages
