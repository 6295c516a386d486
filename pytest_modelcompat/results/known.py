"""One known issue while a run goes on: what it selects, what it expects, what became of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status

if TYPE_CHECKING:
    from pytest_modelcompat.matrix.model import KnownIssue

__all__ = ["Entry", "EntryReport", "EntryState"]

_MESSAGE = 16384  # characters of a message that an entry's expression is searched in


class EntryState(str, Enum):
    """What became of a known issue."""

    SEEN = "seen"  # at least once as expected
    XPASS = "xpass"  # it names a unit or case, something passed, nothing failed as expected
    UNSEEN = "unseen"  # it selected something, which neither failed as expected nor passed
    STALE = "stale"  # it selected nothing, in a whole run
    UNDECIDED = "undecided"  # it selected nothing, but only a part of the matrix was run
    EXPIRED = "expired"  # it excused nothing


@dataclass(frozen=True, kw_only=True)
class EntryReport:
    """One known issue at the end of a run.

    Attributes:
        entry: as in the file.
        matrix: the matrix's name.
        state: what became of it.
        selected, seen, passed: how many cases and cells.
    """

    entry: KnownIssue
    matrix: str
    state: EntryState
    selected: int
    seen: int
    passed: int


@lru_cache(maxsize=65536)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(translate(text))


@dataclass(eq=False)
class Entry:
    """A known issue while the run goes on."""

    issue: KnownIssue
    matrix: str
    expired: bool
    cells: set[str] = field(default_factory=set)
    selected: int = 0
    seen: int = 0
    passed: int = 0

    def __post_init__(self) -> None:
        issue = self.issue
        self.narrow = issue.unit is not None or issue.case is not None
        self.of_cells = not self.narrow and issue.check is None
        self._case = None if issue.case is None else _pattern(issue.case)
        self._message = None if issue.message is None else re.compile(issue.message)

    def selects_unit(self, check: str, unit: str) -> bool:
        """Whether any case of the unit may be one of its own."""
        issue = self.issue
        return (issue.check is None or _pattern(issue.check).match(check) is not None) and (
            issue.unit is None or _pattern(issue.unit).match(unit) is not None
        )

    def selects_case(self, case: str) -> bool:
        """Whether the case is, in a unit that is; with its corpus or without."""
        if self._case is None:
            return True
        bare = case.partition("@")[0]
        return self._case.match(case) is not None or self._case.match(bare) is not None

    def expects(
        self, status: Status | CellStatus, stage: Stage | None, message: str, outcome: Outcome
    ) -> bool:
        """Whether this end is the expected one.

        What is no failure by default is expected only by an entry that names its status, or whose
        expression finds its message.
        """
        issue = self.issue
        found = self._message is not None and self._message.search(message[:_MESSAGE]) is not None
        return (
            (not issue.status or status.value in issue.status)
            and (not issue.stage or (stage is not None and stage.value in issue.stage))
            and (issue.message is None or found)
            and (outcome is Outcome.NOT_OK or status.value in issue.status or found)
        )

    def state(self, *, whole: bool) -> EntryState:
        """What became of it."""
        if self.expired:
            return EntryState.EXPIRED
        if not self.selected:
            return EntryState.STALE if whole else EntryState.UNDECIDED
        if self.seen:
            return EntryState.SEEN
        return EntryState.XPASS if self.narrow and self.passed else EntryState.UNSEEN
