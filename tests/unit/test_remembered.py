"""A bounded memory."""

from __future__ import annotations

from pytest_modelcompat.results.remembered import Remembered


def test_a_value_is_made_once() -> None:
    memory: Remembered[int] = Remembered(2)
    made: list[str] = []

    def value(key: str) -> int:
        return memory.of(key, lambda: made.append(key) or len(made))  # type: ignore[func-returns-value]

    assert [value("a"), value("b"), value("a"), value("b")] == [1, 2, 1, 2]
    assert len(memory) == 2


def test_when_it_is_full_it_begins_anew() -> None:
    memory: Remembered[int] = Remembered(2)
    for number in range(5):
        memory.of(number, lambda number=number: number)  # type: ignore[misc]
        assert len(memory) <= 2
    assert memory.of(4, lambda: -1) == 4
    assert memory.of(0, lambda: -1) == -1


def test_what_failed_is_not_remembered() -> None:
    memory: Remembered[float] = Remembered(2)
    for given, expected in ((0, None), (2, 0.5)):
        try:
            found = memory.of("key", lambda given=given: 1 / given)  # type: ignore[misc]
        except ZeroDivisionError:
            found = None
        assert found == expected
