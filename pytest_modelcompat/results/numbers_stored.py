"""Numbers of a stored run: those that are not finite are strings in its files."""

from __future__ import annotations

from typing import Any

__all__ = ["number"]


def number(value: Any) -> float:
    """A stored number; NaN where there is none.

    Args:
        value: a number, "inf", "-inf", "nan", or None.
    """
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else float("nan")
    except ValueError:
        return float("nan")
