"""What of a lock's markers can be said of one package in an environment of ours.

No extra and no dependency group is installed here, except the groups that a lock says are installed
by default: parts of a marker that ask for one are decided, the rest goes on to the resolver.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["all_of", "any_of", "decided"]

_ALWAYS, _NEVER = "python_version >= '3'", "python_version < '3'"
_MEMBER = re.compile(r"""(["'])([^"']*)\1\s+(in|not\s+in)\s+(extras|dependency_groups)\b""")
_EXTRA = re.compile(r"""\bextra\s*(==|!=)\s*(["'])[^"']*\2|(["'])[^"']*\3\s*(==|!=)\s*extra\b""")


def decided(marker: str, groups: Collection[str] = ()) -> str | None:
    """A marker without extras and dependency groups.

    Args:
        marker: PEP 508, or PEP 751 with `extras` and `dependency_groups`; may be empty.
        groups: that are installed by default.

    Returns:
        A marker, empty where it holds anywhere; None where it holds nowhere.
    """
    normal = {canonicalize_name(each) for each in groups}

    def membership(found: re.Match[str]) -> str:
        inside = found[4] == "dependency_groups" and canonicalize_name(found[2]) in normal
        return _ALWAYS if inside is (found[3] == "in") else _NEVER

    def equality(found: re.Match[str]) -> str:
        return _NEVER if "==" in (found[1], found[4]) else _ALWAYS

    text = _EXTRA.sub(equality, _MEMBER.sub(membership, marker))
    if text == marker:
        return marker
    rest = text.replace(_ALWAYS, "").replace(_NEVER, "")
    if re.sub(r"\b(and|or)\b|[()\s]", "", rest):
        return text
    return "" if Marker(text).evaluate() else None


def all_of(markers: Iterable[str]) -> str:
    """A marker that holds where each of them does."""
    found = sorted(set(markers))
    return " and ".join(f"({each})" if " or " in each and found[1:] else each for each in found)


def any_of(markers: Iterable[str]) -> str:
    """A marker that holds where one of them does; empty where one is."""
    found = sorted(set(markers))
    if "" in found:
        return ""
    return " or ".join(f"({each})" if " and " in each and found[1:] else each for each in found)
