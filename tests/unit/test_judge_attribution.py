"""Whose fault it is, and whether a cell's provider did anything at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.matrix.model import Cell, Framework, Image
from pytest_modelcompat.results.attribution import attribute, reference_suspects, variants_for
from pytest_modelcompat.results.model import Judgement, Stage, Status
from pytest_modelcompat.results.placement import NO_EVIDENCE, OTHER_PROVIDER, cell_misconfigured


def said(status: str, rule: str | None = None) -> Judgement:
    return Judgement(status=Status(status), stage=Stage.COMPARE, rule=rule)


def cell(provider="CUDAExecutionProvider", runtime="onnxruntime", **options) -> Cell:
    return Cell(
        id="c", matrix="m", matrix_file=Path("m.yaml"), axes=(), python="3.12", image=Image(),
        framework=Framework(distribution=runtime, version="1", runtime=runtime),
        provider=provider, requirements=(), options=tuple(options.items()),
    )  # fmt: skip


BOTH, OFF, CPU = ("optimizer_off", "cpu"), ("optimizer_off",), ("cpu",)


@pytest.mark.parametrize("status", Status, ids=lambda status: status.value)
def test_only_failures_are_asked_about(status):
    asked = variants_for(said(status.value), cell())
    assert asked == (BOTH if status.value in {"failed", "error", "crashed"} else ())


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        (cell(), BOTH),
        (cell("CPUExecutionProvider"), OFF),
        (cell(graph_optimization="disabled"), CPU),
        (cell("CPUExecutionProvider", graph_optimization="disabled"), ()),
        (cell(graph_optimization="all"), BOTH),
        (cell(other="disabled"), BOTH),
        (cell("GPU", "openvino"), CPU),
        (cell("CPU", "openvino"), ()),
        (cell("reference", "onnx"), ()),
        (cell("CUDA", "backend"), ()),
    ],
)
def test_only_what_would_change_something_is_asked(where, asked):
    assert variants_for(said("failed"), where) == asked


@pytest.mark.parametrize(
    ("primary", "variants", "cause"),
    [
        ("failed", {}, None),
        ("failed", {"optimizer_off": "passed"}, "optimizer"),
        ("failed", {"optimizer_off": "failed"}, "none"),
        ("failed", {"cpu": "passed"}, "provider"),
        ("failed", {"cpu": "error"}, "none"),
        ("failed", {"optimizer_off": "passed", "cpu": "passed"}, "optimizer"),
        ("failed", {"optimizer_off": "failed", "cpu": "passed"}, "provider"),
        ("failed", {"optimizer_off": "passed", "cpu": "failed"}, "optimizer"),
        ("failed", {"optimizer_off": "failed", "cpu": "failed"}, "none"),
        ("failed", {"optimizer_off": "nondeterministic"}, "nondeterminism"),
        ("failed", {"optimizer_off": "nondeterministic", "cpu": "passed"}, "provider"),
        ("crashed", {"optimizer_off": "passed"}, "optimizer"),
        ("error", {"cpu": "passed"}, "provider"),
        ("nondeterministic", {}, "nondeterminism"),
        ("nondeterministic", {"cpu": "passed"}, "nondeterminism"),
    ],
)
def test_the_variant_that_gives_the_right_answer_names_the_cause(primary, variants, cause):
    judged = said(primary)
    found = attribute(judged, {name: said(status) for name, status in variants.items()})
    assert found.attribution == cause
    assert found.attribution_detail == variants
    assert (found.status, found.stage) == (judged.status, judged.stage)


def test_a_variant_that_ran_elsewhere_says_nothing_about_the_optimizer():
    fled, unknown = said("fallback", OTHER_PROVIDER), said("fallback", NO_EVIDENCE)
    assert attribute(said("failed"), {"optimizer_off": fled}).attribution == "none"
    assert attribute(said("failed"), {"optimizer_off": unknown}).attribution == "optimizer"
    both = attribute(said("failed"), {"optimizer_off": fled, "cpu": said("passed")})
    assert both.attribution == "provider"
    assert both.attribution_detail == {"optimizer_off": "fallback", "cpu": "passed"}


def test_an_expectation_that_changed_between_corpora_is_suspect():
    cases = [
        ("test_a@onnx==1.18.0", 23, Status.FAILED),
        ("test_a@onnx==1.20.1", 23, Status.PASSED),
        ("test_b@onnx==1.18.0", 23, Status.FAILED),
        ("test_b@onnx==1.20.1", 24, Status.PASSED),  # another opset is another test
        ("test_c@onnx==1.18.0", 23, Status.FALLBACK),
        ("test_c@onnx==1.20.1", 23, Status.FAILED),
        ("test_d@onnx==1.18.0", 23, Status.ERROR),
        ("test_d@onnx==1.20.1", 23, Status.PASSED),
        ("test_e@onnx==1.18.0", 23, Status.FAILED),
        ("test_e@onnx==1.20.1", 23, Status.UNSUPPORTED),
    ]
    assert reference_suspects(cases) == {"test_a@onnx==1.18.0", "test_c@onnx==1.20.1"}
    assert reference_suspects(reversed(cases)) == reference_suspects(cases)


@pytest.mark.parametrize(
    ("requested", "ran_on", "wrong"),
    [
        ("CUDA", {"CPU": 100}, True),
        ("CUDA", {"CPU": 100, "CUDA": 1}, False),
        ("CUDA", {"CPU": 100, "CUDA": 0}, True),
        ("CUDA", {"CUDA": 5}, False),
        ("CUDA", {"CUDA": 0}, False),
        ("CUDA", {}, False),
        ("CUDA", None, False),
        ("CPU", {"CPU": 5}, False),
    ],
)
def test_a_cell_whose_provider_ran_nothing_is_misconfigured(requested, ran_on, wrong):
    assert cell_misconfigured(requested, ran_on, runtime="onnxruntime") is wrong


def test_a_virtual_device_is_not_misconfigured_by_what_it_chose():
    assert not cell_misconfigured("AUTO", {"CPU": 5}, runtime="openvino")
    assert cell_misconfigured("HETERO:GPU", {"CPU": 5}, runtime="openvino")
    assert cell_misconfigured("GPU.0", {"GPU.1": 5}, runtime="openvino")


def test_a_name_with_an_at_of_its_own_is_another_name():
    cases = [("t@x@onnx==1", 13, Status.FAILED), ("t@y@onnx==2", 13, Status.PASSED)]
    assert reference_suspects(cases) == frozenset()
    cases = [("t@x@onnx==1", 13, Status.FAILED), ("t@x@onnx==2", 13, Status.PASSED)]
    assert reference_suspects(cases) == {"t@x@onnx==1"}
