"""Cases as CSV: a row a case, the axes as columns."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from pytest_modelcompat.results.numbers_stored import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.stored import StoredCase

__all__ = ["COLUMNS", "csv_text"]

COLUMNS = (
    "check", "unit", "case", "opset", "status", "outcome", "stage", "known", "reason", "requested",
    "attribution", "signature", "max_abs", "max_rel", "ratio", "load_seconds", "run_seconds",
    "peak_rss", "model_bytes", "repro",
)  # fmt: skip


def csv_text(run: Run) -> Iterator[str]:
    """The table, row by row (RFC 4180).

    Text that a spreadsheet would take for a formula begins with an apostrophe.

    Args:
        run: from `load`.
    """
    axes = list(dict.fromkeys(name for cell in run.cells for name in cell.axes))
    cells = {cell.id: cell for cell in run.cells}
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["run", "matrix", "cell", *axes, *COLUMNS])
    for case in run.cases():
        cell = cells[case.cell]
        row = [run.info.id, cell.matrix, cell.id, *(cell.axes.get(name, "") for name in axes)]
        writer.writerow([_safe(each) for each in (*row, *_row(case))])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()  # the head of a run without cases


def _row(case: StoredCase) -> list[object]:
    error, mismatch, seconds = case.error or {}, case.mismatch or {}, case.seconds or {}
    return [
        case.check, case.unit, case.case, case.opset or "", case.status.value, case.outcome.value,
        case.stage.value, case.known or "", case.reason, case.requested, case.attribution or "",
        error.get("signature") or error.get("message") or "",
        *(number(mismatch.get(name)) for name in ("max_abs", "max_rel", "ratio")),
        *(number(seconds.get(name)) for name in ("load", "run")),
        case.peak_rss or "", case.model_bytes or "", case.repro,
    ]  # fmt: skip


def _safe(value: object) -> object:
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - not a number: no value
        return ""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return value
