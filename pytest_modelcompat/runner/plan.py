"""The plan: every cell, unit and case, fixed and on disk before the first environment is made.

Cells that run the same check on the same corpus share one `Workload`, so that a plan of a million
cases costs the memory of its distinct ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.protocol import EnvironmentSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_modelcompat.matrix.model import Cell, CheckEntry, Matrix, Producer, Tolerances
    from pytest_modelcompat.results.model import Measurement

__all__ = ["Making", "Plan", "PlannedCase", "PlannedCell", "Workload"]


@dataclass(frozen=True, kw_only=True)
class Making:
    """One setting in which a producer makes a model file: planned first, made when it is needed.

    Attributes:
        label: the middle part of its cases' names, `torch==2.13.0,onnx-dynamo,opset18`.
        build: `FILE::function`, the file absolute.
        producer: framework, export, environment.
        opset: to export for; None: the exporter's own.
        bundle: which of the workload's bundles holds its data sets; its cases are in their order.
    """

    label: str
    build: str
    producer: Producer
    opset: str | None
    bundle: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCase:
    """One measurement that will be made, and what it will be judged against.

    Attributes:
        unit: `ai.onnx::Conv`, or a model's name.
        name: `test_relu@onnx==1.18.0`, or `MODEL/DATASET`.
        bundle: which of the workload's bundles holds its inputs and expected outputs.
        index: its position in that bundle.
        opset: of the main domain; 0 where unknown before the run.
        reference: {"kind", "source", "version"} of the expected outputs, or None for "only runs".
        not_run: why it cannot be measured at all (its reference or data could not be had).
        making: which of the workload's makings gives its model and bundle; None: they are there.
        failure: how that making ended, where it made nothing: the case's own measurement.
        model_bytes: of all files of its model, external data included; 0 where it has none of its
            own, or none yet.
    """

    unit: str
    name: str
    bundle: int
    index: int
    opset: int = 0
    reference: dict[str, Any] | None = None
    not_run: str = ""
    making: int | None = None
    failure: Measurement | None = None
    model_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What one check entry asks of a cell: its cases, and the files they need.

    Attributes:
        check: "op_support" or "parity".
        digest: of everything that decides a measurement (bundles' digests, indexes, repeats).
        cases: in running order; grouped by unit.
        bundles: bundle files (see worker/bundle.py).
        models: model files outside of bundles, name in the cell -> path on the host (external
            data files included); a bundle's case names its model by that name.
        repeats: how often each case runs.
        tolerances: given by the matrix; the defaults apply where a type is missing. None for
            op_support without one: the suite's own, from the bundle.
        makings: model files that producers have yet to make.
        files: unit -> file of its model, in its folder -> sha256; built ones are not yet there.
    """

    check: str
    digest: str
    entry: CheckEntry
    cases: tuple[PlannedCase, ...]
    bundles: tuple[Path, ...]
    models: tuple[tuple[str, Path], ...] = ()
    repeats: int = 1
    tolerances: Tolerances | None = None
    makings: tuple[Making, ...] = ()
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def units(self) -> dict[str, tuple[int, ...]]:
        """Unit -> positions of its cases in this workload, in running order."""
        grouped: dict[str, list[int]] = {}
        for n, case in enumerate(self.cases):
            grouped.setdefault(case.unit, []).append(n)
        return {unit: tuple(ns) for unit, ns in grouped.items()}

    @cached_property
    def paired(self) -> frozenset[str]:
        """Units that are variants of others here, and those others."""
        names = {model.name for model in self.entry.models}
        pairs = [(m.name, m.variant_of.model) for m in self.entry.models if m.variant_of]
        return frozenset(name for pair in pairs if pair[1] in names for name in pair)

    def tolerances_of(self, unit: str) -> Tolerances | None:
        """What the matrix gives for a unit: a model's own before the check's, type by type."""
        given = dict(self.tolerances or ())
        given.update(next((m.tolerance for m in self.entry.models if m.name == unit), ()))
        return tuple(given.items()) or None


@dataclass(frozen=True, kw_only=True)
class PlannedCell:
    """A cell and its work; case n of the cell counts through the workloads in order."""

    cell: Cell
    environment: EnvironmentSpec
    workloads: tuple[Workload, ...]

    @cached_property
    def size(self) -> int:
        """How many cases are planned."""
        return sum(len(workload.cases) for workload in self.workloads)

    def units(self) -> Iterator[tuple[str, str, tuple[int, ...]]]:
        """(check, unit, positions of its cases in the cell), in running order.

        Positions of the first workload are shared between cells: a plan's memory is that of its
        distinct workloads.
        """
        offset = 0
        for workload in self.workloads:
            for unit, ns in workload.units.items():
                yield workload.check, unit, tuple(n + offset for n in ns) if offset else ns
            offset += len(workload.cases)

    def case(self, n: int) -> tuple[Workload, PlannedCase]:
        """The n-th case of the cell, and the workload that it belongs to.

        Raises:
            IndexError: the cell has no such case.
        """
        for workload in self.workloads:
            if n < len(workload.cases):
                return workload, workload.cases[n]
            n -= len(workload.cases)
        raise IndexError(n)

    def cases(self) -> Iterator[tuple[int, Workload, PlannedCase]]:
        """Every case of the cell with its position."""
        n = 0
        for workload in self.workloads:
            for case in workload.cases:
                yield n, workload, case
                n += 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that will be run."""

    digest: str
    matrices: tuple[Matrix, ...]
    environments: tuple[EnvironmentSpec, ...]
    cells: tuple[PlannedCell, ...]
    notes: tuple[str, ...] = field(default=())
