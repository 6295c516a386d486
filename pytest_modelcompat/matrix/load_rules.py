"""The rules of a matrix: matchers, `exclude`, `include` and `adjust`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.declared import Adjust, AxisValue, Exclude, Include, Providers
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.limits import limit_changes
from pytest_modelcompat.matrix.load_values import parse_value
from pytest_modelcompat.matrix.match import check_pattern
from pytest_modelcompat.matrix.model import Matcher
from pytest_modelcompat.matrix.yaml_nodes import MapNode, TextNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_modelcompat.matrix.declared import Pairs
    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.yaml_nodes import Node, Place

__all__ = [
    "parse_adjust",
    "parse_exclude",
    "parse_include",
    "parse_matcher",
    "refuse_axes",
    "reuse_declared",
]

_MATCHER = '{framework: "onnxruntime<1.19"}'
_ADJUST_KEYS = ("match", "packages", "env", "options", "limits", "skip")


def parse_matcher(
    context: Context, node: Node | None, what: str, *, allow_empty: bool = False
) -> Matcher:
    """A mapping axis -> pattern or list of patterns."""
    if node is None:
        return Matcher()
    reader = context.reader
    patterns = []
    entries = reader.entries(node, what, _MATCHER)
    for key, value in entries:
        axis = key.value
        if axis not in context.axis_names:
            reader.tell(words.unknown_axis(axis, context.axis_names), key)
            continue
        found = reader.text_or_texts(
            value,
            f"The pattern of {axis}",
            lambda text, axis=axis: check_pattern(axis, text),  # type: ignore[misc]
        )
        if found:
            patterns.append((axis, found))
    if isinstance(node, MapNode) and not entries and not allow_empty:
        reader.tell(words.empty_matcher(what), node)
    return Matcher(patterns=tuple(patterns))


def parse_exclude(context: Context, node: Node | None) -> tuple[Exclude, ...]:
    """`exclude`: a list of matchers."""
    return tuple(
        Exclude(
            match=parse_matcher(context, item, "An exclude"),
            name=f"exclude[{position}] (line {item.line})",
            line=item.line,
            column=item.column,
        )
        for position, item in enumerate(
            context.reader.items(node, "`exclude`", '[{python: "3.12"}]')
        )
    )


def parse_include(
    context: Context, node: Node | None, frameworks: Iterable[AxisValue]
) -> tuple[Include, ...]:
    """`include`: a list of cells, as axis -> value.

    Args:
        context: of the loader.
        node: the list.
        frameworks: of the axis; another version of one of them has the same adapter.
    """
    adapters = {value.framework.distribution: value for value in frameworks if value.framework}
    reader = context.reader
    found = []
    example = '[{framework: "onnxruntime==1.31.1"}]'
    for position, item in enumerate(reader.items(node, "`include`", example)):
        values = []
        entries = reader.entries(item, "An include", example[1:-1])
        for key, value in entries:
            if key.value not in context.axis_names:
                reader.tell(words.unknown_axis(key.value, context.axis_names), key)
                continue
            parsed = _known_adapter(value, adapters) if key.value == "framework" else None
            parsed = parsed or parse_value(context, value, key.value)
            if parsed is not None:
                values.append(parsed)
        if isinstance(item, MapNode) and all(key.value != "framework" for key, _ in entries):
            reader.tell(words.missing_key("framework", "An include", example[1:-1]), item)
        found.append(
            Include(
                values=tuple(values),
                name=f"include[{position}] (line {item.line})",
                line=item.line,
                column=item.column,
            )
        )
    return tuple(found)


def _known_adapter(node: Node, adapters: Mapping[str, AxisValue]) -> AxisValue | None:
    """A plain `name==version` of a distribution whose adapter the axis names already."""
    if not isinstance(node, TextNode) or grammar.pin(node.value):
        return None
    name, version = grammar.split_pin(node.value)
    same = adapters.get(name)
    if same is None or same.framework is None:
        return None
    framework = replace(same.framework, version=version)
    text = str(framework)
    return AxisValue(
        axis="framework",
        value=text,
        id=text,
        framework=framework,
        line=node.line,
        column=node.column,
    )


def reuse_declared(
    context: Context,
    includes: Iterable[Include],
    axes: Mapping[str, tuple[AxisValue, ...]],
    providers: Providers,
) -> tuple[Include, ...]:
    """Give each included value the long form of the declared value that reads the same."""
    declared = {(value.axis, value.value): value for values in axes.values() for value in values}
    per_distribution = dict(providers.per_distribution)
    found = []
    for include in includes:
        values = []
        framework = next((each.framework for each in include.values if each.framework), None)
        own = per_distribution.get(framework.distribution, ()) if framework else ()
        offered = {value.value: value for value in (*providers.flat, *own)}
        for value in include.values:
            same = declared.get((value.axis, value.value))
            if value.axis == "provider":
                same = offered.get(value.value)
                if framework and same is None:
                    _refuse_provider(context, value, framework.distribution, framework.runtime)
            if same is not None and value.plain:
                value = replace(same, line=value.line, column=value.column)  # noqa: PLW2901
            values.append(value)
        found.append(replace(include, values=tuple(values)))
    return tuple(found)


def _refuse_provider(context: Context, value: AxisValue, distribution: str, runtime: str) -> None:
    known = defaults()
    if runtime in known.providers and not known.knows_provider(runtime, value.value):
        sentence = words.unknown_provider(value.value, distribution, known.providers[runtime])
        context.reader.tell(sentence, value)


def parse_adjust(context: Context, node: Node | None) -> tuple[Adjust, ...]:
    """`adjust`: what changes where `match` holds, in order."""
    reader = context.reader
    found = []
    example = '[{match: {framework: "onnxruntime<1.19"}, packages: ["numpy<2"]}]'
    for position, item in enumerate(reader.items(node, "`adjust`", example)):
        refused = False
        if isinstance(item, MapNode):
            kept = tuple(each for each in item.entries if each[0].value not in context.axis_names)
            refused = len(kept) < len(item.entries)
            for key, _ in item.entries:
                if key.value in context.axis_names:
                    reader.tell(words.adjust_sets_axis(key.value), key)
            item = MapNode(kept, item.line, item.column)  # noqa: PLW2901 - said once is enough
        fields = reader.fields(item, "An adjust", _ADJUST_KEYS, example[1:-1])
        if isinstance(item, MapNode) and "match" not in fields:
            reader.tell(words.missing_key("match", "An adjust", example[1:-1]), item)
        if not refused and fields and not set(fields) - {"match"}:
            reader.tell(words.adjust_does_nothing(), item)
        adjust = Adjust(
            match=parse_matcher(context, fields.get("match"), "`match`"),
            name=f"adjust[{position}] (line {item.line})",
            line=item.line,
            column=item.column,
            packages=reader.texts(
                fields.get("packages"), "`packages`", '["numpy<2"]', grammar.requirement
            ),
            env=reader.settings(fields.get("env"), "`env`", grammar.env_name, "{NAME: value}"),
            options=reader.settings(
                fields.get("options"), "`options`", grammar.option_name, "{name: value}"
            ),
            limits=limit_changes(reader, fields.get("limits")),
            skip=reader.text(
                fields.get("skip"), "`skip`", lambda text: grammar.printable("`skip`", text)
            ),
        )
        refuse_axes(context, adjust.env, adjust.options, adjust)
        found.append(adjust)
    return tuple(found)


def refuse_axes(context: Context, env: Pairs, options: Pairs, at: Place) -> None:
    """A setting that is an axis of this matrix can be set by that axis only."""
    for group, pairs in (("env", env), ("options", options)):
        for name, _ in pairs:
            if f"{group}.{name}" in context.axis_names:
                context.reader.tell(words.adjust_sets_axis(f"{group}.{name}"), at)
