"""Public issues, run for real: status, stage, attribution, first bad and first good release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

from tests.project import Project, Result

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "matrices" / "models" / "regressions"
SEEN: dict[str, Any] = yaml.safe_load((MODELS / "seen.yaml").read_text("utf-8"))
EXPECTED = {
    each["id"]: each for each in yaml.safe_load((MODELS / "expectations.yaml").read_text("utf-8"))
}
NOT_REPRODUCED = {"qgemm-saturates", "opencv-reduce-mean", "lightgbm-4.0-parameters"}
PROVIDER, CPU = "OpenVINOExecutionProvider", "CPUExecutionProvider"
PROVIDERS = {  # releases in which OpenVINO is wrong, inside onnxruntime and by itself
    "openvino-provider-mean-of-all-axes": (),  # not reproduced on a processor
    "openvino-provider-argmin-ties": (),
    "openvino-provider-log-sum-exp": ("1.12.0", "1.24.1"),
    "openvino-provider-argmin-first-infinity": ("1.13.1", "1.23.0"),
    "openvino-log-sum-exp": ("2023.3.0", "2026.4.1"),
    "openvino-log-sum-exp-12": ("2023.3.0", "2026.2.1"),
    "openvino-reduce-l1-axes": ("2025.4.1", "2026.4.1"),
}
EXPORTERS = {  # release of skl2onnx -> status and stage of its file in every runtime
    "skl2onnx-forest-of-two-outputs": {
        "1.11.1": ("failed", "compare"), "1.12": ("failed", "compare"),
        "1.13": ("passed", "compare"), "1.14.1": ("passed", "compare"),
    },
    "skl2onnx-drop-if-binary": {
        "1.14.1": ("error", "produce"), "1.15.0": ("error", "produce"),
        "1.16.0": ("passed", "compare"), "1.17.0": ("passed", "compare"),
    },
}  # fmt: skip
PACKAGES = {"mxnet-numpy-bool", "onnxruntime-numpy-2"}


def test_every_expectation_was_tried_and_is_told() -> None:
    assert set(EXPECTED) == {
        *SEEN, *NOT_REPRODUCED, *PACKAGES, *PROVIDERS, *EXPORTERS,
    }  # fmt: skip
    text = (ROOT / "docs" / "regressions.md").read_text("utf-8")
    for name, each in EXPECTED.items():
        assert f"`{name}`" in text
        assert each["issue"] in text


def test_enough_of_them_are_wrong_values_or_crashes() -> None:
    hard = [name for name, each in SEEN.items() if each["status"] in {"failed", "crashed"}]
    assert len(SEEN) + len(PACKAGES) >= 12
    assert len(hard) >= 6


def project() -> Project:
    return Project({
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in (ROOT / "matrices").rglob("*")
        if path.is_file()
    })  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("regressions")
    return project().run(folder, "--compat-matrix", "matrices/regressions.yaml", timeout=1800)


@pytest.mark.network
@pytest.mark.slow
def test_what_is_known_excuses_the_run(result: Result) -> None:
    assert result.code == 0, result.out[-3000:]


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", SEEN)
def test_status_stage_and_range(result: Result, name: str) -> None:
    seen = SEEN[name]
    cells = {cell["id"]: cell["axes"]["framework"] for cell in result.run["cells"]}
    told = {}
    for case in result.cases:
        distribution, _, version = cells[case["cell"]].partition("==")
        if case["unit"] == name and distribution == seen["framework"]:
            told[Version(version)] = case
    bad = sorted(version for version, case in told.items() if case["status"] == seen["status"])
    assert [str(bad[0]), str(bad[-1])] == seen["bad"]
    between = [version for version in told if bad[0] <= version <= bad[-1]]
    assert sorted(between) == bad, "the range has holes"
    for version in bad:
        assert told[version]["stage"] == seen["stage"]
        if "attribution" in seen:
            assert told[version]["attribution"] == seen["attribution"]
    file = json.loads((result.report / "compat.json").read_text("utf-8"))
    support = file["models"][name]["__compat"]["support"]
    [statements] = [
        each for key, each in support.items() if key.startswith(seen["framework"] + "[")
    ]
    supported = [each for each in statements if each["version_added"]]
    held = {version for each in supported for version in each["tested"]}
    assert not held & {str(version) for version in bad}
    good = [version for version in told if told[version]["status"] == "passed"]
    assert {str(version) for version in good} <= held


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NOT_REPRODUCED))
def test_what_did_not_reproduce_passes_everywhere(result: Result, name: str) -> None:
    cases = [case for case in result.cases if case["unit"].startswith(name)]
    assert cases
    assert {case["status"] for case in cases} == {"passed"}


@pytest.mark.network
@pytest.mark.slow
def test_packages_that_do_not_work_together(tmp_path: Path) -> None:
    result = project().run(
        tmp_path, "--compat-matrix", "matrices/regressions-packaging.yaml", timeout=900
    )
    assert result.code == 0, result.out[-3000:]
    for framework, numpy, status, stage in (
        ("mxnet==1.9.1", "1.24.4", "environment_failed", "import"),
        ("mxnet==1.9.1", "1.23.5", "completed", None),
        ("onnxruntime==1.17.3", "2.2.6", "environment_failed", "import"),
        ("onnxruntime==1.18.1", "2.2.6", "unsatisfiable", "resolve"),
        ("onnxruntime==1.19.2", "2.2.6", "completed", None),
    ):
        cell = result.cell(framework=framework, **{"packages.numpy": numpy})
        assert cell["status"] == status, framework
        if stage:
            assert cell["stage"] == stage
    crashed = result.cell(framework="onnxruntime==1.15.1", **{"packages.numpy": "2.2.6"})
    assert crashed["counts"] == {"crashed": 1}


@pytest.mark.network
@pytest.mark.slow
def test_an_exporter_s_releases_are_told_apart_and_blamed(tmp_path: Path) -> None:
    result = project().run(
        tmp_path, "--compat-matrix", "matrices/regressions-exporters.yaml", timeout=900
    )
    assert result.code == 0, result.out[-3000:]
    seen: dict[str, dict[str, set[tuple[str, str]]]] = {}
    for case in result.cases:
        release = case["case"].partition(",skl2onnx==")[2].partition(",")[0]
        told = seen.setdefault(case["unit"], {}).setdefault(release, set())
        told.add((case["status"], case["stage"]))
        if case["status"] != "passed":
            assert case["attribution"] == "exporter"
            assert case["known"] == case["unit"]
        if case["status"] == "failed":  # the evidence: the file itself says something else
            heard = case["attribution_detail"]
            assert heard["evaluator of onnx 1.23.2"] == "gives the runtime's answer"
            assert heard["checker of onnx 1.23.2"] == "accepts the file"
    assert seen == {
        unit: {release: {told} for release, told in releases.items()}
        for unit, releases in EXPORTERS.items()
    }


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("providers")
    return project().run(
        folder, "--compat-matrix", "matrices/regressions-providers.yaml", timeout=1200
    )


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_s_releases_are_told_apart_and_blamed(providers: Result, name: str) -> None:
    assert providers.code == 0, providers.out[-3000:]
    axes = {cell["id"]: cell["axes"] for cell in providers.run["cells"]}
    assert len(axes) == 2 * 10 + 10
    told: dict[str, dict[Version, dict[str, Any]]] = {}
    for case in providers.cases:
        if case["unit"] == name:
            version = axes[case["cell"]]["framework"].partition("==")[2]
            told.setdefault(case["requested"], {})[Version(version)] = case
    beside = told.pop(CPU, {})  # the same files in the same releases, by onnxruntime itself
    assert {case["status"] for case in beside.values()} <= {"passed"}
    assert bool(beside) == (EXPECTED[name]["framework"] == "onnxruntime-openvino")
    [asked] = told.values()
    bad = [str(version) for version in sorted(asked) if asked[version]["status"] == "failed"]
    assert len(asked) == 10
    if not PROVIDERS[name]:
        assert not bad
        return
    first, last = map(Version, PROVIDERS[name])
    assert bad == [str(version) for version in sorted(asked) if first <= version <= last]
    for version, case in asked.items():
        assert list(case["ran_on"]) == [case["requested"]]  # a fallback would show nothing
        if str(version) in bad:
            assert case["stage"] == "compare"
            assert case["known"] == name
            if beside:
                assert case["attribution"] == "provider"
        else:
            assert case["status"] == "passed"


def test_enough_of_them_are_about_providers() -> None:
    assert sum(bool(bad) and "provider" in name for name, bad in PROVIDERS.items()) >= 2
