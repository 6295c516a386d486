"""Did a model run where it was asked to run? Decided by what ran, never by what was promised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BASE", "NO_EVIDENCE", "OTHER_PROVIDER", "cell_misconfigured", "misplaced"]

OTHER_PROVIDER = "placement.other-provider"
NO_EVIDENCE = "placement.no-evidence"

BASE: Mapping[str, frozenset[str]] = {
    "onnxruntime": frozenset({"CPUExecutionProvider"}),
    "openvino": frozenset({"CPU"}),
    "onnx": frozenset({"reference"}),
    # wherever the server runs it; nothing else is asked for
    "kserve": frozenset({"served"}),
    "tf_serving": frozenset({"served"}),
    "torchserve": frozenset({"served"}),
    "json_endpoint": frozenset({"served"}),
}
"""runtime -> the provider below which there is none: a model cannot silently leave it."""
_OTHER_BASE = frozenset({"cpu", "CPU"})

# Devices of OpenVINO that hand the work on to others: "HETERO:GPU,CPU", "AUTO", "MULTI:CPU(4)".
_VIRTUAL = re.compile(r"^(?:AUTO|HETERO|MULTI|BATCH)(?::(.*))?$")


def is_base(requested: str, runtime: str) -> bool:
    """Whether there is no other provider to which the requested one could hand a node."""
    return requested in BASE.get(runtime, _OTHER_BASE)


def misplaced(requested: str, ran_on: Mapping[str, int] | None, *, runtime: str) -> str | None:
    """Why a case that gave the right answer does not count as having run where it was asked to.

    Args:
        requested: the provider, in the runtime's own spelling.
        ran_on: provider -> nodes; {} where no node was left to run; None without any evidence.
        runtime: the adapter's name.

    Returns:
        None where it ran there, else the id of the reason. Without evidence only the provider
        below which there is none is believed.
    """
    if ran_on is None:
        return None if is_base(requested, runtime) else NO_EVIDENCE
    elsewhere = [
        name for name, nodes in ran_on.items() if nodes and not _asked(requested, name, runtime)
    ]
    return OTHER_PROVIDER if elsewhere else None


def cell_misconfigured(requested: str, ran_on: Mapping[str, int] | None, *, runtime: str) -> bool:
    """Whether a provider was accepted but ran no node of any case of its cell.

    Args:
        requested: the cell's provider.
        ran_on: provider -> nodes, summed over all cases of the cell; None or empty: no evidence.
        runtime: the adapter's name.
    """
    ran = [name for name, nodes in (ran_on or {}).items() if nodes]
    return bool(ran) and not any(_asked(requested, name, runtime) for name in ran)


def _asked(requested: str, name: str, runtime: str) -> bool:
    if runtime != "openvino":
        return name == requested
    name = name.strip("()")  # a device that stands in while the asked one gets ready
    if not (virtual := _VIRTUAL.match(requested)):
        return _is_device(requested, name)
    listed = [entry.split("(")[0].strip() for entry in (virtual.group(1) or "").split(",")]
    if any(_is_device(entry[1:], name) for entry in listed if entry.startswith("-")):
        return False
    wanted = [entry for entry in listed if entry and not entry.startswith("-")]
    return not wanted or any(_is_device(entry, name) for entry in wanted)


def _is_device(asked: str, name: str) -> bool:
    """`GPU` is any of `GPU.0`, `GPU.1`; each of those is itself only."""
    return name == asked or name.startswith(f"{asked}.")
