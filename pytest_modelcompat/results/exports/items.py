"""The items of a stored run: what pytest reported, found again from its cases.

An item is a cell's environment, or one unit of one check in a cell. It fails if one of its cases
does, is `xfailed` if its only failures are known, passes if at least one case passed, and else is
skipped with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_modelcompat.results.changes import FAILS
from pytest_modelcompat.results.model import CellStatus, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.stored import StoredCase, StoredCell

__all__ = ["Item", "items"]

_FEW = 3  # failing cases that are told


@dataclass(kw_only=True)
class Item:
    """One item.

    Attributes:
        cell: of the item.
        check: empty for the environment.
        unit: empty for the environment.
        verdict: passed, failed, xfailed, skipped, or error (infrastructure).
        why: of what did not pass: statuses and messages, a line each.
        counts: status -> cases.
        seconds: of loading and running; of an environment, of making it.
        known: ids of the known issues that explain it.
        repro: the command that shows it again.
    """

    cell: StoredCell
    check: str = ""
    unit: str = ""
    verdict: str = "skipped"
    why: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    known: list[str] = field(default_factory=list)
    repro: str = ""

    @property
    def name(self) -> str:
        """The last part of its node id: `environment`, or the unit."""
        return self.unit.replace("::", ".") or "environment"

    def take(self, case: StoredCase) -> None:
        """Count one of its cases."""
        self.counts[case.status.value] = self.counts.get(case.status.value, 0) + 1
        seconds = case.seconds or {}
        self.seconds += sum(
            v for v in (seconds.get("load"), seconds.get("run")) if isinstance(v, (int, float))
        )
        self.repro = self.repro or case.repro
        if case.known and case.known not in self.known:
            self.known.append(case.known)
        verdict = _verdict(case)
        if _RANK.index(verdict) < _RANK.index(self.verdict):
            self.verdict = verdict
            self.why.clear()
        if verdict == self.verdict and verdict != "passed" and len(self.why) < _FEW:
            told = _told(case)
            if told not in self.why:
                self.why.append(told)


_RANK = ("failed", "xfailed", "passed", "skipped")


def _verdict(case: StoredCase) -> str:
    if case.outcome in FAILS:
        return "failed"
    if case.outcome is Outcome.XFAIL:
        return "xfailed"
    return "passed" if case.status is Status.PASSED else "skipped"


def _told(case: StoredCase) -> str:
    if case.status in {Status.NOT_RUN, Status.SKIPPED}:
        return f"{case.status.value}: {case.reason}"
    words = str((case.error or {}).get("signature") or (case.error or {}).get("message") or "")
    if not words and case.mismatch:
        words = ", ".join(
            f"{name} {case.mismatch[name]}"
            for name in ("output", "kind", "max_abs", "max_rel", "ratio")
            if case.mismatch.get(name) is not None
        )
    return f"{case.case}: {case.status.value} at stage {case.stage.value}: {words[:500]}".rstrip(
        ": "
    )


def items(run: Run) -> Iterator[Item]:
    """Every item, cell after cell, the environment first.

    Args:
        run: from `load`.
    """
    cells = {cell.id: cell for cell in run.cells}
    told: set[str] = set()
    current: StoredCell | None = None
    units: dict[tuple[str, str], Item] = {}
    for case in run.cases():
        if current is None or case.cell != current.id:
            yield from units.values()
            current, units = cells[case.cell], {}
            if current.id not in told:
                told.add(current.id)
                yield _environment(current)
        key = (case.check, case.unit)
        if key not in units:
            units[key] = Item(cell=current, check=case.check, unit=case.unit)
        units[key].take(case)
    yield from units.values()
    for cell in run.cells:
        if cell.id not in told:
            yield _environment(cell)


def _environment(cell: StoredCell) -> Item:
    verdict = "skipped"
    if cell.outcome is Outcome.XFAIL:
        verdict = "xfailed"
    elif cell.outcome in FAILS:
        lost = cell.status is CellStatus.INFRASTRUCTURE_FAILED
        verdict = "error" if lost else "failed"
    elif cell.status is CellStatus.COMPLETED:
        verdict = "passed"
    why = [] if verdict == "passed" else [f"{cell.status.value}: {cell.reason}".rstrip(": ")]
    return Item(
        cell=cell,
        verdict=verdict,
        why=why,
        counts=dict(cell.counts),
        seconds=sum(value for name, value in cell.seconds.items() if name != "run"),
        known=[cell.known] if cell.known else [],
        repro=cell.repro,
    )
