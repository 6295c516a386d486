"""What went wrong with the process that measures a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "crash_outside",
    "import_failed",
    "left_behind",
    "lost_answers",
    "lost_worker",
    "no_worker",
    "nonsense",
    "not_asked",
    "not_started",
]


def _end(signal: str | None, exit_code: int | None) -> str:
    if signal:
        return f"died of {signal}"
    return "ended early" if exit_code is None else f"ended with exit code {exit_code}"


def _last_lines(output: str, lines: int = 12) -> str:
    kept = [line for line in output.splitlines() if line.strip()][-lines:]
    return "".join(f"\n{line}" for line in kept)


def _both_ends(output: str, lines: int = 12) -> str:
    kept = [line for line in output.splitlines() if line.strip()]
    if len(kept) > 2 * lines:
        kept = [*kept[:lines], f"[... {len(kept) - 2 * lines} lines left out ...]", *kept[-lines:]]
    return "".join(f"\n{line}" for line in kept)


def import_failed(  # noqa: PLR0917 - what is known of such an end
    how: str, type_: str, message: str, signal: str | None, exit_code: int | None, output: str
) -> str:
    """The framework could not be imported, by an exception or a death."""
    if how == "raised":  # what it printed may explain more: numpy does, before an empty ImportError
        said = f"{type_}: {message}" if message else type_
        return f"importing the framework failed: {said}{_both_ends(output)}"
    if how == "timed_out":
        return f"importing the framework did not come to an end{_both_ends(output)}"
    if how == "out_of_memory":
        return f"importing the framework took more memory than allowed{_both_ends(output)}"
    return f"the process {_end(signal, exit_code)} importing the framework{_both_ends(output)}"


def left_behind(n: int, pids: Sequence[int]) -> str:
    """A case left processes behind."""
    many = f"{len(pids)} processes" if len(pids) != 1 else "a process"
    return f"case {n} left {many} behind; ended"


def crash_outside(how: str, when: str, signal: str | None, exit_code: int | None) -> str:
    """The process that holds the framework died outside of any case."""
    place = "at interpreter exit, after the last result" if when == "exit" else "between two cases"
    if how == "timed_out":
        return f"the process did not come to an end {place}; killed"
    return f"the process {_end(signal, exit_code)} {place}"


def no_worker(python: str, diagnostics: str, exit_code: int | None) -> str:
    """The interpreter did not get as far as running the worker."""
    told = diagnostics.strip().splitlines()[-1:] or [f"it ended with exit code {exit_code}"]
    return f"{python} cannot run the worker: {told[0]}"


def not_started(python: str, reason: str) -> str:
    """The interpreter could not be started at all."""
    return f"{python} cannot be started: {reason}"


def lost_worker(exit_code: int | None, diagnostics: str) -> str:
    """The worker's stream ended without its last word."""
    code = "" if exit_code is None else f" (exit code {exit_code})"
    return f"the worker was lost before it was done{code}{_last_lines(diagnostics)}"


def lost_answers(count: int) -> str:
    """The worker has answered more cases than arrived."""
    return f"{count} answers of the worker were damaged on their way and are lost"


def not_asked(n: int, variant: str | None) -> str:
    """A result of a case that the worker was not given."""
    case = f"case {n}" if variant is None else f"case {n} ({variant[:40]})"
    return f"the worker answered for {case}, which it was not given; the answer was left out"


def nonsense(problem: str) -> str:
    """A result could not be understood."""
    return f"the worker's answer cannot be understood: {problem}"
