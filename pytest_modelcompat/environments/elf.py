"""What a shared object says it needs, read out of its own tables.

Only headers, the dynamic section and the version needs are read, each bounded, so that a file of
two gigabytes costs as little as a small one. Nothing is loaded and no section table is believed:
the loader does not look at it either. A general reader of such files takes
twelve times as long for the same.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DamagedError", "SharedObject", "read"]

_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64",
             243: "riscv64", 258: "loongarch64"}  # fmt: skip
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551
_NEEDED, _STRINGS, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29
_NEEDS, _NEEDS_COUNT = 0x6FFFFFFE, 0x6FFFFFFF
_EXECUTABLE = 1
_MOST_SEGMENTS = 512
_MOST_DYNAMIC = 1 << 20  # bytes
_MOST_VERSIONS = 4096
_LONGEST = 4096  # characters of a name or path
_HEADER = 64  # bytes
_BITS_64, _LITTLE = 2, 1


class DamagedError(ValueError):
    """A file that begins like a shared object, and is cut off or contradicts itself."""


@dataclass(frozen=True, kw_only=True)
class SharedObject:
    """What one file says of itself.

    Attributes:
        machine: as the kernel calls it, or the number of one that is not known here.
        soname: the name that others need it by; may be empty.
        needed: names of libraries, in its order.
        search: folders to look for them, `$ORIGIN` not yet filled in.
        versions: (library, version) pairs that it needs, such as ("libc.so.6", "GLIBC_2.28").
        executable_stack: whether the loader has to make the stack executable.
    """

    machine: str
    soname: str = ""
    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    executable_stack: bool = False


def read(path: Path) -> SharedObject | None:
    """What a file says of itself; None where it is no ELF file at all, a linker's script say.

    Only the machine is read of files for 32 bits or of the other byte order.

    Raises:
        DamagedError: it is one, and cannot be read.
        OSError: the file cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        head = os.pread(handle, _HEADER, 0)
        if not head:
            raise DamagedError("it is empty")
        if head[:4] != b"\x7fELF":
            return None
        if len(head) < _HEADER:
            raise DamagedError("it is cut off")
        try:
            return _Reader(handle, head).told()
        except (struct.error, OverflowError) as error:
            raise DamagedError("it is cut off") from error
    finally:
        os.close(handle)


class _Reader:
    def __init__(self, handle: int, head: bytes) -> None:
        self._handle = handle
        self._head = head
        self._loads: list[tuple[int, int, int]] = []  # address, offset, bytes
        self._strings = 0

    def told(self) -> SharedObject:
        order = "<" if self._head[5] == _LITTLE else ">"
        number = struct.unpack_from(f"{order}H", self._head, 18)[0]
        machine = _MACHINES.get(number, f"machine {number}")
        if self._head[4] != _BITS_64 or order == ">":
            return SharedObject(machine=machine)
        at = struct.unpack_from("<Q", self._head, 32)[0]
        size, count = struct.unpack_from("<HH", self._head, 54)
        if count > _MOST_SEGMENTS:
            raise DamagedError(f"it has {count} segments")
        table = self._bytes(at, size * count)
        dynamic = b""
        stack: bool | None = None
        for i in range(count):
            kind, flags, offset, address, _, length = struct.unpack_from("<IIQQQQ", table, i * size)
            if kind == _LOAD:
                self._loads.append((address, offset, length))
            elif kind == _DYNAMIC:
                dynamic = self._bytes(offset, min(length, _MOST_DYNAMIC))
            elif kind == _STACK:
                stack = bool(flags & _EXECUTABLE)
        entries = list(self._entries(dynamic))
        single = dict(entries)
        self._strings = single.get(_STRINGS, 0)
        search = _RUNPATH if _RUNPATH in single else _RPATH
        return SharedObject(
            machine=machine,
            soname=self._name(single[_SONAME]) if _SONAME in single else "",
            needed=tuple(self._name(value) for tag, value in entries if tag == _NEEDED),
            search=tuple(
                folder
                for tag, value in entries
                if tag == search
                for folder in self._name(value).split(":")
                if folder
            ),
            versions=tuple(self._needs(single)),
            # who does not say gets an executable one on the oldest of these machines
            executable_stack=machine == "x86_64" if stack is None else stack,
        )

    @staticmethod
    def _entries(dynamic: bytes) -> Iterator[tuple[int, int]]:
        for tag, value in struct.iter_unpack("<QQ", dynamic[: len(dynamic) // 16 * 16]):
            if tag == 0:
                return
            yield tag, value

    def _needs(self, single: dict[int, int]) -> Iterator[tuple[str, str]]:
        at = self._offset(single[_NEEDS]) if _NEEDS in single else 0
        for _ in range(min(single.get(_NEEDS_COUNT, 0), _MOST_VERSIONS)):
            _, count, file, first, following = struct.unpack("<HHIII", self._bytes(at, 16))
            library, one = self._name(file), at + first
            for _ in range(min(count, _MOST_VERSIONS)):
                _, _, _, name, more = struct.unpack("<IHHII", self._bytes(one, 16))
                yield library, self._name(name)
                one += more
            at += following

    def _name(self, index: int) -> str:
        data = os.pread(self._handle, _LONGEST, self._offset(self._strings + index))
        text, end, _ = data.partition(b"\0")
        if not end:
            raise DamagedError("it is cut off")
        return os.fsdecode(text)

    def _offset(self, address: int) -> int:
        for start, offset, length in self._loads:
            if start <= address < start + length:
                return offset + address - start
        raise DamagedError("it points outside itself")

    def _bytes(self, at: int, length: int) -> bytes:
        data = os.pread(self._handle, length, at)
        if len(data) < length:
            raise DamagedError("it is cut off")
        return data
