"""The report as a tree of frozen records: everything that is shown, nothing about how.

`build` does all the arithmetic. HTML, Markdown and the terminal only lay the same view out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_modelcompat.report.change import CHANGES
from pytest_modelcompat.report.changed import Changed, changed_of
from pytest_modelcompat.report.clusters import Cluster, clusters, message
from pytest_modelcompat.report.columns import STAGES
from pytest_modelcompat.report.grid import Face, Grid, face, grid
from pytest_modelcompat.report.journey import journeys
from pytest_modelcompat.report.lanes import lanes
from pytest_modelcompat.report.operators import Operators, operators
from pytest_modelcompat.report.parity import Parity, parity
from pytest_modelcompat.report.since import Past, Since, past_of, since_of
from pytest_modelcompat.report.speed import Speed, speed
from pytest_modelcompat.report.states import CASE_STATES, CELL_STATES, OUTCOMES, State
from pytest_modelcompat.report.told import finished as run_ended
from pytest_modelcompat.report.told import told as told_of
from pytest_modelcompat.report.variants import Variants, variants
from pytest_modelcompat.report.verdict import KINDS, Step, Walk, steps, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_modelcompat.report.data import Data

__all__ = ["Failure", "Header", "Totals", "View", "build"]

MAX_FAILURES = 200
_BAD = tuple(OUTCOMES.index(word) for word in ("not_ok", "xpass"))
_NEW = CHANGES.index("new")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What run this is.

    Attributes:
        title: the matrices' names.
        facts: (name, value), in reading order.
        finished: whether the run came to its end.
        notes: what must be known of the whole run, as sentences without full stop.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    finished: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Counts over the run, each with what it is a count of.

    Attributes:
        verdicts: (kind, moves), in the order of KINDS; `alone` is no move.
        moves: all moves.
        cells: (state, cells), worst first.
        cell_count: all cells.
        cases: (state, cases), worst first.
        case_count: all planned cases.
        measured_cells: cells that measured at least one case.
        failing: cases and cells that fail the run.
        new: newly failing cases.
    """

    verdicts: tuple[tuple[str, int], ...]
    moves: int
    cells: tuple[tuple[State, int], ...]
    cell_count: int
    cases: tuple[tuple[State, int], ...]
    case_count: int
    measured_cells: int
    failing_cases: int
    failing_cells: int
    new: int

    @property
    def nothing(self) -> bool:
        """Whether nothing at all was measured."""
        return self.measured_cells == 0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failing case in the static list."""

    row: int
    cell: str
    unit: str
    case: str
    state: State
    stage: str
    message: str
    new: bool


@dataclass(frozen=True, kw_only=True)
class View:
    """The whole report.

    Attributes:
        journeys: the steps taken together, first version to newest.
        since: the comparison with a baseline, where the run had one.
        past: how cases ended in earlier runs, where somebody collected them.
        tolerances: what cases were judged with, in words, and how many of them.
    """

    header: Header
    about: tuple[tuple[str, str], ...]
    totals: Totals
    steps: tuple[Step, ...]
    journeys: tuple[Step, ...]
    grid: Grid
    faces: tuple[Face, ...]
    changed: Changed
    since: Since | None
    past: Past | None
    clusters: tuple[Cluster, ...]
    failures: tuple[Failure, ...]
    failure_count: int
    operators: Operators
    parity: Parity
    speed: Speed
    variants: Variants
    notes: tuple[str, ...]
    tolerances: tuple[tuple[str, int], ...]
    data: Data = field(repr=False)
    changes: NDArray[np.uint8] = field(repr=False)


def build(run: Data) -> View:
    """Makes the view of a run.

    Args:
        run: as `data.read` gives it.

    Returns:
        Everything that any form of the report shows.
    """
    moves = walk(run)
    changes = _changes(run, moves)
    faces = tuple(face(run, position, changes) for position in range(len(run.cells)))
    told = steps(run, moves)
    failing = np.isin(run.cases.column("outcome"), _BAD)
    rows = np.flatnonzero(failing)
    # New ones first; the page's list holds them all.
    first = rows[np.argsort(changes[rows] != _NEW, kind="stable")][:MAX_FAILURES]
    return View(
        header=_header(run),
        about=_about(run),
        totals=_totals(run, told, faces, changes, int(failing.sum())),
        steps=told,
        journeys=journeys(run, lanes(run.cells)),
        grid=grid(run, faces),
        faces=faces,
        changed=changed_of(run, moves),
        since=since_of(run),
        past=past_of(run),
        clusters=clusters(run, changes),
        failures=tuple(_failure(run, int(row), changes) for row in first),
        failure_count=len(rows),
        operators=operators(run, changes),
        parity=parity(run),
        speed=speed(run),
        variants=variants(run),
        notes=_notes(run),
        tolerances=_tolerances(run),
        data=run,
        changes=changes,
    )


def _changes(run: Data, moves: tuple[Walk, ...]) -> NDArray[np.uint8]:
    """Per case, what changed against the version before it in its lane."""
    codes = np.zeros(len(run.cases), np.uint8)
    for move in moves:
        if move.change is not None:
            cell = move.new[1]
            codes[run.cases.start[cell] : run.cases.start[cell + 1]] = move.change.codes
    return codes


def _failure(run: Data, row: int, changes: NDArray[np.uint8]) -> Failure:
    cases = run.cases
    _, unit, case = cases.keys[int(cases.column("key")[row])]
    stage = int(cases.column("stage")[row])
    text = message(run, row) or cases.names["signature"][int(cases.column("signature")[row])]
    return Failure(
        row=row,
        cell=run.cells[int(cases.column("cell")[row])].id,
        unit=unit,
        case=case,
        state=CASE_STATES[int(cases.column("state")[row])],
        stage=STAGES[stage] if stage < len(STAGES) else "?",
        message=text,
        new=bool(changes[row] == _NEW),
    )


def _totals(
    run: Data,
    told: tuple[Step, ...],
    faces: tuple[Face, ...],
    changes: NDArray[np.uint8],
    failing: int,
) -> Totals:
    verdicts = dict.fromkeys(KINDS, 0)
    for step in told:
        for verdict in step.verdicts:
            verdicts[verdict.kind] += verdict.lanes
    cell_counts = dict.fromkeys((state.key for state in CELL_STATES), 0)
    case_counts = dict.fromkeys((state.key for state in CASE_STATES), 0)
    for each in faces:
        cell_counts[each.state.key] += 1
        for state, n in each.counts:
            case_counts[state.key] += n
    return Totals(
        verdicts=tuple(verdicts.items()),
        moves=sum(n for kind, n in verdicts.items() if kind != "alone"),
        cells=tuple((state, cell_counts[state.key]) for state in CELL_STATES
                    if cell_counts[state.key]),
        cell_count=len(faces),
        cases=tuple((state, case_counts[state.key]) for state in CASE_STATES
                    if case_counts[state.key]),
        case_count=sum(case_counts.values()),
        measured_cells=sum(each.measured for each in faces),
        failing_cases=failing,
        failing_cells=sum(cell.outcome in {"not_ok", "xpass"} for cell in run.cells),
        new=int((changes == _NEW).sum()),
    )  # fmt: skip


def _header(run: Data) -> Header:
    info = run.info
    matrices = [_matrix_name(matrix) for matrix in info.get("matrices") or ()]
    names = matrices or list(dict.fromkeys(cell.matrix for cell in run.cells))
    started, finished = _time(info.get("started")), _time(info.get("finished"))
    facts = [("run", str(info.get("id") or "?"))]
    if started:
        facts.append(("started", f"{started:%Y-%m-%d %H:%M} UTC"))
    if started and finished:
        facts.append(("took", _duration((finished - started).total_seconds())))
    ended = run_ended(run)
    if not ended:
        facts.append(("finished", "no: this run did not come to its end"))
    facts.append(("tool", " ".join(map(str, (info.get("tool") or {"": "?"}).values()))))
    host = info.get("host")
    if host:
        facts.append(("host", _host(host)))
    return Header(
        title=", ".join(filter(None, names)) or "compatibility",
        facts=tuple(facts),
        finished=ended,
        notes=told_of(run),
    )


def _about(run: Data) -> tuple[tuple[str, str], ...]:
    """Where the run came from, for whoever must find it again."""
    info = run.info
    facts = [("run", str(info.get("id") or "?"))]
    facts += [
        (word, str(info[word])) for word in ("started", "finished", "baseline") if info.get(word)
    ]
    for matrix in info.get("matrices") or ():
        if isinstance(matrix, dict):
            facts.append(("matrix", _flat(matrix)))
    if info.get("plan_digest"):
        facts.append(("plan", str(info["plan_digest"])))
    return tuple(facts)


def _matrix_name(matrix: Any) -> str:
    return (
        str(matrix.get("name") or matrix.get("file") or "")
        if isinstance(matrix, dict)
        else str(matrix)
    )


def _host(host: Mapping[str, Any]) -> str:
    """`Linux 6.1, x86_64, 2 CPUs, Python 3.11.7`."""
    parts = [
        " ".join(str(host[word]) for word in ("system", "release") if host.get(word)),
        str(host.get("machine") or ""),
        f"{host['cpus']} CPUs" if host.get("cpus") else "",
        f"Python {host['python']}" if host.get("python") else "",
    ]
    return ", ".join(filter(None, parts))


def _flat(value: Mapping[str, Any] | Any) -> str:
    """A small mapping in one line."""
    if isinstance(value, dict):
        return ", ".join(_flat(item) for item in value.values() if item not in (None, ""))
    if isinstance(value, list):
        return ", ".join(map(_flat, value))
    return str(value)


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _tolerances(run: Data) -> tuple[tuple[str, int], ...]:
    """What was told to judge by, most cases first; the rest were judged by their type."""
    column = run.cases.column("reference")
    counts = np.bincount(column, minlength=len(run.cases.names["reference"]))
    told: dict[str, int] = {}
    for number, text in enumerate(run.cases.names["reference"]):
        known = json.loads(text) if text else {}
        if not counts[number] or not isinstance(known, dict):
            continue
        parts = {name: known[name] for name in ("rtol", "atol", "tolerance") if name in known}
        words = ", ".join(f"{name} {_named(value)}" for name, value in parts.items())
        told[words] = told.get(words, 0) + int(counts[number])
    return tuple(sorted(told.items(), key=lambda item: -item[1]))


def _named(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_named(item)}" for name, item in value.items())
    return str(value)


def _notes(run: Data) -> tuple[str, ...]:
    """What was left out or shortened."""
    notes = list(run.notes)
    if run.cases.shortened:
        notes.append(f"{run.cases.shortened:,} messages were cut to 4,000 characters")
    return tuple(notes)
