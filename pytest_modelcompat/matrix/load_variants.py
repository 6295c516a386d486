"""What a model says about the model that it is a variant of.

Names can be held against each other only when the whole list is known, so a model is read first and
its original looked for afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.matrix.model import VariantOf
from pytest_modelcompat.matrix.tolerance import parse_tolerances
from pytest_modelcompat.matrix.yaml_nodes import MapNode, TextNode, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.model import CheckEntry, Model
    from pytest_modelcompat.matrix.reading import Reader
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["check_originals", "check_same", "parse_variant"]

_KEYS = ("model", "accuracy_loss", "top1", "tolerance")
_EXAMPLE = "{model: net, accuracy_loss: 0.01}"


def parse_variant(context: Context, node: Node | None) -> VariantOf | None:
    """`variant_of: NAME`, or the long form with limits."""
    reader = context.reader
    if node is None:
        return None
    if isinstance(node, TextNode):
        name = reader.text(node, "`variant_of`")
        return None if name is None else VariantOf(model=name)
    fields = reader.fields(node, "`variant_of`", _KEYS, _EXAMPLE)
    if "model" not in fields and isinstance(node, MapNode):
        reader.tell(words.missing_key("model", "`variant_of`", _EXAMPLE), node)
    name = reader.text(fields.get("model"), "The original's name")
    limits = {key: _share(reader, fields[key], key) for key in _KEYS[1:3] if key in fields}
    tolerance = parse_tolerances(reader, fields.get("tolerance"))
    return None if name is None else VariantOf(model=name, tolerance=tolerance, **limits)


def _share(reader: Reader, node: Node, key: str) -> float | None:
    number = reader.number(node, f"`{key}`")
    if number is not None and number > 1:
        text = getattr(node, "value", "")
        reader.tell(words.not_a_number(f"`{key}`", text, "a share from 0 to 1"), node)
        return None
    return number


def check_originals(
    reader: Reader, models: Mapping[str, Model], places: Mapping[str, Node]
) -> None:
    """Tell every `variant_of` that cannot be meant.

    Args:
        reader: told of problems.
        models: of one list, by name.
        places: name -> where its model says what it is a variant of.
    """
    for name, place in places.items():
        variant = models[name].variant_of
        if variant is None:
            continue
        original = models.get(variant.model)
        if variant.model == name:
            reader.tell(check_words.variant_of_itself(), place)
        elif original is None:
            others = [other for other in models if other != name]
            reader.tell(check_words.unknown_original(variant.model, others), place)
        elif original.variant_of is not None:
            told = check_words.variant_of_variant(variant.model, original.variant_of.model)
            reader.tell(told, place)
        elif variant.accuracy_loss is not None:
            for each in (models[name], original):
                # A build function may give labels itself; whether it does is seen when it runs.
                if each.data.labels is None and (each.build is None or each.data.inputs):
                    reader.tell(check_words.accuracy_without_labels(each.name), place)


def check_same(context: Context, entries: Iterable[CheckEntry]) -> None:
    """Tell names that are variants of different models in different entries of one matrix."""
    known: dict[str, Model] = {}
    for entry in entries:
        for model in entry.models:
            first = known.setdefault(model.name, model)
            if first.variant_of != model.variant_of:
                told = check_words.two_originals(model.name, first.line)
                context.reader.tell(told, Unusable(model.line, 0))
