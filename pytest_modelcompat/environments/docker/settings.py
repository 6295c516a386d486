"""What the long form of an image asks for, as a record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_modelcompat.matrix.model import Image

__all__ = ["NOBODY", "ContainerSettings", "settings_of"]

NOBODY = "65534:65534"


@dataclass(frozen=True, kw_only=True)
class ContainerSettings:
    """One container image and how its containers run.

    Attributes:
        name: what the matrix calls it; for an image that is not built, its reference.
        dockerfile, context, build_args: where it is built.
        platform: "linux/arm64", or None for whatever the image is.
        gpus: "all", a number, or None.
        volumes: (folder here, path there), read-only.
        user: "UID", "UID:GID", or "image".
        install: "mount" or "inside".
        shm: bytes of /dev/shm, or None for the engine's default.
        network: "none", "bridge" or "host".
    """

    name: str
    dockerfile: Path | None = None
    context: Path | None = None
    build_args: tuple[tuple[str, str], ...] = ()
    platform: str | None = None
    gpus: str | None = None
    volumes: tuple[tuple[Path, str], ...] = ()
    user: str = NOBODY
    install: str = "mount"
    shm: int | None = None
    network: str = "none"

    @property
    def relaxations(self) -> tuple[str, ...]:
        """What is allowed beyond the default, in the words of the matrix."""
        found = [] if self.user == NOBODY else [f"user: {self.user}"]
        if self.network != "none":
            found.append(f"network: {self.network}")
        if self.gpus:
            found.append(f"gpus: {self.gpus}")
        found += [f"volumes: {target} (read-only)" for _, target in self.volumes]
        return tuple(found)


def settings_of(image: Image) -> ContainerSettings:
    """The record of an image of kind docker."""
    single = dict(image.settings)
    several: dict[str, list[str]] = {}
    for name, text in image.settings:
        several.setdefault(name, []).append(text)
    dockerfile = Path(single["dockerfile"]) if "dockerfile" in single else None
    context = single.get("context")
    volumes = [text.rpartition(":") for text in several.get("volumes", ())]
    arguments = [text.partition("=") for text in several.get("build_args", ())]
    return ContainerSettings(
        name=image.value,
        dockerfile=dockerfile,
        context=Path(context) if context else dockerfile.parent if dockerfile else None,
        build_args=tuple((name, text) for name, _, text in arguments),
        platform=single.get("platform"),
        gpus=single.get("gpus"),
        volumes=tuple((Path(source), target) for source, _, target in volumes),
        user=single.get("user", NOBODY),
        install=single.get("install", "mount"),
        shm=int(single["shm"]) if "shm" in single else None,
        network=single.get("network", "none"),
    )
