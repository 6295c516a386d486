"""The output files of design §6, written from the store: whole, streaming, the same every time.

run.json is written last, so that a folder that has one has the files that it speaks of.
"""

from __future__ import annotations

import gzip
import io
import json
import math
from statistics import median
from typing import IO, TYPE_CHECKING, Any, cast

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.blobs import is_digest
from pytest_modelcompat.results.case_ranges import CaseRanges, as_json
from pytest_modelcompat.results.files import atomic_file, atomic_write
from pytest_modelcompat.results.plan_file import plan_digest, plan_text, write_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_modelcompat.results.info import RunInfo
    from pytest_modelcompat.results.model import CaseRecord, CellRecord, EnvironmentRecord
    from pytest_modelcompat.results.store import Store

__all__ = ["CASES", "RUN", "SCHEMA", "plan_digest", "plan_text", "write_outputs", "write_plan"]

RUN = "run.json"
CASES = "cases.jsonl.gz"
LOCKS = "locks"
SCHEMA = 1
# Made once: json.dumps with these arguments makes an encoder at every call. Enums are strings.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def write_outputs(
    store: Store, folder: Path | None = None, run_info: RunInfo | None = None
) -> None:
    """Write run.json, cases.jsonl.gz and locks/.

    Args:
        store: whose planned cases all have a record (see `complete.complete`).
        folder: where; default: the store's.
        run_info: the run's head; default: as stored.

    Raises:
        WriteError: the disk is full or the folder read-only; no file is torn.
    """
    folder = folder or store.folder
    try:
        (folder / LOCKS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.cannot_write(folder / LOCKS, error) from error
    for digest, text in store.locks():
        if is_digest(digest):
            atomic_write(folder / LOCKS / f"{digest}.txt", text)
    records = store.cells()
    found = CaseRanges((each.id, each.matrix, dict(each.axes)) for each in records)
    with atomic_file(folder / CASES) as file:
        write_cases(file, _noted(store.cases(), found))
    run_info = run_info or store.run
    environments = store.environments()
    by_id = {each.id: each for each in environments}
    counts = store.counts()
    write_run(
        folder,
        run_info,
        (dump(_environment(each)) for each in environments),
        (
            dump(_cell(cell, by_id.get(cell.environment or ""), counts.get(cell.id, {})))
            for cell in records
        ),
        found,
    )


def _noted(cases: Iterable[CaseRecord], found: CaseRanges) -> Iterator[CaseRecord]:
    for case in cases:
        found.add(case.cell, case.check, case.unit, case.case, case.judgement.status)
        yield case


def write_run(
    folder: Path,
    info: RunInfo,
    environments: Iterable[str],
    cells: Iterable[str],
    found: CaseRanges,
) -> None:
    """Write run.json.

    Args:
        folder: the report folder.
        info: the head.
        environments: each as its line of JSON.
        cells: the same.
        found: where cases change along an ordered axis; all cases were added.
    """
    with atomic_file(folder / RUN) as file:
        head = {"schema": SCHEMA, "run": _run(info)}
        file.write(f'{dump(head)[:-1]},\n"environments":['.encode())
        _lines(file, environments)
        file.write(b'\n],\n"cells":[')
        _lines(file, cells)
        file.write(b'\n],\n"ranges":[')
        _lines(file, (dump(as_json(each)) for each in found.found()))
        file.write(f'\n],\n"ranges_left_out":{found.left_out}}}\n'.encode())


def write_cases(file: IO[bytes], cases: Iterable[CaseRecord]) -> None:
    """One case a line, compressed; equal cases give equal bytes, whatever the clock says."""
    write_lines(file, (dump(case_line(case)) for case in cases))


def write_lines(file: IO[bytes], lines: Iterable[str]) -> None:
    """Lines of cases.jsonl.gz, compressed."""
    # Level 6 costs a third of what 9 does, for a few percent of size.
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        buffered = io.BufferedWriter(cast("io.RawIOBase", packed), buffer_size=1 << 18)
        for line in lines:
            buffered.write(line.encode())
            buffered.write(b"\n")
        buffered.flush()


def case_line(case: CaseRecord) -> dict[str, Any]:
    """A case as its line in cases.jsonl.gz has it; fields without a value are absent."""
    seen, judged, expected = case.measurement, case.judgement, case.expectation
    line: dict[str, Any] = {
        "cell": case.cell,
        "n": case.n,
        "check": case.check,
        "unit": case.unit,
        "case": case.case,
        "opset": seen.opset,
        "stage": judged.stage,
        "status": judged.status,
        "outcome": expected.outcome,
        "known": expected.known,
        "reason": seen.reason,
        "requested": case.requested,
        "ran_on": seen.ran_on,
        "error": _error(case),
        "mismatch": judged.mismatch,
        "reference": case.reference,
        "attribution": judged.attribution,
        "attribution_detail": judged.attribution_detail,
        "seconds": _seconds(seen.load_seconds, seen.run_seconds),
        "peak_rss": seen.peak_rss,
        "outputs": [each for each in seen.outputs if each != "="],
        "expected": seen.expected,
        "repro": case.repro,
    }
    # n is 0 for a cell's first case; every other zero or empty value means "none".
    return {name: value for name, value in line.items() if value or name == "n"}


def dump(value: Any) -> str:
    """JSON as design §6 wants it: finite numbers, NaN and infinities as strings."""
    try:
        return _encode(value)
    except (ValueError, TypeError):
        return _encode(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(float(value))
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, (str, int)):
        return value
    item = getattr(value, "item", None)  # a numpy scalar
    return _plain(item()) if callable(item) else str(value)


def _error(case: CaseRecord) -> dict[str, Any]:
    seen = case.measurement.error or {}
    error = {
        "type": seen.get("type"),
        "signature": case.judgement.signature,
        "message": seen.get("message"),
        "rule": case.judgement.rule,
        "signal": seen.get("signal"),
        "exit_code": seen.get("exit_code"),
        "output": seen.get("output"),
    }
    # An exit code of 0 is a fact: the process left in the middle as if all were well.
    return {name: value for name, value in error.items() if value is not None and value != ""}


def _seconds(load: float, runs: tuple[float, ...]) -> dict[str, Any]:
    seconds: dict[str, Any] = {}
    if load:
        seconds["load"] = round(load, 7)
    if runs:
        seconds["run"] = round(median(runs), 9)
    if len(runs) > 1:
        seconds["runs"] = {"n": len(runs), "min": round(min(runs), 9), "max": round(max(runs), 9)}
    return seconds


def _run(run: RunInfo) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": run.id,
        "started": run.started,
        "finished": run.finished,
        "tool": run.tool,
        "host": run.host,
        "matrices": list(run.matrices),
        "plan_digest": run.plan_digest,
        "baseline": run.baseline,
        "notes": list(run.notes),
        "issues": run.issues,
        "shard": run.shard,
        "known": list(run.known),
        "parts": list(run.parts),
    }
    keep = {"id", "started", "finished", "tool", "host", "matrices", "plan_digest", "baseline"}
    return {name: value for name, value in shown.items() if value or name in keep}


