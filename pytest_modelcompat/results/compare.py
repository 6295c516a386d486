"""What changed between two runs, or between two cells of any two runs.

Cells are matched by matrix and axes, cases by check, unit and name; ids play no part. Each run is
read once, into 14 bytes a case. What the words mean is in changes.py.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.results.changes import (
    FAILS,
    NO_DATA,
    Change,
    Kind,
    PackageChange,
    Side,
    is_new,
    kind_of,
    package_changes,
)
from pytest_modelcompat.results.model import CellStatus, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.stored import StoredCase, StoredCell

    _Key = tuple[str, tuple[tuple[str, str], ...]]

__all__ = [
    "Change",
    "Kind",
    "PackageChange",
    "Side",
    "compare_cells",
    "compare_runs",
    "kind_of",
    "package_changes",
]


_STATUSES = tuple(Status)
_OUTCOMES = tuple(Outcome)
_STATUS_NUMBER = {status: number for number, status in enumerate(_STATUSES)}
_OUTCOME_NUMBER = {outcome: number for number, outcome in enumerate(_OUTCOMES)}


class _Names:
    """Numbers for what repeats; shared by the two runs."""

    def __init__(self) -> None:
        self.cases: dict[tuple[str, str, str], int] = {}
        self.case_of: list[tuple[str, str, str]] = []
        self.texts: dict[str | None, int] = {None: 0}
        self.text_of: list[str | None] = [None]

    def case(self, case: StoredCase) -> int:
        key = (case.check, case.unit, case.case)
        number = self.cases.get(key)
        if number is None:
            number = self.cases[key] = len(self.case_of)
            self.case_of.append(key)
        return number

    def text(self, text: str | None) -> int:
        number = self.texts.get(text)
        if number is None:
            number = self.texts[text] = len(self.text_of)
            self.text_of.append(text)
        return number


class _Column:
    """One cell's cases in 14 bytes each."""

    def __init__(self, names: _Names) -> None:
        self._names = names
        self.cases = array("I")
        self._statuses = array("B")
        self._outcomes = array("B")
        self._signatures = array("I")
        self._known = array("I")

    def add(self, case: StoredCase) -> None:
        signature = (case.error or {}).get("signature")
        self.cases.append(self._names.case(case))
        self._statuses.append(_STATUS_NUMBER[case.status])
        self._outcomes.append(_OUTCOME_NUMBER[case.outcome])
        self._signatures.append(self._names.text(signature if type(signature) is str else None))
        self._known.append(self._names.text(case.known))

    def side(self, row: int) -> Side:
        return Side(
            status=_STATUSES[self._statuses[row]],
            outcome=_OUTCOMES[self._outcomes[row]],
            signature=self._names.text_of[self._signatures[row]],
            known=self._names.text_of[self._known[row]],
        )

    def same(self, row: int, other: _Column, place: int) -> bool:
        """Passed on both sides, which is what nearly all are and nobody needs to hear of."""
        passed, fine = _STATUS_NUMBER[Status.PASSED], _OUTCOME_NUMBER[Outcome.OK]
        return (
            self._statuses[row] == passed == other._statuses[place]
            and self._outcomes[row] == fine == other._outcomes[place]
        )


def _columns(run: Run, names: _Names, cell: str | None = None) -> dict[str, _Column]:
    columns: dict[str, _Column] = {}
    for case in run.cases(cell):
        column = columns.get(case.cell)
        if column is None:
            column = columns[case.cell] = _Column(names)
        column.add(case)
    return columns


def compare_runs(before: Run, after: Run, *, across: Collection[str] = ()) -> Iterator[Change]:
    """What changed from one run to another.

    Args:
        before: the baseline.
        after: the run in question.
        across: axes whose values may differ between a cell and its counterpart (`framework`: its
            version may). Cells that are then alike are told apart by the axes all the same: only
            what has exactly one counterpart is compared across.

    Yields:
        Changes cell by cell in the later run's order, the cell's own first; removed cells last.
    """
    names = _Names()
    first, second = _columns(before, names), _columns(after, names)
    old = {cell.key: cell for cell in before.cells}
    partner = _partners(before, after, across)
    for cell in after.cells:
        other = old.pop(partner.get(cell.key, cell.key), None)
        yield from _cell_changes(before, other, after, cell)
        rows = second.get(cell.id, _Column(names))
        if other is None:
            # The cell says that it is new; of its cases only failures are worth a line each.
            changes = _case_changes(names, cell, _Column(names), rows)
            yield from (each for each in changes if each.fails)
        else:
            yield from _case_changes(names, cell, first.get(other.id, _Column(names)), rows)
    for cell in old.values():
        yield _of_cell(Kind.REMOVED, cell, before=_cell_side(cell), after=None)


