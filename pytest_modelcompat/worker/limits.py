"""Memory: the limit of a child, and the kernel's evidence that it ended one for memory."""

from __future__ import annotations

import os
import re
import sys

__all__ = ["group_kills", "kills", "limit_address_space", "looks_exhausted"]

_EXHAUSTED = re.compile(
    r"bad_alloc|MemoryError|cannot allocate memory|failed to allocate memory|out of memory"
    r"|bad allocation|alloc(?:at\w*)? fail",
    re.IGNORECASE,
)


def limit_address_space(size: int | None) -> None:
    """Limit the address space of this process and what it starts; None: no limit."""
    import resource  # noqa: PLC0415 - the supervisor shares this module and never needs it

    if size:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard != resource.RLIM_INFINITY:
            size = min(size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def looks_exhausted(text: str) -> bool:
    """Whether these words of a runtime or of the C++ library are about memory.

    Used to start a process anew and to tell an abort for memory from another; the verdict on an
    exception is the host's.
    """
    return _EXHAUSTED.search(text) is not None


def kills(root: str = "/", *, machine: bool = True) -> int:
    """How many processes the kernel has killed for memory, as far as it can be seen from here.

    Counters of this process's control groups (both versions, and as seen through a container's
    namespace) and of the whole machine; only their growth means anything.
    """
    total = 0
    for path, key in _counters(root)[0 if machine else 1 :]:
        try:
            with open(path, "rb") as file:
                text = file.read().decode("ascii", "replace")
        except OSError:
            continue
        found = re.search(r"^{} (\d+)$".format(key), text, re.MULTILINE)
        total += int(found.group(1)) if found else 0
    return total


def group_kills(root: str = "/") -> int:
    """How many processes the kernel has killed for memory in this process's own control groups."""
    return kills(root, machine=False)


def _counters(root: str) -> list[tuple[str, str]]:
    groups = {""}
    try:
        with open(os.path.join(root, "proc/self/cgroup"), "rb") as file:
            for line in file.read().decode("utf-8", "replace").splitlines():
                groups.add(line.split(":", 2)[-1].strip("/"))
    except OSError:
        groups.add("")  # no control groups here: the machine's counter is left
    base = os.path.join(root, "sys/fs/cgroup")
    return [
        (os.path.join(root, "proc/vmstat"), "oom_kill"),
        *((os.path.join(base, group, "memory.events"), "oom_kill") for group in sorted(groups)),
        *(
            (os.path.join(base, "memory", group, "memory.oom_control"), "oom_kill")
            for group in sorted(groups)
        ),
    ]


def forgo_core() -> None:
    """No core dumps: a gigabyte on disk for each crash, and nobody looks.

    One byte, because zero does not keep the kernel from starting a crash handler.
    """
    import resource  # noqa: PLC0415 - as above

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    size = 1 if hard == resource.RLIM_INFINITY or hard >= 1 else 0
    resource.setrlimit(resource.RLIMIT_CORE, (size, size))


def offer_to_killer() -> None:
    """When the machine runs out of memory this process is to go, and not the supervisor."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError as problem:
        sys.stderr.write("oom_score_adj: {}\n".format(problem))
