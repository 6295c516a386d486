"""What exceptions mean: every rule by messages of real releases, and what no rule may claim."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from pytest_modelcompat.results import rules
from pytest_modelcompat.results.model import Stage, Status
from pytest_modelcompat.results.rules import classify, rules_for
from pytest_modelcompat.worker.runtimes import REGISTRY

GOLDEN = [
    json.loads(line)
    for line in (Path(__file__).parent / "messages.jsonl").read_text("utf-8").splitlines()
]
RUNTIMES = tuple(REGISTRY)
EVERY = {rule.id: rule for runtime in RUNTIMES for rule in rules_for(runtime)}


def found(runtime, message, *, type_="RuntimeError", stage="load", ended="raised"):
    return classify(runtime, ended=ended, type_=type_, message=message, stage=Stage(stage))


@pytest.mark.parametrize(
    "golden", GOLDEN, ids=[f"{each['rule']}-{each['release']}-{n}" for n, each in enumerate(GOLDEN)]
)
def test_messages_of_real_releases_mean_what_they_say(golden):
    rule = found(
        golden["runtime"],
        golden["message"],
        type_=golden["type"],
        stage=golden["stage"],
        ended=golden.get("ended", "raised"),
    )
    assert (rule and rule.id) == golden["rule"]


@pytest.mark.parametrize("name", EVERY)
def test_every_rule_holds_for_the_releases_in_which_it_was_seen(name):
    stored = {each["release"] for each in GOLDEN if each["rule"] == name}
    assert set(EVERY[name].seen) <= stored
    assert EVERY[name].note.endswith(".")


def test_every_rule_file_belongs_to_a_runtime_or_to_all():
    names = {each.name for each in (files(rules.__package__) / "rules").iterdir()}
    assert names == {f"{name}.yaml" for name in (*RUNTIMES, "common")}


@pytest.mark.parametrize("name", EVERY)
def test_no_rule_names_an_operator(name):
    words = EVERY[name].message.pattern if EVERY[name].message else ""
    operators = ("Conv", "Relu", "Cast", "Attention", "Gather", "Resize", "Loop", "Reduce", "GRU")
    assert not [each for each in operators if f"{each} " in words or f"{each}\\b" in words]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("message", "type_"),
    [
        ("", "RuntimeError"),
        ("something went wrong", "RuntimeError"),
        ("not supported", "RuntimeError"),
        ("unsupported", "NotImplementedError"),
        ("[ONNXRuntimeError] : 1 : FAIL : no", "Fail"),
        ("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : no", "NotImplemented"),
        ("[ONNXRuntimeError] : 10 : INVALID_GRAPH : This is an invalid model.", "InvalidGraph"),
        ("[ONNXRuntimeError] : 11 : EP_FAIL : no", "EPFail"),
        ("FrontEnd API failed with OpConversionFailure:\nWhile validating ONNX node", "X"),
        ("No module named 'foo'", "ModuleNotFoundError"),
        ("foo must be installed to use the reference implementation of the X operator", "X"),
        ("NotMemoryError", "NotMemoryError"),
        ("x", "MemoryErrorish"),
    ],
)
def test_what_no_rule_knows_is_left_alone(runtime, message, type_):
    assert found(runtime, message, type_=type_) is None


IR = "Unsupported model IR version: 14, max supported IR version: 13"


def test_the_stage_takes_part():
    assert found("onnxruntime", IR).id == "onnxruntime.ir-version"
    assert found("onnxruntime", IR, stage="run") is None


def test_how_it_ended_takes_part():
    died = "terminate called after throwing an instance of 'std::bad_alloc'"
    assert found("onnxruntime", died, ended="crashed").id == "common.bad-alloc-death"
    assert found("onnxruntime", died).id == "common.bad-alloc"
    assert found("onnxruntime", IR, ended="crashed") is None


def test_each_runtime_speaks_its_own_tongue():
    assert found("onnx", IR) is None
    assert found("onnxruntime", "No conversion rule found for operations: X").status is (
        Status.UNSUPPORTED
    )  # the distribution onnxruntime-openvino
    assert found("openvino", IR) is None
    assert found("backend", IR).status is Status.GATED
    assert found("nobody-knows", "std::bad_alloc").id == "common.bad-alloc"
    assert found("nobody-knows", IR) is None


def test_the_first_rule_that_matches_decides_and_a_runtimes_own_come_first():
    order = [rule.id for rule in rules_for("openvino")]
    assert order[-1].startswith("common.")
    assert order == sorted(order, key=lambda name: name.startswith("common."))
    both = "No conversion rule found for operations: X\nstd::bad_alloc"
    assert found("openvino", both).id == "openvino.no-conversion-rule"
    assert len({rule.id for rule in rules_for("backend")}) == len(rules_for("backend"))


def test_a_long_message_is_searched_at_both_ends():
    assert found("onnxruntime", "x" * 100_000 + IR).id == "onnxruntime.ir-version"
    assert found("onnxruntime", IR + "x" * 100_000).id == "onnxruntime.ir-version"
    assert found("onnxruntime", "x" * 50_000 + IR + "x" * 50_000) is None


@pytest.mark.parametrize(
    "message",
    ["OpConversionFailure " * 6000, "Current official support for domain " * 3000,
     "NOT_IMPLEMENTED : Could not find an implementation for " * 2000, "(" * 100_000,
     "Unsupported model IR version: " + "1" * 100_000, "a(-" * 40_000],
    ids=lambda message: message[:20],
)  # fmt: skip
def test_hostile_messages_cost_little(message):
    started = time.perf_counter()
    for runtime in RUNTIMES:
        found(runtime, message)
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    "change",
    [
        {"message": ".*"},
        {"message": ""},
        {"type": "x?", "message": "y"},
        {"status": "failed"},
        {"status": "passed"},
        {"ended": "timed_out"},
        {"seen": []},
        {"surprise": 1},
        {"stage": ["nowhere"]},
    ],
)
def test_a_wrong_rule_is_refused(change):
    rule = {"id": "a.b", "status": "unsupported", "message": "x", "note": "N.", "seen": ["y 1"]}
    assert rules._rule("a", rule).id == "a.b"
    with pytest.raises(ValueError, match=r".+"):
        rules._rule("a", rule | change)


def test_a_rule_needs_a_message_or_a_type():
    rule = {"id": "a.b", "status": "unsupported", "note": "N.", "seen": ["y 1"]}
    with pytest.raises(ValueError, match="not a rule"):
        rules._rule("a", rule)
    assert rules._rule("a", rule | {"type": "E"}).message is None


def test_rules_are_data_that_yaml_reads_as_text():
    for place in (files(rules.__package__) / "rules").iterdir():
        for entry in yaml.safe_load(place.read_text("utf-8"))["rules"]:
            assert all(isinstance(entry[key], str) for key in ("id", "status", "note"))
            assert entry["id"].startswith(place.name.removesuffix(".yaml") + ".")
