"""What a pod asks of its node, and how long it may take: from the matrix' own limits.

The limits are those of cases and installations; around them are pytest, which judges, and waiting
for a node and an image. A deadline is no limit of a case: it only ends what would never end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.model import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_modelcompat.matrix.model import Cell, Matrix, Producer

__all__ = ["Size", "cell_size", "merge_size", "plan_size"]

_OWN_MEMORY = 2**30  # of pytest and what it installs with
_OWN_CPUS = 1
_TRIES = 2  # what fails for reasons of the infrastructure is tried once more
_WAITING = 3600  # seconds for a node and an image


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of one pod.

    Attributes:
        cpus: for what is measured, and for what judges beside it.
        memory: bytes; what exceeds it is killed, the pod with it.
        devices: (resource, how many).
        seconds: until it is ended, waiting for a node included.
    """

    cpus: int
    memory: int
    seconds: int
    devices: tuple[tuple[str, str], ...] = ()


def cell_size(cell: Cell) -> Size:
    """Of a cell's pod, which also makes the models that the cell wants."""
    producers = tuple(_producers([cell]))
    limits = [cell.limits, *(each.limits for each in producers)]
    work = sum(each.install + each.cell for each in limits)
    device = defaults().device(cell.provider)
    return Size(
        cpus=max(each.threads for each in limits) + _OWN_CPUS,
        memory=max(each.memory for each in limits) + _OWN_MEMORY,
        seconds=int(_TRIES * work + _collecting([cell]) + _WAITING),
        devices=((device, "1"),) if device else (),
    )


def plan_size(matrix: Matrix) -> Size:
    """Of the pod that makes the plan: it collects the node tests of each release of onnx."""
    return _host_alone(_collecting(matrix.cells))


def merge_size() -> Size:
    """Of the pod that merges."""
    return _host_alone(0)


def _host_alone(seconds: float) -> Size:
    memory = defaults().limits.memory
    return Size(cpus=_OWN_CPUS, memory=memory, seconds=int(seconds + _WAITING))


def _collecting(cells: Iterable[Cell]) -> float:
    """Seconds for the corpora, and for one environment more: that of the reference evaluator."""
    corpora = {name for cell in cells for entry in cell.checks for name in entry.corpus}
    return (len(corpora) + 1) * Limits().install


def _producers(cells: Iterable[Cell]) -> Iterable[Producer]:
    entries = (entry for cell in cells for entry in cell.checks)
    found = (
        producer for entry in entries for model in entry.models for producer in model.producers
    )
    return dict.fromkeys(found)
