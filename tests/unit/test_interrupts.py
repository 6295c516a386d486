"""Ctrl-C is heard where it does no harm: noted in a wait, raised after it."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pytest_modelcompat.interrupts import TwiceError, held, patient


@pytest.fixture(autouse=True)
def _default_handler():
    """Whatever runs these tests may have one of its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# ruff: noqa: PT012 - what is tested is a block, and how one leaves it


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_is_noted_and_raised_on_leaving():
    seen = []
    with pytest.raises(KeyboardInterrupt) as caught, held() as interrupted:
        seen.append(interrupted())
        interrupt()
        seen.append(interrupted())
    assert seen == [False, True]
    assert not isinstance(caught.value, TwiceError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_lock_is_never_left_behind():
    """What this is for: other threads must be able to take what the main thread held."""
    condition = threading.Condition()
    with pytest.raises(KeyboardInterrupt), held(), condition:
        interrupt()
        condition.wait(0.01)
    taken = []
    other = threading.Thread(target=lambda: taken.append(condition.acquire(timeout=5)))
    other.start()
    other.join()
    assert taken == [True]


def test_two_interrupts_are_told_apart_from_one():
    with pytest.raises(TwiceError), held():
        interrupt()
        interrupt()


def test_without_an_interrupt_nothing_happens():
    with held() as interrupted:
        assert not interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_error_goes_through():
    with pytest.raises(ValueError, match="other"), held():
        interrupt()
        raise ValueError("other")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_somebody_else_handles_them_nothing_is_held():
    calls = []
    signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    with held() as interrupted:
        interrupt()
        assert not interrupted()
    assert calls == [1]


def test_other_threads_may_wait_too():
    seen = []

    def wait() -> None:
        with held() as interrupted, patient(heard=False):
            seen.append(interrupted())

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert seen == [False]


def test_the_second_one_stops_what_is_patient():
    with patient(heard=False):
        interrupt()
    with pytest.raises(KeyboardInterrupt), patient(heard=False):
        interrupt()
        interrupt()
    with pytest.raises(KeyboardInterrupt), patient(heard=True):
        interrupt()
