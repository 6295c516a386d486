"""Values of axes: a plain text, or the long form `{id, value, packages, env, options, ...}`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pytest_modelcompat.errors import grammar as grammar_words
from pytest_modelcompat.errors import matrix as words
from pytest_modelcompat.errors import places as place_words
from pytest_modelcompat.errors import yaml_file as file_words
from pytest_modelcompat.matrix import grammar, images
from pytest_modelcompat.matrix.declared import AxisValue
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.model import Framework, Image, ImageKind
from pytest_modelcompat.matrix.yaml_nodes import MapNode
from pytest_modelcompat.paths import on_disk

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.ranges import Releases
    from pytest_modelcompat.matrix.reading import Reader
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["Context", "existing_path", "parse_value"]

_COMMON = ("id", "value", "packages", "env", "options")
_FRAMEWORK_KEYS = (*_COMMON, "runtime", "module")
# Kind of environment -> the setting that names its file, and what that is called by default.
_DECLARED_IN = {
    "nox": ("noxfile", ("noxfile.py",)),
    "tox": ("config", ("tox.ini", "tox.toml", "pyproject.toml")),
}
_SETTING_GRAMMARS: Mapping[str, Callable[[str], Sentence | None]] = {
    "python": grammar.python_there,
    "folder": grammar.folder_there,
    "port": grammar.port,
    "install_there": grammar.install_there,
}
_IMAGE_GRAMMARS: Mapping[str, Callable[[str], Sentence | None]] = {
    "host": partial(grammar.word, "A host environment"),
    "current": partial(grammar.word, "An environment"),
    "python": grammar.interpreter,
    "nox": grammar.session,
    "tox": grammar.tox_environment,
    "ssh": grammar.remote,
}
_EXAMPLE = '{value: "1.20.1", packages: ["numpy<2"]}'


@dataclass(frozen=True, kw_only=True)
class Context:
    """What every part of the loader needs.

    Attributes:
        reader: takes values out of nodes and tells problems.
        folder: of the matrix; relative paths start there.
        axis_names: every axis of the matrix, for matchers.
        checks, runtimes: names that plugins added.
        kinds: kinds of environments that plugins added, and their settings.
        exports: exporters that plugins added, and what each needs.
        releases: distribution, last day or None -> its versions; None where nobody may be asked.
        exclude_newer: of the matrix.
        notes: what readers of the plan should know, filled while loading.
        files: read besides the matrix itself, filled while loading.
    """

    reader: Reader
    folder: Path
    axis_names: tuple[str, ...] = ()
    checks: Collection[str] = ()
    runtimes: Collection[str] = ()
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    releases: Releases | None = None
    exclude_newer: str | None = None
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def image_settings(self) -> dict[str, Mapping[str, str]]:
        """Kind of image -> the settings of its long form."""
        return {**self.kinds, **defaults().image_settings}


def existing_path(context: Context, node: Node | None, what: str) -> Path | None:
    """A file or folder that is there, made absolute; anything else is a problem."""
    text = context.reader.text(
        node, what, lambda text: grammar.printable(f"The path of a {what}", text)
    )
    if text is None:
        return None
    path = context.folder / on_disk(text)
    try:
        if path.is_file() or path.is_dir():
            return type(path)(os.path.normpath(path))
        there = path.exists()
    except OSError:  # a name that is too long, a loop of links
        there = False
    context.reader.tell(
        file_words.not_a_file() if there else file_words.no_such_file(what, text), node
    )
    return None


def parse_value(
    context: Context, node: Node, axis: str, *, distribution: str | None = None
) -> AxisValue | None:
    """One value of an axis.

    Args:
        context: of the loader.
        node: text or mapping.
        axis: its name outside the file.
        distribution: for a framework: the key it stands under; None where the value itself is
            `name==version` (in `include`).
    """
    reader = context.reader
    fields: Mapping[str, Node] = {}
    value_node: Node | None = node
    if isinstance(node, MapNode):
        fields = reader.fields(
            node, f"A value of {axis}", _known_keys(context, axis, node), _EXAMPLE
        )
        value_node = fields.get("value") or fields.get("image")
        if value_node is None and "dockerfile" in fields:
            value_node = fields.get("id") or fields["dockerfile"]
        if value_node is None:
            reader.tell(words.missing_key("value", f"A value of {axis}", _EXAMPLE), node)
            return None
    kind = _image_kind(context, fields) if axis == "image" else None
    built = axis == "image" and "dockerfile" in fields
    if axis.startswith(("env.", "options.")):
        text = reader.value(value_node, axis)  # type: ignore[arg-type]
    else:
        text = reader.text(
            value_node,
            f"A value of {axis}",
            lambda text: (
                grammar.printable("An image", text)
                if built
                else _check(axis, text, distribution=distribution, kind=kind)
            ),
        )
    if text is None:
        return None
    framework = image = None
    if axis == "framework":
        framework = _framework(context, node, fields, text, distribution)
        if framework is None:
            return None
        text = str(framework)
    elif axis == "image":
        image = _image(context, fields, text, kind)
    id_ = reader.text(fields.get("id"), "An id", lambda text: grammar.word("An id", text))
    return AxisValue(
        axis=axis,
        value=text,
        id=id_ or text,
        packages=reader.texts(
            fields.get("packages"), "`packages`", '["numpy<2"]', grammar.requirement
        ),
        env=reader.settings(fields.get("env"), "`env`", grammar.env_name, "{NAME: value}"),
        options=reader.settings(
            fields.get("options"), "`options`", grammar.option_name, "{name: value}"
        ),
        framework=framework,
        image=image,
        plain=not isinstance(node, MapNode),
        line=node.line,
        column=node.column,
    )


def _known_keys(context: Context, axis: str, node: MapNode) -> tuple[str, ...]:
    if axis == "framework":
        return _FRAMEWORK_KEYS
    if axis != "image":
        return _COMMON
    kinds = [getattr(value, "value", "") for key, value in node.entries if key.value == "kind"]
    own = context.image_settings.get(kinds[0] if kinds else "docker", {})
    return (*_COMMON, "kind", *own)


def _check(axis: str, text: str, *, distribution: str | None, kind: str | None) -> Sentence | None:
    """The grammar of an axis' plain values."""
    if axis == "framework":
        return grammar.pin(text) if distribution is None else grammar.version_or_installed(text)
    if axis == "python":
        return grammar.python(text)
    if axis == "provider":
        return grammar.provider(text)
    if axis == "image":
        return _check_image(text, kind)
    return grammar.version(text)


