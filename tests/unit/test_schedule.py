"""Which environment is made and which cell runs when."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from pytest_modelcompat.runner.schedule import PREPARERS, Schedule


def planned(name: str, environment: str | None = "e"):
    spec = None if environment is None else SimpleNamespace(id=environment)
    return SimpleNamespace(name=name, environment=spec)


class Log:
    """What the schedule did."""

    def __init__(self) -> None:
        self.prepared: list[str] = []
        self.ran: list[tuple[str, str | None]] = []
        self.errors: list[BaseException] = []
        self.finished = threading.Event()
        self.times = 0

    def prepare(self, spec) -> str:
        self.prepared.append(spec.id)
        return f"made {spec.id}"

    def run(self, cell, prepared) -> None:
        self.ran.append((cell.name, prepared))

    def finish(self) -> None:
        self.times += 1
        self.finished.set()

    def schedule(self, cells, *, jobs: int = 1, **changes) -> Schedule:
        arguments = {
            "needs_environment": lambda cell: cell.environment is not None,
            "prepare": self.prepare, "run": self.run, "finished": self.finish,
            "failed": self.errors.append, **changes,
        }  # fmt: skip
        made = Schedule(cells, jobs=jobs, **arguments)
        made.start()
        return made


def test_every_cell_runs_once_in_an_environment_that_is_made_once() -> None:
    log = Log()
    cells = [planned(str(n), f"e{n % 3}") for n in range(30)]
    it = log.schedule(cells, jobs=4)
    assert log.finished.wait(30)
    assert it.join(10)
    assert sorted(log.prepared) == ["e0", "e1", "e2"]
    assert sorted(log.ran) == sorted((str(n), f"made e{n % 3}") for n in range(30))
    assert log.times == 1
    assert log.errors == []


def test_cells_run_in_the_plans_order() -> None:
    log = Log()
    log.schedule([planned(str(n)) for n in range(20)])
    assert log.finished.wait(30)
    assert [name for name, _ in log.ran] == [str(n) for n in range(20)]


def test_a_cell_without_an_environment_waits_for_none() -> None:
    log, hold = Log(), threading.Event()

    def slow(spec) -> str:
        assert hold.wait(30)
        return "late"

    ran = threading.Event()
    it = log.schedule(
        [planned("first"), planned("skipped", None)], prepare=slow,
        run=lambda cell, prepared: (log.run(cell, prepared), ran.set()),
    )  # fmt: skip
    assert ran.wait(30)
    assert log.ran == [("skipped", None)]
    assert not log.finished.is_set()
    assert not it.join(0.01)
    hold.set()
    assert log.finished.wait(30)
    assert log.ran[1] == ("first", "late")


def test_cells_run_side_by_side_and_no_more_than_asked_for() -> None:
    log = Log()
    together, most, lock = threading.Barrier(3), [0, 0], threading.Lock()

    def run(cell, prepared) -> None:
        with lock:
            most[0] += 1
            most[1] = max(most)
        together.wait(30)
        with lock:
            most[0] -= 1

    log.schedule([planned(str(n)) for n in range(6)], jobs=3, run=run)
    assert log.finished.wait(60)
    assert most[1] == 3


def test_a_few_environments_are_made_side_by_side() -> None:
    log = Log()
    together = threading.Barrier(PREPARERS)
    log.schedule(
        [planned(str(n), f"e{n}") for n in range(PREPARERS)],
        prepare=lambda spec: str(together.wait(30)),
    )
    assert log.finished.wait(60)
    assert len(log.ran) == PREPARERS


def test_nothing_to_run_is_finished_at_once() -> None:
    log = Log()
    it = log.schedule([])
    assert log.times == 1
    assert it.join(0)


@pytest.mark.parametrize("where", ["prepare", "run"])
def test_what_is_raised_is_handed_on(where: str) -> None:
    log, told = Log(), threading.Event()

    def broken(*_) -> None:
        raise ZeroDivisionError(where)

    def failed(error: BaseException) -> None:
        log.errors.append(error)
        told.set()

    log.schedule([planned("one")], failed=failed, **{where: broken})
    assert told.wait(30)
    (error,) = log.errors
    assert isinstance(error, ZeroDivisionError)
    assert not log.finished.is_set()


def test_threads_that_do_not_end_are_waited_for_together() -> None:
    """Not one after the other: a Ctrl-C waits for this."""
    log, end = Log(), threading.Event()
    schedule = log.schedule(
        [planned("a"), planned("b", None)], prepare=lambda _: end.wait(), run=lambda *_: end.wait()
    )
    asked: list[float] = []

    def watched(thread: threading.Thread) -> SimpleNamespace:
        def join(seconds: float) -> None:
            asked.append(seconds)
            thread.join(seconds)

        return SimpleNamespace(join=join, is_alive=thread.is_alive)

    schedule._threads = [watched(thread) for thread in schedule._threads]
    assert len(schedule._threads) > 1
    assert not schedule.join(0.2)
    assert asked[0] > 0.1
    assert sum(asked[1:]) == 0
    end.set()
    assert schedule.join(10)
