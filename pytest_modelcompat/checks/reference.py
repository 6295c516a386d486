"""Expected outputs that come from answers of the run itself: another cell's, or the majority's.

Pure functions over answers that were stored; whoever judges decides what happens to a case whose
reference cannot be had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_modelcompat.results.tolerance import Judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_modelcompat.matrix.model import Tolerances
    from pytest_modelcompat.worker.values import Value

    Answer = Sequence[tuple[str, Value]]

__all__ = ["Chosen", "consensus", "from_cell"]

FEWEST = 3
"""Answers without which there is no majority."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A reference chosen among answers.

    Attributes:
        source: the cell whose answer it is; None where there is none.
        answer: its outputs.
        agreeing: cells that gave the same answer within tolerance, the source among them.
        reason: why there is none, for the cases' `not_run`.
    """

    source: str | None = None
    answer: Answer | None = None
    agreeing: tuple[str, ...] = ()
    reason: str = ""


def from_cell(answers: Mapping[str, Answer], cell: str) -> Chosen:
    """The answer of one cell.

    Args:
        answers: cell -> outputs of one case; cells that gave none are absent.
        cell: id.
    """
    if cell not in answers:
        return Chosen(reason=f"the reference cell {cell} gave no answer")
    return Chosen(source=cell, answer=answers[cell], agreeing=(cell,))


def consensus(answers: Mapping[str, Answer], tolerances: Tolerances | None = None) -> Chosen:
    """The answer that more than half of the cells gave.

    Args:
        answers: cell -> outputs of one case; cells that gave none are absent.
        tolerances: within which two answers are the same.

    Returns:
        The answer that agrees with the most others; of several, that of the first cell by id, so
        that the same answers always choose the same reference.
    """
    if len(answers) < FEWEST:
        count = len(answers)
        return Chosen(reason=f"a consensus takes {FEWEST} answers, there are {count}")
    compared = Judge(tolerances)
    best: tuple[str, ...] = ()
    source = ""
    for cell in sorted(answers):
        wanted = [(at, value) for at, (_, value) in enumerate(answers[cell])]
        agreeing = tuple(
            other
            for other in sorted(answers)
            if other == cell or compared.compare(answers[other], wanted).agree
        )
        if len(agreeing) > len(best):
            best, source = agreeing, cell
    if 2 * len(best) <= len(answers):
        return Chosen(reason=f"no majority: {len(best)} of {len(answers)} answers agree at most")
    return Chosen(source=source, answer=answers[source], agreeing=best)
