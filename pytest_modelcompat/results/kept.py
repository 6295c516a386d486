"""The cases of one cell as columns: what is kept for the next run, and goes back into a store.

A record for each of thousands of cases takes longer to make than to store. So a cell that is
reused goes from the file into the tables column by column; `Brief` is what everybody else has to
know of its cases. Expectations and commands are not kept: they are those of the run that reuses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pytest_modelcompat.results.model import Expectation, Outcome, Stage, Status
from pytest_modelcompat.results.rows import record
from pytest_modelcompat.results.schema import SHIFT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_modelcompat.results.model import CaseRecord
    from pytest_modelcompat.results.query import Results

__all__ = ["Brief", "KeptCases"]

# Places of columns in rows.MEASUREMENT and rows.JUDGEMENT.
_N, _CHECK, _UNIT, _NAME, _REFERENCE, _REPRO = 0, 1, 2, 3, 5, 6
_ENDED, _REASON, _LOAD, _RUN, _OUTPUTS, _EXPECTED, _ERROR = 8, 9, 13, 14, 15, 16, 17
_MEASURED, _JUDGED = 19, 8
_TEXTS = frozenset({1, 2, 3, 4, 5, 7, 8, 9, 10, 16})
_JUDGED_TEXTS = frozenset({1, 2, 3, 4, 5, 6})
# In rows.SELECT: there is one key, and the expectation's two columns stand at the end.
_WIDTH = _MEASURED + _JUDGED + 1
_SELECTED_TEXTS = _TEXTS | {_MEASURED - 1 + at for at in _JUDGED_TEXTS}
_ABSENT = -1  # the place of None among the texts
_STATUSES = {each.value: each for each in Status}
_STAGES = {each.value: each for each in Stage}
_INFO = Expectation(outcome=Outcome.INFO)


class Brief(NamedTuple):
    """What counting and expecting need of a case.

    Attributes:
        reference: as in the record; shared, not to be changed.
        seconds: of load and runs together.
        error: as JSON; empty for none.
    """

    n: int
    check: str
    unit: str
    case: str
    status: Status
    stage: Stage
    ended: str
    reference: Mapping[str, Any] | None
    reason: str
    seconds: float
    error: str


class _Local:
    """The strings of one cell by number, as `schema.Texts` has them for a store."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self._mappings: dict[int, dict[str, Any]] = {}

    def value(self, place: int) -> str:
        return self.texts[place]

    def mapping(self, place: int) -> dict[str, Any]:
        if place not in self._mappings:
            self._mappings[place] = json.loads(self.texts[place])
        return self._mappings[place]


