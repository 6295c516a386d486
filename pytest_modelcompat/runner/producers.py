"""Built models, made when the first cell wants them: a planned case gets its file and reference.

The plan knows the names of all cases before anything is made. Here a workload whose models are yet
to be made becomes one that has them: files, data sets with the producer's answers, and for what
could not be made the reason, which is then the result of each case that wanted it.
"""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.interpreters import default_python
from pytest_modelcompat.environments.protocol import Failure
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.errors import producers as words
from pytest_modelcompat.matrix.load_producers import requirements_of
from pytest_modelcompat.results.model import CellStatus, Measurement
from pytest_modelcompat.runner.command import StoppedError
from pytest_modelcompat.runner.made import Made
from pytest_modelcompat.runner.making import Maker
from pytest_modelcompat.runner.places import Places
from pytest_modelcompat.runner.settings import Members
from pytest_modelcompat.worker.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from pytest_modelcompat.environments.protocol import EnvironmentSpec, Prepared
    from pytest_modelcompat.matrix.model import Producer
    from pytest_modelcompat.runner.plan import Making, PlannedCase, PlannedCell, Workload
    from pytest_modelcompat.runner.workplace import Workplace

__all__ = ["Producers", "environment_of"]

_NOT_HERE = frozenset({CellStatus.UNAVAILABLE, CellStatus.INTERRUPTED})
Answer = Made | Failure


def environment_of(producer: Producer, *, exclude_newer: str | None) -> EnvironmentSpec:
    """The environment in which a producer works."""
    return make_spec(
        role="producer",
        image=producer.image,
        python=producer.python or default_python(),
        requirements=requirements_of(producer),
        exclude_newer=exclude_newer,
        install_timeout=producer.limits.install,
    )


