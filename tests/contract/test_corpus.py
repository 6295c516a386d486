"""The node tests of real onnx releases: all are found, read and attributed, as the data say."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from pytest_modelcompat.worker.bundle import Bundle
from tests.contract.test_runtimes import ROOT, Release, environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.network, pytest.mark.slow]

COUNTS = {
    "1.13.1": 1097, "1.14.1": 1168, "1.16.2": 1282, "1.18.0": 1450, "1.20.1": 1653,
    "1.22.0": 1765, "1.23.2": 1884,
}  # fmt: skip
RULES = yaml.safe_load(
    resources.files("pytest_modelcompat.checks").joinpath("corpora.yaml").read_text("utf-8")
)["rules"]


def rule_of(version: str) -> dict[str, Any]:
    return next(r for r in RULES if version in Requirement(f"onnx{r['onnx']}").specifier)


def collect(version: str, python: str, folder: Path) -> Bundle:
    folder.mkdir(exist_ok=True)
    release = Release(
        runtime="onnx",
        requirements=(f"onnx=={version}", *rule_of(version)["requirements"]),
        python=python,
        provider="reference",
        refuses={},
    )
    output = folder / "corpus.bundle"
    code = "import sys; sys.path.insert(0, sys.argv[1]); from pytest_modelcompat.worker import corpus; sys.exit(corpus.main(sys.argv[2:]))"  # noqa: E501
    done = subprocess.run(
        [environment(release, folder), "-c", code, ROOT, "--output", output],
        check=True, capture_output=True, text=True, timeout=300, cwd=folder,
    )  # fmt: skip
    found = Bundle.open(output)
    told = json.loads(done.stdout)
    assert (told["onnx"], told["count"]) == (version, len(found))
    assert (told["digest"], told["left_out"]) == (found.digest, [])
    assert found.verify()
    return found


@pytest.fixture(scope="module", params=sorted(COUNTS))
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    version = request.param
    folder = tmp_path_factory.mktemp("corpus")
    return collect(version, rule_of(version)["python"][0], folder)


def test_all_cases_are_there(corpus: Bundle) -> None:
    assert len(corpus) == COUNTS[corpus.meta["onnx"]]
    names = [corpus.case(i)["name"] for i in range(len(corpus))]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert all(corpus.outputs(i) for i in range(len(corpus)))
    assert {(corpus.case(i)["rtol"], corpus.case(i)["atol"]) for i in range(len(corpus))} == {
        (1e-3, 1e-7)
    }


def test_every_case_is_about_an_operator_of_the_release(corpus: Bundle) -> None:
    defined = {tuple(item) for item in corpus.meta["operators"]}
    for i in range(len(corpus)):
        case = corpus.case(i)
        op = case["op"]
        assert case["unit"] == f"{op['domain']}::{op['type']}"
        assert (op["domain"], op["type"], op["since"]) in defined, case["name"]
        assert case["opset"] > 0
        assert case["ir"] > 0


def test_expanded_cases_are_about_what_they_were_expanded_from(corpus: Bundle) -> None:
    units = {corpus.case(i)["name"]: corpus.case(i)["unit"] for i in range(len(corpus))}
    expanded = [name for name in units if "_expanded" in name]
    assert len(expanded) > 100
    strangers = [name for name in expanded if name.partition("_expanded")[0] not in units]
    assert strangers == []
    assert all(units[name] == units[name.partition("_expanded")[0]] for name in expanded)


def test_all_kinds_of_values_are_read(corpus: Bundle) -> None:
    met: Counter[str] = Counter()
    for i in range(len(corpus)):
        for _, value in [*corpus.inputs(i), *(corpus.outputs(i) or [])]:
            met[value.dtype if value.kind == "tensor" else value.kind] += 1
    wanted = {"float32", "float16", "bool", "string", "uint8", "sequence", "optional"}
    if Version(corpus.meta["onnx"]) >= Version("1.14"):
        wanted |= {"bfloat16", "float8e4m3fn", "float8e5m2fnuz"}
    if Version(corpus.meta["onnx"]) >= Version("1.22"):
        wanted |= {"int4", "uint4", "int2", "uint2", "float4e2m1", "float8e8m0"}
    assert wanted <= met.keys()


@pytest.mark.parametrize("version", ["1.14.1", "1.23.2"])
def test_the_python_does_not_matter(version: str, tmp_path: Path) -> None:
    digests = Counter(
        collect(version, python, tmp_path / python).digest for python in rule_of(version)["python"]
    )
    assert len(digests) == 1, digests
