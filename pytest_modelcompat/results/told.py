"""Changes between runs as lines for a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_modelcompat.results.changes import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_modelcompat.results.changes import Change, PackageChange

__all__ = ["Told", "environment_text"]

SHOWN = 8  # packages in a line
_QUIET = frozenset({Kind.KNOWN, Kind.STILL_FAIL})


class Told:
    """Lines for changes, while they go by.

    Args:
        everything: known and still failing cases too.

    Attributes:
        counts: kind -> changes of cells and cases.
        fails: whether one of them is a new failure.
    """

    def __init__(self, *, everything: bool = False) -> None:
        self._quiet = frozenset() if everything else _QUIET
        self.counts: Counter[str] = Counter()
        self.fails = False

    def lines(self, changes: Iterable[Change]) -> Iterator[str]:
        """A line a change; environments that changed alike are one."""
        environments: dict[str, list[str]] = {}
        for change in changes:
            self.counts[change.kind.value] += 1
            self.fails = self.fails or change.fails
            if change.kind is Kind.ENV_CHANGED:
                environments.setdefault(environment_text(change), []).append(_where(change))
            elif change.kind not in self._quiet or change.fails:
                yield _line(change)
        for text, cells in environments.items():
            place = cells[0] if len(cells) == 1 else f"{len(cells)} cells"
            yield f"{Kind.ENV_CHANGED.value:<11} {place}: {text}"

    @property
    def summary(self) -> str:
        """How many of each kind."""
        told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.counts.items()))
        return told or "nothing changed"


def environment_text(change: Change) -> str:
    """How an environment differs: `only onnxruntime 1.24.4 → 1.25.1 changed`."""
    moved = [_step(each) for each in (*change.place, *change.packages)]
    if not moved:
        return "the same versions from other files"
    if len(moved) == 1:
        return f"only {moved[0]} changed"
    more = len(moved) - SHOWN
    return ", ".join([*moved[:SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _step(change: PackageChange) -> str:
    return f"{change.name} {_short(change.before)} → {_short(change.after)}"


def _short(version: str | None) -> str:
    """An image's digest is told by its first digits."""
    if version is None:
        return "-"
    algorithm, colon, digest = version.partition(":")
    return f"{algorithm}:{digest[:12]}" if colon else version


def _where(change: Change) -> str:
    return " ".join(value for _, value in change.axes)


def _line(change: Change) -> str:
    what = f" {change.check} {change.case}" if change.case is not None else ""
    sides = [side.status if side else "-" for side in (change.before, change.after)]
    return f"{change.kind.value:<11} {_where(change)}{what}: {' -> '.join(sides)}"
