"""One status per measurement: every status is reached, in the right order, with its evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_modelcompat.matrix.model import Tolerance
from pytest_modelcompat.results import judge as module
from pytest_modelcompat.results import tolerance
from pytest_modelcompat.results.judge import EQUAL, judge
from pytest_modelcompat.results.model import Judgement, Measurement, Stage, Status
from pytest_modelcompat.results.remembered import Remembered
from pytest_modelcompat.worker.values import Value

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


def outputs(*numbers: float, name: str = "y") -> list[tuple[str, Value]]:
    array = np.array(numbers)
    return [(name, Value.tensor("float64", array.shape, array.tobytes()))]


RIGHT, NEAR, WRONG = outputs(1.0, 2.0), outputs(1.0, 2.0005), outputs(1.0, 3.0)


def returned(*digests: str, ran_on=None) -> Measurement:
    return Measurement(
        stage=Stage.COMPARE, ended="returned", outputs=digests, ran_on=ran_on or {CPU: 1}
    )


def raised(message="no luck", type_="RuntimeError", stage=Stage.LOAD) -> Measurement:
    return Measurement(stage=stage, ended="raised", error={"type": type_, "message": message})


def ask(measurement, *, actual=(), expected=RIGHT, **more) -> Judgement:
    about = {
        "identical": False, "tolerances": None, "suite": None, "requested": CPU,
        "runtime": "onnxruntime", **more,
    }  # fmt: skip
    return judge(measurement, outputs=actual, expected=expected, **about)


# Every status is reached -------------------------------------------------------------------------

IR = "Unsupported model IR version: 14, max supported IR version: 13"
REACHED = {
    Status.PASSED: lambda: ask(returned("a"), actual=[RIGHT]),
    Status.FALLBACK: lambda: ask(returned("a", ran_on={CPU: 1}), actual=[RIGHT], requested=CUDA),
    Status.FAILED: lambda: ask(returned("a"), actual=[WRONG]),
    Status.NONDETERMINISTIC: lambda: ask(returned("a", "b"), actual=[RIGHT, WRONG]),
    Status.UNSUPPORTED: lambda: ask(raised("X(1) is not a registered function/op")),
    Status.GATED: lambda: ask(raised(IR)),
    Status.ERROR: lambda: ask(raised()),
    Status.CRASHED: lambda: ask(Measurement(stage=Stage.RUN, ended="crashed")),
    Status.TIMED_OUT: lambda: ask(Measurement(stage=Stage.RUN, ended="timed_out")),
    Status.OUT_OF_MEMORY: lambda: ask(Measurement(stage=Stage.RUN, ended="out_of_memory")),
    Status.SKIPPED: lambda: ask(Measurement(stage=Stage.START, ended="skipped")),
    Status.NOT_RUN: lambda: ask(Measurement(stage=Stage.START, ended="not_run")),
}


@pytest.mark.parametrize("status", Status, ids=lambda status: status.value)
def test_every_status_is_reached(status):
    assert REACHED[status]().status is status


@pytest.mark.parametrize("ended", ["", "done", "passed", "RETURNED", "error"])
def test_no_status_is_inferred_from_what_nobody_knows(ended):
    with pytest.raises(ValueError, match="no case ends like this"):
        ask(Measurement(stage=Stage.COMPARE, ended=ended), actual=[RIGHT], identical=True)


# Died --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Stage.LOAD, Stage.ASSIGN, Stage.RUN])
@pytest.mark.parametrize("ended", ["crashed", "timed_out", "out_of_memory", "not_run", "skipped"])
def test_the_stage_is_where_it_ended(ended, stage):
    found = ask(Measurement(stage=stage, ended=ended), identical=True, actual=[RIGHT])
    assert (found.status.value, found.stage) == (ended, stage)


@pytest.mark.parametrize(
    ("ended", "error", "signature"),
    [
        ("crashed", {"signal": "SIGSEGV", "exit_code": None}, "crashed: SIGSEGV"),
        ("crashed", {"signal": None, "exit_code": 0, "message": ""}, "crashed: exit 0"),
        ("crashed", {"signal": "SIGABRT", "message": "assert 12 failed"},
         "crashed: SIGABRT: assert N failed"),
        ("crashed", {"exit_code": 3, "message": "left"}, "crashed: exit 3: left"),
        ("crashed", None, "crashed"),
        ("timed_out", {"message": ""}, "timed_out"),
        ("out_of_memory", {"exit_code": 137}, "out_of_memory: exit 137"),
    ],
)  # fmt: skip
def test_a_death_is_signed_by_its_signal_and_its_words(ended, error, signature):
    found = ask(Measurement(stage=Stage.RUN, ended=ended, error=error))
    assert found.signature == signature
    assert found.rule is None


def test_a_death_for_want_of_memory_says_so():
    said = "terminate called after throwing an instance of 'std::bad_alloc'"
    for error in ({"output": said, "signal": "SIGABRT"}, {"message": said}):
        found = ask(Measurement(stage=Stage.RUN, ended="crashed", error=error))
        assert (found.status, found.rule) == (Status.OUT_OF_MEMORY, "common.bad-alloc-death")
        assert found.stage is Stage.RUN
    hung = ask(Measurement(stage=Stage.RUN, ended="timed_out", error={"output": said}))
    assert hung.status is Status.TIMED_OUT


# Raised ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "type_", "stage", "status", "rule"),
    [
        (IR, "Fail", Stage.LOAD, Status.GATED, "onnxruntime.ir-version"),
        (IR, "Fail", Stage.RUN, Status.ERROR, None),
        ("", "MemoryError", Stage.RUN, Status.OUT_OF_MEMORY, "common.memory-error"),
        ("X(1) is not a registered function/op", "Fail", Stage.LOAD, Status.UNSUPPORTED,
         "onnxruntime.unregistered"),
        ("index 3 out of range", "IndexError", Stage.RUN, Status.ERROR, None),
    ],
)  # fmt: skip
def test_an_exception_means_what_its_message_says(message, type_, stage, status, rule):
    found = ask(raised(message, type_, stage))
    assert (found.status, found.rule, found.stage) == (status, rule, stage)


def test_an_exception_is_signed_by_its_message_or_its_type():
    assert ask(raised("node 'a' has 3")).signature == "node 'NAME' has N"
    assert ask(raised("", "KeyError")).signature == "KeyError"
    assert ask(raised("", "")).signature == "raised"
    nothing = ask(Measurement(stage=Stage.LOAD, ended="raised"))
    assert (nothing.status, nothing.signature) == (Status.ERROR, "raised")


def test_another_runtime_has_other_rules():
    assert ask(raised(IR), runtime="openvino").status is Status.ERROR
    assert ask(raised(IR), runtime="backend").status is Status.GATED


# Returned: right or wrong ------------------------------------------------------------------------


def test_equal_bytes_pass_without_a_comparison(monkeypatch):
    monkeypatch.setattr(tolerance.Judge, "compare", None)
    found = ask(returned(EQUAL), identical=True, expected=RIGHT)
    assert found == Judgement(status=Status.PASSED, stage=Stage.COMPARE)


def test_a_wrong_answer_fails_with_its_mismatch():
    found = ask(returned("a"), actual=[WRONG])
    assert (found.status, found.stage, found.rule) == (Status.FAILED, Stage.COMPARE, None)
    assert found.signature == "failed value float64"
    assert found.mismatch["output"] == "y"
    assert found.mismatch["index"] == [1]
    assert found.attribution is None


def test_a_wrong_structure_is_signed_by_its_kind():
    found = ask(returned("a"), actual=[outputs(1.0)])
    assert (found.status, found.signature) == (Status.FAILED, "failed shape")


def test_tolerances_of_matrix_suite_and_default_are_told_apart():
    assert ask(returned("a"), actual=[NEAR]).status is Status.PASSED
    assert ask(returned("a"), actual=[NEAR], suite=(1e-6, 0.0)).status is Status.FAILED
    strict = (("float64", Tolerance(rtol=1e-6, atol=0.0)),)
    assert ask(returned("a"), actual=[NEAR], tolerances=strict).status is Status.FAILED
    both = ask(returned("a"), actual=[NEAR], tolerances=strict, suite=(1.0, 1.0))
    assert both.status is Status.FAILED
    other = (("float32", Tolerance(rtol=1e-6, atol=0.0)),)
    assert ask(returned("a"), actual=[NEAR], tolerances=other).status is Status.PASSED
    quanta = (("quantized", Tolerance(quanta=1)),)
    assert ask(returned("a"), actual=[WRONG], tolerances=quanta).status is Status.FAILED
    coarse = ask(returned("a"), actual=[WRONG], tolerances=quanta, quantized={"y": 1.0})
    assert coarse.status is Status.PASSED


def test_how_close_right_answers_are_is_kept_for_models_and_not_for_suites():
    found = ask(returned("a"), actual=[NEAR])
    assert 0 < found.mismatch["ratio"] < 1
    assert ask(returned("a"), actual=[NEAR], suite=(1e-3, 1e-7)).mismatch is None
    kept = ask(returned("a"), actual=[NEAR], suite=(1e-3, 1e-7), closeness=True)
    assert kept.mismatch is not None
    assert ask(returned("a"), actual=[NEAR], closeness=False).mismatch is None


def test_nothing_returned_is_not_what_was_expected():
    for found in (
        ask(returned(), actual=[]),
        ask(returned("a"), actual=[[]]),
    ):
        assert (found.status, found.mismatch["kind"]) == (Status.FAILED, "length")


def test_without_a_reference_it_only_has_to_run():
    assert ask(returned("a"), actual=[WRONG], expected=None).status is Status.PASSED
    assert ask(returned(), actual=[], expected=None).status is Status.PASSED
    died = Measurement(stage=Stage.RUN, ended="crashed")
    assert ask(died, expected=None).status is Status.CRASHED


# Repeats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", [RIGHT, None, WRONG, [(0, RIGHT[0][1])]])
def test_repeats_that_disagree_are_nondeterministic_before_anything_else(expected):
    found = ask(returned("a", "b"), actual=[RIGHT, WRONG], expected=expected)
    assert (found.status, found.stage) == (Status.NONDETERMINISTIC, Stage.COMPARE)
    assert found.mismatch["index"] == [1]
    assert found.signature == "nondeterministic value float64"
    third = ask(returned("a", "b", "c"), actual=[RIGHT, NEAR, WRONG], expected=expected)
    assert third.status is Status.NONDETERMINISTIC


def test_repeats_within_tolerance_are_one_answer():
    assert ask(returned("a", "b"), actual=[RIGHT, NEAR]).status is Status.PASSED
    assert ask(returned("a", "b"), actual=[RIGHT, NEAR], expected=None).status is Status.PASSED
    assert ask(returned("a", "b"), actual=[WRONG, WRONG]).status is Status.FAILED


def test_one_wrong_repeat_is_a_failure():
    edge, beyond = outputs(1.0, 2.0019), outputs(1.0, 2.0021)  # 2.00201 is the limit
    found = ask(returned("a", "b"), actual=[edge, beyond])
    assert (found.status, found.mismatch["actual"]) == (Status.FAILED, 2.0021)
    assert ask(returned("a", "b"), actual=[beyond, edge]).mismatch["actual"] == 2.0021
    assert ask(returned("a"), actual=[edge]).status is Status.PASSED


def test_repeats_that_are_the_expected_outputs_need_not_be_sent():
    assert ask(returned(EQUAL, "b"), actual=[[], NEAR]).status is Status.PASSED
    assert ask(returned("b", EQUAL), actual=[NEAR, []]).status is Status.PASSED
    assert ask(returned(EQUAL, "b"), actual=[[], WRONG]).status is Status.NONDETERMINISTIC
    assert ask(returned("b", EQUAL), actual=[WRONG, []]).status is Status.NONDETERMINISTIC
    alone = ask(returned(EQUAL), actual=[[]])
    assert (alone.status, alone.mismatch) == (Status.PASSED, None)
    assert ask(returned(EQUAL, EQUAL), actual=[[], []]).status is Status.PASSED
    assert ask(returned(EQUAL, EQUAL, "b"), actual=[[], [], NEAR]).mismatch["actual"] == 2.0005


def test_repeats_with_other_names_are_compared_by_position():
    assert ask(returned("a", "b"), actual=[RIGHT, outputs(1.0, 2.0, name="z")]).status is (
        Status.FAILED
    )
    positions = [(0, RIGHT[0][1])]
    same = ask(returned("a", "b"), actual=[RIGHT, outputs(1.0, 2.0, name="z")], expected=positions)
    assert same.status is Status.PASSED


def test_outputs_and_digests_must_be_as_many():
    with pytest.raises(ValueError, match="distinct repeats"):
        ask(returned("a", "b"), actual=[RIGHT])


# What was compared before ------------------------------------------------------------------------


def answered(*digests: str, expected: str | None = "e") -> Measurement:
    return replace(returned(*digests), expected=expected)


@pytest.fixture
def compared(monkeypatch):
    """How often outputs are really compared."""
    calls = []
    compare = tolerance.Judge.compare

    def counting(self, actual, expected):
        calls.append(actual)
        return compare(self, actual, expected)

    monkeypatch.setattr(tolerance.Judge, "compare", counting)
    return calls


TERMS = {
    "tolerances": (("float64", Tolerance(rtol=1.0, atol=0.0)),),
    "suite": (1.0, 0.0),
    "quantized": {"y": 0.5},
    "closeness": False,
}


@pytest.mark.parametrize(
    "found", [ask(answered("a"), actual=[NEAR]), ask(answered("a"), actual=[WRONG])]
)
def test_the_same_digests_on_the_same_terms_are_compared_once(compared, found):
    actual = [NEAR if found.status is Status.PASSED else WRONG]
    memory = Remembered(9)
    first = ask(answered("a"), actual=actual, memory=memory)
    again = ask(answered("a"), actual=actual, memory=memory)
    assert (first, again, len(compared)) == (found, found, 1)


@pytest.mark.parametrize(
    ("measurement", "more"),
    [
        (answered("b"), {}),
        (answered("a", "a"), {}),
        (answered("a", expected="f"), {}),
        (answered("a", expected=None), {}),
        *((answered("a"), {name: value}) for name, value in TERMS.items()),
    ],
    ids=["answer", "repeats", "reference", "reference without a digest", *TERMS],
)
def test_nothing_is_remembered_of_anything_else(measurement, more):
    """What is remembered is wrong here, so that using it shows."""
    memory = Remembered(9)
    ask(answered("a"), actual=[WRONG], memory=memory)
    actual = [NEAR] * len(measurement.outputs)
    found = ask(measurement, actual=actual, memory=memory, **more)
    assert found.status is Status.PASSED
    assert found == ask(measurement, actual=actual, **more)


def test_where_it_ran_is_not_remembered():
    memory = Remembered(9)
    for requested, status in ((CPU, Status.PASSED), (CUDA, Status.FALLBACK)):
        found = ask(answered("a"), actual=[NEAR], memory=memory, requested=requested)
        assert found.status is status


# Where it ran ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requested", "ran_on", "runtime", "status", "rule"),
    [
        (CPU, {CPU: 3}, "onnxruntime", "passed", None),
        (CPU, {}, "onnxruntime", "passed", None),
        (CPU, None, "onnxruntime", "passed", None),
        (CPU, {CPU: 3, CUDA: 1}, "onnxruntime", "fallback", "placement.other-provider"),
        (CUDA, {CUDA: 3}, "onnxruntime", "passed", None),
        (CUDA, {}, "onnxruntime", "passed", None),
        (CUDA, {CUDA: 3, CPU: 0}, "onnxruntime", "passed", None),
        (CUDA, {CUDA: 3, CPU: 1}, "onnxruntime", "fallback", "placement.other-provider"),
        (CUDA, {CPU: 3}, "onnxruntime", "fallback", "placement.other-provider"),
        (CUDA, None, "onnxruntime", "fallback", "placement.no-evidence"),
        ("CUDA", {CUDA: 1}, "onnxruntime", "fallback", "placement.other-provider"),
        ("cpu", None, "backend", "passed", None),
        ("CPU", None, "backend", "passed", None),
        ("CPU", None, "onnxruntime", "fallback", "placement.no-evidence"),
        ("CUDA:0", None, "backend", "fallback", "placement.no-evidence"),
        ("reference", None, "onnx", "passed", None),
        ("reference", {"reference": 2}, "onnx", "passed", None),
        ("CPU", {"CPU": 3}, "openvino", "passed", None),
        ("CPU", None, "openvino", "passed", None),
        ("cpu", None, "openvino", "fallback", "placement.no-evidence"),
        ("CPU", {"GPU.0": 3}, "openvino", "fallback", "placement.other-provider"),
        ("GPU", {"GPU.0": 3}, "openvino", "passed", None),
        ("GPU", {"GPU": 3}, "openvino", "passed", None),
        ("GPU.1", {"GPU.0": 3}, "openvino", "fallback", "placement.other-provider"),
        ("GPU.1", {"GPU.10": 3}, "openvino", "fallback", "placement.other-provider"),
        ("GPU", {"GPUX": 3}, "openvino", "fallback", "placement.other-provider"),
        ("GPU", {"CPU": 3}, "openvino", "fallback", "placement.other-provider"),
        ("GPU", None, "openvino", "fallback", "placement.no-evidence"),
        ("AUTO", {"CPU": 3}, "openvino", "passed", None),
        ("AUTO", {"(CPU)": 3}, "openvino", "passed", None),
        ("AUTO:", {"CPU": 3}, "openvino", "passed", None),
        ("AUTO:GPU,CPU", {"CPU": 3}, "openvino", "passed", None),
        ("AUTO:GPU", {"CPU": 3}, "openvino", "fallback", "placement.other-provider"),
        ("AUTO:-GPU", {"CPU": 3}, "openvino", "passed", None),
        ("AUTO:-GPU", {"GPU.0": 3}, "openvino", "fallback", "placement.other-provider"),
        ("AUTO:GPU,-CPU", {"CPU": 3}, "openvino", "fallback", "placement.other-provider"),
        ("HETERO:GPU,CPU", {"GPU.0": 3, "CPU": 1}, "openvino", "passed", None),
        ("HETERO:GPU, CPU", {"CPU": 1}, "openvino", "passed", None),
        ("HETERO:GPU,NPU", {"GPU.0": 3, "CPU": 1}, "openvino", "fallback",
         "placement.other-provider"),
        ("MULTI:CPU(4),GPU(8)", {"GPU.0": 3, "CPU": 1}, "openvino", "passed", None),
        ("BATCH:GPU(16)", {"GPU.0": 3}, "openvino", "passed", None),
        ("AUTO", None, "openvino", "fallback", "placement.no-evidence"),
        ("AUTO", {"AUTO": 1}, "onnxruntime", "passed", None),
        ("AUTO", {CPU: 1}, "onnxruntime", "fallback", "placement.other-provider"),
        ("AUTOMATIC", {"CPU": 1}, "openvino", "fallback", "placement.other-provider"),
    ],
)  # fmt: skip
def test_nothing_that_did_not_run_where_it_was_asked_to_is_passed(
    requested, ran_on, runtime, status, rule
):
    measurement = Measurement(
        stage=Stage.COMPARE, ended="returned", outputs=(EQUAL,), ran_on=ran_on
    )
    about = {"requested": requested, "runtime": runtime}
    quick = ask(measurement, identical=True, **about)
    assert (quick.status.value, quick.rule) == (status, rule)
    assert quick.stage is Stage.COMPARE
    slow = ask(measurement, actual=[RIGHT], **about)
    assert (slow.status.value, slow.rule) == (status, rule)
    alone = ask(measurement, actual=[RIGHT], expected=None, **about)
    assert (alone.status.value, alone.rule) == (status, rule)


def test_a_wrong_answer_is_wrong_wherever_it_was_computed():
    found = ask(returned("a", ran_on={CPU: 1}), actual=[WRONG], requested=CUDA)
    assert (found.status, found.rule) == (Status.FAILED, None)
    found = ask(returned("a", "b", ran_on={CPU: 1}), actual=[RIGHT, WRONG], requested=CUDA)
    assert (found.status, found.rule) == (Status.NONDETERMINISTIC, None)


def test_fallback_keeps_how_close_it_was():
    found = ask(returned("a", ran_on={CPU: 1}), actual=[NEAR], requested=CUDA)
    assert found.status is Status.FALLBACK
    assert found.mismatch["ratio"] < 1


# What the rules are asked ------------------------------------------------------------------------


def asked(monkeypatch, measurement: Measurement) -> dict:
    """The question that the judge puts to the rules."""
    questions = []
    monkeypatch.setattr(module, "classify", lambda runtime, **about: questions.append(about))
    ask(measurement)
    (question,) = questions
    return question


def test_of_an_exception_its_type_message_and_stage(monkeypatch):
    assert asked(monkeypatch, raised("no luck", "Fail", Stage.ASSIGN)) == {
        "ended": "raised", "type_": "Fail", "message": "no luck", "stage": Stage.ASSIGN,
    }  # fmt: skip


def test_of_an_exception_that_says_nothing_nothing(monkeypatch):
    bare = Measurement(stage=Stage.RUN, ended="raised", error=None)
    assert asked(monkeypatch, bare) == {
        "ended": "raised", "type_": "", "message": "", "stage": Stage.RUN,
    }  # fmt: skip


def test_of_a_crash_its_message_and_last_words(monkeypatch):
    error = {"message": "m", "output": "last words", "signal": "SIGABRT"}
    crash = Measurement(stage=Stage.RUN, ended="crashed", error=error)
    assert asked(monkeypatch, crash) == {
        "ended": "crashed", "type_": "", "message": "m\nlast words", "stage": Stage.RUN,
    }  # fmt: skip
    silent = Measurement(stage=Stage.LOAD, ended="crashed", error={"message": "m"})
    assert asked(monkeypatch, silent)["message"] == "m\n"


def test_two_right_answers_do_not_hide_a_third():
    found = ask(returned(EQUAL, EQUAL, "c"), actual=[RIGHT, RIGHT, WRONG])
    assert found.status is Status.NONDETERMINISTIC


def test_a_device_that_stands_in_for_the_asked_one_counts_as_it():
    about = {"requested": "CPU", "runtime": "openvino", "actual": [RIGHT]}
    assert ask(returned("a", ran_on={"(CPU)": 3}), **about).status is Status.PASSED
    assert ask(returned("a", ran_on={"(GPU)": 3}), **about).status is Status.FALLBACK
