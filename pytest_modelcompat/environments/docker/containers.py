"""One container: how it is confined, how it is made, and its three streams as pipes."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.docker import reaper
from pytest_modelcompat.environments.docker.owner import OURS, labels
from pytest_modelcompat.environments.docker.settings import ContainerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_modelcompat.environments.docker.engine import Engine
    from pytest_modelcompat.environments.docker.images import ImageFound

__all__ = ["ROOT", "Wanted", "create"]

ROOT = "/modelcompat"  # where everything of ours is in a container
SCRATCH = "/tmp"  # noqa: S108 - a private tmpfs of the container
PIDS = 512
SCRATCH_SIZE = 512 * 2**20
GRACE = 120.0  # seconds after which a container that should be gone may be removed by anybody


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A container to be.

    Attributes:
        image: found in the engine.
        command: program and arguments; the image's entry point is not used.
        settings: of the matrix; relaxations come from there and nowhere else.
        role: "cell", "probe", "install" or "warm", for the label.
        env: in addition to what the image sets.
        mounts: path there -> folder or file here, read-only.
        writable: path there -> folder here.
        memory: bytes of its control group.
        seconds: after which it should be gone.
        user: in place of the settings'.
        network: likewise.
        scratch_exec: programs may be started from its temporary folder.
        scratch: bytes of that folder, at most half of the memory.
        gpus: numbers of those that it gets; where there are none, as many as the settings say.
    """

    image: ImageFound
    command: tuple[str, ...]
    settings: ContainerSettings
    role: str
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    writable: Mapping[str, Path] = field(default_factory=dict)
    memory: int
    seconds: float
    user: str | None = None
    network: str | None = None
    scratch_exec: bool = False
    scratch: int = SCRATCH_SIZE
    gpus: tuple[str, ...] = ()


def create(engine: Engine, wanted: Wanted) -> str:
    """Make a container, not started yet; its id.

    Raises:
        RefusedError: in the engine's words.
        EngineLostError: nobody answers.
    """
    reaper.ensure()
    with engine.answering() as api:
        made = api.create_container(
            wanted.image.id,
            command=list(wanted.command[1:]),
            entrypoint=list(wanted.command[:1]),
            name=f"{OURS}-{secrets.token_hex(6)}",
            hostname="cell",
            stdin_open=True,  # once: it sees the end when we are gone
            tty=False,
            environment=dict(wanted.env),
            user=_user(wanted),
            working_dir=SCRATCH,
            labels=labels(role=wanted.role, seconds=wanted.seconds + GRACE),
            healthcheck={"test": ["NONE"]},
            stop_signal="SIGKILL",
            host_config=api.create_host_config(**_confinement(wanted)),
        )
    container = str(made["Id"])
    reaper.alive(container)
    return container


def _user(wanted: Wanted) -> str | None:
    user = wanted.user or wanted.settings.user
    return None if user == "image" else user


def _confinement(wanted: Wanted) -> dict[str, Any]:
    from docker.types import LogConfig, Mount, Ulimit  # noqa: PLC0415 - only where there is one

    settings = wanted.settings
    size = min(wanted.scratch, wanted.memory // 2)
    execution = "exec" if wanted.scratch_exec else "noexec"
    mounts = [
        Mount(target, str(source), type="bind", read_only=read_only)
        for places, read_only in ((wanted.mounts, True), (wanted.writable, False))
        for target, source in places.items()
    ]
    mounts += [
        Mount(target, str(source), type="bind", read_only=True)
        for source, target in settings.volumes
    ]
    # What the image declares as a volume would be a disk without limits.
    taken = {mount["Target"] for mount in mounts} | {SCRATCH}
    mounts += [
        Mount(target, None, type="volume", read_only=True)
        for target in wanted.image.volumes
        if target not in taken
    ]
    confinement: dict[str, Any] = {
        "auto_remove": True,
        "init": True,
        "read_only": True,
        "network_mode": wanted.network or settings.network,
        "ipc_mode": "private",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": PIDS,
        "mem_limit": wanted.memory,
        "memswap_limit": wanted.memory,
        "ulimits": [Ulimit(name="core", soft=1, hard=1)],
        "tmpfs": {SCRATCH: f"rw,{execution},nosuid,nodev,mode=1777,size={size}"},
        "log_config": LogConfig(type="none"),
        "mounts": mounts,
    }
    if settings.shm:
        confinement["shm_size"] = settings.shm
    if settings.gpus:
        confinement["device_requests"] = [_gpus(settings.gpus, wanted.gpus)]
    return confinement


def _gpus(wanted: str, devices: tuple[str, ...]) -> Any:
    from docker.types import DeviceRequest  # noqa: PLC0415

    if devices:  # a number alone would always mean the first ones
        return DeviceRequest(device_ids=list(devices), capabilities=[["gpu"]])
    return DeviceRequest(count=-1 if wanted == "all" else int(wanted), capabilities=[["gpu"]])


def discard(engine: Engine, container: str) -> None:
    """Remove a container; where nobody answers, it is left to the reaper and the next sweep."""
    from pytest_modelcompat.environments.docker.engine import (  # noqa: PLC0415
        EngineLostError,
        RefusedError,
    )

    with contextlib.suppress(EngineLostError, RefusedError):
        engine.remove(container)
        reaper.gone(container)
