"""Names of files between texts, which are Unicode, and the locale, which may know ASCII alone.

What is written is the same in every locale: a path's bytes are taken for UTF-8, as everywhere on
Linux, and not for what the locale makes of them.
"""

from __future__ import annotations

import os

__all__ = ["on_disk", "text_of", "typed"]


def text_of(path: str | os.PathLike[str]) -> str:
    """A path as text for a report; what is no UTF-8 becomes a replacement character."""
    return _bytes(os.fspath(path)).decode("utf-8", "replace")


def typed(argument: str) -> str:
    """What was typed on the command line, as text; a path is better left as it is."""
    return _bytes(argument).decode("utf-8", "surrogateescape")


def on_disk(text: str) -> str:
    """The path that a text means."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def _bytes(name: str) -> bytes:
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:  # a text that was never read from this system
        return name.encode("utf-8", "surrogateescape")
