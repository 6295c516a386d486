"""What is said about a file that cannot be read as the YAML we read.

One function per mistake, here and in the other modules about matrices. Each returns what happened
and what to do; the place is added by whoever found it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 60  # characters of a user's word that are repeated in a sentence
_LOGIN = re.compile(r"(\w://)[^/\s@]+@")


class Sentence(NamedTuple):
    """What happened, and what to do about it."""

    message: str
    hint: str = ""


def shown(text: str) -> str:
    """A user's word in quotes, shortened, unprintable parts escaped, passwords of URLs left out."""
    told = _LOGIN.sub(r"\1…@", text)
    return repr(told if len(told) <= SHOWN else told[:SHOWN] + "…")


def listed(words: Iterable[str]) -> str:
    """Words as `a, b or c`."""
    *most, last = tuple(words)
    return f"{', '.join(most)} or {last}" if most else last


def no_such_file(what: str, path: str) -> Sentence:
    """A named file is not there."""
    return Sentence(
        f"There is no {what} at {shown(path)}.",
        "Paths are relative to the file that names them.",
    )


def unreadable(reason: str) -> Sentence:
    """The operating system refuses."""
    return Sentence(f"This file cannot be read: {reason}.")


def not_a_file() -> Sentence:
    """A FIFO, a device, a socket."""
    return Sentence("This is not a regular file.", "Name a file that can be read twice.")


def is_a_folder() -> Sentence:
    """A folder where a file was wanted."""
    return Sentence("This is a folder, not a file.", "Name a file in it.")


def too_large(size: int, limit: int) -> Sentence:
    """More bytes than a person writes."""
    return Sentence(
        f"This file has {size:,} bytes; a matrix has at most {limit:,}.",
        "Is it a data file? Otherwise split the matrix into several files.",
    )


def wrong_encoding(name: str) -> Sentence:
    """UTF-16 and UTF-32, told by their byte order mark or zero bytes."""
    return Sentence(f"This file is {name}, not UTF-8.", "Save it as UTF-8.")


def not_utf8(offset: int) -> Sentence:
    """Bytes that no UTF-8 text holds."""
    return Sentence(f"This file is not UTF-8: byte {offset} is invalid.", "Save it as UTF-8.")


def binary() -> Sentence:
    """A NUL byte."""
    return Sentence("This file is binary: it holds a NUL byte.", "Name a YAML file.")


def control_character(code: int) -> Sentence:
    """A character that YAML does not allow."""
    return Sentence(
        f"The character U+{code:04X} cannot stand in YAML.",
        'Remove it, or write it as an escape in double quotes, as in "\\x07".',
    )


def empty_file(what: str) -> Sentence:
    """Nothing, or comments only."""
    return Sentence(f"This {what} is empty.", "`modelcompat init` writes one to start from.")


def not_yaml(problem: str) -> Sentence:
    """The YAML parser's own words."""
    return Sentence(
        f"This is not YAML: {problem}.",
        "The mistake is here or in the line before: a bracket, a quote, a colon or the indent.",
    )


def unquoted_star() -> Sentence:
    """`*` followed by what cannot be an alias: a shell pattern without quotes."""
    return Sentence(
        "An unquoted asterisk begins an alias in YAML.",
        'Is a pattern meant? Then quote it: "*_relu".',
    )


def tab_indent() -> Sentence:
    """YAML is indented by spaces."""
    return Sentence("A tab stands in the indent.", "YAML is indented with spaces only.")


def too_deep(limit: int) -> Sentence:
    """More nesting than any matrix has."""
    return Sentence(f"This is nested more than {limit} levels deep.", "A matrix needs six.")


def several_documents() -> Sentence:
    """A second `---`."""
    return Sentence("A second YAML document begins here.", "Write one matrix per file.")


def anchor(name: str) -> Sentence:
    """`&name`."""
    return Sentence(
        f"Anchors are not used here: &{name[:SHOWN]}.",
        "Write the value out where it is needed.",
    )


def alias(name: str) -> Sentence:
    """`*name`; also an unquoted shell pattern that begins with an asterisk."""
    return Sentence(
        f"Aliases are not used here: *{name[:SHOWN]}.",
        f'Is a pattern meant? Then quote it: "*{name[:SHOWN]}".',
    )


def tag(name: str) -> Sentence:
    """`!tag`."""
    return Sentence(
        f"Tags are not used here: {shown(name)}.",
        "Every value is text already; quote it if it begins with an exclamation mark.",
    )


def merge_key() -> Sentence:
    """`<<:`."""
    return Sentence("Merge keys (<<) are not used here.", "Write the keys out.")


def duplicate_key(key: str, line: int) -> Sentence:
    """The same key twice in one mapping."""
    return Sentence(
        f"The key {shown(key)} stands here twice, first in line {line}.",
        "Keep one of them; the other would be lost.",
    )


def complex_key() -> Sentence:
    """A list or mapping as a key."""
    return Sentence("A key is a word, not a list or a mapping.", "Quote it if text is meant.")


def surrogate() -> Sentence:
    """Half a character, by an escape."""
    return Sentence("A lone surrogate is not a character.", "Remove the \\uD800 escape.")


def too_many(limit: int) -> Sentence:
    """Where to stop counting."""
    return Sentence(f"There are more than {limit} problems; the first {limit} are shown.")
