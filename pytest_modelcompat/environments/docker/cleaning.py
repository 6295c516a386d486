"""The containers' part of `modelcompat clean` and `modelcompat doctor`."""

from __future__ import annotations

from pytest_modelcompat.environments.docker.engine import (
    AbsentError,
    Engine,
    EngineLostError,
    RefusedError,
    connect,
)
from pytest_modelcompat.environments.docker.owner import OURS, own_containers, sweep

__all__ = ["clean", "engine_line"]


def clean(*, images: bool) -> str:
    """Remove what dead runs left in the engine; a sequel to "removed N left-overs".

    Args:
        images: those that we built, too. One that somebody uses stays.
    """
    try:
        with connect() as engine:
            containers = sweep(engine)
            built = _remove_built(engine) if images else 0
    except AbsentError:
        return ""  # then there is nothing of ours in it
    except EngineLostError as lost:
        return f"; {lost}"
    told = f", {containers} containers"
    return f"{told}, {built} images" if images else told


def _remove_built(engine: Engine) -> int:
    with engine.answering() as api:
        built = api.images(filters={"label": f"{OURS}=built"}, quiet=True)
    removed = 0
    for image in set(built):
        try:
            with engine.answering() as api:
                api.remove_image(image)
        except RefusedError:
            continue  # in use
        removed += 1
    return removed


def engine_line() -> str:
    """What engine there is, in a line."""
    try:
        with connect() as engine:
            with engine.answering() as api:
                about = api.info()
            live = len(own_containers(engine))
    except AbsentError as absent:
        return str(absent).partition("\n")[0]
    except (EngineLostError, RefusedError) as error:
        return str(error).partition("\n")[0]
    runtimes = ", ".join(sorted(about.get("Runtimes") or ()))
    return (
        f"docker {engine.version}, {about.get('Driver')}, cgroup v{about.get('CgroupVersion', 1)}, "
        f"runtimes {runtimes}, {live} containers of ours"
    )
