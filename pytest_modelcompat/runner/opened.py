"""What a run holds from its start to its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_modelcompat.environments import registry
from pytest_modelcompat.runner.places import Places
from pytest_modelcompat.runner.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_modelcompat.environments.protocol import Failure, Prepared
    from pytest_modelcompat.results.store import Store
    from pytest_modelcompat.runner.board import Board
    from pytest_modelcompat.runner.examining import Examiner
    from pytest_modelcompat.runner.plan import Plan
    from pytest_modelcompat.runner.producers import Producers
    from pytest_modelcompat.runner.references import References
    from pytest_modelcompat.runner.reuse import Reuse
    from pytest_modelcompat.runner.settings import Settings
    from pytest_modelcompat.runner.verdicts import Verdicts
    from pytest_modelcompat.runner.workplace import Workplace

__all__ = ["Opened", "keep_environment"]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The parts of one run, each of them there.

    Attributes:
        plan: everything that is planned.
        settings: of the command line.
        selection: cell id -> positions of the cases that pytest kept; cells that are not in it
            were deselected.
        store: where results are kept before anybody counts them.
        board: what is counted; pytest's items look at it.
        verdicts: what known issues and a baseline make of results.
        workplace: the folder of the run's cells.
        references: outputs that others have to give first.
        producers: models that have to be made first.
        examiner: looks for who is to blame.
        reuse: results of earlier runs.
        stop: why the run stops.
    """

    plan: Plan
    settings: Settings
    selection: Mapping[str, Collection[int]]
    store: Store
    board: Board
    verdicts: Verdicts
    workplace: Workplace
    references: References
    producers: Producers
    examiner: Examiner
    reuse: Reuse
    stop: Stop = field(default_factory=Stop)


def keep_environment(
    store: Store, settings: Settings, made: Prepared | Failure
) -> Prepared | Failure:
    """Store what became of an environment, and its lock.

    Returns:
        The same; where this run has made it before it was interrupted, with what that took.
    """
    told = Places(cache=settings.cache).told
    record = registry.record(made)
    record = replace(record, reason=told(record.reason), log=told(record.log))
    before = store.environment(record.id) if record.reused else None
    if before is not None and before.lock_digest == record.lock_digest:
        record = before
        made = replace(made, seconds=dict(before.seconds))
    store.set_environment(record)
    if made.lock is not None:
        store.set_lock(made.lock.digest, made.lock.text)
    return made
