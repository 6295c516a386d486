"""The progress line: its text, and when it is silent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_modelcompat.progress import ProgressLine, duration, progress_text, stopping_text
from pytest_modelcompat.runner.board import Progress


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.0 s"),
        (8.24, "8.2 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 00 s"),
        (60, "1 min 00 s"),
        (185.4, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_durations_are_for_people(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def progress(**changes) -> Progress:
    plain = {
        "cells": 8, "cells_done": 3, "cases": 11400, "cases_done": 4120, "preparing": 0,
        "running": 2, "seconds": 4.12,
    }  # fmt: skip
    return Progress(**{**plain, **changes})


def test_rate_and_time_left_are_told() -> None:
    assert progress_text(progress()) == "cells 3/8 · cases 4,120/11,400 · 1,000/s · 7.3 s left"


@pytest.mark.parametrize("changes", [{"cases_done": 0}, {"seconds": 0.9}])
def test_not_before_there_is_a_rate(changes) -> None:
    assert "/s" not in progress_text(progress(**changes))


def test_nothing_is_left_at_the_end() -> None:
    told = progress_text(progress(cells_done=8, cases_done=11400, seconds=10))
    assert told == "cells 8/8 · cases 11,400/11,400 · 1,140/s"


def test_environments_in_the_making_are_told() -> None:
    assert "making 2 environments" in progress_text(progress(preparing=2))


class Terminal:
    """pytest's terminal reporter, as far as the line uses it."""

    def __init__(self, *, isatty: bool = True, width: int = 80) -> None:
        self.isatty = isatty
        self._tw = SimpleNamespace(fullwidth=width)
        self.written: list[str] = []

    def rewrite(self, text: str, *, erase: bool) -> None:
        assert erase
        self.written.append(text)


def line(terminal: Terminal | None, *, verbose: int = 0) -> ProgressLine:
    manager = SimpleNamespace(getplugin=lambda name: terminal)
    return ProgressLine(
        SimpleNamespace(pluginmanager=manager, option=SimpleNamespace(verbose=verbose))
    )


def test_a_stop_says_what_it_stops() -> None:
    rest = "writing the report of what there is; Ctrl-C again to leave at once"
    assert stopping_text(progress()) == f"stopping 2 cells, then {rest}"
    both = stopping_text(progress(running=1, preparing=3))
    assert both == f"stopping 1 cell and 3 environments, then {rest}"
    assert stopping_text(progress(running=0)) == f"stopping: {rest}"


def test_a_line_is_redrawn_now_and_then_and_taken_away() -> None:
    terminal = Terminal()
    it = line(terminal)
    for _ in range(100):
        it.show(progress())
    assert 1 <= len(terminal.written) < 10
    it.clear()
    assert terminal.written[-1] == ""
    count = len(terminal.written)
    it.clear()  # nothing is shown any more
    assert len(terminal.written) == count


def test_it_is_never_wider_than_the_terminal() -> None:
    terminal = Terminal(width=40)
    line(terminal).say("x" * 200)
    assert terminal.written == ["x" * 39]
    narrow = Terminal(width=3)
    line(narrow).say("x" * 200)
    assert narrow.written == ["x" * 20]


@pytest.mark.parametrize(
    ("terminal", "verbose"), [(None, 0), (Terminal(isatty=False), 0), (Terminal(), -1)]
)
def test_nobody_watches(terminal: Terminal | None, verbose: int) -> None:
    it = line(terminal, verbose=verbose)
    it.show(progress())
    it.say("text")
    it.clear()
    assert terminal is None or terminal.written == []
