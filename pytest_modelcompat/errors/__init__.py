"""Every sentence that a user reads when something is wrong.

A problem says what happened, where, what was likely meant and what to do. The sentences live in
this package, one module per area, so that they can be read (and improved) side by side. A
traceback on the screen always means a bug of ours, never a mistake of the user's.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["ModelcompatError", "Problem", "UsageProblem", "suggest"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake, told to the person who can mend it.

    Attributes:
        message: what happened, one sentence.
        hint: what was likely meant or what to do, one sentence; may be empty.
        file: the file it stands in, or None for the command line.
        line: 1-based line, or None.
        column: 1-based column, or None.
    """

    message: str
    hint: str = ""
    file: Path | str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """The problem as `file:line:column: message Hint.`."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} {self.hint}" if self.hint else text


class ModelcompatError(Exception):
    """Base of every error that this package raises on purpose."""


class UsageProblem(ModelcompatError):
    """One or more mistakes in a matrix or on the command line; pytest exits 4.

    Args:
        problems: all of them, in the order in which a reader meets them; never empty.
    """

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem(message=problems)
        if isinstance(problems, Problem):
            problems = (problems,)
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint with the nearest known word, or the whole list where it is short.

    Args:
        word: what was written.
        known: what could have been written.

    Returns:
        A sentence, or an empty string where nothing useful can be said.
    """
    choices = sorted(set(known))
    near = get_close_matches(word[:200], choices, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    if 0 < len(choices) <= 20:  # noqa: PLR2004 - more than two screen lines help nobody
        return f"Known here: {', '.join(choices)}."
    return ""
