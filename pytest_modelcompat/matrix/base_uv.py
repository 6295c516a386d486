"""`base: uv.lock`: what the project in it depends on, each package with the markers of its ways.

A uv.lock says of the edges between packages when they count, not of the packages. A package is
needed where one of the ways from the project to it holds, and a fork of a package also only where
its own `resolution-markers` say. The project's extras and dependency groups are not production.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import base as words
from pytest_modelcompat.matrix.base_markers import all_of, any_of, decided

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["Pin", "UnreadLock", "uv_pins"]

VERSION = 1
# More ways than this, or a longer marker, and a package is taken wherever its fork is.
MOST_WAYS, LONGEST = 16, 400
_LOCATED = {"git": "a VCS reference", "url": "a URL"}


class UnreadLock(Exception):
    """A lock that is not what its name says; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package of a lock.

    Attributes:
        name: of the distribution.
        version: empty where the lock has none.
        marker: where it is needed; empty for anywhere.
        located: what it comes from instead of an index, or None.
    """

    name: str
    version: str
    marker: str = ""
    located: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Edge:
    name: str
    version: str | None
    source: Mapping[str, Any] | None
    extras: tuple[str, ...]
    marker: str


@dataclass(frozen=True, kw_only=True)
class _Package:
    name: str
    version: str
    source: Mapping[str, Any]
    fork: str
    edges: tuple[_Edge, ...]
    extras: Mapping[str, tuple[_Edge, ...]]


def uv_pins(document: Mapping[str, Any]) -> list[Pin]:
    """The packages that the project of a uv.lock needs, in the order of the file.

    Raises:
        UnreadLock: of another version, or not of this format.
    """
    version = document.get("version")
    if version != VERSION:
        raise UnreadLock(words.other_lock_version(str(version), str(VERSION)))
    packages = [_package(each) for each in _tables(document, "package")]
    manifest = _typed(document, "manifest", dict, {})
    members = set(_texts(manifest, "members"))
    projects = [
        index
        for index, each in enumerate(packages)
        if "." in {each.source.get("editable"), each.source.get("virtual")} or each.name in members
    ]
    if not projects:
        raise UnreadLock(words.lock_without_project())
    ways = _ways(packages, projects)
    found = []
    for index, each in enumerate(packages):
        if index in projects or (index, "") not in ways:
            continue
        marker = any_of(all_of(way) for way in ways[index, ""])
        kind = next(iter(each.source), "path")
        found.append(
            Pin(
                name=each.name,
                version=each.version,
                marker=marker if len(marker) <= LONGEST else each.fork,
                located=None if kind == "registry" else _LOCATED.get(kind, "a path"),
            )
        )
    return found


def _ways(
    packages: list[_Package], projects: list[int]
) -> dict[tuple[int, str], set[frozenset[str]]]:
    """Package and extra (or nothing) -> the sets of markers under which it is needed.

    A way that asks for more than a known one adds nothing, so cycles end.
    """
    named: dict[str, list[int]] = {}
    for index, each in enumerate(packages):
        named.setdefault(each.name, []).append(index)
    ways: dict[tuple[int, str], set[frozenset[str]]] = {}
    work: list[tuple[int, str, frozenset[str]]] = [(each, "", frozenset()) for each in projects]
    while work:
        index, extra, way = work.pop()
        package = packages[index]
        known = ways.setdefault((index, extra), set())
        if len(known) >= MOST_WAYS:
            way = frozenset({package.fork} - {""})
        if any(each <= way for each in known):
            continue
        known -= {each for each in known if way < each}
        known.add(way)
        for edge in package.extras.get(extra, ()) if extra else package.edges:
            targets = list(_targets(edge, packages, named))
            if not targets:
                raise UnreadLock(words.lock_entry_gone(edge.name, package.name))
            for target in targets:
                then = way | ({edge.marker, packages[target].fork} - {""})
                work.extend((target, each, then) for each in ("", *edge.extras))
    return ways


def _targets(edge: _Edge, packages: list[_Package], named: dict[str, list[int]]) -> Iterator[int]:
    """The packages that an edge may mean: all of the name where it says no more."""
    for index in named.get(edge.name, ()):
        package = packages[index]
        if edge.version in {None, package.version} and edge.source in (None, package.source):
            yield index


def _package(table: Mapping[str, Any]) -> _Package:
    forks = [decided(each) for each in _texts(table, "resolution-markers")]
    groups = _typed(table, "optional-dependencies", dict, {})
    return _Package(
        name=_typed(table, "name", str),
        version=_typed(table, "version", str, ""),
        source=_typed(table, "source", dict),
        fork=any_of(each for each in forks if each is not None) if forks else "",
        edges=tuple(_edges(table, "dependencies")),
        extras={extra: tuple(_edges(groups, extra)) for extra in groups},
    )


def _edges(table: Mapping[str, Any], key: str) -> Iterator[_Edge]:
    for each in _tables(table, key):
        marker = decided(_typed(each, "marker", str, ""))
        if marker is None:
            continue
        yield _Edge(
            name=_typed(each, "name", str),
            version=_typed(each, "version", str, "") or None,
            source=_typed(each, "source", dict, {}) or None,
            extras=tuple(_texts(each, "extra")),
            marker=marker,
        )


def _typed(table: Mapping[str, Any], key: str, kind: type, default: Any = None) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind):
        raise UnreadLock(words.odd_lock_entry(key))
    return value


def _tables(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = _typed(table, key, list, [])
    if not all(isinstance(each, Mapping) for each in found):
        raise UnreadLock(words.odd_lock_entry(key))
    return found


def _texts(table: Mapping[str, Any], key: str) -> list[str]:
    found: list[str] = _typed(table, key, list, [])
    if not all(isinstance(each, str) for each in found):
        raise UnreadLock(words.odd_lock_entry(key))
    return found
