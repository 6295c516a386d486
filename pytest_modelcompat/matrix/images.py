"""The long form of a container image: every setting checked where it enters.

What gets through here reaches the engine as data of its API and never as a word of a command line;
still, nothing passes that could be read as an option, leave its folder or name the engine's socket.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import docker as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.limits import size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.reading import Reader
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["NAMING", "build_problem", "container_setting"]

NAMING = ("image", "dockerfile")  # keys that say which image, in place of `value`

_PLATFORM = re.compile(r"linux/[a-z0-9_]{2,20}(/v[0-9]{1,2})?")
_GPUS = re.compile(r"all|[1-9][0-9]{0,2}")
_USER = re.compile(r"image|[0-9]{1,9}(:[0-9]{1,9})?")
_TARGET = re.compile(r"/[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_TAKEN = frozenset({
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "modelcompat", "proc", "root",
    "run", "sbin", "sys", "tmp", "usr", "var",
})  # fmt: skip
_SYSTEM = tuple(map(Path, ("/boot", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/var/run")))
_NETWORKS = ("none", "bridge", "host")
_INSTALLS = ("mount", "inside")


def container_setting(
    reader: Reader, folder: Path, name: str, form: str, node: Node
) -> tuple[tuple[str, str], ...]:
    """A setting of the long form as pairs of texts; a list or mapping gives several of one name.

    Args:
        reader: takes values out of nodes and tells problems.
        folder: of the matrix; relative paths start there.
        name: of the setting.
        form: what it must look like, a key of `_FORMS` or one of "volumes", "arguments", "size".
        node: its value.
    """
    if form == "volumes":
        return tuple(
            (name, found)
            for item in reader.items(node, f"`{name}`", "[data:/data]")
            if (found := _volume(reader, folder, item))
        )
    if form == "arguments":
        pairs = reader.settings(node, f"`{name}`", _argument, "{NAME: value}")
        return tuple((name, f"{key}={value}") for key, value in pairs)
    if form == "size":
        text = reader.text(node, f"`{name}`", lambda text: size(text, f"`{name}`", "1GiB")[1])
        return ((name, str(int(size(text, name, "")[0]))),) if text is not None else ()
    text = (
        reader.choice(node, f"`{name}`", _CHOICES[form])
        if form in _CHOICES
        else reader.text(node, f"`{name}`", _FORMS[form])
    )
    return ((name, text),) if text is not None else ()


def build_problem(fields: Mapping[str, Node]) -> tuple[Sentence, str] | None:
    """What is wrong between the settings, and the key that it is told at."""
    if "dockerfile" in fields:
        both = next((key for key in ("image", "value") if key in fields), None)
        return (words.image_and_dockerfile(), "dockerfile") if both == "image" else None
    alone = next((key for key in ("context", "build_args") if key in fields), None)
    return (words.without_dockerfile(alone), alone) if alone else None


def _platform(text: str) -> Sentence | None:
    return None if _PLATFORM.fullmatch(text) else words.bad_platform(text)


def _gpus(text: str) -> Sentence | None:
    return None if _GPUS.fullmatch(text) else words.bad_gpus(text)


def _user(text: str) -> Sentence | None:
    return None if _USER.fullmatch(text) else words.bad_user(text)


def _argument(text: str) -> Sentence | None:
    return words.bad_build_arg(text) if grammar.env_name(text) else None


def _volume(reader: Reader, folder: Path, node: Node) -> str | None:
    """`SOURCE:TARGET`, the source made absolute."""
    text = reader.text(node, "A volume", lambda text: grammar.printable("A volume", text))
    if text is None:
        return None
    source, colon, target = text.rpartition(":")
    if not (colon and source) or ":" in source or source.startswith("-"):
        reader.tell(words.bad_volume(text), node)
        return None
    if not _TARGET.fullmatch(target) or target.split("/")[1] in _TAKEN:
        reader.tell(words.bad_target(target), node)
        return None
    path = Path(os.path.normpath(folder / Path(source).expanduser()))
    try:
        real = path.resolve(strict=True)
        kind = real.stat().st_mode
    except (OSError, RuntimeError):
        reader.tell(words.missing_source(source), node)
        return None
    if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)) or _is_secret(real):
        reader.tell(words.secret_source(source), node)
        return None
    return f"{real}:{target}"


def _is_secret(path: Path) -> bool:
    """Whether mounting this would hand out the engine's socket, the system, or all of the home."""
    home = Path.home().resolve()
    within = path.relative_to(home).parts if path.is_relative_to(home) else ()
    hidden = bool(within) and within[0].startswith(".")
    system = any(
        each.is_relative_to(path) or (path.is_relative_to(each) and each != home)
        for each in _SYSTEM
    )
    socket = Path(os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/run/docker.sock")
    return home.is_relative_to(path) or system or hidden or socket.is_relative_to(path)


_FORMS: dict[str, Callable[[str], Sentence | None]] = {
    "platform": _platform,
    "gpus": _gpus,
    "user": _user,
}
_CHOICES = {"install": _INSTALLS, "network": _NETWORKS}
