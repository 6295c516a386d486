"""A pytest plugin that takes the measuring out of a run: what is left is this package's own work.

    python -m pytest -p instant --instant=items|cells --instant-corpus FILE --compat-matrix ...

Plan, collection and items are always the real ones. With `cells` the environment is there and its
worker has the answer to each case at once: judged, stored, counted, written and shown they are in
the real way. With `items` everything is counted before the first item asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_modelcompat import pipeline
from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.protocol import Lock, Prepared
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
from pytest_modelcompat.runner import corpora, one_cell
from pytest_modelcompat.runner.board import Board
from pytest_modelcompat.runner.measure import CellEnd
from pytest_modelcompat.runner.verdicts import Verdicts
from pytest_modelcompat.worker import bundle
from pytest_modelcompat.worker.values import Value

if TYPE_CHECKING:
    from pytest_modelcompat.environments.protocol import EnvironmentSpec
    from pytest_modelcompat.runner.plan import PlannedCell

BATCH = 200
_PASSED = Judgement(status=Status.PASSED, stage=Stage.COMPARE)
_FINE = Expectation(outcome=Outcome.OK)


def write_corpus(path: Path, *, units: int, cases: int) -> None:
    """A corpus of that many operators with that many cases each."""
    made = (
        {
            "name": f"test_operator{unit}_{case}",
            "unit": f"ai.onnx::Operator{unit}",
            "model": f"{unit} {case}".encode(),
            "inputs": [],
            "outputs": [("y", Value.tensor("float32", (1,), bytes(4)))],
            "rtol": 1e-3,
            "atol": 1e-7,
            "opset": 1 + unit % 20,
            "op": {"domain": "ai.onnx", "type": f"Operator{unit}", "since": 1},
            "ir": 8,
            "imports": {"ai.onnx": 20},
        }
        for unit in range(units)
        for case in range(cases)
    )
    operators = [["ai.onnx", f"Operator{unit}", 1] for unit in range(units)]
    meta = {"onnx": "1.22.0", "count": units * cases, "operators": operators, "left_out": []}
    bundle.write(path, meta, made)


def matrix(cells: int) -> str:
    """A matrix of so many cells, written with axes."""
    releases = ", ".join(f'"1.{number}.0"' for number in range(10, 10 + -(-cells // 5)))
    return f"""\
schema: 1
axes:
  framework: {{onnxruntime: [{releases}]}}
  python: ["3.9", "3.10", "3.11", "3.12", "3.13"]
checks:
  op_support: {{corpus: ["onnx==1.22.0"]}}
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """What is instant."""
    parser.addoption("--instant", choices=["items", "cells"], required=True)
    parser.addoption("--instant-corpus", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    """Put the instant parts in the places of the real ones."""
    install(config.getoption("instant_corpus"), what=config.getoption("instant"))


def install(path: Path, *, what: str) -> None:
    """The same without pytest: in this process, from now on."""
    corpora.collect = lambda name, *, cache: corpora.Corpus(name=name, path=path)  # noqa: ARG005
    if what == "items":
        pipeline.start = Counted
        pipeline.finish = lambda *_, **__: pipeline.Ended(green=True, lines=())
    else:
        registry.prepare = _prepare
        one_cell.Measurer = Measured


class Stopwatch:
    """Seconds of the steps of a session, as passed and as computed, printed at its end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def _step(self, name: str) -> Generator[None, Any, Any]:
        began, computed = time.perf_counter(), time.process_time()
        result = yield
        self.seconds[name] = time.perf_counter() - began
        self.seconds[f"{name}_computed"] = time.process_time() - computed
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, Any, Any]:
        """Plan and items."""
        return (yield from self._step("collect"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, Any, Any]:
        """Every item's report."""
        for made in Counted.made:
            made.count()
        return (yield from self._step("run"))

    def pytest_unconfigure(self) -> None:
        """The last line."""
        told = " ".join(f"{name}={seconds:.4f}" for name, seconds in self.seconds.items())
        print(f"\nseconds: {told}")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Time what follows."""
    session.config.pluginmanager.register(Stopwatch())


class Counted:
    """A run in which everything is counted already: stands in the place of `Running`."""

    error = None
    made: ClassVar[list[Counted]] = []

    def __init__(self, planned: pipeline.Planned, selection: Any) -> None:
        self.plan = planned.plan
        self.settings = planned.settings
        self.board = Board(self.plan.cells, selection)
        self.verdicts = Verdicts(self.plan, fail_on=(), baseline=None)
        self.made.append(self)

    def count(self) -> None:
        """Let every case have passed."""
        for each in self.plan.cells:
            self.board.count(_record(each, n, unit=case.unit, name=case.name)
                             for n, _, case in each.cases())  # fmt: skip
            self.board.close_cell(
                CellRecord(
                    id=each.cell.id,
                    matrix=each.cell.matrix,
                    axes=each.cell.axes,
                    status=CellStatus.COMPLETED,
                    stage=None,
                    outcome=Outcome.OK,
                )
            )
        self.board.finish()

    def abandon(self) -> None:
        """There is nothing to leave behind."""


class Measured:
    """Has every answer at once: stands in the place of `Measurer`."""

    def __init__(
        self,
        planned: PlannedCell,
        prepared: Prepared,
        *,
        wanted: list[int],
        store: Any,
        board: Board,
        verdicts: Verdicts,
        repro: Callable[..., str],
        **_: Any,
    ) -> None:
        self.planned, self.prepared, self.wanted = planned, prepared, set(wanted)
        self.store, self.board, self.verdicts, self.repro = store, board, verdicts, repro

    def stop(self, reason: str) -> None:
        """It is too fast for that."""

    def measure(self) -> CellEnd:
        """Store and count a record for each case that is wanted."""
        began = time.monotonic()
        batch: list[CaseRecord] = []
        for n, work, case in self.planned.cases():
            if n in self.wanted:
                made = _record(self.planned, n, unit=case.unit, name=case.name)
                shown = self.repro(self.planned, work.check, case.unit)
                made = replace(made, reference=case.reference, repro=shown)
                batch.append(self.verdicts.expect(made))
            if len(batch) == BATCH:
                self._keep(batch)
                batch = []
        self._keep(batch)
        return CellEnd(status=CellStatus.COMPLETED, seconds=time.monotonic() - began)

    def _keep(self, batch: list[CaseRecord]) -> None:
        self.store.add_cases(batch)
        self.board.count(batch)


def _record(planned: PlannedCell, n: int, *, unit: str, name: str) -> CaseRecord:
    return CaseRecord(
        cell=planned.cell.id,
        n=n,
        check="op_support",
        unit=unit,
        case=name,
        requested=planned.cell.provider,
        measurement=Measurement(
            stage=Stage.COMPARE,
            ended="returned",
            outputs=("=",),
            ran_on={planned.cell.provider: 1},
            load_seconds=0.001 + n * 1e-9,
            run_seconds=(0.0001 + n * 1e-9,),
            peak_rss=50_000_000 + n,
            opset=17,
        ),
        judgement=_PASSED,
        expectation=_FINE,
    )


def _prepare(spec: EnvironmentSpec, *, cache: Path, **_: Any) -> Prepared:
    packages = tuple(tuple(each.partition("==")[::2]) for each in spec.requirements)
    text = "\n".join(spec.requirements)
    return Prepared(
        spec=spec,
        python=("python",),
        python_version=spec.python,
        lock=Lock(digest=sha256(text.encode()).hexdigest(), text=text, packages=packages),
        folder=cache,
        seconds={},
        reused=True,
    )
