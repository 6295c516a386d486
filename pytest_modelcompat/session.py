"""One pytest session with `--compat-matrix`: options in, items collected, verdicts out.

The order of events: options are read and the matrices loaded (mistakes end here, exit 4) · the
plan is made when collection starts · every cell and unit becomes an item · when pytest has said
which items stay, the run starts in the background · each item waits for its own cases and reports
them · at the end, also after Ctrl-C, the outputs and the report are written.
"""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.config.findpaths import locate_config
from _pytest.junitxml import xml_key

from pytest_modelcompat import DEFAULT_REPORT, interrupts, members, pipeline
from pytest_modelcompat.errors import (
    ModelcompatError,
    Problem,
    UsageProblem,
    command_line,
    environment,
)
from pytest_modelcompat.errors.results import WriteError
from pytest_modelcompat.items import EnvironmentItem, MatrixFile, UnitItem
from pytest_modelcompat.paths import text_of, typed
from pytest_modelcompat.progress import ProgressLine, stopping_text
from pytest_modelcompat.results.files import refuse_taken
from pytest_modelcompat.results.model import CellStatus, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from pytest_modelcompat.pipeline import Settings
    from pytest_modelcompat.runner.plan import PlannedCell
    from pytest_modelcompat.runner.run import Running

__all__ = ["CompatSession", "configure", "print_plan", "settings_of"]

NAME = "modelcompat-session"
_ENDED = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}


def configure(config: pytest.Config) -> None:
    """Read the options, load the matrices, and register the session's hooks.

    Raises:
        pytest.UsageError: whatever is wrong with the options or matrices, all of it.
    """
    try:
        settings = replace(settings_of(config), members=members.of_session(config.pluginmanager))
        matrices = pipeline.load(settings)
    except UsageProblem as problem:
        raise pytest.UsageError(*map(str, problem.problems)) from None
    except pipeline.IndexUnusableError as missing:
        raise pytest.UsageError(str(missing)) from None
    if not config.getoption("compat_plan"):
        _only_matrices(config, settings.files)
        _always_junit(config, settings.report)
        _one_screen(config)
    config.pluginmanager.register(CompatSession(config, settings, matrices), NAME)


def print_plan(config: pytest.Config) -> int:
    """`--compat-plan`: print what would run, and why, as JSON.

    Raises:
        pytest.UsageError: as `configure`.
    """
    config._do_configure()  # noqa: SLF001 - as pytest's own --version and --fixtures do
    try:
        session = config.pluginmanager.getplugin(NAME)
        loaded = pipeline.Loaded(session.settings, session.matrices, note=_aside)
        planned = pipeline.plan(pipeline.corpora(loaded))
        for chunk in pipeline.plan_text(planned.plan):
            sys.stdout.write(chunk)
        sys.stdout.write("\n")
    except UsageProblem as problem:
        raise pytest.UsageError(*map(str, problem.problems)) from None
    except pipeline.CorpusMissingError as missing:
        raise pytest.UsageError(str(missing)) from None
    finally:
        config._ensure_unconfigure()  # noqa: SLF001
    return 0


