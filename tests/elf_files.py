"""Small shared objects, made byte by byte: only what a loader, and preflight, read first."""

from __future__ import annotations

import struct


def shared_object(
    *,
    needed: tuple[str, ...] = (),
    versions: dict[str, tuple[str, ...]] | None = None,
    search: str = "",
    soname: str = "",
    machine: int = 62,
    stack: int | None = 6,
) -> bytes:
    """A 64-bit little-endian file with these tables; `stack` are the flags of PT_GNU_STACK."""
    strings = bytearray(b"\0")

    def index(text: str) -> int:
        strings.extend(text.encode() + b"\0")
        return len(strings) - strings[:-1][::-1].index(0) - 1 if text else 0

    entries = [(1, index(name)) for name in needed]
    if soname:
        entries.append((14, index(soname)))
    if search:
        entries.append((29, index(search)))
    needs = b""
    wanted = list((versions or {}).items())
    for i, (library, names) in enumerate(wanted):
        following = 0 if i == len(wanted) - 1 else 16 + 16 * len(names)
        needs += struct.pack("<HHIII", 1, len(names), index(library), 16, following)
        for j, name in enumerate(names):
            more = 0 if j == len(names) - 1 else 16
            needs += struct.pack("<IHHII", 0, 0, j + 2, index(name), more)
    count = 3 if stack is not None else 2
    at = 64 + 56 * count
    symbols = at + len(needs)
    hashes = symbols + 24
    table = hashes + 16
    dynamic = (table + len(strings) + 15) // 16 * 16
    entries += [(5, table), (10, len(strings)), (6, symbols), (11, 24), (4, hashes)]
    if needs:
        entries += [(0x6FFFFFFE, at), (0x6FFFFFFF, len(wanted))]
    entries.append((0, 0))
    end = dynamic + 16 * len(entries)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 6, 0, 0, 0, end, end, 4096)
    size = 16 * len(entries)
    head += struct.pack("<IIQQQQQQ", 2, 6, dynamic, dynamic, dynamic, size, size, 8)
    if stack is not None:
        head += struct.pack("<IIQQQQQQ", 0x6474E551, stack, 0, 0, 0, 0, 0, 16)
    body = head + needs + bytes(24) + struct.pack("<IIII", 1, 1, 0, 0) + bytes(strings)
    return body.ljust(dynamic, b"\0") + b"".join(struct.pack("<QQ", *entry) for entry in entries)
