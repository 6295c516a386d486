"""Results of cells that would be measured again under exactly the same conditions.

A cell's key covers everything that decides a measurement or a verdict: lock, interpreter, host,
kernel and processor, provider, options, environment variables, limits, cases, and this package's
own code. What is reused says so in its cell's notes, and `--compat-fresh` reuses nothing. Results
that depend on the moment (deadlines, memory, infrastructure) or on a server elsewhere are never
kept.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import platform
import zlib
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.cache import atomic_write
from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.results.blobs import Blobs
from pytest_modelcompat.results.kept import KeptCases
from pytest_modelcompat.results.model import CellStatus, Stage, Status
from pytest_modelcompat.results.remembered import Remembered
from pytest_modelcompat.runner.measure import CellEnd
from pytest_modelcompat.runner.settings import Members

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_modelcompat.environments.protocol import Prepared
    from pytest_modelcompat.results.kept import Brief
    from pytest_modelcompat.runner.plan import PlannedCell, Workload

__all__ = ["Reuse"]

_OF_THE_MOMENT = frozenset({Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.NOT_RUN})
_KEPT = frozenset({CellStatus.COMPLETED, CellStatus.MISCONFIGURED})
_FORMAT = 2
_REMEMBERED = 64  # workloads
_DAMAGE = (
    OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError,
    ModelcompatError,
)  # fmt: skip


class Reuse:
    """Results kept in the cache folder, by key.

    Args:
        cache: the cache folder.
        run: id of the run that is going on, told by those who reuse its results later.
        started: when it started, ISO 8601.
        members: whose adapters decide a result as our own code does; ours alone by default.
    """

    def __init__(
        self, cache: Path, *, run: str, started: str, members: Members | None = None
    ) -> None:
        self._folder = cache / "results"
        self._blobs = Blobs(self._folder)
        self._run = run
        self._started = started
        self._members = members or Members()
        self._works: Remembered[tuple[Workload, list[Any]]] = Remembered(_REMEMBERED)

    def key(self, planned: PlannedCell, prepared: Prepared) -> str:
        """What decides this cell's results, as a digest."""
        cell = planned.cell
        parts: list[Any] = [
            _FORMAT, _code(), _host(), cell.id, prepared.lock.digest, prepared.python_version,
            prepared.image_digest, prepared.facts.get("reached"), asdict(cell.framework),
            cell.provider, cell.env, cell.options,
            asdict(cell.limits), [self._worked(work) for work in planned.workloads],
            self._adapter(cell.framework.runtime),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _worked(self, work: Workload) -> list[Any]:
        """See `_work`. Cells share workloads of thousands of cases, which have no hash."""
        # The workload is held, so that its id stays its own.
        return self._works.of(id(work), lambda: (work, _work(work)))[1]

    def _adapter(self, runtime: str) -> str:
        """Digest of an adapter that another plugin brings."""
        path = self._members.adapter(runtime)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""

    def load(self, key: str, blobs: Blobs) -> tuple[CellEnd, KeptCases, list[Brief]] | None:
        """A kept cell, its outputs put into the run's own folder; None where there is none.

        A damaged entry is none: the cell is measured.
        """
        path = self._path(key)
        try:
            first, _, second = gzip.decompress(path.read_bytes()).partition(b"\n")
            head, kept = json.loads(first), KeptCases.from_json(second)
            briefs = list(kept.briefs())
            if len(briefs) != head["cases"]:
                return None
            _adopt(kept.digests(), self._blobs, blobs)
            end = CellEnd(
                status=CellStatus(head["status"]),
                stage=Stage(head["stage"]) if head["stage"] else None,
                reason=head["reason"],
                attestation=head["attestation"],
                ran_on=head["ran_on"],
                notes=[*head["notes"], f"reused: measured by run {head['run']}, {head['started']}"],
            )
        except _DAMAGE:
            return None
        return end, kept, briefs

    def save(self, key: str, end: CellEnd, kept: KeptCases, blobs: Blobs) -> None:
        """Keep a cell that ended well enough to be believed next time."""
        if end.status not in _KEPT:
            return
        if kept.statuses() & _OF_THE_MOMENT:
            return
        if "server" in end.attestation:  # it may be another one tomorrow, and no key covers that
            return
        head = {
            "status": end.status.value,
            "stage": end.stage.value if end.stage else None,
            "reason": end.reason,
            "attestation": end.attestation,
            "ran_on": end.ran_on,
            "notes": end.notes,
            "run": self._run,
            "started": self._started,
            "cases": len(kept),
        }
        _adopt(kept.digests(), blobs, self._blobs)
        data = f"{json.dumps(head)}\n{kept.to_json()}".encode()
        atomic_write(self._path(key), gzip.compress(data, compresslevel=1, mtime=0))

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.jsonl.gz"


def _adopt(digests: Iterable[str], source: Blobs, target: Blobs) -> None:
    """The same bytes in another folder, without copying them where the disk is the same."""
    for digest in digests:
        there, here = source.name(digest), target.name(digest)
        try:
            os.link(there, here)
        except FileExistsError:  # from another cell
            continue
        except OSError:  # no folder yet; another disk, or one without links
            _put(Path(there), Path(here))


def _put(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:  # another thread was faster
        return
    except OSError:
        atomic_write(target, source.read_bytes())


def _work(work: Workload) -> list[Any]:
    """What a workload's measurements are, and by what they are judged."""
    references = sorted({json.dumps(case.reference) for case in work.cases if case.reference})
    tolerances = [asdict(model)["tolerance"] for model in work.entry.models]
    pairs = sorted(work.paired)  # of which more is kept
    return [work.digest, references, asdict(work.entry)["tolerance"], tolerances, pairs]


@lru_cache(maxsize=1)
def _code() -> str:
    """Digest of this package's own code and data: new rules judge anew."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".yaml", ".json"} and path.is_file():
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _host() -> list[str]:
    """Machine, kernel and processor: results are never reused on another."""
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line for line in lines if line.startswith(("model name", "flags"))), "")
    except OSError:
        model = platform.processor()
    return [platform.machine(), platform.release(), model, str(os.cpu_count())]
