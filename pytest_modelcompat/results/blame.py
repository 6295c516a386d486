"""Exporter, file, runtime, or the reference itself? Decided from what others say about one file.

A file that a producer made can fail in a runtime for reasons that one run cannot tell apart. So
others are heard about the same file: onnx' own evaluator, its newest checker, the framework in
float64, the other cells of the matrix. All that was heard is kept as evidence; where it does not
suffice, nobody is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_modelcompat.results.model import Status

if TYPE_CHECKING:
    from pytest_modelcompat.results.model import Judgement

__all__ = ["ASKED", "Evidence", "Heard", "blame", "settle"]

ASKED = frozenset({Status.FAILED, Status.ERROR, Status.CRASHED})
"""Statuses that somebody is to blame for."""
_DECIDED = frozenset({"optimizer", "provider", "nondeterminism", "exporter", "reference", "file"})
_SHOWN = 160  # characters of what somebody said
_NAMED = 6  # cells


class Heard:
    """What the reference evaluator answers for the file."""

    RIGHT = "gives the producer's answer"
    SAME = "gives the runtime's answer"
    OTHER = "gives a third answer"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was heard about one failing case; None: nothing.

    Attributes:
        onnx: the release that was asked.
        checker: its checker's words against the file, empty where it accepts it.
        evaluator: one of `Heard`, or why it has no answer.
        exact: whether the runtime's answer is that of the framework in float64.
    """

    onnx: str = ""
    checker: str | None = None
    evaluator: str | None = None
    exact: bool | None = None

    def details(self) -> dict[str, str]:
        """For the report."""
        found: dict[str, str] = {}
        if self.exact is not None:
            found["float64"] = f"the runtime's answer is {'' if self.exact else 'not '}it"
        if self.checker is not None:
            found[f"checker of onnx {self.onnx}"] = _short(self.checker) or "accepts the file"
        if self.evaluator is not None:
            found[f"evaluator of onnx {self.onnx}"] = _short(self.evaluator)
        return found


def blame(judgement: Judgement, evidence: Evidence) -> Judgement:
    """A failing case of a produced file, with the cause that the evidence names.

    What a variant has mended (optimizer, provider) stays named. Else, in this order: the float64
    answer that the runtime gives too blames the reference; a file that the checker refuses is
    itself to blame; where the evaluator gives the producer's answer from the same file, the file
    is right and the runtime is to blame; where it gives the runtime's, the exporter is.
    """
    details = {**judgement.attribution_detail, **evidence.details()}
    cause = judgement.attribution or "none"
    if cause not in _DECIDED:
        cause = _cause(judgement.status, evidence)
    return replace(judgement, attribution=cause, attribution_detail=details)


def _cause(status: Status, evidence: Evidence) -> str:
    if status is Status.FAILED and evidence.exact:
        return "reference"
    if evidence.checker:
        return "file"
    if evidence.evaluator == Heard.RIGHT:
        return "runtime"
    if evidence.evaluator == Heard.SAME and status is Status.FAILED:
        return "exporter"
    return "none"


def settle(judgement: Judgement, *, right: list[str], wrong: list[str]) -> Judgement:
    """The same with what the other cells of the matrix say about the same case.

    Args:
        judgement: of a failing case, after `blame`.
        right: cells (as text) in which the same file gave the right answer.
        wrong: cells in which it failed, this one not among them.

    Returns:
        Where nobody was named yet and the file is right elsewhere, the runtime is.
    """
    details = dict(judgement.attribution_detail)
    if right:
        details["right on"] = _listed(right)
    if wrong:
        details["fails on"] = _listed(wrong)
    cause = judgement.attribution
    if right and cause in {None, "none"}:
        cause = "runtime"
    return replace(judgement, attribution=cause, attribution_detail=details)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def _listed(names: list[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - _NAMED
    return ", ".join(distinct[:_NAMED]) + (f" and {more} more" if more > 0 else "")
