"""The states a reader sees: each has a glyph, a letter, a text and a tone; colour is never alone.

A case's state joins its status and its outcome: a failure that was expected is `known`, a pass
that was expected to fail is `xpass`. The order of the tuples is from worst to best; everything
that sorts "worst first" sorts by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_modelcompat.results.model import CellStatus, Outcome, Status

__all__ = [
    "CASE_STATES",
    "CELL_STATES",
    "NO_DATA",
    "OUTCOMES",
    "STATUSES",
    "State",
    "case_state",
    "cell_state",
]


@dataclass(frozen=True, kw_only=True)
class State:
    """How one state is shown.

    Attributes:
        key: the status value, `known`, `xpass` or `no_data`.
        glyph: one character.
        letter: one or two ASCII characters, where glyphs cannot be had.
        text: a few words.
        tone: the colour family: good, moved, bad, broken, missing, known, quiet.
        pattern: the fill that tells it apart without colour.
        meaning: one sentence for the legend.
    """

    key: str
    glyph: str
    letter: str
    text: str
    tone: str
    pattern: str
    meaning: str


def _state(key: str, signs: str, tone: str, pattern: str, meaning: str) -> State:
    glyph, letter = signs.split()
    return State(
        key=key,
        glyph=glyph,
        letter=letter,
        text=key.replace("_", " "),
        tone=tone,
        pattern=pattern,
        meaning=meaning,
    )


NO_DATA = _state("no_data", "? ?", "quiet", "ticks", "nothing was recorded")

CASE_STATES: tuple[State, ...] = (
    _state("failed", "✗ F", "bad", "cross", "a value, shape or type is wrong"),
    _state("crashed", "☠ C", "bad", "holes", "the process died"),
    _state("nondeterministic", "~ N", "bad", "wave", "repeats disagree beyond tolerance"),
    _state("error", "! E", "bad", "dense", "an exception that no rule explains"),
    _state("timed_out", "⏱ T", "bad", "rows", "no answer within the limit"),
    _state("out_of_memory", "▣ Y", "bad", "grid", "the memory limit was reached"),
    State(
        key="xpass",
        glyph="k!",
        letter="K!",
        text="unexpectedly passing",
        tone="broken",
        pattern="rings",
        meaning="a known issue that no longer fails: its entry must go",
    ),
    _state("unsupported", "⊘ U", "missing", "dots", "the runtime says it has no implementation"),
    _state("gated", "⌛ G", "missing", "columns", "IR or opset is newer than the runtime takes"),
    State(
        key="known",
        glyph="k",
        letter="K",
        text="known",
        tone="known",
        pattern="back",
        meaning="failed as a known issue expects",
    ),
    _state("fallback", "⤵ L", "moved", "hatch", "right answer, on another provider than asked"),
    _state("not_run", "· O", "quiet", "empty", "planned, and not measured"),
    _state("skipped", "\N{EN DASH} S", "quiet", "line", "left out by a rule of the matrix"),
    NO_DATA,
    _state("passed", "✓ P", "good", "solid", "right answer, on the provider asked for"),
)

CELL_STATES: tuple[State, ...] = (
    _state("environment_failed", "‼ V", "broken", "cross", "install or import failed"),
    _state("misconfigured", "≠ M", "broken", "back", "what ran is not what the axes say"),
    _state("infrastructure_failed", "⚡ I", "broken", "dense", "engine, disk or index failed"),
    _state("interrupted", "◐ B", "broken", "rows", "stopped before its end"),
    _state("unsatisfiable", "⊄ X", "missing", "columns", "no set of packages fits"),
    _state("deselected", "◌ Z", "quiet", "line", "left out by the selection of this run"),
    _state("unavailable", "○ A", "quiet", "dots", "interpreter, image or device is not here"),
    NO_DATA,
    _state("completed", "● D", "good", "solid", "every planned case was taken up"),
)

STATUSES: tuple[str, ...] = tuple(status.value for status in Status)
OUTCOMES: tuple[str, ...] = tuple(outcome.value for outcome in Outcome)

_CASE = {state.key: index for index, state in enumerate(CASE_STATES)}
_CELL = {state.key: state for state in CELL_STATES}


def case_state(status: str, outcome: str) -> int:
    """The index in `CASE_STATES` of a case; words of a later schema become `no_data`."""
    if outcome == Outcome.XFAIL.value:
        return _CASE["known"]
    if outcome == Outcome.XPASS.value:
        return _CASE["xpass"]
    return _CASE.get(status, _CASE["no_data"])


def cell_state(status: str) -> State:
    """The state of a cell; words of a later schema become `no_data`."""
    return _CELL.get(status, NO_DATA)


assert {status.value for status in Status} <= set(_CASE)
assert {status.value for status in CellStatus} <= set(_CELL)
