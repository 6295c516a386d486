"""Versions condensed to ranges that claim nothing that was not tested."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelcompat.results.ranges import in_order, label, monotone, ranges


def shown(states: str) -> list[str]:
    """Ranges of versions 1.0, 1.1, …; `.` is a version without data."""
    versions = [f"1.{n}" for n in range(len(states))]
    known = {
        version: state for version, state in zip(versions, states, strict=True) if state != "."
    }
    return [f"{label(each)}{each.state}" for each in ranges(versions, known)]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("", []),
        ("...", []),
        ("y", ["1.0y"]),
        ("yyy", ["1.0+y"]),
        ("nnyy", ["1.0\u20131.1n", "1.2+y"]),
        ("nny", ["1.0\u20131.1n", "1.2y"]),
        ("yny", ["1.0y", "1.1n", "1.2y"]),
        ("y.y", ["1.0+y"]),
        ("yy.", ["1.0\u20131.1y"]),  # the newest one gave no data: nothing is claimed of it
        (".yy", ["1.1+y"]),
        ("n.y", ["1.0n", "1.2y"]),
    ],
)
def test_ranges(states: str, expected: list[str]):
    assert shown(states) == expected


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc."), max_size=12))
def test_ranges_say_each_tested_version_once_and_no_other(states: list[str]):
    versions = [f"1.{n}" for n in range(len(states))]
    known = {
        version: state for version, state in zip(versions, states, strict=True) if state != "."
    }
    found = ranges(versions, known)
    assert {version: each.state for each in found for version in each.versions} == known
    assert [version for each in found for version in each.versions] == list(known)
    assert all(one.state != two.state for one, two in pairwise(found))
    assert sum(each.newest for each in found) == (bool(states) and states[-1] != ".")
    assert sum(each.oldest for each in found) == (bool(states) and states[0] != ".")
    assert all(gap not in known for each in found for gap in each.gaps)


def test_gaps_are_named():
    (found,) = ranges(["1", "2", "3", "4"], {"1": "y", "4": "y"})
    assert found.gaps == ("2", "3")
    first, second = ranges(["1", "2", "3"], {"1": "y", "3": "n"})
    assert first.gaps == second.gaps == ()


@pytest.mark.parametrize(
    ("states", "expected"),
    [("", True), ("y", True), ("n", True), ("ny", True), ("yn", False), ("nyn", False)],
)
def test_monotone(states: str, *, expected: bool):
    versions = [f"1.{n}" for n in range(len(states))]
    found = ranges(versions, dict(zip(versions, states, strict=True)))
    assert monotone(found, {"y"}) is expected


def test_versions_are_ordered_as_versions():
    assert in_order(["1.10", "1.9", "installed", "1.9rc1", "1.9", "2.0.dev1", "here"]) == [
        "1.9rc1", "1.9", "1.10", "2.0.dev1", "here", "installed",
    ]  # fmt: skip
