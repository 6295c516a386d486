"""`base: pylock.toml` and `base: uv.lock`: each locked version, as a pin with its marker."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from packaging.markers import InvalidMarker
from packaging.pylock import Pylock, PylockValidationError

from pytest_modelcompat.errors import base as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.base_markers import decided
from pytest_modelcompat.matrix.base_uv import Pin, UnreadLock, uv_pins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from packaging.pylock import Package

    from pytest_modelcompat.errors.yaml_file import Sentence

__all__ = ["LARGEST_LOCK", "is_lock", "locked"]

LARGEST_LOCK = 8 << 20  # bytes


def is_lock(name: str) -> bool:
    """Whether a file of that name is a lock that is read."""
    return name == "uv.lock" or (name.startswith("pylock.") and name.endswith(".toml"))


def locked(name: str, text: str) -> tuple[list[str], list[Sentence]]:
    """The pins of a lock, and what is wrong with it.

    Args:
        name: of the file, which says the format.
        text: of the file.
    """
    try:
        document = tomllib.loads(text)
        pins = uv_pins(document) if name == "uv.lock" else list(_pylock_pins(document))
    except PylockValidationError as error:
        return [], [words.bad_lock(name, f"{error.context}: {error.message}")]
    except (ValueError, RecursionError, UnreadLock, InvalidMarker) as error:
        return [], [words.bad_lock(name, str(error))]
    found: list[str] = []
    problems: list[Sentence] = []
    versions: dict[str, list[Pin]] = defaultdict(list)
    for pin in pins:
        if pin.located:
            problems.append(words.located_lock_entry(name, pin.name, pin.located))
        elif not pin.version:
            problems.append(words.lock_entry_without_version(name, pin.name))
        else:
            versions[pin.name].append(pin)
            requirement = f"{pin.name}=={pin.version}"
            whole = f"{requirement} ; {pin.marker}" if pin.marker else requirement
            sentence = grammar.pin(requirement) or grammar.requirement(whole)
            if sentence:
                problems.append(sentence)
            else:
                found.append(whole)
    problems.extend(
        words.lock_entry_in_versions(name, package, [each.version for each in several])
        for package, several in versions.items()
        if len(several) > 1 and not all(each.marker for each in several)
    )
    return found, problems


def _pylock_pins(document: Mapping[str, Any]) -> Iterator[Pin]:
    lock = Pylock.from_dict(document)
    for package in lock.packages:
        marker = decided(str(package.marker or ""), lock.default_groups or ())
        located = _located(package)
        # a directory that is the lock's own is the project itself
        own = package.directory is not None and package.directory.path in {".", "./"}
        if marker is None or own:
            continue
        version = str(package.version or "")
        yield Pin(name=package.name, version=version, marker=marker, located=located)


def _located(package: Package) -> str | None:
    if package.vcs is not None:
        return "a VCS reference"
    if package.archive is not None:
        return "a URL" if package.archive.url else "a path"
    return "a path" if package.directory is not None else None
