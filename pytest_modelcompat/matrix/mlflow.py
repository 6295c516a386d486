"""Model folders of MLflow: which of their files is the model, by what `MLmodel` says.

The file is read like a matrix, strictly and with the same limits; nothing of MLflow is imported.
"""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import matrix_checks as words
from pytest_modelcompat.matrix.yaml_nodes import MapNode, Problems, TextNode, parse, read_bytes

if TYPE_CHECKING:
    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["MLMODEL", "model_within"]

MLMODEL = "MLmodel"
"""The file that makes a folder one of MLflow's."""
_FLAVORS = {"onnx": "data", "sklearn": "pickled_model", "xgboost": "data", "lightgbm": "data"}
"""Flavor -> the key that names its file. Others have formats that no runtime here reads."""


def model_within(folder: Path) -> Path | Sentence:
    """The model's file in a folder of MLflow's, or what is wrong with the folder.

    Args:
        folder: that holds an `MLmodel`.
    """
    problems = Problems(folder / MLMODEL)
    data = read_bytes(folder / MLMODEL, problems, MLMODEL)
    root = None if data is None else parse(data, problems, MLMODEL)
    if problems.found:
        return words.mlmodel_unreadable(folder.name, problems.found[0].message)
    flavors = _field(root, "flavors")
    names = [key.value for key, _ in flavors.entries] if isinstance(flavors, MapNode) else []
    for flavor, key in _FLAVORS.items():
        named = _field(_field(flavors, flavor), key)
        if isinstance(named, TextNode):
            found = _below(folder, named.value)
            return found or words.mlmodel_without_file(folder.name, named.value)
    return words.mlmodel_without_flavor(folder.name, names, list(_FLAVORS))


def _field(node: Node | None, name: str) -> Node | None:
    if not isinstance(node, MapNode):
        return None
    return next((value for key, value in node.entries if key.value == name), None)


def _below(folder: Path, name: str) -> Path | None:
    """A plain file of the folder's own; no link and nothing outside."""
    relative = PurePosixPath(name)
    if not name or "\0" in name or relative.is_absolute() or ".." in relative.parts:
        return None
    path = folder / relative
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return None
    inside = path.resolve() == folder.resolve() / relative
    return path if plain and inside else None
