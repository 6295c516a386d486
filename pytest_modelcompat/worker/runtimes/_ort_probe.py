"""Questions that ONNX Runtime answers about itself, asked with one-node models."""

import contextlib
import os
import re
import warnings

from .. import onnxmake

__all__ = ["limits", "relu", "spoken"]

_DOMAINS = (
    "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft",
)  # fmt: skip
_IR = re.compile(r"max supported IR version: (\d+)")
_OPSET = re.compile(r"Current official support for domain (\S+) is till opset (\d+)")
_CLOCK = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ ", re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BEYOND = 9999


def relu(ir=3, imports=(("", 7),)):
    """The smallest useful model: one Relu over one float; old enough for every release."""
    return onnxmake.model(
        [onnxmake.node("Relu", ["x"], ["y"])],
        [onnxmake.value_info("x", "float32", (1,))],
        [onnxmake.value_info("y", "float32", (1,))],
        ir=ir,
        imports=imports,
    )


def limits(load):
    """The newest IR and opsets that the runtime takes, from its own refusals.

    Args:
        load: takes a model's bytes and raises what the runtime raises.

    Returns:
        {"ir": int, "opsets": {domain: int}}; what the runtime did not refuse is absent (with
        ALLOW_RELEASED_ONNX_OPSET_ONLY=0 it takes any opset).
    """
    found = {}
    match = _IR.search(_refusal(load, relu(ir=_BEYOND)))
    if match:
        found["ir"] = int(match.group(1))
    for domain in _DOMAINS:
        if domain == "ai.onnx":
            imports = (("", _BEYOND),)
        else:
            imports = (("", 7), (domain, _BEYOND))
        match = _OPSET.search(_refusal(load, relu(imports=imports)))
        if match:
            found.setdefault("opsets", {})[match.group(1)] = int(match.group(2))
    return found


def _refusal(load, model):
    try:
        load(model)
    except Exception as error:
        return str(error)
    return ""


@contextlib.contextmanager
def spoken():
    """Collect what native code and Python's warnings say meanwhile, in the list that it gives.

    A provider whose library does not load says so on the process's standard error only.
    """
    words = []
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)  # a full pipe must not stop the one who speaks
    kept = os.dup(2)
    try:
        os.dup2(write, 2)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            yield words
        words.extend(str(item.message) for item in heard)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(write)
        with contextlib.suppress(BlockingIOError):
            said = os.read(read, 1 << 16)
            said = _CLOCK.sub("", _COLOURS.sub("", said.decode("utf-8", "replace"))).strip()
            if said:
                words.append(said)
        os.close(read)
