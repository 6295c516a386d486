"""A message in a form in which equal causes look equal.

Numbers, addresses, paths, and the names of nodes and tensors differ between two failures of one
cause; operators, types and the words around them do not. Only the head of a message counts, and
every expression here takes linear time, so that a line of 100 KB costs no more than one of 4 KB.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

__all__ = ["clusters", "signature"]

_HEAD = 4096  # characters read
_LENGTH = 240  # characters kept
_REMEMBERED = 4096  # messages

_CONTROL = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]|[\x00-\x1f\x7f]")
_SPACE = re.compile(r"\s+")
# What stands before a quoted or bracketed word that says what kind of thing failed.
_KIND = r"(?:opcode|operators?|op_type|optype|op|type|domain|attribute|opset)"
_QUOTED_KIND = re.compile(rf"(?i)\b({_KIND}\s?[:=]?\s?)(['\"])([^'\"\n]{{1,80}})\2")
_QUOTED = re.compile(r"(?<!\w)(['\"`])([^'\"`\n]{0,300}?)\1(?!\w)(?=( op(?:erator)?\b)?)")
_TYPE = re.compile(
    r"(?:\w{1,20}\()*(?:b?float\w{0,12}|double|u?int\d{1,2}|bool|string|complex\d{2,3})\)*"
)
_NODE = re.compile(r"<(\w{1,20}\([^()\n]{1,80}\))[^\n]*>")
_BRACKETED_NAME = re.compile(
    r"(?i)(?<!<)\b(node|parameter|input|output|name|initializer|arg)(\s?[:=]?\s?)\([^()\n]{0,300}\)"
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
_SERIAL = re.compile(r"(?<=[A-Za-z]_)\d+(?=_|\b)(?:_\d+)*")
_LIST = re.compile(r"N(?:\s?[,x]\s?N)+")
_NAMES = re.compile(r"(?:'NAME'(?:: [\w()]{1,80})?, ?){2,}")
# Said of the same cause by one release and not by the next.
_FRAME = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : |\bFailed to load model with error: "
    r"|\bException during (?:initialization|loading): "
    r"|Exception from [\w./+-]{1,200}:\d{1,9}:\s{0,4}"
    r"|\bCheck '[^'\n]{0,300}' failed at [\w./+-]{1,200}:\d{1,9}:\s{0,4}"
    r"|\bFrontEnd API failed with OpConversionFailure:\s{0,4}"
    r"|\bModel wasn't fully converted\.\s{0,4}|\bFailed operations detailed log:\s{0,4}-- "
    r"|\bSummary:\s{0,4}-- "
)
_CPP = re.compile(r"\.(?:cc|cpp|cu|h|hpp):\d{1,9} (?=[^\n(]{0,300}::[^\n(]{0,300}\()")
_AFTER_CPP = re.compile(
    r"(?: const\b|::<lambda\([^()\n]{0,200}\)>|::operator\(\)| \[with [^\]\n]{0,1500}\])+"
)


def _path(found: re.Match[str]) -> str:
    last = found.group().rsplit("/", 1)[-1]
    return last if _SOURCE_LINE.match(last + ":0") or _SOURCE_LINE.match(last) else "PATH"


def _quoted(found: re.Match[str]) -> str:
    """A quoted word: names go, types and operators stay."""
    word = found.group(2)
    if found.group(3) or _TYPE.fullmatch(word):
        return f"'{word}'"
    if word and not word.strip("0123456789.-"):
        return "'N'"
    node = _NODE.fullmatch(word)  # OpenVINO's <Node(Operator): tensor names>
    return f"'<{node.group(1)}>'" if node else "'NAME'"


def _without_functions(text: str) -> str:
    """The text without the C++ functions that follow a source file's name.

    `model.cc:181 ns::Model::Model(const T&, int) Unsupported` becomes `model.cc: Unsupported`.
    """
    kept, at = [], 0
    while found := _CPP.search(text, at):
        depth, end = 0, text.index("(", found.end())
        while end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
            if not depth:
                break
        if depth:
            break  # cut off in the middle of it
        after = _AFTER_CPP.match(text, end)
        kept.append(text[at : found.end() - 1].rpartition(":")[0] + ":")
        at = after.end() if after else end
    return "".join(kept) + text[at:]


def signature(message: str, *, fallback: str = "") -> str:
    """The message, normalised; at most 240 characters.

    Args:
        message: as the runtime gave it.
        fallback: what stands for an empty message, such as the exception's type.
    """
    return _signed(message[:_HEAD]) or fallback


@lru_cache(maxsize=_REMEMBERED)  # the cells of a run say much the same
def _signed(head: str) -> str:
    text = _FRAME.sub("", _CONTROL.sub(" ", head))
    text = _without_functions(text)
    kinds: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kinds.append(found.group(3))
        return f"{found.group(1)}\x01{'i' * len(kinds)}\x01"

    text = _QUOTED_KIND.sub(keep, text)
    text = _QUOTED.sub(_quoted, text)
    text = _PATH.sub(_path, text)
    text = _BRACKETED_NAME.sub(r"\1\2(NAME)", text)
    text = _LABELLED_NAME.sub(r"\1\2NAME", text)
    text = _SOURCE_LINE.sub(r"\1", text)
    text = _TEMPORARY.sub("TMP", text)
    text = _ADDRESS.sub("HEX", text)
    text = _DIGEST.sub("HEX", text)
    text = _NUMBER.sub("N", text)
    text = _SERIAL.sub("N", text)
    text = _LIST.sub("N", text)
    text = _NAMES.sub("'NAME', ", text)
    text = re.sub(r"\x01(i+)\x01", lambda found: f"'{kinds[len(found.group(1)) - 1]}'", text)
    text = _SPACE.sub(" ", text).strip()
    if len(text) > _LENGTH:
        text = text[: _LENGTH - 1].rstrip() + "…"
    return text


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
