"""The conversation between host and worker. This text is the contract; PROTOCOL is its version.

Start
    python -I worker.pyz NONCE
        The zipapp becomes the *supervisor*. It starts one *child* at a time, which holds the
        framework. NONCE is 16 hex digits, chosen by the host for this session. On an interpreter
        that is too old it says so on stderr and exits with TOO_OLD. Variables of its own:
        TMPDIR, where its private folder is; MODELCOMPAT_SITE, folders of packages that are not the
        interpreter's (it runs isolated from PYTHONPATH); MODELCOMPAT_CODE, a folder in which the
        unpacked modules and their bytecode are kept for later sessions; MODELCOMPAT_LIFETIME,
        seconds after which it ends whatever happens; MODELCOMPAT_ALONE, where every process
        in reach is the session's own.

Host -> supervisor (its stdin): messages, each a little-endian u32 length and that much JSON
    {"type": "order", "protocol", "runtime", "distribution", "module", "provider", "options",
     "limits": {"case": s, "import": s, "exit": s, "memory": bytes|null, "threads": n|null},
     "bundles": [path], "files_root": path|null, "path": [folder], "seed": n}
    {"type": "cases", "cases": [{"n", "bundle", "index", "repeats", "variant", "provider"?,
     "options"?, "whole"?}]}                     any number of times
    {"type": "finish"}                           no more cases: end when the queue is empty
    end of file                                  die now, with everything that was started (2 s)

Worker -> host (the supervisor's stdout): frames. The child writes its results straight into the
host's pipe; the supervisor writes before the first child and after a child's death only. Whatever
else ends up in the pipe is found and skipped: a frame starts with the session's nonce, has a
checksum, and carries at most CHUNK bytes of a message, and after a death in the middle of a frame
the supervisor pads, so that the torn one is at once known to be torn.

    frame    nonce (8 bytes) | kind u8 | flags u8 | reserved u16 | number u32 | length u32 |
             crc32 u32 (of the header from kind on without the crc, then the payload) | payload
             kind: MESSAGE, or PAD (meaningless). flags: FIRST, LAST chunk of a message. number: of
             the chunk in its message.
    message  u32 length of the JSON | JSON | raw bytes of values, see `values.describe`

    {"type": "hello", "protocol", "python", "executable", "pid"}
    {"type": "attest", ...}                      what is really there, see facts.py
    {"type": "unavailable", "reason"}            the provider cannot be used here; then done
    {"type": "refused", "reason"}                the options are not the adapter's; then done
    {"type": "import_failed", "how": raised|crashed|timed_out|out_of_memory, "error": {type,
     message}|null, "signal", "exit_code", "output"}         then done
    {"type": "result", "n", "variant", "stage", "error": {type, message, where}|null,
     "outputs": [[[name, value]]] one list per distinct repeat, "distinct": [index per repeat],
     "ran_on": {provider: nodes}|null, "load_seconds", "run_seconds": [s], "peak_rss", "opset",
     "inputs": [[name, value]] where they were made here}
    {"type": "ended", "n", "variant", "how": crashed|timed_out|out_of_memory, "stage", "signal",
     "exit_code", "output"}                      the child died in this case, or the case called
                                                 sys.exit; a case has one result or one ended
    {"type": "leftover", "n", "pids"}            processes that a case left behind; they were killed
    {"type": "exit_crash", "how", "when": exit|between, "signal", "exit_code", "output"}
                                                 the child died outside of any case
    {"type": "done", "results", "children"}      results: cases answered by result or ended

Stages are import, load, assign, run. A stream that ends without `done` was cut.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from typing_extensions import Buffer

__all__ = ["CHUNK", "PROTOCOL", "TOO_OLD", "Parser", "Requests", "frames", "pad", "request", "send"]

PROTOCOL = 1
CHUNK = 1 << 16
TOO_OLD = 3


def _encoder() -> Callable[[Any], str]:
    """Compact JSON; made once, because the standard library makes its C encoder for each call."""
    c_encoder = getattr(json.encoder, "c_make_encoder", None)
    if c_encoder is None:
        return json.JSONEncoder(separators=(",", ":")).encode
    quote = json.encoder.encode_basestring_ascii
    encode = c_encoder(None, None, quote, None, ":", ",", False, False, True)  # noqa: FBT003
    return lambda message: "".join(encode(message, 0))


_encode = _encoder()
_MESSAGE, _PAD = 1, 2
_FIRST, _LAST = 1, 2
_FIELDS = struct.Struct("<BBHII")  # kind, flags, reserved, number, length
_CRC = struct.Struct("<I")
_LENGTH = struct.Struct("<I")
_NONCE = 8
_HEAD = _NONCE + _FIELDS.size + _CRC.size


def _frame(nonce: bytes, kind: int, flags: int, number: int, pieces: Sequence[Any]) -> bytes:
    """The head of a frame around these pieces of payload."""
    fields = _FIELDS.pack(kind, flags, 0, number, sum(map(len, pieces)))
    crc = zlib.crc32(fields)
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return nonce + fields + _CRC.pack(crc)


def frames(nonce: bytes, message: dict[str, Any], blobs: Sequence[Any] = ()) -> Iterator[list[Any]]:
    """The frames of a message, each as a list of buffers; big blobs are not copied."""
    header = _encode(message).encode("ascii")
    parts = [_LENGTH.pack(len(header)), header, *blobs]
    length = sum(map(len, parts))
    if length <= CHUNK:  # nearly always, so in as few steps as possible
        payload = b"".join(parts)
        fields = _FIELDS.pack(_MESSAGE, _FIRST | _LAST, 0, 0, length)
        crc = zlib.crc32(payload, zlib.crc32(fields))
        yield [b"".join((nonce, fields, _CRC.pack(crc), payload))]
        return
    number, previous = 0, None
    for pieces in _chunks(parts):
        if previous is not None:
            flags = 0 if number else _FIRST
            yield [_frame(nonce, _MESSAGE, flags, number, previous), *previous]
            number += 1
        previous = pieces
    yield [_frame(nonce, _MESSAGE, _LAST, number, previous or []), *(previous or [])]


def _chunks(parts: Sequence[Any]) -> Iterator[list[Any]]:
    pieces, room = [], CHUNK
    for part in parts:
        view, at = memoryview(part), 0
        while at < len(view):
            piece = view[at : at + room]
            pieces.append(piece)
            at += len(piece)
            room -= len(piece)
            if not room or len(pieces) == _PIECES:
                yield pieces
                pieces, room = [], CHUNK
    if pieces:
        yield pieces


_PIECES = 512  # writev takes 1,024 buffers


def pad(nonce: bytes) -> list[Any]:
    """A frame that means nothing and is longer than what a torn frame can still swallow."""
    payload = bytes(CHUNK)
    return [_frame(nonce, _PAD, _FIRST | _LAST, 0, [payload]), payload]


def send(
    handle: int,
    nonce: bytes,
    message: dict[str, Any],
    blobs: Sequence[Any] = (),
    progress: Callable[[], None] | None = None,
) -> None:
    """Write a message to a descriptor, one system call a frame; `progress` is called after each.

    Works on descriptors that somebody made non-blocking, too.
    """
    for frame in frames(nonce, message, blobs):
        write(handle, frame)
        if progress is not None:
            progress()


def write(handle: int, pieces: Sequence[Any]) -> None:
    """Write all of these buffers, however often it takes."""
    try:
        done = os.writev(handle, pieces) if len(pieces) > 1 else os.write(handle, pieces[0])
    except BlockingIOError:
        done = 0
    if done == sum(map(len, pieces)):
        return
    rest = memoryview(b"".join(pieces))[done:]
    while rest:
        waiting = select.poll()
        waiting.register(handle, select.POLLOUT)
        waiting.poll()
        with contextlib.suppress(BlockingIOError):
            rest = rest[os.write(handle, rest) :]


class Parser:
    """The host's end of the stream: bytes in, messages out, damage counted.

    Args:
        nonce: the session's mark.
        loads: what reads JSON from bytes; the standard library's, or one that is faster.

    Attributes:
        torn: frames and messages that began and did not end as they should.
        garbage: bytes that belong to no frame.
    """

    def __init__(self, nonce: bytes, loads: Callable[[bytes], Any] = json.loads) -> None:
        self.torn = 0
        self.garbage = 0
        self._nonce = nonce
        self._loads = loads
        self._buffer = bytearray()
        self._open: bytearray | None = None  # the message whose last chunk has not come yet
        self._next = 0

    @property
    def partial(self) -> bool:
        """Whether a frame or a message has begun whose rest has not come yet."""
        return self._open is not None or bool(self._buffer)

    def feed(self, data: Buffer) -> list[tuple[dict[str, Any], memoryview]]:
        """The messages that are complete with these bytes: (JSON, raw bytes)."""
        self._buffer += data
        return self._parse(final=False)

    def finish(self) -> list[tuple[dict[str, Any], memoryview]]:
        """What can still be found in the rest after the end of the stream."""
        found = self._parse(final=True)
        if self._open is not None:
            self._open = None
            self.torn += 1
        return found

    def _parse(self, *, final: bool) -> list[tuple[dict[str, Any], memoryview]]:
        buffer, at, found = self._buffer, 0, []
        while True:
            if not buffer.startswith(self._nonce, at):
                at = self._skip(at, final=final)
            if len(buffer) - at < _HEAD:
                break
            kind, flags, _, number, length = _FIELDS.unpack_from(buffer, at + _NONCE)
            end = at + _HEAD + length
            if kind not in (_MESSAGE, _PAD) or length > CHUNK:
                at, self.garbage = at + _NONCE, self.garbage + _NONCE
                continue
            if end > len(buffer) and not final:
                break
            payload = buffer[at + _HEAD : end]
            crc = zlib.crc32(payload, zlib.crc32(buffer[at + _NONCE : at + _NONCE + _FIELDS.size]))
            if end > len(buffer) or _CRC.unpack_from(buffer, at + _HEAD - _CRC.size)[0] != crc:
                self.torn += 1
                at, self.garbage = at + _NONCE, self.garbage + _NONCE
                continue
            at = end
            if kind == _MESSAGE:
                message = self._accept(payload, flags, number)
                if message is not None:
                    found.append(message)
        if final:
            self.torn += buffer.startswith(self._nonce, at)
            self.garbage += len(buffer) - at
            at = len(buffer)
        del buffer[:at]
        return found

    def _skip(self, at: int, *, final: bool) -> int:
        """The next place where a frame may begin; a nonce may be cut at the buffer's end."""
        found = self._buffer.find(self._nonce, at)
        if found < 0:
            found = len(self._buffer) - (0 if final else _NONCE - 1)
        found = max(found, at)
        self.garbage += found - at
        return found

    def _accept(
        self, payload: bytearray, flags: int, number: int
    ) -> tuple[dict[str, Any], memoryview] | None:
        if flags & _FIRST:
            self.torn += self._open is not None
            self._open, self._next = payload, 1
        elif self._open is None or number != self._next:
            self.torn += self._open is not None
            self._open = None
            return None
        else:
            self._open += payload
            self._next += 1
        if not flags & _LAST:
            return None
        whole, self._open = memoryview(self._open), None
        try:
            length = _LENGTH.unpack_from(whole)[0]
            message = self._loads(bytes(whole[_LENGTH.size : _LENGTH.size + length]))
        except (ValueError, struct.error, RecursionError):
            message = None
        if not isinstance(message, dict):
            self.torn += 1
            return None
        return message, whole[_LENGTH.size + length :]


def request(message: dict[str, Any]) -> bytes:
    """A message of the host, as bytes for the supervisor's stdin."""
    data = json.dumps(message, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(data)) + data


class Requests:
    """The supervisor's end of its stdin: bytes in, the host's messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete with these bytes."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            message = json.loads(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
            yield message
