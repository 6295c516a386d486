"""What `modelcompat explain` finds by a name: a cell, an operator or model, an item, or cases."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_modelcompat.results.model import Status
from pytest_modelcompat.words import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_modelcompat.results.stored import StoredCase

__all__ = ["find", "is_unit", "unit_lines"]

_WORDS = 120  # characters of what went wrong
_HELD = 10_000  # cases


def find(
    what: str, cases: Callable[[], Iterator[StoredCase]]
) -> tuple[list[StoredCase], Iterable[StoredCase], set[str]]:
    """The cases that a name means.

    Args:
        what: as typed.
        cases: goes through all of a run; done once, and again only for a part of names that more
            cases have than are to be held.

    Returns:
        Those of the unit of that name; where there is none, those with it in their own name; and
        the names of all units.
    """
    of_unit: list[StoredCase] = []
    named: list[StoredCase] = []
    units: set[str] = set()
    for case in cases():
        units.add(case.unit.rpartition("::")[2])
        if is_unit(what, case):
            of_unit.append(case)
            named.clear()
        elif not of_unit and what in case.case and len(named) <= _HELD:
            named.append(case)
    if of_unit or len(named) <= _HELD:
        return of_unit, named, units
    return of_unit, (case for case in cases() if what in case.case), units


def is_unit(what: str, case: StoredCase) -> bool:
    """Whether a name means the unit that a case is of.

    Args:
        what: `Conv`, `ai.onnx::Conv` or `ai.onnx.Conv`, each also with an opset (`Conv@13`); a
            model's name; or the node id of a pytest item.
        case: any.
    """
    typed = case.unit.replace("::", ".")
    if what.endswith(f"::{case.cell}::{case.check}::{typed}"):
        return True
    names = {case.unit, typed, case.unit.rpartition("::")[2]}
    return what in names or (bool(case.opset) and what in {f"{n}@{case.opset}" for n in names})


def unit_lines(cases: Iterable[StoredCase]) -> Iterator[str]:
    """Units as a list of their cases: what became of each, and where that was not the right answer.

    Args:
        cases: of one or more units, of any number of cells.
    """
    units: dict[str, dict[tuple[str, int], list[StoredCase]]] = {}
    for case in cases:
        units.setdefault(case.unit, {}).setdefault((case.case, case.opset), []).append(case)
    for unit, named in units.items():
        every = [case for found in named.values() for case in found]
        cells = len({case.cell for case in every})
        yield f"{unit}: {plural(len(named), 'case')} in {plural(cells, 'cell')}, {_counts(every)}"
        for (name, opset), found in named.items():
            yield f"  {name}{f' (opset {opset})' if opset else ''}: {_counts(found)}"
            for case in found:
                if case.status is not Status.PASSED:
                    yield f"    {case.cell}: {_told(case)}"


def _told(case: StoredCase) -> str:
    error = case.error or {}
    words = " ".join(str(error.get("signature") or error.get("message") or case.reason).split())
    status = f"{case.status.value}{f' (known: {case.known})' if case.known else ''}"
    return f"{status}: {words[:_WORDS]}" if words else status


def _counts(cases: list[StoredCase]) -> str:
    counted = Counter(case.status.value for case in cases)
    return ", ".join(f"{count:,} {status}" for status, count in counted.most_common())
