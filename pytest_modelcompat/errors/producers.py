"""What is said about producers that made no model."""

from __future__ import annotations

__all__ = [
    "damaged",
    "died",
    "no_environment",
    "stopped_by_system",
    "timed_out",
]


def no_environment(label: str, reason: str) -> str:
    """The producer's own environment could not be had."""
    return f"the producer {label} has no environment: {reason}"


def timed_out(stage: str, seconds: float) -> str:
    """The export took longer than it may."""
    return f"the exporter did not come to an end at stage {stage}: its limit is {seconds:g} s"


def died(stage: str, signal: str | None, exit_code: int | None) -> str:
    """The exporter's process ended without a result."""
    how = f"died of {signal}" if signal else f"ended early with exit code {exit_code}"
    return f"the exporter {how} at stage {stage}"


def stopped_by_system(stage: str) -> str:
    """Nobody here killed it."""
    return (
        f"the exporter was killed at stage {stage}, which is what a system does to a process when "
        "memory runs out"
    )


def damaged(what: str) -> str:
    """The job said that it was done, and left something unusable."""
    return f"the exporter left no usable model: {what}"
