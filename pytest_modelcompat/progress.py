"""One line that tells how far the run is; silent where nobody watches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from pytest_modelcompat.runner.board import Progress

__all__ = ["ProgressLine", "duration", "progress_text", "stopping_text"]

INTERVAL = 0.25  # seconds between two redraws


def duration(seconds: float) -> str:
    """A time for people: `8.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if round(seconds, 1) < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def progress_text(progress: Progress) -> str:
    """`cells 3/8 · cases 4,120/11,400 · 950/s · 8 s left`."""
    parts = [
        f"cells {progress.cells_done}/{progress.cells}",
        f"cases {progress.cases_done:,}/{progress.cases:,}",
    ]
    if progress.preparing:
        parts.append(f"making {progress.preparing} environments")
    if progress.cases_done and progress.seconds > 1:
        rate = progress.cases_done / progress.seconds
        parts.append(f"{rate:,.0f}/s")
        left = (progress.cases - progress.cases_done) / rate
        if left:
            parts.append(f"{duration(left)} left")
    return " · ".join(parts)


def stopping_text(progress: Progress) -> str:
    """What happens after one Ctrl-C: `stopping 2 cells and 1 environment, then …`."""
    running = [
        f"{number} {what}{'s' if number > 1 else ''}"
        for number, what in ((progress.running, "cell"), (progress.preparing, "environment"))
        if number
    ]
    first = f"stopping {' and '.join(running)}, then " if running else "stopping: "
    return f"{first}writing the report of what there is; Ctrl-C again to leave at once"


class ProgressLine:
    """A line at the bottom of the terminal, rewritten in place; nothing without a terminal."""

    def __init__(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.getplugin("terminalreporter")
        watched = reporter is not None and reporter.isatty and config.option.verbose >= 0
        self._paper = reporter
        self._reporter = reporter if watched else None
        self._shown = False
        self._last = 0.0

    def show(self, progress: Progress) -> None:
        """Redraw from a snapshot, not more often than a few times a second."""
        if time.monotonic() - self._last >= INTERVAL:
            self.say(progress_text(progress))

    def say(self, text: str) -> None:
        """Replace the line's text."""
        if self._reporter is None:
            return
        self._last = time.monotonic()
        self._shown = True
        width = max(self._reporter._tw.fullwidth - 1, 20)  # noqa: SLF001 - no public width
        self._reporter.rewrite(text[:width], erase=True)

    def note(self, text: str) -> None:
        """A line that stays, also where nobody watches."""
        self.clear()
        if self._paper is not None:
            self._paper.ensure_newline()
            self._paper.write_line(text)

    def clear(self) -> None:
        """Take the line away, so that what follows starts on a clean one."""
        if self._reporter is not None and self._shown:
            self._reporter.rewrite("", erase=True)
            self._shown = False
