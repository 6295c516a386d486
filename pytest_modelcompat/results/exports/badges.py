"""A badge for each target, in the JSON that badge services read from an address (endpoint badge).

A badge speaks of the newest tested version of its target, by name; there is no score.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.changes import FAILS
from pytest_modelcompat.results.compat import target_of
from pytest_modelcompat.results.model import CellStatus, Outcome, Status
from pytest_modelcompat.results.ranges import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.stored import StoredCell

__all__ = ["badges"]

_WIDEST = 60  # characters of a label
_IDLE = {Status.NOT_RUN.value, Status.SKIPPED.value}


def badges(run: Run) -> Iterator[tuple[str, str]]:
    """(file name, JSON) of each target's badge.

    Args:
        run: from `load`.
    """
    failing: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for case in run.cases():
        failing[case.cell] += case.outcome in FAILS
        known[case.cell] += case.outcome is Outcome.XFAIL
    hide = _unvaried(run.cells)
    targets: dict[str, dict[str, list[StoredCell]]] = {}
    for cell in run.cells:
        target, version = target_of(cell)
        targets.setdefault(f"{cell.matrix} {target}", {}).setdefault(version, []).append(cell)
    for target, versions in targets.items():
        newest = in_order(versions)[-1]
        cells = versions[newest]
        bad, excused = (sum(count[cell.id] for cell in cells) for count in (failing, known))
        message, colour = _said(cells, bad, excused)
        badge: dict[str, Any] = {
            "schemaVersion": 1,
            "label": _label(cells[0], hide),
            "message": f"{newest}: {message}"[:_WIDEST],
            "color": colour,
        }
        if colour == "red":
            badge["isError"] = True
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", target).strip("-")[:_WIDEST]
        digest = sha256(target.encode("utf-8", "replace")).hexdigest()[:8]
        yield f"{slug}-{digest}.json", json.dumps(badge, ensure_ascii=False, indent=1) + "\n"


def _said(cells: Sequence[StoredCell], bad: int, known: int) -> tuple[str, str]:
    broken = [cell for cell in cells if cell.outcome in FAILS]
    measured = sum(
        number for cell in cells for status, number in cell.counts.items() if status not in _IDLE
    )
    if broken:
        return broken[0].status.value.replace("_", " "), "red"
    if bad:
        return f"{bad:,} of {measured:,} fail", "red"
    if not measured:
        other = next((cell for cell in cells if cell.status is not CellStatus.COMPLETED), None)
        return (other.status.value if other else "no data"), "lightgrey"
    right = sum(cell.counts.get("passed", 0) for cell in cells)
    told = f"{right:,} of {measured:,} pass" if right < measured else f"all {measured:,} pass"
    return (f"{told}, {known:,} known", "yellow") if known else (told, "brightgreen")


def _unvaried(cells: Sequence[StoredCell]) -> set[str]:
    values: dict[str, set[str]] = {}
    for cell in cells:
        for axis, value in cell.axes.items():
            values.setdefault(axis, set()).add(value)
    return {axis for axis, every in values.items() if len(every) == 1}


def _label(cell: StoredCell, hide: set[str]) -> str:
    distribution = cell.axes.get("framework", "").partition("==")[0]
    rest = [
        value.removesuffix("ExecutionProvider")
        for axis, value in cell.axes.items()
        if axis != "framework" and axis not in hide
    ]
    return " · ".join([distribution, *rest])[:_WIDEST]
