"""The schema that editors use says the same as the loader, as far as a schema can say it."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix import load_matrix
from pytest_modelcompat.matrix.known import STAGES, STATUSES
from pytest_modelcompat.matrix.load import _KEYS
from pytest_modelcompat.matrix.tolerance import DTYPES
from pytest_modelcompat.matrix.yaml_nodes import ListNode, MapNode, Node, Problems, parse
from pytest_modelcompat.results.model import CellStatus, Stage, Status
from pytest_modelcompat.worker.runtimes import REGISTRY

SCHEMA = json.loads(files("pytest_modelcompat.matrix").joinpath("schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
BAD = sorted(Path(__file__).with_name("bad_matrices").glob("*.yaml"))
SHIPPED = sorted((Path(__file__).parents[2] / "matrices").glob("*.yaml"))
MARK = "#~ an editor sees it, too"


CORE = (
    (r"|~|null|Null|NULL", lambda _: None),
    (r"true|True|TRUE", lambda _: True),
    (r"false|False|FALSE", lambda _: False),
    (r"[-+]?[0-9]+", int),
    (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
)


def as_json(node: Node) -> object:
    """A node as a YAML 1.2 editor sees it: with numbers, booleans and nulls."""
    if isinstance(node, MapNode):
        return {key.value: as_json(value) for key, value in node.entries}
    if isinstance(node, ListNode):
        return [as_json(item) for item in node.items]
    if not node.plain:
        return node.value
    for pattern, convert in CORE:
        if re.fullmatch(pattern, node.value):
            return convert(node.value)
    return node.value


def refused(path: Path) -> str | None:
    """What the schema says about a file; an empty text where it is no YAML of ours at all."""
    problems = Problems(path)
    node = parse(path.read_bytes(), problems, "matrix")
    if node is None or problems.found:
        return ""
    error = jsonschema.exceptions.best_match(VALIDATOR.iter_errors(as_json(node)))
    return error and error.message


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_matrices_validate_under_both(path: Path) -> None:
    assert refused(path) is None
    assert load_matrix(path).cells


F = 'axes: {framework: {onnxruntime: ["1.31.1"]}}\n'
GOOD = {
    "smallest": F,
    "include alone": 'include: [{framework: onnxruntime==1.31.1, python: 3.12, image: "a:b"}]',
    "unquoted numbers": "axes: {framework: {onnx: [1.18, 1.20.1]}, python: [3.12, 3.13.1]}\n",
    "long forms": """\
axes:
  framework: {onnxruntime: [{value: 1.20.1, id: old, packages: [numpy<2], env: {A: 1}}]}
  python: [{value: /usr/bin/python3.12, id: system}]
  image:
    - host
    - current
    - {value: "debian:trixie", platform: linux/arm64}
    - {kind: tox, value: py312, config: m.yaml}
  provider: {onnxruntime: [{value: Mine, packages: [mine], options: {device: 0}}]}
  packages: {numpy: [2.2.6, {value: 2.3.0, id: new}]}
  env: {N: [1, "", yes, {value: 2, options: {a: b}}]}
  options: {session.intra: [true]}
""",
    "backend": "axes: {framework: {x: [{value: 1.0, runtime: backend, module: x.y}]}}",
    "rules": F
    + """\
packages: ["protobuf<6", "tomli; python_version < '3.11'"]
exclude: [{python: [3.8, "<3.8"], image: "*"}]
adjust: [{match: {framework: "onnxruntime<1"}, limits: {case: 1500ms, memory: 8GiB}, skip: no}]
""",
    "everything at the top": "schema: 1\nname: 2026.11\nexclude_newer: 2026-11-01\n"
    "on_unsupported: fail\nlimits: {threads: 2}\nknown_issues: []\n" + F,
    "check without settings": F + "checks: {op_support: }\n",
    "checks as lists": F
    + """\
checks:
  op_support: [{when: {python: 3.12}}, {corpus: [ONNX == 1.18.0], match: [Conv, a.b::*, test_*]}]
  parity:
    - models: [{name: a_1.x+y, path: m.yaml, reference: none, data: {random: 3, dims: {n: 0}}}]
      tolerance: {float32: {atol: 1e-5}, int8: {quanta: 1}, float16: {ulp: .5}}
      repeats: 3
""",
    "built model": F
    + """\
checks:
  parity:
    models:
      - name: net
        build: m.py::build
        reference: producer
        producers:
          - {framework: torch==2.13.0, export: onnx-dynamo, opset: [17, "18"], python: 3.11}
""",
}


@pytest.mark.parametrize("what", GOOD)
def test_good_documents_validate_under_both(what: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    (tmp_path / "m.py").touch()
    path.write_text(GOOD[what])
    assert refused(path) is None
    assert load_matrix(path).cells


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_schema_refuses_nothing_but_what_the_loader_refuses(path: Path) -> None:
    """Of the bad ones, those that say so are refused by both; the rest needs more than a schema."""
    assert bool(refused(path)) is (MARK in path.read_text().splitlines())
    with pytest.raises(UsageProblem):
        load_matrix(path)


def test_the_schema_finds_most_of_what_stands_in_one_file() -> None:
    assert sum(MARK in path.read_text().splitlines() for path in BAD) >= 60


def test_both_know_the_same_keys() -> None:
    assert set(SCHEMA["properties"]) == set(_KEYS)
    assert SCHEMA["$defs"]["tolerance"]["propertyNames"]["enum"] == list(DTYPES)


# Words that the matrix writes down a second time, because it must not import what is above --------


def test_known_issues_know_every_stage_and_every_status_that_is_no_success() -> None:
    assert set(STAGES) == {stage.value for stage in Stage}
    known = {status.value for status in (*Status, *CellStatus)}
    assert set(STATUSES) == known - {"passed", "completed"}


def test_defaults_name_the_adapters_that_there_are() -> None:
    from pytest_modelcompat.matrix.defaults import defaults  # noqa: PLC0415
    from pytest_modelcompat.matrix.model import Limits  # noqa: PLC0415

    known = defaults()
    assert set(known.distributions.values()) <= set(REGISTRY)
    assert set(known.providers) == set(REGISTRY)
    assert known.limits == Limits()
    assert set(known.image_settings) == {"host", "docker", "nox", "tox", "python", "current", "ssh"}
    for runtime in known.providers:
        assert known.knows_provider(runtime, known.default_provider(runtime))
