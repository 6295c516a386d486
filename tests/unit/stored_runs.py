"""Records, stores and report folders for the tests of what is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.results.info import RunInfo
from pytest_modelcompat.results.kept import KeptCases
from pytest_modelcompat.results.model import (
    CaseRecord,
    CellRecord,
    CellStatus,
    EnvironmentRecord,
    Expectation,
    Judgement,
    Measurement,
    Outcome,
    Stage,
    Status,
)
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.write import write_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = RunInfo(
    id="20261121T100000-abcdef",
    started="2026-11-21T10:00:00+00:00",
    host={"system": "Linux", "machine": "x86_64", "cpus": 2},
    matrices=({"name": "m", "file": "m.yaml", "digest": "d" * 64},),
    tool={"name": "pytest-modelcompat", "version": "0.1.0"},
)
LOCK = "a" * 64


def case(n: int = 0, *, cell: str = "cell-a", status: str = "passed", **changes: Any) -> CaseRecord:
    """A plain record; `known`, `signature`, `error`, `opset` and the fields of a record vary it."""
    status_ = Status(status)
    outcome = changes.pop("outcome", "ok" if status == "passed" else "not_ok")
    ended = {"passed": "returned", "failed": "returned", "crashed": "crashed", "not_run": "not_run"}
    record = CaseRecord(
        cell=cell,
        n=n,
        check="op_support",
        unit=f"ai.onnx::Op{n % 7}",
        case=f"test_op_{n}@onnx==1.18.0",
        requested="CPUExecutionProvider",
        measurement=Measurement(
            stage=Stage.COMPARE,
            ended=changes.pop("ended", ended.get(status, "raised")),
            error=changes.pop("error", None),
            opset=changes.pop("opset", 13),
            ran_on=changes.pop("ran_on", {"CPUExecutionProvider": 1}),
            run_seconds=changes.pop("run_seconds", (0.001,)),
            load_seconds=0.002,
            outputs=changes.pop("outputs", ("=",)),
            expected=changes.pop("expected", None),
            reason=changes.pop("reason", ""),
        ),
        judgement=Judgement(
            status=status_,
            stage=Stage.COMPARE,
            signature=changes.pop("signature", None),
            mismatch=changes.pop("mismatch", None),
            attribution=changes.pop("attribution", None),
            attribution_detail=changes.pop("attribution_detail", {}),
        ),
        expectation=Expectation(outcome=Outcome(outcome), known=changes.pop("known", None)),
        reference={"kind": "onnx", "source": "onnx==1.18.0"},
    )
    return replace(record, **changes)


def cell(
    identity: str = "cell-a", *, framework: str = "onnxruntime==1.31.1", **changes: Any
) -> CellRecord:
    """A completed cell of the matrix `m`."""
    record = CellRecord(
        id=identity,
        matrix="m",
        axes=(
            ("framework", framework),
            ("python", "3.12"),
            ("image", "host"),
            ("provider", "CPUExecutionProvider"),
        ),
        status=CellStatus.COMPLETED,
        stage=None,
        outcome=Outcome.OK,
        environment="env-a",
        seconds={"resolve": 0.5, "install": 1.25, "run": 2.0},
    )
    return replace(record, **changes)


ENVIRONMENT = EnvironmentRecord(
    id="env-a",
    role="cell",
    kind="host",
    status="completed",
    lock_digest=LOCK,
    python="3.12.1",
    packages=("numpy==2.2.6", "onnxruntime==1.31.1"),
    seconds={"resolve": 0.5, "install": 1.25},
)


def open_store(folder: Path, plan_digest: str = "p", **arguments: Any) -> Store:
    """A store that is new, or continued if the plan is the same."""
    return Store.open(folder, plan_digest=plan_digest, run=RUN, **arguments)


def report_folder(
    folder: Path,
    cases: Sequence[CaseRecord],
    cells: Sequence[CellRecord] = (),
    environments: Sequence[EnvironmentRecord] = (ENVIRONMENT,),
    **head: Any,
) -> Path:
    """A finished report folder with these results."""
    with Store.open(folder, plan_digest="p", run=replace(RUN, **head)) as store:
        identities = dict.fromkeys(each.cell for each in cases)
        for each in cells or [cell(identity) for identity in identities]:
            store.set_cell(each)
        for environment in environments:
            store.set_environment(environment)
        store.set_lock(LOCK, "numpy==2.2.6 --hash=sha256:00\n")
        store.add_cases(list(cases))
        store.finish("2026-11-21T10:05:00+00:00")
        write_outputs(store)
    return folder


def kept_of(records: Sequence[CaseRecord]) -> KeptCases:
    """Through a store, where a run has them; another cell's lie around them."""
    with TemporaryDirectory() as place, open_store(Path(place) / "run") as store:
        others = [replace(each, cell=cell) for cell in ("cell-0", "cell-b") for each in records]
        store.add_cases([*others[: len(records)], *records, *others[len(records) :]])
        return KeptCases.stored(store, "cell-a")
