"""Judging a stored run again: other tolerances, better rules, another cell as the reference.

Nothing is run. The measurements and the raw outputs that the run kept are read, `judge` is asked
again, and only what it now says differently is replaced. Outputs that were byte for byte the
expected ones were not kept; they are right under every tolerance.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.errors.results import StoredRunProblem
from pytest_modelcompat.results.bench import Bench
from pytest_modelcompat.results.copying import copy_run, parse_tolerances, refuse_another
from pytest_modelcompat.results.folder import sweep
from pytest_modelcompat.results.judge import judge as default_judge
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import (
    INFO_CASE,
    NOT_OK_CASE,
    CaseRecord,
    Expectation,
    Judgement,
    Outcome,
    Status,
)
from pytest_modelcompat.results.records import batches
from pytest_modelcompat.results.remembered import Remembered
from pytest_modelcompat.results.rows import alike, is_long, number, record, unit
from pytest_modelcompat.results.rules import OURS
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.variants import Variants
from pytest_modelcompat.results.write import write_outputs
from pytest_modelcompat.words import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Tolerances
    from pytest_modelcompat.results.model import Measurement
    from pytest_modelcompat.results.schema import Texts

    Judge = Callable[..., Judgement]
    Expect = Callable[[CaseRecord], Expectation]
    Beside = Callable[[CaseRecord], CaseRecord]

__all__ = ["Rejudged", "command", "compare_outputs", "rejudge"]

_NOTE, _OWN = "rejudged against ", "its references"  # begin the note of a run that was judged again
_BATCH = 1000
_REMEMBERED = 20_000  # judgements, with what they are about
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
    other_rules: Callable[[], None] = lambda: None,
) -> str:
    """What `modelcompat rejudge` does: a copy of a stored run, judged anew.

    Args:
        folder: the stored run; it stays as it is.
        output: where the copy goes; default: beside the run, with `-rejudged` to its name. A copy
            that is there already is replaced, whatever run it is of; another run is not.
        tolerances: as texts, `float32:rtol=1e-2,atol=1e-4`.
        against: id of the cell whose outputs are the reference; default: the stored references.
        other_rules: makes the rules of other plugins known. Called where the run has a runtime
            without rules of ours, which come first.

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
    elif before := _judged_against(run.info.notes):
        raise errors.judged_against(folder, before)
    in_place = output.resolve() == folder.resolve()
    if not in_place:
        refuse_another(output, run.info.id)
        copy_run(folder, output)
    with Store.existing(output) as store:
        if in_place:
            sweep(output, old_run=False)
        runtimes = {each["id"]: str(each.get("runtime", "")) for each in run.plan["cells"]}
        if not set(runtimes.values()) <= set(OURS):
            other_rules()
        if against is None:
            result = rejudge(store, runtimes=runtimes, tolerances=given)
        else:
            result = compare_outputs(store, against, runtimes=runtimes, tolerances=given)
        terms = ", ".join(tolerances) or "its own tolerances"
        note = f"{_NOTE}{against or _OWN} with {terms}; nothing was measured again"
        store.set_run(replace(store.run, notes=(*store.run.notes, note)))
        store.settle()
        write_outputs(store)
    lines = [f"{plural(result.judged, 'case')} judged again, {result.changed.total():,} changed"]
    lines += [
        f"  {before.value} -> {after.value}: {number:,}"
        for (before, after), number in result.changed.most_common()
    ]
    if result.kept:
        why = "what they answered, or their reference, is not stored"
        lines.append(f"{plural(result.kept, 'case')} could not be, and kept as before: {why}")
    lines.append(f"written to {output}; `modelcompat report {output}` makes its page")
    return "".join(f"{line}\n" for line in lines)


