"""The output files: the fields that were agreed, and the same bytes for the same run."""

from __future__ import annotations

import errno
import gzip
import io
import json
import math
import resource
import secrets
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.environments.protocol import EnvironmentSpec
from pytest_modelcompat.matrix.model import Cell, CheckEntry, Framework, Image, Matrix, Removed
from pytest_modelcompat.results.complete import complete, planned_cases
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage
from pytest_modelcompat.results.plan_file import plan_digest, plan_text, write_plan
from pytest_modelcompat.results.write import write_lines, write_outputs
from pytest_modelcompat.runner.plan import Plan, PlannedCase, PlannedCell, Workload
from tests.unit.stored_runs import ENVIRONMENT, LOCK, case, cell, open_store, report_folder


def lines(folder: Path) -> list[dict]:
    return [
        json.loads(line)
        for line in gzip.decompress((folder / "cases.jsonl.gz").read_bytes()).splitlines()
    ]


def test_a_case_has_the_fields_that_were_agreed(tmp_path: Path):
    record = case(
        3,
        status="crashed",
        error={"type": "", "message": "boom", "signal": "SIGSEGV", "exit_code": 0,
               "output": "tail"},
        signature="boom <n>",
        known="K-1",
        outcome="xfail",
        mismatch={"output": "y", "max_abs": math.inf, "actual": math.nan, "index": [0]},
        attribution="optimizer",
        attribution_detail={"optimizer_off": "passed"},
        run_seconds=(0.3, 0.1, 0.2),
        repro="pytest x",
    )  # fmt: skip
    record = replace(record, judgement=replace(record.judgement, rule="r1", stage=Stage.RUN))
    report_folder(
        tmp_path, [case(0), record, case(4, status="not_run", reason="stopped", outcome="info")]
    )
    first, second, third = lines(tmp_path)
    assert first == {
        "cell": "cell-a", "n": 0, "check": "op_support", "unit": "ai.onnx::Op0",
        "case": "test_op_0@onnx==1.18.0", "opset": 13, "stage": "compare", "status": "passed",
        "outcome": "ok", "requested": "CPUExecutionProvider", "ran_on": {"CPUExecutionProvider": 1},
        "reference": {"kind": "onnx", "source": "onnx==1.18.0"},
        "seconds": {"load": 0.002, "run": 0.001},
    }  # fmt: skip
    assert second["error"] == {
        "signature": "boom <n>", "message": "boom", "rule": "r1", "signal": "SIGSEGV",
        "exit_code": 0, "output": "tail",
    }  # fmt: skip
    assert second["mismatch"] == {"output": "y", "max_abs": "inf", "actual": "nan", "index": [0]}
    assert second["seconds"] == {
        "load": 0.002,
        "run": 0.2,
        "runs": {"n": 3, "min": 0.1, "max": 0.3},
    }
    assert (second["known"], second["outcome"], second["stage"]) == ("K-1", "xfail", "run")
    assert second["attribution"] == "optimizer"
    assert second["attribution_detail"] == {"optimizer_off": "passed"}
    assert second["repro"] == "pytest x"
    assert third["reason"] == "stopped"
    assert "error" not in third


