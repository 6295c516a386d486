"""For the tests of those who write adapters: a real worker, on cases that a test writes down.

    case = Case(model=b"…", inputs={"x": value})
    tried = try_adapter(Path("adapter.py"), [case], folder=tmp_path)
    assert tried.answers[0].outputs == {"y": expected}

The adapter runs where it will run: in a child of the worker's supervisor, with its time and memory
limited, imported from a folder of its own. A crash or a hang of it is an answer, not the end of the
test.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.protocol import EnvironmentSpec, Prepared
from pytest_modelcompat.environments.resolve import lock_from_text
from pytest_modelcompat.runner import cell, command
from pytest_modelcompat.runner.events import Refused
from pytest_modelcompat.runner.orders import place_adapter
from pytest_modelcompat.runner.settings import ExporterFile
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker import bundle
from pytest_modelcompat.worker.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_modelcompat.environments.protocol import WorkerProcess
    from pytest_modelcompat.matrix.model import Limits

__all__ = ["Answer", "Case", "ExporterFile", "Here", "Tried", "Value", "try_adapter"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One measurement.

    Attributes:
        model: a model file's content, as the adapter's `load` gets it.
        inputs: name or position of an input -> its value.
    """

    model: bytes
    inputs: Mapping[str | int, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a case.

    Attributes:
        ended: "answered", "raised", "crashed", "timed_out" or "out_of_memory".
        stage: where it ended: "load", "assign" or "run"; "run" where it answered.
        outputs: of the first run; empty where there are none.
        error: {"type", "message"} where it raised, {"signal", "exit_code"} where it died.
        ran_on: provider -> nodes, or None where the adapter has no evidence.
    """

    ended: str
    stage: str
    outputs: Mapping[str, Value] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)
    ran_on: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What an adapter did.

    Attributes:
        answers: one for each case, in the cases' order; empty where it did not come to that.
        attestation: what `info` and the interpreter say.
        unavailable: why the provider cannot be used, or the adapter not be imported; empty: it can.
    """

    answers: tuple[Answer, ...]
    attestation: Mapping[str, Any]
    unavailable: str = ""


class Here:
    """A kind of environment that takes an interpreter as it is; to build one's own upon."""

    name = "here"

    def __init__(self, python: str = sys.executable) -> None:
        self.python = python

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Prepared:  # noqa: ARG002
        """Nothing has to be made."""
        return Prepared(
            spec=spec,
            python=(self.python,),
            python_version=platform.python_version(),
            lock=lock_from_text(""),
            folder=Path(self.python).parent,
            seconds={"resolve": 0.0, "install": 0.0},
            reused=True,
        )

    def start(
        self,
        prepared: Prepared,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        files: Sequence[Path],  # noqa: ARG002 - all of them are within reach
        folder: Path,
        limits: Limits | None = None,  # noqa: ARG002 - the worker sees to them
    ) -> WorkerProcess:
        """Start the interpreter."""
        return command.start([*prepared.python, *arguments], env=env, cwd=folder)

    def inside(self, file: Path, *, prepared: Prepared, folder: Path) -> Path:  # noqa: ARG002
        """The same file."""
        return file


def try_adapter(
    adapter: Path,
    cases: Sequence[Case],
    *,
    folder: Path,
    provider: str = "cpu",
    options: Mapping[str, str] | None = None,
    distribution: str = "",
    python: str = sys.executable,
    seconds: float = 30.0,
    memory: int | None = None,
) -> Tried:
    """Run an adapter in a real worker.

    Args:
        adapter: its file.
        cases: to run, in this order.
        folder: an empty one, to work in.
        provider: asked for.
        options: of the adapter.
        distribution: that the adapter is told.
        python: an interpreter that has what the adapter imports.
        seconds: for one case.
        memory: bytes of address space.
    """
    path = folder / "cases.bundle"
    bundle.write(
        path,
        {},
        [
            {
                "name": str(n),
                "unit": "model",
                "model": case.model,
                "inputs": list(case.inputs.items()),
            }
            for n, case in enumerate(cases)
        ],
    )
    module = place_adapter(adapter, adapter.stem, folder)
    kind = Here(python)
    spec = EnvironmentSpec(id="here", role="cell", python=python, requirements=())
    order = cell.Order(
        runtime=f"module:{module.stem}",
        distribution=distribution or adapter.stem,
        provider=provider,
        options=options or {},
        case=seconds,
        memory=memory,
        bundles=(path,),
        path=(module.parent,),
    )
    process = cell.CellProcess(
        kind,
        kind.prepare(spec, cache=folder),
        order=order,
        folder=folder,
        env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TMPDIR": str(folder)},
        worker=worker_file(folder),
    )
    with process:
        process.submit([cell.CaseOrder(n=n, bundle=0, index=n) for n in range(len(cases))])
        process.finish()
        return _tried(list(process.events()))


def _tried(events: Sequence[cell.Event]) -> Tried:
    answers: dict[int, Answer] = {}
    attestation: Mapping[str, Any] = {}
    unavailable = ""
    for event in events:
        if isinstance(event, cell.Attest):
            attestation = event.facts
        elif isinstance(event, cell.Unavailable | Refused):
            unavailable = event.reason
        elif isinstance(event, cell.ImportFailed):
            unavailable = event.text()
        elif isinstance(event, cell.Result):
            answers[event.n] = Answer(
                ended="raised" if event.error else "answered",
                stage=event.stage,
                outputs=dict(event.outputs[0]) if event.outputs else {},
                error=event.error or {},
                ran_on=event.ran_on,
            )
        elif isinstance(event, cell.Ended):
            answers[event.n] = Answer(
                ended=event.how,
                stage=event.stage,
                error={"signal": event.signal, "exit_code": event.exit_code},
            )
    return Tried(
        answers=tuple(answers[n] for n in sorted(answers)),
        attestation=attestation,
        unavailable=unavailable,
    )
