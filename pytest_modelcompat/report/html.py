"""The view as one HTML file that needs nothing but itself.

The style and the scripts are files of this package, joined here and named by their hashes in the
content security policy; nothing else may run or load. Every name and message is escaped by the
template or set as text by the script.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_modelcompat.report.changed import WORDS, Word
from pytest_modelcompat.report.markdown import headline
from pytest_modelcompat.report.payload import payload
from pytest_modelcompat.report.since import KINDS as SINCE_KINDS
from pytest_modelcompat.report.states import CASE_STATES, CELL_STATES
from pytest_modelcompat.report.text import shorten
from pytest_modelcompat.report.verdict import KINDS
from pytest_modelcompat.words import count, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.report.clusters import Cluster
    from pytest_modelcompat.report.verdict import Step
    from pytest_modelcompat.report.view import View

__all__ = ["SCRIPTS", "STYLES", "html", "policy"]

STYLES = ("base.css", "states.css", "sections.css", "views.css", "media.css")
#: in the order in which they are joined; each is a plain script in one shared scope
SCRIPTS = (
    "dom.js", "data.js", "query.js", "route.js", "facts.js", "matrix.js", "operators.js",
    "parity.js", "speed.js", "cases.js", "export.js", "drawer.js", "environments.js", "keys.js",
    "main.js",
)  # fmt: skip


def _read(folder: str, names: tuple[str, ...]) -> str:
    where = files("pytest_modelcompat.report").joinpath("templates", folder)
    return "\n".join(where.joinpath(name).read_text(encoding="utf-8").strip() for name in names)


OPEN_STEPS = 2  # of a distribution; the first screen answers about the newest versions
OPEN_MOVES = 10  # steps in the table of changes; the others are behind a line
MAX_MOVES = 40
MAX_SAID = 10  # sentences of a step, worst first; of the others the number is told
MAX_CLUSTERS = 60  # of a kind, in the static part
_FOLDED = {
    "no": "not", "unknown": "unknown", "fallback": "only with fallback", "yes": "can move",
    "alone": "alone",
}  # fmt: skip


# Whole comments that begin a line, and lines that are one: nothing of them is ever inside a string
# (no string of ours goes over lines; a test looks).
_COMMENT = re.compile(r"^[ \t]*/\*.*?\*/", re.MULTILINE | re.DOTALL)
_TYPE = re.compile(r"/\*\* @type [^*]*\*/ ?")  # within a line: for the type checker alone


def _lean(text: str) -> str:
    """Without indentation, empty lines and comments on lines of their own: a third of the text."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _tight(css: str) -> str:
    """Without the spaces that only people need; strings stay as they are."""
    parts = re.split(r"""("[^"\n]*"|'[^'\n]*')""", css)
    for at in range(0, len(parts), 2):
        part = re.sub(r"\s*([{};,])\s*", r"\1", parts[at]).replace(";}", "}")
        parts[at] = part.replace(": ", ":")  # in a selector no space follows a colon
    return "".join(parts)


@cache
def style() -> str:
    """All of the page's style."""
    own = _COMMENT.sub("", _read("css", STYLES))
    return _tight(_lean(own)) + "\n" + _read("vendor/uplot", ("uPlot.min.css",))


@cache
def script() -> str:
    """All of the page's script, in one closed scope."""
    body = _lean(_TYPE.sub("", _COMMENT.sub("", _read("js", SCRIPTS))))
    return f'(() => {{\n"use strict";\n{body}\n}})();'


@cache
def plotting() -> str:
    """uPlot, as it came (templates/vendor/uplot)."""
    return _read("vendor/uplot", ("uPlot.iife.min.js",))


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def policy(*, plotted: bool = True) -> str:
    """The content security policy: this style and these scripts, and not one request."""
    scripts = [script(), plotting()] if plotted else [script()]
    return (
        f"default-src 'none'; style-src {_hash(style())}; "
        f"script-src {' '.join(map(_hash, scripts))}; "
        "base-uri 'none'; form-action 'none'"
    )


def _since_words() -> Iterator[tuple[int, Word]]:
    """The words of a comparison with a baseline: their codes and looks."""
    known = {each.word: each for each in WORDS}
    for code, word in enumerate(SINCE_KINDS):
        if word in known:
            yield code, known[word]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pytest_modelcompat.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    environment.filters["shorten"] = shorten
    environment.globals.update(
        plural=plural,
        KINDS=KINDS,
        CASE_STATES=CASE_STATES,
        CELL_STATES=CELL_STATES,
        WORDS=WORDS,
        SINCE=tuple(_since_words()),
        OPEN_MOVES=OPEN_MOVES,
        MAX_MOVES=MAX_MOVES,
        MAX_SAID=MAX_SAID,
    )
    return environment


