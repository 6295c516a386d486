"""One JSON object a line for each case, with its cell's axes: what log stores take in as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.stored import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.results.load import Run

__all__ = ["jsonl_text"]


def jsonl_text(run: Run) -> Iterator[str]:
    """A line a case; `@timestamp` is the run's end.

    Args:
        run: from `load`.
    """
    when = run.info.finished or run.info.started
    cells = {cell.id: cell for cell in run.cells}
    for case in run.cases():
        cell = cells[case.cell]
        line: dict[str, Any] = {
            "@timestamp": when,
            "run": run.info.id,
            "matrix": cell.matrix,
            "axes": cell.axes,
            "cell_status": cell.status.value,
        }
        yield json.dumps(line | shown(case), allow_nan=False) + "\n"
