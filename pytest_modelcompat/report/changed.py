"""What changed, in the words of change: step by step along each lane, or since a baseline.

A step compares a version with the one before it on the same target; a baseline compares each cell
with itself in an earlier run. Both are counted in the same words, and both name what else changed
in the environment: a failure after a step in which numpy moved too is not yet onnxruntime's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_modelcompat.report.lanes import targets_text, version_key
from pytest_modelcompat.report.verdict import select, unvaried
from pytest_modelcompat.results.changes import package_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_modelcompat.report.change import Change
    from pytest_modelcompat.report.data import Data
    from pytest_modelcompat.report.verdict import Walk
    from pytest_modelcompat.results.changes import PackageChange

__all__ = ["WORDS", "Changed", "Move", "Package", "Word", "changed_of", "word_of"]


@dataclass(frozen=True, kw_only=True)
class Word:
    """One word of change.

    Attributes:
        word: as it is written.
        codes: of `change.CHANGES` that it stands for; none where no later case has it.
        tone: its colour family.
        meaning: one sentence for the legend.
    """

    word: str
    codes: tuple[str, ...]
    tone: str
    meaning: str


WORDS: tuple[Word, ...] = (
    Word(
        word="NEW-FAIL",
        codes=("new",),
        tone="bad",
        meaning="worked before and does not any more, and no known issue says so",
    ),
    Word(word="FIXED", codes=("fixed",), tone="good", meaning="did not work before and does now"),
    Word(
        word="STILL-FAIL",
        codes=("still",),
        tone="missing",
        meaning="did not work before either: wrong, not supported, or gated",
    ),
    Word(
        word="KNOWN",
        codes=("known", "known_new"),
        tone="known",
        meaning="fails as a known issue expects, whatever it did before",
    ),
    Word(
        word="FLAKY",
        codes=("flaky",),
        tone="broken",
        meaning="its repeats disagreed before: what it does now is no news",
    ),
    Word(
        word="FELL-BACK",
        codes=("moved",),
        tone="moved",
        meaning="still right, and now ran on another provider than the one asked for",
    ),
    Word(
        word="CAME-BACK",
        codes=("back",),
        tone="good",
        meaning="runs on the provider asked for again",
    ),
    Word(word="ADDED", codes=("added",), tone="quiet", meaning="was not measured before"),
    Word(word="REMOVED", codes=(), tone="quiet", meaning="is not in the later plan any more"),
    Word(
        word="NO-DATA",
        codes=("no_data",),
        tone="broken",
        meaning="was measured before and is not any more: nothing may be said about it",
    ),
    Word(
        word="ENV-CHANGED",
        codes=(),
        tone="moved",
        meaning="the lock changed by more than what was moved",
    ),
)
_ENVIRONMENT = "ENV-CHANGED"
_BY_CODE = {code: each.word for each in WORDS for code in each.codes}


def word_of(code: str) -> str:
    """The word for a code of `change.CHANGES`; empty where nothing changed."""
    return _BY_CODE.get(code, "")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that another version, or nothing, stands for; empty text is absent."""

    name: str
    before: str
    after: str

    @property
    def text(self) -> str:
        """`numpy 1.26.4 → 2.2.6`, `+ mpmath 1.3.0`, and a minus for what is gone."""
        if not self.before:
            return f"+ {self.name} {self.after}"
        if not self.after:
            return f"\N{MINUS SIGN} {self.name} {self.before}"
        return f"{self.name} {self.before} → {self.after}"


@dataclass(frozen=True, kw_only=True)
class Move:
    """One step of the targets that share its counts.

    Attributes:
        title: what moves from where to where.
        where: the targets in words.
        targets: how many they are.
        counts: a count for each of WORDS, over all targets: of cases; of ENV-CHANGED, of targets.
        compared: cases measured on both sides, over all targets.
        packages: what else changed in the environment.
        locked: whether both environments are known; without, nothing is said of them.
        query: finds the cells moved to.
    """

    title: str
    where: str
    targets: int
    counts: tuple[int, ...]
    compared: int
    packages: tuple[Package, ...]
    locked: bool
    query: str


