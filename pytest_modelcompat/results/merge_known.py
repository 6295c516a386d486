"""Known issues over all parts of a run: only together they tell what no longer shows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.matrix.model import KnownIssue, Matcher
from pytest_modelcompat.results.known import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_modelcompat.results.load import Run

__all__ = ["all_known"]


def all_known(parts: Sequence[Run]) -> tuple[tuple[Entry, ...], list[str]]:
    """Known issues that all parts together decide.

    A part of which not all was run (`-k`, `-x`) tells none, and leaves those of its matrices open:
    what it left out may be what they are for.

    Returns:
        Those that no longer show, although something that they select passed; and a note about
        those that selected nothing.

    Raises:
        StoredRunProblem: a part does not tell them as a run does.
    """
    entries: dict[tuple[str, str], Entry] = {}
    told: Counter[tuple[str, str]] = Counter()
    for part in parts:
        for said in part.info.known:
            try:
                entry = _entry(said)
                numbers = [int(said[name]) for name in ("selected", "seen", "passed")]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                detail = f"`run.known` is not as a run writes it ({error!s:.80})"
                raise errors.part_bad(part.folder, detail) from None
            entry = entries.setdefault((entry.matrix, entry.issue.id), entry)
            told[entry.matrix, entry.issue.id] += 1
            entry.selected += numbers[0]
            entry.seen += numbers[1]
            entry.passed += numbers[2]
    shares = Counter(matrix.get("name", "") for part in parts for matrix in part.info.matrices)
    alive = [
        entry
        for key, entry in entries.items()
        if not entry.expired and told[key] >= shares[entry.matrix]
    ]
    gone = tuple(e for e in alive if e.narrow and e.passed and not e.seen)
    stale = [e.issue.id for e in alive if not e.selected]
    notes = [f"known issues that selected nothing: {', '.join(stale)}"] if stale else []
    return gone, notes


def _entry(said: Mapping[str, Any]) -> Entry:
    def text(name: str) -> str | None:
        return None if said.get(name) is None else str(said[name])

    patterns = tuple(
        (str(axis), tuple(str(each) for each in every)) for axis, every in said["match"].items()
    )
    issue = KnownIssue(
        id=str(said["id"]),
        match=Matcher(patterns=patterns),
        check=text("check"),
        unit=text("unit"),
        case=text("case"),
    )
    return Entry(issue, str(said["matrix"]), bool(said["expired"]))
