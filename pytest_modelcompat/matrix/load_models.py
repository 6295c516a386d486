"""The models of a parity check."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.load_data import parse_data
from pytest_modelcompat.matrix.load_paths import libraries, model_paths
from pytest_modelcompat.matrix.load_producers import parse_producers
from pytest_modelcompat.matrix.load_rules import parse_matcher
from pytest_modelcompat.matrix.load_values import existing_path
from pytest_modelcompat.matrix.load_variants import check_originals, parse_variant
from pytest_modelcompat.matrix.model import Model
from pytest_modelcompat.matrix.tolerance import parse_tolerances
from pytest_modelcompat.matrix.yaml_nodes import MapNode, TextNode

if TYPE_CHECKING:
    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.model import Data
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["REFERENCES", "parse_models"]

REFERENCES = ("producer", "onnx", "consensus", "none", "cell:ID")
_MODEL_KEYS = ("name", "path", "build", "producers", "data", "reference", "tolerance", "when",
               "libraries", "variant_of")  # fmt: skip
_MODEL = "{name: net, path: models/net.onnx}"
_BUILD = re.compile(r"(?P<file>[^\x00-\x1f]+\.py)::(?P<function>[A-Za-z_][A-Za-z0-9_]*)")


def parse_models(context: Context, node: Node | None) -> tuple[Model, ...]:
    """The list under `models`; names are distinct within it."""
    reader = context.reader
    models: dict[str, Model] = {}
    places: dict[str, Node] = {}
    items = reader.items(node, "`models`", f"[{_MODEL}]")
    if node is not None and not items and not getattr(node, "items", (None,)):
        reader.tell(words.no_values("`models`"), node)
    for item in items:
        for model in _models(context, item):
            if model.name in models:
                first = models[model.name].line
                reader.tell(words.duplicate("The model", model.name, first), item)
            elif model.variant_of is not None:
                places[model.name] = _place(item, "variant_of")
            models.setdefault(model.name, model)
    check_originals(reader, models, places)
    return tuple(models.values())


def _place(node: Node, name: str) -> Node:
    """The value of a key; the whole where it is no mapping that has it."""
    entries = node.entries if isinstance(node, MapNode) else ()
    return next((value for key, value in entries if key.value == name), node)


def _models(context: Context, node: Node) -> list[Model]:
    """One model, or one for each file that its path finds."""
    base = _model(context, node)
    if base is None or not isinstance(node, MapNode):
        return []
    path = next((value for key, value in node.entries if key.value == "path"), None)
    if path is None:
        return [base]
    return [
        replace(base, name=f"{base.name}{more}", path=found)
        for more, found in model_paths(context, path)
    ] or [base]


def _model(context: Context, node: Node) -> Model | None:
    reader = context.reader
    fields = reader.fields(node, "A model", _MODEL_KEYS, _MODEL)
    if not isinstance(node, MapNode):
        return None
    for missing in (["name"] if "name" not in fields else []) + (
        [] if {"path", "build", "producers"} & set(fields) else ["path"]
    ):
        reader.tell(words.missing_key(missing, "A model", _MODEL), node)
    name = reader.text(
        fields.get("name"), "A model's name", lambda text: grammar.name("A model's name", text)
    )
    if "path" in fields and {"build", "producers"} & set(fields):
        reader.tell(check_words.path_and_build(), node)
    elif ("build" in fields) != ("producers" in fields):
        missing = "build" if "producers" in fields else "producers"
        reader.tell(check_words.build_and_producers(missing), node)
    if "libraries" in fields and "path" not in fields:
        reader.tell(check_words.libraries_without_path(), fields["libraries"])
    files, modules = libraries(context, fields.get("libraries"))
    data = parse_data(context, fields.get("data"))
    return Model(
        name=name or "",
        libraries=files,
        library_modules=modules,
        build=_build(context, fields.get("build")),
        producers=parse_producers(context, fields.get("producers")),
        data=data,
        reference=_reference(context, fields.get("reference"), data, built="build" in fields),
        tolerance=parse_tolerances(reader, fields.get("tolerance")),
        when=parse_matcher(context, fields.get("when"), "`when`", allow_empty=True),
        variant_of=parse_variant(context, fields.get("variant_of")),
        line=node.line,
    )


def _build(context: Context, node: Node | None) -> str | None:
    """`models/net.py::build`, with the file made absolute."""

    def written(text: str) -> Sentence | None:
        return None if _BUILD.fullmatch(text) else check_words.bad_build(text)

    text = context.reader.text(node, "`build`", written)
    if text is None or node is None:
        return None
    parts = _BUILD.fullmatch(text)
    assert parts is not None
    file = existing_path(
        context, TextNode(parts["file"], node.line, node.column, plain=False), "build file"
    )
    return f"{file}::{parts['function']}" if file else None


def _reference(context: Context, node: Node | None, data: Data, *, built: bool) -> str | None:
    reader = context.reader

    def written(text: str) -> Sentence | None:
        if text in REFERENCES[:-1] or (text.startswith("cell:") and text[5:].strip()):
            return None
        return check_words.bad_reference(text, REFERENCES)

    text = reader.text(node, "`reference`", written)
    if text == "producer" and not built:
        reader.tell(check_words.producer_reference_without_build(), node)
    if text is not None and data.outputs is not None:
        reader.tell(check_words.reference_and_outputs(), node)
    return text
