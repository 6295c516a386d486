"""A stored run in the formats of others: test reports, metrics, tables, badges.

Each module writes one format from `results.load` alone, a case at a time. `FORMATS` is the list;
`modelcompat export` and docs/outputs.md go by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.results.exports import ctrf, junit, lines, metrics, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_modelcompat.results.load import Run

__all__ = ["FORMATS"]

#: name -> pieces of the file's text
FORMATS: Mapping[str, Callable[[Run], Iterator[str]]] = {
    "csv": table.csv_text,
    "ctrf": ctrf.ctrf_text,
    "jsonl": lines.jsonl_text,
    "junit": junit.junit_text,
    "openmetrics": metrics.openmetrics_text,
}
