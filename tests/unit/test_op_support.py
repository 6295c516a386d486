"""Corpora merged into one workload: equal cases once, patterns that must match, coverage."""

from __future__ import annotations

import struct

import pytest

from pytest_modelcompat import checks
from pytest_modelcompat.checks import op_support
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.model import CheckEntry, Tolerance
from pytest_modelcompat.worker.bundle import Bundle, write
from pytest_modelcompat.worker.values import Value


def case(name, unit="ai.onnx::Relu", content=0, since=14, **more):
    domain, _, kind = unit.partition("::")
    value = Value.tensor("float32", (1,), struct.pack("<f", content))
    return {
        "name": name, "unit": unit, "model": b"model", "inputs": [("x", value)],
        "outputs": [("y", value)], "opset": since,
        "op": {"domain": domain, "type": kind, "since": since}, **more,
    }  # fmt: skip


@pytest.fixture
def corpora(tmp_path):
    """Three releases: one case stays, one changes, one comes, given newest first."""
    made = {
        "1.9.0": [case("test_relu", content=1), case("test_add", "ai.onnx::Add", 2, 7)],
        "1.18.0": [
            case("test_add", "ai.onnx::Add", 2, 7),
            case("test_relu", content=3),
            case("test_ml", "ai.onnx.ml::Scaler", 4, 1),
        ],
        "1.20.1": [
            case("test_relu_renamed", content=1),
            case("test_abs", "ai.onnx::Abs", 5, 0),
            case("test_Add", "x.y::Add", 6, 1),
        ],
    }
    found = []
    for version, cases in made.items():
        path = tmp_path / f"{version}.bundle"
        operators = sorted({(*each["op"].values(),) for each in cases if each["op"]["since"]})
        write(path, {"operators": [list(each) for each in operators] + [["d", version, 1]]}, cases)
        found.append((f"onnx=={version}", path))
    return found[::-1]


def plan(corpora, *match, **more):
    entry = CheckEntry(check="op_support", match=match, line=7, **more)
    return op_support.workload(entry, corpora)


def test_equal_cases_run_once_under_the_oldest_name(corpora):
    found = plan(corpora)
    assert [each.name for each in found.cases] == [
        "test_ml@onnx==1.18.0",
        "test_abs@onnx==1.20.1",
        "test_add@onnx==1.9.0",
        "test_relu@onnx==1.9.0",
        "test_relu@onnx==1.18.0",
        "test_Add@onnx==1.20.1",
    ]


def test_the_order_of_the_corpora_in_the_matrix_does_not_matter(corpora):
    assert plan(corpora) == plan(corpora[::-1])
    assert plan(corpora).bundles == tuple(path for _, path in corpora[::-1])


def test_cases_are_grouped_by_unit_and_know_their_place(corpora):
    found = plan(corpora)
    units = [each.unit for each in found.cases]
    assert units == sorted(units)
    for each in found.cases:
        stored = Bundle.open(found.bundles[each.bundle]).case(each.index)
        corpus = {path: name for name, path in corpora}[found.bundles[each.bundle]]
        assert f"{stored['name']}@{corpus}" == each.name
        assert (stored["unit"], stored["opset"]) == (each.unit, each.opset)
        assert each.reference == {
            "kind": "corpus", "source": "onnx", "version": corpus.removeprefix("onnx=="),
        }  # fmt: skip


def test_one_corpus_alone_has_all_its_cases(corpora):
    assert len(plan(corpora[:1]).cases) == 3


