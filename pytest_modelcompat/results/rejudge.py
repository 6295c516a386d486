"""Judging a stored run again: other tolerances, better rules, another cell as the reference.

Nothing is run. The measurements and the raw outputs that the run kept are read, `judge` is asked
again, and only what it now says differently is replaced. Outputs that were byte for byte the
expected ones were not kept; they are right under every tolerance.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.errors.results import StoredRunProblem
from pytest_modelcompat.results.copying import copy_run, parse_tolerances
from pytest_modelcompat.results.judge import EQUAL
from pytest_modelcompat.results.judge import judge as default_judge
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import (
    INFO_CASE,
    NOT_OK_CASE,
    CaseRecord,
    Expectation,
    Judgement,
    Measurement,
    Outcome,
    Stage,
    Status,
)
from pytest_modelcompat.results.records import batches
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.terms import read_terms
from pytest_modelcompat.results.write import RUN, write_outputs
from pytest_modelcompat.worker.values import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Tolerances
    from pytest_modelcompat.worker.values import Value

    Judge = Callable[..., Judgement]
    Expect = Callable[[CaseRecord], Expectation]
    Named = Sequence[tuple[str, Value]]

__all__ = ["Rejudged", "command", "compare_outputs", "rejudge"]

_BATCH = 1000
_NEVER = frozenset({"not_run", "skipped"})


@dataclass(kw_only=True)
class Rejudged:
    """What came of it.

    Attributes:
        judged: cases that were judged again.
        changed: (status before, status after) -> cases.
        kept: cases besides that could not be judged again, because their outputs or their reference
            were not stored or are damaged; their judgement is what it was.
    """

    judged: int = 0
    changed: Counter[tuple[Status, Status]] = field(default_factory=Counter)
    kept: int = 0


def command(
    folder: Path,
    *,
    output: Path | None = None,
    tolerances: Sequence[str] = (),
    against: str | None = None,
) -> str:
    """What `modelcompat rejudge` does: a copy of a stored run, judged anew.

    Args:
        folder: the stored run; it stays as it is.
        output: where the copy goes; default: beside the run, with `-rejudged` to its name.
        tolerances: as texts, `float32:rtol=1e-2,atol=1e-4`.
        against: id of the cell whose outputs are the reference; default: the stored references.

    Returns:
        What changed, as lines for a terminal.

    Raises:
        UsageProblem: with a sentence for each thing that is wrong.
    """
    given = parse_tolerances(tolerances)
    output = output or folder.with_name(f"{folder.resolve().name}-rejudged")
    run = load(folder)
    if against is not None:
        run.cell(against)
    if output.resolve() != folder.resolve():
        if (output / RUN).is_file() and load(output).info.id != run.info.id:
            raise errors.rejudged_over_another(output)
        copy_run(folder, output)
    with Store.existing(output) as store:
        runtimes = {each["id"]: str(each.get("runtime", "")) for each in run.plan["cells"]}
        if against is None:
            result = rejudge(store, runtimes=runtimes, tolerances=given)
        else:
            result = compare_outputs(store, against, runtimes=runtimes, tolerances=given)
        against_what = f"against {against}" if against else "against its references"
        terms = ", ".join(tolerances) or "its own tolerances"
        note = f"rejudged {against_what} with {terms}; nothing was measured again"
        store.set_run(replace(store.run, notes=(*store.run.notes, note)))
        store.settle()
        write_outputs(store)
    lines = [f"{_cases(result.judged)} judged again, {result.changed.total():,} changed"]
    lines += [
        f"  {before.value} -> {after.value}: {number:,}"
        for (before, after), number in result.changed.most_common()
    ]
    if result.kept:
        why = "what they answered, or their reference, is not stored"
        lines.append(f"{_cases(result.kept)} could not be, and kept as before: {why}")
    lines.append(f"written to {output}; `modelcompat report {output}` makes its page")
    return "".join(f"{line}\n" for line in lines)


def _cases(number: int) -> str:
    return f"{number:,} case{'' if number == 1 else 's'}"


def rejudge(
    store: Store,
    *,
    runtimes: Mapping[str, str],
    tolerances: Tolerances = (),
    judge: Judge = default_judge,
    expect: Expect | None = None,
) -> Rejudged:
    """Judge every measured case of a store again.

    Args:
        store: whose judgements are replaced where they differ.
        runtimes: cell id -> adapter's name.
        tolerances: by type, before those of the run.
        judge: see `judge.judge`.
        expect: the expectation of a case whose status changed; default: known issues stay known.

    Returns:
        What changed.
    """
    result = Rejudged()
    bench = _Bench(store, runtimes, tolerances, judge)

    def changes() -> Iterator[tuple[str, int, Judgement, Expectation | None]]:
        for case in store.cases():
            if case.measurement.ended in _NEVER:
                continue
            try:
                judged = bench.again(case)
            except (StoredRunProblem, ValueError):
                result.kept += 1
                continue
            result.judged += 1
            before = case.judgement
            if judged.status is before.status:
                if before.attribution is not None:
                    # What its variants said about the cause is still true.
                    judged = replace(
                        judged,
                        attribution=before.attribution,
                        attribution_detail=before.attribution_detail,
                    )
                if judged != before:
                    yield case.cell, case.n, judged, None
                continue
            result.changed[before.status, judged.status] += 1
            after = replace(case, judgement=judged)
            yield case.cell, case.n, judged, (expect or _expectation)(after)

    store.set_judgements(changes())
    return result


def compare_outputs(
    store: Store,
    reference: str,
    *,
    runtimes: Mapping[str, str],
    tolerances: Tolerances = (),
    judge: Judge = default_judge,
) -> Rejudged:
    """Judge every cell against the outputs of one of them, instead of its own reference.

    A case of which that cell has no outputs becomes `not_run`, with the reason.

    Args:
        store: whose cases are replaced, their measurements kept.
        reference: id of the cell whose outputs are right by definition.
        runtimes: cell id -> adapter's name.
        tolerances: by type, before those of the run.
        judge: see `judge.judge`.

    Returns:
        What changed.
    """
    result = Rejudged()
    bench = _Bench(store, runtimes, tolerances, judge)
    answers = {
        (case.check, case.unit, case.case): case.measurement
        for case in store.cases(cell=reference)
        if case.measurement.ended == "returned" and case.measurement.outputs
    }

    def judged() -> Iterator[CaseRecord]:
        for case in store.cases():
            if case.cell == reference or case.measurement.ended != "returned":
                continue
            try:
                found = bench.against(case, answers.get((case.check, case.unit, case.case)))
            except (StoredRunProblem, ValueError):
                result.kept += 1
                continue
            result.judged += 1
            if found.status is not case.judgement.status:
                result.changed[case.judgement.status, found.status] += 1
            after = replace(
                case,
                judgement=found,
                reference={**(case.reference or {}), "kind": "cell", "source": reference},
            )
            if found.status is Status.NOT_RUN:
                reason = f"cell {reference} has no outputs of it"
                after = replace(after, measurement=replace(case.measurement, reason=reason))
            yield replace(after, expectation=_expectation(after))

    for batch in batches(judged(), _BATCH):
        store.add_cases(batch)
    return result


@dataclass(frozen=True)
class _Bench:
    """What every case is judged with."""

    store: Store
    runtimes: Mapping[str, str]
    tolerances: Tolerances
    judge: Judge

    def again(self, case: CaseRecord) -> Judgement:
        """By the reference that it was judged by before."""
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
        """By what another cell answered."""
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


def _expectation(case: CaseRecord) -> Expectation:
    status, known = case.judgement.status, case.expectation.known
    if status in NOT_OK_CASE:
        return Expectation(outcome=Outcome.XFAIL if known else Outcome.NOT_OK, known=known)
    if status in INFO_CASE:
        return Expectation(outcome=Outcome.INFO, known=known)
    return Expectation(outcome=Outcome.OK)
