"""The run, as a tuple of steps that one can read; each takes what the last one gave.

load      files            -> matrices            mistakes of the user end here
corpora   matrices         -> + node tests        collected once per onnx release, cached
plan      + node tests     -> plan                every cell, unit and case
start     plan + selection -> running             plan on disk, store open, cells in background
finish    running          -> ended               outputs, report, the lines for the terminal
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat import DEFAULT_MATRICES, report
from pytest_modelcompat import matrix as language
from pytest_modelcompat.checks import protocol as checks
from pytest_modelcompat.environments.cache import waits
from pytest_modelcompat.environments.releases import IndexUnusableError, releases
from pytest_modelcompat.environments.spec import environment_of
from pytest_modelcompat.errors import ModelcompatError, Problem, UsageProblem, command_line
from pytest_modelcompat.results import plan_file
from pytest_modelcompat.results.expect import EntryState
from pytest_modelcompat.runner import command
from pytest_modelcompat.runner import corpora as corpus_files
from pytest_modelcompat.runner.plan import Plan, PlannedCell
from pytest_modelcompat.runner.run import Running
from pytest_modelcompat.runner.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_modelcompat.matrix.model import Cell, CheckEntry, Matrix
    from pytest_modelcompat.runner.corpora import Corpus
    from pytest_modelcompat.runner.plan import Workload
    from pytest_modelcompat.runner.run import Selection

__all__ = [
    "STEPS",
    "Collected",
    "CorpusMissingError",
    "Ended",
    "IndexUnusableError",
    "Loaded",
    "Planned",
    "Settings",
    "copy_junit",
    "corpora",
    "finish",
    "load",
    "matrix_files",
    "plan",
    "plan_text",
    "start",
]

COLLECTORS = 2  # corpora made side by side
WAIT = 0.5  # seconds between two looks at what they wait for


def _silent(_: str) -> None:
    """Nobody watches."""


class CorpusMissingError(ModelcompatError):
    """The node tests of a release could not be had; there is no plan without them."""


@dataclass(frozen=True)
class Loaded:
    """Matrices, where to tell how far things are, and what a user should know meanwhile."""

    settings: Settings
    matrices: tuple[Matrix, ...]
    tell: Callable[[str], None] = _silent
    note: Callable[[str], None] = _silent


@dataclass(frozen=True)
class Collected:
    """The same with the corpora that its checks name."""

    loaded: Loaded
    corpora: Mapping[str, Corpus]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What is left to say when the run is over.

    Attributes:
        green: the run went through and each of its matrices was measured (items tell the rest).
        lines: the summary for the terminal.
    """

    green: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Planned:
    """Everything that will be run."""

    settings: Settings
    plan: Plan


def matrix_files(named: str, root: Path) -> tuple[Path, ...]:
    """The matrices that a name means: a file, or all of a folder, without lists of known issues.

    Args:
        named: as on the command line; a relative one is looked for where the user stands, then
            below the root. Empty: the default folder.
        root: of the project.

    Raises:
        UsageProblem: there is nothing, or no matrix in it.
    """
    shown = named or DEFAULT_MATRICES
    where = Path(shown)
    if "\0" in shown:
        raise UsageProblem(command_line.no_matrix(shown))
    if not os.path.lexists(where):
        where = root / where
    if not os.path.lexists(where):
        raise UsageProblem(command_line.no_matrix(shown))
    if not where.is_dir():
        return (as_collected(where),)
    found = [
        as_collected(path)
        for path in sorted(where.iterdir())
        if path.suffix in {".yaml", ".yml"} and not language.is_known_issues(path)
    ]
    if not found:
        raise UsageProblem(command_line.empty_folder(shown))
    return tuple(found)


