"""Makes the golden run of the present schema; run it once for a new schema, never for an old one.

python -m tests.golden.make_run
"""

from __future__ import annotations

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from pytest_modelcompat.environments.protocol import EnvironmentSpec
from pytest_modelcompat.matrix.model import Cell, CheckEntry, Framework, Image, Matrix
from pytest_modelcompat.results.complete import complete
from pytest_modelcompat.results.info import RunInfo
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
from pytest_modelcompat.results.write import SCHEMA, write_outputs, write_plan
from pytest_modelcompat.runner.plan import Plan, PlannedCase, PlannedCell, Workload

FOLDER = Path(__file__).parent / f"run-schema-{SCHEMA}"
REFERENCE = {"kind": "onnx", "source": "onnx==1.18.0", "version": "1.18.0"}
CELLS = (
    ("ort-1.20.1-py3.12-0a1b2c3d", "1.20.1"),
    ("ort-1.31.1-py3.12-4e5f6071", "1.31.1"),
    ("ort-9.9.9-py3.12-8293a4b5", "9.9.9"),
)
CASES = (
    ("ai.onnx::Relu", "test_relu@onnx==1.18.0"),
    ("ai.onnx::Conv", "test_basic_conv@onnx==1.23.2"),
    ("ai.onnx::Conv", "test_conv_with_strides@onnx==1.18.0"),
    ("ai.onnx.ml::Scaler", "test_ai_onnx_ml_scaler@onnx==1.18.0"),
)


def plan() -> Plan:
    workload = Workload(
        check="op_support",
        digest="0" * 64,
        entry=CheckEntry(check="op_support"),
        cases=tuple(
            PlannedCase(unit=unit, name=name, bundle=0, index=n, reference=REFERENCE)
            for n, (unit, name) in enumerate(CASES)
        ),
        bundles=(),
    )
    planned = []
    for identity, version in CELLS:
        requirements = (f"onnxruntime=={version}",)
        cell = Cell(
            id=identity,
            matrix="golden",
            matrix_file=Path("golden.yaml"),
            axes=(
                ("framework", f"onnxruntime=={version}"),
                ("python", "3.12"),
                ("image", "host"),
                ("provider", "CPUExecutionProvider"),
            ),
            framework=Framework(distribution="onnxruntime", version=version, runtime="onnxruntime"),
            python="3.12",
            image=Image(),
            provider="CPUExecutionProvider",
            requirements=requirements,
        )
        spec = EnvironmentSpec(
            id=f"env-{version}", role="cell", python="3.12", requirements=requirements
        )
        planned.append(PlannedCell(cell=cell, environment=spec, workloads=(workload,)))
    matrix = Matrix(
        name="golden",
        file=Path("golden.yaml"),
        digest="1" * 64,
        cells=tuple(each.cell for each in planned),
    )
    return Plan(
        digest="2" * 64,
        matrices=(matrix,),
        environments=tuple(each.environment for each in planned),
        cells=tuple(planned),
    )


def record(cell: str, n: int, status: Status, outcome: Outcome, **parts: object) -> CaseRecord:
    unit, name = CASES[n]
    measured = {"stage": Stage.COMPARE, "ended": "returned", "opset": 13, "load_seconds": 0.002}
    judged = {"stage": Stage.COMPARE}
    for key, value in parts.items():
        target = judged if key in Judgement.__dataclass_fields__ else measured
        if key != "known":
            target[key] = value
    return CaseRecord(
        cell=cell,
        n=n,
        check="op_support",
        unit=unit,
        case=name,
        requested="CPUExecutionProvider",
        measurement=Measurement(**measured),
        judgement=Judgement(status=status, **judged),
        expectation=Expectation(outcome=outcome, known=parts.get("known")),
        reference=REFERENCE,
        repro="pytest --compat-matrix golden.yaml",
    )


