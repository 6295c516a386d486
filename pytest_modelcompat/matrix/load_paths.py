"""The files that a model's `path` means: one, or as many as a pattern finds."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.matrix import grammar
from pytest_modelcompat.matrix.load_values import existing_path
from pytest_modelcompat.matrix.yaml_nodes import TextNode

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modelcompat.matrix.load_values import Context
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["libraries", "model_paths"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PATTERN = re.compile(r"[*?\[]")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MOST = 1000  # files of one pattern


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
    exact = context.folder / text
    if not _PATTERN.search(text) or os.path.lexists(exact):
        path = existing_path(context, _with(node, text), "model")
        return [] if path is None else [("", path)]
    found = _found(context, text)
    if not found:
        context.reader.tell(check_words.pattern_finds_nothing(text), node)
    elif len(found) > _MOST:
        context.reader.tell(check_words.pattern_finds_too_much(text, len(found), _MOST), node)
        return []
    return found


def libraries(context: Context, node: Node | None) -> tuple[Path, ...]:
    """Libraries of operators that a model needs; loaded in its cell, never here."""
    found = []
    for item in context.reader.items(node, "`libraries`", "[ops/libmine.so]"):
        path = existing_path(context, item, "library of operators")
        if path is not None and not path.is_file():
            context.reader.tell(check_words.library_is_no_file(), item)
        elif path is not None:
            found.append(path)
    return tuple(found)


def _with(node: Node, text: str) -> TextNode:
    return TextNode(text, node.line, node.column, plain=False)


def _found(context: Context, text: str) -> list[tuple[str, Path]]:
    """What a pattern finds; the same part of two names is told apart by a number."""
    parts = PurePosixPath(text).parts
    fixed = next(at for at, part in enumerate(parts) if _PATTERN.search(part))
    base = context.folder.joinpath(*parts[:fixed])
    try:
        paths = sorted(base.glob("/".join(parts[fixed:])))
    except (OSError, ValueError):
        return []
    taken: dict[str, int] = {}
    found = []
    for path in paths:
        short = path.relative_to(base).with_suffix("").as_posix()
        name = _UNSAFE.sub("-", short).strip(".-") or "model"
        taken[name] = taken.get(name, 0) + 1
        again = f"-{taken[name]}" if taken[name] > 1 else ""
        found.append((f"-{name}{again}", type(path)(os.path.normpath(path))))
    return found