def _environment(record: EnvironmentRecord) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": record.id,
        "role": record.role,
        "kind": record.kind,
        "lock_digest": record.lock_digest,
        "status": record.status,
        "seconds": record.seconds,
        "python": record.python,
        "reason": record.reason,
        "packages": list(record.packages),
        "log": record.log,
        "reused": record.reused,
    }
    keep = {"id", "role", "kind", "status", "seconds"}
    return {name: value for name, value in shown.items() if value or name in keep}


def _cell(
    cell: CellRecord, environment: EnvironmentRecord | None, counts: Mapping[str, int]
) -> dict[str, Any]:
    place: dict[str, Any] = {"id": cell.environment, "image": cell.image}
    if environment is not None:
        place["kind"] = environment.kind
        place["python"] = environment.python
        if environment.lock_digest:
            place["lock"] = f"{LOCKS}/{environment.lock_digest}.txt"
            place["lock_digest"] = environment.lock_digest
    if cell.image_digest:
        place["image_digest"] = cell.image_digest
    shown: dict[str, Any] = {
        "id": cell.id,
        "matrix": cell.matrix,
        "axes": dict(cell.axes),
        "status": cell.status.value,
        "stage": None if cell.stage is None else cell.stage.value,
        "reason": cell.reason,
        "outcome": cell.outcome.value,
        "known": cell.known,
        "environment": {name: value for name, value in place.items() if value},
        "attestation": cell.attestation,
        "counts": dict(counts),
        "seconds": cell.seconds,
        "notes": list(cell.notes),
        "repro": cell.repro,
    }
    keep = {"id", "matrix", "axes", "status", "outcome", "environment", "counts", "seconds"}
    return {name: value for name, value in shown.items() if value or name in keep}


def _lines(file: IO[bytes], texts: Iterable[str]) -> None:
    comma = "\n"
    for text in texts:
        file.write(f"{comma}{text}".encode())
        comma = ",\n"
