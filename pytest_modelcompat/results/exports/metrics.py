"""OpenMetrics text: what a nightly run counts, for Prometheus (a textfile collector, a gateway)."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from typing import TYPE_CHECKING

from pytest_modelcompat.results import changes_file
from pytest_modelcompat.results.changes import FAILS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.stored import StoredCell

__all__ = ["METRICS", "openmetrics_text"]

#: name -> (type, unit, help)
METRICS: Mapping[str, tuple[str, str, str]] = {
    "modelcompat_run": ("info", "", "The run that these numbers are of."),
    "modelcompat_run_start_timestamp_seconds": ("gauge", "seconds", "When the run began."),
    "modelcompat_run_end_timestamp_seconds": (
        "gauge", "seconds", "When the run ended; absent while it did not.",
    ),
    "modelcompat_cells": ("gauge", "", "Cells by status and outcome."),
    "modelcompat_cases": ("gauge", "", "Cases of a cell by check and status."),
    "modelcompat_failures": ("gauge", "", "Cases of a cell that fail the run."),
    "modelcompat_cell_seconds": ("gauge", "seconds", "What a cell took, by phase."),
    "modelcompat_new_failures": ("gauge", "", "New failures against the baseline."),
}  # fmt: skip


def openmetrics_text(run: Run) -> Iterator[str]:
    """The exposition, ended by `# EOF`.

    Args:
        run: from `load`.
    """
    info = run.info
    labels = {"run": info.id, "version": str(info.tool.get("version", ""))}
    yield from _family("modelcompat_run", [(labels, 1)])
    for name, when in (("start", info.started), ("end", info.finished)):
        stamp = _seconds(when)
        if stamp is not None:
            yield from _family(f"modelcompat_run_{name}_timestamp_seconds", [({}, stamp)])
    cells = Counter((c.matrix, c.status.value, c.outcome.value) for c in run.cells)
    yield from _family(
        "modelcompat_cells",
        (
            ({"matrix": matrix, "status": status, "outcome": outcome}, number)
            for (matrix, status, outcome), number in cells.items()
        ),
    )
    counts: Counter[tuple[str, str, str]] = Counter()
    failing: Counter[str] = Counter()
    for case in run.cases():
        counts[case.cell, case.check, case.status.value] += 1
        failing[case.cell] += case.outcome in FAILS
    by_id = {cell.id: _labels(cell) for cell in run.cells}
    yield from _family(
        "modelcompat_cases",
        (
            ({**by_id[cell], "check": check, "status": status}, number)
            for (cell, check, status), number in counts.items()
        ),
    )
    # A zero for every cell: an alert can only end on a value.
    yield from _family(
        "modelcompat_failures", ((by_id[cell.id], failing[cell.id]) for cell in run.cells)
    )
    yield from _family(
        "modelcompat_cell_seconds",
        (
            ({**by_id[cell.id], "phase": phase}, seconds)
            for cell in run.cells
            for phase, seconds in cell.seconds.items()
        ),
    )
    changes = changes_file.read(run.folder)
    if changes is not None:
        labels = {"baseline": str(changes.baseline.get("id", ""))}
        yield from _family("modelcompat_new_failures", [(labels, changes.failing)])
    yield "# EOF\n"


def _labels(cell: StoredCell) -> dict[str, str]:
    """A cell's axes as labels: dots become underscores, the framework is told in two as well."""
    distribution, _, version = cell.axes.get("framework", "").partition("==")
    found = {"matrix": cell.matrix, "distribution": distribution, "version": version}
    for axis, value in cell.axes.items():
        if axis != "framework":
            name = "axis_" + re.sub(r"[^a-zA-Z0-9_]", "_", axis)
            while name in found:
                name += "_"
            found[name] = value
    return found


def _family(name: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    kind, unit, words = METRICS[name]
    yield f"# TYPE {name} {kind}\n"
    if unit:
        yield f"# UNIT {name} {unit}\n"
    yield f"# HELP {name} {words}\n"
    sample = f"{name}_info" if kind == "info" else name
    for labels, value in samples:
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{sample}{{{told}}} {value:.10g}\n" if told else f"{sample} {value:.10g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _seconds(when: str | None) -> float | None:
    try:
        return dt.datetime.fromisoformat(when or "").timestamp()
    except ValueError:
        return None
