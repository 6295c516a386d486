"""The view as Markdown: at most 60 KB for a comment, at most 900 KB for a job's page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_modelcompat.report.states import CASE_STATES
from pytest_modelcompat.report.text import shorten
from pytest_modelcompat.report.verdict import KINDS
from pytest_modelcompat.words import count, join, plural

if TYPE_CHECKING:
    from pytest_modelcompat.report.clusters import Cluster
    from pytest_modelcompat.report.variants import Row
    from pytest_modelcompat.report.verdict import Step
    from pytest_modelcompat.report.view import View

__all__ = ["headline", "markdown", "title_of"]

MAX_NOTES = 8  # in the head of the run
LIMIT = 60_000  # bytes: what hosts take as a comment
JOB_LIMIT = 900_000  # bytes: as the summary of a job
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>()#+!|~@$-])")


def escape(text: str, width: int = 400) -> str:
    """Text in which nothing is Markdown, a mention, or HTML; on one line."""
    flat = " ".join(shorten(text, width).split())
    quiet = _ACTIVE.sub(r"\\\1", flat.replace("&", "&amp;")).replace("://", ":\\//")
    # A host links mentions after it has rendered the text: a word joiner keeps them apart.
    return quiet.replace("@", "@\u2060")


def code(text: str, width: int = 120) -> str:
    """Text as code, whatever backticks it holds; on one line."""
    flat = " ".join(shorten(text, width).split()).replace("|", "¦")
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}" if flat else ""


def headline(view: View) -> str:
    """The run in one sentence, or two: what is new since a baseline comes first."""
    since = ""
    if view.since is not None:
        failing = plural(view.since.failing, "new failure")
        since = f"{failing} since run {shorten(view.since.run, 60)}. "
    return since + _moves_told(view)


def _moves_told(view: View) -> str:
    totals = view.totals
    if totals.nothing:
        return f"Nothing was measured in {plural(totals.cell_count, 'cell')}."
    if not totals.moves:
        return (
            f"{plural(totals.measured_cells, 'cell')} of {count(totals.cell_count)} measured; "
            "no two versions to move between."
        )
    kinds = dict(totals.verdicts)
    parts = [f"{count(kinds['yes'])} of {plural(totals.moves, 'move')} can be made"]
    if kinds["fallback"]:
        parts.append(f"{count(kinds['fallback'])} only with fallback")
    if kinds["no"]:
        parts.append(f"{count(kinds['no'])} cannot")
    if kinds["unknown"]:
        parts.append(
            f"{count(kinds['unknown'])} {'is' if kinds['unknown'] == 1 else 'are'} unknown"
        )
    return join(parts) + "."


def title_of(view: View, step: Step) -> str:
    """`onnxruntime 1.24.4 → 1.28.0`, and what else tells the step from others."""
    whole = " over all versions" if step in view.journeys else ""
    several = len({cell.matrix for cell in view.data.cells}) > 1
    return f"{step.title}{whole}{f' · {step.matrix}' if several else ''}"


def _head(view: View) -> list[str]:
    totals = view.totals
    cells = ", ".join(f"{count(n)} {state.text}" for state, n in totals.cells)
    cases = ", ".join(f"{count(n)} {state.text}" for state, n in reversed(totals.cases))
    unfinished = [] if view.header.finished else ["**This run did not come to its end.**", ""]
    said = view.header.notes
    notes = [f"- {escape(note)}." for note in said[:MAX_NOTES]]
    if len(said) > MAX_NOTES:
        notes.append(f"- And {plural(len(said) - MAX_NOTES, 'more note')}, in `index.html`.")
    notes += [""] if notes else []
    return [
        f"## {escape(view.header.title)}",
        "",
        f"**{headline(view)}**",
        "",
        *unfinished,
        *notes,
        f"{plural(totals.cell_count, 'cell')}: {cells}.",
        f"{plural(totals.case_count, 'planned case')}: {cases}.",
        "",
    ]


def _steps(view: View) -> list[list[str]]:
    blocks = []
    for step in (*view.journeys, *view.steps):
        lines = [f"**{escape(title_of(view, step))}**", ""]
        for verdict in step.verdicts:
            glyph = KINDS[verdict.kind][0]
            rest = f"; {escape(verdict.rest)}" if verdict.rest else ""
            reason = f" — {code(verdict.reason)}" if verdict.reason else ""
            lines.append(
                f"- {glyph} **{verdict.lead}** on {escape(verdict.where)}{verdict.each}: "
                f"{escape(verdict.detail)}{rest}.{reason}"
            )
        blocks.append([*lines, ""])
    return blocks


def _cluster(cluster: Cluster) -> str:
    state = CASE_STATES[cluster.state]
    versions = "; ".join(f"{distribution} {text}" for distribution, text in cluster.versions)
    new = f"**{count(cluster.new)} new** of " if cluster.new else ""
    units = ", ".join(unit.rpartition("::")[2] for unit in cluster.units[:4])
    more = f" and {cluster.unit_count - 4} more" if cluster.unit_count > 4 else ""  # noqa: PLR2004
    return (
        f"| {state.glyph} {state.text} | {code(cluster.signature)} | {escape(units + more)} "
        f"| {new}{count(cluster.cases)} | {count(cluster.cells)} | {escape(versions)} |"
    )


def _variant(row: Row) -> str:
    cells = [f"{escape(row.model)} of {escape(row.of)}", escape(row.where)]
    if row.data:
        cells[0] += f", {escape(row.data)}"
    figures = (row.accuracy, row.size, row.run)
    cells += [f"{each.text}; {each.beside}" if each else "not known" for each in figures]
    told = [f"{name} {escape(text)}" for name, text in row.distance[:2]]
    cells.append("; ".join([f"**{row.state.text}**", *told]))
    if row.told:
        cells[-1] += f"; {escape(row.told)}"
    return f"| {' | '.join(cells)} |"


def markdown(view: View, limit: int = LIMIT) -> str:
    """The summary.

    Args:
        view: of `view.build`.
        limit: bytes of UTF-8 that it may have; what does not fit is counted.

    Returns:
        Markdown, verdicts first.
    """
    text = "\n".join(_head(view))
    size = len(text.encode()) + 1
    room = limit - 500  # for the lines that say what was left out
    text, size, dropped = _fill(text, size, room * 2 // 3, ["\n".join(b) for b in _steps(view)])
    if dropped:
        text += f"\n…and {plural(dropped, 'more step')}, in `index.html`.\n"
        left = (*view.journeys, *view.steps)[-dropped:]
        names = [title_of(view, step) for step in left if step.says("no")]
        if names:
            text += f"\n{KINDS['no'][0]} not: {escape('; '.join(names))}\n"
    if view.variants.total:
        head = (
            "\n### Variants beside their originals\n\n| variant | cell | right labels | size | run "
            "| answers |\n|---|---|---|---|---|---|"
        )
        rows = [_variant(each) for each in view.variants.rows]
        size = len((text + head).encode())
        text, size, dropped = _fill(text + head, size, room * 5 // 6, rows)
        if dropped + view.variants.left_out:
            more = plural(dropped + view.variants.left_out, "more row")
            text += f"\n\n…and {more}, in `run.json`."
        text += "\n"
    shown = [cluster for cluster in view.clusters if cluster.kind != "info"]
    if shown:
        head = (
            "\n### Failures that look alike\n\n| status | signature | where | cases | cells "
            "| versions |\n|---|---|---|--:|--:|---|"
        )
        size = len((text + head).encode())
        text, size, dropped = _fill(text + head, size, room, [_cluster(each) for each in shown])
        if dropped:
            text += f"\n\n…and {plural(dropped, 'more', 'more')}, in `index.html`."
    return text + "\n\nThe whole report is `index.html`, in the same folder.\n"


def _fill(text: str, size: int, room: int, pieces: list[str]) -> tuple[str, int, int]:
    """Adds pieces, a line each, while there is room; tells how many were left out."""
    for number, piece in enumerate(pieces):
        size += len(piece.encode()) + 1
        if size > room:
            return text, size, len(pieces) - number
        text += "\n" + piece
    return text, size, 0
