"""Names that the API takes: DNS labels, made once from what the matrix has, and never parsed."""

from __future__ import annotations

import hashlib
import re

__all__ = ["LONGEST_RUN", "is_label", "is_pair", "is_subdomain", "job_name", "run_name"]

LONGEST = 63  # a Job's name becomes a label of its pods
LONGEST_RUN = 28
_LONGEST_SUBDOMAIN = 253
_DIGITS = 10
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def run_name(matrix: str) -> str:
    """The name of a run for which none was given: that of its matrix."""
    return _slug(matrix, LONGEST_RUN) or "matrix"


def job_name(run: str, cell: str) -> str:
    """The name of a cell's Job, and of its folder on the volume: stable, and no other cell's.

    Args:
        run: the run's name.
        cell: the cell's id.
    """
    digest = hashlib.sha256(f"{run}\n{cell}".encode()).hexdigest()[:_DIGITS]
    slug = _slug(cell, LONGEST - len(run) - len(digest) - 2)
    return "-".join(filter(None, (run, slug, digest)))


def is_label(text: str) -> bool:
    """Whether it can name a namespace, a Job, a volume."""
    return _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether it can name a claim, a secret: labels with dots between."""
    parts = text.split(".")
    return len(text) <= _LONGEST_SUBDOMAIN and all(_LABEL.fullmatch(part) for part in parts)


def is_pair(text: str) -> bool:
    """Whether it is KEY=VALUE of a label, the key with or without the name of whose it is."""
    key, equals, value = text.partition("=")
    whose, slash, name = key.rpartition("/")
    mine = is_subdomain(whose) if slash else True
    return bool(equals and mine and _WORD.fullmatch(name) and (not value or _WORD.fullmatch(value)))


def _slug(text: str, most: int) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:most].rstrip("-")
