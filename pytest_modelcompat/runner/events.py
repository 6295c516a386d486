"""What a worker tells while it measures a cell: one frozen record for each kind of message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.errors import worker as words
from pytest_modelcompat.results.model import Measurement, Stage
from pytest_modelcompat.worker.values import restore

if TYPE_CHECKING:
    from pytest_modelcompat.worker.values import Value

__all__ = [
    "Attest",
    "Damaged",
    "Done",
    "Ended",
    "Event",
    "ExitCrash",
    "Hello",
    "ImportFailed",
    "Leftover",
    "Lost",
    "Note",
    "Refused",
    "Result",
    "Unavailable",
    "event_of",
]

_MOST = 2**63  # what the store's numbers hold
Named = list[tuple[str, "Value"]]


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The supervisor runs."""

    protocol: int
    python: str
    executable: str
    pid: int


@dataclass(frozen=True, kw_only=True)
class Attest:
    """What is really there: worker/facts.py and the adapter's `info`, side by side."""

    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """Something in the stream was damaged: an answer may be missing, nobody knows whose."""


@dataclass(frozen=True, kw_only=True)
class Unavailable:
    """The provider, or the interpreter, cannot be used here."""

    reason: str

    def text(self) -> str:
        """The reason itself."""
        return self.reason


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The cell's options are not the adapter's: nothing was tried with them."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class ImportFailed:
    """No child came as far as taking a case; `how` is raised or one of the deaths."""

    how: str
    type: str = ""
    message: str = ""
    signal: str | None = None
    exit_code: int | None = None
    output: str = ""

    def text(self) -> str:
        """The reason, for the cell."""
        return words.import_failed(
            self.how, self.type, self.message, self.signal, self.exit_code, self.output
        )


@dataclass(frozen=True, kw_only=True)
class Result:
    """A case returned or raised.

    Attributes:
        n, variant: of the order.
        stage: the last one entered.
        error: {"type", "message", "where"}, or None where everything returned.
        outputs: of each distinct repeat, the first one's first.
        distinct: for each repeat, which of `outputs` it gave.
        ran_on: provider -> nodes; None without evidence.
        inputs: where the worker made them.
    """

    n: int
    variant: str | None
    stage: str
    error: dict[str, str] | None
    outputs: list[Named] = field(default_factory=list)
    distinct: tuple[int, ...] = ()
    ran_on: dict[str, int] | None = None
    load_seconds: float = 0.0
    run_seconds: tuple[float, ...] = ()
    peak_rss: int = 0
    opset: int = 0
    inputs: Named | None = None

    def measurement(self, *, outputs: tuple[str, ...], expected: str | None) -> Measurement:
        """The record, with the digests under which the outputs were stored."""
        return Measurement(
            stage=Stage(self.stage) if self.error else Stage.COMPARE,
            ended="raised" if self.error else "returned",
            error=dict(self.error) if self.error else None,
            outputs=outputs,
            expected=expected,
            ran_on=self.ran_on,
            load_seconds=self.load_seconds,
            run_seconds=self.run_seconds,
            peak_rss=self.peak_rss,
            opset=self.opset,
        )


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The process died in a case: crashed, timed_out or out_of_memory."""

    n: int
    variant: str | None
    how: str
    stage: str
    signal: str | None = None
    exit_code: int | None = None
    output: str = ""

    def measurement(self, *, outputs: tuple[str, ...] = (), expected: str | None) -> Measurement:
        """The record; there are no outputs."""
        del outputs, expected
        error: dict[str, Any] = {"message": self.output}
        if self.signal:
            error["signal"] = self.signal
        if self.exit_code is not None:
            error["exit_code"] = self.exit_code
        if self.output:
            error["output"] = self.output
        return Measurement(stage=Stage(self.stage), ended=self.how, error=error)


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A case left processes behind; they were ended."""

    n: int
    pids: tuple[int, ...]

    def text(self) -> str:
        """A note for the cell."""
        return words.left_behind(self.n, self.pids)


@dataclass(frozen=True, kw_only=True)
class ExitCrash:
    """The child died outside of any case; results stay as they are."""

    how: str
    when: str  # exit | between
    signal: str | None = None
    exit_code: int | None = None
    output: str = ""

    def text(self) -> str:
        """A note for the cell."""
        return words.crash_outside(self.how, self.when, self.signal, self.exit_code)


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something about the stream that a reader of the report should know."""

    message: str

    def text(self) -> str:
        """The note itself."""
        return self.message


@dataclass(frozen=True, kw_only=True)
class Done:
    """The worker's last word: everything is answered."""

    results: int
    children: int


@dataclass(frozen=True, kw_only=True)
class Lost:
    """The stream ended without `Done`."""

    exit_code: int | None
    diagnostics: str = ""

    def text(self) -> str:
        """The reason, for the cell."""
        return words.lost_worker(self.exit_code, self.diagnostics)


Event = (
    Hello | Attest | Damaged | Unavailable | Refused | ImportFailed | Result | Ended | Leftover
    | ExitCrash | Note | Done | Lost
)  # fmt: skip


def event_of(message: dict[str, Any], raw: memoryview) -> Event | None:
    """The event that a message means; None for a kind that this version does not know.

    Raises:
        ValueError, KeyError, TypeError: it is damaged in a way that its checksum does not tell.
    """
    fields = dict(message)
    kind = fields.pop("type", None)
    match kind:
        case "result":
            return _result(fields, raw)
        case "attest":
            return Attest(facts=fields)
        case "import_failed":
            error = fields.pop("error") or {}
            fields["type"], fields["message"] = error.get("type", ""), error.get("message", "")
        case "ended":
            Stage(fields["stage"])
        case "leftover":
            fields["pids"] = tuple(fields["pids"])
    made = _PLAIN.get(kind) if isinstance(kind, str) else None
    return None if made is None else made(**fields)


_PLAIN: dict[str, Any] = {
    "hello": Hello, "unavailable": Unavailable, "refused": Refused, "ended": Ended,
    "import_failed": ImportFailed, "leftover": Leftover, "exit_crash": ExitCrash, "done": Done,
}  # fmt: skip


def _result(fields: dict[str, Any], raw: memoryview) -> Result:
    made = fields.pop("inputs", None)
    return Result(
        n=fields["n"],
        variant=fields["variant"],
        stage=Stage(fields["stage"]).value,
        error=_error(fields["error"]),
        outputs=[_named(answer, raw) for answer in fields["outputs"]],
        distinct=tuple(fields["distinct"]),
        ran_on=_ran_on(fields["ran_on"]),
        load_seconds=_seconds(fields["load_seconds"]),
        run_seconds=tuple(_seconds(each) for each in fields["run_seconds"]),
        peak_rss=_natural(fields["peak_rss"]),
        opset=_natural(fields["opset"]),
        inputs=None if made is None else _named(made, raw),
    )


def _natural(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise ValueError(f"{value!r:.40} is no count")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in {int, float} or not 0 <= value < _MOST:  # not a number either
        raise ValueError(f"{value!r:.40} is no time")
    return float(value)


def _ran_on(value: Any) -> dict[str, int] | None:
    if value is None:
        return None
    return {str(provider): _natural(nodes) for provider, nodes in dict(value).items()}


def _error(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    return {str(name): str(words) for name, words in dict(value).items()}


def _named(pairs: list[Any], raw: memoryview) -> Named:
    return [(str(name), restore(descriptor, raw)) for name, descriptor in pairs]
