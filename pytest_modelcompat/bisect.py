"""`modelcompat bisect`: the first release in which a case went wrong (or right), by few runs.

One case of one target is run in one release after another: the oldest, the newest, then always the
middle of what is open, so that twenty releases take six cells. Releases are those of the matrix;
between the two neighbours that are left, the index is asked for more where that is wanted. A
release that gives no answer (no wheel, no interpreter) is passed over and named. What lies between
two probes is taken to be like its ends; `every` runs all and shows what comes and goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_modelcompat import pipeline
from pytest_modelcompat.environments.interpreters import NoInterpreter, find
from pytest_modelcompat.environments.protocol import Failure
from pytest_modelcompat.environments.resolve import resolve
from pytest_modelcompat.environments.spec import environment_of
from pytest_modelcompat.errors import UsageProblem, command_line
from pytest_modelcompat.matrix import load_matrix
from pytest_modelcompat.results.changes import PackageChange, package_changes
from pytest_modelcompat.results.folder import make_folder
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import Status
from pytest_modelcompat.results.ranges import in_order, is_version, label, monotone, ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_modelcompat.matrix.model import Cell, Matrix
    from pytest_modelcompat.pipeline import Settings
    from pytest_modelcompat.results.stored import StoredCase, StoredCell
    from pytest_modelcompat.runner.plan import PlannedCell

__all__ = ["Found", "Probe", "bisect", "search"]

_IDLE = frozenset({Status.NOT_RUN, Status.SKIPPED})
_MOST = 200  # releases between two neighbours
WAIT = 0.2  # seconds; short, so that Ctrl-C is heard


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What one release did.

    Attributes:
        version: of the framework.
        good: whether the case passed; None where it gave no answer.
        status: of the case.
        words: its signature, message or reason.
        packages: of its environment.
        repro: the command that shows it again.
    """

    version: str
    good: bool | None
    status: str = ""
    words: str = ""
    packages: tuple[str, ...] = ()
    repro: str = ""


@dataclass(kw_only=True)
class Found:
    """What a search came to.

    Attributes:
        probes: by version, in the order in which they were made.
        before, after: neighbours with different answers; None where all answered alike.
    """

    probes: dict[str, Probe] = field(default_factory=dict)
    before: Probe | None = None
    after: Probe | None = None

    @property
    def packages(self) -> tuple[PackageChange, ...]:
        """How the environments of the two neighbours differ."""
        if self.before is None or self.after is None:
            return ()
        return package_changes(self.before.packages, self.after.packages)


def search(versions: Sequence[str], probe: Callable[[str], Probe], *, every: bool = False) -> Found:
    """Find two neighbours with different answers.

    Args:
        versions: oldest first.
        probe: asks one of them.
        every: ask all.

    Returns:
        All probes, and the neighbours: of a search over the whole, the oldest pair.
    """
    found = Found()

    def ask(version: str) -> Probe:
        if version not in found.probes:
            found.probes[version] = probe(version)
        return found.probes[version]

    if every:
        answers = [each for each in map(ask, versions) if each.good is not None]
        pairs = pairwise(answers)
        found.before, found.after = next(
            ((a, b) for a, b in pairs if a.good is not b.good), (None, None)
        )
        return found
    first = next((each for each in map(ask, versions) if each.good is not None), None)
    last = next((each for each in map(ask, reversed(versions)) if each.good is not None), None)
    if first is None or last is None or first.good is last.good:
        return found
    low, high = first, last
    while True:
        inside = _between(versions, low.version, high.version)
        middle = _nearest_answer(inside, ask)
        if middle is None:
            break
        low, high = (middle, high) if middle.good is low.good else (low, middle)
    found.before, found.after = low, high
    return found


def _between(versions: Sequence[str], low: str, high: str) -> list[str]:
    return list(versions[versions.index(low) + 1 : versions.index(high)])


def _nearest_answer(inside: Sequence[str], ask: Callable[[str], Probe]) -> Probe | None:
    """The answer nearest to the middle; None where none of them has one."""
    middle = (len(inside) - 1) / 2
    for version in sorted(inside, key=lambda each: abs(inside.index(each) - middle)):
        found = ask(version)
        if found.good is not None:
            return found
    return None