def test_what_a_check_asks_for_comes_along(corpora):
    entry = CheckEntry(check="op_support", repeats=3, tolerance=(("float16", Tolerance(ulp=1)),))
    found = op_support.workload(entry, corpora)
    assert (found.check, found.repeats, found.entry) == ("op_support", 3, entry)
    assert found.tolerances == entry.tolerance
    assert plan(corpora).tolerances is None
    assert plan(corpora).models == ()


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["Relu"], {"test_relu@onnx==1.9.0", "test_relu@onnx==1.18.0"}),
        (["ai.onnx::Relu"], {"test_relu@onnx==1.9.0", "test_relu@onnx==1.18.0"}),
        (["R*"], {"test_relu@onnx==1.9.0", "test_relu@onnx==1.18.0"}),
        (["Add"], {"test_add@onnx==1.9.0"}),
        (["*::Add"], {"test_add@onnx==1.9.0", "test_Add@onnx==1.20.1"}),
        (["ai.onnx.ml::*"], {"test_ml@onnx==1.18.0"}),
        (["test_a*"], {"test_add@onnx==1.9.0", "test_abs@onnx==1.20.1"}),
        (["test_relu"], {"test_relu@onnx==1.9.0", "test_relu@onnx==1.18.0"}),
        (["test_[Aa]dd"], {"test_add@onnx==1.9.0", "test_Add@onnx==1.20.1"}),
        (["Abs", "test_ml"], {"test_abs@onnx==1.20.1", "test_ml@onnx==1.18.0"}),
        (["Relu", "test_relu"], {"test_relu@onnx==1.9.0", "test_relu@onnx==1.18.0"}),
    ],
)
def test_patterns_select_operators_and_cases(corpora, patterns, names):
    assert {each.name for each in plan(corpora, *patterns).cases} == names


def test_a_case_that_an_older_corpus_has_under_another_name_is_not_selected_by_the_newer(corpora):
    found = plan(corpora, "test_relu*")
    assert "test_relu_renamed@onnx==1.20.1" not in {each.name for each in found.cases}


@pytest.mark.parametrize("pattern", ["relu", "Rel", "test_rel", "ai.onnx::relu", "Test_relu"])
def test_patterns_that_match_nothing_are_told_with_what_was_meant(corpora, pattern):
    with pytest.raises(UsageProblem) as caught:
        plan(corpora, "Abs", pattern, "Zzz")
    one, two = caught.value.problems
    assert repr(pattern) in one.message
    assert "onnx==1.9.0, onnx==1.18.0 or onnx==1.20.1" in one.message
    assert one.line == 7
    assert "'Zzz'" in two.message
    assert one.hint
    assert two.hint


def test_the_nearest_name_is_suggested(corpora):
    with pytest.raises(UsageProblem) as caught:
        plan(corpora, "Rleu", "test_rleu", "ai.onnx.ml::Scaller")
    hints = [problem.hint for problem in caught.value.problems]
    assert ["'Relu'" in hints[0], "'test_relu'" in hints[1], "Scaler'" in hints[2]] == [True] * 3


def test_the_digest_is_of_everything_that_decides_what_is_measured(corpora):
    digest = plan(corpora).digest
    assert digest == plan(corpora).digest
    assert digest == plan(corpora, tolerance=(("float16", Tolerance(ulp=1)),)).digest
    others = {
        plan(corpora[1:]).digest,
        plan(corpora, "Relu").digest,
        plan(corpora, repeats=2).digest,
        digest,
    }
    assert len(others) == 4


def test_a_corpus_without_a_version_comes_first(corpora, tmp_path):
    path = tmp_path / "own.bundle"
    write(path, {"operators": []}, [case("test_own", content=9), case("test_relu", content=1)])
    found = plan([*corpora, ("own corpus", path)])
    names = {each.name for each in found.cases}
    assert "test_relu@own corpus" in names
    assert "test_relu@onnx==1.9.0" not in names


def test_coverage_counts_operators_since_their_version(corpora):
    found = op_support.coverage([Bundle.open(path) for _, path in corpora])
    assert found.tested == {
        ("ai.onnx", "Relu", 14), ("ai.onnx", "Add", 7), ("ai.onnx.ml", "Scaler", 1),
        ("x.y", "Add", 1),
    }  # fmt: skip
    assert found.all == found.tested | {("d", each, 1) for each in ("1.9.0", "1.18.0", "1.20.1")}


def test_checks_are_found_by_name(corpora, tmp_path):
    entry = CheckEntry(check="op_support", line=7)
    assert checks.workload(entry, corpora, folder=tmp_path) == plan(corpora)
    with pytest.raises(KeyError):
        checks.check("nothing")
    assert checks.check("mine", {"mine": op_support}) is op_support
    assert checks.check("parity", {"parity": op_support}) is not op_support


@pytest.mark.parametrize("name", checks.REGISTRY)
def test_every_check_keeps_to_the_seam(name):
    assert callable(checks.check(name).workload)
    assert checks.check(name).__doc__
