"""The data of a model: where they come from, and in how many calls the model gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.load_values import existing_path
from pytest_modelcompat.matrix.model import Calls, Data
from pytest_modelcompat.matrix.yaml_nodes import ListNode, MapNode, TextNode

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["parse_data"]

_KEYS = ("inputs", "outputs", "labels", "folder", "random", "seed", "dims", "batch", "sequence")
_SOURCES = ("inputs", "folder", "random")
_EXAMPLE = "{inputs: in.npz, outputs: out.npz}"
_BATCH_KEYS = ("size", "axis", "axes")
_BATCH = "{size: [1, 4], axes: {hidden: 1}}"
_SEQUENCE_KEYS = ("step", "axis", "axes", "state")
_SEQUENCE = "{step: [1], axis: 1, state: {hidden_in: hidden_out}}"
_WHOLE = "whole"
_MOST_SETS = 10_000
_MOST_SEED = 2**32 - 1
_MOST_DIM = 2**31 - 1
_MOST_AXIS = 63


def parse_data(context: Context, node: Node | None) -> Data:
    """Files, a folder, or a recipe for random inputs; without any, one random set."""
    reader = context.reader
    if node is None:
        return Data(random=1)
    if isinstance(node, TextNode):
        return Data(folder=_folder(context, node))
    fields = reader.fields(node, "`data`", _KEYS, _EXAMPLE)
    sources = [key for key in _SOURCES if key in fields]
    if len(sources) > 1:
        reader.tell(check_words.two_sources(*sources[:2]), node)
    elif "outputs" in fields and "inputs" not in fields:
        reader.tell(check_words.outputs_without_inputs(), node)
    elif "labels" in fields and "inputs" not in fields:
        reader.tell(check_words.labels_without_inputs(), fields["labels"])
    elif isinstance(node, MapNode) and not fields:
        reader.tell(words.missing_key("inputs", "`data`", _EXAMPLE), node)
    if "random" not in fields:
        for key in ("seed", "dims"):
            if key in fields:
                reader.tell(check_words.random_only(key), fields[key])
    made = reader.integer(fields.get("random"), "`random`", 1, _MOST_SETS)
    return Data(
        inputs=_npz(context, fields.get("inputs")),
        outputs=_npz(context, fields.get("outputs")),
        labels=_npz(context, fields.get("labels")),
        folder=_folder(context, fields.get("folder")),
        random=made or (0 if sources else 1),
        seed=reader.integer(fields.get("seed"), "`seed`", 0, _MOST_SEED) or 0,
        dims=_sizes(context, fields.get("dims")),
        calls=(*_batches(context, fields.get("batch")), *_steps(context, fields.get("sequence"))),
    )


def _folder(context: Context, node: Node | None) -> Path | None:
    folder = existing_path(context, node, "data folder")
    if folder and not (folder.is_dir() and any(folder.glob("test_data_set_*"))):
        context.reader.tell(check_words.no_data_sets(getattr(node, "value", "")), node)
    return folder


def _npz(context: Context, node: Node | None) -> Path | None:
    path = existing_path(context, node, "data file")
    if path and not (path.is_file() and path.suffix == ".npz"):
        context.reader.tell(check_words.not_npz(getattr(node, "value", "")), node)
        return None
    return path


def _sizes(context: Context, node: Node | None) -> tuple[tuple[str, int], ...]:
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


def _batches(context: Context, node: Node | None) -> list[Calls]:
    """`[1, 4]`, or the long form with axes of their own."""
    reader = context.reader
    if node is None:
        return []
    if isinstance(node, (ListNode, TextNode)):
        fields: dict[str, Node] = {"size": node}
    else:
        fields = reader.fields(node, "`batch`", _BATCH_KEYS, _BATCH)
    if "size" not in fields:
        reader.tell(words.missing_key("size", "`batch`", _BATCH), node)
    axis = reader.integer(fields.get("axis"), "`axis`", 0, _MOST_AXIS) or 0
    axes = _axes(context, fields.get("axes"))
    return [
        Calls(kind="batch", size=size, axis=axis, axes=axes)
        for size in _counts(context, fields.get("size"), "`batch`")
    ]


def _steps(context: Context, node: Node | None) -> list[Calls]:
    """The axis has no default: cut along the wrong one, a model may well be right."""
    reader = context.reader
    if node is None:
        return []
    fields = reader.fields(node, "`sequence`", _SEQUENCE_KEYS, _SEQUENCE)
    for missing in ("step", "axis"):
        if isinstance(node, MapNode) and missing not in fields:
            reader.tell(words.missing_key(missing, "`sequence`", _SEQUENCE), node)
    axis = reader.integer(fields.get("axis"), "`axis`", 0, _MOST_AXIS) or 0
    axes = _axes(context, fields.get("axes"))
    state = []
    if "state" in fields:
        example = "{hidden_in: hidden_out}"
        for key, value in reader.entries(fields["state"], "`state`", example):
            output = reader.text(value, f"The state {key.value[:60]}")
            if output is not None:
                state.append((key.value, output))
    return [
        Calls(kind="step", size=size, axis=axis, axes=axes, state=tuple(state))
        for size in _counts(context, fields.get("step"), "`step`")
    ]


def _counts(context: Context, node: Node | None, what: str) -> list[int]:
    """One count, or a list of distinct ones."""
    reader = context.reader
    items = node.items if isinstance(node, ListNode) else () if node is None else (node,)
    if isinstance(node, ListNode) and not items:
        reader.tell(words.no_values(what), node)
    found: dict[int, int] = {}
    for item in items:
        count = reader.integer(item, what, 1, _MOST_DIM)
        if count in found:
            reader.tell(words.duplicate(f"In {what},", str(count), found[count]), item)
        elif count is not None:
            found[count] = item.line
    return list(found)


def _axes(context: Context, node: Node | None) -> tuple[tuple[str, int | None], ...]:
    reader = context.reader
    if node is None:
        return ()
    found: list[tuple[str, int | None]] = []
    for key, value in reader.entries(node, "`axes`", "{hidden: 1, threshold: whole}"):
        if isinstance(value, TextNode) and value.value == _WHOLE:
            found.append((key.value, None))
            continue
        axis = reader.integer(value, f"The axis of {key.value[:60]}", 0, _MOST_AXIS)
        if axis is not None:
            found.append((key.value, axis))
    return tuple(found)
