"""Who ran what, where and when: the head of run.json."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import secrets
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from pytest_modelcompat import __version__

__all__ = ["RunInfo", "continuing", "new_run", "now"]

_CONTINUED = "continued: "  # how such a note begins


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """One run.

    Attributes:
        id: unique; sorts by start.
        started: ISO 8601, UTC.
        finished: the same, or None while it runs.
        tool: {"name", "version"}.
        host: {"system", "release", "machine", "cpus", "python"}; never its name.
        matrices: {"name", "file", "digest"} of each; `file` as the user would type it.
        plan_digest: of the plan that was run.
        baseline: the run that it was compared with, or None.
        notes: what a reader of the whole run must know.
        issues: id of a known issue -> its link.
        shard: of `--compat-shard`: {"index", "count", "cells": of the whole matrices, "digest": of
            their ids}; empty for a whole run.
        known: of a shard: what its known issues selected and saw, so that all shards together can
            decide; {"id", "matrix", "match", "check", "unit", "case", "expired", "selected",
            "seen", "passed"}.
        variant_of: which model is a variant of which: {"matrix", "model", "of"} and, where the
            matrix limits the distance, "accuracy_loss", "top1", "tolerance".
        parts: of a merged run: {"id", "started", "finished", "shard"} of each part.
    """

    id: str
    started: str
    finished: str | None = None
    tool: dict[str, str] = field(
        default_factory=lambda: {"name": "pytest-modelcompat", "version": __version__}
    )
    host: dict[str, Any] = field(default_factory=dict)
    matrices: tuple[dict[str, str], ...] = ()
    plan_digest: str = ""
    baseline: str | None = None
    notes: tuple[str, ...] = ()
    issues: dict[str, str] = field(default_factory=dict)
    shard: dict[str, Any] = field(default_factory=dict)
    known: tuple[dict[str, Any], ...] = ()
    variant_of: tuple[dict[str, Any], ...] = ()
    parts: tuple[dict[str, str], ...] = ()

    def to_json(self) -> str:
        """As text, for the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RunInfo:
        """Back from `to_json`; what a later release added is left out."""
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in json.loads(text).items() if name in known}
        for name in ("matrices", "notes", "known", "variant_of", "parts"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


def now() -> str:
    """The time, ISO 8601 with seconds, UTC."""
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")


def new_run(
    *,
    matrices: tuple[dict[str, str], ...] = (),
    baseline: str | None = None,
    notes: tuple[str, ...] = (),
    issues: dict[str, str] | None = None,
    shard: dict[str, Any] | None = None,
    variant_of: tuple[dict[str, Any], ...] = (),
) -> RunInfo:
    """A run that starts now on this host.

    Args:
        matrices: {"name", "file", "digest"} of each.
        baseline: id or folder name of the run it is compared with.
        notes: for the report.
        issues: id of a known issue -> its link.
        shard: see `RunInfo`.
        variant_of: see `RunInfo`.
    """
    started = now()
    stamp = started[:19].translate(str.maketrans("", "", "-:"))
    return RunInfo(
        id=f"{stamp}-{secrets.token_hex(3)}",
        started=started,
        host={
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "cpus": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
        },
        matrices=matrices,
        baseline=baseline,
        notes=notes,
        issues=issues or {},
        shard=shard or {},
        variant_of=variant_of,
    )


def continuing(run: RunInfo, kept: int) -> RunInfo:
    """An interrupted run that goes on, with a note that says so.

    Args:
        run: as it was begun, or continued before: the last interruption is told.
        kept: results that it had stored and that are not measured again.
    """
    what = "result of an interrupted run was" if kept == 1 else "results of an interrupted run were"
    notes = [note for note in run.notes if not note.startswith(_CONTINUED)]
    return replace(run, notes=(f"{_CONTINUED}{kept:,} {what} kept", *notes))
