"""Equal causes look equal, other causes do not, and no message takes long."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelcompat.results.signature import clusters, signature

MESSAGES = [
    json.loads(line)["message"]
    for line in (Path(__file__).parent / "messages.jsonl").read_text("utf-8").splitlines()
]
ORT = "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : "


@pytest.mark.parametrize(
    ("one", "two"),
    [
        # Numbers, lists of numbers, addresses, digests.
        ("expected 3, got 4", "expected 17, got 1"),
        ("shape {1,3,224} is bad", "shape {2,64} is bad"),
        ("shape (1, 3) is bad", "shape (2, 64, 8) is bad"),
        ("error -1 at 1.5e-3", "error 7 at 2"),
        ("object at 0x7f12ab", "object at 0xdeadbeef01"),
        ("cache 0123456789ab", "cache fedcba98765432100"),
        # Paths, lines, temporary names.
        ("cannot open /tmp/tmpab12cd/model.onnx", "cannot open /var/cell/9/model.onnx"),
        ("/a/b/model.cc:12 bad", "/x/y/z/model.cc:99 bad"),
        ("model.cc:12 bad", "model.cc:99 bad"),
        ("in tmpk2j4h1 there", "in tmp_xy9z8q there"),
        # Names of nodes and tensors.
        ("node 'Relu_12' failed", 'node "x/y:0" failed'),
        ("Name:'conv1' Status", "Name:'' Status"),
        ("input: like Got", "input: other Got"),
        ("Node (Relu_12) Op (Relu) bad", "Node () Op (Relu) bad"),
        ("operation name: ReduceSum_3743214", "operation name: y"),
        ("subgraph_71_0 died", "subgraph_2454_1 died"),
        ("'<Node(Cast): output>' bad", "'<Node(Cast): y, z>' bad"),
        ("('a','b': tensor(float),) -> x", "('c','d','e': tensor(float),) -> x"),
        # What differs between releases only.
        ("[ONNXRuntimeError] : 1 : FAIL : no luck", "[ONNXRuntimeError] : 2 : INVALID : no luck"),
        (ORT + "/a/b/m.cc:149 ns::M::M(const T&, int) Bad IR", "/c/d/m.cc:1 ns::M::N(X) Bad IR"),
        ("/a/b/m.cc:1 void ns::F(int) const [with T = float] bad", "/a/b/m.cc:2 void n::F() bad"),
        ("/a/b/m.cc:1 n::L(std::function<void()>)::<lambda()> bad", "/a/b/m.cc:1 n::L() bad"),
        ("Exception from src/a/core.cpp:105:\nno", "Exception from src/b/core.cpp:99:\nno"),
        ("Check 'false' failed at src/a/b.cpp:1:\nno", "no"),
        # White space and colours.
        ("a\n\n  b\tc", "a b c"),
        ("\x1b[1;31mred\x1b[m", "red"),
    ],
)
def test_equal_causes_look_equal(one, two):
    assert signature(one) == signature(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (ORT + "Could not find an implementation for Relu(14) node",
         ORT + "Could not find an implementation for Add(14) node"),
        ("Unsupported type tensor(float16)", "Unsupported type tensor(int8)"),
        ("Type 'tensor(int64)' of input", "Type 'tensor(float)' of input"),
        ("builtin opcode 'CONV_2D' version", "builtin opcode 'PAD' version"),
        ("Input to 'Range' op should", "Input to 'Tile' op should"),
        ("operator 'Scatter' is unknown", "operator 'Gather' is unknown"),
        ("'<Node(Cast): y>' bad", "'<Node(Split): y>' bad"),
        ("Op (Relu) bad", "Op (Add) bad"),
        ("float16 is bad", "float32 is bad"),
        ("/a/b/model.cc:12 bad", "/a/b/other.cc:12 bad"),
        ("out of memory", "out of range"),
    ],
)  # fmt: skip
def test_other_causes_look_different(one, two):
    assert signature(one) != signature(two)


def test_releases_with_one_cause_have_one_signature():
    gates = {signature(each) for each in MESSAGES if "Unsupported model IR version" in each}
    assert gates == {
        "model.cc: Unsupported model IR version: N, max supported IR version: N"
    }  # fmt: skip
    batch = [each for each in MESSAGES if "Batchwise" in each and "lstm_base.h" in each]
    assert len({signature(each) for each in batch}) <= 1


def test_an_apostrophe_is_no_quote():
    found = signature("Didn't find op for builtin opcode 'CONV_2D' version '6', can't go on")
    assert found == "Didn't find op for builtin opcode 'CONV_2D' version 'N', can't go on"


def test_an_empty_message_falls_back():
    assert signature("", fallback="KeyError") == "KeyError"
    assert signature(" \n", fallback="KeyError") == "KeyError"
    assert signature("") == ""


def test_a_signature_is_short_and_ends_in_an_ellipsis_where_it_was_cut():
    assert signature("word " * 1000).endswith("…")
    assert len(signature("word " * 1000)) <= 240
    assert signature("word " * 10) == ("word " * 10).strip()
    assert len(signature("w" * 240)) == 240
    assert not signature("w" * 240).endswith("…")


@pytest.mark.parametrize("message", MESSAGES)
def test_a_signature_is_its_own_signature_or_shorter(message):
    once = signature(message)
    assert 0 < len(once) <= 240 or not message
    assert "\n" not in once


@pytest.mark.parametrize(
    "piece",
    ["a", "/a", "'", '"', "`", "'a", "(node ", "node (", "node:", "1,", "N x ", "x.cc:1 ",
     "x.cc:1 a::b(", "x.cc:1 a::", "0x", "a::", "tmp", "tmp1", "\x1b[", "<Node(", "' op ", "_1",
     "a_1", "Check '", "Exception from a", "op '", " [with ", "0a", "Exception from x:1:", "\n"],
)  # fmt: skip
def test_no_message_takes_long(piece):
    started = time.perf_counter()
    signature(piece * (100_000 // len(piece)))
    assert time.perf_counter() - started < 60


@given(st.text(max_size=300))
def test_any_text_has_a_signature(text):
    found = signature(text, fallback="x")
    assert 0 < len(found) <= 240
    assert signature(text, fallback="x") == found


def test_clusters_are_the_largest_first_then_in_order_of_appearance():
    pairs = [("a", "s1"), ("b", "s2"), ("c", None), ("d", "s2"), ("e", "s3"), ("f", "")]
    assert clusters(pairs) == [("s2", ["b", "d"]), ("s1", ["a"]), ("s3", ["e"])]
    assert clusters([]) == []
