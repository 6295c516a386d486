"""What was worked out before: a bounded memory for pure functions whose arguments have no hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Remembered"]

T = TypeVar("T")


class Remembered(Generic[T]):
    """Values by key; safe from several threads, which may work the same out twice.

    Args:
        most: how many there may be; then all are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[Hashable, T] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of this key; `make` is called where it is not known."""
        try:
            return self._values[key]
        except KeyError:
            made = make()
            if len(self._values) >= self._most:
                self._values.clear()
            self._values[key] = made
            return made