def as_collected(path: str | Path) -> Path:
    """Absolute and without `..`, which is how pytest names what it collects."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - pathlib keeps the `..`


def load(settings: Settings) -> tuple[Matrix, ...]:
    """Read and expand the matrices, and keep the shard's cells.

    Raises:
        UsageProblem: all mistakes of all files; or no cell is left.
        IndexUnusableError: the versions in a range could not be looked up.
    """
    lookup = partial(releases, cache=settings.cache)
    names = settings.members.names()
    matrices = tuple(
        language.load_matrices(settings.files, select=settings.select, lookup=lookup, **names)
    )
    if not any(matrix.cells for matrix in matrices):
        problem = command_line.no_cells()
        if settings.select:
            problem = command_line.nothing_selected(settings.select)
        raise UsageProblem(problem)
    index, count = settings.shard
    position = 0
    kept = []
    for matrix in matrices:
        cells = []
        for cell in matrix.cells:
            if position % count == index - 1:
                cells.append(cell)
            position += 1
        whole = None if count == 1 else tuple(cell.id for cell in matrix.cells)
        kept.append(replace(matrix, cells=tuple(cells), whole=whole))
    return tuple(kept)


def corpora(loaded: Loaded) -> Collected:
    """Collect the node tests that the checks name, each release once.

    Raises:
        CorpusMissingError: one could not be had, with the reason.
    """
    names = sorted({name for entry in _entries(loaded.matrices) for name in entry.corpus})
    if names:
        loaded.tell(f"collecting node tests of {', '.join(names)}")
    command.allow_all()
    with ThreadPoolExecutor(COLLECTORS) as pool:
        try:
            asked = [
                pool.submit(corpus_files.collect, name, cache=loaded.settings.cache)
                for name in names
            ]
            while wait(asked, WAIT).not_done:
                for text in waits():
                    loaded.note(text)
            found = [each.result() for each in asked]
        except BaseException:  # Ctrl-C: the pool waits for its threads, so they must not wait
            command.stop_all()
            raise
    for corpus in found:
        if corpus.path is None:
            raise CorpusMissingError(command_line.corpus_missing(corpus.name, corpus.reason))
    return Collected(loaded, {corpus.name: corpus for corpus in found})


def plan(collected: Collected) -> Planned:
    """Say which cases every cell will run.

    Raises:
        UsageProblem: a data set that cannot be read, and the like.
    """
    settings = collected.loaded.settings
    workloads = _workloads(collected)
    cells = [
        PlannedCell(
            cell=cell,
            environment=environment_of(cell),
            workloads=tuple(workloads[entry] for entry in cell.checks),
        )
        for matrix in collected.loaded.matrices
        for cell in matrix.cells
    ]
    environments = {planned.environment.id: planned.environment for planned in cells}
    made = Plan(
        digest="",
        matrices=collected.loaded.matrices,
        environments=tuple(environments.values()),
        cells=tuple(cells),
        notes=tuple(note for matrix in collected.loaded.matrices for note in matrix.notes),
    )
    return Planned(settings, replace(made, digest=plan_file.plan_digest(made)))


def plan_text(made: Plan) -> Iterator[str]:
    """The plan as JSON, in pieces."""
    return plan_file.plan_text(made)


def start(planned: Planned, selection: Selection) -> Running:
    """Put the plan on disk, open the store, and start the cells in the background.

    Raises:
        UsageProblem: the report folder cannot be used.
    """
    return Running.start(planned.plan, planned.settings, selection)


def finish(running: Running, *, cut: str = "", tell: Callable[[str], None] = _silent) -> Ended:
    """End what still runs, write every output, and make the report.

    Args:
        running: the run; each of its items has been reported, unless it was cut.
        cut: why it was (`interrupted`, `stopped`); the reason of what was not run.
        tell: told how far things are.
    """
    # Late: a plan, a collection or a mistake needs nothing of it, and numpy takes a while.
    from pytest_modelcompat.report import terminal  # noqa: PLC0415
    from pytest_modelcompat.results import changes_file  # noqa: PLC0415
    from pytest_modelcompat.results.compat import Compat  # noqa: PLC0415
    from pytest_modelcompat.results.load import load as load_run  # noqa: PLC0415

    green = running.finish(cut=cut)
    tell("writing the report")
    folder = running.settings.report
    run = load_run(folder)
    if running.settings.baseline is not None:  # before the page, which tells of it
        changes_file.write(folder, load_run(running.settings.baseline), run)
    condensed = Compat(run)
    view = report.view_of(run, condensed.add)  # the cases are read once
    condensed.write()
    report.write(view, folder)
    lines = [*terminal.summary(view, folder=folder).splitlines(), *_issue_lines(running)]
    if not view.totals.nothing:  # of several matrices, one
        lines += [command_line.unmeasured(name) for name in running.unmeasured()]
    return Ended(green=green, lines=tuple(lines))


def _issue_lines(running: Running) -> list[str]:
    """Known issues that somebody should look at."""
    words = {
        EntryState.XPASS: "no longer shows: take it out",
        EntryState.STALE: "selected nothing",
        EntryState.EXPIRED: "has expired and excuses nothing",
    }
    return [
        f"known issue {each.entry.id}: {words[each.state]}"
        for each in running.verdicts.issues
        if each.state in words
    ]


STEPS = (load, corpora, plan, start, finish)


def copy_junit(settings: Settings, written: str | None) -> None:
    """Put a copy of pytest's JUnit file into the report folder where it was sent elsewhere."""
    target = settings.report / "junit.xml"
    if written and Path(written).is_file() and Path(written).absolute() != target:
        shutil.copyfile(written, target)


def _entries(matrices: Sequence[Matrix]) -> dict[CheckEntry, Cell]:
    """Distinct check entries, each with the first cell that has it."""
    found: dict[CheckEntry, Cell] = {}
    for matrix in matrices:
        for cell in matrix.cells:
            for entry in cell.checks:
                found.setdefault(entry, cell)
    return found


def _workloads(collected: Collected) -> dict[CheckEntry, Workload]:
    """One workload for each distinct entry: cells share it."""
    made: dict[CheckEntry, Workload] = {}
    problems: list[Problem] = []
    for entry, cell in _entries(collected.loaded.matrices).items():
        found = [(name, collected.corpora[name].path) for name in entry.corpus]
        try:
            made[entry] = checks.workload(
                entry,
                [(name, path) for name, path in found if path is not None],
                folder=collected.loaded.settings.cache / "data",
                file=cell.matrix_file,
                more=collected.loaded.settings.members.checks,
            )
        except UsageProblem as problem:
            problems.extend(problem.problems)
    if problems:
        raise UsageProblem(problems)
    return made
