"""CTRF, the Common Test Report Format: one JSON file that dashboards of many test tools read."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.exports.items import Item, items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.results.load import Run

__all__ = ["ctrf_text"]

SPEC = "0.0.0"
# The format has no word for an expected failure; `rawStatus` keeps ours.
_STATUS = {
    "passed": "passed", "failed": "failed", "error": "failed", "xfailed": "other",
    "skipped": "skipped",
}  # fmt: skip


def ctrf_text(run: Run) -> Iterator[str]:
    """The file, piece by piece; tests are pytest's items.

    Args:
        run: from `load`.
    """
    start, stop = _milliseconds(run.info.started), _milliseconds(run.info.finished)
    counts: Counter[str] = Counter()
    head = {"reportFormat": "CTRF", "specVersion": SPEC, "generatedBy": "pytest-modelcompat"}
    tool = {"name": "pytest-modelcompat", "version": str(run.info.tool.get("version", ""))}
    yield f'{json.dumps(head)[:-1]},\n"results": {{"tool": {json.dumps(tool)},\n"tests": ['
    comma = "\n"
    for item in items(run):
        counts[_STATUS[item.verdict]] += 1
        yield f"{comma}{json.dumps(_test(item))}"
        comma = ",\n"
    summary = {
        "tests": counts.total(),
        **{name: counts[name] for name in ("passed", "failed", "skipped", "pending", "other")},
        "start": start,
        "stop": max(start, stop),
        "extra": {"run": run.info.id, "baseline": run.info.baseline},
    }
    yield f'\n],\n"summary": {json.dumps(summary)}}}}}\n'


def _test(item: Item) -> dict[str, Any]:
    cell = item.cell
    test: dict[str, Any] = {
        "name": "::".join(filter(None, (cell.id, item.check, item.name))),
        "status": _STATUS[item.verdict],
        "duration": round(item.seconds * 1000),
        "suite": [each for each in (cell.matrix, cell.id, item.check) if each],
        "rawStatus": item.verdict,
        "tags": sorted(item.counts),
        "parameters": dict(cell.axes),
        "extra": {"counts": item.counts, "known": item.known},
    }
    if item.why:
        test["message"] = item.why[0]
        test["trace"] = "\n".join(
            [*item.why, *([f"reproduce: {item.repro}"] if item.repro else [])]
        )
    return test


def _milliseconds(when: str | None) -> int:
    try:
        return round(dt.datetime.fromisoformat(when or "").timestamp() * 1000)
    except ValueError:
        return 0
