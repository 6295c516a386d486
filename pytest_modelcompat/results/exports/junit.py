"""JUnit XML of a stored or merged run, as pytest writes it for a run that just ended."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from pytest_modelcompat.results.exports.items import Item, items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_modelcompat.results.load import Run

__all__ = ["junit_text"]

# What XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_text(run: Run) -> Iterator[str]:
    """The file, piece by piece: a suite for each cell.

    Args:
        run: from `load`.
    """
    yield '<?xml version="1.0" encoding="utf-8"?>\n<testsuites>\n'
    for cell, every in groupby(items(run), key=lambda item: item.cell.id):
        cases = list(every)
        count = {word: sum(each.verdict == word for each in cases) for word in _WORDS}
        skipped = count["skipped"] + count["xfailed"]
        yield (
            f'<testsuite name={_attribute(cell)} errors="{count["error"]}" '
            f'failures="{count["failed"]}" skipped="{skipped}" tests="{len(cases)}" '
            f'time="{sum(each.seconds for each in cases):.3f}" '
            f"timestamp={_attribute(run.info.started[:19])} "
            f'hostname="modelcompat">\n'
        )
        for item in cases:
            yield _case(item)
        yield "</testsuite>\n"
    yield "</testsuites>\n"


_WORDS = {"failed": "failure", "error": "error", "xfailed": "skipped", "skipped": "skipped"}


def _case(item: Item) -> str:
    place = ".".join(filter(None, (item.cell.id, item.check)))
    head = (
        f"<testcase classname={_attribute(place)} name={_attribute(item.name)} "
        f'time="{item.seconds:.3f}"'
    )
    if item.verdict == "passed":
        return f"{head}/>\n"
    word = _WORDS[item.verdict]
    first = item.why[0] if item.why else item.verdict
    kind = ' type="pytest.xfail"' if item.verdict == "xfailed" else ""
    if item.verdict == "xfailed":
        first = f"known: {', '.join(item.known)}"
    lines = [*item.why, *([f"reproduce: {item.repro}"] if item.repro else [])]
    text = escape(_ILLEGAL.sub("\ufffd", "\n".join(lines)))
    return f"{head}><{word}{kind} message={_attribute(first)}>{text}</{word}></testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(_ILLEGAL.sub("\ufffd", text))
