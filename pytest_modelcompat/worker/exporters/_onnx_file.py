"""What every exporter to ONNX does with its file: look into it, and have it checked."""

from __future__ import annotations

import os

from .. import onnxdata, onnxpb
from .built import File

__all__ = ["check", "described", "onnx_version"]


def described(folder, main, count=None):
    """The `File` of an ONNX model, with its own names and types.

    Args:
        folder: that it lies in.
        main: its name.
        count: how many inputs the model has; where the file has as many, they are the same ones.
    """
    path = os.path.join(folder, main)
    found = onnxpb.summary(path)
    own = set(found.initializers)
    inputs = [name for name, _, _ in found.inputs if name not in own]
    return File(
        main,
        inputs=inputs if count is None or len(inputs) == count else None,
        outputs=[name for name, _, _ in found.outputs],
        types=[_dtype(words) for _, words, _ in found.outputs],
        facts={
            "opset": max(0, found.imports.get("ai.onnx", 0)),
            "imports": dict(found.imports),
            "ir": found.ir_version,
            "quantized": lambda feeds: dict(onnxdata.quantized(path, feeds)),
        },
    )


def check(folder, file):
    """Have the installed onnx check the file, if there is one; it raises what it has against it."""
    if onnx_version():
        import onnx

        onnx.checker.check_model(os.path.join(folder, file.main))  # by path: it may be over 2 GiB


def onnx_version():
    """Of the installed onnx, "" without one."""
    try:
        import onnx
    except ImportError:
        return ""
    return str(onnx.__version__)


def _dtype(words):
    """`tensor(float32)` -> `float32`; None for what is no tensor."""
    return words[len("tensor(") : -1] if words.startswith("tensor(") else None
