"""Evidence about produced files that fail: asked when the first failure is there, kept, reused.

onnx' newest checker and evaluator look at a file once, in an environment of their own, whatever the
number of cells in which it fails.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.cache import file_lock, remove_tree
from pytest_modelcompat.environments.protocol import Failure, PlaceLostError
from pytest_modelcompat.results.blame import ASKED, Evidence, Heard, blame, settle
from pytest_modelcompat.results.model import Status
from pytest_modelcompat.results.terms import read_terms
from pytest_modelcompat.results.tolerance import Judge
from pytest_modelcompat.results.variants import ALONE
from pytest_modelcompat.runner.attending import attend
from pytest_modelcompat.runner.orders import process_environment
from pytest_modelcompat.runner.zipapp import worker_file
from pytest_modelcompat.worker.bundle import Bundle
from pytest_modelcompat.worker.values import Value, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import Prepared
    from pytest_modelcompat.results.model import CaseRecord, Judgement
    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.runner.plan import Plan, PlannedCase, PlannedCell, Workload

    Named = list[tuple[str | int, Value]]
    Changed = tuple[str, int, Judgement, None]

__all__ = ["Examiner", "settled"]

SECONDS = 300.0  # for one file; the evaluator is Python
"""Then its silence is the evidence."""


@dataclass(frozen=True, kw_only=True)
class _Examined:
    onnx: str = ""
    checker: str | None = None
    answers: list[Named | None] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    silent: str = ""


class Examiner:
    """Collects evidence about failing cases of a cell; safe from several threads.

    Args:
        cache: the cache folder.
        room: makes a private folder.
        prepare: gives the environment of the newest onnx.
    """

    def __init__(
        self,
        cache: Path,
        room: Callable[[str], AbstractContextManager[Path]],
        prepare: Callable[[], Prepared | Failure],
    ) -> None:
        self._cache = cache
        self._room = room
        self._prepare = prepare
        self._lock = threading.Lock()
        self._known: dict[tuple[Path, str], _Examined] = {}

    def judged(self, planned: PlannedCell, store: Store) -> Iterator[Changed]:
        """The failing cases of a cell whose models producers made, with who is to blame."""
        made = {n: (work, case) for n, work, case in planned.cases() if case.making is not None}
        if not made:
            return
        for status in ASKED:
            for record in list(store.cases(cell=planned.cell.id, check="parity", status=status)):
                if record.n not in made or record.measurement.stage.value in _NOT_THERE:
                    continue
                work, case = made[record.n]
                evidence = self._evidence(work, case, record, store)
                judgement = blame(record.judgement, evidence)
                if judgement != record.judgement:
                    yield record.cell, record.n, judgement, None

    def _evidence(
        self, work: Workload, case: PlannedCase, record: CaseRecord, store: Store
    ) -> Evidence:
        bundle = Bundle.open(work.bundles[case.bundle])
        about = bundle.case(case.index)
        expected = bundle.outputs(case.index)
        terms = read_terms(record.reference)
        judge = Judge(terms["tolerances"], suite=None, quantized=terms["quantized"])
        actual = _actual(record, store)
        exact = None
        if actual is not None and about.get("exact") is not None:
            exact = _agree(judge, actual, _like(bundle.outputs(about["exact"]) or [], actual))
        name = str(about["model"]["file"])
        if not name.endswith(".onnx"):
            return Evidence(exact=exact)
        found = self._examined(work, case, name, bundle)
        if found.silent:
            return Evidence(exact=exact, onnx=found.onnx, evaluator=found.silent)
        answer = found.answers[case.index]
        heard = found.said[case.index]
        if answer is not None and expected is not None:
            heard = Heard.OTHER
            if _agree(judge, answer, expected):
                heard = Heard.RIGHT
            elif actual is not None and _agree(judge, actual, _by_place(answer)):
                heard = Heard.SAME
        return Evidence(onnx=found.onnx, checker=found.checker, evaluator=heard, exact=exact)

    def _examined(self, work: Workload, case: PlannedCase, name: str, bundle: Bundle) -> _Examined:
        path = work.bundles[case.bundle]
        with self._lock:
            if (path, name) not in self._known:
                self._known[path, name] = self._examine(work, path, name, bundle)
            return self._known[path, name]

    def _examine(self, work: Workload, path: Path, name: str, bundle: Bundle) -> _Examined:
        prepared = self._prepare()
        if isinstance(prepared, Failure):
            return _Examined(silent=f"could not be asked: {prepared.reason}")
        worker = worker_file(self._cache / "worker")
        key = json.dumps([bundle.digest, name, prepared.lock.digest, worker.name])
        target = self._cache / "examined" / hashlib.sha256(key.encode()).hexdigest()
        with file_lock(target.with_suffix(".lock")):
            if (kept := _read(target)) is not None:
                return kept
            remove_tree(target)
            with self._room(f"examine {name}") as folder:
                said = self._ask(work, path, name, prepared=prepared, folder=folder, worker=worker)
                found = _read(folder / "out")
                if found is None:
                    return _Examined(silent=said)
                target.parent.mkdir(parents=True, exist_ok=True)
                (folder / "out").replace(target)
                return _read(target) or found

    def _ask(
        self,
        work: Workload,
        path: Path,
        name: str,
        *,
        prepared: Prepared,
        folder: Path,
        worker: Path,
    ) -> str:
        """Let onnx look; what is to be said where it does not come back."""
        kind = registry.kind_of(prepared.spec)
        (folder / "out").mkdir()
        scratch = folder / "scratch"
        scratch.mkdir()
        place = name.partition("/")[0]
        for each, source in work.models:
            if each.partition("/")[0] == place:
                target = folder / "files" / each
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        data = folder / "data.bundle"
        shutil.copyfile(path, data)
        count = sum(1 for case in work.cases if work.bundles[case.bundle] == path)
        inside = partial(kind.inside, prepared=prepared, folder=folder)
        order = {
            "model": str(inside(folder / "files") / name),
            "bundle": str(inside(data)),
            "count": count,
        }
        env = process_environment(prepared.spec, scratch, 1)
        try:
            process = kind.start(
                prepared,
                ("-I", str(inside(worker)), "examine"),
                env=env,
                files=[worker, data, folder / "files"],
                folder=folder,
            )
        except PlaceLostError as lost:
            return f"could not be asked: {lost}"
        with process:
            ended = attend(process, order, into=folder / "out", seconds=SECONDS)
        if ended.code is None:
            return f"no answer within {SECONDS:g} s"
        return f"ended at stage {ended.stage} with exit code {ended.code}"


_NOT_THERE = frozenset({"resolve", "install", "import", "produce", "check"})


def settled(plan: Plan, store: Store) -> Iterator[Changed]:
    """When all cells are done: what the neighbours in the matrix say about each failing case."""
    groups: dict[tuple[str, str, str], list[tuple[str, CaseRecord]]] = {}
    for planned in plan.cells:
        if not any(work.makings for work in planned.workloads):
            continue
        label = f"{planned.cell.framework}"
        for record in store.cases(cell=planned.cell.id, check="parity"):
            if (record.reference or {}).get("kind") == "producer":
                key = (planned.cell.matrix, record.unit, record.case)
                groups.setdefault(key, []).append((label, record))
    for group in groups.values():
        right = [label for label, each in group if each.judgement.status is Status.PASSED]
        wrong = [(label, each) for label, each in group if each.judgement.status in ASKED]
        for label, record in wrong:
            if record.measurement.stage.value in _NOT_THERE:
                continue
            if ALONE in record.judgement.attribution_detail:
                continue  # right by the file's own reference: nobody's failure but the variant's
            others = [other for other, each in wrong if each is not record and other != label]
            judgement = settle(record.judgement, right=right, wrong=others)
            if judgement != record.judgement:
                yield record.cell, record.n, judgement, None


def _actual(record: CaseRecord, store: Store) -> Named | None:
    """What the runtime answered, where it did and not what was expected."""
    marks = [mark for mark in record.measurement.outputs if len(mark) > 1]
    if record.judgement.status is not Status.FAILED or not marks:
        return None
    found: Named = decode(store.get_blob(marks[0]))
    return found


def _agree(judge: Judge, actual: Named, expected: Any) -> bool:
    return judge.compare([(str(key), value) for key, value in actual], expected).agree


def _by_place(named: Named) -> Named:
    return [(at, value) for at, (_, value) in enumerate(named)]


def _like(exact: Named, actual: Named) -> Named:
    """float64 outputs in the types of the answer that they are compared with."""
    import numpy as np  # noqa: PLC0415 - only after a failure

    found: Named = []
    for at, (key, value) in enumerate(exact):
        other = dict(actual).get(key) if isinstance(key, str) else None
        other = other or (actual[at][1] if at < len(actual) else None)
        if other is not None and other.dtype in {"float32", "float16"} and value.dtype == "float64":
            array = np.frombuffer(value.data, "<f8").astype(other.dtype)
            found.append((key, Value.tensor(other.dtype, value.shape, array.tobytes())))
        else:
            found.append((key, value))
    return found


def _read(folder: Path) -> _Examined | None:
    """What was kept, or has just come; None where that is nothing whole."""
    try:
        result = json.loads((folder / "result.json").read_bytes())
        bundle = Bundle.open(folder / "data.bundle")
        return _Examined(
            onnx=str(result["onnx"]),
            checker=str(result["checker"]),
            answers=[bundle.outputs(at) for at in range(len(bundle))],
            said=[str(bundle.case(at).get("said") or "") for at in range(len(bundle))],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
