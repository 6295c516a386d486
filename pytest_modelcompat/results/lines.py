"""The lines of cases.jsonl.gz, straight from the store's rows.

Most cases passed, and their lines are put together from pieces that thousands of others have too;
every other one becomes a record and is encoded in full. Both ways give the same bytes, which a test
holds for any record.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.model import Status
from pytest_modelcompat.results.rows import record
from pytest_modelcompat.results.schema import SHIFT
from pytest_modelcompat.results.write_line import case_line, dump, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_modelcompat.results.query import Results
    from pytest_modelcompat.results.schema import Texts

__all__ = ["lines"]

_REMEMBERED = 100_000  # pieces
_MASK = (1 << SHIFT) - 1
_STATUSES = {each.value: each for each in Status}


def lines(results: Results, note: Callable[[str, str, str, str, Status], None]) -> Iterator[str]:
    """A line for each case, in (cell, n) order.

    Args:
        results: of a run.
        note: told of each case: cell, check, unit, name, status.
    """
    pieces: _Pieces | None = None
    for texts, cell, row in results.rows():
        if pieces is None:
            pieces = _Pieces(texts)
        yield pieces.line(cell, row, note)


class _Pieces:
    """Parts of lines, made once."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._made: dict[tuple[str, int | None], str] = {}
        self._cell = ""
        self._head = ""

    def line(
        self, cell: str, row: tuple[Any, ...], note: Callable[[str, str, str, str, Status], None]
    ) -> str:
        (
            key, check, unit, name, requested, reference, repro, _, _, reason, ran_on, opset,
            peak_rss, load, run, outputs, expected, error, status, stage, rule, signature,
            attribution, detail, mismatch, outcome, known,
        ) = row  # fmt: skip
        value = self._texts.value
        plain = (
            error is None and mismatch is None and rule is None and signature is None
            and attribution is None and detail is None and expected is None
            and (outputs is None or outputs == "=")
            and (load is None or (type(load) is float and math.isfinite(load)))
            and (run is None or (type(run) is float and math.isfinite(run)))
        )  # fmt: skip
        mappings = self._mapping("ran_on", ran_on), self._mapping("reference", reference)
        if not plain or None in mappings:
            made = record(self._texts, cell, row)
            note(cell, made.check, made.unit, made.case, made.judgement.status)
            return dump(case_line(made))
        note(cell, value(check), value(unit), value(name), _STATUSES[value(status)])
        if cell != self._cell or not self._head:
            self._cell, self._head = cell, f'{{"cell":{dump(cell)},"n":' if cell else '{"n":'
        seconds = seconds_of(load or 0.0, () if run is None else (run,))
        piece = self._piece
        return "".join(
            [
                f"{self._head}{key & _MASK}",
                piece("check", check),
                piece("unit", unit),
                piece("case", name),
                f',"opset":{opset}' if opset else "",
                piece("stage", stage),
                piece("status", status),
                piece("outcome", outcome),
                piece("known", known),
                piece("reason", reason),
                piece("requested", requested),
                mappings[0] or "",
                mappings[1] or "",
                f',"seconds":{dump(seconds)}' if seconds else "",
                f',"peak_rss":{peak_rss}' if peak_rss else "",
                piece("repro", repro),
                "}",
            ]
        )

    def _piece(self, field: str, number: int | None) -> str:
        """`,"unit":"ai.onnx::Conv"`; empty for what is absent or empty."""
        made = self._made.get((field, number))
        if made is None:
            text = "" if number is None else self._texts.value(number)
            made = self._keep((field, number), f',"{field}":{dump(text)}' if text else "")
        return made

    def _mapping(self, field: str, number: int | None) -> str | None:
        """The same for what the store keeps as JSON; None where it must be encoded anew."""
        key = (field, number)
        if key in self._made:
            return self._made[key]
        text = "{}" if number is None else self._texts.value(number)
        if "NaN" in text or "Infinity" in text:  # strings in our files, see `dump`
            return None
        return self._keep(key, f',"{field}":{text}' if text != "{}" else "")

    def _keep(self, key: tuple[str, int | None], made: str) -> str:
        if len(self._made) >= _REMEMBERED:
            self._made.clear()
        self._made[key] = made
        return made
