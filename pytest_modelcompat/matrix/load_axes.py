"""The `axes` of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.declared import AxisValue, Providers
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.load_values import parse_value
from pytest_modelcompat.matrix.ranges import is_range, spelled_out
from pytest_modelcompat.matrix.yaml_nodes import ListNode, MapNode, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.model import Framework
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["AXES_KEYS", "axis_names", "parse_axes", "parse_providers"]

FIXED = ("framework", "python", "image", "provider")
GROUPS = ("packages", "env", "options")
AXES_KEYS = (*FIXED, *GROUPS)
_GRAMMARS: dict[str, Callable[[str], Sentence | None]] = {
    "packages": grammar.distribution,
    "env": grammar.env_name,
    "options": grammar.option_name,
}
Axes = dict[str, tuple[AxisValue, ...]]


def axis_names(node: Node | None) -> tuple[str, ...]:
    """The names of a matrix's axes outside the file, read before anything is checked."""
    names = list(FIXED)
    if isinstance(node, MapNode):
        for key, value in node.entries:
            if key.value in GROUPS and isinstance(value, MapNode):
                names += [f"{key.value}.{each.value}" for each, _ in value.entries]
    return tuple(names)


def parse_axes(
    context: Context, fields: Mapping[str, Node]
) -> tuple[Axes, tuple[tuple[str, tuple[AxisValue, ...]], ...]]:
    """The values of every axis but `provider`, whose names depend on all frameworks.

    Args:
        context: of the loader.
        fields: of `axes`.

    Returns:
        framework, python and image; and the declared packages.*, env.* and options.*.
    """
    reader = context.reader
    axes: Axes = {
        "framework": _frameworks(context, fields.get("framework")),
        "python": _values(context, fields.get("python"), "python", '["3.12"]'),
        "image": _values(context, fields.get("image"), "image", "[host]"),
    }
    others = []
    seen: dict[str, int] = {}
    for group in GROUPS:
        if group not in fields:
            continue
        for key, value in reader.entries(fields[group], f"axes.{group}", "{name: [value]}"):
            sentence = _GRAMMARS[group](key.value)
            if sentence:
                reader.tell(sentence, key)
                continue
            name = f"{group}.{key.value}"
            distinct = canonicalize_name(name) if group == "packages" else name
            if distinct in seen:
                reader.tell(words.duplicate("The axis", name, seen[distinct]), key)
                continue
            seen[distinct] = key.line
            others.append((name, _values(context, value, name, '["1.26.4"]')))
    return axes, tuple(others)


def _values(
    context: Context,
    node: Node | None,
    axis: str,
    example: str,
    distribution: str | None = None,
) -> tuple[AxisValue, ...]:
    """A list of distinct values; an empty one is a problem, a missing one is the default."""
    reader = context.reader
    if node is None:
        return ()
    where = f"axes.{axis}" if distribution is None else f"axes.{axis}.{distribution}"
    items = reader.items(node, where, example)
    if not items and not getattr(node, "items", (None,)):
        reader.tell(words.no_values(where), node)
    found = [parse_value(context, item, axis, distribution=distribution) for item in items]
    values = [value for value in found if value is not None]
    _refuse_duplicates(context, values)
    return tuple(values)


def _refuse_duplicates(context: Context, values: Iterable[AxisValue]) -> None:
    seen: dict[str, AxisValue] = {}
    versions: dict[Version, AxisValue] = {}
    for value in values:
        if value.id in seen:
            first = seen[value.id]
            context.reader.tell(words.duplicate("The value", value.id, first.line), value)
            continue
        seen[value.id] = value
        version = value.framework.version if value.framework else value.value
        takes_versions = value.framework or value.axis.startswith("packages.")
        if takes_versions and value.id == value.value and not grammar.version(version):
            same = versions.setdefault(Version(version), value)
            if same is not value:
                other = same.framework.version if same.framework else same.value
                context.reader.tell(words.same_version(version, other, same.line), value)