def _judged_against(notes: Sequence[str]) -> str:
    """The cell whose outputs took the place of the cases' own references; empty for none."""
    against = (note.removeprefix(_NOTE) for note in notes if note.startswith(_NOTE))
    return next((each.split(" ")[0] for each in against if not each.startswith(_OWN)), "")


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
        judge: see `judge.judge`; asked once for measurements that ended alike, down to the digests
            of their outputs.
        expect: the expectation of a case whose status changed; default: known issues stay known.

    Returns:
        What changed.
    """
    result = Rejudged()
    bench = Bench(store, runtimes, tolerances, judge)
    memory: Remembered[_Found | None] = Remembered(_REMEMBERED)
    limited = _limited(store)

    def found(
        texts: Texts, cell: str, row: tuple[Any, ...], beside: Beside | None = None
    ) -> _Found | None:
        return _again(bench, record(texts, cell, row), beside)

    def changes() -> Iterator[tuple[str, int, Judgement, Expectation | None]]:
        for texts, cell, row in store.rows():
            again: _Found | None
            beside = limited and limited(cell, unit(texts, row))
            if beside or is_long(row):  # a variant is held against another case of its cell
                again = found(texts, cell, row, beside)
            else:
                key = (runtimes.get(cell), *alike(row))
                again = memory.of(key, partial(found, texts, cell, row))
            if again is None:
                continue
            if again.judgement is None:
                result.kept += 1
                continue
            result.judged += 1
            if again.turned:
                result.changed[again.turned] += 1
                expectation = again.expectation
                if expect is not None:
                    case = record(texts, cell, row)
                    expectation = expect(replace(case, judgement=again.judgement))
                yield cell, number(row), again.judgement, expectation
            elif again.differs:
                yield cell, number(row), again.judgement, None

    store.set_judgements(changes())
    return result


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What judging again gave, for every case that is alike.

    Attributes:
        judgement: the new one; None where it could not be judged again.
        differs: whether it is another one than before.
        turned: the status before and after, where that changed.
        expectation: the new one, where the status changed.
    """

    judgement: Judgement | None = None
    differs: bool = False
    turned: tuple[Status, Status] | None = None
    expectation: Expectation | None = None


def _limited(store: Store) -> Callable[[str, str], Beside | None] | None:
    """(cell, unit) -> what puts that variant beside its original; None where none has limits."""
    variants = Variants(store, store.run.variant_of)
    if not variants:
        return None
    matrices = {cell.id: cell.matrix for cell in store.cells()}

    def found(cell: str, unit: str) -> Beside | None:
        said = variants.limited(matrices.get(cell, ""), unit)
        return None if said is None else partial(variants.held, said=said)

    return found


def _again(bench: Bench, case: CaseRecord, beside: Beside | None = None) -> _Found | None:
    """By its own reference, and beside its original; None for a case that was not measured."""
    if case.measurement.ended in _NEVER:
        return None
    try:
        judged = bench.again(case)
        if beside is not None:
            judged = beside(replace(case, judgement=judged)).judgement
    except (StoredRunProblem, ValueError):
        return _Found()
    before = case.judgement
    if judged.status is not before.status:
        after = replace(case, judgement=judged)
        turned = before.status, judged.status
        return _Found(judgement=judged, turned=turned, expectation=_expectation(after))
    if before.attribution is not None:
        # What its variants said about the cause is still true.
        judged = replace(
            judged, attribution=before.attribution, attribution_detail=before.attribution_detail
        )
    return _Found(judgement=judged, differs=judged != before)


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
    bench = Bench(store, runtimes, tolerances, judge)
    memory: Remembered[Judgement | None] = Remembered(_REMEMBERED)
    answers = {
        (case.check, case.unit, case.case): case.measurement
        for case in store.cases(cell=reference)
        if case.measurement.ended == "returned" and case.measurement.outputs
    }

    def found(case: CaseRecord, answer: Measurement | None) -> Judgement | None:
        with suppress(StoredRunProblem, ValueError):
            return bench.against(case, answer)
        return None

    def judged() -> Iterator[CaseRecord]:
        for texts, cell, row in store.rows():
            case = record(texts, cell, row)
            if cell == reference or case.measurement.ended != "returned":
                continue
            answer = answers.get((case.check, case.unit, case.case))
            right = None if answer is None else (answer.outputs[0], answer.expected)
            key = (runtimes.get(cell), right, *alike(row))
            again: Judgement | None = (
                found(case, answer)
                if is_long(row)
                else memory.of(key, partial(found, case, answer))
            )
            if again is None:
                result.kept += 1
                continue
            result.judged += 1
            if again.status is not case.judgement.status:
                result.changed[case.judgement.status, again.status] += 1
            after = replace(
                case,
                judgement=again,
                reference={**(case.reference or {}), "kind": "cell", "source": reference},
            )
            if again.status is Status.NOT_RUN:
                reason = f"cell {reference} has no outputs of it"
                after = replace(after, measurement=replace(case.measurement, reason=reason))
            yield replace(after, expectation=_expectation(after))

    for batch in batches(judged(), _BATCH):
        store.add_cases(batch)
    return result


def _expectation(case: CaseRecord) -> Expectation:
    status, known = case.judgement.status, case.expectation.known
    if status in NOT_OK_CASE:
        return Expectation(outcome=Outcome.XFAIL if known else Outcome.NOT_OK, known=known)
    if status in INFO_CASE:
        return Expectation(outcome=Outcome.INFO, known=known)
    return Expectation(outcome=Outcome.OK)
