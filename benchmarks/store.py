"""A million results: how fast they are taken in and read back, and in how much memory.

    python -m benchmarks.store [--results N] [--batch N]

Each stage is a process of its own, so that its peak memory is its own. Taking in is compared with
a bare loop that puts the same cases, as one JSON text each, into a bare SQLite table with as many
rows to a commit.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from pytest_modelcompat.results.compare import compare_runs
from pytest_modelcompat.results.compat import compat
from pytest_modelcompat.results.info import new_run
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import (
    CaseRecord,
    CellRecord,
    CellStatus,
    Expectation,
    Judgement,
    Measurement,
    Outcome,
    Stage,
    Status,
)
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.write import write_outputs

PER_CELL = 2000
RATE = 10_000  # results a second, at least
MEMORY = 300  # MB, at most


def results(number: int) -> Iterator[CaseRecord]:
    """Cases as a corpus gives them: most pass, some fail, each in its own time."""
    reference = {"kind": "onnx", "source": "onnx==1.18.0", "rtol": 1e-3, "atol": 1e-7}
    passed = Judgement(status=Status.PASSED, stage=Stage.COMPARE)
    fine, bad = Expectation(outcome=Outcome.OK), Expectation(outcome=Outcome.NOT_OK)
    for count in range(number):
        cell, n = divmod(count, PER_CELL)
        failed = n % 10 == 9
        yield CaseRecord(
            cell=f"cell-{cell}",
            n=n,
            check="op_support",
            unit=f"ai.onnx::Operator{n // 10}",
            case=f"test_operator_{n}@onnx==1.18.0",
            requested="CPUExecutionProvider",
            measurement=Measurement(
                stage=Stage.LOAD if failed else Stage.COMPARE,
                ended="raised" if failed else "returned",
                error={"type": "Fail", "message": f"Could not find it in {n}"} if failed else None,
                outputs=() if failed else ("=",),
                ran_on=None if failed else {"CPUExecutionProvider": 1 + n % 3},
                load_seconds=0.001 + count * 1e-9,
                run_seconds=() if failed else (0.0001 + count * 1e-9,),
                peak_rss=50_000_000 + count,
                opset=1 + n % 20,
            ),
            judgement=Judgement(
                status=Status.ERROR, stage=Stage.LOAD, signature=f"Could not find it {n % 40}"
            )
            if failed
            else passed,
            expectation=bad if failed else fine,
            reference=reference,
            repro=f"pytest 'matrix.yaml::cell-{cell}::op_support::ai.onnx.Operator{n // 10}'",
        )


def ingest(folder: Path, number: int, batch: int) -> float:
    """The cases into the store; the time is of the store alone."""
    spent = 0.0
    with Store.open(folder, plan_digest="p", run=new_run()) as store:
        pending = []
        for each in results(number):
            pending.append(each)
            if len(pending) == batch:
                start = time.perf_counter()
                store.add_cases(pending)
                spent += time.perf_counter() - start
                pending = []
        store.add_cases(pending)
        for cell in range(-(-number // PER_CELL)):
            store.set_cell(
                CellRecord(
                    id=f"cell-{cell}",
                    matrix="m",
                    axes=(
                        ("framework", f"onnxruntime==1.{cell // 10}"),
                        ("python", f"3.{cell % 10}"),
                    ),
                    status=CellStatus.COMPLETED,
                    stage=None,
                    outcome=Outcome.OK,
                )
            )
        store.finish()
    return spent


def bare(folder: Path, number: int, batch: int) -> float:
    """The same cases as one text each, by hand."""
    folder.mkdir(exist_ok=True)
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE result (cell TEXT, n INTEGER, record TEXT)")
    spent = 0.0
    pending: list[CaseRecord] = []

    def commit() -> None:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO result VALUES (?, ?, ?)",
            [(each.cell, each.n, json.dumps(asdict(each))) for each in pending],
        )
        connection.execute("COMMIT")
        pending.clear()

    for each in results(number):
        pending.append(each)
        if len(pending) == batch:
            start = time.perf_counter()
            commit()
            spent += time.perf_counter() - start
    commit()
    connection.close()
    return spent


def write(folder: Path, number: int, batch: int) -> float:
    """run.json and cases.jsonl.gz from the store."""
    del number, batch
    with Store.existing(folder) as store:
        start = time.perf_counter()
        write_outputs(store)
        return time.perf_counter() - start


def read(folder: Path, number: int, batch: int) -> float:
    """Every case from the output files, checked."""
    del batch
    start = time.perf_counter()
    assert sum(1 for _ in load(folder).cases()) == number
    return time.perf_counter() - start


def compare(folder: Path, number: int, batch: int) -> float:
    """Two runs of that many cases each."""
    del batch
    run = load(folder)
    start = time.perf_counter()
    assert sum(1 for _ in compare_runs(run, run)) == number // 10
    return time.perf_counter() - start


def condense(folder: Path, number: int, batch: int) -> float:
    """compat.json's data."""
    del number, batch
    start = time.perf_counter()
    compat(load(folder))
    return time.perf_counter() - start


STAGES: dict[str, Callable[[Path, int, int], float]] = {
    "ingest": ingest,
    "bare": bare,
    "write": write,
    "read": read,
    "compare": compare,
    "condense": condense,
}


def peak() -> float:
    """MB that this process held at most.

    Not `ru_maxrss`: that starts at what the parent held when it forked, through exec.
    """
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(stage: str, folder: Path, number: int, batch: int) -> tuple[float, float]:
    """Seconds and peak MB of a stage in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.store", "--stage", stage, "--folder", str(folder),
         "--results", str(number), "--batch", str(batch)],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def main() -> int:
    """Print the figures of one run; 1 where a budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--stage", choices=STAGES)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.stage:
        seconds = STAGES[given.stage](given.folder, given.results, given.batch)
        memory = peak()
        print(json.dumps([seconds, memory]))
        return 0
    most = 0.0
    with tempfile.TemporaryDirectory() as folder:
        spent = {}
        for stage in STAGES:
            seconds, memory = measure(stage, Path(folder) / "run", given.results, given.batch)
            spent[stage] = seconds
            if stage != "bare":
                most = max(most, memory)
            print(
                f"{stage:9} {seconds:7.2f} s {given.results / seconds:10,.0f} results/s"
                f" {memory:6.0f} MB peak"
            )
        size = (Path(folder) / "run" / "run.sqlite").stat().st_size
        packed = (Path(folder) / "run" / "cases.jsonl.gz").stat().st_size
        rate = given.results / spent["ingest"]
        kept = rate >= RATE and most < MEMORY
        missed = "" if rate >= RATE else "  MISSED"
        over = "" if most < MEMORY else "  MISSED"
        bare = spent["ingest"] / spent["bare"]
        print(f"run.sqlite {size / given.results:.0f} bytes a result, cases.jsonl.gz "
              f"{packed / given.results:.1f}")  # fmt: skip
        print(f"  results taken in a second  {rate:.0f}  target >= {RATE}{missed}")
        print(f"  taken in / a bare loop into SQLite  {bare:.2f}")
        print(f"  most memory of any stage, MB  {most:.0f}  target <= {MEMORY}{over}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
