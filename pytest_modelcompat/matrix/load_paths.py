"""The files that a model's `path` means: one, or as many as a pattern finds."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.load_values import existing_path
from pytest_modelcompat.matrix.mlflow import MLMODEL, model_within
from pytest_modelcompat.matrix.yaml_nodes import TextNode
from pytest_modelcompat.paths import on_disk, text_of

if TYPE_CHECKING:
    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["libraries", "model_paths"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PATTERN = re.compile(r"[*?\[]")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MODULE = "module:"
_MOST = 1000  # files of one pattern

# Formats that no runtime reads from a folder. Others stay open: old releases of Keras wrote folders
# that end in .keras, and a runtime of a plugin may have a format of its own.
_FILES = frozenset({
    ".engine", ".h5", ".jit", ".joblib", ".json", ".lgb", ".onnx", ".ort", ".param", ".pickle",
    ".pkl", ".plan", ".prototxt", ".pt", ".pt2", ".pth", ".ptl", ".skops", ".so", ".tflite", ".ubj",
    ".xml",
})  # fmt: skip
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")  # a folder by whatever name


def model_paths(context: Context, node: Node | None) -> list[tuple[str, Path]]:
    """(what to add to the model's name, path) of each model; empty where something is wrong.

    `${NAME}` is an environment variable of the process that reads the matrix. A pattern (`*`, `?`,
    `[...]`, `**`) means each file that it finds, in order; what it matched is added to the name.
    """
    text = context.reader.text(
        node, "model", lambda text: grammar.printable("The path of a model", text)
    )
    if text is None or node is None:
        return []
    unset = [name for name in _VARIABLE.findall(text) if not os.environ.get(name)]
    if unset:
        context.reader.tell(check_words.unset_variable(unset[0]), node)
        return []
    text = _VARIABLE.sub(lambda found: os.environ[found.group(1)], text)
    exact = context.folder / on_disk(text)
    if not _PATTERN.search(text) or os.path.lexists(exact):
        path = existing_path(context, _with(node, text), "model")
        return [] if path is None else _fitting(context, node, [("", path)])
    found = _found(context, text)
    if not found:
        context.reader.tell(check_words.pattern_finds_nothing(text), node)
    elif len(found) > _MOST:
        context.reader.tell(check_words.pattern_finds_too_much(text, len(found), _MOST), node)
        return []
    return _fitting(context, node, found)


def _fitting(context: Context, node: Node, found: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Those that can be what their names say; a folder for a format of one file is told.

    A folder of MLflow's is the file in it that its description names.
    """
    fitting = []
    for name, path in found:
        if (path / MLMODEL).is_file():
            within = model_within(path)
            if isinstance(within, Path):
                fitting.append((name, within))
            else:
                context.reader.tell(within, node)
        elif path.suffix in _FILES and path.is_dir() and not _is_saved_model(path):
            context.reader.tell(check_words.folder_as_model(path.name, path.suffix), node)
        else:
            fitting.append((name, path))
    return fitting


def _is_saved_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _SAVED_MODEL)


def libraries(context: Context, node: Node | None) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Libraries of operators that a model needs; loaded in its cell, never here.

    Returns:
        Files, and (from `module:NAME`) modules that are installed in the cell and know their
        library.
    """
    files, modules = [], []
    for item in context.reader.items(node, "`libraries`", "[ops/libmine.so]"):
        text = item.value if isinstance(item, TextNode) else ""
        if text.startswith(_MODULE):
            name = text.removeprefix(_MODULE)
            if all(part.isidentifier() for part in name.split(".")):
                modules.append(name)
            else:
                context.reader.tell(check_words.bad_library_module(name), item)
            continue
        path = existing_path(context, item, "library of operators")
        if path is not None and not path.is_file():
            context.reader.tell(check_words.library_is_no_file(), item)
        elif path is not None:
            files.append(path)
    return tuple(files), tuple(modules)


def _with(node: Node, text: str) -> TextNode:
    return TextNode(text, node.line, node.column, plain=False)


def _found(context: Context, text: str) -> list[tuple[str, Path]]:
    """What a pattern finds; the same part of two names is told apart by a number."""
    parts = PurePosixPath(on_disk(text)).parts
    fixed = next(at for at, part in enumerate(parts) if _PATTERN.search(part))
    base = context.folder.joinpath(*parts[:fixed])
    try:
        paths = sorted(base.glob("/".join(parts[fixed:])))
    except (OSError, ValueError):
        return []
    taken: dict[str, int] = {}
    found = []
    for path in paths:
        short = text_of(path.relative_to(base).with_suffix(""))
        name = _UNSAFE.sub("-", short).strip(".-") or "model"
        taken[name] = taken.get(name, 0) + 1
        again = f"-{taken[name]}" if taken[name] > 1 else ""
        found.append((f"-{name}{again}", type(path)(os.path.normpath(path))))
    return found