@dataclass(frozen=True, kw_only=True)
class KeptCases:
    """The cases of a cell.

    Attributes:
        texts: every string that a case refers to, once.
        measured: the columns of the table `measurement`; strings are places in `texts`, -1 for
            none.
        judged: those of `judgement`.
    """

    texts: Sequence[str]
    measured: Sequence[Sequence[Any]]
    judged: Sequence[Sequence[Any]]

    @classmethod
    def stored(cls, results: Results, cell: str) -> KeptCases:
        """Those of a cell in a store."""
        rows = [row for _, _, row in results.rows(cell)]
        columns = [list(each) for each in zip(*rows, strict=True)] or [[] for _ in range(_WIDTH)]
        columns[_REPRO] = [None] * len(rows)
        columns[_N] = numbers = [key & (1 << SHIFT) - 1 for key in columns[_N]]
        named = [columns[at] for at in sorted(_SELECTED_TEXTS)]
        keys = list(dict.fromkeys(chain.from_iterable(named)))
        keys = [key for key in keys if key is not None]
        places = {None: _ABSENT, **{key: place for place, key in enumerate(keys)}}
        for at in _SELECTED_TEXTS:
            columns[at] = [places[key] for key in columns[at]]
        judged = columns[_MEASURED : _MEASURED + _JUDGED - 1]
        texts = results.texts(keys)
        return cls(texts=texts, measured=columns[:_MEASURED], judged=[numbers, *judged])

    @classmethod
    def from_json(cls, text: str | bytes) -> KeptCases:
        """Back from `to_json`.

        Raises:
            ValueError: it is none of ours.
        """
        data = json.loads(text)
        if type(data) is not list or [type(each) for each in data] != [list] * 3:
            raise ValueError("no columns")
        texts, measured, judged = data
        _check(measured, _MEASURED, _TEXTS, len(texts))
        _check(judged, _JUDGED, _JUDGED_TEXTS, len(texts))
        if measured[_N] != judged[_N] or not all(type(each) is str for each in texts):
            raise ValueError("columns that do not belong together")
        return cls(texts=texts, measured=measured, judged=judged)

    def to_json(self) -> str:
        """As one line."""
        everything = [self.texts, self.measured, self.judged]
        try:
            return msgspec.json.encode(everything).decode()
        except UnicodeEncodeError:  # lone surrogates, which only the standard library writes
            return json.dumps(everything, separators=(",", ":"))

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.measured[_N])

    @property
    def positions(self) -> Sequence[int]:
        """`n` of each case."""
        return self.measured[_N]

    def briefs(self) -> Iterator[Brief]:
        """The cases, in their order.

        Raises:
            ValueError, KeyError: one of them has a status, stage or time that there is not.
        """
        texts = [*self.texts, ""]
        references = _Local(self.texts)
        seen, judged = self.measured, self.judged
        # Called for every case of every reused cell: everything in one go, by column.
        for n, check, unit, name, reference, ended, reason, load, run, error, status, stage in zip(
            seen[_N], seen[_CHECK], seen[_UNIT], seen[_NAME], seen[_REFERENCE], seen[_ENDED],
            seen[_REASON], seen[_LOAD], seen[_RUN], seen[_ERROR], judged[1], judged[2], strict=True,
        ):  # fmt: skip
            runs = run if run is None or type(run) is float else sum(json.loads(run))
            yield Brief(
                n, texts[check], texts[unit], texts[name], _STATUSES[texts[status]],
                _STAGES[texts[stage]], texts[ended],
                None if reference == _ABSENT else references.mapping(reference),
                texts[reason], (load or 0.0) + (runs or 0.0), error or "",
            )  # fmt: skip

    def digests(self) -> frozenset[str]:
        """Of all stored outputs."""
        outputs = chain.from_iterable(
            each.split(" ") for each in set(self.measured[_OUTPUTS]) if each
        )
        expected = (self.texts[each] for each in set(self.measured[_EXPECTED]) if each != _ABSENT)
        return frozenset(chain(outputs, expected)) - {"="}

    def statuses(self) -> frozenset[Status]:
        """All that occur."""
        return frozenset(_STATUSES[self.texts[each]] for each in set(self.judged[1]))

    def records(self, cell: str) -> Iterator[CaseRecord]:
        """The cases as records, without expectations and commands."""
        texts = _Local([*self.texts, _INFO.outcome.value])
        measured = _rows(self.measured, _TEXTS)
        judged = _rows(self.judged, _JUDGED_TEXTS)
        fine = len(self.texts)
        for seen, means in zip(measured, judged, strict=True):
            yield record(texts, cell, (*seen, *means[1:], fine, None))

    def rows(
        self, first: int, keys: Sequence[int], repro: Sequence[int | None]
    ) -> tuple[Iterator[tuple[Any, ...]], Iterator[tuple[Any, ...]]]:
        """The rows of the two tables.

        Args:
            first: the key of the cell's case 0.
            keys: number of each text in the store.
            repro: number of each case's command.
        """
        places = [*keys, None]

        def column(at: int, values: Sequence[Any], texts: frozenset[int]) -> Iterable[Any]:
            if at == _N:
                return [first + n for n in values]
            return [places[each] for each in values] if at in texts else values

        measured = [column(at, each, _TEXTS) for at, each in enumerate(self.measured)]
        measured[_REPRO] = repro
        judged = [column(at, each, _JUDGED_TEXTS) for at, each in enumerate(self.judged)]
        return zip(*measured, strict=True), zip(*judged, strict=True)


def _rows(columns: Sequence[Sequence[Any]], texts: frozenset[int]) -> Iterator[tuple[Any, ...]]:
    for row in zip(*columns, strict=True):
        yield tuple(
            None if at in texts and each == _ABSENT else each for at, each in enumerate(row)
        )


def _check(columns: list[Any], width: int, texts: frozenset[int], most: int) -> None:
    """That these are columns of equal length, whose strings there are."""
    if len(columns) != width or len({len(each) for each in columns}) != 1:
        raise ValueError("columns of different lengths")
    for at, column in enumerate(columns):
        if at in texts or at == _N:
            high = most if at in texts else 2**31
            low = _ABSENT if at in texts else 0
            if not all(type(each) is int and low <= each < high for each in set(column)):
                raise ValueError("a string that is not there")