def settings_of(config: pytest.Config) -> Settings:
    """The run's settings, from the command line and the ini file.

    Raises:
        UsageProblem: every mistake in them.
    """
    option = config.getoption
    problems = []
    if option("compat_matrix") is None:
        raise UsageProblem(command_line.needs_matrix(_first_option(config)))
    if platform.system() != "Linux":
        raise UsageProblem(command_line.not_linux(platform.system()))
    if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
        problems.append(command_line.xdist())

    root, named = _project(config)
    files: tuple[Path, ...] = ()
    try:
        files = pipeline.matrix_files(option("compat_matrix") or named, root)
    except UsageProblem as problem:
        problems.extend(problem.problems)
    jobs = _number(option("compat_jobs"), default=os.cpu_count() or 1)
    if jobs is None:
        problems.append(command_line.bad_jobs(option("compat_jobs")))
    shard = _shard(option("compat_shard"))
    if shard is None:
        problems.append(command_line.bad_shard(option("compat_shard")))
    fail_on = _words(option("compat_fail_on"))
    known = [s.value for s in Status] + [s.value for s in CellStatus]
    problems.extend(command_line.bad_status(word, known) for word in fail_on if word not in known)
    report = Path(option("compat_report") or root / DEFAULT_REPORT).absolute()
    writes = not (config.option.collectonly or option("compat_plan"))
    problems.extend(_report_problems(report, writes=writes))
    baseline = option("compat_baseline")
    if baseline is not None:
        problems.extend(_baseline_problems(baseline, report))
    if problems:
        raise UsageProblem(problems)
    return pipeline.Settings(
        files=files,
        report=report,
        select=typed(option("compat_select")) if option("compat_select") else None,
        jobs=jobs or 1,
        shard=shard or (1, 1),
        fresh=bool(option("compat_fresh")),
        fail_on=frozenset(fail_on),
        baseline=Path(baseline).absolute() if baseline else None,
        root=root,
    )


def _aside(text: str) -> None:
    """A line that is no part of what is printed."""
    sys.stderr.write(f"{text}\n")


def _report_problems(report: Path, *, writes: bool) -> Sequence[Problem]:
    """Why a run cannot have this folder: told before anything is collected or made for it."""
    if why := _unusable(report, writes=writes):
        return [command_line.bad_report_folder(str(report), why)]
    try:
        if writes:
            refuse_taken(report)
    except UsageProblem as problem:
        return problem.problems
    return ()


def _unusable(report: Path, *, writes: bool) -> str:
    """Why nothing can be written to this folder; empty where it can, or nothing will be."""
    there = next(place for place in (report, *report.parents) if os.path.lexists(place))
    if not there.is_dir():
        return "it is not a folder" if there == report else f"{there} is not a folder"
    if writes and not os.access(there, os.W_OK | os.X_OK):  # also where root may not
        return "it cannot be written" if there == report else f"{there} cannot be written"
    return ""


def _project(config: pytest.Config) -> tuple[Path, str]:
    """The project's root, and the matrix that its ini file names.

    pytest takes every folder on the command line for a test path when it looks for its root, also
    the one behind `--compat-report`; the ini file of where the user stands is meant all the same.
    """
    named = str(config.getini("compat_matrix"))
    here = config.invocation_params.dir
    if named or (config.inipath is not None and here.is_relative_to(config.rootpath)):
        return config.rootpath, named
    root, _, settings, *_ = locate_config(here, [here])
    value = settings.get("compat_matrix", "")
    return root or here, str(getattr(value, "value", value))


def _first_option(config: pytest.Config) -> str:
    names = ("report", "select", "plan", "jobs", "baseline", "shard", "fresh", "fail_on")
    found = next(name for name in names if config.getoption(f"compat_{name}"))
    return "--compat-" + found.replace("_", "-")


def _number(text: str | None, *, default: int) -> int | None:
    if text is None:
        return default
    if text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= 1024:  # noqa: PLR2004
        return int(text)
    return None


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return (1, 1)
    parts = text.split("/")
    if len(parts) == 2 and all(p.isascii() and p.isdigit() and len(p) < 6 for p in parts):  # noqa: PLR2004
        index, count = int(parts[0]), int(parts[1])
        if 1 <= index <= count:
            return (index, count)
    return None


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _baseline_problems(baseline: str, report: Path) -> list[Problem]:
    if not (Path(baseline) / "run.json").is_file():
        return [command_line.no_baseline(baseline)]
    if Path(baseline).resolve() == report.resolve():
        return [command_line.baseline_is_report(baseline)]
    return []


def _only_matrices(config: pytest.Config, files: Sequence[Path]) -> None:
    """Collect the matrices, and test paths only where some were given."""
    names = [str(file) for file in files]
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = names
        return
    given = {pipeline.as_collected(arg.partition("::")[0]) for arg in config.args}
    if not given.intersection(files):
        config.args = [*config.args, *names]


