"""What a model file may refer to: plain files beside it, nothing else.

Runtimes follow external-data entries wherever they point, some of them out of the folder and into
devices. The entries are read here, in the child, by a bounded parser in pure Python, before the
runtime sees the file. Runtimes look into a file to see what it is and care little for its name
(OpenVINO takes ONNX under any), so this does, too.
"""

from __future__ import annotations

import os
import re
import stat

from .onnxpb import external_data
from .wire import MalformedError

__all__ = ["Refused", "check", "locate"]

# Formats that have no such entries: what their files begin with (ignoring space where it is text).
_ZIP, _JSON, _PICKLE = rb"PK\x03\x04", rb"\s*\{", rb"\x80"
_TREES = rb"tree\r?\n"  # LightGBM's text
_OTHERS = {
    ".deprecated": re.compile(rb"binf"),
    ".engine": re.compile(rb"[fp]trt"),
    ".h5": re.compile(rb"\x89HDF"),
    ".jit": re.compile(_ZIP),
    ".joblib": re.compile(_PICKLE),
    ".json": re.compile(_JSON),
    ".keras": re.compile(_ZIP),
    ".lgb": re.compile(_TREES),
    ".model": re.compile(_TREES + rb"|" + _JSON),
    ".ort": re.compile(rb"(?s:....)ORTM"),
    ".param": re.compile(rb"7767517\s"),
    ".pickle": re.compile(_PICKLE),
    ".pkl": re.compile(_PICKLE),
    ".plan": re.compile(rb"[fp]trt"),
    ".prototxt": re.compile(rb"\s*(?:#|name\s*:|input|layers?\s*\{)"),
    ".pt": re.compile(_ZIP + rb"|" + _PICKLE),
    ".pt2": re.compile(_ZIP),
    ".pth": re.compile(_ZIP + rb"|" + _PICKLE),
    ".ptl": re.compile(_ZIP),
    ".skops": re.compile(_ZIP),
    ".so": re.compile(rb"\x7fELF"),
    ".tflite": re.compile(rb"(?s:....)TFL3"),
    ".txt": re.compile(_TREES),
    ".ubj": re.compile(_JSON),
    ".xml": re.compile(rb"(?:\xef\xbb\xbf)?\s*<"),
}
_HEAD = 4096  # bytes of a file that are looked at


class Refused(Exception):
    """A model refers to something outside of its folder, or to no plain file."""


def locate(root: str, name: str) -> str:
    """The path of a model by its name under `root`.

    Raises:
        Refused: the name leaves the folder.
    """
    if os.path.isabs(name) or ".." in name.split("/") or "\0" in name:
        raise Refused("the model's name leaves its folder: {!r}".format(name))
    return os.path.join(root, name)


def check(model: str | bytes, folder: str | None) -> None:
    """Refuse an ONNX model whose external data is not all plain files in its folder.

    A file is no ONNX model only where its name, its first bytes and the parser all say so: one can
    be made that begins as another format does and is ONNX all the same. A folder is none, ever.

    Args:
        model: path, or the file's bytes.
        folder: where its external data may be; None where there is none.

    Raises:
        Refused: with the entry and what is wrong with it.
    """
    if isinstance(model, bytes):
        if b"location" not in model:  # the key of such an entry: most models end here
            return
    elif os.path.isdir(model):
        return
    try:
        locations = {location for _, location, _, _ in external_data(model)}
    except ValueError as problem:
        if isinstance(model, str) and _is_another_format(model):
            return
        raise Refused(_not_told(model, problem)) from problem
    for location in sorted(locations):
        if folder is None:
            raise Refused("external data without a folder to hold it: {!r}".format(location))
        _check_location(location, folder)


def _not_told(model: str | bytes, problem: ValueError) -> str:
    """Why a model is kept from the runtime: what the parser says, and of what."""
    name, other = "the model", ""
    if isinstance(model, str):
        name, ending = repr(os.path.basename(model)), os.path.splitext(model)[1]
        if ending in _OTHERS:
            other = "does not begin as a {} file does, and ".format(ending)
    if isinstance(problem, MalformedError):
        return (
            "{} {}is no whole ONNX model ({}): it is cut off, damaged or of another format. "
            "The runtime was not asked, for its external data cannot be told"
        ).format(name, other, problem)
    return "{}: its external data cannot be told, and the runtime was not asked: {}".format(
        name, problem
    )


def _is_another_format(path: str) -> bool:
    """Whether it is what its name says: a format that has no external data."""
    head = _OTHERS.get(os.path.splitext(path)[1])
    if head is None:
        return False
    with open(path, "rb") as file:
        return head.match(file.read(_HEAD)) is not None


def _check_location(location: str, folder: str) -> None:
    if os.path.isabs(location) or location.startswith("\\") or location[1:2] == ":":
        raise Refused("external data by absolute path: {!r}".format(location))
    parts = location.replace("\\", "/").split("/")
    if ".." in parts or "\0" in location:
        raise Refused("external data outside of the model's folder: {!r}".format(location))
    path = folder
    for part in parts:
        path = os.path.join(path, part)
        try:
            found = os.lstat(path)
        except OSError as problem:
            raise Refused("external data {!r}: {}".format(location, problem.strerror)) from problem
        if stat.S_ISLNK(found.st_mode):
            raise Refused("external data is a symbolic link: {!r}".format(location))
    if not stat.S_ISREG(found.st_mode):
        raise Refused("external data is not a plain file: {!r}".format(location))
    if found.st_nlink != 1:
        raise Refused("external data has other names, too (a hard link): {!r}".format(location))
