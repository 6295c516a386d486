"""The `checks` of a matrix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.load_models import parse_models
from pytest_modelcompat.matrix.load_rules import parse_matcher
from pytest_modelcompat.matrix.load_variants import check_same
from pytest_modelcompat.matrix.model import CheckEntry
from pytest_modelcompat.matrix.tolerance import parse_tolerances
from pytest_modelcompat.matrix.yaml_nodes import ListNode, MapNode, is_null

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["parse_checks"]

_EXAMPLE = '{op_support: {corpus: ["onnx==1.22.0"]}}'
_MAX_REPEATS = 10_000
_UNIT = re.compile(r"[\w.*?\[\]!+-]+(::[\w.*?\[\]!+-]+)?")


def parse_checks(context: Context, node: Node | None) -> tuple[CheckEntry, ...]:
    """Every entry of every check, in the file's order."""
    if node is None:
        return ()
    parsers: dict[str, Callable[[Context, Node], CheckEntry]] = {
        "op_support": _op_support,
        "parity": _parity,
    }
    reader = context.reader
    known = tuple(dict.fromkeys((*parsers, *context.checks)))
    entries = []
    if isinstance(node, MapNode) and not node.entries:
        reader.tell(words.no_values("`checks`"), node)
    for key, value in reader.entries(node, "`checks`", _EXAMPLE):
        name = key.value
        if name not in known:
            reader.tell(words.unknown_key(name, "`checks`", known), key)
            continue
        if isinstance(value, ListNode) and not value.items:
            reader.tell(words.no_values(f"The check {name}"), value)
        for item in value.items if isinstance(value, ListNode) else (value,):
            if name in parsers:
                entries.append(parsers[name](context, item))
            else:
                entries.append(_other(context, item, name))
    check_same(context, entries)
    return tuple(entries)


def _op_support(context: Context, node: Node) -> CheckEntry:
    reader = context.reader
    keys = ("when", "tolerance", "corpus", "match")
    # `op_support:` alone asks for everything, so nothing after the colon is fine here.
    fields = (
        {}
        if is_null(node)
        else reader.fields(node, "The check op_support", keys, '{corpus: ["onnx==1.22.0"]}')
    )
    if isinstance(fields.get("corpus"), ListNode) and not fields["corpus"].items:  # type: ignore[union-attr]
        reader.tell(words.no_values("`corpus`"), fields["corpus"])
    corpus = reader.texts(fields.get("corpus"), "`corpus`", '["onnx==1.22.0"]', grammar.corpus)
    return CheckEntry(
        check="op_support",
        when=parse_matcher(context, fields.get("when"), "`when`", allow_empty=True),
        tolerance=parse_tolerances(reader, fields.get("tolerance")),
        corpus=tuple("==".join(grammar.split_pin(each)) for each in corpus) or defaults().corpus,
        match=reader.texts(fields.get("match"), "`match`", '["Conv", "test_relu*"]', _unit),
        line=node.line,
    )


def _unit(text: str) -> Sentence | None:
    if _UNIT.fullmatch(text):
        return None
    return words.bad_pattern("operators and cases", text, "`Conv`, `ai.onnx.ml::*` or `test_relu*`")


def _parity(context: Context, node: Node) -> CheckEntry:
    reader = context.reader
    keys = ("when", "tolerance", "repeats", "models")
    example = "{models: [{name: net, path: models/net.onnx}]}"
    fields = reader.fields(node, "The check parity", keys, example)
    if isinstance(node, MapNode) and "models" not in fields:
        reader.tell(words.missing_key("models", "The check parity", example), node)
    return CheckEntry(
        check="parity",
        when=parse_matcher(context, fields.get("when"), "`when`", allow_empty=True),
        tolerance=parse_tolerances(reader, fields.get("tolerance")),
        repeats=reader.integer(fields.get("repeats"), "`repeats`", 1, _MAX_REPEATS) or 1,
        models=parse_models(context, fields.get("models")),
        line=node.line,
    )


def _other(context: Context, node: Node, name: str) -> CheckEntry:
    """A check of a plugin: `when` and `tolerance` are ours, the rest is its own, as text."""
    reader = context.reader
    entries = () if is_null(node) else reader.entries(node, f"The check {name}", "{key: value}")
    own = []
    fields = {}
    for key, value in entries:
        if key.value in {"when", "tolerance"}:
            fields[key.value] = value
        else:
            text = reader.value(value, f"`{key.value}`")
            if text is not None:
                own.append((key.value, text))
    return CheckEntry(
        check=name,
        when=parse_matcher(context, fields.get("when"), "`when`", allow_empty=True),
        tolerance=parse_tolerances(reader, fields.get("tolerance")),
        settings=tuple(own),
        line=node.line,
    )
