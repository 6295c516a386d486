"""The matrix that new users run first: what was really measured, from attestations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.project import Project, Result

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
IDLE = {"not_run", "skipped"}


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("quickstart")
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in (ROOT / "matrices").rglob("*")
        if path.is_file()
    }
    project = Project(
        {**files, "pytest.ini": "[pytest]\ncompat_matrix = matrices/quickstart.yaml\n"}
    )
    return project.run(folder, "--compat-matrix", timeout=1200)


def test_it_is_green_and_fits_on_a_screen(quickstart: Result) -> None:
    assert quickstart.code == 0, quickstart.out + quickstart.err
    assert len(quickstart.out.splitlines()) <= 60
    assert (quickstart.report / "index.html").is_file()


def test_planned_is_the_sum_of_statuses(quickstart: Result) -> None:
    planned = sum(len(unit["cases"]) for cell in quickstart.plan["cells"] for unit in cell["units"])
    assert planned == len(quickstart.cases)
    assert planned == sum(sum(cell["counts"].values()) for cell in quickstart.run["cells"])


def test_every_runtime_was_really_there_and_really_measured(quickstart: Result) -> None:
    releases: dict[str, set[str]] = {}
    pythons: set[str] = set()
    measured: Counter[str] = Counter()
    for cell in quickstart.run["cells"]:
        if cell["status"] != "completed":
            continue
        distribution, _, version = cell["axes"]["framework"].partition("==")
        facts = cell["attestation"]
        assert facts["distributions"][distribution] == version
        assert facts["python"].startswith(cell["axes"]["python"] + ".")
        releases.setdefault(distribution, set()).add(version)
        pythons.add(cell["axes"]["python"])
        measured[distribution] += sum(n for s, n in cell["counts"].items() if s not in IDLE)
    assert len(releases["onnxruntime"]) >= 4
    assert len(pythons) >= 2
    assert set(releases) == {"onnxruntime", "onnxruntime-openvino", "openvino"}
    limits = {
        cell["attestation"]["limits"]["ir"]
        for cell in quickstart.run["cells"]
        if cell["axes"]["framework"].startswith("onnxruntime==")
    }
    assert len(limits) >= 2, "the releases lie on both sides of an IR boundary"
    assert measured["onnxruntime"] >= 8 * 1800
    assert measured["onnxruntime-openvino"] >= 100
    assert measured["openvino"] >= 100


def test_models_with_data_pass_where_they_should(quickstart: Result) -> None:
    parity = [case for case in quickstart.cases if case["check"] == "parity"]
    assert len({case["unit"] for case in parity}) >= 3
    passed = Counter(case["unit"] for case in parity if case["status"] == "passed")
    others = [
        (case["cell"], case["unit"], case["status"], case.get("error"), case.get("reason"))
        for case in parity
        if case["status"] != "passed"
    ]
    assert sum(passed.values()) >= 0.8 * len(parity), others
    unjudged = [case for case in parity if "reference" not in case]
    assert unjudged == []
    assert {case["reference"]["kind"] for case in parity} <= {"data", "onnx"}


def test_openvino_cells_say_on_what_their_cases_ran(quickstart: Result) -> None:
    cells = {cell["id"]: cell["axes"]["provider"] for cell in quickstart.run["cells"]}
    provider = [c for c in quickstart.cases if cells[c["cell"]] == "OpenVINOExecutionProvider"]
    assert any(case["status"] == "fallback" for case in provider)
    passed = [case for case in provider if case["status"] == "passed"]
    assert passed
    assert all(set(case.get("ran_on", {})) <= {"OpenVINOExecutionProvider"} for case in passed)
