"""What a failing item says: the mismatch, the signature, and the command that shows it again."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_modelcompat.results.model import CaseRecord

__all__ = ["text"]

SHOWN = 3  # cases told in full
MESSAGE = 1500  # characters of a raw message
OUTPUT = 800  # characters of what the process printed last


def text(records: Iterable[CaseRecord]) -> str:
    """The first failing cases in full, and how many more there are."""
    every = iter(records)
    lines: list[str] = []
    repro = ""
    for record in islice(every, SHOWN):
        lines += [*_case(record), ""]
        repro = repro or record.repro
    more = sum(1 for _ in every)
    if more:
        lines += [f"and {more} more cases", ""]
    if repro:
        lines.append(f"reproduce: {repro}")
    return "\n".join(lines)


def _case(record: CaseRecord) -> Iterator[str]:
    judgement, error = record.judgement, record.measurement.error or {}
    known = f" (known issue {record.expectation.known})" if record.expectation.known else ""
    if record.expectation.outcome is Outcome.XPASS:
        known = f" unexpectedly: known issue {record.expectation.known} no longer shows"
    yield f"{record.case}: {judgement.status.value} at stage {judgement.stage.value}{known}"
    ending = [f"{name} {error[name]}" for name in ("signal", "exit_code") if error.get(name)]
    if ending:
        yield f"  died: {', '.join(ending)}"
    if error.get("message"):
        yield f"  {error.get('type', '')}: {str(error['message'])[:MESSAGE]}"
    if error.get("output"):
        yield f"  printed last: {str(error['output'])[-OUTPUT:]}"
    if judgement.mismatch:
        yield f"  {_mismatch(judgement.mismatch)}"
    if judgement.attribution:
        detail = ", ".join(f"{k}: {v}" for k, v in judgement.attribution_detail.items())
        yield f"  attribution: {judgement.attribution}{f' ({detail})' if detail else ''}"
    if judgement.signature and judgement.signature != error.get("message"):
        yield f"  signature: {judgement.signature}"


def _mismatch(mismatch: dict[str, Any]) -> str:
    order = ("output", "kind", "index", "actual", "expected", "max_abs", "max_rel", "max_ulp")
    shown = [f"{name} {mismatch[name]}" for name in order if mismatch.get(name) is not None]
    if mismatch.get("bad") is not None and mismatch.get("total"):
        shown.insert(2, f"{mismatch['bad']:,} of {mismatch['total']:,} elements bad")
    bound = mismatch.get("tolerance")
    if isinstance(bound, dict) and bound:
        terms = " ".join(f"{name}={value:g}" for name, value in sorted(bound.items()))
        ratio = mismatch.get("ratio")
        times = "" if ratio is None else f" exceeded {_number(ratio)}-fold"
        shown.append(f"tolerance {terms}{times}")
    return ", ".join(shown)


def _number(ratio: float | str) -> str:
    """How many tolerances the worst element is off; infinities are strings."""
    return ratio if isinstance(ratio, str) else f"{ratio:,.3g}"
