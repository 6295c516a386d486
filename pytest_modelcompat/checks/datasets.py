"""Inputs and expected outputs of models, read from .npz files and test_data_set_N folders.

What cannot be said in numpy's types comes in the folder layout. Pickled objects are never read.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import checks as words
from pytest_modelcompat.worker import onnxdata
from pytest_modelcompat.worker.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_modelcompat.errors.matrix import Sentence
    from pytest_modelcompat.matrix.model import Calls

    Names = Sequence[tuple[str, str]]

__all__ = ["DataError", "DataSet", "read_folder", "read_npz"]

_POSITION = re.compile(r"(?:arr_)?(\d{1,6})")
_SET = re.compile(r"test_data_set_(\d{1,9})")
_FILE = re.compile(r"(input|output)_(\d{1,6})\.pb")
_SIZE = 8 << 30  # bytes of all arrays of an .npz
_KINDS = {
    "b": {1: "bool"},
    "i": {1: "int8", 2: "int16", 4: "int32", 8: "int64"},
    "u": {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"},
    "f": {2: "float16", 4: "float32", 8: "float64"},
    "c": {8: "complex64", 16: "complex128"},
}
_DAMAGED = (
    OSError, ValueError, EOFError, KeyError, RuntimeError, NotImplementedError, SyntaxError,
    TypeError, MemoryError, OverflowError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip


class DataError(Exception):
    """Data that cannot be used, with the sentence for the user."""

    def __init__(self, sentence: Sentence) -> None:
        self.sentence = sentence
        super().__init__(sentence.message)


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One data set of a model.

    Attributes:
        name: the last part of its cases' names.
        inputs: (name or position, value).
        outputs: likewise, None where nothing is expected.
        source: the file or folder that the outputs came from, as the user would know it.
        random: number of a set that is made later, None for one that is given.
        calls: in which it is given; None: in one.
        labels: the right class of each row, where somebody said; else empty.
    """

    name: str
    inputs: Sequence[tuple[str | int, Value]]
    outputs: Sequence[tuple[str | int, Value]] | None = None
    source: str = ""
    random: int | None = None
    calls: Calls | None = None
    labels: tuple[int, ...] = ()


def read_npz(path: Path, names: Sequence[str] = ()) -> list[tuple[str | int, Value]]:
    """The arrays of an .npz file as values.

    Args:
        path: of the file.
        names: of the model's inputs or outputs, where they are known; a key that is one of them is
            a name, even if it looks like a position.

    Raises:
        DataError: not such a file, damaged, or with arrays that no tensor can be.
    """
    import numpy as np  # noqa: PLC0415 - only parity needs it

    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(words.bad_npz(path.name, "not a plain file"))
        with zipfile.ZipFile(path) as archive:
            size = sum(each.file_size for each in archive.infolist())
        if size > _SIZE:
            raise DataError(words.bad_npz(path.name, f"{size} bytes when unpacked"))
        with np.load(path, allow_pickle=False) as arrays:
            return [(_key(key, names), _value(arrays, key, path.name)) for key in arrays.files]
    except _DAMAGED as problem:
        raise DataError(words.bad_npz(path.name, _reason(problem))) from problem


def _reason(problem: BaseException) -> str:
    """One line of what Python said, without the place on this machine."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return (str(problem) or type(problem).__name__).splitlines()[0].rstrip(".")[:200]


def _key(key: str, names: Sequence[str]) -> str | int:
    position = None if key in names else _POSITION.fullmatch(key)
    return int(position.group(1)) if position else key


def _value(arrays: Any, key: str, file: str) -> Value:
    try:
        array = arrays[key]
    except _DAMAGED as problem:
        if "Object arrays" in str(problem):
            raise DataError(words.object_array(file, key)) from problem
        raise DataError(words.bad_array(file, key, _reason(problem))) from problem
    return from_array(array, lambda dtype: words.exact_type_needs_folder(file, key, dtype))


def from_array(array: Any, refuse: Callable[[str], Sentence]) -> Value:
    """A numpy array as a value.

    Args:
        array: of numbers, booleans or fixed-width strings.
        refuse: the sentence for a type that no tensor has.
    """
    dtype = getattr(array, "dtype", None)
    if dtype is None:  # an entry of the archive that is no array
        raise DataError(refuse(type(array).__name__))
    if dtype.kind in "US":
        flat = array.reshape(-1).tolist()
        data = [
            each if isinstance(each, bytes) else each.encode("utf-8", "surrogatepass")
            for each in flat
        ]
        return Value("tensor", "string", array.shape, data)
    name = _KINDS.get(dtype.kind, {}).get(dtype.itemsize)
    if name is None or dtype.names is not None:
        raise DataError(refuse(str(dtype)))
    return Value("tensor", name, array.shape, array.astype(dtype.newbyteorder("<")).tobytes())


def read_folder(folder: Path, inputs: Names, outputs: Names) -> list[DataSet]:
    """The data sets of a folder in onnx's own layout, by number.

    Args:
        folder: holds test_data_set_N, or is itself one.
        inputs: (name, type) of the model in its order; empty where nobody knows.
        outputs: likewise.

    Raises:
        DataError: no data set, or one that cannot be read.
    """
    try:
        found = [(0, folder)] if _SET.fullmatch(folder.name) else []
        found += [
            (int(number.group(1)), entry)
            for entry in folder.iterdir()
            if (number := _SET.fullmatch(entry.name)) and entry.is_dir()
        ]
    except OSError as problem:
        raise DataError(words.bad_data_set(folder.name, _reason(problem))) from problem
    sets = [_data_set(at, inputs, outputs) for _, at in sorted(found)]
    sets = [each for each in sets if each is not None]
    if not sets:
        raise DataError(words.no_data_sets(folder.name))
    return [each for each in sets if each is not None]


def _data_set(folder: Path, inputs: Names, outputs: Names) -> DataSet | None:
    files: dict[str, list[tuple[int, Path]]] = {"input": [], "output": []}
    for entry in folder.iterdir():
        if parts := _FILE.fullmatch(entry.name):
            files[parts.group(1)].append((int(parts.group(2)), entry))
    if not files["input"] and not files["output"]:
        return None
    return DataSet(
        name=folder.name,
        inputs=[_read(at, path, inputs) for at, path in sorted(files["input"])],
        outputs=[_read(at, path, outputs) for at, path in sorted(files["output"])] or None,
        source=folder.name,
    )


def _read(at: int, path: Path, declared: Names) -> tuple[str | int, Value]:
    place = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise DataError(words.bad_data_set(place, "not a plain file"))
    name, kind = declared[at] if at < len(declared) else (at, "tensor(undefined)")
    try:
        return name, onnxdata.read_value(os.fspath(path), kind)
    except (OSError, ValueError) as problem:
        raise DataError(words.bad_data_set(place, _reason(problem))) from problem
