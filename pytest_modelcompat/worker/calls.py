"""One data set given to a model in several calls: rows in batches, or a sequence step by step.

A case says how in `calls`:

    kind, size    `batch` and the rows of a call, or `step` and the steps of a call
    axis          along which inputs are cut and outputs joined
    axes          {tensor: its own axis, or null where it stays whole}
    state         {input: the output of one call that it gets in the next}

What comes out is joined again, so that it is judged as the answer to the whole data set. Whatever
does not fit is an error and never a shorter run: a batch larger than the data was not tried.
"""

from __future__ import annotations

import time

from .arrays import from_array, to_array
from .values import BITS, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Feeds = dict[str, Value]

__all__ = ["Calls"]

_BYTE = 8
_WORDS = {"batch": ("rows", "a batch"), "step": ("steps", "a step")}


class Calls:
    """The calls of one data set, cut once and made as often as it is run.

    Args:
        how: `calls` of the case.
        feeds: the whole data set.

    Raises:
        ValueError: it cannot be cut like that.
    """

    def __init__(self, how: dict[str, Any], feeds: Feeds) -> None:
        self._axis: int = how["axis"]
        self._axes: dict[str, int | None] = how.get("axes") or {}
        self._state: dict[str, str] = how.get("state") or {}
        unknown = sorted(set(self._state) - set(feeds))
        if unknown:
            raise ValueError("state that is no input: {}".format(", ".join(unknown)))
        cut = {name: axis for name in feeds for axis in [self._cut_at(name)] if axis is not None}
        lengths = {name: _length(name, feeds[name], axis) for name, axis in cut.items()}
        unit, one = _WORDS[how["kind"]]
        if len(set(lengths.values())) != 1:
            told = ", ".join("{} {}".format(name, length) for name, length in lengths.items())
            raise ValueError("inputs differ in {}: {}".format(unit, told or "none has any"))
        length, size = next(iter(lengths.values())), how["size"]
        if length < size:
            raise ValueError(
                "the data set has {} {}, which is less than {} of {}".format(
                    length, unit, one, size
                )
            )
        self._fed = [
            {
                name: _part(value, cut[name], at, at + size) if name in cut else value
                for name, value in feeds.items()
            }
            for at in range(0, length, size)
        ]

    def run(self, session: Any) -> tuple[list[tuple[str, Value]], float]:
        """Make all calls.

        Returns:
            What came out, joined, and the seconds that the runtime took.

        Raises:
            ValueError: what came out cannot be joined. Whatever the runtime raises goes through.
        """
        answers: list[dict[str, Value]] = []
        seconds = 0.0
        for feeds in self._fed:
            fed = feeds
            if answers and self._state:
                fed = {**feeds, **self._carried(answers[-1])}
            begun = time.perf_counter()
            found = session.run(fed)
            seconds += time.perf_counter() - begun
            answers.append(dict(found))
        self._known(answers[0])
        return [(name, self._joined(name, answers)) for name in answers[0]], seconds

    def _cut_at(self, name: str) -> int | None:
        return None if name in self._state else self._axes.get(name, self._axis)

    def _carried(self, answer: dict[str, Value]) -> Feeds:
        missing = sorted(set(self._state.values()) - set(answer))
        if missing:
            raise ValueError("state that is no output: {}".format(", ".join(missing)))
        return {name: answer[output] for name, output in self._state.items()}

    def _known(self, answer: dict[str, Value]) -> None:
        """Refuse axes of nothing: misspelt, they would be left out without a word."""
        unknown = sorted(set(self._axes) - set(self._fed[0]) - set(answer))
        if unknown:
            raise ValueError("axes of what is no input and no output: {}".format(unknown))

    def _joined(self, name: str, answers: Iterable[dict[str, Value]]) -> Value:
        try:
            parts = [answer[name] for answer in answers]
        except KeyError:
            raise ValueError("{} did not come out of every call".format(name)) from None
        axis = self._axes.get(name, self._axis)
        if name in self._state.values() or axis is None:
            return parts[-1]
        if len({part.dtype for part in parts}) != 1:
            raise ValueError("{} has another type in another call".format(name))
        for part in parts:
            _length(name, part, axis)
        if len(parts) == 1:
            return parts[0]
        import numpy as np  # noqa: PLC0415 - only cells whose data are cut need it

        try:
            found = np.concatenate([to_array(part) for part in parts], axis=axis)
        except ValueError as problem:
            raise ValueError("{} cannot be joined: {}".format(name, problem)) from problem
        return from_array(found, parts[0].dtype if parts[0].dtype != "string" else None)


def _length(name: str, value: Value, axis: int) -> int:
    if value.kind != "tensor" or BITS.get(value.dtype, _BYTE) < _BYTE:
        kind = value.dtype if value.kind == "tensor" else value.kind
        raise ValueError("{} is {} and cannot be cut or joined: make it whole".format(name, kind))
    if axis >= len(value.shape):
        raise ValueError(
            "{} has no axis {}, its shape is {}: give it an axis, or make it whole".format(
                name, axis, list(value.shape)
            )
        )
    return int(value.shape[axis])


def _part(value: Value, axis: int, start: int, end: int) -> Value:
    where = (slice(None),) * axis + (slice(start, end),)
    return from_array(
        to_array(value)[where].copy(), value.dtype if value.dtype != "string" else None
    )
