"""Run folders of a few cases, written out as letters: one letter a case, its state."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.browser.synthetic import cell_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: letter -> (status, outcome); small letters are the same status with another outcome
LETTERS = {
    "P": ("passed", "ok"), "p": ("passed", "xpass"),
    "L": ("fallback", "info"), "l": ("fallback", "not_ok"),
    "F": ("failed", "not_ok"), "K": ("failed", "xfail"),
    "N": ("nondeterministic", "not_ok"), "E": ("error", "not_ok"), "C": ("crashed", "not_ok"),
    "T": ("timed_out", "not_ok"), "Y": ("out_of_memory", "not_ok"),
    "U": ("unsupported", "info"), "u": ("unsupported", "not_ok"), "G": ("gated", "info"),
    "S": ("skipped", "info"), "O": ("not_run", "info"), "D": ("not_run", "info"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Made:
    """A cell: `cases` are letters, `.` leaves a case out; `ratios` make parity cases."""

    version: str
    cases: str = ""
    status: str = "completed"
    distribution: str = "onnxruntime"
    python: str = "3.11"
    image: str = "host"
    provider: str = "CPUExecutionProvider"
    matrix: str = "m"
    reason: str = ""
    stage: str | None = None
    notes: tuple[str, ...] = ()
    per_unit: int = 1  # cases of one operator
    models: dict[str, tuple[str, float | str | None]] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)


def small(folder: Path, cells: Sequence[Made], **info: Any) -> Path:
    """Writes the run and returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for made in cells:
        axes = {
            "framework": f"{made.distribution}=={made.version}", "python": made.python,
            "image": made.image, "provider": made.provider, **made.axes,
        }  # fmt: skip
        identity = cell_id({"matrix": made.matrix, **axes})
        counts: dict[str, int] = {}
        cell_lines = [*_operators(made), *_models(made)]
        for n, line in enumerate(cell_lines):
            line |= {"cell": identity, "n": n, "requested": made.provider}
            counts[line["status"]] = counts.get(line["status"], 0) + 1
        lines += cell_lines
        bad = {"environment_failed", "misconfigured", "infrastructure_failed"}
        entries.append({
            "id": identity, "matrix": made.matrix, "axes": axes, "status": made.status,
            "outcome": "ok" if made.status == "completed"
            else "not_ok" if made.status in bad else "info",
            "stage": made.stage or ("import" if made.status == "environment_failed" else None),
            "reason": made.reason, "notes": list(made.notes), "environment": {"id": "e"},
            "counts": counts,
        })  # fmt: skip
    run = {
        "id": "r", "started": "2026-11-21T10:00:00+00:00",
        "finished": "2026-11-21T10:01:30+00:00", "tool": {"name": "t", "version": "1"},
        "host": {}, "matrices": [{"name": "m", "file": "m.yaml", "digest": "d"}],
        "plan_digest": "p", **info,
    }  # fmt: skip
    text = json.dumps({"schema": 1, "run": run, "environments": [], "cells": entries})
    (folder / "run.json").write_text(text, encoding="utf-8")
    with gzip.open(folder / "cases.jsonl.gz", "wt", encoding="ascii") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)
    return folder


def _operators(made: Made) -> list[dict[str, Any]]:
    found = []
    for n, letter in enumerate(made.cases):
        if letter == ".":
            continue
        status, outcome = LETTERS[letter]
        unit = n // made.per_unit
        line: dict[str, Any] = {
            "check": "op_support", "unit": f"ai.onnx::Op{unit}", "case": f"test_{n}@onnx==1.18.0",
            "opset": 13 + n % made.per_unit, "status": status, "outcome": outcome,
            "stage": "compare" if status in {"passed", "fallback", "failed"} else "run",
        }  # fmt: skip
        if letter == "D":
            line["reason"] = "deselected"
        if letter == "K":
            line["known"] = "k1"
        if status == "failed":  # as the judge writes it: a signature, and no message
            line["error"] = {"signature": "failed value float32"}
        if status in {"error", "crashed", "unsupported", "gated"}:
            line["error"] = {"signature": f"{status} thing", "message": f"{status} thing {n}"}
        found.append(line)
    return found


def _models(made: Made) -> list[dict[str, Any]]:
    found = []
    for case, (letter, ratio) in made.models.items():
        status, outcome = LETTERS[letter]
        line: dict[str, Any] = {
            "check": "parity", "unit": case.partition("/")[0], "case": case, "opset": 17,
            "status": status, "outcome": outcome, "stage": "compare",
            "reference": {"kind": "onnx", "source": "onnx==1.23.2"},
        }  # fmt: skip
        if ratio is not None:
            line["mismatch"] = {"output": "y", "ratio": ratio, "index": [0, 2], "max_abs": 0.5}
        found.append(line)
    return found