def _always_junit(config: pytest.Config, report: Path) -> None:
    """Have pytest write JUnit XML into the report folder unless it was sent elsewhere."""
    if getattr(config.option, "xmlpath", None) is None and not config.option.collectonly:
        config.option.xmlpath = str(report / "junit.xml")


def _no_junit(config: pytest.Config, report: Path) -> None:
    """Keep pytest from writing into the report folder of a run that never began: not ours yet."""
    written = config.stash.get(xml_key, None)
    if written is not None and config.option.xmlpath == str(report / "junit.xml"):
        del config.stash[xml_key]
        config.pluginmanager.unregister(written)
        written.logfile = os.devnull  # whom pytest is about to call is settled already


def _one_screen(config: pytest.Config) -> None:
    """Leave the list of outcomes to our own summary unless -r or -v asks for pytest's."""
    asked = any(str(arg).startswith("-r") for arg in config.invocation_params.args)
    if not asked and config.option.verbose <= 0:
        config.option.reportchars = "fE"


@dataclass(frozen=True)
class _Ended:
    """How the run ended, for the terminal summary."""

    lines: tuple[str, ...] = ()


class CompatSession:
    """The hooks of one session; made only when `--compat-matrix` was given."""

    def __init__(
        self, config: pytest.Config, settings: Settings, matrices: tuple[Any, ...]
    ) -> None:
        self.config = config
        self.settings = settings
        self.matrices = matrices
        self.planned: pipeline.Planned | None = None
        self.cells: tuple[PlannedCell, ...] = ()
        self.running: Running | None = None
        self.environments_selected: frozenset[str] = frozenset()
        self._ended = _Ended()
        self._twice = False

    # -- collection -----------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Make the plan before anything is collected."""
        line = ProgressLine(self.config)
        try:
            loaded = pipeline.Loaded(self.settings, self.matrices, tell=line.say, note=line.note)
            self.planned = pipeline.plan(pipeline.corpora(loaded))
            self.cells = self.planned.plan.cells
        except UsageProblem as problem:
            raise pytest.UsageError(*map(str, problem.problems)) from None
        except pipeline.CorpusMissingError as missing:
            raise pytest.UsageError(str(missing)) from None
        except OSError as error:  # no room for the cases' data, or no right to write it
            raise pytest.UsageError(self._refused(error)) from None
        finally:
            line.clear()

    def _refused(self, error: OSError) -> str:
        return environment.refused(str(self.settings.cache), error)

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """One collector for each of the run's matrices."""
        if file_path not in self.settings.files or self.planned is None:
            return None
        more: dict[str, Any] = {}
        if text_of(file_path) != str(file_path):  # pytest writes ids to JSON and XML as they are
            root = self.config.rootpath
            inside = file_path.is_relative_to(root)
            more["nodeid"] = text_of(file_path.relative_to(root) if inside else file_path)
        return MatrixFile.from_parent(parent, path=file_path, compat=self, **more)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Pytest has said which items stay: start the run in the background."""
        items = [i for i in session.items if isinstance(i, (EnvironmentItem, UnitItem))]
        if self.config.option.collectonly or not items or self.planned is None:
            return
        if session.testsfailed and not self.config.option.continue_on_collection_errors:
            return
        self.environments_selected = frozenset(
            item.planned.cell.id for item in items if isinstance(item, EnvironmentItem)
        )
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and len(items) == len(session.items):
            reporter.showfspath = self.config.option.verbose > 0
        try:
            self.running = pipeline.start(self.planned, _selected(items))
        except ModelcompatError as problem:
            raise pytest.UsageError(*str(problem).splitlines()) from None
        except OSError as error:
            raise pytest.UsageError(self._refused(error)) from None

    # -- items ----------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Report an item of ours without the set-up and tear-down that it does not have."""
        if not isinstance(item, (EnvironmentItem, UnitItem)):
            return None
        item.report(self)
        self._forget()
        return True

    def _forget(self) -> None:
        """Let go of set-ups and tear-downs that passed: pytest keeps them to show their output.

        Ours have none, and hundreds of thousands of them are most of a large run's memory.
        """
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        kept = reporter.stats.get("", []) if reporter is not None else []
        while kept and getattr(kept[-1], "modelcompat", False):
            kept.pop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport | pytest.CollectReport, config: pytest.Config
    ) -> tuple[str, str, str] | None:
        """No letter for each of thousands of items; a line a cell tells more."""
        if config.option.verbose > 0 or not getattr(report, "modelcompat", False):
            return None
        if report.when != "call" and report.passed:
            return "", "", ""
        category = "error" if report.failed and report.when != "call" else str(report.outcome)
        if hasattr(report, "wasxfail"):
            category = "xfailed"
        words = {"xfailed": "XFAIL"}
        return category, "", words.get(category, category.upper())

    # -- the end --------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Say what happens now, and have it begin; keep in mind that it was meant twice."""
        self._twice = isinstance(excinfo.value, interrupts.TwiceError)
        once = isinstance(excinfo.value, KeyboardInterrupt) and not self._twice
        if self.running is not None and once:
            ProgressLine(self.config).note(stopping_text(self.running.board.progress()))
            self.running.stop("interrupted")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        """Stop what still runs, write the outputs, then let pytest write its own."""
        if self.running is None:
            _no_junit(self.config, self.settings.report)
        if self.running is not None:
            if self._twice or isinstance(sys.exc_info()[1], KeyboardInterrupt):
                # The second one came while pytest made something of the first: it calls this all
                # the same, with whatever status the session had. Twice means now.
                self.running.abandon()
            else:
                self._finish(session, exitstatus)
        try:
            result = yield
            if self.running is not None:
                pipeline.copy_junit(self.settings, getattr(self.config.option, "xmlpath", None))
        except OSError as error:  # pytest writes its file into our folder, because we told it to
            with suppress(OSError):
                (self.settings.report / "junit.xml").unlink()  # half of it is worse than nothing
            said = environment.refused(str(self.settings.report), error)
            self._ended = _Ended((*self._ended.lines, said))
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
            return None
        return result

    def _finish(self, session: pytest.Session, exitstatus: int) -> None:
        assert self.running is not None
        line = ProgressLine(self.config)
        cut = ""
        said = exitstatus == pytest.ExitCode.INTERRUPTED  # this Ctrl-C has been heard
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            cut = "interrupted"
        elif session.shouldfail or session.shouldstop or exitstatus not in _ENDED:
            cut = "stopped"
        try:
            with interrupts.patient(heard=said):
                ended = pipeline.finish(self.running, cut=cut, tell=line.say)
        except WriteError as error:  # what is in the store is kept, and the next run goes on
            ended = pipeline.Ended(green=False, lines=tuple(str(error).splitlines()))
        finally:
            line.clear()
        self._ended = _Ended(ended.lines)
        healthy = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
        if healthy and not ended.green:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.running.error is not None and not isinstance(self.running.error, WriteError):
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The same view as the report's, as one screen of text."""
        if self._ended.lines and self.config.option.verbose >= -1:
            terminalreporter.section("compatibility")
            for text in self._ended.lines:
                terminalreporter.write_line(text)

    def pytest_unconfigure(self) -> None:
        """Whatever happened, nothing of the run is left behind."""
        if self.running is not None:
            self.running.abandon()


def _selected(items: Sequence[EnvironmentItem | UnitItem]) -> dict[str, Collection[int]]:
    """Cell id -> positions of the cases whose items were selected.

    A whole cell is a range, so that a run of a million cases keeps no million numbers.
    """
    chosen: dict[str, set[int]] = {}
    size: dict[str, int] = {}
    for item in items:
        cases = item.cases if isinstance(item, UnitItem) else ()
        chosen.setdefault(item.planned.cell.id, set()).update(cases)
        size[item.planned.cell.id] = item.planned.size
    return {
        cell: range(size[cell]) if len(cases) == size[cell] else frozenset(cases)
        for cell, cases in chosen.items()
    }
