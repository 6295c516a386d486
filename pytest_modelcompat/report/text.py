"""Names and messages as text: nothing in them may act on a page, a terminal or a reader."""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["clean", "clean_tree", "number", "shorten"]

# C0 and C1 controls (not tab and newline), bidirectional controls, line separators, surrogates,
# and the invisible characters that make two names look equal.
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)


# Below this, so many decimals; smaller than the first and larger than the last: scientific.
_STEPS = ((0.01, None), (1, 2), (10, 1), (10_000, 0))


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:  # noqa: PLR2004 - C0 has pictures of its own
        return chr(0x2400 + code)
    if code == 0x7F:  # noqa: PLR2004
        return "␡"
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - a lone surrogate cannot be written as UTF-8
        return "\N{REPLACEMENT CHARACTER}"
    return f"⟨U+{code:04X}⟩"


def clean(text: object) -> str:
    """A string in which every character that acts instead of showing is made visible."""
    raw = text if isinstance(text, str) else str(text)
    if not _ODD.search(raw):
        return raw
    return _ODD.sub(_visible, raw.replace("\r\n", "\n"))


def clean_tree(value: Any) -> Any:
    """`clean` on every string and key of a JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): clean_tree(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_tree(item) for item in value]
    return value


def shorten(text: str, width: int) -> str:
    """The text within `width` characters, an ellipsis where something is left out."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def number(value: float) -> str:
    """Error over tolerance in at most five characters: `0`, `0.02`, `3.2`, `940`, `4e5`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "\N{INFINITY}"
    digits = next((digits for below, digits in _STEPS if abs(value) < below), None)
    if value == 0 or digits is not None:
        return f"{value:,.{digits or 0}f}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}"
