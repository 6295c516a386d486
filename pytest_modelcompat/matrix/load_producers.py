"""The producers of a built model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.limits import parse_limits
from pytest_modelcompat.matrix.load_values import parse_value
from pytest_modelcompat.matrix.model import Image, Producer
from pytest_modelcompat.matrix.yaml_nodes import MapNode

if TYPE_CHECKING:
    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["parse_producers", "requirements_of"]

_KEYS = ("framework", "export", "opset", "python", "packages", "image", "limits")
_PRODUCER = "{framework: torch==2.13.0, export: onnx-dynamo}"
_OPSET = re.compile(r"[1-9][0-9]{0,2}")


def parse_producers(context: Context, node: Node | None) -> tuple[Producer, ...]:
    """The list under `producers`; each setting stands there once."""
    reader = context.reader
    found: dict[Producer, int] = {}
    items = reader.items(node, "`producers`", f"[{_PRODUCER}]")
    if node is not None and not items and not getattr(node, "items", (None,)):
        reader.tell(words.no_values("`producers`"), node)
    for item in items:
        fields = reader.fields(item, "A producer", _KEYS, _PRODUCER)
        if not isinstance(item, MapNode):
            continue
        for key in ("framework", "export"):
            if key not in fields:
                reader.tell(words.missing_key(key, "A producer", _PRODUCER), item)
        framework = reader.text(fields.get("framework"), "A producer's framework", grammar.pin)
        known = (*defaults().exports, *context.exports)
        export = reader.choice(fields.get("export"), "`export`", known) or ""
        producer = Producer(
            framework="==".join(grammar.split_pin(framework)) if framework else "",
            export=export,
            needs=context.exports.get(export, ()),
            opset=reader.texts(fields.get("opset"), "`opset`", '["17"]', _opset),
            python=reader.text(fields.get("python"), "A producer's python", grammar.python),
            packages=reader.texts(
                fields.get("packages"), "`packages`", '["numpy<2"]', grammar.requirement
            ),
            image=_image(context, fields.get("image")),
            limits=parse_limits(reader, fields.get("limits"), defaults().export_limits),
        )
        if producer in found:
            reader.tell(words.duplicate("The producer", producer.export, found[producer]), item)
        found.setdefault(producer, item.line)
    return tuple(found)


def requirements_of(producer: Producer) -> tuple[str, ...]:
    """What a producer's environment must hold.

    Returns:
        The framework's pin first, then what the matrix names, then what the exporter and the
        framework's release need besides, unless the matrix names that distribution itself.
    """
    given = (producer.framework, *producer.packages)
    named = {canonicalize_name(Requirement(each).name) for each in given}
    pin = Requirement(producer.framework)
    version = next(iter(pin.specifier)).version
    needed = list(defaults().exports.get(producer.export, producer.needs))
    names = {canonicalize_name(Requirement(each).name) for each in needed}
    for framework, more in defaults().export_adjust.items():
        rule = Requirement(framework)
        same = canonicalize_name(rule.name) == canonicalize_name(pin.name)
        if same and rule.specifier.contains(version, prereleases=True):
            needed += [each for each in more if canonicalize_name(Requirement(each).name) in names]
    added = [each for each in needed if canonicalize_name(Requirement(each).name) not in named]
    return (*given, *dict.fromkeys(added))


def _image(context: Context, node: Node | None) -> Image:
    found = parse_value(context, node, "image") if node is not None else None
    return found.image if found is not None and found.image is not None else Image()


def _opset(text: str) -> Sentence | None:
    if _OPSET.fullmatch(text):
        return None
    return words.not_a_number("An opset", text, "an integer from 1 to 999")
