"""Records as hypothesis makes them: any that a store takes."""

from __future__ import annotations

from hypothesis import strategies as st

from pytest_modelcompat.results.model import (
    CaseRecord,
    Expectation,
    Judgement,
    Measurement,
    Outcome,
    Stage,
    Status,
)

__all__ = ["RECORDS"]

# Few different strings, as in a run, the odd ones among them; any string now and then.
TEXT = (
    st.sampled_from(["", "a", "ai.onnx::Relu", "é\ud800", 'quo"te\\\n', "NaN", "\x00"]) | st.text()
)
NAMES = st.text(min_size=1)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**60), 2**60)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(TEXT, JSON, max_size=3)
SECONDS = st.floats(0, 1e6) | st.just(0.0)
DIGEST = st.sampled_from(["=", "0" * 64, "1" * 64])

MEASUREMENTS = st.builds(
    Measurement,
    stage=st.sampled_from(Stage),
    ended=st.sampled_from(["returned", "raised", "not_run"]),
    error=st.none() | MAPPINGS,
    outputs=st.lists(DIGEST, max_size=3).map(tuple),
    expected=st.none() | st.just("2" * 64),
    ran_on=st.none() | st.dictionaries(TEXT, st.integers(0, 9), max_size=2),
    load_seconds=SECONDS,
    run_seconds=st.lists(SECONDS, max_size=3).map(tuple),
    peak_rss=st.integers(0, 2**40),
    opset=st.integers(0, 99),
    reason=TEXT,
)
JUDGEMENTS = st.builds(
    Judgement,
    status=st.sampled_from(Status),
    stage=st.sampled_from(Stage),
    rule=st.none() | NAMES,
    signature=st.none() | NAMES,
    mismatch=st.none() | MAPPINGS,
    attribution=st.none() | NAMES,
    attribution_detail=st.dictionaries(TEXT, TEXT, max_size=2),
)
RECORDS = st.builds(
    CaseRecord,
    cell=st.just("cell-a"),
    n=st.integers(0, 2**31 - 1),
    check=TEXT,
    unit=TEXT,
    case=TEXT,
    requested=TEXT,
    measurement=MEASUREMENTS,
    judgement=JUDGEMENTS,
    expectation=st.builds(Expectation, outcome=st.sampled_from(Outcome), known=st.none() | NAMES),
    reference=st.none() | MAPPINGS,
    repro=TEXT,
    model_bytes=st.integers(0, 2**40),
)
