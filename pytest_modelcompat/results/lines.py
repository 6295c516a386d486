"""The lines of cases.jsonl.gz, straight from the store's rows.

Most cases end in one cell as they did in another, and their lines are put together from pieces
that many have; those with odd numbers become a record and are encoded in full. Both ways give the
same bytes, which a test holds for any record.
"""

from __future__ import annotations

import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_modelcompat.results.model import Status
from pytest_modelcompat.results.remembered import Remembered
from pytest_modelcompat.results.rows import is_long, number, record
from pytest_modelcompat.results.write_line import case_line, dump, error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_modelcompat.results.query import Results
    from pytest_modelcompat.results.schema import Texts

__all__ = ["lines"]

_REMEMBERED = 100_000  # pieces
_CASES = 10_000
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


class _Alike(NamedTuple):
    """What cases have in common; `noted` is the check, unit, name and status."""

    text: str
    noted: tuple[str, str, str, Status]


class _Pieces:
    """Parts of lines, made once."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._made: dict[tuple[str, int | None], str] = {}
        self._alike: Remembered[_Alike | None] = Remembered(_CASES)
        self._cell = ""
        self._head = ""

    def line(
        self, cell: str, row: tuple[Any, ...], note: Callable[[str, str, str, str, Status], None]
    ) -> str:
        if is_long(row):
            alike = self._both(row)
        else:
            key = (row[1:6], row[9:12], row[17], row[19:])
            alike = self._alike.of(key, partial(self._both, row))
        seconds = _seconds(row[13], row[14])
        if alike is None or seconds is None:
            whole = record(self._texts, cell, row)
            note(cell, whole.check, whole.unit, whole.case, whole.judgement.status)
            return dump(case_line(whole))
        note(cell, *alike.noted)
        if cell != self._cell or not self._head:
            self._cell, self._head = cell, f'{{"cell":{dump(cell)},"n":' if cell else '{"n":'
        n = number(row)
        repro, peak_rss, outputs, expected, model_bytes = row[6], row[12], *row[15:17], row[18]
        peak = f',"peak_rss":{peak_rss}' if peak_rss else ""
        size = f',"model_bytes":{model_bytes}' if model_bytes else ""
        own = _outputs(outputs) if outputs is not None and outputs != "=" else ""
        right = "" if expected is None else self._piece("expected", expected)
        command = self._piece("repro", repro)
        return f"{self._head}{n}{alike.text}{seconds}{peak}{size}{own}{right}{command}}}"

    def _both(self, row: tuple[Any, ...]) -> _Alike | None:
        """The part of a line that is the same in every cell where a case ended alike.

        None where a case has to be encoded in full.
        """
        (
            _, check, unit, name, requested, reference, _, _, _, reason, ran_on, opset,
            _, _, _, _, _, error, _, status, stage, rule,
            signature, attribution, detail, mismatch, outcome, known,
        ) = row  # fmt: skip
        made = [
            self._mapping("ran_on", ran_on),
            self._error(error, rule, signature),
            self._json("mismatch", mismatch),
            self._mapping("reference", reference),
            self._mapping("attribution_detail", detail),
        ]
        if None in made:
            return None
        value, piece = self._texts.value, self._piece
        ran, raised, wrong, right, detailed = (each or "" for each in made)
        text = "".join(
            [
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
                ran,
                raised,
                wrong,
                right,
                piece("attribution", attribution),
                detailed,
            ]
        )
        return _Alike(text, (value(check), value(unit), value(name), _STATUSES[value(status)]))

    def _error(self, text: str | None, rule: int | None, signature: int | None) -> str:
        """What it raised, with the names that its judgement gave that."""
        names = (None if each is None else self._texts.value(each) for each in (signature, rule))
        found = error_of(None if text is None else json.loads(text), *names)
        return f',"error":{dump(found)}' if found else ""

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
