"""Models that are variants of others, side by side with their originals: `variants` of run.json.

A quantized, pruned, distilled or half-size model is right by its own reference and may still be no
good. Here each of its cases is put beside the original's case with the same data in the same cell:
bytes, seconds, memory, share of right labels, and how far its answers are from the original's.
Nothing is compared that did not run on both sides with the same inputs; why is told.

Which model is a variant of which is in the run's head (`variant_of`), so that a stored run can be
compared and judged again without its matrix.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors.results import StoredRunProblem
from pytest_modelcompat.results.accuracy import accuracy, labels_in
from pytest_modelcompat.results.compared import Compared, Side
from pytest_modelcompat.results.distance import distance, matched, retyped
from pytest_modelcompat.results.judge import EQUAL
from pytest_modelcompat.results.model import Judgement, Stage, Status
from pytest_modelcompat.results.terms import read_tolerances
from pytest_modelcompat.results.tolerance import Judge
from pytest_modelcompat.worker.values import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_modelcompat.results.model import CaseRecord
    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.worker.values import Value

    Answer = list[tuple[str | int, Value]]

__all__ = ["ALONE", "CHECK", "Variants"]

CHECK = "parity"
ALONE = "by its own reference"
"""Under this name a judgement keeps what it was before the original was looked at."""
_FEWEST = 2  # repeats, to know a spread
_RIGHT = frozenset({Status.PASSED, Status.FALLBACK})


class Variants:
    """The variants of a run, from its store.

    Args:
        store: whose cases and answers are there.
        head: `variant_of` of the run's head.
    """

    def __init__(self, store: Store, head: Iterable[Mapping[str, Any]]) -> None:
        self._store = store
        self._head = tuple(head)
        self._labels: dict[str, tuple[int, ...] | None] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self._head)

    def compared(self) -> Iterator[Compared]:
        """Every case of every variant, in the order of cells, models and cases."""
        if not self._head:
            return
        matrices = {cell.id: cell.matrix for cell in self._store.cells()}
        for cell, units in self._cells():
            for said in self._head:
                if said["matrix"] == matrices.get(cell):
                    for record in units[said["model"]]:
                        yield self._beside(record, _partner(record, units[said["of"]]), said)

    def judged(self, matrices: Mapping[str, str]) -> Iterator[tuple[CaseRecord, CaseRecord]]:
        """Every answer of a variant with limits, as it was judged alone and beside its original.

        Args:
            matrices: cell id -> its matrix.
        """
        for cell, units in self._cells():
            for said in self._head:
                if said["matrix"] != matrices.get(cell) or not _limits(said):
                    continue
                for record in units[said["model"]]:
                    if record.measurement.ended == "returned":
                        original = _partner(record, units[said["of"]])
                        yield record, self._held(record, original, said)

    def limited(self, matrix: str, unit: str) -> Mapping[str, Any] | None:
        """What the head says of a variant with limits."""
        for said in self._head:
            if (said["matrix"], said["model"]) == (matrix, unit) and _limits(said):
                return said
        return None

    def held(self, record: CaseRecord, said: Mapping[str, Any]) -> CaseRecord:
        """A variant's case, judged by its limits as well.

        Args:
            record: judged by its own reference.
            said: of the head.

        Returns:
            The same, where its own reference says that it is wrong already, or it is near enough;
            `failed` where it is not, `not_run` where that cannot be told.
        """
        return self._held(record, self._partner(record, said), said)

    def _held(
        self, record: CaseRecord, original: CaseRecord | None, said: Mapping[str, Any]
    ) -> CaseRecord:
        record = _alone(record)
        if record.judgement.status not in _RIGHT:
            return record
        alone = {ALONE: record.judgement.status.value}
        found = self._beside(record, original, said)
        if found.beyond:
            judgement = Judgement(
                status=Status.FAILED,
                stage=Stage.COMPARE,
                signature=f"failed variant of {found.of}",
                attribution_detail=alone,
                mismatch={
                    **found.distance,
                    "kind": "variant",
                    "expected": f"near {found.original.case}",
                    "actual": "; ".join(found.beyond),
                },
            )
            return replace(record, judgement=judgement)
        why = found.not_compared or _untold(found)
        if not why:
            return record
        judgement = replace(
            record.judgement, status=Status.NOT_RUN, rule=None, attribution_detail=alone
        )
        measurement = replace(record.measurement, reason=f"no reference: {why}")
        return replace(record, judgement=judgement, measurement=measurement)

    # -- pairs ----------------------------------------------------------------------------------

    def _cells(self) -> Iterator[tuple[str, Mapping[str, list[CaseRecord]]]]:
        """The cases of each cell that are of a variant or an original, by unit; one query."""
        names = {said[key] for said in self._head for key in ("of", "model")}
        for cell, cases in groupby(self._store.cases(check=CHECK), key=lambda case: case.cell):
            units: dict[str, list[CaseRecord]] = {name: [] for name in names}
            for record in cases:
                if record.unit in units:
                    units[record.unit].append(record)
            yield cell, units

    def _partner(self, record: CaseRecord, said: Mapping[str, Any]) -> CaseRecord | None:
        found = self._store.cases(cell=record.cell, check=CHECK, unit=said["of"])
        return _partner(record, list(found))

    def _beside(
        self, record: CaseRecord, original: CaseRecord | None, said: Mapping[str, Any]
    ) -> Compared:
        ours = self._answer(record)
        theirs = self._answer(original) if original else "it is not in this cell with these data"
        variant = self._side(record, ours)
        other = self._side(original, theirs) if original else Side(reason=str(theirs))
        limits = _limits(said)
        why, found, beyond = "", {}, []
        if isinstance(ours, str):
            why = f"{record.case} gave no answer ({ours})"
        elif original is None or isinstance(theirs, str):
            why = f"the original {said['of']} gave no answer ({theirs})"
        elif _inputs(record) != _inputs(original):
            why = "its inputs are not the original's, byte for byte"
        else:
            found = distance(ours, theirs)
            beyond = [*_beyond(found, variant, other, limits), *_wrong(ours, theirs, limits)]
        return Compared(
            cell=record.cell,
            model=said["model"],
            of=said["of"],
            variant=variant,
            original=other,
            speed=_speed(variant, other),
            distance=found,
            not_compared=why,
            limits=limits,
            beyond=beyond,
        )

    def _side(self, record: CaseRecord, answer: Answer | str) -> Side:
        seen = record.measurement
        runs = seen.run_seconds
        share = None
        labels = self._labels_of(record)
        if labels is not None and not isinstance(answer, str):
            share = accuracy(answer, labels)
        return Side(
            case=record.case,
            status=record.judgement.status.value,
            reason=answer if isinstance(answer, str) else "",
            bytes=record.model_bytes,
            load=round(seen.load_seconds, 7),
            run=round(median(runs), 9) if runs else 0.0,
            low=round(min(runs, default=0.0), 9),
            high=round(max(runs, default=0.0), 9),
            repeats=len(runs),
            peak_rss=seen.peak_rss,
            accuracy=share,
        )

    # -- what was kept --------------------------------------------------------------------------

    def _answer(self, record: CaseRecord) -> Answer | str:
        """The first answer of a case; why there is none."""
        seen = record.measurement
        if seen.ended != "returned" or not seen.outputs:
            status = record.judgement.status.value.replace("_", " ")
            said = seen.reason or str((seen.error or {}).get("message") or "")
            return f"{status}: {said.splitlines()[0][:200]}" if said else status
        digest = seen.expected if seen.outputs[0] == EQUAL else seen.outputs[0]
        if not digest:
            return "its answers were not kept"
        try:
            found: Answer = decode(self._store.get_blob(digest))
        except (StoredRunProblem, ValueError):
            return "its answers are not kept"
        if all(isinstance(name, int) for name, _ in found):
            found.sort(key=lambda named: int(named[0]))
        return found

    def _labels_of(self, record: CaseRecord) -> tuple[int, ...] | None:
        digest = str((record.reference or {}).get("labels") or "")
        if digest not in self._labels:
            try:
                ((_, value),) = decode(self._store.get_blob(digest)) if digest else ((0, None),)
            except (StoredRunProblem, ValueError):
                value = None
            self._labels[digest] = None if value is None else labels_in(value)
        return self._labels[digest]


def _alone(record: CaseRecord) -> CaseRecord:
    """A case as its own reference judged it; an interrupted run that goes on is judged anew."""
    before = record.judgement.attribution_detail.get(ALONE)
    if before is None:
        return record
    close = record.judgement.mismatch if record.judgement.status is Status.NOT_RUN else None
    judgement = Judgement(status=Status(before), stage=Stage.COMPARE, mismatch=close)
    measurement = replace(record.measurement, reason="")
    return replace(record, judgement=judgement, measurement=measurement)


def _partner(record: CaseRecord, originals: list[CaseRecord]) -> CaseRecord | None:
    """The original's case with the same data: made in the same setting, else the first one.

    The only data set of the original is meant whatever it is called: a variant whose inputs have
    another type has them in another file. Whether they are the same is seen when both answered.
    """
    setting, data = _parts(record)
    same = [each for each in originals if _parts(each)[1] == data]
    if not same and len({_parts(each)[1] for each in originals}) == 1:
        same = originals
    alike = [each for each in same if _parts(each)[0] == setting]
    return next(iter(alike or same), None)


def _parts(record: CaseRecord) -> tuple[str, str]:
    """(setting of the producer, data set) of a case: `MODEL/SETTING/DATA` or `MODEL/DATA`."""
    rest = record.case.removeprefix(f"{record.unit}/")
    setting, _, data = rest.rpartition("/")
    return setting, data


def _inputs(record: CaseRecord) -> str:
    """The digest of what a case was given; cases without one are never alike."""
    return str((record.reference or {}).get("inputs") or record.case)


def _limits(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in ("accuracy_loss", "top1", "tolerance") if key in said}


def _speed(variant: Side, original: Side) -> int | None:
    if min(variant.repeats, original.repeats) < _FEWEST:
        return None
    return 1 if variant.low > original.high else -1 if variant.high < original.low else 0


def _beyond(
    found: Mapping[str, Any], variant: Side, original: Side, limits: Mapping[str, Any]
) -> Iterator[str]:
    """What is further away than the limits allow, in words."""
    most = limits.get("accuracy_loss")
    if most is not None and variant.accuracy is not None and original.accuracy is not None:
        loss = original.accuracy - variant.accuracy
        # Shares of rows: what is equal on paper must not fail in the last bit of a float.
        if loss > most + 1e-9:
            yield (
                f"accuracy {variant.accuracy:.4g} is {loss:.4g} below the original's "
                f"{original.accuracy:.4g}, at most {most:g} is allowed"
            )
    least = limits.get("top1")
    if least is not None and found.get("top1", least) < least - 1e-9:
        yield f"{found['top1']:.4g} of the rows choose as the original, at least {least:g} have to"


def _wrong(ours: Answer, theirs: Answer, limits: Mapping[str, Any]) -> Iterator[str]:
    """Outputs that are not the original's within the tolerance."""
    if "tolerance" not in limits:
        return
    pairs = matched(ours, theirs)
    if isinstance(pairs, str):
        yield pairs
        return
    judge = Judge(read_tolerances(limits["tolerance"]))
    found = judge.compare(
        [(name, retyped(one, other)) for name, one, other in pairs],
        [(name, other) for name, _, other in pairs],
    )
    if not found.agree:
        record = found.record or {}
        figures = (
            f"max_abs {record['max_abs']}" if "max_abs" in record
            else f"{record.get('actual')} against {record.get('expected')}"
        )  # fmt: skip
        yield f"{record.get('output', 'an output')} is beyond the tolerance: {figures}"


def _untold(found: Compared) -> str:
    """Why a limit cannot be held; empty where it can."""
    if "accuracy_loss" in found.limits:
        for name, side in ((found.model, found.variant), (found.of, found.original)):
            if side.accuracy is None:
                return f"{name} has no accuracy: there are no labels, or none for each row"
    if "top1" in found.limits and "top1" not in found.distance:
        return "no output chooses one of several in each row"
    return ""
