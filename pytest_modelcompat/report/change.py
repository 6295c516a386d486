"""What changed between two cells of a lane, case by case.

The words: a case *works* if its answer is right (wherever it ran) and nobody declared that a
failure; it is *measured* if it was not skipped and did run. Everything the verdicts say follows
from these two and from the two sets of cases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelcompat.report.states import OUTCOMES, STATUSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_modelcompat.report.columns import Cases

__all__ = ["CHANGES", "Change", "changed", "measured", "works"]

#: what the change column of a case can say, in the order of its codes
CHANGES = (
    "", "new", "fixed", "still", "known", "added", "moved", "back", "no_data", "known_new", "flaky",
)  # fmt: skip

_QUIET = tuple(STATUSES.index(word) for word in ("skipped", "not_run"))
_PASSED, _FALLBACK = STATUSES.index("passed"), STATUSES.index("fallback")
_MISSING = tuple(STATUSES.index(word) for word in ("unsupported", "gated"))
_UNSTEADY = STATUSES.index("nondeterministic")
_NOT_OK, _XFAIL, _XPASS = (OUTCOMES.index(word) for word in ("not_ok", "xfail", "xpass"))
_NEW, _FIXED, _STILL, _KNOWN, _ADDED, _MOVED, _BACK, _NO_DATA, _KNOWN_NEW, _FLAKY = range(1, 11)


@dataclass(frozen=True, kw_only=True)
class Change:
    """The step from one cell to another.

    Attributes:
        before, after: measured cases of either cell.
        compared: measured in both.
        counts: change word -> cases. `new` counts cases that worked and no longer do, those
            that are no longer supported included; `lost` tells how many of them are those. `known`
            counts those that a known issue explains and that did not work before either,
            `known_new` those that worked: declared or not, they stopped working. `flaky` counts
            those whose repeats disagreed before and that neither newly fail nor are known: what
            such a case does next is no news.
        removed: of `no_data`, those that the later cell does not even list.
        added_bad: of `added`, those that do not work.
        unexpected: cases that pass although a known issue says that they fail.
        still_missing: of `still`, those that the runtime does not support in either.
        still_moved: cases that ran on another provider before and after.
        works: compared cases that work after.
        passed: compared cases that passed on the provider asked for, after.
        units: (check, unit) of `new`, each with its number of cases, most first.
        codes: per row of the later cell, index in CHANGES.
    """

    before: int
    after: int
    compared: int
    counts: dict[str, int]
    lost: int
    removed: int
    added_bad: int
    unexpected: int
    still_missing: int
    still_moved: int
    works: int
    passed: int
    units: tuple[tuple[tuple[str, str], int], ...]
    codes: NDArray[np.uint8] = field(repr=False)


def measured(cases: Cases, cell: int) -> NDArray[np.bool_]:
    """Which cases of a cell were measured."""
    return ~np.isin(cases.column("status", cell), _QUIET)


def works(cases: Cases, cell: int) -> NDArray[np.bool_]:
    """Which cases of a cell gave the right answer, fallback included where nobody forbids it."""
    status, outcome = cases.column("status", cell), cases.column("outcome", cell)
    right: NDArray[np.bool_] = (status == _PASSED) | ((status == _FALLBACK) & (outcome != _NOT_OK))
    return right


def changed(cases: Cases, old: int, new: int) -> Change:
    """Compares the cases of two cells.

    Args:
        cases: of the run.
        old: position of the earlier cell.
        new: position of the later cell.

    Returns:
        Counts, the units that newly fail, and a code for every row of the later cell.
    """
    old_keys, new_keys = cases.column("key", old), cases.column("key", new)
    # A key twice in one cell would be a fault of the writer: the last one counts.
    order = np.argsort(old_keys, kind="stable")
    place = np.searchsorted(old_keys, new_keys, side="right", sorter=order) - 1
    partner = order[np.clip(place, 0, None)] if len(order) else np.zeros(len(new_keys), np.int64)
    paired = (place >= 0) & (len(order) > 0)
    if len(order):
        paired &= old_keys[partner] == new_keys

    def before(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return paired & values[partner] if len(values) else np.zeros(len(new_keys), np.bool_)

    old_measured, now = measured(cases, old), measured(cases, new)
    was = before(old_measured)
    worked = before(works(cases, old) & old_measured)
    work = works(cases, new) & now
    status = cases.column("status", new)
    known = cases.column("outcome", new) == _XFAIL
    fallback = (status == _FALLBACK) & work
    moved_before = before(cases.column("status", old) == _FALLBACK)
    passed_before = before(cases.column("status", old) == _PASSED)

    codes = np.zeros(len(new_keys), np.uint8)
    codes[was & ~now] = _NO_DATA
    codes[now & ~was] = _ADDED
    codes[was & now & passed_before & fallback] = _MOVED
    codes[was & now & moved_before & (status == _PASSED) & work] = _BACK
    codes[was & now & ~worked & work] = _FIXED
    codes[was & now & ~worked & ~work & ~known] = _STILL
    unsteady = before(cases.column("status", old) == _UNSTEADY)
    codes[was & now & unsteady & ~known] = _FLAKY
    codes[was & now & worked & ~work & ~known] = _NEW
    codes[now & ~work & known] = _KNOWN
    codes[was & now & worked & ~work & known] = _KNOWN_NEW

    missing = np.isin(status, _MISSING)
    gone = int(old_measured.sum()) - int(was.sum())  # cases the later cell does not even list
    counts = {word: int((codes == code).sum()) for code, word in enumerate(CHANGES) if word}
    counts["no_data"] += gone
    return Change(
        before=int(old_measured.sum()),
        after=int(now.sum()),
        compared=int((was & now).sum()),
        counts=counts,
        lost=int(((codes == _NEW) & missing).sum()),
        removed=gone,
        added_bad=int(((codes == _ADDED) & ~work).sum()),
        unexpected=int((now & (cases.column("outcome", new) == _XPASS)).sum()),
        still_missing=int(((codes == _STILL) & missing).sum()),
        still_moved=int((was & now & moved_before & fallback).sum()),
        works=int((was & now & work).sum()),
        passed=int((was & now & (status == _PASSED)).sum()),
        units=_units(cases, new_keys[codes == _NEW]),
        codes=codes,
    )


def _units(cases: Cases, keys: NDArray[np.int64]) -> tuple[tuple[tuple[str, str], int], ...]:
    units, counts = np.unique(cases.key_unit[keys], return_counts=True)
    named = [(cases.units[unit], int(n)) for unit, n in zip(units, counts, strict=True)]
    return tuple(sorted(named, key=lambda item: (-item[1], item[0])))
