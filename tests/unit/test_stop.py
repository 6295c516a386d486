"""A run that stops: everybody hears it once, and the first reason stays."""

from __future__ import annotations

from pytest_modelcompat.runner.stop import Stop


def test_the_first_reason_stays():
    stop = Stop()
    assert stop.reason == ""
    stop.say("interrupted")
    stop.end("stopped")
    assert stop.reason == "interrupted"


def test_what_runs_is_told_by_the_end_and_not_by_saying_so():
    stop, told = Stop(), []
    with stop.heard(told.append):
        stop.say("interrupted")
        assert told == []
        stop.end("interrupted")
        assert told == ["interrupted"]


def test_what_begins_too_late_is_told_at_once():
    stop, told = Stop(), []
    stop.say("interrupted")
    with stop.heard(told.append):
        assert told == ["interrupted"]


def test_what_has_ended_is_told_nothing():
    stop, told = Stop(), []
    with stop.heard(told.append):
        pass
    stop.end("stopped")
    assert told == []


def test_a_stop_may_be_said_again_by_who_hears_it():
    stop, told = Stop(), []
    with stop.heard(lambda reason: (told.append(reason), stop.say("again"))):
        stop.end("interrupted")
    assert told == ["interrupted"]
    assert stop.reason == "interrupted"
