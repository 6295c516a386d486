"""Version ranges on the framework axis: `latest`, and `{from: "1.15", every: minor}`.

A range stands for exact versions before anything else looks at the axis. Which versions there are
is asked of whoever loads the matrix; nothing here knows an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_modelcompat.errors import places as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.yaml_nodes import MapNode, TextNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.reading import Reader
    from pytest_modelcompat.matrix.yaml_nodes import Node

    # distribution, last day or None -> its versions, in any order
    Releases = Callable[[str, str | None], Sequence[str]]

__all__ = ["KEYS", "LATEST", "is_range", "pick", "spelled_out"]

LATEST = "latest"
KEYS = ("from", "to", "every", "pre")
_STEPS = {"release": 0, "minor": 2, "major": 1}  # parts of a version that make a group; 0: all


def is_range(node: Node) -> bool:
    """Whether a value of the framework axis stands for versions that must be looked up."""
    if isinstance(node, TextNode):
        return node.value == LATEST
    return isinstance(node, MapNode) and any(
        key.value in KEYS or (key.value == "value" and getattr(value, "value", "") == LATEST)
        for key, value in node.entries
    )


def spelled_out(
    reader: Reader,
    node: Node,
    distribution: str,
    *,
    releases: Releases | None,
    exclude_newer: str | None,
) -> tuple[list[Node], str]:
    """A range as values with one exact version each, and a note of what it became.

    Args:
        reader: tells problems.
        node: for which `is_range` holds.
        distribution: whose versions.
        releases: looks them up; None where nobody does.
        exclude_newer: the last day that counts.
    """
    entries = node.entries if isinstance(node, MapNode) else ()
    fields = {key.value: value for key, value in entries}
    asked = {name: reader.text(fields.get(name), f"`{name}`") for name in ("from", "to")}
    wrong = [name for name, text in asked.items() if text is not None and _bad(text)]
    for name in wrong:
        reader.tell(words.bad_bound(name, str(asked[name])), fields[name])
    every = reader.choice(fields.get("every"), "`every`", tuple(_STEPS))
    pre = reader.choice(fields.get("pre"), "`pre`", ("true", "false"))
    latest = getattr(fields.get("value", node), "value", "") == LATEST
    problem: Sentence | None = None
    if latest and any(name in fields for name in ("from", "to", "every")):
        problem = words.latest_with_bounds()
    elif not latest and "value" in fields:
        problem = words.value_with_bounds()
    elif not latest and "from" not in fields:
        problem = words.range_without_from()
    elif releases is None:
        problem = words.nobody_looks_up()
    if problem or wrong or any(name in fields and not asked[name] for name in asked):
        if problem:
            reader.tell(problem, node)
        return [], ""
    assert releases is not None
    there = releases(distribution, exclude_newer)
    found = pick(
        there, low=asked["from"], high=asked["to"], every=every or "minor", pre=pre == "true",
        latest=latest,
    )  # fmt: skip
    text = LATEST if latest else " ".join(f"{k} {v}" for k, v in asked.items() if v)
    text += f" every {every or 'minor'}" if not latest else ""
    text += " with pre-releases" if pre == "true" else ""
    if not found:
        newest = max(map(Version, there), default=None)
        reader.tell(words.empty_range(distribution, text, str(newest) if newest else ""), node)
        return [], ""
    kept = tuple(each for each in entries if each[0].value not in (*KEYS, "value"))
    values: list[Node] = []
    for version in found:
        exact = TextNode(version, node.line, node.column)
        key = TextNode("value", node.line, node.column)
        values.append(MapNode(((key, exact), *kept), node.line, node.column) if kept else exact)
    return values, f"{distribution} {text} is {', '.join(found)}"


def _bad(text: str) -> bool:
    return grammar.version(text) is not None


def pick(
    there: Iterable[str],
    *,
    low: str | None = None,
    high: str | None = None,
    every: str = "minor",
    pre: bool = False,
    latest: bool = False,
) -> list[str]:
    """The versions that a range means, oldest first.

    Args:
        there: all that the index has.
        low: the first that counts.
        high: the last one; `1.20` counts all of 1.20.
        every: "minor" or "major" takes the newest of each, "release" all.
        pre: whether pre-releases count.
        latest: only the newest one.
    """
    versions = {
        version: text for text in there if (version := Version(text)) and _counts(version, pre=pre)
    }
    if low is not None:
        versions = {v: text for v, text in versions.items() if v >= Version(low)}
    if high is not None:
        last = Version(high)
        length = len(last.release)
        versions = {
            v: text
            for v, text in versions.items()
            if v <= last or (not last.is_prerelease and _parts(v, length) <= _parts(last, length))
        }
    if latest:
        return [versions[max(versions)]] if versions else []
    groups: Mapping[object, Version] = {
        (v.epoch, _parts(v, _STEPS[every])) if _STEPS[every] else v: v for v in sorted(versions)
    }
    return [versions[version] for version in sorted(groups.values())]


def _counts(version: Version, *, pre: bool) -> bool:
    return version.local is None and (pre or not (version.is_prerelease or version.is_devrelease))


def _parts(version: Version, length: int) -> tuple[int, ...]:
    return (*version.release, *([0] * length))[:length]
