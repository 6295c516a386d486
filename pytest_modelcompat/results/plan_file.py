"""plan.json: every cell, unit and case, on disk before the first environment is made.

A plan of a million cases is a few workloads shared by many cells: a workload is encoded once, and
its text is written again for each cell.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pytest_modelcompat import __version__
from pytest_modelcompat.paths import text_of
from pytest_modelcompat.results.files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import EnvironmentSpec
    from pytest_modelcompat.matrix.model import Cell, Image, Matrix
    from pytest_modelcompat.runner.plan import Plan, PlannedCell, Workload

__all__ = ["PLAN", "SCHEMA", "cells_digest", "plan_digest", "plan_text", "write_plan"]

PLAN = "plan.json"
SCHEMA = 1


def write_plan(folder: Path, plan: Plan) -> None:
    """Write plan.json, whole and forced to the disk.

    Args:
        folder: the report folder; the caller has opened its store before.
        plan: the whole plan, also where -k will deselect most of it.

    Raises:
        WriteError: the disk is full or the folder read-only.
    """
    with atomic_file(folder / PLAN) as file:
        for text in plan_text(plan):
            file.write(text.encode())


def plan_text(plan: Plan) -> Iterator[str]:
    """The plan as JSON, piece by piece, one cell a line."""
    head = {
        "schema": SCHEMA,
        "digest": plan.digest,
        "tool": __version__,
        "matrices": [_matrix(each) for each in plan.matrices],
        "environments": [_environment(each) for each in plan.environments],
        "notes": list(plan.notes),
    }
    yield f'{_dump(head)[:-1]},\n"cells":['
    encoded: dict[int, str] = {}
    comma = "\n"
    for planned in plan.cells:
        units = []
        for workload in planned.workloads:
            # By identity: the plan holds the workloads, so none can take another's place.
            text = encoded.get(id(workload))
            if text is None:
                text = encoded[id(workload)] = ",".join(_units(workload))
            if text:
                units.append(text)
        yield f'{comma}{_dump(_cell(planned))[:-1]},"units":[{",".join(units)}]}}'
        comma = ",\n"
    yield "\n]}\n"


def plan_digest(plan: Plan) -> str:
    """A digest over everything that decides the run: two equal ones would measure the same.

    Args:
        plan: whose own `digest` is not looked at.

    Returns:
        sha256, hexadecimal.
    """
    digest = hashlib.sha256(f"{SCHEMA}\n{__version__}\n".encode())
    for matrix in plan.matrices:
        digest.update(f"matrix {matrix.name!r} {matrix.digest}\n".encode())
    for environment in plan.environments:
        digest.update(f"environment {environment.id!r}\n".encode())
    workloads: dict[int, bytes] = {}
    for planned in plan.cells:
        digest.update(_dump(_decisive(planned.cell)).encode())
        digest.update(repr(planned.environment.id).encode())
        for workload in planned.workloads:
            known = workloads.get(id(workload))
            if known is None:
                known = workloads[id(workload)] = _workload_digest(workload)
            digest.update(known)
        digest.update(b"\n")
    return digest.hexdigest()


def cells_digest(identities: Iterable[str]) -> str:
    """What the parts of one run agree on: the ids of all cells, in order."""
    text = "\n".join(identities)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)


def _matrix(matrix: Matrix) -> dict[str, Any]:
    return {
        "name": matrix.name,
        "file": text_of(matrix.file.name),  # its folder belongs to this machine
        "digest": matrix.digest,
        "removed": [{"axes": dict(each.axes), "rule": each.rule} for each in matrix.removed],
    }


def _image(image: Image) -> str | dict[str, Any]:
    if image.kind in {"host", "docker"} and not image.settings:
        return image.value
    return {"kind": image.kind, "value": image.value, **dict(image.settings)}


def _environment(spec: EnvironmentSpec) -> dict[str, Any]:
    shown = {
        "id": spec.id,
        "role": spec.role,
        "image": _image(spec.image),
        "python": spec.python,
        "requirements": list(spec.requirements),
    }
    if spec.exclude_newer:
        shown["exclude_newer"] = spec.exclude_newer
    return shown


def _cell(planned: PlannedCell) -> dict[str, Any]:
    cell = planned.cell
    shown = {
        "id": cell.id,
        "matrix": cell.matrix,
        "axes": dict(cell.axes),
        "environment": planned.environment.id,
        "runtime": cell.framework.runtime,
    }
    if cell.skip:
        shown["skip"] = cell.skip
    if cell.rules:
        shown["rules"] = list(cell.rules)
    return shown


def _units(workload: Workload) -> Iterator[str]:
    """The units in running order, so that counting through their cases gives each case's `n`."""
    for unit, cases in groupby(workload.cases, key=lambda case: case.unit):
        members = list(cases)
        shown: dict[str, Any] = {
            "check": workload.check,
            "unit": unit,
            "cases": [case.name for case in members],
        }
        impossible = {case.name: case.not_run for case in members if case.not_run}
        if impossible:
            shown["not_run"] = impossible
        if files := workload.files.get(unit):
            shown["files"] = dict(files)
        yield _dump(shown)


def _decisive(cell: Cell) -> dict[str, Any]:
    """What of a cell decides its results; the matrix's digest covers its checks' text."""
    return {
        "id": cell.id,
        "matrix": cell.matrix,
        "axes": cell.axes,
        "framework": asdict(cell.framework),
        "python": cell.python,
        "image": asdict(cell.image),
        "provider": cell.provider,
        "requirements": cell.requirements,
        "env": cell.env,
        "options": cell.options,
        "limits": asdict(cell.limits),
        "exclude_newer": cell.exclude_newer,
        "skip": cell.skip,
    }


def _workload_digest(workload: Workload) -> bytes:
    digest = hashlib.sha256(
        _dump([workload.check, workload.digest, workload.repeats, repr(workload.tolerances)])
        .encode()
    )  # fmt: skip
    for case in workload.cases:
        digest.update(
            f"{case.unit}\0{case.name}\0{case.bundle}\0{case.index}\0{case.not_run}\n".encode(
                "utf-8", "surrogatepass"
            )
        )
    return digest.digest()