def _partners(before: Run, after: Run, across: Collection[str]) -> dict[_Key, _Key]:
    """Later cell -> earlier cell, for those that are one cell but for the axes `across`."""
    if not across:
        return {}

    def rest(cell: StoredCell) -> _Key:
        axes = dict(cell.axes)
        for name in across:
            distribution = axes.pop(name, "").partition("==")[0] if name == "framework" else ""
            axes.pop(name, None)
            if distribution:
                axes["framework"] = distribution
        return cell.matrix, tuple(sorted(axes.items()))

    same = {cell.key for cell in before.cells} & {cell.key for cell in after.cells}
    sides: list[dict[_Key, list[_Key]]] = []
    for run in (before, after):
        found: dict[_Key, list[_Key]] = {}
        for cell in run.cells:
            if cell.key not in same:
                found.setdefault(rest(cell), []).append(cell.key)
        sides.append(found)
    old, new = sides
    return {
        keys[0]: old[key][0]
        for key, keys in new.items()
        if len(keys) == 1 and len(old.get(key, ())) == 1
    }


def compare_cells(before: Run, first: str, after: Run, second: str) -> Iterator[Change]:
    """What changed from one cell to another, of the same run or of two; their axes may differ.

    Args:
        before: run of the first cell.
        first: its id.
        after: run of the second cell.
        second: its id.

    Raises:
        UsageProblem: a run has no such cell.
    """
    names = _Names()
    old, new = before.cell(first), after.cell(second)
    yield from _cell_changes(before, old, after, new)
    earlier = _columns(before, names, first).get(first, _Column(names))
    later = _columns(after, names, second).get(second, _Column(names))
    yield from _case_changes(names, new, earlier, later)


def _case_changes(
    names: _Names, cell: StoredCell, before: _Column, after: _Column
) -> Iterator[Change]:
    place = {case: row for row, case in enumerate(before.cases)}
    axes = tuple(cell.axes.items())
    measured = any(status not in NO_DATA for status in cell.counts)
    for row, case in enumerate(after.cases):
        old_row = place.pop(case, None)
        if old_row is not None and after.same(row, before, old_row):
            continue
        old = None if old_row is None else before.side(old_row)
        new = after.side(row)
        kind = kind_of(old, new)
        # A cell of which nothing ran says so itself, once.
        if kind is None or (kind is Kind.NO_DATA and not measured):
            continue
        check, unit, name = names.case_of[case]
        yield Change(
            kind=kind,
            matrix=cell.matrix,
            axes=axes,
            cell=cell.id,
            check=check,
            unit=unit,
            case=name,
            before=old,
            after=new,
            fails=is_new(old, new),
        )
    for case, old_row in place.items():
        check, unit, name = names.case_of[case]
        yield Change(
            kind=Kind.REMOVED,
            matrix=cell.matrix,
            axes=axes,
            cell=cell.id,
            check=check,
            unit=unit,
            case=name,
            before=before.side(old_row),
        )


def _cell_changes(
    before: Run, old: StoredCell | None, after: Run, new: StoredCell
) -> Iterator[Change]:
    later = _cell_side(new)
    if old is None:
        yield _of_cell(Kind.ADDED, new, before=None, after=later)
        return
    earlier = _cell_side(old)
    kind = _cell_kind(old, new)
    if kind is not None:
        yield _of_cell(kind, new, before=earlier, after=later)
    places = _place(old), _place(new)
    if None not in places and places[0] != places[1]:
        packages = package_changes(before.packages(old), after.packages(new))
        change = _of_cell(Kind.ENV_CHANGED, new, before=earlier, after=later, packages=packages)
        yield replace(change, place=_moved(old, new))


def _cell_kind(old: StoredCell, new: StoredCell) -> Kind | None:
    if new.outcome is Outcome.XFAIL:
        return Kind.KNOWN
    if new.outcome in FAILS:
        return Kind.STILL_FAIL if old.outcome in FAILS else Kind.NEW_FAIL
    if new.status is not CellStatus.COMPLETED:
        return Kind.NO_DATA if old.status is CellStatus.COMPLETED else None
    return Kind.FIXED if old.outcome in (*FAILS, Outcome.XFAIL) else None


def _place(cell: StoredCell) -> tuple[str | None, ...] | None:
    """What of an environment makes it another one; None where it was never made."""
    environment = cell.environment
    if not environment.get("lock_digest"):
        return None
    return tuple(environment.get(name) for name in ("lock_digest", "image_digest", "python"))


def _moved(old: StoredCell, new: StoredCell) -> tuple[PackageChange, ...]:
    """What of an environment changed beside its packages."""
    names = (("python", "python"), ("image", "image_digest"))
    pairs = [(name, old.environment.get(key), new.environment.get(key)) for name, key in names]
    return tuple(
        PackageChange(name=name, before=before, after=after)
        for name, before, after in pairs
        if before != after
    )


def _cell_side(cell: StoredCell) -> Side:
    return Side(status=cell.status.value, outcome=cell.outcome, known=cell.known)


def _of_cell(
    kind: Kind,
    cell: StoredCell,
    *,
    before: Side | None,
    after: Side | None,
    packages: tuple[PackageChange, ...] = (),
) -> Change:
    return Change(
        kind=kind,
        matrix=cell.matrix,
        axes=tuple(cell.axes.items()),
        cell=cell.id,
        before=before,
        after=after,
        fails=kind is not Kind.ENV_CHANGED and after is not None and is_new(before, after),
        packages=packages,
    )
