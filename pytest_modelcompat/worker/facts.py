"""What is really there: the attestation of a cell, collected where it runs."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["facts"]

_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}
_FLAGS = frozenset(
    "sse4_2 avx avx2 fma f16c avx512f avx512bw avx512vl avx512_vnni avx512_bf16 avx512_fp16"
    " avx_vnni amx_tile amx_int8 amx_bf16 asimd asimdhp asimddp sve sve2 bf16 i8mm".split()
)


def facts() -> dict[str, Any]:
    """Interpreter, platform, processor and installed distributions."""
    model, flags = _processor()
    return {
        "python": sys.version.split()[0],
        "implementation": _IMPLEMENTATIONS.get(sys.implementation.name, sys.implementation.name),
        "executable": sys.executable,
        "platform": sys.platform,
        "machine": os.uname().machine,
        "kernel": os.uname().release,
        "libc": _libc(),
        "os": _system(),
        "cpu": model,
        "cpu_flags": flags,
        "cpus": len(os.sched_getaffinity(0)),
        "distributions": _distributions(),
    }


def _processor() -> tuple[str, list[str]]:
    found: dict[str, str] = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if not key.strip():
                    break  # the other processors are the same
                found[key.strip()] = value.strip()
    except OSError:
        return "", []
    flags = found.get("flags", found.get("Features", "")).split()
    return found.get("model name", found.get("CPU part", "")), sorted(_FLAGS.intersection(flags))


def _libc() -> str:
    try:
        return str(os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (ValueError, OSError):
        return "not glibc"


def _system() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.partition("=")[2].strip().strip('"')
    except OSError:
        return ""
    return ""


def _distributions() -> dict[str, str]:
    """Distributions that can be imported here: name -> version, the first of each name.

    Read from the names of their folders: parsing all metadata takes longer than a hundred cases.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue  # not a folder, or not there
        for name in sorted(names):
            if name.endswith(".dist-info") and "-" in name:
                project, _, version = name[: -len(".dist-info")].partition("-")
                found.setdefault(re.sub("[-_.]+", "-", project).lower(), version)
    return dict(sorted(found.items()))
