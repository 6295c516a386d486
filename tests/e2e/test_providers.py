"""Requested against actual provider, on real releases: what ran elsewhere is never green."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.project import Project

pytestmark = [pytest.mark.network, pytest.mark.slow]

MATRIX = """\
schema: 1
axes:
  framework:
    {distribution}: ["{version}"]
  python: ["3.11"]
  provider: {{{distribution}: [{provider}]}}
packages: ["numpy<2"]
checks:
  op_support:
    corpus: ["onnx==1.14.1"]
    {match}
"""


def project(distribution: str, version: str, provider: str, match: str = "") -> Project:
    text = MATRIX.format(
        distribution=distribution,
        version=version,
        provider=provider,
        match=f"match: {match}" if match else "",
    )
    return Project({"pytest.ini": "[pytest]\n", "matrices/m.yaml": text})


OPTION = "--compat-matrix=matrices/m.yaml"


def test_a_whole_corpus_on_the_openvino_provider_shows_hundreds_of_fallbacks(tmp_path) -> None:
    matrix = project("onnxruntime-openvino", "1.20.0", "OpenVINOExecutionProvider")
    result = matrix.run(tmp_path, OPTION, "--compat-fresh", timeout=600)
    cell = result.run["cells"][0]
    assert cell["status"] == "completed", cell
    assert cell["counts"]["fallback"] > 300
    assert cell["counts"]["passed"] > 300
    for case in result.cases:
        if case["status"] == "passed":
            assert set(case.get("ran_on", {})) <= {"OpenVINOExecutionProvider"}, case
        if case["status"] == "fallback":
            assert set(case["ran_on"]) - {"OpenVINOExecutionProvider"}, case
    assert sum(cell["counts"].values()) == len(result.cases)


def test_a_provider_that_is_not_in_the_package_is_unavailable_in_the_runtimes_words(
    tmp_path,
) -> None:
    matrix = project("onnxruntime", "1.20.1", "OpenVINOExecutionProvider", "[Relu, Conv]")
    result = matrix.run(tmp_path, OPTION)
    cell = result.run["cells"][0]
    assert result.code == 1  # nothing was measured
    assert cell["status"] == "unavailable"
    assert "OpenVINOExecutionProvider" in cell["reason"]
    assert "CPUExecutionProvider" in cell["reason"]  # what it does offer
    assert set(cell["counts"]) == {"not_run"}


def test_a_provider_that_ran_nothing_makes_its_cell_misconfigured(tmp_path) -> None:
    """OpenVINO takes no node of these operators: each answer is right, and from elsewhere."""
    whole = project("onnxruntime-openvino", "1.20.0", "OpenVINOExecutionProvider")
    seen = whole.run(tmp_path / "whole", OPTION, timeout=600)
    by_unit: dict[str, Counter[str]] = {}
    for case in seen.cases:
        by_unit.setdefault(case["unit"], Counter())[case["status"]] += 1
    never = [
        unit.removeprefix("ai.onnx::")
        for unit, counts in by_unit.items()
        if unit.startswith("ai.onnx::") and set(counts) == {"fallback"}
    ]
    assert len(never) >= 3
    matrix = project("onnxruntime-openvino", "1.20.0", "OpenVINOExecutionProvider", f"{never[:3]}")
    result = matrix.run(tmp_path / "narrow", OPTION)
    cell = result.run["cells"][0]
    assert result.code == 1, result.out
    assert cell["status"] == "misconfigured", cell
    assert "ran no node of any case" in cell["reason"]
    assert set(cell["counts"]) == {"fallback"}  # its cases keep their own status
    assert "passed" not in result.out.rpartition("\n=")[2]


def test_a_provider_whose_hardware_is_not_here_is_unavailable(tmp_path) -> None:
    matrix = project("onnxruntime-gpu", "1.20.2", "CUDAExecutionProvider", "[Relu]")
    result = matrix.run(tmp_path, OPTION, timeout=600)
    cell = result.run["cells"][0]
    assert cell["status"] == "unavailable", cell
    assert "cuda" in cell["reason"].lower()
    assert result.code == 1
