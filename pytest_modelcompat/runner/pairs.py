"""What a run keeps of models that are variants of others, and of those others."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.accuracy import packed
from pytest_modelcompat.results.judge import EQUAL
from pytest_modelcompat.results.terms import plain
from pytest_modelcompat.runner import events
from pytest_modelcompat.worker.values import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_modelcompat.matrix.model import Matrix
    from pytest_modelcompat.results.model import CaseRecord
    from pytest_modelcompat.runner.expected import ExpectedCase
    from pytest_modelcompat.worker.values import Value

__all__ = ["paired", "variant_of"]


def variant_of(matrices: Iterable[Matrix]) -> tuple[dict[str, Any], ...]:
    """Which model is a variant of which, for the head of a run (see `results.info.RunInfo`)."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for matrix in matrices:
        for entry in {id(entry): entry for cell in matrix.cells for entry in cell.checks}.values():
            for model in entry.models:
                said = model.variant_of
                if said is None:
                    continue
                shown = {
                    "matrix": matrix.name,
                    "model": model.name,
                    "of": said.model,
                    "accuracy_loss": said.accuracy_loss,
                    "top1": said.top1,
                    "tolerance": plain(said.tolerance) or None,
                }
                found[matrix.name, model.name] = {
                    name: value for name, value in shown.items() if value is not None
                }
    return tuple(found.values())


def paired(
    record: CaseRecord,
    event: events.Result | events.Ended,
    against: ExpectedCase,
    keep: Callable[[bytes], str],
) -> CaseRecord:
    """The record of a variant or an original, with what it takes to put both beside each other.

    Its reference tells what its data were: `inputs`, and `labels` where there are any. Answers that
    are the expected ones are not kept; these are, so that the answers are somewhere.

    Args:
        record: of the case.
        event: what came back; inputs that the cell made are in it.
        against: the case as its bundle has it.
        keep: keeps bytes under the digest that it returns.
    """
    found = dict(record.reference or {})
    seen = record.measurement
    made = event.inputs if isinstance(event, events.Result) else None
    if given := made or against.inputs:
        found["inputs"] = _digest(given)
    if labels := against.about.get("labels"):
        found["labels"] = keep(encode([("labels", packed(labels))]))
    if EQUAL in seen.outputs and seen.expected is None:
        seen = replace(seen, expected=against.stored(keep))
    return replace(record, reference=found, measurement=seen)


def _digest(inputs: Sequence[tuple[str | int, Value]]) -> str:
    """Of the values, whatever they are called and in which order: formats differ in both."""
    each = sorted(hashlib.sha256(encode([(0, value)])).hexdigest() for _, value in inputs)
    return hashlib.sha256("".join(each).encode("ascii")).hexdigest()
