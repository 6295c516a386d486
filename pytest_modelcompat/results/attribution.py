"""Whose fault is it? Asked by running a case again with one thing changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.results.model import Judgement, Status
from pytest_modelcompat.results.placement import OTHER_PROVIDER, is_base

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_modelcompat.matrix.model import Cell

__all__ = ["CPU", "OPTIMIZER_OFF", "attribute", "reference_suspects", "variants_for"]

OPTIMIZER_OFF = "optimizer_off"
CPU = "cpu"

_ASK = frozenset({Status.FAILED, Status.ERROR, Status.CRASHED})
_HAS_OPTIMIZER = frozenset({"onnxruntime"})  # runtimes in which it can be turned off
_HAS_PROVIDERS = frozenset({"onnxruntime", "openvino"})
_LEVEL = "graph_optimization"


def variants_for(judgement: Judgement, cell: Cell) -> tuple[str, ...]:
    """What to run again, and how, to learn why a case failed.

    Args:
        judgement: of the case as it was planned.
        cell: where it ran.

    Returns:
        Any of "optimizer_off" and "cpu", in the order in which to run them.
    """
    if judgement.status not in _ASK:
        return ()
    found = []
    runtime = cell.framework.runtime
    if runtime in _HAS_OPTIMIZER and dict(cell.options).get(_LEVEL) != "disabled":
        found.append(OPTIMIZER_OFF)
    if runtime in _HAS_PROVIDERS and not is_base(cell.provider, runtime):
        found.append(CPU)
    return tuple(found)


def attribute(primary: Judgement, variants: Mapping[str, Judgement]) -> Judgement:
    """The judgement of a case, with what its variants say about the cause.

    A variant that gives the right answer names the cause. The optimizer comes before the provider:
    turning it off changes less. A variant without optimizer whose nodes fled to another provider
    says nothing about the optimizer.

    Args:
        primary: of the case as it was planned.
        variants: variant -> its judgement, against the same reference.

    Returns:
        The same verdict with `attribution` and its details; unchanged where nothing was asked.
    """
    details = {name: found.status.value for name, found in variants.items()}
    if primary.status is Status.NONDETERMINISTIC:
        return replace(primary, attribution="nondeterminism", attribution_detail=details)
    if not variants:
        return primary
    cause = "none"
    if _mended(variants.get(OPTIMIZER_OFF)):
        cause = "optimizer"
    elif _mended(variants.get(CPU)):
        cause = "provider"
    elif any(found.status is Status.NONDETERMINISTIC for found in variants.values()):
        cause = "nondeterminism"
    return replace(primary, attribution=cause, attribution_detail=details)


def _mended(variant: Judgement | None) -> bool:
    if variant is None:
        return False
    if variant.status is Status.FALLBACK:
        return variant.rule != OTHER_PROVIDER
    return variant.status is Status.PASSED


def reference_suspects(cases: Iterable[tuple[str, int, Status]]) -> frozenset[str]:
    """Failed node tests whose expectation another release of the corpus changed.

    Args:
        cases: (name with its corpus, opset, status) of all node tests of one cell.

    Returns:
        Names of failed cases of which another corpus has a case with the same bare name and opset
        that passed: the verdict follows the corpus, so it says nothing about the runtime.
    """
    failed: list[tuple[str, int]] = []
    right: set[tuple[str, int]] = set()
    for name, opset, status in cases:
        if status is Status.FAILED:
            failed.append((name, opset))
        elif status in (Status.PASSED, Status.FALLBACK):
            right.add((name.rpartition("@")[0], opset))
    return frozenset(name for name, opset in failed if (name.rpartition("@")[0], opset) in right)
