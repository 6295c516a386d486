"""changes.json: what changed from the baseline to this run, kept beside it.

The baseline's folder may be gone when the page is made anew; so the comparison is made once, when
both are there, and stored. `read` gives back what `write` kept.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.changes import Change, Kind, PackageChange, Side
from pytest_modelcompat.results.compare import compare_runs
from pytest_modelcompat.results.files import atomic_file
from pytest_modelcompat.results.history import flaky_told
from pytest_modelcompat.results.load import read_json
from pytest_modelcompat.results.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_modelcompat.results.history import History
    from pytest_modelcompat.results.load import Run

__all__ = ["CHANGES", "Changes", "read", "write"]

CHANGES = "changes.json"
SCHEMA = 1
MOST = 100_000  # changes in the file; all are counted
# What is kept first where there are more: a release that breaks everything hides no environment.
_ORDER = (
    Kind.ENV_CHANGED, Kind.NEW_FAIL, Kind.FLAKY, Kind.FIXED, Kind.NO_DATA, Kind.STILL_FAIL,
    Kind.KNOWN, Kind.ADDED, Kind.REMOVED,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What changed since a baseline.

    Attributes:
        baseline: {"id", "started", "finished"} of the earlier run.
        counts: kind -> how many changes, of cases and cells, whether they are listed or not.
        failing: how many of them are new failures.
        left_out: how many are counted and not listed.
        changes: the listed ones, in the later run's order.
    """

    baseline: Mapping[str, str]
    counts: Mapping[Kind, int]
    failing: int
    left_out: int
    changes: tuple[Change, ...]


def changes_of(before: Run, found: Iterable[Change], *, most: int = MOST) -> Changes:
    """Count changes, and keep as many as a reader can use.

    Args:
        before: the baseline.
        found: from `compare_runs`.
        most: how many to keep.
    """
    counts: Counter[Kind] = Counter()
    kept: dict[Kind, list[tuple[int, Change]]] = {kind: [] for kind in Kind}
    failing = 0
    for number, change in enumerate(found):
        counts[change.kind] += 1
        failing += change.fails
        if change.fails or len(kept[change.kind]) < most:
            kept[change.kind].append((number, change))
    ranked = [
        (not change.fails, _ORDER.index(kind), number, change)
        for kind, changes in kept.items()
        for number, change in changes
    ]
    chosen = sorted(ranked, key=lambda each: each[:3])[:most]
    chosen.sort(key=lambda each: each[2])
    return Changes(
        baseline=_head(before),
        counts=dict(counts),
        failing=failing,
        left_out=counts.total() - len(chosen),
        changes=tuple(change for *_, change in chosen),
    )


def write(folder: Path, before: Run, after: Run, history: History | None = None) -> Changes:
    """Compare with a baseline and keep what came of it as changes.json.

    Args:
        folder: of the later run.
        before: the baseline.
        after: the later run.
        history: tells which cases are FLAKY.

    Raises:
        WriteError: the disk is full or the folder read-only.
        StoredRunProblem: one of the two is damaged.
    """
    changes = compare_runs(before, after)
    found = changes_of(before, flaky_told(changes, history) if history else changes)
    data = {
        "schema": SCHEMA,
        "baseline": found.baseline,
        "counts": {kind.value: found.counts[kind] for kind in Kind if found.counts.get(kind)},
        "failing": found.failing,
        "left_out": found.left_out,
        "changes": [],
    }
    with atomic_file(folder / CHANGES) as file:
        file.write(f"{json.dumps(data)[:-2]}".encode())
        comma = "\n"
        for change in found.changes:
            file.write(f"{comma}{json.dumps(as_json(change))}".encode())
            comma = ",\n"
        file.write(b"\n]}\n")
    return found


def as_json(change: Change) -> dict[str, Any]:
    """A change as JSON data; fields without a value are absent."""
    shown = asdict(change)
    shown["axes"] = dict(change.axes)
    shown = {name: value for name, value in shown.items() if value not in (None, (), False)}
    for name in ("before", "after"):
        if name in shown:
            side = {key: value for key, value in shown[name].items() if value is not None}
            shown[name] = {key: getattr(value, "value", value) for key, value in side.items()}
    shown["kind"] = change.kind.value
    return shown


def read(folder: Path) -> Changes | None:
    """The stored comparison; None where the run had no baseline.

    Raises:
        StoredRunProblem: damaged, or newer than this release.
    """
    path = folder / CHANGES
    data = read_json(path, SCHEMA)
    if data is None:
        return None
    try:
        changes = tuple(_change(each) for each in data["changes"])
        return Changes(
            baseline={str(name): str(value) for name, value in data["baseline"].items()},
            counts={Kind(kind): int(number) for kind, number in data["counts"].items()},
            failing=int(data["failing"]),
            left_out=int(data["left_out"]),
            changes=changes,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.stored_bad(path, f"it is not as a run writes it ({error!r:.120})") from error


def _change(data: dict[str, Any]) -> Change:
    def packages(name: str) -> tuple[PackageChange, ...]:
        return tuple(PackageChange(**each) for each in data.get(name, ()))

    return Change(
        kind=Kind(data["kind"]),
        matrix=str(data["matrix"]),
        axes=tuple((str(name), str(value)) for name, value in data["axes"].items()),
        cell=str(data["cell"]),
        check=data.get("check"),
        unit=data.get("unit"),
        case=data.get("case"),
        before=_side(data.get("before")),
        after=_side(data.get("after")),
        fails=bool(data.get("fails", False)),
        packages=packages("packages"),
        place=packages("place"),
    )


def _side(data: dict[str, Any] | None) -> Side | None:
    if data is None:
        return None
    return Side(
        status=str(data["status"]),
        outcome=Outcome(data["outcome"]),
        signature=data.get("signature"),
        known=data.get("known"),
    )


def _head(run: Run) -> dict[str, str]:
    info = run.info
    return {"id": info.id, "started": info.started, "finished": info.finished or ""}
