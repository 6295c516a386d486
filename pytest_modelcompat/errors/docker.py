"""Sentences about containers: engines, images, what is in them, and settings of the long form.

What an engine says follows on a line of its own, in its own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors.yaml_file import Sentence, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAIL = 2000  # characters of what an engine says that still help a reader


def _after(text: str) -> str:
    text = text.strip()
    return f"\n{text[-_TAIL:]}" if text else ""


def no_sdk() -> str:
    """The extra is not installed."""
    return (
        "Cells in containers need the Docker SDK for Python, which is not installed. "
        "Install it with: pip install 'pytest-modelcompat[docker]'"
    )


def no_engine(explanation: str) -> str:
    """Nobody answers where an engine should be."""
    return (
        "No container engine answers here. Start one, or name it in DOCKER_HOST."
        f"{_after(explanation)}"
    )


def engine_lost(explanation: str) -> str:
    """It answered before, and does not any more."""
    return f"The container engine was lost.{_after(explanation)}"


def engine_refused(explanation: str) -> str:
    """The engine does not start a container of this image."""
    return f"The engine cannot start a container of this image.{_after(explanation)}"


def gpus_refused(wanted: str, explanation: str) -> str:
    """No such hardware, or no runtime for it."""
    return f"The engine has no GPUs to give (gpus: {wanted}).{_after(explanation)}"


def no_image(reference: str, explanation: str) -> str:
    """Not here, and not to be had."""
    return (
        f"There is no image {reference} here, and it cannot be pulled. Build it, load it, or log "
        f"in to its registry.{_after(explanation)}"
    )


def pull_timed_out(reference: str, seconds: float) -> str:
    """limits.install, for pulling."""
    return f"Pulling {reference} did not end within {seconds:g} s (limits.install)."


def not_built(dockerfile: str, explanation: str) -> str:
    """A step of a Dockerfile fails."""
    return f"The image of {dockerfile} cannot be built.{_after(explanation)}"


def build_timed_out(dockerfile: str, seconds: float) -> str:
    """limits.install, for building."""
    return f"Building {dockerfile} did not end within {seconds:g} s (limits.install)."


def no_python(reference: str, system: str) -> str:
    """An image of something else."""
    about = f" ({system})" if system else ""
    return (
        f"The image {reference}{about} has no Python. Take one that has, or build one with "
        "`dockerfile`."
    )


def no_such_python(reference: str, wanted: str, there: Sequence[str], system: str) -> str:
    """It has another one."""
    about = f" ({system})" if system else ""
    return (
        f"The image {reference}{about} has no CPython {wanted}. It has {', '.join(there)}; "
        "`python: image` takes its own."
    )


def python_too_old(reference: str, version: str, oldest: str) -> str:
    """The worker cannot run there."""
    return (
        f"Python {version} of the image {reference} is too old: the worker that runs inside a cell "
        f"needs {oldest} or newer."
    )


def wrong_architecture(reference: str, wanted: str, machine: str) -> str:
    """The image is for another processor than `platform` says."""
    return f"The image {reference} is for {machine}, but platform {wanted} is asked for."


def foreign_architecture(reference: str, machine: str, explanation: str) -> str:
    """The image's programs do not run on this processor, and nothing emulates it."""
    return (
        f"The image {reference} is for {machine}, which this machine cannot run. Register an "
        f"emulator (qemu-user-static and binfmt) or take an image for its own processor."
        f"{_after(explanation)}"
    )


def strange_answer(reference: str, output: str) -> str:
    """The probe did not come back as it should."""
    return f"What the image {reference} has could not be found out.{_after(output)}"


def no_pip(reference: str) -> str:
    """`install: inside` and nothing to install with."""
    return (
        f"The image {reference} has neither pip nor ensurepip, so nothing can be installed inside "
        "of it. Use `install: mount`, which needs neither."
    )


def inside_failed(explanation: str) -> str:
    """The image's pip says no."""
    return f"The image's own pip could not install the lock.{_after(explanation)}"


def emulated(machine: str, factor: float) -> str:
    """A note of a cell."""
    return (
        f"emulated: {machine} on another processor; time limits are {factor:g} times as long, and "
        "its times say nothing about real hardware"
    )


def relaxed(what: Sequence[str]) -> str:
    """A note of a cell."""
    return f"the container was less confined than by default: {', '.join(what)}"


def container_ended(code: int | None, *, memory: int, out_of_memory: bool) -> str:
    """The last line of a container's diagnostics."""
    told = "the container is gone" if code is None else f"the container ended with {code}"
    if out_of_memory:
        return f"{told}: the kernel killed a process of it at its limit of {memory >> 20} MiB"
    return told


# -- the long form of an image ---------------------------------------------------------------------


def bad_platform(text: str) -> Sentence:
    """Not os/architecture."""
    return Sentence(
        f"`platform` cannot be {shown(text)}.",
        "Write linux and an architecture, for example linux/arm64.",
    )


def bad_gpus(text: str) -> Sentence:
    """Neither all nor a number."""
    return Sentence(f"`gpus` cannot be {shown(text)}.", "Write `all`, or how many: `gpus: 1`.")


def bad_user(text: str) -> Sentence:
    """Not a number."""
    return Sentence(
        f"`user` cannot be {shown(text)}.",
        "Write a number, two as in 1000:1000, or `image` for the image's own user.",
    )


def bad_build_arg(text: str) -> Sentence:
    """Not a name that a Dockerfile could declare."""
    return Sentence(
        f"A build argument cannot be called {shown(text)}.",
        "Use letters, digits and _ only, without a leading digit.",
    )


def bad_volume(text: str) -> Sentence:
    """Not SOURCE:TARGET."""
    return Sentence(
        f"{shown(text)} is not a volume.",
        "Write FOLDER:/PATH/IN/THE/CONTAINER; it is mounted read-only, so nothing follows.",
    )


def bad_target(text: str) -> Sentence:
    """A place in the container that is not for volumes."""
    return Sentence(
        f"A volume cannot be mounted at {shown(text)}.",
        "Take a folder of its own such as /data; system folders and /modelcompat are taken.",
    )


def missing_source(text: str) -> Sentence:
    """The folder of a volume is not there."""
    return Sentence(
        f"There is no file or folder {shown(text)} for a volume.",
        "Paths are relative to the matrix file.",
    )


def secret_source(text: str) -> Sentence:
    """A folder that holds the engine's socket, or the user's own secrets."""
    return Sentence(
        f"{shown(text)} is not mounted into a container.",
        "It holds the engine's socket, the system's own files or your home folder with its "
        "credentials. Name the folder with the data.",
    )


def no_reference() -> Sentence:
    """A long form that says nothing about which image."""
    return Sentence(
        "An image needs `image` or `dockerfile`.",
        "Write {image: debian:bookworm, ...} or {id: mine, dockerfile: Dockerfile}.",
    )


def image_and_dockerfile() -> Sentence:
    """Both."""
    return Sentence(
        "An image is either taken (`image`) or built (`dockerfile`), not both.", "Remove one."
    )


def without_dockerfile(key: str) -> Sentence:
    """`context` or `build_args` of nothing."""
    return Sentence(f"`{key}` says nothing without `dockerfile`.", "Add it, or remove this one.")
