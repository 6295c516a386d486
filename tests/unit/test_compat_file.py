"""compat.json: statements about support, with their evidence."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pytest_modelcompat.results.compat import Support, compat, support_of, write_compat
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import CellStatus, Outcome, Stage, Status
from tests.unit.stored_runs import case, cell, report_folder

TARGET = "onnxruntime[python:3.12 image:host provider:CPUExecutionProvider]"


def run_of(
    folder: Path, versions: dict[str, str], *, issues: dict[str, str] | None = None, **changes
):
    """One operator over versions; a state a case: p passed, f failed, u unsupported, … none."""
    words = {
        "p": "passed", "f": "failed", "u": "unsupported", "g": "gated", "l": "fallback",
        "-": "not_run", "s": "skipped", "c": "crashed",
    }  # fmt: skip
    info = {"unsupported", "gated", "fallback", "not_run", "skipped"}
    cells, cases = [], []
    for version, states in versions.items():
        cells.append(cell(version, framework=f"onnxruntime=={version}"))
        for n, state in enumerate(states):
            word = words[state]
            changes_ = {**changes, "outcome": "info"} if word in info else changes
            signature = {"signature": f"broken {n}"} if state in "fuc" else {}
            cases.append(
                case(n, cell=version, status=word, unit="ai.onnx::Conv", **signature, **changes_)
            )
    report_folder(folder, cases, cells, issues=issues or {})
    return load(folder)


def statements(run) -> list[dict]:
    return compat(run)["operators"]["ai.onnx"]["Conv"]["__compat"]["support"][TARGET]


def short(run) -> list[dict]:
    keep = ("version_added", "version_removed", "version_last", "partial_implementation", "status")
    return [{name: each[name] for name in keep if name in each} for each in statements(run)]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({"1.0": "pp", "1.1": "pp"}, [{"version_added": "≤1.0"}]),
        ({"1.0": "uu", "1.1": "pp", "1.2": "pp"}, [{"version_added": "1.1"}]),
        ({"1.0": "uu", "1.1": "cf"}, [{"version_added": False}]),
        ({"1.0": "--", "1.1": "ss"}, [{"version_added": None}]),
        (
            {"1.0": "pp", "1.1": "ff", "1.2": "pp"},
            [
                {"version_added": "1.2"},
                {"version_added": "≤1.0", "version_removed": "1.1", "version_last": "1.0"},
            ],
        ),
        (
            {"1.0": "pf", "1.1": "pp"},
            [
                {"version_added": "1.1"},
                {"version_added": "≤1.0", "version_removed": "1.1", "version_last": "1.0",
                 "partial_implementation": True},
            ],
        ),
        ({"1.0": "pl", "1.1": "ll"}, [{"version_added": "≤1.0", "status": "fallback"}]),
        ({"1.0": "pg", "1.1": "pp"}, [{"version_added": "≤1.0"}]),
        ({"1.0": "gg", "1.1": "pg"}, [{"version_added": "1.1"}]),
        ({"1.9": "uu", "1.10": "pp"}, [{"version_added": "1.10"}]),
    ],
)  # fmt: skip
def test_statements(tmp_path: Path, versions: dict[str, str], expected: list[dict]):
    assert short(run_of(tmp_path, versions)) == expected


def test_evidence_names_only_what_was_tested(tmp_path: Path):
    run = run_of(
        tmp_path,
        {"1.0": "pp", "1.1": "--", "1.2": "pp", "1.3": "pf", "1.4": "--"},
        known="K-1",
        issues={"K-1": "https://example.org/1", "K-2": "https://example.org/2"},
    )
    newer, older = statements(run)
    assert older == {
        "version_added": "≤1.0", "version_removed": "1.3", "version_last": "1.2",
        "impl_url": ["https://example.org/1"], "tested": ["1.0", "1.2"], "no_data": ["1.1"],
        "evidence": {"passed": 4},
    }  # fmt: skip
    assert newer == {
        "version_added": "1.3", "partial_implementation": True,
        "notes": ["of 2 cases: failed 1", "broken 1"],
        "impl_url": ["https://example.org/1"], "tested": ["1.3"],
        "evidence": {"passed": 1, "failed": 1},
    }  # fmt: skip
    data = compat(run)
    target = data["targets"][TARGET]
    assert target["versions"] == ["1.0", "1.1", "1.2", "1.3", "1.4"]
    assert target["axes"] == {"python": "3.12", "image": "host", "provider": "CPUExecutionProvider"}
    assert target["cells"]["1.0"] == [
        {"cell": "1.0", "status": "completed", "lock": f"locks/{'a' * 64}.txt"}
    ]


def test_what_came_and_went_says_so(tmp_path: Path):
    assert [
        each.get("monotone") for each in statements(run_of(tmp_path / "1", {"1": "p", "2": "u"}))
    ] == [False]
    assert "monotone" not in statements(run_of(tmp_path / "2", {"1": "u", "2": "p"}))[0]


def test_opsets_domains_and_models_have_their_own_place(tmp_path: Path):
    cases = [
        case(0, unit="ai.onnx::Conv", opset=11),
        case(1, unit="ai.onnx::Conv", opset=1, status="failed"),
        case(2, unit="ai.onnx.ml::Scaler", opset=0),
        case(3, unit="labels", check="parity"),
    ]
    broken = cell(
        "cell-b", framework="onnxruntime==1.20.1", status=CellStatus.ENVIRONMENT_FAILED,
        stage=Stage.IMPORT, outcome=Outcome.NOT_OK,
    )  # fmt: skip
    report_folder(tmp_path, cases, [cell(), broken])
    data = compat(load(tmp_path))
    conv = data["operators"]["ai.onnx"]["Conv"]
    assert list(conv) == ["__compat", "opset_1", "opset_11"]
    assert conv["__compat"]["support"][TARGET][0]["partial_implementation"] is True
    assert conv["opset_1"]["__compat"]["support"][TARGET][0]["version_added"] is False
    # The older version was planned, but its environment could not be made.
    assert conv["opset_11"]["__compat"]["support"][TARGET][0]["version_added"] == "≤1.31.1"
    assert list(data["operators"]["ai.onnx.ml"]["Scaler"]) == ["__compat"]
    assert list(data["models"]) == ["labels"]


STATEMENT = {
    "type": "object",
    "required": ["version_added", "tested"],
    "properties": {
        "version_added": {"anyOf": [{"type": "string"}, {"const": False}, {"type": "null"}]},
        "version_removed": {"type": "string"},
        "version_last": {"type": "string"},
        "partial_implementation": {"const": True},
        "notes": {"type": "array", "items": {"type": "string"}},
        "impl_url": {"type": "array", "items": {"type": "string"}},
        "status": {"const": "fallback"},
        "tested": {"type": "array", "items": {"type": "string"}},
        "no_data": {"type": "array", "items": {"type": "string"}},
        "evidence": {"type": "object", "additionalProperties": {"type": "integer"}},
        "monotone": {"const": False},
    },
    "additionalProperties": False,
}


def test_the_file_keeps_to_its_shape(tmp_path: Path):
    run = run_of(tmp_path, {"1.0": "pfl", "1.1": "ugc", "1.2": "pp", "1.3": "-s"})
    write_compat(run)
    data = json.loads((tmp_path / "compat.json").read_text("utf-8"))
    assert data == compat(run)
    assert data["__meta"]["schema"] == 1
    assert data["__meta"]["run"] == run.info.id
    for entry in data["operators"]["ai.onnx"].values():
        for node in [entry, *(each for name, each in entry.items() if name != "__compat")]:
            for each in node["__compat"]["support"].values():
                jsonschema.validate(each, {"type": "array", "items": STATEMENT, "minItems": 1})


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, None),
        ({Status.NOT_RUN: 3, Status.SKIPPED: 1}, None),
        ({Status.PASSED: 3, Status.NOT_RUN: 1}, Support.FULL),
        ({Status.PASSED: 3, Status.GATED: 1}, Support.FULL),
        ({Status.GATED: 1}, Support.NONE),
        ({Status.FALLBACK: 1, Status.PASSED: 1}, Support.FALLBACK),
        ({Status.FALLBACK: 1, Status.FAILED: 1}, Support.PARTIAL),
        ({Status.PASSED: 0, Status.CRASHED: 1}, Support.NONE),
        ({Status.NONDETERMINISTIC: 1}, Support.NONE),
    ],
)
def test_support_of_one_version(counts, expected):
    assert support_of(counts) is expected
