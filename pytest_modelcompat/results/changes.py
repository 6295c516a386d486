"""The vocabulary of change, and which word a pair of results gets.

Two words are said about a case. `kind` is for a reader: an operator that worked and is now
unsupported is a NEW-FAIL to somebody who wants to move. `fails` is for the exit status: it goes by
the outcome, and so by what the matrix declared to be a failure.

A case that lost its answer (unsupported, gated, fallback) stands between right and wrong. Cases
without data are NO-DATA where there was some before; a failure that the baseline says nothing
about is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_modelcompat.results.model import NOT_OK_CASE, NOT_OK_CELL, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FAILS",
    "NO_DATA",
    "Change",
    "Kind",
    "PackageChange",
    "Side",
    "excused",
    "is_new",
    "kind_of",
    "package_changes",
]

FAILS = (Outcome.NOT_OK, Outcome.XPASS)
NO_DATA = frozenset({Status.NOT_RUN, Status.SKIPPED})
_IDLE = frozenset(each.value for each in NO_DATA)
_NOT_OK = frozenset(
    {
        *(each.value for each in NOT_OK_CASE),
        *(each.value for each in NOT_OK_CELL),
    }
)
_LOST = frozenset({Status.UNSUPPORTED, Status.GATED, Status.FALLBACK})


class Kind(str, Enum):
    """The words for a change."""

    NEW_FAIL = "NEW-FAIL"
    FIXED = "FIXED"
    STILL_FAIL = "STILL-FAIL"
    KNOWN = "KNOWN"
    FLAKY = "FLAKY"
    ADDED = "ADDED"
    REMOVED = "REMOVED"
    ENV_CHANGED = "ENV-CHANGED"
    NO_DATA = "NO-DATA"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageChange:
    """A package of an environment; `before` or `after` is None where it was not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """What one of the two runs says about a case (or a cell, with its status as text)."""

    status: str
    outcome: Outcome
    signature: str | None = None
    known: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change; of a whole cell where `case` is None.

    Attributes:
        kind: the word.
        matrix: name.
        axes: of the cell in the later run; of a removed one, in the earlier.
        cell: its id in that run.
        check: of the case.
        unit: of the case.
        case: of the case.
        before: None where it was not there.
        after: None where it is not there.
        fails: whether it is new and counts as a failure.
        packages: of ENV-CHANGED; empty where the same versions came from other files.
        place: of ENV-CHANGED: what else of the environment changed (`python`, `image`).
    """

    kind: Kind
    matrix: str
    axes: tuple[tuple[str, str], ...]
    cell: str
    check: str | None = None
    unit: str | None = None
    case: str | None = None
    before: Side | None = None
    after: Side | None = None
    fails: bool = False
    packages: tuple[PackageChange, ...] = ()
    place: tuple[PackageChange, ...] = ()


def kind_of(before: Side | None, after: Side | None) -> Kind | None:
    """The word for a case, or None where nothing changed that anybody needs to know.

    Args:
        before: None where the case was not there.
        after: None where it is not there.
    """
    if after is None:
        return Kind.REMOVED
    if after.outcome is Outcome.XFAIL:
        return Kind.KNOWN
    if before is None:
        return Kind.ADDED
    if before.status in NO_DATA or after.status in NO_DATA:
        return _without_data(before, after)
    if Status.NONDETERMINISTIC in (before.status, after.status):
        return Kind.FLAKY
    # Where only what counts as a failure has changed, the answer is as wrong as before.
    same = after.outcome in FAILS and excused(before, after.status)
    return Kind.STILL_FAIL if same else _by_level(_level(before), _level(after))


def _without_data(before: Side, after: Side) -> Kind | None:
    if after.status in NO_DATA:
        return None if before.status in NO_DATA else Kind.NO_DATA
    return Kind.NEW_FAIL if after.outcome in FAILS else None


def _by_level(earlier: int, later: int) -> Kind | None:
    right, _, wrong = range(3)
    if later > earlier:
        return Kind.NEW_FAIL
    if later == right:
        return Kind.FIXED if earlier else None
    return Kind.STILL_FAIL if wrong in (earlier, later) else None


def _level(side: Side) -> int:
    """Right 0, lost 1, wrong 2."""
    if side.status in NOT_OK_CASE or side.outcome is Outcome.NOT_OK:
        return 2
    return 1 if side.status in _LOST else 0


def is_new(before: Side | None, after: Side) -> bool:
    """Whether it counts as a failure and did not before."""
    if after.outcome not in FAILS:
        return False
    return before is None or not (before.outcome in FAILS or excused(before, after.status))


def excused(before: Side, now: str) -> bool:
    """Whether an earlier run had this failure, and a baseline of its own made it no failure.

    A run with a baseline calls old failures information. Without this, the run after it would take
    them for new ones, and a nightly job whose baseline is the night before would fail every second
    night.

    Args:
        before: what the earlier run says.
        now: the status of the same case or cell now.
    """
    then = str.__str__(before.status)  # as text: members of an enumeration have a hash of their own
    if before.outcome is not Outcome.INFO or then in _IDLE:
        return False
    return then == now or then in _NOT_OK


def package_changes(before: Sequence[str], after: Sequence[str]) -> tuple[PackageChange, ...]:
    """How two environments differ.

    Args:
        before: `name==version` of each package.
        after: the same of the other.
    """
    first, second = _versions(before), _versions(after)
    return tuple(
        PackageChange(name=name, before=first.get(name), after=second.get(name))
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    )


def _versions(packages: Sequence[str]) -> dict[str, str]:
    split = (each.partition("==") for each in packages)
    return {canonicalize_name(name): version for name, _, version in split}
