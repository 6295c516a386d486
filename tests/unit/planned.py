"""Planned cells, workloads and plans, without corpora or environments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.spec import environment_of
from pytest_modelcompat.matrix.model import Cell, CheckEntry, Framework, Image, Matrix
from pytest_modelcompat.runner.plan import Plan, PlannedCase, PlannedCell, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

CPU = "CPUExecutionProvider"


def a_cell(
    identity: str = "cell-a", *, version: str = "1.31.1", provider: str = CPU, **changes: Any
) -> Cell:
    """A cell of the matrix `m`."""
    fields: dict[str, Any] = {
        "id": identity,
        "matrix": "m",
        "matrix_file": Path("/project/m.yaml"),
        "axes": (
            ("framework", f"onnxruntime=={version}"),
            ("python", "3.12"),
            ("image", "host"),
            ("provider", provider),
        ),
        "framework": Framework(distribution="onnxruntime", version=version, runtime="onnxruntime"),
        "python": "3.12",
        "image": Image(),
        "provider": provider,
        "requirements": (f"onnxruntime=={version}",),
    }
    return Cell(**{**fields, **changes})


def a_case(name: str = "test_relu", *, unit: str = "ai.onnx::Relu", **changes: Any) -> PlannedCase:
    """Its bundle is the workload's first."""
    return PlannedCase(**{"unit": unit, "name": name, "bundle": 0, "index": 0, **changes})


def a_workload(
    cases: Sequence[PlannedCase], *, check: str = "op_support", **changes: Any
) -> Workload:
    """Without files, unless they are given."""
    entry = changes.pop("entry", CheckEntry(check=check))
    fields = {"digest": f"digest-{check}", "bundles": (), **changes}
    return Workload(check=check, entry=entry, cases=tuple(cases), **fields)


def a_planned(cell: Cell | None = None, *workloads: Workload) -> PlannedCell:
    """A cell and its work; by default four cases of two operators."""
    cell = cell or a_cell()
    default = a_workload(
        [a_case(f"test_{name}", unit=f"ai.onnx::{name}") for name in ("Relu", "Relu", "Abs", "Abs")]
    )
    return PlannedCell(
        cell=cell, environment=environment_of(cell), workloads=workloads or (default,)
    )


def a_plan(*cells: PlannedCell, **matrix: Any) -> Plan:
    """All of one matrix."""
    made = Matrix(
        name="m",
        file=Path("/project/m.yaml"),
        digest="d" * 64,
        cells=tuple(planned.cell for planned in cells),
        **matrix,
    )
    environments = {planned.environment.id: planned.environment for planned in cells}
    return Plan(
        digest="p", matrices=(made,), environments=tuple(environments.values()), cells=cells
    )