def _frameworks(context: Context, node: Node | None) -> tuple[AxisValue, ...]:
    """Every version of every distribution, in the file's order."""
    reader = context.reader
    if node is None:
        return ()
    found: list[AxisValue] = []
    seen: dict[str, int] = {}
    example = '{onnxruntime: ["1.20.1"]}'
    for key, versions in reader.entries(node, "axes.framework", example):
        sentence = grammar.distribution(key.value)
        if sentence:
            reader.tell(sentence, key)
            continue
        name = canonicalize_name(key.value)
        if name in seen:
            reader.tell(words.duplicate("The distribution", key.value, seen[name]), key)
            continue
        seen[name] = key.line
        needs_runtime = name not in defaults().distributions and not any(
            isinstance(item, MapNode) for item in getattr(versions, "items", ())
        )
        if needs_runtime:  # said once at the name, not once per version
            reader.tell(words.unknown_framework(name, defaults().distributions), key)
            continue
        found += _values(context, _exact(context, versions, name), "framework", example, name)
    return tuple(found)


def _exact(context: Context, node: Node, distribution: str) -> Node:
    """The same list with exact versions in place of ranges; what stands there already wins."""
    ranges = [item for item in getattr(node, "items", ()) if is_range(item)]
    if not isinstance(node, ListNode) or not ranges:
        return node
    seen = {
        Version(text)
        for item in node.items
        if item not in ranges and not grammar.version(text := _version_text(item))
    }
    items: list[Node] = []
    for item in node.items:
        if item not in ranges:
            items.append(item)
            continue
        values, note = spelled_out(
            context.reader,
            item,
            distribution,
            releases=context.releases,
            exclude_newer=context.exclude_newer,
        )
        context.notes.extend([note] if note else [])
        for value in values or [Unusable(item.line, item.column)]:
            text = _version_text(value)
            version = Version(text) if text else None
            if version is None or version not in seen:
                items.append(value)
            if version is not None:
                seen.add(version)
    return ListNode(tuple(items), node.line, node.column)


def _version_text(node: Node) -> str:
    """What a value says, in either form."""
    if isinstance(node, MapNode):
        node = {key.value: value for key, value in node.entries}.get("value", node)
    return str(getattr(node, "value", ""))


def parse_providers(
    context: Context, node: Node | None, frameworks: Iterable[Framework]
) -> Providers:
    """`axes.provider`, each name known to a framework of the matrix.

    Args:
        context: of the loader.
        node: a list, or a list per distribution.
        frameworks: all of the matrix, those of `include` too.
    """
    by_name: dict[str, set[str]] = {}
    for framework in frameworks:
        by_name.setdefault(framework.distribution, set()).add(framework.runtime)
    if node is None:
        return Providers()
    if not isinstance(node, MapNode):
        flat = _values(context, node, "provider", "[CPUExecutionProvider]")
        runtimes = {runtime for each in by_name.values() for runtime in each}
        _refuse_unknown(context, flat, None, runtimes)
        return Providers(flat=flat)
    found = []
    for key, values in node.entries:
        name = canonicalize_name(key.value)
        if by_name and name not in by_name:
            context.reader.tell(words.unlisted_distribution(key.value, by_name), key)
            continue
        own = _values(context, values, "provider", "[CPUExecutionProvider]", name)
        # The long form may name what a plug-in package brings.
        plain = [value for value in own if value.plain]
        runtimes = by_name.get(name, set())
        if runtimes <= set(defaults().providers):  # of other adapters no list is known
            _refuse_unknown(context, plain, name, runtimes)
        found.append((name, own))
    return Providers(per_distribution=tuple(found))


def _refuse_unknown(
    context: Context, values: Iterable[AxisValue], owner: str | None, runtimes: set[str]
) -> None:
    known = defaults()
    for value in values:
        if runtimes and not any(known.knows_provider(each, value.value) for each in runtimes):
            names = [
                name
                for runtime in sorted(runtimes)
                for name in known.providers.get(runtime, (known.other_provider,))
            ]
            context.reader.tell(words.unknown_provider(value.value, owner, names), value)
