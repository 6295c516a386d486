"""One case as its line in cases.jsonl.gz."""

from __future__ import annotations

import json
import math
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_modelcompat.results.model import CaseRecord

__all__ = ["case_line", "dump", "error_of"]

# Made once: json.dumps with these arguments makes an encoder at every call. Enums are strings.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def case_line(case: CaseRecord) -> dict[str, Any]:
    """A case as its line in cases.jsonl.gz has it; fields without a value are absent."""
    seen, judged, expected = case.measurement, case.judgement, case.expectation
    line: dict[str, Any] = {
        "cell": case.cell,
        "n": case.n,
        "check": case.check,
        "unit": case.unit,
        "case": case.case,
        "opset": seen.opset,
        "stage": judged.stage,
        "status": judged.status,
        "outcome": expected.outcome,
        "known": expected.known,
        "reason": seen.reason,
        "requested": case.requested,
        "ran_on": seen.ran_on,
        "error": error_of(seen.error, judged.signature, judged.rule),
        "mismatch": judged.mismatch,
        "reference": case.reference,
        "attribution": judged.attribution,
        "attribution_detail": judged.attribution_detail,
        "seconds": _seconds(seen.load_seconds, seen.run_seconds),
        "peak_rss": seen.peak_rss,
        "model_bytes": case.model_bytes,
        "outputs": [each for each in seen.outputs if each != "="],
        "expected": seen.expected,
        "repro": case.repro,
    }
    # n is 0 for a cell's first case; every other zero or empty value means "none".
    return {name: value for name, value in line.items() if value or name == "n"}


def dump(value: Any) -> str:
    """JSON as design §6 wants it: finite numbers, NaN and infinities as strings."""
    try:
        return _encode(value)
    except (ValueError, TypeError):
        return _encode(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(float(value))
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, (str, int)):
        return value
    item = getattr(value, "item", None)  # a numpy scalar
    return _plain(item()) if callable(item) else str(value)


def error_of(
    raised: Mapping[str, Any] | None, signature: str | None, rule: str | None
) -> dict[str, Any]:
    """What a case raised or how it died, with the names that its judgement gave that."""
    seen = raised or {}
    error = {
        "type": seen.get("type"),
        "signature": signature,
        "message": seen.get("message"),
        "rule": rule,
        "signal": seen.get("signal"),
        "exit_code": seen.get("exit_code"),
        "output": seen.get("output"),
    }
    # An exit code of 0 is a fact: the process left in the middle as if all were well.
    return {name: value for name, value in error.items() if value is not None and value != ""}


def _seconds(load: float, runs: tuple[float, ...]) -> dict[str, Any]:
    """What a case took: its load, the median of its runs, and their spread."""
    seconds: dict[str, Any] = {}
    if load:
        seconds["load"] = round(load, 7)
    if runs:
        seconds["run"] = round(median(runs), 9)
    if len(runs) > 1:
        seconds["runs"] = {"n": len(runs), "min": round(min(runs), 9), "max": round(max(runs), 9)}
    return seconds
