"""Statuses, stages, outcomes and the records that a run is made of.

Measurement (what the worker saw), judgement (what it means) and expectation (what was known) are
three records, stored apart, so that a stored run can be judged again. The output files' field
names follow these records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

__all__ = [
    "INFO_CASE",
    "NOT_OK_CASE",
    "NOT_OK_CELL",
    "CaseRecord",
    "CellRecord",
    "CellStatus",
    "EnvironmentRecord",
    "Expectation",
    "Judgement",
    "Measurement",
    "Outcome",
    "Stage",
    "Status",
]


# Each hashes as the string that it is and equals. What `Enum` puts in its place is a function in
# Python, which a million results are held up by.


class Stage(str, Enum):
    """Where a case or a cell ended."""

    __hash__ = str.__hash__

    RESOLVE = "resolve"
    INSTALL = "install"
    START = "start"
    IMPORT = "import"
    PRODUCE = "produce"
    CHECK = "check"
    LOAD = "load"
    ASSIGN = "assign"
    RUN = "run"
    COMPARE = "compare"


class Status(str, Enum):
    """What became of a case."""

    __hash__ = str.__hash__

    PASSED = "passed"
    FALLBACK = "fallback"
    FAILED = "failed"
    NONDETERMINISTIC = "nondeterministic"
    UNSUPPORTED = "unsupported"
    GATED = "gated"
    ERROR = "error"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    SKIPPED = "skipped"
    NOT_RUN = "not_run"


class CellStatus(str, Enum):
    """What became of a cell."""

    __hash__ = str.__hash__

    COMPLETED = "completed"
    UNSATISFIABLE = "unsatisfiable"
    ENVIRONMENT_FAILED = "environment_failed"
    MISCONFIGURED = "misconfigured"
    UNAVAILABLE = "unavailable"
    INFRASTRUCTURE_FAILED = "infrastructure_failed"
    INTERRUPTED = "interrupted"


class Outcome(str, Enum):
    """What a status means for the run."""

    __hash__ = str.__hash__

    OK = "ok"
    NOT_OK = "not_ok"
    XFAIL = "xfail"
    XPASS = "xpass"
    INFO = "info"


NOT_OK_CASE = frozenset({
    Status.FAILED, Status.NONDETERMINISTIC, Status.ERROR, Status.CRASHED, Status.TIMED_OUT,
    Status.OUT_OF_MEMORY,
})  # fmt: skip
INFO_CASE = frozenset({
    Status.UNSUPPORTED, Status.GATED, Status.FALLBACK, Status.SKIPPED, Status.NOT_RUN,
})  # fmt: skip
NOT_OK_CELL = frozenset({
    CellStatus.ENVIRONMENT_FAILED, CellStatus.MISCONFIGURED, CellStatus.INFRASTRUCTURE_FAILED,
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What the worker saw of one case (or of one variant of it), without any verdict.

    Attributes:
        stage: the last call that was entered (load, assign, run), or `compare` when all returned.
        ended: "returned", "raised", "crashed", "timed_out", "out_of_memory", or "not_run".
        error: for raised: {"type", "message"}; for a death: {"message", "signal", "exit_code"};
            "output" holds the capped tail of what the process printed, where there was any.
        outputs: one digest per distinct repeat (content digest of the encoded outputs), the first
            repeat first; "=" where the bytes equal the expected outputs (nothing stored then).
        expected: digest of the encoded expected outputs, where they are stored with the run.
        ran_on: provider -> nodes, None where the runtime gives no evidence.
        load_seconds, run_seconds: of the load and of each repeat.
        peak_rss: bytes, of the child, after the case; 0 where unknown.
        opset: of the model's main domain, 0 where unknown.
        reason: for not_run: deselected, stopped, or the cell's reason.
    """

    stage: Stage
    ended: str
    error: dict[str, Any] | None = None
    outputs: tuple[str, ...] = ()
    expected: str | None = None
    ran_on: dict[str, int] | None = None
    load_seconds: float = 0.0
    run_seconds: tuple[float, ...] = ()
    peak_rss: int = 0
    opset: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a measurement means, and by which rule.

    Attributes:
        status: exactly one.
        stage: where it ended; compare for passed, fallback, failed, nondeterministic.
        rule: the id of the classification rule that matched, for statuses read from a message.
        signature: the message, normalised so that equal causes look equal.
        mismatch: output, kind, max_abs, max_rel, max_ulp, index, actual, expected, cosine, sqnr, …
            (`ratio` is error / tolerance of the worst element). Also kept for passed cases of
            models, where it tells how close they were.
        attribution: optimizer, provider, reference, exporter, nondeterminism, none; None: unasked.
        attribution_detail: what each variant did, {"optimizer_off": "passed", ...}.
    """

    status: Status
    stage: Stage
    rule: str | None = None
    signature: str | None = None
    mismatch: dict[str, Any] | None = None
    attribution: str | None = None
    attribution_detail: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What was expected of a case or a cell, and so what it means for the run."""

    outcome: Outcome
    known: str | None = None  # id of the known issue


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """One line of cases.jsonl.gz, before it is written.

    `n` is the case's position in its cell's plan; it is the key in the store, beside the cell.
    `model_bytes` is the size of all its model's files, 0 where it has none of its own.
    """

    cell: str
    n: int
    check: str
    unit: str
    case: str
    requested: str
    measurement: Measurement
    judgement: Judgement
    expectation: Expectation
    reference: dict[str, Any] | None = None  # {kind, source, version}
    repro: str = ""
    model_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class EnvironmentRecord:
    """One environment of the run, as run.json shows it."""

    id: str
    role: str  # cell | producer | reference | corpus
    kind: str
    status: str  # CellStatus value, "completed" where it was made
    lock_digest: str | None = None
    python: str | None = None
    reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)  # resolve, install
    packages: tuple[str, ...] = ()  # "numpy==2.2.6"
    log: str = ""  # the tail, secrets redacted
    reused: bool = False


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """One cell of the run, as run.json shows it."""

    id: str
    matrix: str
    axes: tuple[tuple[str, str], ...]
    status: CellStatus
    stage: Stage | None
    outcome: Outcome
    reason: str = ""
    known: str | None = None
    environment: str | None = None  # id
    image: str = "host"
    image_digest: str | None = None
    attestation: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # status -> n, zeros left out
    seconds: dict[str, float] = field(default_factory=dict)  # resolve, install, run
    notes: tuple[str, ...] = ()  # torn stream, crash at exit, reused from run X, ...
    repro: str = ""