@dataclass(frozen=True, kw_only=True)
class Changed:
    """The section: `totals` has a count for each of WORDS."""

    moves: tuple[Move, ...]
    totals: tuple[int, ...]
    compared: int


def changed_of(data: Data, walks: Sequence[Walk]) -> Changed:
    """Counts every step of a run.

    Args:
        data: the run.
        walks: of `verdict.walk`.
    """
    hide = unvaried(data.cells)
    groups: dict[tuple[object, ...], list[Walk]] = {}
    found: dict[tuple[object, ...], tuple[tuple[int, ...], tuple[Package, ...] | None]] = {}
    for walk in walks:
        if walk.change is None or walk.old is None:
            continue
        packages = _packages(data, walk)
        counts = _counts(walk.change, packages)
        lane = walk.lane
        key = (
            lane.matrix,
            lane.distribution,
            lane.axis,
            walk.old[0],
            walk.new[0],
            counts,
            packages,
        )
        groups.setdefault(key, []).append(walk)
        found[key] = counts, packages
    moves = [_move(hide, groups[key], *found[key]) for key in groups]
    families = list(dict.fromkeys(key[:3] for key in groups))
    newest = {
        version: -place
        for place, version in enumerate(sorted({str(key[4]) for key in groups}, key=version_key))
    }
    ordered = sorted(
        zip(groups, moves, strict=True),
        key=lambda pair: (
            families.index(pair[0][:3]),
            newest[str(pair[0][4])],
            -pair[1].counts[0],
            -pair[1].targets,
        ),
    )
    totals = np.zeros(len(WORDS), np.int64)
    for move in moves:
        totals += np.array(move.counts)
    return Changed(
        moves=tuple(move for _, move in ordered),
        totals=tuple(int(n) for n in totals),
        compared=sum(move.compared for move in moves),
    )


def _counts(change: Change, packages: tuple[Package, ...] | None) -> tuple[int, ...]:
    counts: Mapping[str, int] = change.counts
    told = []
    for each in WORDS:
        n = sum(counts[code] for code in each.codes)
        if each.word == "REMOVED":
            n = change.removed
        elif each.word == "NO-DATA":  # the verdict counts what is gone among them
            n -= change.removed
        elif each.word == _ENVIRONMENT:
            n = int(bool(packages))
        told.append(n)
    return tuple(told)


def _packages(data: Data, walk: Walk) -> tuple[Package, ...] | None:
    """What else changed in the environment; None where one of the two is not known."""
    if walk.old is None:
        return None
    sides = [
        data.environments.get(str(data.cells[cell].environment.get("id")), {}).get("packages")
        for cell in (walk.old[1], walk.new[1])
    ]
    if not all(sides):
        return None
    moved = walk.lane.distribution if walk.lane.axis == "framework" else walk.lane.axis[9:]
    return packages_text(package_changes(sides[0] or (), sides[1] or ()), moved)


def packages_text(found: Sequence[PackageChange], moved: str = "") -> tuple[Package, ...]:
    """Package changes for a reader, without the one that was moved on purpose."""
    return tuple(
        Package(name=each.name, before=each.before or "", after=each.after or "")
        for each in found
        if each.name != moved.lower().replace("_", "-")
    )


def _move(
    hide: tuple[str, ...],
    walks: list[Walk],
    counts: tuple[int, ...],
    packages: tuple[Package, ...] | None,
) -> Move:
    first = walks[0]
    old = first.old[0] if first.old else "?"
    subject = first.lane.distribution
    if first.lane.axis != "framework":
        subject = f"{subject}: {first.lane.axis.partition('.')[2] or first.lane.axis}"
    return Move(
        title=f"{subject} {old} → {first.new[0]}",
        where=targets_text([walk.lane.target for walk in walks], hide=(*hide, "framework"))
        or "every target",
        targets=len(walks),
        counts=tuple(n * len(walks) for n in counts),
        compared=sum(walk.change.compared for walk in walks if walk.change),
        packages=packages or (),
        locked=packages is not None,
        query=" ".join(select(walks)),
    )
