"""Writing a merged run: the same files as a run's, but for the store, from parts that were checked.

They are written beside the output folder and moved there when all of it is whole: a part that turns
out to be cut off in its last line leaves nothing half-merged behind.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.blobs import Blobs, is_digest
from pytest_modelcompat.results.case_ranges import CaseRanges
from pytest_modelcompat.results.compared import as_json
from pytest_modelcompat.results.files import atomic_file, atomic_write
from pytest_modelcompat.results.info import new_run
from pytest_modelcompat.results.merge import line_of
from pytest_modelcompat.results.plan_file import PLAN
from pytest_modelcompat.results.write import CASES, LOCKS, SCHEMA, write_lines, write_run
from pytest_modelcompat.results.write_line import dump

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_modelcompat.results.info import RunInfo
    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.merge import Merged
    from pytest_modelcompat.results.stored import StoredCase, StoredCell, StoredEnvironment

__all__ = ["write_merged"]


def write_merged(found: Merged, output: Path) -> None:
    """Write a merged run.

    Args:
        found: from `merged`; its counts are complete afterwards.
        output: a folder that does not exist yet, or is empty.

    Raises:
        UsageProblem: a part is damaged, or the folder is taken.
        WriteError: the disk is full or the folder read-only.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise errors.merge_into_part(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise errors.cannot_write(output, error) from error
    try:
        _write(found, made)
        if output.exists():
            output.rmdir()
        made.chmod(0o755)
        made.rename(output)
    except OSError as error:
        raise errors.cannot_write(output, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write(found: Merged, folder: Path) -> None:
    environments, renamed = _environments(found)
    with atomic_file(folder / PLAN) as file:
        file.write(dump(_plan(found, renamed)).encode())
    along = CaseRanges((cell.id, cell.matrix, cell.axes) for cell, _ in found.cells)
    with atomic_file(folder / CASES) as file:
        write_lines(file, (line_of(case) for case in _noted(found, along)))
    for part in found.parts:
        _copy_locks(part, folder)
        _copy_outputs(part, folder)
    cells = (dump(_cell(found, cell, part, renamed)) for cell, part in found.cells)
    beside = (dump(as_json(each)) for part in found.parts for each in part.variants)
    made = (dump(each) for each in environments)
    write_run(folder, _head(found), made, cells, along, compared=beside)


def _noted(found: Merged, along: CaseRanges) -> Iterator[StoredCase]:
    for case in found.cases():
        along.add(case.cell, case.check, case.unit, case.case, case.status)
        yield case


def _environments(found: Merged) -> tuple[list[dict[str, Any]], dict[tuple[int, str], str]]:
    """All environments; one that two parts resolved differently is kept twice, and told."""
    kept: dict[str, StoredEnvironment] = {}
    renamed: dict[tuple[int, str], str] = {}
    differ = []
    for at, part in enumerate(found.parts):
        for identity, environment in part.environments.items():
            name = identity
            same = kept.get(name)
            if same is not None and _made(same) != _made(environment):
                name = f"{identity}@part-{at + 1}"
                differ.append(identity)
            kept.setdefault(name, replace(environment, id=name))
            renamed[at, identity] = name
    if differ:
        some = ", ".join(differ[:3]) + (" and more" if len(differ) > 3 else "")  # noqa: PLR2004
        found.notes.append(
            f"parts made {len(differ)} environments differently ({some}); `exclude_newer` in the "
            "matrix keeps them alike"
        )
    keep = {"id", "role", "kind", "status", "seconds"}
    shown = [
        {name: value for name, value in asdict(each).items() if value or name in keep}
        for each in kept.values()
    ]
    return shown, renamed


def _made(environment: StoredEnvironment) -> tuple[object, ...]:
    return environment.status, environment.lock_digest, environment.python


def _cell(
    found: Merged, cell: StoredCell, part: int | None, renamed: dict[tuple[int, str], str]
) -> dict[str, Any]:
    shown = asdict(cell)
    shown["counts"] = dict(found.counts[cell.id])
    if part is not None and "id" in cell.environment:
        identity = renamed.get((part, cell.environment["id"]), cell.environment["id"])
        shown["environment"] = {**cell.environment, "id": identity}
    keep = {"id", "matrix", "axes", "status", "outcome", "environment", "counts", "seconds"}
    return {name: value for name, value in shown.items() if value or name in keep}


def _plan(found: Merged, renamed: dict[tuple[int, str], str]) -> dict[str, Any]:
    """plan.json of all parts; of cells that no part has, what the whole plan says."""
    cells = {cell["id"]: (cell, at) for at, plan in enumerate(found.plans)
             for cell in plan["cells"]}  # fmt: skip
    environments: dict[str, Any] = {}
    for at, plan in enumerate(found.plans):
        for each in plan.get("environments", ()):
            name = renamed.get((at, each["id"]), each["id"])
            environments.setdefault(name, {**each, "id": name})
    matrices = {each["name"]: each for plan in found.plans for each in plan.get("matrices", ())}
    shown = []
    for cell, part in found.cells:
        if part is None:
            shown.append(_missing_cell(found, cell))
            continue
        planned, at = cells[cell.id]
        name = planned.get("environment", "")
        shown.append({**planned, "environment": renamed.get((at, name), name)})
    return {
        "schema": SCHEMA,
        "digest": _digest(found),
        "tool": found.plans[0].get("tool", ""),
        "matrices": list(matrices.values()),
        "environments": list(environments.values()),
        "notes": list(dict.fromkeys(n for plan in found.plans for n in plan.get("notes", ()))),
        "cells": shown,
    }


def _missing_cell(found: Merged, cell: StoredCell) -> dict[str, Any]:
    units: dict[tuple[str, str], list[str]] = {}
    for check, unit, case in found.missing[cell.id]:
        units.setdefault((check, unit), []).append(case)
    return {
        "id": cell.id,
        "matrix": cell.matrix,
        "axes": cell.axes,
        "units": [
            {"check": check, "unit": unit, "cases": cases} for (check, unit), cases in units.items()
        ],
    }


def _digest(found: Merged) -> str:
    return sha256("\n".join(part.info.plan_digest for part in found.parts).encode()).hexdigest()


def _head(found: Merged) -> RunInfo:
    infos = [part.info for part in found.parts]
    hosts = {json.dumps(info.host, sort_keys=True): info.host for info in infos}
    notes = list(found.notes)
    if len(hosts) > 1:
        notes.append(f"the parts ran on {len(hosts)} kinds of machine; times are not comparable")
    notes += [f"merged without all of its parts: {problem}" for problem in found.problems]
    notes += [
        f"known issue {entry.issue.id} no longer shows in any part: take it out"
        for entry in found.unexpected
    ]
    baselines = {info.baseline for info in infos}
    head = new_run(
        matrices=tuple({each["name"]: each for i in infos for each in i.matrices}.values()),
        baseline=baselines.pop() if len(baselines) == 1 else None,
        notes=tuple(notes),
        issues={name: link for info in infos for name, link in info.issues.items()},
    )
    return replace(
        head,
        started=min(info.started for info in infos),
        finished=None if found.problems else max(info.finished or "" for info in infos),
        tool=infos[0].tool,
        host=infos[0].host,
        plan_digest=_digest(found),
        variant_of=_distinct(said for info in infos for said in info.variant_of),
        parts=tuple(_part(info) for info in infos),
    )


def _distinct(found: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """What several parts say alike is said once."""
    return tuple({json.dumps(each, sort_keys=True): each for each in found}.values())


def _part(info: RunInfo) -> dict[str, str]:
    shard = f"{info.shard['index']}/{info.shard['count']}" if info.shard else ""
    shown = {
        "id": info.id, "started": info.started, "finished": info.finished or "", "shard": shard,
    }  # fmt: skip
    return {name: value for name, value in shown.items() if value}


def _copy_locks(part: Run, folder: Path) -> None:
    digests = {cell.environment.get("lock_digest") for cell in part.cells}
    digests |= {each.lock_digest for each in part.environments.values()}
    (folder / LOCKS).mkdir(exist_ok=True)
    for digest in digests:
        if digest and is_digest(digest) and (part.folder / LOCKS / f"{digest}.txt").is_file():
            atomic_write(folder / LOCKS / f"{digest}.txt", part.lock(digest), durable=False)


def _copy_outputs(part: Run, folder: Path) -> None:
    """Raw outputs, each held against the digest in its name."""
    blobs = Blobs(folder)
    for name in _outputs(part.folder):
        blobs.put(part.blob(name))


def _outputs(folder: Path) -> Iterator[str]:
    place = folder / "outputs"
    if place.is_dir() and not place.is_symlink():
        for path in sorted(place.glob("??/*")):
            if is_digest(path.name) and path.parent.name == path.name[:2]:
                yield path.name
