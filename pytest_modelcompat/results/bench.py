"""One stored case judged anew, from the outputs that its run kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.judge import EQUAL
from pytest_modelcompat.results.model import CaseRecord, Judgement, Measurement, Stage, Status
from pytest_modelcompat.results.terms import read_terms
from pytest_modelcompat.worker.values import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_modelcompat.matrix.model import Tolerances
    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.worker.values import Value

    Judge = Callable[..., Judgement]
    Named = Sequence[tuple[str, Value]]

__all__ = ["Bench"]


@dataclass(frozen=True)
class Bench:
    """What every case is judged with.

    Attributes:
        store: holds the outputs.
        runtimes: cell id -> adapter's name.
        tolerances: by type, before those that the case was judged with.
        judge: see `judge.judge`.
    """

    store: Store
    runtimes: Mapping[str, str]
    tolerances: Tolerances
    judge: Judge

    def again(self, case: CaseRecord) -> Judgement:
        """By the reference that it was judged by before.

        Raises:
            StoredRunProblem, ValueError: its outputs or its reference are not stored, or damaged.
        """
        seen = case.measurement
        if seen.ended != "returned":
            return self._ask(case, seen, outputs=(), expected=None, identical=False)
        if seen.outputs and set(seen.outputs) == {EQUAL}:
            nothing: Named = ()
            return self._ask(
                case,
                seen,
                outputs=[nothing] * len(seen.outputs),
                expected=nothing,
                identical=True,
            )
        kind = (case.reference or {}).get("kind")
        if seen.expected is None and kind not in {None, "none"}:
            raise ValueError("the reference was not stored")
        return self._compare(case, seen.outputs, seen.expected)

    def against(self, case: CaseRecord, answer: Measurement | None) -> Judgement:
        """By what another cell answered; None: it did not.

        Raises:
            StoredRunProblem, ValueError: as `again`.
        """
        seen = case.measurement
        if answer is None:
            return Judgement(status=Status.NOT_RUN, stage=Stage.COMPARE)
        right = answer.outputs[0]
        if right == EQUAL:
            if set(seen.outputs) == {EQUAL}:
                return self.again(case)
            # The answer is what was expected, and that was kept here, where it was not given.
            right = seen.expected or ""
        elif answer.expected:
            # A repeat that was what the reference says need not be what the other cell says.
            own = tuple(answer.expected if mark == EQUAL else mark for mark in seen.outputs)
            return self._compare(case, own, right)
        if not right:
            raise ValueError("the reference was not stored")
        return self._compare(case, seen.outputs, right)

    def _compare(self, case: CaseRecord, marks: tuple[str, ...], right: str | None) -> Judgement:
        """Outputs by their digests against others, or None where it only has to run."""
        outputs: list[Named] = [
            () if mark == EQUAL else decode(self.store.get_blob(mark)) for mark in marks
        ]
        expected = None
        if right is not None:
            given: set[str | int] = {name for named in outputs for name, _ in named}
            expected = [
                (_place(name, given), value) for name, value in decode(self.store.get_blob(right))
            ]
        return self._ask(
            case,
            replace(case.measurement, outputs=marks),
            outputs=outputs,
            expected=expected,
            identical=bool(marks) and all(mark in {EQUAL, right} for mark in marks),
        )

    def _ask(self, case: CaseRecord, seen: Measurement, **outputs: Any) -> Judgement:
        terms = read_terms(case.reference)
        if self.tolerances:
            given = {**dict(terms["tolerances"] or ()), **dict(self.tolerances)}
            terms["tolerances"] = tuple(given.items())
        return self.judge(
            seen,
            **outputs,
            **terms,
            requested=case.requested,
            runtime=self.runtimes[case.cell],
        )


def _place(name: str | int, given: set[str | int]) -> str | int:
    """A position that was stored as text, where no output has that name."""
    if isinstance(name, str) and name.isascii() and name.isdigit() and name not in given:
        return int(name)
    return name