def test_the_run_has_the_fields_that_were_agreed(tmp_path: Path):
    broken = cell(
        "cell-b", status=CellStatus.ENVIRONMENT_FAILED, stage=Stage.IMPORT, outcome=Outcome.NOT_OK,
        reason="no", known="K", notes=("torn",), repro="pytest y", image="debian:bookworm",
        image_digest="sha256:1", attestation={"cpu": "x"}, environment="unknown",
    )  # fmt: skip
    report_folder(tmp_path, [case(0), case(1, status="failed")], [cell(), broken])
    data = json.loads((tmp_path / "run.json").read_text())
    assert list(data) == [
        "schema", "run", "environments", "cells", "ranges", "ranges_left_out",
    ]  # fmt: skip
    assert data["schema"] == 1
    assert data["run"] == {
        "id": "20261121T100000-abcdef", "started": "2026-11-21T10:00:00+00:00",
        "finished": "2026-11-21T10:05:00+00:00",
        "tool": {"name": "pytest-modelcompat", "version": "0.1.0"},
        "host": {"system": "Linux", "machine": "x86_64", "cpus": 2},
        "matrices": [{"name": "m", "file": "m.yaml", "digest": "d" * 64}],
        "plan_digest": "p", "baseline": None,
    }  # fmt: skip
    assert data["environments"] == [{
        "id": "env-a", "role": "cell", "kind": "host", "lock_digest": LOCK, "status": "completed",
        "seconds": {"resolve": 0.5, "install": 1.25}, "python": "3.12.1",
        "packages": ["numpy==2.2.6", "onnxruntime==1.31.1"],
    }]  # fmt: skip
    assert data["cells"][0] == {
        "id": "cell-a", "matrix": "m", "status": "completed", "outcome": "ok",
        "axes": {"framework": "onnxruntime==1.31.1", "python": "3.12", "image": "host",
                 "provider": "CPUExecutionProvider"},
        "environment": {"id": "env-a", "kind": "host", "image": "host", "python": "3.12.1",
                        "lock": f"locks/{LOCK}.txt", "lock_digest": LOCK},
        "counts": {"failed": 1, "passed": 1},
        "seconds": {"resolve": 0.5, "install": 1.25, "run": 2.0},
    }  # fmt: skip
    assert data["cells"][1] == {
        "id": "cell-b", "matrix": "m", "status": "environment_failed", "outcome": "not_ok",
        "axes": data["cells"][0]["axes"], "stage": "import", "reason": "no", "known": "K",
        "environment": {"id": "unknown", "image": "debian:bookworm", "image_digest": "sha256:1"},
        "attestation": {"cpu": "x"}, "counts": {}, "notes": ["torn"], "repro": "pytest y",
        "seconds": {"resolve": 0.5, "install": 1.25, "run": 2.0},
    }  # fmt: skip
    assert (tmp_path / "locks" / f"{LOCK}.txt").read_text().startswith("numpy==2.2.6 --hash")


