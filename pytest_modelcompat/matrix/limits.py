"""`30s`, `4GiB`: the grammar of limits."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import grammar as grammar_words

if TYPE_CHECKING:
    from pytest_modelcompat.errors.yaml_file import Sentence
    from pytest_modelcompat.matrix.model import Limits
    from pytest_modelcompat.matrix.reading import Reader
    from pytest_modelcompat.matrix.yaml_nodes import Node

__all__ = ["format_limits", "limit_changes", "parse_limits"]

_TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_AMOUNT = re.compile(r"([1-9][0-9]{0,14})([A-Za-z]+)")
_MOST_SECONDS = 30 * 24 * 3600  # a timer of any kernel takes this, and nobody waits longer
_MOST_BYTES = 2**50
_MOST_THREADS = 4096


def _amount(
    text: str,
    what: str,
    example: str,
    *,
    units: dict[str, float] | dict[str, int],
    most: float,
    most_shown: str,
) -> tuple[float, Sentence | None]:
    match = _AMOUNT.fullmatch(text)
    if not match or match.group(2) not in units:
        return 0, grammar_words.bad_limit(what, text, tuple(units), example)
    value = int(match.group(1)) * units[match.group(2)]
    return value, grammar_words.limit_out_of_range(what, text, most_shown) if value > most else None


def seconds(text: str, what: str, example: str) -> tuple[float, Sentence | None]:
    """A duration in seconds, or what is wrong with it."""
    return _amount(
        text, what, example, units=_TIMES, most=_MOST_SECONDS, most_shown="720h (30 days)"
    )


def size(text: str, what: str, example: str) -> tuple[float, Sentence | None]:
    """A size in bytes, or what is wrong with it."""
    return _amount(text, what, example, units=_SIZES, most=_MOST_BYTES, most_shown="1048576GiB")


_EXAMPLES = {"case": "30s", "cell": "30m", "install": "10m", "memory": "4GiB", "threads": "1"}


def limit_changes(reader: Reader, node: Node | None) -> tuple[tuple[str, float], ...]:
    """The limits that a mapping sets, as (field of `Limits`, value)."""
    if node is None:
        return ()
    changes: list[tuple[str, float]] = []
    known = tuple(_EXAMPLES)
    for name, value in reader.fields(node, "`limits`", known, "limits: {case: 30s}").items():
        what, example = f"The limit `{name}`", _EXAMPLES[name]
        if name == "threads":
            threads = reader.integer(value, what, 1, _MOST_THREADS)
            if threads is not None:
                changes.append((name, threads))
            continue
        parse = size if name == "memory" else seconds
        text = reader.text(value, what, lambda text, p=parse, w=what, e=example: p(text, w, e)[1])  # type: ignore[misc]
        if text is not None:
            amount = parse(text, what, example)[0]
            changes.append((name, int(amount) if name == "memory" else amount))
    return tuple(changes)


def parse_limits(reader: Reader, node: Node | None, base: Limits) -> Limits:
    """`base` with what a mapping changes."""
    return replace(base, **dict(limit_changes(reader, node)))  # type: ignore[arg-type]


def format_limits(changes: tuple[tuple[str, float], ...]) -> str:
    """Changes as `--compat-plan` prints them, in seconds and bytes."""
    return " ".join(f"{name}={value:.12g}" for name, value in changes)
