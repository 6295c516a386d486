"""The files of a model, as they will lie in the private folder of a cell.

Only what belongs to the model goes there: the file or folder itself, what sits beside it by the
format's own rule, and the external data that an ONNX file names, where those are plain files inside
of its folder. Anything else is left out, and the worker refuses to load what names it. The host
reads ONNX with its own reader and never follows a link that a model names.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_modelcompat.paths import text_of
from pytest_modelcompat.worker import onnxpb

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ModelFiles", "model_files", "slug"]

BESIDE = {
    ".xml": ".bin",  # OpenVINO
    ".param": ".bin",  # ncnn
    ".prototxt": ".caffemodel",  # Caffe
    "-symbol.json": "-0000.params",  # MXNet
}
"""How a model's name ends -> how that of the file with its weights does."""
_FILES = 10_000  # of a model that is a folder
_LOCATIONS = 10_000  # of one model's external data
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """A model as a cell sees it.

    Attributes:
        main: name in the cell of what is loaded.
        files: (name in the cell, path on the host), the main file among them.
        inputs, outputs: (name, type) in the graph's order, for ONNX files that can be read.
        optional: names of further inputs, which have a value of their own.
        imports: domain -> opset, likewise.
        ir: version of the format; 0 where unknown.
    """

    main: str
    files: tuple[tuple[str, Path], ...]
    inputs: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    optional: tuple[str, ...] = ()
    imports: dict[str, int] = field(default_factory=dict)
    ir: int = 0

    @property
    def known(self) -> bool:
        """Whether the host could read what its inputs and outputs are."""
        return bool(self.outputs or self.imports)

    @property
    def opset(self) -> int:
        """Of the main domain, 0 where unknown or no version at all."""
        return max(0, self.imports.get("ai.onnx", 0))

    def size(self) -> int:
        """Bytes of all files together.

        Raises:
            OSError: one is gone.
        """
        return sum(path.stat().st_size for _, path in self.files)

    def digests(self) -> list[tuple[str, str]]:
        """(name in the cell, sha256) of every file.

        Raises:
            OSError: one cannot be read.
        """
        return [(name, _digest(path)) for name, path in self.files]


def slug(name: str, taken: set[str]) -> str:
    """A folder's name for a model, unlike those taken, which it joins."""
    base = _UNSAFE.sub("_", name).strip(".")[:64] or "model"
    found, number = base, 1
    while found in taken:
        number += 1
        found = f"{base}-{number}"
    taken.add(found)
    return found


def model_files(path: Path, folder: str) -> ModelFiles:
    """What goes into a cell for one model.

    Args:
        path: of the model on the host.
        folder: its folder in the cell.

    Raises:
        OSError: it is neither a plain file nor a folder, or cannot be read.
    """
    main = f"{folder}/{text_of(path.name)}"
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        inside = [(f"{main}/{name}", at) for name, at in _inside(path)]
        return ModelFiles(main=main, files=tuple(inside))
    if not stat.S_ISREG(mode):
        raise OSError(f"{path.name} is not a plain file")
    files = [(main, path)]
    files += [(f"{folder}/{text_of(each.name)}", each) for each in _beside(path) if _is_plain(each)]
    if path.suffix != ".onnx":
        return ModelFiles(main=main, files=tuple(files))
    files += [(f"{folder}/{name}", at) for name, at in _external(path)]
    try:
        summary = onnxpb.summary(os.fspath(path))
    except ValueError:  # the cell will say what is wrong with it
        return ModelFiles(main=main, files=tuple(files))
    own = set(summary.initializers)
    fed = [each for each in summary.inputs if each[0] not in own]
    return ModelFiles(
        main=main,
        files=tuple(files),
        inputs=tuple((name, kind) for name, kind, _ in fed),
        outputs=tuple((name, kind) for name, kind, _ in summary.outputs),
        optional=tuple(name for name, _, _ in summary.inputs if name in own),
        imports=dict(summary.imports),
        ir=summary.ir_version,
    )


def _beside(path: Path) -> Iterator[Path]:
    """Where the format's own rule says that the weights are, if they are in a second file."""
    for ending, other in BESIDE.items():
        if path.name.endswith(ending):
            yield path.with_name(path.name.removesuffix(ending) + other)


def _external(path: Path) -> Iterator[tuple[str, Path]]:
    """The external data that may go along: (location, path)."""
    try:
        named = {location for _, location, _, _ in onnxpb.external_data(os.fspath(path))}
    except ValueError:
        return
    for location in sorted(named)[:_LOCATIONS]:
        relative = PurePosixPath(location)
        if not location or "\0" in location or relative.is_absolute() or ".." in relative.parts:
            continue
        found = path.parent / relative
        if _is_plain(found, below=path.parent) and relative != PurePosixPath(path.name):
            yield str(relative), found


def _is_plain(path: Path, below: Path | None = None) -> bool:
    """Whether it is a file of its own: no link, no FIFO, no device, no link among its folders."""
    try:
        found = path.lstat()
        if below is not None and path.resolve() != below.resolve() / path.relative_to(below):
            return False
    except (OSError, ValueError, RuntimeError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _inside(folder: Path) -> Iterator[tuple[str, Path]]:
    count = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            found = Path(place) / name
            if not stat.S_ISREG(found.lstat().st_mode):
                continue
            count += 1
            if count > _FILES:
                raise OSError(f"{folder.name} holds more than {_FILES} files")
            yield text_of(found.relative_to(folder)), found


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            whole.update(piece)
    return whole.hexdigest()
