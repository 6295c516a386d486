"""A message in a form in which equal causes look equal.

Numbers, addresses, paths, and the names of nodes and tensors differ between two failures of one
cause; operators, types and the words around them do not. Only the head of a message counts, and
every expression here takes linear time, so that a line of 100 KB costs no more than one of 4 KB.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

__all__ = ["clusters", "signature"]

_HEAD = 4096  # characters read
_LENGTH = 240  # characters kept

_CONTROL = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]|[\x00-\x1f\x7f]")
_SPACE = re.compile(r"\s+")
# What stands before a quoted or bracketed word that says what kind of thing failed.
_KIND = r"(?:opcode|operators?|op_type|optype|op|type|domain|attribute|opset)"
_QUOTED_KIND = re.compile(rf"(?i)\b({_KIND}\s?[:=]?\s?)(['\"])([^'\"\n]{{1,80}})\2")
_QUOTED = re.compile(r"(?<!\w)(['\"`])[^'\"`\n]{0,300}?\1(?!\w)")
_BRACKETED_NAME = re.compile(
    r"(?i)\b(node|parameter|input|output|tensor|name|initializer|arg)(\s?[:=]?\s?)\([^()\n]{0,300}\)"
)
_LABELLED_NAME = re.compile(
    r"(?i)\b(node name|friendly_name|name|node|output|input)(\s?[:=]\s?)"
    r"(?!<)[^\s,;()<>{}\[\]]{1,300}"
)
_PATH = re.compile(r"(?<![\w/])(?:[\w.+-]{1,64})?(?:/[\w.+@-]{1,255}){2,}(?::\d{1,9})*")
_SOURCE_LINE = re.compile(
    r"(\b[\w-]{1,64}\.(?:cc|cpp|cu|cuh|h|hpp|c|py))(?::\d{1,9}|, line \d{1,9})"
)
_TEMPORARY = re.compile(r"\btmp\w{4,64}\b")
_ADDRESS = re.compile(r"\b0x[0-9A-Fa-f]+\b")
_DIGEST = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,128}\b")
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.]*(?:e[+-]?\d+)?(?![A-Za-z_])")
_LIST = re.compile(r"N(?:\s?[,x]\s?N)+")


def _path(found: re.Match[str]) -> str:
    last = found.group().rsplit("/", 1)[-1]
    return last if _SOURCE_LINE.match(last + ":0") or _SOURCE_LINE.match(last) else "PATH"


def signature(message: str, *, fallback: str = "") -> str:
    """The message, normalised; at most 240 characters.

    Args:
        message: as the runtime gave it.
        fallback: what stands for an empty message, such as the exception's type.
    """
    text = _CONTROL.sub(" ", message[:_HEAD])
    kinds: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kinds.append(found.group(3))
        return f"{found.group(1)}\x01{'i' * len(kinds)}\x01"

    text = _QUOTED_KIND.sub(keep, text)
    text = _QUOTED.sub("'NAME'", text)
    text = _PATH.sub(_path, text)
    text = _BRACKETED_NAME.sub(r"\1\2(NAME)", text)
    text = _LABELLED_NAME.sub(r"\1\2NAME", text)
    text = _SOURCE_LINE.sub(r"\1", text)
    text = _TEMPORARY.sub("TMP", text)
    text = _ADDRESS.sub("HEX", text)
    text = _DIGEST.sub("HEX", text)
    text = _NUMBER.sub("N", text)
    text = _LIST.sub("N", text)
    text = re.sub(r"\x01(i+)\x01", lambda found: f"'{kinds[len(found.group(1)) - 1]}'", text)
    text = _SPACE.sub(" ", text).strip()
    if len(text) > _LENGTH:
        text = text[: _LENGTH - 1].rstrip() + "…"
    return text or fallback


def clusters(
    signed: Iterable[tuple[Hashable, str | None]],
) -> list[tuple[str, list[Hashable]]]:
    """Group things by signature, the largest group first.

    Args:
        signed: (thing, signature); things without a signature are left out.

    Returns:
        (signature, things in their order); groups of one size in order of appearance.
    """
    found: dict[str, list[Hashable]] = {}
    for thing, name in signed:
        if name:
            found.setdefault(name, []).append(thing)
    return sorted(found.items(), key=lambda group: -len(group[1]))
