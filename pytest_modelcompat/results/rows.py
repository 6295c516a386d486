"""Case records as rows of the store, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from pytest_modelcompat.results.model import (
    CaseRecord,
    Expectation,
    Judgement,
    Measurement,
    Outcome,
    Stage,
    Status,
)
from pytest_modelcompat.results.schema import SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "EXPECTATION",
    "JUDGEMENT",
    "MEASUREMENT",
    "SELECT",
    "alike",
    "expectation_row",
    "is_long",
    "judgement_row",
    "measurement_row",
    "number",
    "record",
    "unit",
]

MEASUREMENT = f"measurement VALUES ({', '.join('?' * 19)})"
JUDGEMENT = f"judgement VALUES ({', '.join('?' * 8)})"
EXPECTATION = "expectation VALUES (?, ?, ?)"
SELECT = """
SELECT m.key, m.check_name, m.unit, m.name, m.requested, m.reference, m.repro, m.stage, m.ended,
    m.reason, m.ran_on, m.opset, m.peak_rss, m.load_seconds, m.run_seconds, m.outputs, m.expected,
    m.error, m.model_bytes,
    j.status, j.stage, j.rule, j.signature, j.attribution, j.attribution_detail,
    j.mismatch, e.outcome, e.known
FROM measurement m
    CROSS JOIN judgement j ON j.key = m.key
    CROSS JOIN expectation e ON e.key = m.key
"""
_LONG = 4096  # characters
_MASK = (1 << SHIFT) - 1
_STAGES = {each.value: each for each in Stage}
_STATUSES = {each.value: each for each in Status}
_OUTCOMES = {each.value: each for each in Outcome}


class Numbering(Protocol):
    """Gives numbers to strings: a store's own (`schema.Texts`), or those of one cell."""

    def key(self, value: str) -> int:
        """The string's number."""

    def optional(self, value: str | None) -> int | None:
        """The same for what may be absent."""

    def mapping_key(self, value: Mapping[str, Any], dump: Callable[[Any], str]) -> int:
        """The number of a mapping's JSON."""


class Numbered(Protocol):
    """Knows the strings of numbers."""

    def value(self, key: int) -> str:
        """The string of a number."""

    def mapping(self, key: int) -> dict[str, Any]:
        """The mapping of a number; shared, not to be changed."""


def _plain(value: Any) -> Any:
    """A numpy scalar that came along as the number it is; anything else as its text."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)


# Sorted, so that equal mappings become one text; ASCII, so that any string can be stored.
_dump = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain).encode


def measurement_row(texts: Numbering, cell: int, case: CaseRecord) -> tuple[Any, ...]:
    """What was measured, and of which case."""
    seen = case.measurement
    run: float | str | None = None
    if len(seen.run_seconds) == 1:
        run = float(seen.run_seconds[0])
    elif seen.run_seconds:
        run = _dump([float(each) for each in seen.run_seconds])
    return (
        (cell << SHIFT) + case.n,
        texts.key(case.check),
        texts.key(case.unit),
        texts.key(case.case),
        texts.optional(case.requested),
        None if case.reference is None else texts.mapping_key(case.reference, _dump),
        texts.optional(case.repro),
        texts.key(seen.stage.value),
        texts.key(seen.ended),
        texts.optional(seen.reason),
        None if seen.ran_on is None else texts.mapping_key(seen.ran_on, _dump),
        seen.opset or None,
        seen.peak_rss or None,
        seen.load_seconds or None,
        run,
        " ".join(seen.outputs) or None,
        texts.optional(seen.expected),
        None if seen.error is None else _dump(seen.error),
        case.model_bytes or None,
    )


def judgement_row(texts: Numbering, key: int, judged: Judgement) -> tuple[Any, ...]:
    """What it means."""
    detail = judged.attribution_detail
    return (
        key,
        texts.key(judged.status.value),
        texts.key(judged.stage.value),
        texts.optional(judged.rule),
        texts.optional(judged.signature),
        texts.optional(judged.attribution),
        texts.mapping_key(detail, _dump) if detail else None,
        None if judged.mismatch is None else _dump(judged.mismatch),
    )


def expectation_row(texts: Numbering, key: int, expected: Expectation) -> tuple[Any, ...]:
    """What was expected."""
    return key, texts.key(expected.outcome.value), texts.optional(expected.known)


def alike(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What is equal for cases of one store that can only be judged alike, and were.

    That is the provider, the reference, where and how it ended, what ran where, outputs, expected
    outputs and error; then the judgement and the expectation.
    """
    return (*row[4:6], *row[7:9], row[10], *row[15:18], *row[19:])


def is_long(row: tuple[Any, ...]) -> bool:
    """Whether a row holds so much text that thousands of them are not to be kept."""
    return len(row[15] or "") + len(row[17] or "") + len(row[25] or "") > _LONG


def number(row: tuple[Any, ...]) -> int:
    """A case's place in its cell's plan."""
    return int(row[0]) & _MASK


def unit(texts: Numbered, row: tuple[Any, ...]) -> str:
    """The unit of a row."""
    found: str = texts.value(row[2])
    return found


def record(texts: Numbered, cell: str, row: tuple[Any, ...]) -> CaseRecord:
    """A row of SELECT as the record that it was."""
    value = texts.value
    (
        key, check, unit, name, requested, reference, repro, stage, ended, reason, ran_on, opset,
        peak_rss, load_seconds, run_seconds, outputs, expected, error, model_bytes, status,
        judged_stage, rule, signature, attribution, attribution_detail, mismatch, outcome, known,
    ) = row  # fmt: skip
    if run_seconds is None:
        runs: tuple[float, ...] = ()
    elif isinstance(run_seconds, float):
        runs = (run_seconds,)
    else:
        runs = tuple(json.loads(run_seconds))
    return CaseRecord(
        cell=cell,
        n=key & _MASK,
        check=value(check),
        unit=value(unit),
        case=value(name),
        requested="" if requested is None else value(requested),
        measurement=Measurement(
            stage=_STAGES[value(stage)],
            ended=value(ended),
            error=None if error is None else json.loads(error),
            outputs=tuple(outputs.split(" ")) if outputs else (),
            expected=None if expected is None else value(expected),
            ran_on=None if ran_on is None else texts.mapping(ran_on),
            load_seconds=load_seconds or 0.0,
            run_seconds=runs,
            peak_rss=peak_rss or 0,
            opset=opset or 0,
            reason="" if reason is None else value(reason),
        ),
        judgement=Judgement(
            status=_STATUSES[value(status)],
            stage=_STAGES[value(judged_stage)],
            rule=None if rule is None else value(rule),
            signature=None if signature is None else value(signature),
            mismatch=None if mismatch is None else json.loads(mismatch),
            attribution=None if attribution is None else value(attribution),
            attribution_detail={}
            if attribution_detail is None
            else texts.mapping(attribution_detail),
        ),
        expectation=Expectation(
            outcome=_OUTCOMES[value(outcome)],
            known=None if known is None else value(known),
        ),
        reference=None if reference is None else texts.mapping(reference),
        repro="" if repro is None else value(repro),
        model_bytes=model_bytes or 0,
    )
