"""A stored run as tidy pandas frames: one row a cell, one row a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.numbers_stored import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd  # type: ignore[import-untyped,unused-ignore]

    from pytest_modelcompat.results.stored import StoredCase, StoredCell

__all__ = ["Frames", "frames"]


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The two frames of a run.

    Attributes:
        cells: one row a cell; its axes are columns under their own names, the numbers of its cases
            are columns `cases.STATUS`.
        cases: one row a case; the cell's axes are columns here too.
    """

    cells: pd.DataFrame
    cases: pd.DataFrame


# Names that stand for the same few strings a million times.
_REPEATED = (
    "cell", "check", "unit", "case", "status", "outcome", "stage", "known", "reason", "requested",
    "attribution", "reference", "signature", "rule",
)  # fmt: skip


def frames(stored: Sequence[StoredCell], measured: Iterable[StoredCase]) -> Frames:
    """Make both frames.

    Args:
        stored: the run's cells.
        measured: its cases; they are gone through once.

    Raises:
        UsageProblem: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ImportError as error:
        raise errors.no_pandas() from error
    axes = list(dict.fromkeys(name for cell in stored for name in cell.axes))
    cells = pd.DataFrame([
        {
            "cell": cell.id,
            "matrix": cell.matrix,
            **{name: cell.axes.get(name) for name in axes},
            "status": cell.status.value,
            "stage": None if cell.stage is None else cell.stage.value,
            "reason": cell.reason,
            "outcome": cell.outcome.value,
            "known": cell.known,
            "environment": cell.environment.get("id"),
            "lock_digest": cell.environment.get("lock_digest"),
            **{f"cases.{status}": count for status, count in cell.counts.items()},
            **{f"seconds.{name}": value for name, value in cell.seconds.items()},
        }
        for cell in stored
    ])  # fmt: skip
    counts = [name for name in cells.columns if name.startswith("cases.")]
    cells[counts] = cells[counts].fillna(0).astype("int64")
    cases = pd.DataFrame(_columns(measured))
    for name in _REPEATED:
        cases[name] = cases[name].astype("category")
    by_cell = {cell.id: cell for cell in stored}
    names = cases["cell"].cat.categories
    for axis in axes:
        values = {name: by_cell[name].axes.get(axis) for name in names}
        cases[axis] = cases["cell"].map(values).astype("category")
    return Frames(cells=cells, cases=cases)


def _columns(measured: Iterable[StoredCase]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in _REPEATED}
    for name in ("n", "opset", "load_seconds", "run_seconds", "peak_rss", "model_bytes", "ratio",
                 "max_abs"):  # fmt: skip
        columns[name] = []
    add = {name: values.append for name, values in columns.items()}
    for case in measured:
        for name in ("cell", "check", "unit", "case", "known", "requested", "attribution"):
            add[name](getattr(case, name))
        add["reason"](case.reason or None)
        for name in ("status", "outcome", "stage"):
            add[name](getattr(case, name).value)
        error, seconds = case.error or {}, case.seconds or {}
        mismatch, reference = case.mismatch or {}, case.reference or {}
        add["signature"](error.get("signature"))
        add["rule"](error.get("rule"))
        add["reference"](reference.get("source") or reference.get("kind"))
        add["n"](case.n)
        add["opset"](case.opset)
        add["peak_rss"](case.peak_rss)
        add["model_bytes"](case.model_bytes)
        add["load_seconds"](number(seconds.get("load")))
        add["run_seconds"](number(seconds.get("run")))
        add["ratio"](number(mismatch.get("ratio")))
        add["max_abs"](number(mismatch.get("max_abs")))
    return columns
