"""The lines of cases.jsonl.gz, straight from the store's rows.

Most cases have no error, and their lines are put together from pieces that thousands of others
have too; every other one becomes a record and is encoded in full. Both ways give the same bytes,
which a test holds for any record.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.model import Status
from pytest_modelcompat.results.rows import record
from pytest_modelcompat.results.schema import SHIFT
from pytest_modelcompat.results.write_line import case_line, dump

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
            peak_rss, load, run, outputs, expected, error, model_bytes, status, stage, rule,
            signature, attribution, detail, mismatch, outcome, known,
        ) = row  # fmt: skip
        value = self._texts.value
        made = [
            self._json("mismatch", mismatch),
            self._mapping("ran_on", ran_on),
            self._mapping("reference", reference),
            self._mapping("attribution_detail", detail),
            _seconds(load, run),
        ]
        if error is not None or rule is not None or signature is not None or None in made:
            whole = record(self._texts, cell, row)
            note(cell, whole.check, whole.unit, whole.case, whole.judgement.status)
            return dump(case_line(whole))
        note(cell, value(check), value(unit), value(name), _STATUSES[value(status)])
        if cell != self._cell or not self._head:
            self._cell, self._head = cell, f'{{"cell":{dump(cell)},"n":' if cell else '{"n":'
        piece = self._piece
        mismatch, ran_on, reference, detail, seconds = (each or "" for each in made)
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
                ran_on,
                mismatch,
                reference,
                piece("attribution", attribution),
                detail,
                seconds,
                f',"peak_rss":{peak_rss}' if peak_rss else "",
                f',"model_bytes":{model_bytes}' if model_bytes else "",
                _outputs(outputs) if outputs is not None and outputs != "=" else "",
                piece("expected", expected),
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
        made = self._json(field, None if number is None else self._texts.value(number))
        return None if made is None else self._keep(key, made)

    @staticmethod
    def _json(field: str, text: str | None) -> str | None:
        if text is None or text == "{}":
            return ""
        if "NaN" in text or "Infinity" in text:  # strings in our files, see `dump`
            return None
        return f',"{field}":{text}'

    def _keep(self, key: tuple[str, int | None], made: str) -> str:
        if len(self._made) >= _REMEMBERED:
            self._made.clear()
        self._made[key] = made
        return made


def _seconds(load: Any, run: Any) -> str | None:
    """As `case_line` has them; None where there are several runs, or a number that is none."""
    load = 0.0 if load is None else load
    run = 0.0 if (absent := run is None) else run
    if not (type(load) is type(run) is float and math.isfinite(load + run)):
        return None
    if absent:
        return f',"seconds":{{"load":{round(load, 7)!r}}}' if load else ""
    if not load:
        return f',"seconds":{{"run":{round(run, 9)!r}}}'
    return f',"seconds":{{"load":{round(load, 7)!r},"run":{round(run, 9)!r}}}'


def _outputs(text: str) -> str:
    """Digests, those of what equals its reference left out."""
    kept = [each for each in text.split(" ") if each != "="]
    joined = '","'.join(kept)
    return f',"outputs":["{joined}"]' if kept else ""