def bisect(
    settings: Settings,
    *,
    case: str,
    accept: Sequence[str] = (),
    releases: bool = False,
    every: bool = False,
    tell: Callable[[str], None],
) -> Found:
    """Search along the framework axis of one target.

    Args:
        settings: with the one matrix, the selection, and the folder for the probes' reports.
        case: its name, with or without its corpus; or a unit of which it is the only one.
        accept: statuses that are good besides `passed`.
        releases: also ask the index for releases between the two neighbours that are left.
        every: run every release.
        tell: told of each probe, a line each.

    Raises:
        UsageProblem: no such case, several cases or targets, or a mistake in the matrix; before
            anything is made.
        WriteError: the reports' folder cannot be made.
    """
    bench = _Bench(settings, case, frozenset({"passed", *accept}), tell)
    bench.check()
    found = search(bench.versions, bench.probe, every=every)
    if releases and found.before is not None and found.after is not None:
        more = _releases_between(bench.cell(found.before.version), found.before, found.after)
        low, high = found.before.version, found.after.version
        known = {low: found.before, high: found.after}
        bench.learn(more)
        tell(f"{len(more)} more releases between {low} and {high}")
        finer = search([low, *more, high], lambda v: known.get(v) or bench.probe(v), every=every)
        found.probes.update(finer.probes)
        found.before, found.after = finer.before, finer.after
    return found


