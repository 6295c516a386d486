"""Objects of the API as YAML that means the same to every reader of YAML.

Readers differ in what they take for a number, a truth value or a time. Only words that are none of
these to anyone are written without quotes; text of several lines is written as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HEAD", "manifests_text"]

HEAD = "# Written by `modelcompat kubernetes`"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_TAKEN = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"})
_WIDE = 10**9  # nothing is folded


class _Dumper(yaml.SafeDumper):
    """Our own representer of text; no anchors for what is equal."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(data) and data.lower() not in _TAKEN
    style = "|" if "\n" in data else (None if plain else "'")
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def manifests_text(title: str, objects: Sequence[dict[str, Any]]) -> str:
    """A file of objects, one document each.

    Args:
        title: a line about what the file is for.
        objects: in their order.
    """
    pieces = [
        yaml.dump(
            each, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDE,
            default_flow_style=False,
        )
        for each in objects
    ]  # fmt: skip
    return f"{HEAD}: {title}\n---\n" + "---\n".join(pieces)
