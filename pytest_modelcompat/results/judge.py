"""What a measurement means: one status, by one rule, with the evidence that led to it.

A pure function of what was measured and what was asked for, so that a stored run can be judged
again with other tolerances or better rules. The order of the questions is the order of the code:
did it die, did it raise, do its repeats agree, is the answer right, did it run where it was asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modelcompat.results.model import Judgement, Measurement, Stage, Status
from pytest_modelcompat.results.placement import misplaced
from pytest_modelcompat.results.rules import classify
from pytest_modelcompat.results.signature import signature
from pytest_modelcompat.results.tolerance import Comparison, Judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_modelcompat.matrix.model import Tolerances
    from pytest_modelcompat.results.remembered import Remembered
    from pytest_modelcompat.worker.values import Value

__all__ = ["EQUAL", "Compared", "judge"]

EQUAL = "="
"""Stands in a measurement for the digest of outputs that are the expected ones, byte for byte."""

Compared = tuple["Status | None", "dict[str, object] | None"]
"""What comparing outputs gave: the status of wrong ones, None where they agree; how they differ."""

_DEATHS = {
    "crashed": Status.CRASHED,
    "timed_out": Status.TIMED_OUT,
    "out_of_memory": Status.OUT_OF_MEMORY,
}
_PRODUCER = frozenset({Stage.RESOLVE, Stage.INSTALL, Stage.IMPORT, Stage.PRODUCE, Stage.CHECK})
"""Stages at which a measured case can only have been ended by the producer of its model."""
_NEVER = {"not_run": Status.NOT_RUN, "skipped": Status.SKIPPED}


def judge(
    measurement: Measurement,
    *,
    outputs: Sequence[Sequence[tuple[str, Value]]],
    expected: Sequence[tuple[str | int, Value]] | None,
    identical: bool,
    tolerances: Tolerances | None,
    suite: tuple[float, float] | None,
    requested: str,
    runtime: str,
    quantized: Mapping[str, float] | None = None,
    limits: Mapping[str, object] | None = None,
    closeness: bool | None = None,
    memory: Remembered[Compared] | None = None,
) -> Judgement:
    """Judge one measurement.

    Args:
        measurement: what the worker saw.
        outputs: of each distinct repeat, the first repeat first. Those that `measurement.outputs`
            marks with "=" may be empty.
        expected: the reference's outputs; None: it only has to run.
        identical: every repeat gave the expected outputs byte for byte.
        tolerances: given by the matrix.
        suite: (rtol, atol) of the test suite, for types that the matrix leaves out.
        requested: the provider, in the runtime's own spelling.
        runtime: the adapter's name.
        quantized: output name -> scale of the node that quantizes or dequantizes it.
        limits: of the runtime (IR, opsets), as attested. Verdicts come from messages, which say
            the same and are kept.
        closeness: record how close right answers are; default: for all but a suite's cases.
        memory: of comparisons. Outputs and expected outputs that the measurement names by digest
            are compared once on the same terms, whichever cells gave them.

    Returns:
        Exactly one status, at the stage where the case ended.

    Raises:
        ValueError: the measurement is none.
    """
    del limits
    if measurement.ended in _NEVER:
        return Judgement(status=_NEVER[measurement.ended], stage=measurement.stage)
    if measurement.ended in _DEATHS or measurement.ended == "raised":
        return _ended(measurement, runtime)
    if measurement.ended != "returned":
        raise ValueError(f"no case ends like this: {measurement.ended!r}")

    record = None
    if not identical:
        close = suite is None if closeness is None else closeness

        def compare() -> Compared:
            judge_ = Judge(tolerances, suite=suite, quantized=quantized, closeness=close)
            return _compared(judge_, _repeats(measurement, outputs), expected)

        if memory is None or measurement.expected is None:
            wrong, record = compare()
        else:
            scales = tuple((quantized or {}).items())
            terms = (tolerances, suite, scales, close)
            key = (measurement.outputs, measurement.expected, terms)
            wrong, record = memory.of(key, compare)
        if wrong is not None:
            return _wrong(wrong, record)
    rule = misplaced(requested, measurement.ran_on, runtime=runtime)
    status = Status.FALLBACK if rule else Status.PASSED
    return Judgement(status=status, stage=Stage.COMPARE, rule=rule, mismatch=record)


def _wrong(status: Status, record: dict[str, object] | None) -> Judgement:
    """A wrong answer; its signature groups it with those that are wrong in the same way."""
    found = record or {}
    words = [status.value, found.get("kind"), found.get("dtype")]
    name = " ".join(str(word) for word in words if word)
    return Judgement(status=status, stage=Stage.COMPARE, mismatch=record, signature=name)


def _ended(measurement: Measurement, runtime: str) -> Judgement:
    """A case that raised or died: by its message, where a rule knows it."""
    error = measurement.error or {}
    message = str(error.get("message") or "")
    if measurement.stage in _PRODUCER:
        return _not_made(measurement, error, message)
    if measurement.ended == "raised":
        rule = classify(
            runtime,
            ended="raised",
            type_=str(error.get("type") or ""),
            message=message,
            stage=measurement.stage,
        )
        status = rule.status if rule else Status.ERROR
        name = signature(message, fallback=str(error.get("type") or "raised"))
    else:
        rule = None
        if measurement.ended == "crashed":
            text = f"{message}\n{error.get('output') or ''}"
            rule = classify(
                runtime, ended="crashed", type_="", message=text, stage=measurement.stage
            )
        status = rule.status if rule else _DEATHS[measurement.ended]
        name = _death(measurement.ended, error, message)
    return Judgement(
        status=status,
        stage=measurement.stage,
        rule=rule.id if rule else None,
        signature=name,
    )


def _not_made(measurement: Measurement, error: Mapping[str, object], message: str) -> Judgement:
    """A case without a model: its producer failed, however it did."""
    name = signature(message, fallback=str(error.get("type") or measurement.ended))
    if measurement.ended in _DEATHS:
        name = _death(measurement.ended, error, message)
    return Judgement(
        status=Status.ERROR,
        stage=measurement.stage,
        signature=name,
        attribution="exporter",
        attribution_detail={"producer": f"{measurement.ended} at stage {measurement.stage.value}"},
    )


def _death(ended: str, error: Mapping[str, object], message: str) -> str:
    """How it died: by signal or exit code, and in the words of the process where it had any."""
    how = ended
    if error.get("signal"):
        how = f"{ended}: {error['signal']}"
    elif error.get("exit_code") is not None:
        how = f"{ended}: exit {error['exit_code']}"
    said = signature(message)
    return f"{how}: {said}" if said else how


def _repeats(
    measurement: Measurement, outputs: Sequence[Sequence[tuple[str, Value]]]
) -> list[Sequence[tuple[str, Value]] | None]:
    """The distinct repeats; None stands for one that is the expected outputs."""
    marks = measurement.outputs or ("",) * len(outputs)
    if len(marks) != len(outputs):
        raise ValueError(f"{len(outputs)} outputs for {len(marks)} distinct repeats")
    return [None if mark == EQUAL else each for mark, each in zip(marks, outputs, strict=True)]


def _compared(
    compared: Judge,
    repeats: Sequence[Sequence[tuple[str, Value]] | None],
    expected: Sequence[tuple[str | int, Value]] | None,
) -> Compared:
    """Whether the repeats agree with each other and then with what was expected."""
    if apart := _apart(compared, repeats, expected or ()):
        return Status.NONDETERMINISTIC, apart.record
    if expected is None:
        return None, None
    found = _worst(compared, repeats, expected)
    return None if found.agree else Status.FAILED, found.record


def _apart(
    compared: Judge,
    repeats: Sequence[Sequence[tuple[str, Value]] | None],
    expected: Sequence[tuple[str | int, Value]],
) -> Comparison | None:
    """How two repeats disagree beyond tolerance, or None where all agree with the first."""
    for other in repeats[1:]:
        first = repeats[0]
        if first is None and other is None:
            continue
        if other is None or first is None:
            found = compared.compare(first or other or (), expected)
        else:
            found = compared.compare(other, [(at, value) for at, (_, value) in enumerate(first)])
        if not found.agree:
            return found
    return None


def _worst(
    compared: Judge,
    repeats: Sequence[Sequence[tuple[str, Value]] | None],
    expected: Sequence[tuple[str | int, Value]],
) -> Comparison:
    """The first repeat that is wrong; else how close the first one was."""
    answers = [each for each in repeats if each is not None]
    if not repeats:
        answers = [()]  # it returned nothing at all
    found = [compared.compare(each, expected) for each in answers]
    wrong = [each for each in found if not each.agree]
    return (wrong or found or [Comparison(agree=True)])[0]
