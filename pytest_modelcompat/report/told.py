"""What a reader must know of the whole run before believing any of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_modelcompat.words import count, join, plural

if TYPE_CHECKING:
    from pytest_modelcompat.report.data import Cell, Data

__all__ = ["finished", "reused_by", "told"]

_REUSED = re.compile(r"reused: (?:measured by run (?P<run>[^\s,]+))?")
_REJUDGED = "rejudged"
_STOPPED = "interrupted"


def reused_by(cell: Cell) -> str | None:
    """The run that a cell's results were taken from; empty where its note names none."""
    for note in cell.notes:
        found = _REUSED.match(note)
        if found:
            return found["run"] or ""
    return None


def finished(run: Data) -> bool:
    """Whether the run came to its end: what was deselected is no part of it."""
    if run.info.get("finished"):
        return True
    chosen = [cell for cell in run.cells if cell.status != "deselected"]
    some_left_out = len(chosen) < len(run.cells) or any(cell.deselected for cell in chosen)
    through = all(
        cell.status != _STOPPED and not _open(cell) for cell in chosen if cell.status != "skipped"
    )
    return some_left_out and through


def _open(cell: Cell) -> bool:
    """Whether cases of a completed cell were left open for another reason than selection."""
    return cell.status == "completed" and cell.counts.get("not_run", 0) > cell.deselected


def told(run: Data) -> tuple[str, ...]:
    """Sentences for the head of every form of the report, without full stop."""
    notes = [str(note) for note in run.notes]
    rejudged = [note for note in notes if note.startswith(_REJUDGED)]
    return (
        *(f"This run was {note}" for note in rejudged),
        *_deselected(run.cells),
        *_reused(run.cells),
        *_places(run.cells),
        *(note for note in notes if note not in rejudged),
    )


def _places(cells: tuple[Cell, ...]) -> list[str]:
    """Cells whose place is not what a reader takes for granted."""
    of = plural(len(cells), "cell")
    emulated = sum(bool(cell.attestation.get("emulated")) for cell in cells)
    relaxed = sum(bool(cell.attestation.get("relaxed")) for cell in cells)
    unnamed = sum(_by_nobody(cell) for cell in cells)
    found = []
    if unnamed:
        verb = "was" if unnamed == 1 else "were"
        found.append(
            f"{count(unnamed)} of {of} {verb} answered by a server that does not say who it is"
        )
    if emulated:
        found.append(f"{count(emulated)} of {of} ran on an emulated processor")
    if relaxed:
        found.append(f"{count(relaxed)} of {of} ran in a less confined container than by default")
    return found


def _by_nobody(cell: Cell) -> bool:
    server = cell.attestation.get("server")
    return isinstance(server, dict) and not server.get("name")


def _deselected(cells: tuple[Cell, ...]) -> list[str]:
    gone = sum(cell.status == "deselected" for cell in cells)
    parts = [f"{count(gone)} of {plural(len(cells), 'cell')}"] if gone else []
    rest = [cell for cell in cells if cell.status != "deselected"]
    cases = sum(cell.deselected for cell in rest)
    if cases:
        total = sum(sum(cell.counts.values()) for cell in rest)
        other = " of the other cells" if gone else ""
        parts.append(f"{count(cases)} of {plural(total, 'case')}{other}")
    number = gone + cases
    return [f"{join(parts)} {'was' if number == 1 else 'were'} deselected"] if parts else []


def _reused(cells: tuple[Cell, ...]) -> list[str]:
    runs = [run for run in map(reused_by, cells) if run is not None]
    if not runs:
        return []
    names = list(dict.fromkeys(filter(None, runs)))
    origin = f"run {names[0]}" if len(names) == 1 else f"{plural(len(names), 'earlier run')}"
    verb = "was" if len(runs) == 1 else "were"
    text = f"{count(len(runs))} of {plural(len(cells), 'cell')} {verb} reused"
    return [f"{text} from {origin if names else 'an earlier run'}"]
