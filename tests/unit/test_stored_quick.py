"""The quick way of reading a line and the careful one: what both take, both take alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_modelcompat.results import stored

PLAIN: dict[str, Any] = {
    "cell": "c", "n": 3, "check": "parity", "unit": "m", "case": "m/a", "status": "failed",
    "outcome": "not_ok", "stage": "compare", "opset": 17, "ran_on": {"CPU": 2},
    "mismatch": {"output": "y", "ratio": 1e-7, "max_abs": "NaN", "index": [0, -1]},
    "error": {"signature": "s", "message": "\N{SNOWMAN} \U0001f600", "exit_code": 0},
    "seconds": {"load": 0.5, "run": 1, "runs": {"n": 3, "min": 0.1}}, "outputs": ["d"],
    "expected": "e", "peak_rss": 2**40, "model_bytes": 9,
    "attribution": "none", "repro": "r", "later": [1],
}  # fmt: skip


def line(**changes: Any) -> bytes:
    return json.dumps(PLAIN | changes).encode()


@pytest.mark.parametrize("changes", [{}, {"known": None}, {"seconds": {"run": -1}}, {"n": 0}])
def test_a_plain_line_is_read_quickly_and_alike(changes: dict[str, Any]):
    found = stored.quick(line(**changes))
    assert found is not None
    assert found == stored.case(PLAIN | changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"stage": None}, ""),
        ({"ran_on": {"CPU": 1.5}}, ""),
        ({"seconds": {"a": {"b": {"c": 1}}}}, ""),
        ({"n": -1}, "out of range"),
        ({"n": 2**63}, "out of range"),
        ({"n": 1.0}, "not a whole number"),
        ({"n": True}, "not a whole number"),
        ({"opset": -1}, "out of range"),
        ({"peak_rss": 2**63}, "out of range"),
        ({"model_bytes": -1}, "out of range"),
        ({"cell": None}, "has no `cell`"),
        ({"cell": 7}, "not text"),
        ({"status": "fine"}, "is no `status`"),
        ({"stage": "PASSED"}, "is no `stage`"),
        ({"outcome": ""}, "is no `outcome`"),
        ({"ran_on": {"CPU": "1"}}, "not a finite number"),
        ({"ran_on": []}, "not a mapping"),
        ({"seconds": {"run": "1"}}, "not a finite number"),
        ({"seconds": {"run": True}}, "not a finite number"),
        ({"seconds": {"run": 10**400}}, "not a finite number"),
        ({"outputs": ["a", 1]}, "not text"),
        ({"error": [1]}, "not a mapping"),
    ],
)
def test_what_is_unusual_is_left_to_the_careful_way(changes: dict[str, Any], problem: str):
    text = line(**changes)
    assert stored.quick(text) is None
    if problem:
        with pytest.raises(ValueError, match=problem):
            stored.case(json.loads(text))
    else:
        stored.case(json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        line().replace(b'"n": 3', b'"n": NaN'),
        line().replace(b"1e-07", b"1e999"),
        line().replace(b"1e-07", b"-Infinity"),
        line(error={"message": "\ud800"}),
        line().replace(b'"c"', b'"\xff"'),
        line()[:-1],
        line() + b"{}",
        line(mismatch={}).replace(b"{}", b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
        b"[]",
        b"",
    ],
)
def test_what_is_no_plain_json_is_left_to_the_careful_way(text: bytes):
    assert stored.quick(text) is None


def test_a_field_that_is_left_out_takes_its_default():
    short = {name: PLAIN[name] for name in ("cell", "check", "unit", "case", "status", "outcome")}
    found = stored.quick(json.dumps(short).encode())
    assert found == stored.case(short)
    assert stored.quick(b"{}") is None