class Producers:
    """The built models of a run; safe from several threads, each setting is made once.

    Args:
        cache: the cache folder.
        workplace: where exporters run.
        made: told of every environment that was prepared.
        jobs: how many exporters run side by side.
        fresh: take no failure that an earlier run has kept.
        members: kinds of environments, and exporters.
    """

    def __init__(
        self,
        cache: Path,
        workplace: Workplace,
        made: Callable[[Prepared | Failure], object],
        *,
        jobs: int,
        fresh: bool,
        members: Members | None = None,
    ) -> None:
        self._cache = cache
        self._made = made
        self._kinds = (members or Members()).environments
        self._maker = Maker(cache, workplace.room, fresh=fresh, members=members)
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="producer")
        self._lock = threading.Lock()
        self._environments: dict[EnvironmentSpec, Future[Prepared | Failure]] = {}
        self._makings: dict[tuple[Making, str | None, str], Future[Answer]] = {}
        self._done: dict[tuple[str, str | None], Workload] = {}

    def resolved(self, planned: PlannedCell) -> PlannedCell:
        """The same cell with every model that could be made.

        Raises:
            StoppedError: the run is being stopped.
        """
        if not any(work.makings for work in planned.workloads):
            return planned
        newest = planned.cell.exclude_newer
        # all at once, before waiting for the first
        for work in planned.workloads:
            for making in work.makings:
                self._making(work, making, newest)
        works = tuple(self._workload(work, newest) for work in planned.workloads)
        return replace(planned, workloads=works)

    def stop(self) -> None:
        """End what runs, start nothing more; whoever waits gets a `StoppedError`."""
        self._maker.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- one setting ----------------------------------------------------------------------------

    def _making(self, work: Workload, making: Making, newest: str | None) -> Future[Answer]:
        data = work.bundles[making.bundle]
        key = (replace(making, bundle=0), newest, data.name)
        with self._lock:
            if key not in self._makings:
                self._makings[key] = self._submit(self._make, making, data, newest)
            return self._makings[key]

    def _submit(self, task: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            return self._pool.submit(task, *arguments)
        except RuntimeError as closed:  # by `stop`
            raise StoppedError from closed

    def _make(self, making: Making, data: Path, newest: str | None) -> Answer:
        prepared = self._environment(environment_of(making.producer, exclude_newer=newest))
        if isinstance(prepared, Failure):
            return prepared
        return self._maker.make(making, data, prepared)

    def _environment(self, spec: EnvironmentSpec) -> Prepared | Failure:
        """Prepared by whoever comes first; the others wait."""
        with self._lock:
            mine = spec not in self._environments
            if mine:
                self._environments[spec] = _promise()
            found = self._environments[spec]
        if mine:
            try:
                made = registry.prepare(spec, cache=self._cache, kinds=self._kinds)
                self._made(made)
                found.set_result(made)
            except BaseException as problem:
                found.set_exception(problem)
                raise
        return found.result()

    # -- one workload ---------------------------------------------------------------------------

    def _workload(self, work: Workload, newest: str | None) -> Workload:
        if not work.makings:
            return work
        key = (work.digest, newest)
        with self._lock:
            known = self._done.get(key)
        if known is None:
            answers = [_answer(self._making(work, each, newest)) for each in work.makings]
            known = _with(work, answers, Places(cache=self._cache))
            with self._lock:
                self._done[key] = known
        return known


def _promise() -> Future[Any]:
    from concurrent.futures import Future  # noqa: PLC0415 - for annotations everywhere else

    return Future()


def _answer(future: Future[Answer]) -> Answer:
    from concurrent.futures import CancelledError  # noqa: PLC0415 - only while stopping

    try:
        return future.result()
    except CancelledError as cancelled:
        raise StoppedError from cancelled


def _with(work: Workload, answers: list[Answer], places: Places) -> Workload:
    """The workload with what was made: more bundles and files, and cases that point there."""
    bundles, models = list(work.bundles), dict(work.models)
    at: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for number, answer in enumerate(answers):
        if isinstance(answer, Made) and answer.bundle is not None:
            at[number] = len(bundles)
            bundles.append(answer.bundle)
            models.update(answer.files)
            sizes[number] = sum(path.stat().st_size for _, path in answer.files)
    opened = {number: Bundle.open(bundles[bundle]) for number, bundle in at.items()}
    cases = []
    for case in work.cases:
        if case.making is None:
            cases.append(case)
            continue
        making, answer = work.makings[case.making], answers[case.making]
        reference = _reference(case, making, answer)
        if case.making in at:
            about = opened[case.making].case(case.index)
            found = replace(
                case,
                bundle=at[case.making],
                opset=int(about.get("opset") or 0),
                reference=reference,
                model_bytes=sizes[case.making],
            )
        else:
            found = replace(case, reference=reference, **_missing(answer, making, places))
        cases.append(found)
    parts = [work.digest, *(_identity(answer) for answer in answers)]
    return replace(
        work,
        cases=tuple(cases),
        bundles=tuple(bundles),
        models=tuple(models.items()),
        digest=hashlib.sha256(" ".join(parts).encode()).hexdigest(),
    )


def _identity(answer: Answer) -> str:
    if isinstance(answer, Failure):
        return f"{answer.status.value}:{answer.stage.value}"
    return f"{answer.key}:{answer.failure.ended if answer.failure else ''}"


def _reference(case: PlannedCase, making: Making, answer: Answer) -> dict[str, Any] | None:
    """Where the expected outputs come from: this very file's producer."""
    if (case.reference or {}).get("kind") != "producer":
        return case.reference
    found: dict[str, Any] = {
        "kind": "producer",
        "source": making.label,
        "version": making.producer.framework.partition("==")[2],
    }
    if isinstance(answer, Failure):
        return found
    found["version"] = answer.info.get("version", found["version"])
    if answer.main:
        found["file"] = answer.main
    if answer.accuracy and case.index < len(answer.accuracy):
        found["accuracy"] = answer.accuracy[case.index]
    exporter = {name: text for name, text in answer.info.items() if name != "version" and text}
    return {**found, **({"with": exporter} if exporter else {})}


def _missing(answer: Answer, making: Making, places: Places) -> dict[str, Any]:
    """What a case without a model becomes."""
    if isinstance(answer, Made):
        return {"failure": answer.failure}
    reason = places.told(words.no_environment(making.label, answer.reason))
    if answer.status in _NOT_HERE:
        return {"not_run": reason}
    error = {"type": answer.status.value, "message": reason}
    return {"failure": Measurement(stage=answer.stage, ended="raised", error=error)}
