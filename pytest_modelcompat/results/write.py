"""The output files of design §6, written from the store: whole, streaming, the same every time.

run.json is written last, so that a folder that has one has the files that it speaks of.
"""

from __future__ import annotations

import gzip
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.blobs import is_digest
from pytest_modelcompat.results.case_ranges import CaseRanges
from pytest_modelcompat.results.case_ranges import as_json as range_json
from pytest_modelcompat.results.compared import as_json
from pytest_modelcompat.results.files import atomic_file, atomic_write
from pytest_modelcompat.results.lines import lines
from pytest_modelcompat.results.plan_file import plan_digest, plan_text, write_plan
from pytest_modelcompat.results.variants import Variants
from pytest_modelcompat.results.write_line import dump

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from pytest_modelcompat.results.info import RunInfo
    from pytest_modelcompat.results.model import CellRecord, EnvironmentRecord
    from pytest_modelcompat.results.store import Store

__all__ = ["CASES", "RUN", "SCHEMA", "plan_digest", "plan_text", "write_outputs", "write_plan"]

RUN = "run.json"
CASES = "cases.jsonl.gz"
LOCKS = "locks"
_PIECE = 1 << 18  # bytes that are compressed at once
_AHEAD = 4  # pieces that wait for that
SCHEMA = 1


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
        write_lines(file, lines(store, found.add))
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
        compared=(dump(as_json(each)) for each in Variants(store, run_info.variant_of).compared()),
    )


def write_run(
    folder: Path,
    info: RunInfo,
    environments: Iterable[str],
    cells: Iterable[str],
    found: CaseRanges,
    *,
    compared: Iterable[str] = (),
) -> None:
    """Write run.json.

    Args:
        folder: the report folder.
        info: the head.
        environments: each as its line of JSON.
        cells: the same.
        found: where cases change along an ordered axis; all cases were added.
        compared: variants beside their originals, each as its line of JSON.
    """
    with atomic_file(folder / RUN) as file:
        head = {"schema": SCHEMA, "run": _run(info)}
        file.write(f'{dump(head)[:-1]},\n"environments":['.encode())
        _lines(file, environments)
        file.write(b'\n],\n"cells":[')
        _lines(file, cells)
        file.write(b'\n],\n"ranges":[')
        _lines(file, (dump(range_json(each)) for each in found.found()))
        file.write(f'\n],\n"ranges_left_out":{found.left_out}'.encode())
        if info.variant_of:
            file.write(b',\n"variants":[')
            _lines(file, compared)
            file.write(b"\n]")
        file.write(b"}\n")


def write_lines(file: IO[bytes], texts: Iterable[str]) -> None:
    """Lines of cases.jsonl.gz, compressed; equal ones give equal bytes, whatever the clock says."""
    # Level 6 costs a third of what 9 does, for a few percent of size. Compressing needs no
    # interpreter: it goes on beside the making of the next lines.
    with (
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        ThreadPoolExecutor(1) as beside,
    ):
        waiting: deque[Future[int]] = deque()
        for piece in _pieces(texts):
            waiting.append(beside.submit(packed.write, piece))
            if len(waiting) > _AHEAD:
                waiting.popleft().result()
        for each in waiting:
            each.result()


def _pieces(texts: Iterable[str]) -> Iterator[bytes]:
    """Lines as bytes, many at a time."""
    held: list[str] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= _PIECE:
            yield "\n".join([*held, ""]).encode()
            held, size = [], 0
    if held:
        yield "\n".join([*held, ""]).encode()


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
        "variant_of": list(run.variant_of),
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
