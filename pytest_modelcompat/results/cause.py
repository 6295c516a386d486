"""The words in a cell's reason that decide: a resolver says them last, after its own headlines."""

from __future__ import annotations

import re

__all__ = ["cause"]

_BECAUSE = re.compile(r"(?:╰─▶|cause:) (Because .+?)(?= hint: |$)")
# Which requirements those are the reader knows: they are why the resolver was asked.
_END = re.compile(
    r",? (?:And because you require (?:(?!And because).)+?, )?"
    r"we can conclude that your requirements are unsatisfiable\.$"
)


def cause(reason: str) -> str:
    """Why a resolver found no solution, as one line; any other reason as it is.

    Args:
        reason: a sentence of ours, then the resolver's explanation.
    """
    found = _BECAUSE.search(" ".join(reason.split()))
    if found is None:
        return reason
    said = _END.sub("", found[1])
    return said if said.endswith(".") else f"{said}."
