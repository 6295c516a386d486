"""Whose a container is: labels by which any later run can tell what a dead one has left.

An owner is a process: machine boot, process-number namespace, process number and start time. Only
where the first two are our own can the other two be looked up; containers of other machines that
share an engine are known to be forgotten when their deadline is long past.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_modelcompat.environments.docker.engine import Engine

__all__ = ["OURS", "forgotten", "labels", "own_containers", "owner", "remove_owned", "sweep"]

OURS = "pytest-modelcompat"  # marks everything that we make in an engine
OWNER = f"{OURS}.owner"
RUN = f"{OURS}.run"
DEADLINE = f"{OURS}.deadline"
GRACE = 3600.0  # seconds after its deadline in which a stranger's container is left alone


@lru_cache(maxsize=8)
def _owner(pid: int) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no path, a name
    return f"{boot}/{space}/{pid}/{_started(pid)}"


def owner() -> str:
    """This process, as a label says it."""
    return _owner(os.getpid())


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def labels(*, role: str, seconds: float) -> dict[str, str]:
    """The labels of a container of this process.

    Args:
        role: what it is for.
        seconds: after which it should be gone.
    """
    return {
        OURS: role,
        OWNER: owner(),
        RUN: f"{os.getpid()}",
        DEADLINE: str(int(time.time() + seconds)),
    }


def forgotten(found: Mapping[str, str]) -> bool:
    """Whether the run that made something with these labels is dead."""
    boot, _, rest = found.get(OWNER, "").partition("/")
    space, _, process = rest.partition("/")
    pid, _, started = process.partition("/")
    here = owner().split("/")
    if [boot, space] == here[:2] and pid.isdigit():
        return _started(int(pid)) != started
    deadline = found.get(DEADLINE, "")
    return deadline.isdigit() and time.time() > int(deadline) + GRACE


def own_containers(engine: Engine, label: str = OURS) -> list[tuple[str, dict[str, str]]]:
    """Containers with a label of ours, in whatever state: id and labels."""
    with engine.answering() as api:
        listed = api.containers(all=True, filters={"label": label})
    return [(one["Id"], dict(one.get("Labels") or {})) for one in listed]


def remove_owned(engine: Engine, whose: str) -> int:
    """Remove every container of an owner."""
    found = own_containers(engine, f"{OWNER}={whose}")
    for container, _ in found:
        engine.remove(container)
    return len(found)


def sweep(engine: Engine) -> int:
    """Remove what dead runs left in an engine, and nothing else; how many containers it was."""
    removed = 0
    for container, found in own_containers(engine):
        if forgotten(found):
            engine.remove(container)
            removed += 1
    return removed