def cases(store: Store) -> list[CaseRecord]:
    first, second = CELLS[0][0], CELLS[1][0]
    ran = {"ran_on": {"CPUExecutionProvider": 1}, "run_seconds": (0.001, 0.003, 0.002)}
    wrong = {
        "outputs": (store.put_blob(b"golden outputs"),),
        "expected": store.put_blob(b"golden expected"),
        "mismatch": {"output": "y", "kind": "value", "max_abs": float("inf"), "index": [0, 1]},
        "signature": "failed value float32",
        **ran,
    }
    gate = "Unsupported model IR version: 11, max supported IR version: 10"
    return [
        record(first, 0, Status.PASSED, Outcome.OK, outputs=("=",), **ran),
        record(
            first, 1, Status.GATED, Outcome.INFO, ended="raised", rule="ir-version",
            error={"type": "Fail", "message": gate}, signature="Unsupported model IR version",
        ),
        record(
            first, 2, Status.FAILED, Outcome.NOT_OK, **wrong, attribution="optimizer",
            attribution_detail={"optimizer_off": "passed"},
        ),
        record(
            first, 3, Status.FALLBACK, Outcome.INFO, outputs=("=",), ran_on={"OtherProvider": 1}
        ),
        record(second, 0, Status.PASSED, Outcome.OK, outputs=("=",), **ran),
        record(
            second, 1, Status.CRASHED, Outcome.XFAIL, known="ISSUE-1", ended="crashed",
            error={"message": "died", "signal": "SIGSEGV"}, signature="crashed: SIGSEGV",
        ),
        record(second, 2, Status.FAILED, Outcome.NOT_OK, **wrong),
        record(second, 3, Status.PASSED, Outcome.OK, outputs=("=",), **ran),
    ]  # fmt: skip


def make(folder: Path) -> None:
    run = RunInfo(
        id="20261121T100000-abcdef",
        started="2026-11-21T10:00:00+00:00",
        tool={"name": "pytest-modelcompat", "version": "0.1.0"},
        host={"system": "Linux", "machine": "x86_64", "cpus": 2, "python": "3.11.7"},
        matrices=({"name": "golden", "file": "golden.yaml", "digest": "1" * 64},),
        issues={"ISSUE-1": "https://example.org/issues/1"},
    )
    whole = plan()
    with Store.open(folder, plan_digest=whole.digest, run=run) as store:
        write_plan(folder, whole)
        store.register_cells(identity for identity, _ in CELLS)
        for identity, version in CELLS:
            good = version != "9.9.9"
            pins = ("numpy==2.2.6", "3" * 64), (f"onnxruntime=={version}", "4" * 64)
            text = "".join(f"{pin} --hash=sha256:{hashed}\n" for pin, hashed in pins)
            digest = sha256(text.encode()).hexdigest() if good else None
            if digest:
                store.set_lock(digest, text)
            store.set_environment(
                EnvironmentRecord(
                    id=f"env-{version}",
                    role="cell",
                    kind="host",
                    status="completed" if good else "unsatisfiable",
                    lock_digest=digest,
                    python="3.12.1" if good else None,
                    reason="" if good else "no version 9.9.9",
                    seconds={"resolve": 0.5, "install": 1.5},
                    packages=("numpy==2.2.6", f"onnxruntime=={version}") if good else (),
                )
            )
            cell = CellRecord(
                id=identity,
                matrix="golden",
                axes=next(each.cell.axes for each in whole.cells if each.cell.id == identity),
                status=CellStatus.COMPLETED,
                stage=None,
                outcome=Outcome.OK,
                environment=f"env-{version}",
                attestation={"python": "3.12.1", "versions": {"onnxruntime": version}},
                seconds={"resolve": 0.5, "install": 1.5, "run": 2.0},
                repro="pytest --compat-matrix golden.yaml",
            )
            if not good:
                cell = replace(
                    cell,
                    status=CellStatus.UNSATISFIABLE,
                    stage=Stage.RESOLVE,
                    outcome=Outcome.INFO,
                    reason="no version 9.9.9\nBecause there is none, it cannot be had.",
                    attestation={},
                )
            store.set_cell(cell)
        store.add_cases(cases(store))
        complete(store, whole)
        store.finish("2026-11-21T10:05:00+00:00")
        write_outputs(store)
    (folder / "run.sqlite").unlink()


if __name__ == "__main__":
    if FOLDER.exists():
        sys.exit(f"{FOLDER} exists; stored runs of a schema are never made again")
    make(FOLDER)