class _Bench:
    """Runs one case in one cell at a time."""

    def __init__(
        self, settings: Settings, case: str, good: frozenset[str], tell: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._case = case
        self._good = good
        self._tell = tell
        self._matrix = load_matrix(
            settings.files[0], select=settings.select, **settings.members.names()
        )
        self._cells: dict[str, Cell] = {}
        self._take(self._matrix)
        self.versions = [each for each in in_order(self._cells) if is_version(each)]
        if len(self.versions) < 2:  # noqa: PLR2004 - nothing lies between fewer
            raise UsageProblem(command_line.nothing_to_bisect(self.versions))

    def _take(self, matrix: Matrix) -> None:
        targets: dict[tuple[str, ...], dict[str, Cell]] = {}
        for cell in matrix.cells:
            rest = tuple(f"{name}:{value}" for name, value in cell.axes if name != "framework")
            target = (cell.framework.distribution, *rest)
            targets.setdefault(target, {})[cell.framework.version] = cell
        if not targets:
            raise UsageProblem(command_line.nothing_selected(self._settings.select or ""))
        if len(targets) > 1:
            raise UsageProblem(command_line.several_targets([" ".join(t) for t in targets]))
        (self._cells,) = targets.values()

    def cell(self, version: str) -> Cell:
        return self._cells[version]

    def check(self) -> None:
        """That the reports have a place, and that every release has the one case that is meant."""
        for planned in self._planned(self._settings, self.versions).plan.cells:
            self._position(planned)
        make_folder(self._settings.report)

    def _planned(self, settings: Settings, versions: Sequence[str]) -> pipeline.Planned:
        matrix = replace(self._matrix, cells=tuple(self._cells[each] for each in versions))
        loaded = pipeline.Loaded(settings, (matrix,), note=self._tell)
        return pipeline.plan(pipeline.corpora(loaded))

    def learn(self, versions: Sequence[str]) -> None:
        """Have cells for releases that the matrix does not name."""
        if not versions:
            return
        distribution = next(iter(self._cells.values())).framework.distribution
        self._matrix = load_matrix(
            self._settings.files[0],
            select=self._settings.select,
            releases={distribution: tuple(versions)},
            **self._settings.members.names(),
        )
        self._take(self._matrix)

    def probe(self, version: str) -> Probe:
        self._tell(f"running {version}")
        cell = self._cells[version]
        settings = replace(self._settings, report=self._settings.report / cell.id)
        planned = self._planned(settings, [version])
        n = self._position(planned.plan.cells[0])
        running = pipeline.start(planned, {cell.id: frozenset({n})})
        try:
            while not running.board.wait(whole_run=True, seconds=WAIT):
                pass
            if running.error is not None:
                raise running.error
            pipeline.finish(running)
        finally:
            running.abandon()
        run = load(settings.report)
        stored = run.cells[0]
        record = next(each for each in run.cases() if each.n == n)
        found = _probe(version, stored, record, run.packages(stored), self._good)
        answer = {True: "good", False: "bad", None: "no answer"}[found.good]
        self._tell(
            f"{version}: {answer} ({found.status}{f': {found.words}' if found.words else ''})"
        )
        return found

    def _position(self, planned: PlannedCell) -> int:
        """The one case that is meant."""
        wanted = self._case
        every = [(n, each.unit, each.name) for n, _, each in planned.cases()]
        for hits in (
            [(n, name) for n, _, name in every if name == wanted],
            [(n, name) for n, _, name in every if name.partition("@")[0] == wanted],
            [(n, name) for n, unit, name in every if wanted in {unit, unit.rpartition("::")[2]}],
        ):
            if len(hits) == 1:
                return hits[0][0]
            if hits:
                raise UsageProblem(command_line.several_cases(wanted, [name for _, name in hits]))
        raise UsageProblem(command_line.no_such_case(wanted, (name for *_, name in every)))


def _probe(
    version: str,
    cell: StoredCell,
    case: StoredCase,
    packages: tuple[str, ...],
    good: frozenset[str],
) -> Probe:
    error = case.error or {}
    words = str(error.get("signature") or error.get("message") or case.reason or "")
    if not words and case.mismatch and case.mismatch.get("ratio") is not None:
        words = f"{float(case.mismatch['ratio']):.3g} times the tolerance"
    answered = case.status not in _IDLE
    return Probe(
        version=version,
        good=case.status.value in good if answered else None,
        status=case.status.value if answered else cell.status.value,
        words=" ".join(words.split())[:200],
        packages=packages,
        repro=case.repro,
    )


def _releases_between(cell: Cell, low: Probe, high: Probe) -> list[str]:
    """Releases that could be installed in the cell's place, oldest first, without the two ends.

    The resolver is asked for the newest one below the last answer, again and again: it knows the
    user's indexes, and which releases there are for this interpreter and platform.
    """
    from pytest_modelcompat.environments.cache import cache_folder  # noqa: PLC0415

    spec = environment_of(cell)
    cache = cache_folder()
    interpreter = find(spec.python, cache=cache)
    if isinstance(interpreter, NoInterpreter):
        return []
    name = cell.framework.distribution
    found: list[str] = []
    top = high.version
    for _ in range(_MOST):
        asked = f"{name}>{low.version},<{top}"
        spec = replace(spec, requirements=(asked, *spec.requirements[1:]))
        resolved = resolve(spec, interpreter, cache=cache)
        if isinstance(resolved, Failure):
            break
        top = dict(resolved.lock.packages)[name]
        found.append(top)
    return found[::-1]


def summary(found: Found, *, every: bool) -> list[str]:
    """What a search came to, as lines for a terminal."""
    order = in_order(found.probes)
    states = {v: p.good for v, p in found.probes.items() if p.good is not None}
    lines = []
    if found.before is None or found.after is None:
        answers = {True: "good", False: "bad"}
        said = answers[next(iter(states.values()))] if states else "without an answer"
        lines.append(f"no change found: {', '.join(order)} are {said}")
        if states and not every:
            lines.append("what lies between them was not run; --every runs all")
    else:
        word = "bad" if found.before.good else "good"
        lines.append(f"first {word}: {found.after.version} ({_told(found.after)})")
        lines.append(f"last {'good' if found.before.good else 'bad'}: "
                     f"{found.before.version} ({_told(found.before)})")  # fmt: skip
        moved = [f"{p.name} {p.before or '-'} → {p.after or '-'}" for p in found.packages]
        if moved:
            only = "only " if len(moved) == 1 else ""
            lines.append(f"between them: {only}{', '.join(moved)} changed")
        if found.after.repro:
            lines.append(f"reproduce: {found.after.repro}")
    condensed = ranges(order, states)
    if every and len(condensed) > 1:
        told = " · ".join(f"{label(each)} {'good' if each.state else 'bad'}" for each in condensed)
        straight = monotone(condensed, {True}) or monotone(condensed, {False})
        lines.append(f"{told}{'' if straight else ' (it comes and goes)'}")
    silent = [v for v in order if found.probes[v].good is None]
    if silent:
        lines.append(f"no answer from {', '.join(silent)}")
    return lines


def _told(probe: Probe) -> str:
    return f"{probe.status}: {probe.words}" if probe.words else probe.status