@dataclass(frozen=True, kw_only=True)
class _Family:
    """The steps of one distribution, newest first.

    Attributes:
        title: the distribution, and the matrix where there are several.
        journeys: from the first to the newest version.
        parts: (steps, line that they are folded behind). The newest are open, and so is every
            one that says "no"; the line is empty for open ones.
    """

    title: str
    journeys: tuple[Step, ...]
    parts: tuple[tuple[tuple[Step, ...], str], ...]


def _families(view: View) -> tuple[_Family, ...]:
    subjects: dict[tuple[str, str], list[Step]] = {}
    for step in view.steps:
        subjects.setdefault((step.matrix, step.subject), []).append(step)
    matrices = {matrix for matrix, _ in subjects}
    families = []
    for (matrix, subject), steps in subjects.items():
        opened = [n < OPEN_STEPS or step.says("no") for n, step in enumerate(steps)]
        parts = []
        for is_open, group in groupby(zip(opened, steps, strict=True), key=itemgetter(0)):
            same = tuple(step for _, step in group)
            parts.append((same, "" if is_open else _folded(same)))
        whole = tuple(j for j in view.journeys if (j.matrix, j.subject) == (matrix, subject))
        title = subject if len(matrices) == 1 else f"{subject} · {matrix}"
        families.append(_Family(title=title, journeys=whole, parts=tuple(parts)))
    return tuple(families)


def _folded(steps: tuple[Step, ...]) -> str:
    """The line that steps are behind."""
    kinds = dict.fromkeys(KINDS, 0)
    for step in steps:
        for verdict in step.verdicts:
            kinds[verdict.kind] += verdict.lanes
    told = ", ".join(f"{KINDS[k][0]} {n} {_FOLDED[k]}" for k, n in kinds.items() if n)
    return f"{plural(len(steps), 'older step')}: {told}"


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Clusters of one kind: failures open, what is known or not supported behind a line."""

    title: str
    clusters: tuple[Cluster, ...]
    left_out: int
    folded: bool


def _groups(view: View) -> tuple[_Group, ...]:
    groups = []
    for kind, one, many in (
        ("failure", "kind of failure", "kinds of failure"),
        ("known", "kind of known failure", "kinds of known failure"),
        ("info", "kind of unsupported or gated case", "kinds of unsupported or gated case"),
    ):
        found = [cluster for cluster in view.clusters if cluster.kind == kind]
        if found:
            cases = plural(sum(cluster.cases for cluster in found), "case")
            groups.append(
                _Group(
                    title=f"{plural(len(found), one, many)}, {cases}",
                    clusters=tuple(found[:MAX_CLUSTERS]),
                    left_out=max(0, len(found) - MAX_CLUSTERS),
                    folded=kind != "failure",
                )
            )
    return tuple(groups)


_ALWAYS = frozenset({"NEW-FAIL", "FIXED", "STILL-FAIL", "KNOWN", "NO-DATA"})
_NO_COLUMN = "ENV-CHANGED"  # the environments have a column of their own


def _columns(view: View) -> tuple[list[tuple[int, Word]], list[str]]:
    """The words of change that get a column, with their places, and those that nothing has."""
    numbered = [(place, each) for place, each in enumerate(WORDS) if each.word != _NO_COLUMN]
    totals = view.changed.totals
    shown = [(n, each) for n, each in numbered if totals[n] or each.word in _ALWAYS]
    return shown, [each.word for n, each in numbered if (n, each) not in shown]


def html(view: View) -> Iterator[str]:
    """The page, in pieces.

    Args:
        view: of `view.build`.

    Yields:
        Text; the static part first, the data after it.
    """
    packed = payload(view)
    plotted = any(machine.models for machine in view.speed.hardware)
    words, silent = _columns(view)
    template = _environment().get_template("page.html")
    yield from template.generate(
        view=view,
        headline=headline(view),
        families=_families(view),
        groups=_groups(view),
        words=words,
        silent=silent,
        about=view.about,
        left_out=packed.left_out,
        policy=policy(plotted=plotted),
        plotting=Markup(plotting()) if plotted else "",  # noqa: S704
        # Our own files, which hold no closing tag (a test looks).
        style=Markup(style()),  # noqa: S704
        script=Markup(script()),  # noqa: S704
        blocks=packed.blocks,
    )
