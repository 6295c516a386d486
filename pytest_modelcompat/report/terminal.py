"""The view as one screen of a terminal: readable in any width, and without colour."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.report import view_of
from pytest_modelcompat.report.markdown import MAX_NOTES, headline, title_of
from pytest_modelcompat.report.states import CASE_STATES
from pytest_modelcompat.report.text import shorten
from pytest_modelcompat.report.verdict import KINDS
from pytest_modelcompat.results.cause import cause
from pytest_modelcompat.words import count, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_modelcompat.report.verdict import Step, Verdict
    from pytest_modelcompat.report.view import View

__all__ = ["summary"]

LINES = 30  # of verdicts; the rest is counted
CLUSTERS = 4  # failures that look alike
UNITS = 4  # names in a cluster's line
_COLOURS = {"good": "32", "bad": "31", "broken": "35", "missing": "33", "moved": "36",
            "known": "34", "quiet": "2"}  # fmt: skip


def summary(
    source: Path | View,
    width: int | None = None,
    *,
    colour: bool = False,
    folder: Path | None = None,
) -> str:
    """What to read after the run.

    Args:
        source: a run's folder, or its view.
        width: columns; default: the terminal's.
        colour: whether to add ANSI colours; every line says the same without.
        folder: where the page is, for the last line; a source that is a folder says it itself.

    Returns:
        Lines, none wider than `width`, no line feed at the end.
    """
    if isinstance(source, (str, Path)):
        folder = Path(source)
        view = view_of(folder)
    else:
        view = source
    width = max(30, width or min(shutil.get_terminal_size().columns, 120))
    paint = _Paint(on=colour)
    lines = [*_head(view, width, paint), *_nothing(view, width, paint)]
    shown = told = 0
    blocks = [*view.journeys, *view.steps]
    for step in blocks:
        block = [paint.bold(shorten(title_of(view, step), width))]
        for verdict in step.verdicts:
            block += _verdict(verdict, width, paint)
        if shown and shown + len(block) > LINES:
            break
        lines += block
        shown += len(block)
        told += 1
    if told < len(blocks):
        lines.append(f"…and {plural(len(blocks) - told, 'more step')}")
        lines += _left(view, blocks[told:], width, paint)
    lines += _clusters(view, width, paint)
    if folder is not None:
        lines += ["", f"report: {folder / 'index.html'}"]
    return "\n".join(lines)


def _left(view: View, steps: Sequence[Step], width: int, paint: _Paint) -> list[str]:
    """Of the steps that found no room, those that cannot be made: by name."""
    names = [title_of(view, step) for step in steps if step.says("no")]
    wrapped = textwrap.wrap(
        f"not: {'; '.join(names)}" if names else "", width - 4, max_lines=4, placeholder=" …"
    )
    tone = KINDS["no"][3]
    return [
        f"  {paint.tone(KINDS['no'][0], tone)} {line}" if n == 0 else f"    {line}"
        for n, line in enumerate(wrapped)
    ]


def _clusters(view: View, width: int, paint: _Paint) -> list[str]:
    """The worst failures that look alike: what, where, since when."""
    failures = [cluster for cluster in view.clusters if cluster.kind == "failure"]
    if not failures:
        return []
    lines = ["", paint.bold("worst failures")]
    for cluster in failures[:CLUSTERS]:
        state = CASE_STATES[cluster.state]
        units = [unit.rpartition("::")[2] for unit in cluster.units[:UNITS]]
        more = cluster.unit_count - len(units)
        where = ", ".join(units) + (f" and {count(more)} more" if more > 0 else "")
        new = f", {count(cluster.new)} new" if cluster.new else ""
        seen = "; ".join(f"{distribution} {text}" for distribution, text in cluster.versions)
        told = (
            f"{state.text} at {cluster.stage}: {where} "
            f"({plural(cluster.cases, 'case')}{new} in {plural(cluster.cells, 'cell')}"
            f"{f', {seen}' if seen else ''})"
        )
        first, *rest = textwrap.wrap(told, width - 4, max_lines=2, placeholder=" …") or [""]
        lines.append(f"  {paint.tone(state.glyph, state.tone)} {first}")
        lines += [f"    {line}" for line in rest]
        words = " ".join((cluster.signature or cluster.message).split())
        if words:
            lines.append(f"      {shorten(words, width - 6)}")
    if len(failures) > CLUSTERS:
        lines.append(f"  …and {count(len(failures) - CLUSTERS)} more, in the report")
    return lines


def _nothing(view: View, width: int, paint: _Paint) -> list[str]:
    """Why nothing was measured: a run that looks quiet must not look green."""
    if not view.totals.nothing:
        return []
    reasons: dict[tuple[str, str], int] = {}
    for cell in view.data.cells:
        key = (cell.status.replace("_", " "), " ".join(cause(cell.reason).split()))
        reasons[key] = reasons.get(key, 0) + 1
    said = "NOTHING WAS MEASURED: this run fails, and says nothing about any case."
    lines = [paint.tone(line, "bad") for line in textwrap.wrap(said, width)]
    for (status, reason), number in list(reasons.items())[:CLUSTERS]:
        told = f"{plural(number, 'cell')} {status}{f': {reason}' if reason else ''}"
        lines += textwrap.wrap(
            told, width - 2, initial_indent="  ", subsequent_indent="    ", max_lines=3,
            placeholder=" …",
        )  # fmt: skip
    if len(reasons) > CLUSTERS:
        lines.append(f"  …and {plural(len(reasons) - CLUSTERS, 'more reason')}")
    return [*lines, ""]


class _Paint:
    def __init__(self, *, on: bool) -> None:
        self.on = on

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.on else text

    def tone(self, text: str, tone: str) -> str:
        return f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m" if self.on else text


def _head(view: View, width: int, paint: _Paint) -> list[str]:
    totals = view.totals
    lines = [paint.bold(line) for line in textwrap.wrap(headline(view), width)]
    for total, what, states in (
        (totals.cell_count, "cell", totals.cells),
        (totals.case_count, "case", tuple(reversed(totals.cases))),
    ):
        told = ", ".join(f"{state.glyph} {count(n)} {state.text}" for state, n in states)
        lines += textwrap.wrap(f"{plural(total, what)}: {told}", width, subsequent_indent="  ")
    if not view.header.finished:
        lines.append("This run did not come to its end.")
    said = view.header.notes
    for note in said[:MAX_NOTES]:
        lines += textwrap.wrap(
            f"{note}.", width, subsequent_indent="  ", max_lines=2, placeholder=" …"
        )
    if len(said) > MAX_NOTES:
        lines.append(f"And {plural(len(said) - MAX_NOTES, 'more note')}.")
    return [*lines, ""]


def _verdict(verdict: Verdict, width: int, paint: _Paint) -> list[str]:
    glyph, _, _, tone = KINDS[verdict.kind]
    wrapped = textwrap.wrap(
        verdict.sentence, width - 4, break_long_words=True, max_lines=4, placeholder=" …"
    ) or [""]
    first, *rest = wrapped
    lines = [f"  {paint.tone(glyph, tone)} {first}", *(f"    {line}" for line in rest)]
    if verdict.kind == "no" and verdict.reason:
        lines += textwrap.wrap(
            " ".join(verdict.reason.split()), width, initial_indent="      ",
            subsequent_indent="      ", max_lines=3, placeholder=" …",
        )  # fmt: skip
    return lines
