"""The files that go along with a matrix, and proof that it is the same one where they arrive.

A ConfigMap has no folders; its volume has, by paths that the pod asks for. Files keep their places
relative to each other. Whether that is enough is not guessed but tried: a copy is loaded, and must
have the same cells and find all it names among the copies.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pytest_modelcompat.checks.model_files import model_files
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.errors import kubernetes as words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_modelcompat.matrix.model import Matrix, Model

__all__ = ["MOST", "Project", "project"]

MOST = 2**20  # bytes that the API takes in a ConfigMap


@dataclass(frozen=True, kw_only=True)
class Project:
    """A matrix with its files, to be put somewhere else.

    Attributes:
        matrix: its file's path below the root.
        files: (path below the root, content), in the paths' order.
    """

    matrix: str
    files: tuple[tuple[str, bytes], ...]


def project(matrix: Matrix, load: Callable[[Path], Matrix]) -> Project:
    """The matrix with everything that it names.

    Args:
        matrix: its selected cells count.
        load: loads the copy as the matrix was loaded.

    Raises:
        UsageProblem: it is too large, or would not be the same elsewhere.
    """
    try:
        paths = sorted(set(_paths(matrix)))
        size = sum(path.stat().st_size for path in paths)
        if size > MOST:
            raise UsageProblem(words.too_large(matrix.file, size, MOST, len(paths)))
        root = Path(os.path.commonpath([path.parent for path in paths]))
        files = tuple((_name(matrix, path, root), path.read_bytes()) for path in paths)
    except OSError as error:
        path, why = str(error.filename or "A file"), error.strerror or str(error)
        raise UsageProblem(words.unreadable(matrix.file, path, why)) from None
    made = Project(matrix=_name(matrix, matrix.file, root), files=files)
    _rehearse(matrix, made, load)
    return made


def _name(matrix: Matrix, path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageProblem(words.odd_name(matrix.file, name)) from None
    return name


def _rehearse(matrix: Matrix, made: Project, load: Callable[[Path], Matrix]) -> None:
    with TemporaryDirectory(prefix="modelcompat-kubernetes-") as temporary:
        root = Path(temporary).resolve()
        for name, content in made.files:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            copy = load(root / made.matrix)
        except UsageProblem as problem:
            said = [words.not_loaded_elsewhere(matrix.file, each) for each in problem.problems]
            raise UsageProblem(said) from None
        outside = sorted({str(path) for path in _paths(copy) if not path.is_relative_to(root)})
    if outside:
        raise UsageProblem(words.not_moved(matrix.file, outside))
    if [cell.id for cell in copy.cells] != [cell.id for cell in matrix.cells]:
        raise UsageProblem(words.other_cells_elsewhere(matrix.file))


def _paths(matrix: Matrix) -> Iterator[Path]:
    """Every plain file that the matrix and its selected cells read."""
    yield matrix.file
    for path in matrix.files:
        yield Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they were named
    models = {id(m): m for cell in matrix.cells for entry in cell.checks for m in entry.models}
    for model in models.values():
        for path in _files(model):
            yield Path(os.path.abspath(path))  # noqa: PTH100


def _files(model: Model) -> Iterator[Path]:
    if model.path is not None:
        yield from (path for _, path in model_files(model.path, "model").files)
    if model.build is not None:
        yield Path(model.build.rpartition("::")[0])
    yield from model.libraries
    data = model.data
    named = (data.inputs, data.outputs, data.labels)
    yield from (path for path in named if path is not None)
    if data.folder is not None:
        for place, _, names in os.walk(data.folder):
            found = (Path(place, name) for name in names)
            yield from (path for path in found if stat.S_ISREG(path.lstat().st_mode))