def test_the_same_run_gives_the_same_bytes(tmp_path: Path):
    cases = [case(n) for n in range(50)]
    one, two = report_folder(tmp_path / "1", cases), report_folder(tmp_path / "2", cases[::-1])
    assert (one / "cases.jsonl.gz").read_bytes()[4:8] == bytes(4)  # no time in its head
    for name in ("run.json", "cases.jsonl.gz"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


# -- the plan ------------------------------------------------------------------------------------


def planned_cell(identity: str, workloads: tuple[Workload, ...], **changes) -> PlannedCell:
    axes = (("framework", "onnxruntime==1.31.1"), ("python", "3.12"), ("provider", identity))
    made = Cell(
        id=identity, matrix="m", matrix_file=Path("/somewhere/m.yaml"), axes=axes,
        framework=Framework(distribution="onnxruntime", version="1.31.1", runtime="onnxruntime"),
        python="3.12", image=Image(), provider="CPUExecutionProvider",
        requirements=("onnxruntime==1.31.1",), **changes,
    )  # fmt: skip
    return PlannedCell(cell=made, environment=SPEC, workloads=workloads)


SPEC = EnvironmentSpec(
    id="env-a", role="cell", python="3.12", requirements=("onnxruntime==1.31.1",)
)


def workload(number: int = 4, digest: str = "w", check: str = "op_support") -> Workload:
    cases = tuple(
        PlannedCase(unit=f"ai.onnx::Op{n // 2}", name=f"test_{n}@onnx==1.18.0", bundle=0, index=n)
        for n in range(number)
    )
    return Workload(
        check=check, digest=digest, entry=CheckEntry(check=check), cases=cases, bundles=()
    )


def plan(*cells: PlannedCell, removed: tuple[Removed, ...] = (), matrix: str = "1" * 64) -> Plan:
    made = Matrix(
        name="m", file=Path("/somewhere/m.yaml"), digest=matrix,
        cells=tuple(each.cell for each in cells), removed=removed,
    )  # fmt: skip
    return Plan(digest="p", matrices=(made,), environments=(SPEC,), cells=cells)


def test_the_plan_file_holds_every_cell_unit_and_case(tmp_path: Path):
    shared = workload()
    second = replace(workload(1, check="parity"), cases=(
        PlannedCase(unit="labels", name="labels/random-0", bundle=0, index=0, not_run="no data"),
    ))  # fmt: skip
    removed = (Removed(axes=(("python", "3.9"),), rule="exclude[0] (line 3)"),)
    whole = plan(
        planned_cell("a", (shared, second), rules=("adjust[0] (line 9): packages +numpy<2",)),
        planned_cell("b", (shared,), skip="too old"),
        planned_cell("c", ()),
        removed=removed,
    )
    write_plan(tmp_path, whole)
    text = (tmp_path / "plan.json").read_text()
    data = json.loads(text)
    assert text == "".join(plan_text(whole))
    assert data["schema"] == 1
    assert data["digest"] == "p"
    assert data["matrices"][0] == {
        "name": "m", "file": "m.yaml", "digest": "1" * 64,
        "removed": [{"axes": {"python": "3.9"}, "rule": "exclude[0] (line 3)"}],
    }  # fmt: skip
    assert data["environments"][0]["requirements"] == ["onnxruntime==1.31.1"]
    a, b, c = data["cells"]
    assert (a["id"], a["matrix"], a["environment"], a["runtime"]) == (
        "a",
        "m",
        "env-a",
        "onnxruntime",
    )
    assert a["axes"]["framework"] == "onnxruntime==1.31.1"
    assert a["rules"] == ["adjust[0] (line 9): packages +numpy<2"]
    assert "skip" not in a
    assert b["skip"] == "too old"
    assert c["units"] == []
    names = [f"test_{n}@onnx==1.18.0" for n in range(4)]
    nothing = {"not_run": {"labels/random-0": "no data"}}
    assert a["units"] == [
        {"check": "op_support", "unit": "ai.onnx::Op0", "cases": names[:2]},
        {"check": "op_support", "unit": "ai.onnx::Op1", "cases": names[2:]},
        {"check": "parity", "unit": "labels", "cases": ["labels/random-0"], **nothing},
    ]
    # Counting through the file gives the cases' numbers.
    names = [(u["check"], u["unit"], name) for u in a["units"] for name in u["cases"]]
    assert [(n, *each) for n, each in enumerate(names)] == list(planned_cases(whole.cells[0]))
    assert "/somewhere" not in text


def test_the_plan_s_digest_is_of_all_that_decides_the_run(monkeypatch):
    shared = workload()
    base = plan(planned_cell("a", (shared,)))
    others = [
        plan(planned_cell("b", (shared,))),
        plan(planned_cell("a", (shared,)), matrix="2" * 64),
        plan(planned_cell("a", (workload(5),))),
        plan(planned_cell("a", (workload(digest="x"),))),
        plan(planned_cell("a", (replace(shared, repeats=2),))),
        plan(planned_cell("a", (shared,)), planned_cell("c", ())),
        plan(planned_cell("a", (shared,), env=(("A", "1"),))),
        plan(planned_cell("a", (shared,), options=(("x", "y"),))),
        plan(planned_cell("a", (shared,), skip="no")),
        replace(base, environments=()),
    ]
    digests = {plan_digest(each) for each in [base, *others]}
    assert len(digests) == len(others) + 1
    # Made anew from equal parts it is the same, whatever digest it carries itself.
    same = replace(plan(planned_cell("a", (workload(),))), digest="other")
    assert plan_digest(same) == plan_digest(base)
    monkeypatch.setattr("pytest_modelcompat.results.plan_file.__version__", "9")
    assert plan_digest(base) not in digests


def test_every_planned_case_ends_in_exactly_one_status(tmp_path: Path):
    shared = workload(6)
    impossible = replace(shared, cases=(
        *shared.cases[:5],
        replace(shared.cases[5], not_run="reference cannot be had"),
    ))  # fmt: skip
    whole = plan(
        planned_cell("run", (shared,)),
        planned_cell("never", (impossible, shared)),
        planned_cell("skipped", (shared,), skip="too old"),
        planned_cell("broken", (shared,)),
        planned_cell("deselected", (shared,)),
    )
    with open_store(tmp_path) as store:
        store.register_cells(each.cell.id for each in whole.cells)
        store.add_cases([case(0, cell="run"), case(1, cell="run", status="failed")])
        store.set_cell(cell("run"))
        failed = CellStatus.ENVIRONMENT_FAILED
        store.set_cell(
            cell("broken", status=failed, stage=Stage.INSTALL, reason="no wheel\ndetails")
        )
        filled = complete(store, whole, reason="stopped", reasons={"deselected": "deselected"})
        assert filled == {"run": 4, "never": 12, "skipped": 6, "broken": 6, "deselected": 6}
        assert complete(store, whole) == {}
        assert store.counts() == {
            "run": {"failed": 1, "not_run": 4, "passed": 1}, "never": {"not_run": 12},
            "skipped": {"skipped": 6}, "broken": {"not_run": 6}, "deselected": {"not_run": 6},
        }  # fmt: skip
        reasons = {
            each.id: [case.measurement.reason for case in store.cases(cell=each.id)][-1]
            for each in store.cells()
        }
        assert reasons == {
            "run": "stopped", "never": "stopped", "skipped": "too old", "broken": "no wheel",
            "deselected": "deselected",
        }  # fmt: skip
        never = [each.measurement.reason for each in store.cases(cell="never")]
        assert never == ["stopped"] * 5 + ["reference cannot be had"] + ["stopped"] * 6
        statuses = {each.id: each.status.value for each in store.cells()}
        assert statuses["never"] == statuses["deselected"] == "interrupted"
        write_outputs(store)
    data = json.loads((tmp_path / "run.json").read_text())
    assert {each["id"]: sum(each["counts"].values()) for each in data["cells"]} == {
        "run": 6, "never": 12, "skipped": 6, "broken": 6, "deselected": 6,
    }  # fmt: skip
    assert [each["id"] for each in data["cells"]] == [each.cell.id for each in whole.cells]


@pytest.mark.slow
def test_a_plan_of_a_million_cases_is_written_at_once(tmp_path: Path):
    shared = workload(2000)
    whole = plan(*(planned_cell(f"cell-{n}", (shared,)) for n in range(500)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    digest = plan_digest(whole)
    write_plan(tmp_path, replace(whole, digest=digest))
    took = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert took < 120, f"{took:.1f} s"  # a guard; benchmarks/ measure
    assert grown < 50 * 1024, f"{grown // 1024} MB"
    assert (tmp_path / "plan.json").read_text().count("@onnx==1.18.0") == 1_000_000


def test_environments_without_a_lock_have_none(tmp_path: Path):
    bare = replace(ENVIRONMENT, lock_digest=None, python=None, packages=())
    report_folder(tmp_path, [case(0)], environments=[bare])
    data = json.loads((tmp_path / "run.json").read_text())
    assert data["cells"][0]["environment"] == {"id": "env-a", "kind": "host", "image": "host"}
    assert "lock_digest" not in data["environments"][0]


def test_a_line_that_cannot_be_made_or_written_ends_the_file(tmp_path: Path):
    """Compressing goes on beside the lines, and what happens there is told here."""

    def torn():
        yield "x" * 2**18
        raise ValueError("no line")

    with pytest.raises(ValueError, match="no line"), (tmp_path / "a").open("wb") as file:
        write_lines(file, torn())

    class Full(io.BytesIO):
        def write(self, data):
            if len(self.getvalue()) > 2**10:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    made = []

    def endless():
        while True:
            made.append(1)
            yield secrets.token_hex(2**16)

    with pytest.raises(OSError, match="No space left"):
        write_lines(Full(), endless())
    assert len(made) < 100  # nobody goes on for a file that will not be


def test_a_piece_that_was_not_written_is_told_also_if_it_is_the_last():
    class Once(io.BytesIO):
        failed = False

        def write(self, data):
            if len(self.getvalue()) > 2**10 and not self.failed:
                self.failed = True
                raise OSError(errno.EIO, "Input/output error")
            return super().write(data)

    with pytest.raises(OSError, match="Input/output"):
        write_lines(Once(), [secrets.token_hex(2**18)] * 2)


def test_lines_of_any_length_come_back(tmp_path: Path):
    texts = ["", "a", "b" * 2**20, "", *(str(n) for n in range(100_000)), "é"]
    with (tmp_path / "a").open("wb") as file:
        write_lines(file, texts)
    with gzip.open(tmp_path / "a", "rt", encoding="utf-8") as read:
        assert read.read() == "".join(f"{each}\n" for each in texts)
    with (tmp_path / "b").open("wb") as file:
        write_lines(file, [])
    with gzip.open(tmp_path / "b") as none:
        assert none.read() == b""
