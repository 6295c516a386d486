"""Reads a run folder into columns and clean records: the report's only input."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.report.columns import DESELECTED, Builder
from pytest_modelcompat.report.text import clean, clean_tree
from pytest_modelcompat.results import changes_file, history
from pytest_modelcompat.results.load import Run, load
from pytest_modelcompat.results.model import CellStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_modelcompat.report.columns import Cases
    from pytest_modelcompat.results.changes_file import Changes
    from pytest_modelcompat.results.compared import Compared
    from pytest_modelcompat.results.history import History
    from pytest_modelcompat.results.stored import StoredCase, StoredCell

__all__ = ["Cell", "Data", "read"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of run.json, all texts cleaned."""

    id: str
    matrix: str
    axes: Mapping[str, str]
    status: str
    stage: str
    outcome: str
    reason: str
    known: str
    environment: Mapping[str, Any]
    attestation: Mapping[str, Any]
    counts: Mapping[str, int]
    seconds: Mapping[str, float]
    notes: tuple[str, ...]
    repro: str
    deselected: int = 0  # its cases that this run was told to leave out


@dataclass(frozen=True, kw_only=True)
class Data:
    """One run as the report reads it."""

    info: Mapping[str, Any]
    cells: tuple[Cell, ...]
    environments: Mapping[str, Mapping[str, Any]]
    cases: Cases
    notes: tuple[str, ...] = ()
    since: Changes | None = None  # changes.json: what changed from the baseline
    past: History | None = None  # history.json: earlier runs
    variants: tuple[Compared, ...] = ()  # of run.json; texts as they are


def _cell(raw: StoredCell) -> Cell:
    return Cell(
        id=clean(raw.id),
        matrix=clean(raw.matrix),
        axes=clean_tree(raw.axes),
        status=raw.status.value,
        stage=raw.stage.value if raw.stage else "",
        outcome=raw.outcome.value,
        reason=clean(raw.reason),
        known=clean(raw.known or ""),
        environment=clean_tree(raw.environment),
        attestation=clean_tree(raw.attestation),
        counts=raw.counts,
        seconds=raw.seconds,
        notes=tuple(clean(note) for note in raw.notes),
        repro=clean(raw.repro),
    )


def _selected(cell: Cell, deselected: int) -> Cell:
    """The cell, told as deselected where nothing but that kept it from being measured."""
    whole = cell.status == CellStatus.INTERRUPTED.value and cell.reason == DESELECTED
    if whole and deselected == sum(cell.counts.values()):
        return replace(cell, status=DESELECTED, deselected=deselected)
    return replace(cell, deselected=deselected) if deselected else cell


def read(source: Path | Run, also: Callable[[StoredCase], None] | None = None) -> Data:
    """Reads the run that a folder holds.

    Args:
        source: the folder of `--compat-report`, with run.json and cases.jsonl.gz in it; or its
            run, where that was loaded already.
        also: told of each case, too: reading them takes longer than what is done with them.

    Returns:
        The run in columns.

    Raises:
        StoredRunProblem: the folder holds no run, or a damaged one.
    """
    run = source if isinstance(source, Run) else load(source)
    records = tuple(_cell(raw) for raw in run.cells)
    builder = Builder([raw.id for raw in run.cells], [cell.id for cell in records])
    for row in run.cases():
        builder.add(row)
        if also is not None:
            also(row)
    notes = [clean(note) for note in run.info.notes]
    if builder.strangers:
        notes.append(f"{builder.strangers:,} cases of cells that run.json does not have")
    return Data(
        info=clean_tree(asdict(run.info)),
        cells=tuple(
            _selected(cell, builder.deselected[position]) for position, cell in enumerate(records)
        ),
        environments={
            clean(environment.id): clean_tree(asdict(environment))
            for environment in run.environments.values()
        },
        cases=builder.finish(),
        notes=tuple(notes),
        since=changes_file.read(run.folder),
        past=history.read(run.folder),
        variants=run.variants,
    )