def _check_image(text: str, kind: str | None) -> Sentence | None:
    odd = grammar.printable("An image", text)
    if odd or (kind is None and text in {"host", "current"}):
        return odd
    if kind is not None and kind not in defaults().image_settings:  # of another plugin
        return grammar_words.option_like("An image", text) if text.startswith("-") else None
    check = _IMAGE_GRAMMARS.get(kind or "docker", grammar.image_reference)
    return check(text.replace("{python}", "3.0") if kind in _DECLARED_IN else text)


def _framework(
    context: Context,
    node: Node,
    fields: Mapping[str, Node],
    text: str,
    distribution: str | None,
) -> Framework | None:
    reader = context.reader
    known = defaults()
    name, version = grammar.split_pin(text) if distribution is None else (distribution, text)
    runtimes = sorted({*known.distributions.values(), *known.providers, *context.runtimes})
    runtime = known.distributions.get(name)
    if "runtime" in fields:
        runtime = reader.choice(fields["runtime"], "`runtime`", runtimes)
        if runtime is None:
            return None
    if runtime is None:
        reader.tell(words.unknown_framework(name, known.distributions), node)
        return None
    module = reader.text(fields.get("module"), "`module`", grammar.module)
    if (runtime == "backend") != ("module" in fields):
        wrong = words.module_without_backend if module else words.backend_without_module
        reader.tell(wrong(), fields.get("module", node))
    return Framework(distribution=name, version=version, runtime=runtime, module=module)


def _image_kind(context: Context, fields: Mapping[str, Node]) -> str | None:
    kinds = tuple(context.image_settings)
    return context.reader.choice(fields.get("kind"), "`kind`", kinds)


def _image(context: Context, fields: Mapping[str, Node], text: str, kind: str | None) -> Image:
    named = any(key in fields for key in images.NAMING)
    kind = kind or (text if text in {"host", "current"} and not named else "docker")
    if kind == "docker" and (wrong := images.build_problem(fields)):
        context.reader.tell(wrong[0], fields[wrong[1]])
    settings: list[tuple[str, str]] = []
    if kind in _DECLARED_IN:
        settings += _declaration(context, fields, kind)
    if kind == "python" and not os.path.isabs(text):  # noqa: PTH117 - a text, not a path yet
        settings.append(("path", os.path.normpath(context.folder / Path(text).expanduser())))
    for name, form in context.image_settings[kind].items():
        if name not in fields or form == "reference":
            continue
        if kind == "docker" and form != "path":
            settings += images.container_setting(
                context.reader, context.folder, name, form, fields[name]
            )
            continue
        if form == "path":
            path = existing_path(context, fields[name], f"{name} of an image")
            found = str(path) if path else None
        else:
            check = _SETTING_GRAMMARS.get(form, _plain_setting)
            found = context.reader.text(fields[name], f"`{name}`", check)
        if found is not None:
            settings.append((name, found))
    return Image(kind=cast("ImageKind", kind), value=text, settings=tuple(settings))


def _declaration(context: Context, fields: Mapping[str, Node], kind: str) -> list[tuple[str, str]]:
    """The file of an environment of the user's own, where the matrix does not name one."""
    setting, names = _DECLARED_IN[kind]
    if setting in fields:
        return []
    for folder in (context.folder, context.folder.parent):
        for name in names:
            if (folder / name).is_file():
                return [(setting, os.path.normpath(folder / name))]
    context.reader.tell(place_words.needs_setting(kind, setting, names[0]), fields["kind"])
    return []


def _plain_setting(text: str) -> Sentence | None:
    if text.startswith("-"):
        return grammar_words.option_like("A setting", text)
    return grammar.printable("A setting", text)
