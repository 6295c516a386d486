"""What a worker tells while it measures a cell: one frozen record for each kind of message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from pytest_modelcompat.errors import worker as words
from pytest_modelcompat.results.model import Measurement, Stage
from pytest_modelcompat.worker.values import restore

if TYPE_CHECKING:
    from pytest_modelcompat.results.remembered import Remembered
    from pytest_modelcompat.worker.values import Value

__all__ = [
    "Answer",
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
    "Named",
    "Note",
    "Refused",
    "Result",
    "Unavailable",
    "event_of",
]

_Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # what the store's numbers hold
_Seconds = Annotated[float, msgspec.Meta(ge=0, lt=2**63)]
_Outputs = list[tuple[str | int | None, Any]]  # adapters from elsewhere name by position, or not
_SMALL = 4096  # bytes of an answer that is worth remembering
Named = list[tuple[str, "Value"]]
"""(name, value) of each output."""
Answer = tuple[bytes, bytes]
"""The outputs of a result as they were sent: what describes them, and the bytes."""


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


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A case returned or raised.

    A struct, which is made in a fifth of the time: there are more of these than of all others.

    Attributes:
        n, variant: of the order.
        stage: the last one entered.
        error: {"type", "message", "where"}, or None where everything returned.
        outputs: of each distinct repeat, the first one's first.
        answer: they as they were sent; None where that is much.
        distinct: for each repeat, which of `outputs` it gave.
        ran_on: provider -> nodes; None without evidence.
        inputs: where the worker made them.
    """

    n: int
    variant: str | None
    stage: str
    error: dict[str, str] | None
    outputs: list[Named] = []
    answer: Answer | None = None
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

    def measurement(self) -> Measurement:
        """The record; there are no outputs."""
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


def event_of(
    message: dict[str, Any], raw: memoryview, restored: Remembered[list[Named]]
) -> Event | None:
    """The event that a message means; None for a kind that this version does not know.

    Args:
        message: its JSON.
        raw: the bytes that came with it.
        restored: outputs of answers that came before; most cells give the same ones.

    Raises:
        ValueError, KeyError, TypeError: it is damaged in a way that its checksum does not tell.
    """
    fields = dict(message)
    kind = fields.pop("type", None)
    match kind:
        case "result":
            return _result(fields, raw, restored)
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


class _Sent(msgspec.Struct, kw_only=True):
    """A result as it is sent; what does not fit these types is damaged."""

    n: int
    variant: str | None
    stage: Stage
    error: dict[str, str] | None
    outputs: list[_Outputs]
    distinct: tuple[_Natural, ...]
    ran_on: dict[str, _Natural] | None
    load_seconds: _Seconds
    run_seconds: tuple[_Seconds, ...]
    peak_rss: _Natural
    opset: _Natural
    inputs: _Outputs | None = None


def _result(fields: dict[str, Any], raw: memoryview, restored: Remembered[list[Named]]) -> Result:
    try:
        sent = msgspec.convert(fields, _Sent)
    except msgspec.ValidationError as problem:
        raise ValueError(str(problem)) from problem
    answer, outputs = _answer(sent.outputs, raw, restored)
    return Result(
        n=sent.n,
        variant=sent.variant,
        stage=sent.stage.value,
        error=sent.error,
        outputs=outputs,
        answer=answer,
        distinct=sent.distinct,
        ran_on=sent.ran_on,
        load_seconds=sent.load_seconds,
        run_seconds=sent.run_seconds,
        peak_rss=sent.peak_rss,
        opset=sent.opset,
        inputs=None if sent.inputs is None else _named(sent.inputs, raw),
    )


def _answer(
    sent: list[_Outputs], raw: memoryview, restored: Remembered[list[Named]]
) -> tuple[Answer | None, list[Named]]:
    if len(raw) > _SMALL:
        return None, _all_named(sent, raw)
    try:
        described = msgspec.json.encode(sent)
    except (UnicodeEncodeError, RecursionError):  # a name with lone surrogates; no value at all
        return None, _all_named(sent, raw)
    if len(described) > _SMALL:
        return None, _all_named(sent, raw)
    answer = described, bytes(raw)
    # From the bytes that are remembered: the message's own would be kept beside them.
    return answer, restored.of(answer, lambda: _all_named(sent, memoryview(answer[1])))


def _all_named(sent: list[_Outputs], raw: memoryview) -> list[Named]:
    return [_named(each, raw) for each in sent]


def _named(pairs: _Outputs, raw: memoryview) -> Named:
    return [(str(name), restore(descriptor, raw)) for name, descriptor in pairs]
