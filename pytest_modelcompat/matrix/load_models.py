"""The models of a parity check."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.load_paths import libraries, model_paths
from pytest_modelcompat.matrix.load_producers import parse_producers
from pytest_modelcompat.matrix.load_rules import parse_matcher
from pytest_modelcompat.matrix.load_values import existing_path
from pytest_modelcompat.matrix.model import Data, Model
from pytest_modelcompat.matrix.tolerance import parse_tolerances
from pytest_modelcompat.matrix.yaml_nodes import MapNode, TextNode

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["REFERENCES", "parse_models"]

REFERENCES = ("producer", "onnx", "consensus", "none", "cell:ID")
_MODEL_KEYS = ("name", "path", "build", "producers", "data", "reference", "tolerance", "when",
               "libraries")  # fmt: skip
_DATA_KEYS = ("inputs", "outputs", "random", "seed", "dims")
_MODEL = "{name: net, path: models/net.onnx}"
_DATA = "{inputs: in.npz, outputs: out.npz}"
_BUILD = re.compile(r"(?P<file>[^\x00-\x1f]+\.py)::(?P<function>[A-Za-z_][A-Za-z0-9_]*)")
_MOST_SETS = 10_000
_MOST_SEED = 2**32 - 1
_MOST_DIM = 2**31 - 1


def parse_models(context: Context, node: Node | None) -> tuple[Model, ...]:
    """The list under `models`; names are distinct within it."""
    reader = context.reader
    models: dict[str, Model] = {}
    items = reader.items(node, "`models`", f"[{_MODEL}]")
    if node is not None and not items and not getattr(node, "items", (None,)):
        reader.tell(words.no_values("`models`"), node)
    for item in items:
        for model in _models(context, item):
            if model.name in models:
                first = models[model.name].line
                reader.tell(words.duplicate("The model", model.name, first), item)
            models.setdefault(model.name, model)
    return tuple(models.values())


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
    data = _data(context, fields.get("data"))
    return Model(
        name=name or "",
        libraries=libraries(context, fields.get("libraries")),
        build=_build(context, fields.get("build")),
        producers=parse_producers(context, fields.get("producers")),
        data=data,
        reference=_reference(context, fields.get("reference"), data, built="build" in fields),
        tolerance=parse_tolerances(reader, fields.get("tolerance")),
        when=parse_matcher(context, fields.get("when"), "`when`", allow_empty=True),
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


def _data(context: Context, node: Node | None) -> Data:
    """Files, a folder, or a recipe for random inputs; without any, one random set."""
    reader = context.reader
    if node is None:
        return Data(random=1)
    if isinstance(node, TextNode):
        folder = existing_path(context, node, "data folder")
        if folder and not (folder.is_dir() and any(folder.glob("test_data_set_*"))):
            reader.tell(check_words.no_data_sets(node.value), node)
        return Data(folder=folder)
    fields = reader.fields(node, "`data`", _DATA_KEYS, _DATA)
    given, made = {"inputs", "outputs"} & set(fields), {"random"} & set(fields)
    if given and made:
        reader.tell(check_words.random_and_inputs(), node)
    elif "outputs" in given and "inputs" not in given:
        reader.tell(check_words.outputs_without_inputs(), node)
    elif isinstance(node, MapNode) and not fields:
        reader.tell(words.missing_key("inputs", "`data`", _DATA), node)
    if not made:
        for key in ("seed", "dims"):
            if key in fields:
                reader.tell(check_words.random_only(key), fields[key])
    return Data(
        inputs=_npz(context, fields.get("inputs")),
        outputs=_npz(context, fields.get("outputs")),
        random=reader.integer(fields.get("random"), "`random`", 1, _MOST_SETS) or 0,
        seed=reader.integer(fields.get("seed"), "`seed`", 0, _MOST_SEED) or 0,
        dims=_dims(context, fields.get("dims")),
    )


def _npz(context: Context, node: Node | None) -> Path | None:
    path = existing_path(context, node, "data file")
    if path and not (path.is_file() and path.suffix == ".npz"):
        context.reader.tell(check_words.not_npz(getattr(node, "value", "")), node)
        return None
    return path


def _dims(context: Context, node: Node | None) -> tuple[tuple[str, int], ...]:
    reader = context.reader
    if node is None:
        return ()
    found = []
    for key, value in reader.entries(node, "`dims`", "{batch: 2}"):
        sentence = grammar.printable("A dimension", key.value)
        if sentence:
            reader.tell(sentence, key)
        size = reader.integer(value, f"The dimension {key.value[:60]}", 0, _MOST_DIM)
        if size is not None:
            found.append((key.value, size))
    return tuple(found)


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
