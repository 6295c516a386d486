"""What the host reads of a worker's messages is what the standard library would read."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelcompat.runner.stream import loads

_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)  # fmt: skip


@given(_ANY)
def test_whatever_it_says(value) -> None:
    data = json.dumps(value).encode("ascii")
    assert repr(loads(data)) == repr(json.loads(data))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Infinity", math.inf),
        ("1e400", math.inf),
        ('"\\ud800"', "\ud800"),
        ("1" * 40, int("1" * 40)),
    ],
)
def test_what_is_hardly_json(text, value) -> None:
    assert loads(text.encode()) == value


@pytest.mark.parametrize("data", [b"", b"{", b"[1] 2", b'"\xff"', b"'a'"])
def test_what_is_none(data) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says it in its own words
        loads(data)


def test_what_is_nested_without_end() -> None:
    with pytest.raises(RecursionError):
        loads(b"[" * 100_000)
