"""Matrix, cell and unit as pytest nodes: `MATRIX.yaml::CELL::environment`, `…::CHECK::UNIT`.

An item measures nothing itself. It waits until its cases are counted and says what became of them
in pytest's words: failed, xfailed, passed, or skipped with the reason.
"""

from __future__ import annotations

import os
import time
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_modelcompat import interrupts
from pytest_modelcompat.environments.cache import waits
from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.paths import text_of
from pytest_modelcompat.progress import ProgressLine, duration
from pytest_modelcompat.report.text import clean
from pytest_modelcompat.results.cause import cause
from pytest_modelcompat.results.model import CellStatus, Outcome, Status
from pytest_modelcompat.runner import failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.results.model import CellRecord
    from pytest_modelcompat.runner.board import Unit
    from pytest_modelcompat.runner.plan import PlannedCell
    from pytest_modelcompat.runner.run import Running

__all__ = ["EnvironmentItem", "MatrixFile", "UnitItem"]

WAIT = 0.2  # seconds; short, so that Ctrl-C is heard


class Session(Protocol):
    """What items need of the session that they belong to."""

    config: pytest.Config
    cells: tuple[PlannedCell, ...]
    running: Running | None
    environments_selected: frozenset[str]


class MatrixFile(pytest.File):
    """One matrix; holds its cells."""

    def __init__(self, *, compat: Session, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.compat = compat

    def collect(self) -> Iterator[pytest.Collector]:
        """The matrix's cells, in the plan's order."""
        for planned in self.compat.cells:
            if planned.cell.matrix_file == self.path:
                yield CellNode.from_parent(self, name=planned.cell.id, planned=planned)


class CellNode(pytest.Collector):
    """One cell; its environment item comes first."""

    def __init__(self, *, planned: PlannedCell, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.planned = planned

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """The environment, then one node for each check."""
        yield EnvironmentItem.from_parent(self, name="environment", planned=self.planned)
        checks: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        for check, unit, cases in self.planned.units():
            checks.setdefault(check, []).append((unit, cases))
        for check, units in checks.items():
            yield CheckNode.from_parent(self, name=check, planned=self.planned, units=units)


class CheckNode(pytest.Collector):
    """One check in one cell."""

    def __init__(
        self, *, planned: PlannedCell, units: list[tuple[str, tuple[int, ...]]], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._planned = planned
        self._units = units

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each unit; a unit that two entries of a check share is one item."""
        merged: dict[str, tuple[int, ...]] = {}
        for unit, cases in self._units:
            merged[unit] = merged[unit] + cases if unit in merged else cases
        for unit, cases in merged.items():
            yield UnitItem.from_parent(
                self,
                name=unit.replace("::", "."),
                planned=self._planned,
                check=self.name,
                unit=unit,
                cases=cases,
            )


class _Item(pytest.Item):
    """What both kinds of items share: waiting, and speaking pytest's language."""

    def __init__(self, *, planned: PlannedCell, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.planned = planned

    def runtest(self) -> None:
        """Nothing: cells run in the background, see `report`."""

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Where the item stands: in its matrix; with the headline of its failure.

        Blanks keep pytest from taking the dots in an operator's name for classes.
        """
        return self.path, None, f"{self.planned.cell.id} {self.name}"

    @cached_property
    def location(self) -> tuple[str, int | None, str]:
        """As pytest's own; but the file's part is worked out once, and not for each item."""
        path, line, name = self.reportinfo()
        return _relative(os.fspath(path), str(self.config.rootpath)), line, name

    def report(self, compat: Session) -> None:
        """Wait for the result and send it through pytest's own hooks, for every plugin to see."""
        hook = self.ihook  # made anew each time that one asks
        hook.pytest_runtest_logstart(nodeid=self.nodeid, location=self.location)
        started = time.time()
        self.wait(compat)
        for report in self.reports(compat, started):
            report.modelcompat = True  # type: ignore[attr-defined] # read by our teststatus hook
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=self.nodeid, location=self.location)

    def wait(self, compat: Session) -> None:
        """Until there is something to report."""
        raise NotImplementedError

    def reports(self, compat: Session, started: float) -> Iterator[pytest.TestReport]:
        """Set-up, call and tear-down."""
        raise NotImplementedError

    def _wait(self, compat: Session, **what: Any) -> None:
        assert compat.running is not None
        board = compat.running.board
        line = ProgressLine(compat.config)
        with interrupts.held() as interrupted:
            while not board.wait(cell=self.planned.cell.id, seconds=WAIT, **what):
                if interrupted():
                    break
                for text in waits():
                    line.note(text)
                line.show(board.progress())
            line.clear()
        error = compat.running.error
        if isinstance(error, ModelcompatError):  # a full disk, a folder that was taken away
            pytest.exit(str(error), returncode=int(pytest.ExitCode.TESTS_FAILED))
        if error is not None:
            raise error

    def _report(
        self,
        when: str,
        outcome: str,
        longrepr: Any = None,
        *,
        seconds: float = 0.0,
        started: float = 0.0,
        properties: tuple[tuple[str, object], ...] = (),
    ) -> pytest.TestReport:
        return pytest.TestReport(
            nodeid=self.nodeid,
            location=self.location,
            keywords={},
            outcome=outcome,  # type: ignore[arg-type]
            longrepr=clean(longrepr) if isinstance(longrepr, str) else longrepr,
            when=when,  # type: ignore[arg-type]
            duration=seconds,
            start=started,
            stop=started + seconds,
            user_properties=list(properties),
        )

    def _skip(self, reason: str) -> tuple[str, int, str]:
        """Pytest's form of a skip; equal reasons of a matrix fold into one line."""
        return (text_of(self.path), 1, f"Skipped: {clean(reason)}")


@lru_cache(maxsize=1024)
def _relative(path: str, root: str) -> str:
    return text_of(os.path.relpath(path, root))


class EnvironmentItem(_Item):
    """The cell itself: was its environment made, and was it what the axes ask for."""

    def wait(self, compat: Session) -> None:
        """Until the cell is closed, and judged."""
        assert compat.running is not None
        self._wait(compat, whole_run=compat.running.verdicts.waits())

    def reports(self, compat: Session, started: float) -> Iterator[pytest.TestReport]:
        """An infrastructure failure is an error, the rest passes, fails or is skipped."""
        assert compat.running is not None
        cell_id = self.planned.cell.id
        record = compat.running.board.cell(cell_id)
        if record is None:
            yield self._report("setup", "skipped", self._skip("stopped"), started=started)
            yield self._report("teardown", "passed", started=started)
            return
        self._say(compat, record)
        seconds = sum(record.seconds.values())
        text = _cell_text(record)
        if record.status is CellStatus.INFRASTRUCTURE_FAILED and record.outcome is Outcome.NOT_OK:
            yield self._report("setup", "failed", text, seconds=seconds, started=started)
            yield self._report("teardown", "passed", started=started)
            return
        yield self._report("setup", "passed", started=started)
        yield self._call(record, text, seconds, started)
        yield self._report("teardown", "passed", started=started)

    def _call(
        self, record: CellRecord, text: str, seconds: float, started: float
    ) -> pytest.TestReport:
        properties = tuple(record.axes)
        if record.outcome is Outcome.XFAIL:
            report = self._report(
                "call", "skipped", text, seconds=seconds, started=started, properties=properties
            )
            report.wasxfail = f"{record.known}: {record.status.value}"
            return report
        if record.outcome in {Outcome.NOT_OK, Outcome.XPASS}:
            return self._report(
                "call", "failed", text, seconds=seconds, started=started, properties=properties
            )
        if record.status is CellStatus.COMPLETED:
            return self._report(
                "call", "passed", seconds=seconds, started=started, properties=properties
            )
        reason = self._skip(f"{record.status.value}: {_first_line(cause(record.reason))}")
        return self._report(
            "call", "skipped", reason, seconds=seconds, started=started, properties=properties
        )

    def _say(self, compat: Session, record: CellRecord) -> None:
        """One line a cell, where pytest would print thousands of letters."""
        reporter = compat.config.pluginmanager.getplugin("terminalreporter")
        if reporter is None or compat.config.option.verbose != 0:
            return
        reporter.ensure_newline()
        colour = {Outcome.OK: "green", Outcome.NOT_OK: "red", Outcome.XPASS: "red"}
        bad = compat.running is not None and compat.running.board.not_ok(record.id)
        name = "red" if bad else colour.get(record.outcome, "yellow")
        known = compat.running.board.known(record.id) if compat.running is not None else 0
        reporter.write_line(cell_line(record, known), **{name: True})


class UnitItem(_Item):
    """One operator or one model in one cell."""

    def __init__(self, *, check: str, unit: str, cases: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check
        self.unit = unit
        self.cases = cases

    def wait(self, compat: Session) -> None:
        """Until its cases are counted; until the end where an expectation spans cells."""
        assert compat.running is not None
        running, key = compat.running, (self.check, self.unit)
        if running.error is not None or not running.board.counted(self.planned.cell.id, *key):
            self._wait(compat, unit=key)
        if running.verdicts.undecided(self.planned.cell.id, *key):
            self._wait(compat, whole_run=True)

    def reports(self, compat: Session, started: float) -> Iterator[pytest.TestReport]:
        """Failed, xfailed, passed or skipped, in this order of precedence."""
        assert compat.running is not None
        cell_id = self.planned.cell.id
        unit = compat.running.board.unit(cell_id, self.check, self.unit)
        yield self._report("setup", "passed", started=started)
        yield self._call(compat, unit, started)
        yield self._report("teardown", "passed", started=started)

    def _call(self, compat: Session, unit: Unit | None, started: float) -> pytest.TestReport:
        assert compat.running is not None
        cell_id = self.planned.cell.id
        if unit is None or unit.remaining:
            return self._report("call", "skipped", self._skip("stopped"), started=started)
        outcomes, seconds = unit.outcomes, unit.seconds
        if outcomes.get(Outcome.NOT_OK.value) or outcomes.get(Outcome.XPASS.value):
            text = failure.text(compat.running.failing(cell_id, self.check, self.unit))
            return self._report("call", "failed", text, seconds=seconds, started=started)
        if outcomes.get(Outcome.XFAIL.value):
            known = ", ".join(sorted(unit.known))
            report = self._report("call", "skipped", known, seconds=seconds, started=started)
            report.wasxfail = known
            return report
        if unit.statuses.get(Status.PASSED.value):
            return self._report("call", "passed", seconds=seconds, started=started)
        lost = compat.running.board.cell(cell_id)
        if (
            lost is not None
            and lost.outcome is Outcome.NOT_OK
            and not self._has_environment(compat)
        ):
            return self._report("call", "failed", _cell_text(lost), started=started)
        return self._report("call", "skipped", self._skip(_why(unit)), started=started)

    def _has_environment(self, compat: Session) -> bool:
        """Whether the cell's environment item was selected too, and so tells its failure."""
        return self.planned.cell.id in compat.environments_selected


def cell_line(record: CellRecord, known_cases: int = 0) -> str:
    """`onnxruntime==1.31.1 · 3.12 · host · …  completed: 1,703 passed, 20 unsupported  3.2 s`."""
    axes = " · ".join(_axis(name, value) for name, value in record.axes)
    counts = ", ".join(f"{count:,} {status}" for status, count in record.counts.items())
    status = record.status.value
    if record.status is not CellStatus.COMPLETED:
        status = f"{status} ({_first_line(cause(record.reason))})"
    known = f" [known: {record.known}]" if record.known else ""
    excused = f" ({known_cases:,} of them known)" if known_cases else ""
    took = duration(sum(record.seconds.values()))
    if any(note.startswith("reused") for note in record.notes):
        took = "reused"
    return clean(f"{axes}  {status}{known}: {counts}{excused}  {took}")


def _axis(name: str, value: str) -> str:
    """An axis value that tells what it is of: `numpy 1.26.4`, `threads=4`, else as it stands."""
    group, _, rest = name.partition(".")
    if group == "packages":
        return f"{rest} {value}"
    return f"{rest}={value}" if rest else value


def _why(unit: Unit) -> str:
    """Why an item of which nothing passed and nothing failed is not green."""
    if unit.reasons:
        return _first_line(max(unit.reasons, key=unit.reasons.__getitem__))
    return ", ".join(sorted(unit.statuses))


def _cell_text(record: CellRecord) -> str:
    lines = [f"{record.status.value} at stage {record.stage.value if record.stage else '?'}"]
    lines += [record.reason, *record.notes]
    if record.repro:
        lines += ["", f"reproduce: {record.repro}"]
    return "\n".join(line for line in lines if line is not None)


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 160 else line[:159] + "…"  # noqa: PLR2004 - a terminal line or two
