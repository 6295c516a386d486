"""From axes and rules to cells: what is in, what is out, and which rule did it."""

from __future__ import annotations

import re
import sys
import time
from itertools import chain
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix import ids, load_matrix
from pytest_modelcompat.matrix.expand import MAX_CELLS_VARIABLE
from pytest_modelcompat.matrix.model import Cell, Framework, Image, Limits, Matrix
from pytest_modelcompat.report.lanes import lanes
from pytest_modelcompat.results.compat import target_of
from pytest_modelcompat.results.model import CellStatus, Outcome
from pytest_modelcompat.results.stored import StoredCell

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


def load(tmp_path: Path, text: str, **arguments: object) -> Matrix:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    return load_matrix(path, **arguments)


def axis(matrix: Matrix, name: str) -> list[str]:
    return list(dict.fromkeys(dict(cell.axes)[name] for cell in matrix.cells))


def pairs(matrix: Matrix, *names: str) -> list[tuple[str, ...]]:
    return [tuple(dict(cell.axes)[name] for name in names) for cell in matrix.cells]


# Providers ---------------------------------------------------------------------------------------

BOTH = 'axes:\n  framework: {onnxruntime: ["1.31.1"], openvino: ["2026.4.1"], onnx: ["1.22.0"]}\n'


def test_default_providers(tmp_path: Path) -> None:
    text = BOTH.replace("}\n", ', onnxruntime-gpu: ["1.31.1"], tool: [TOOL]}\n').replace(
        "TOOL", '{value: "1.0", runtime: backend, module: tool.backend}'
    )
    assert pairs(load(tmp_path, text), "framework", "provider") == [
        ("onnxruntime==1.31.1", "CPUExecutionProvider"),
        ("openvino==2026.4.1", "CPU"),
        ("onnx==1.22.0", "reference"),
        ("onnxruntime-gpu==1.31.1", "CPUExecutionProvider"),
        ("tool==1.0", "cpu"),
    ]


def test_a_flat_list_applies_where_the_name_is_known(tmp_path: Path) -> None:
    names = "CPUExecutionProvider, CUDAExecutionProvider, GPU, 'HETERO:GPU,CPU'"
    matrix = load(tmp_path, f"{BOTH}  provider: [{names}]\n")
    assert pairs(matrix, "framework", "provider") == [
        ("onnxruntime==1.31.1", "CPUExecutionProvider"),
        ("onnxruntime==1.31.1", "CUDAExecutionProvider"),
        ("openvino==2026.4.1", "GPU"),
        ("openvino==2026.4.1", "HETERO:GPU,CPU"),
        ("onnx==1.22.0", "reference"),  # knows none of them: its default, and the cell says why
    ]
    assert matrix.cells[-1].rules == ("provider: none of the list is onnx's, so reference",)
    assert len(matrix.removed) == 2 + 2 + 4
    assert matrix.removed[0].axes == (("framework", "onnxruntime==1.31.1"), ("provider", "GPU"))
    assert matrix.removed[0].rule == "provider GPU is not one of onnxruntime's"


def test_a_list_per_distribution_leaves_the_others_their_default(tmp_path: Path) -> None:
    matrix = load(tmp_path, f"{BOTH}  provider: {{openvino: [GPU.1, NPU]}}\n")
    assert pairs(matrix, "framework", "provider") == [
        ("onnxruntime==1.31.1", "CPUExecutionProvider"),
        ("openvino==2026.4.1", "GPU.1"),
        ("openvino==2026.4.1", "NPU"),
        ("onnx==1.22.0", "reference"),
    ]


def test_a_plug_in_package_names_its_own_provider_in_the_long_form(tmp_path: Path) -> None:
    long = "{value: ExampleExecutionProvider, packages: [ort-example], options: {device: '0'}}"
    (cell, *_) = load(tmp_path, f"{BOTH}  provider: {{onnxruntime: [{long}]}}\n").cells
    assert cell.provider == "ExampleExecutionProvider"
    assert cell.requirements == ("onnxruntime==1.31.1", "ort-example")
    assert cell.options == (("device", "0"),)


def test_the_provider_of_an_included_framework_is_known(tmp_path: Path) -> None:
    text = """\
axes:
  framework: {onnxruntime: ["1.31.1"]}
  provider: {openvino: [GPU]}
include: [{framework: openvino==2026.4.1}, {framework: openvino==2026.4.1, provider: GPU}]
"""
    assert pairs(load(tmp_path, text), "framework", "provider")[1:] == [
        ("openvino==2026.4.1", "CPU"),
        ("openvino==2026.4.1", "GPU"),
    ]


# Images and Pythons ------------------------------------------------------------------------------


def test_image_templates(tmp_path: Path) -> None:
    text = """\
axes:
  framework: {onnxruntime: ["1.31.1"]}
  python: ["3.12", "3.13.1", "3.13t", image]
  image: [host, "python:{python}-slim", "debian:bookworm"]
exclude:
  - {python: image, image: [host, "python:*"]}
  - {image: "debian:*", python: "3.*"}
  - {image: "python:3.12-*"}
"""
    matrix = load(tmp_path, text)
    assert pairs(matrix, "python", "image") == [
        ("3.12", "host"),
        ("3.13.1", "host"),
        ("3.13.1", "python:3.13.1-slim"),
        ("3.13t", "host"),
        ("3.13t", "python:3.13-slim"),
        ("image", "debian:bookworm"),
    ]
    assert matrix.cells[2].image == Image(kind="docker", value="python:3.13.1-slim")
    assert "-py3.13.1-python-3.13.1-slim-" in matrix.cells[2].id
    assert [removed.rule for removed in matrix.removed].count("exclude[2] (line 8)") == 1


@pytest.mark.parametrize(
    ("image", "expected", "python"),
    [
        ("host", Image(), RUNNING),
        ("{value: host, id: bare}", Image(), RUNNING),
        ("debian:trixie", Image(kind="docker", value="debian:trixie"), RUNNING),
        (
            "{value: debian:trixie, platform: linux/arm64, dockerfile: m.yaml}",
            Image(
                kind="docker",
                value="debian:trixie",
                settings=(("platform", "linux/arm64"), ("dockerfile", "FOLDER/m.yaml")),
            ),
            RUNNING,
        ),
        (
            "{kind: nox, value: \"tests-3.12(numpy='2')\", noxfile: m.yaml}",
            Image(
                kind="nox",
                value="tests-3.12(numpy='2')",
                settings=(("noxfile", "FOLDER/m.yaml"),),
            ),
            "image",
        ),
        (
            "{kind: tox, value: py312-onnx, config: m.yaml}",
            Image(kind="tox", value="py312-onnx", settings=(("config", "FOLDER/m.yaml"),)),
            "image",
        ),
        (
            "{kind: python, value: venv/bin/python}",
            Image(
                kind="python",
                value="venv/bin/python",
                settings=(("path", "FOLDER/venv/bin/python"),),
            ),
            "image",
        ),
        (
            "{kind: python, value: /usr/bin/python3}",
            Image(kind="python", value="/usr/bin/python3"),
            "image",
        ),
        ("current", Image(kind="current", value="current"), "image"),
        ("{value: mine, kind: current}", Image(kind="current", value="mine"), "image"),
        (
            "{kind: ssh, value: ci@jetson.example.org, python: python3.10}",
            Image(kind="ssh", value="ci@jetson.example.org", settings=(("python", "python3.10"),)),
            "image",
        ),
    ],
)
def test_kinds_of_images(image: str, expected: Image, python: str, tmp_path: Path) -> None:
    text = f'axes:\n  framework: {{onnxruntime: ["1.31.1"]}}\n  image: [{image}]\n'
    (cell,) = load(tmp_path, text).cells
    settings = tuple(
        (name, text.replace(str(tmp_path), "FOLDER")) for name, text in cell.image.settings
    )
    assert Image(kind=cell.image.kind, value=cell.image.value, settings=settings) == expected
    assert cell.python == python


@pytest.mark.parametrize(
    "image",
    [
        "{kind: ssh, value: -oProxyCommand=x}",
        "{kind: ssh, value: 'host; id'}",
        "{kind: nox, value: --list, noxfile: m.yaml}",
        "{kind: nox, value: 'a;b', noxfile: m.yaml}",
        "{kind: nox, value: mine, noxfile: /dev/null}",
        "{kind: nox, value: mine}",
        "{kind: tox, value: 'a$b', config: m.yaml}",
        "{kind: tox, value: 'a,b', config: m.yaml}",
        "{kind: tox, value: ALL, config: m.yaml}",
        "{kind: tox, value: mine}",
        "{kind: python, value: -c}",
        "{kind: podman, value: debian}",
        "{value: debian, platform: --privileged}",
        "{value: debian, dockerfile: none}",
    ],
)
def test_images_of_a_kind_have_its_grammar(image: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as caught:
        load(tmp_path, f'axes:\n  framework: {{onnxruntime: ["1.31.1"]}}\n  image: [{image}]\n')
    assert caught.value.problems[0].line == 3


@pytest.mark.parametrize(
    ("kind", "setting", "name"),
    [
        ("nox", "noxfile", "noxfile.py"), ("nox", "noxfile", "../noxfile.py"),
        ("tox", "config", "tox.ini"), ("tox", "config", "../pyproject.toml"),
    ],
)  # fmt: skip
def test_the_file_of_an_environment_is_found_beside_the_matrix(
    kind: str, setting: str, name: str, tmp_path: Path
) -> None:
    folder = tmp_path / "matrices"
    folder.mkdir()
    file = (folder / name).resolve()
    file.write_text("")
    image = f"[{{kind: {kind}, value: mine}}]"
    (cell,) = load(folder, f'axes: {{framework: {{onnx: ["1.18.0"]}}, image: {image}}}').cells
    assert cell.image.settings == ((setting, str(file)),)


def test_installed_in_an_environment_of_the_user_s_own(tmp_path: Path) -> None:
    text = """\
axes:
  framework: {onnxruntime: [installed]}
  image: [{kind: nox, value: mine, noxfile: m.yaml}]
  packages: {numpy: ["2.2.6"]}
"""
    (cell,) = load(tmp_path, text).cells
    assert cell.requirements == ("numpy==2.2.6",)
    assert cell.framework == Framework(
        distribution="onnxruntime", version="installed", runtime="onnxruntime"
    )


# Long forms --------------------------------------------------------------------------------------


def test_long_forms_add_to_their_cells(tmp_path: Path) -> None:
    text = """\
axes:
  framework:
    onnxruntime:
      - {value: "1.15.1", packages: ["numpy<2"], env: {A: "1"}}
      - "1.31.1"
  python:
    - {value: /opt/py/bin/python3.9, id: py39, options: {b: "2"}}
  env:
    OMP_NUM_THREADS: [{value: "4", id: four, env: {OMP_PROC_BIND: close}}]
"""
    first, second = load(tmp_path, text).cells
    assert first.id.startswith("onnxruntime-1.15.1-py39-host-CPUExecutionProvider-four-")
    assert first.requirements == ("onnxruntime==1.15.1", "numpy<2")
    assert first.env == (("OMP_NUM_THREADS", "4"), ("A", "1"), ("OMP_PROC_BIND", "close"))
    assert first.options == (("b", "2"),)
    assert dict(first.axes)["python"] == "/opt/py/bin/python3.9"
    assert dict(first.axes)["env.OMP_NUM_THREADS"] == "4"
    assert second.requirements == ("onnxruntime==1.31.1",)


def test_values_that_read_the_same_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    text = """\
axes:
  framework: {onnxruntime: ["1.31.1"]}
  image:
    - {id: amd64, value: "debian:trixie", platform: linux/amd64}
    - {id: arm64, value: "debian:trixie", platform: linux/arm64}
"""
    first, second = load(tmp_path, text).cells
    assert first.axes[:-1] == second.axes[:-1]
    assert [first.axes[-1], second.axes[-1]] == [("image.id", "amd64"), ("image.id", "arm64")]
    assert first.id != second.id
    assert "-arm64-" in second.id


SERVERS = """axes:
  framework:
    flask:
      - {id: old, value: "3.1.0", runtime: json_endpoint, options: {url: "http://a"}}
      - {id: new, value: "3.1.0", runtime: json_endpoint, options: {url: "http://b"}}
      - {id: last, value: "3.1.1", runtime: json_endpoint, options: {url: "http://b"}}
  provider: [{id: only, value: served}]
"""


def test_cells_of_equal_axes_are_targets_of_their_own_downstream(tmp_path: Path) -> None:
    cells = load(tmp_path, SERVERS).cells
    assert [dict(cell.axes).get("framework.id") for cell in cells] == ["old", "new", None]
    assert all("provider.id" not in dict(cell.axes) for cell in cells)  # the same in all
    assert len({cell.axes for cell in cells}) == 3
    assert len({target_of(stored(cell)) for cell in cells}) == 3  # of compat.json
    assert len({stored(cell).key for cell in cells}) == 3  # of a comparison with another run
    for lane in lanes([stored(cell) for cell in cells]):  # of the report's steps
        assert len({version for version, _ in lane.stops}) == len(lane.stops)


def stored(cell: Cell) -> StoredCell:
    return StoredCell(
        id=cell.id,
        matrix=cell.matrix,
        axes=dict(cell.axes),
        status=CellStatus.COMPLETED,
        outcome=Outcome.OK,
    )


def test_what_tells_cells_apart_selects_them(tmp_path: Path) -> None:
    matrix = load(tmp_path, SERVERS, select="framework.id:new")
    assert [cell.options for cell in matrix.cells] == [(("url", "http://b"),)]


def test_a_framework_names_its_adapter(tmp_path: Path) -> None:
    text = """\
axes:
  framework:
    my-runtime: [{value: "1.0", runtime: mine}]
    other: [{value: "2.0", runtime: backend, module: other.backend}]
include: [{framework: my_runtime==1.1}, {framework: other==2.1}]
"""
    frameworks = [cell.framework for cell in load(tmp_path, text, runtimes=["mine"]).cells]
    assert [
        (each.distribution, each.version, each.runtime, each.module) for each in frameworks
    ] == [
        ("my-runtime", "1.0", "mine", None),
        ("other", "2.0", "backend", "other.backend"),
        ("my-runtime", "1.1", "mine", None),
        ("other", "2.1", "backend", "other.backend"),
    ]
    with pytest.raises(UsageProblem, match="`runtime` cannot be 'mine'"):
        load(tmp_path, text)


# Rules -------------------------------------------------------------------------------------------


def test_include_uses_the_long_form_of_a_declared_value(tmp_path: Path) -> None:
    text = """\
axes:
  framework: {onnxruntime: [{value: "1.15.1", packages: ["numpy<2"]}]}
  python: ["3.11"]
  image: [{kind: nox, value: mine, noxfile: m.yaml}]
  packages: {protobuf: ["5.29.5"]}
include:
  - {framework: onnxruntime==1.15.1, image: mine, packages.protobuf: "6.30.0"}
"""
    cell = load(tmp_path, text).cells[-1]
    settings = (("noxfile", str(tmp_path / "m.yaml")),)
    assert cell.image == Image(kind="nox", value="mine", settings=settings)
    assert (cell.python, cell.provider) == ("image", "CPUExecutionProvider")
    assert cell.requirements == ("onnxruntime==1.15.1", "protobuf==6.30.0", "numpy<2")


def test_include_with_a_long_form_of_its_own(tmp_path: Path) -> None:
    text = """\
axes:
  framework: {onnxruntime: [{value: "1.15.1", packages: ["numpy<2"]}]}
  python: ["3.11"]
include:
  - python: "3.12"
    framework: {value: onnxruntime==1.15.1, packages: ["numpy<1.25"]}
"""
    cell = load(tmp_path, text).cells[-1]
    assert cell.requirements == ("onnxruntime==1.15.1", "numpy<1.25")


def test_include_after_exclude_brings_a_cell_back(tmp_path: Path) -> None:
    text = """\
axes: {framework: {onnxruntime: ["1.31.1", "1.30.0"]}, python: ["3.12"]}
exclude: [{framework: "onnxruntime>=1.30"}]
include: [{framework: onnxruntime==1.31.1, python: "3.12"}]
"""
    matrix = load(tmp_path, text)
    assert axis(matrix, "framework") == ["onnxruntime==1.31.1"]
    assert len(matrix.removed) == 2


def test_include_alone_is_a_matrix(tmp_path: Path) -> None:
    matrix = load(tmp_path, 'include: [{framework: "onnxruntime==1.31.1", python: "3.12"}]')
    assert pairs(matrix, "framework", "python") == [("onnxruntime==1.31.1", "3.12")]


def test_adjust_is_cumulative_and_in_order(tmp_path: Path) -> None:
    text = """\
axes: {framework: {onnxruntime: ["1.18.1", "1.31.1"]}, python: ["3.12"]}
limits: {case: 10s}
adjust:
  - {match: {framework: onnxruntime}, env: {A: "1", B: "1"}, options: {o: x}}
  - match: {framework: "onnxruntime<1.19"}
    packages: ["numpy<2"]
    env: {B: "2"}
    limits: {cell: 1h, memory: 8GiB}
    skip: no wheel for this Python
  - {match: {python: "3.*"}, limits: {cell: 2h}}
  - {match: {python: "4.*"}, skip: never}
"""
    matrix = load(tmp_path, text)
    old, new = matrix.cells
    assert old.requirements == ("onnxruntime==1.18.1", "numpy<2")
    assert old.env == (("A", "1"), ("B", "2"))
    assert old.options == (("o", "x"),)
    assert old.limits == Limits(case=10, cell=7200, memory=8 * 2**30)
    assert old.skip == "no wheel for this Python"
    assert old.rules == (
        "adjust[0] (line 4): env A=1 B=1, options o=x",
        (
            "adjust[1] (line 5): packages +numpy<2, env B=2, limits cell=3600 memory=8589934592, "
            "skip: no wheel for this Python"
        ),
        "adjust[2] (line 10): limits cell=7200",
    )
    assert (new.env, new.skip, new.requirements) == (
        (("A", "1"), ("B", "1")), None, ("onnxruntime==1.31.1",),
    )  # fmt: skip
    assert matrix.notes == ("adjust[3] (line 11) matched nothing",)


def test_when_filters_checks_and_models(tmp_path: Path) -> None:
    text = """\
axes: {framework: {onnxruntime: ["1.31.1"], openvino: ["2026.4.1"]}, python: ["3.12"]}
checks:
  op_support:
    - {when: {framework: onnxruntime}}
    - {when: {framework: openvino}, match: [Conv]}
  parity:
    models:
      - {name: a, path: m.yaml}
      - {name: b, path: m.yaml, when: {provider: CPU}}
"""
    onnxruntime, openvino = load(tmp_path, text).cells
    assert [(entry.check, entry.match) for entry in onnxruntime.checks] == [
        ("op_support", ()),
        ("parity", ()),
    ]
    assert [model.name for model in onnxruntime.checks[1].models] == ["a"]
    assert openvino.checks[0].match == ("Conv",)
    assert [model.name for model in openvino.checks[1].models] == ["a", "b"]


def test_a_check_without_a_model_left_is_gone(tmp_path: Path) -> None:
    text = """\
axes: {framework: {onnxruntime: ["1.31.1"]}}
checks: {parity: {models: [{name: a, path: m.yaml, when: {framework: openvino}}]}}
"""
    assert load(tmp_path, text).cells[0].checks == ()


def test_one_model_may_differ_by_cell(tmp_path: Path) -> None:
    text = """\
axes: {framework: {onnxruntime: ["1.31.1"], openvino: ["2026.4.1"]}, python: ["3.12"]}
checks:
  parity:
    - {models: [{name: a, path: m.yaml}], when: {framework: onnxruntime}}
    - {models: [{name: a, path: .}], when: {framework: openvino}}
"""
    first, second = load(tmp_path, text).cells
    assert first.checks[0].models[0].path != second.checks[0].models[0].path


def test_select_removes_the_rest(tmp_path: Path) -> None:
    text = 'axes: {framework: {onnxruntime: ["1.30.0", "1.31.1"]}, python: ["3.11", "3.12"]}'
    matrix = load(tmp_path, text, select="framework:onnxruntime>=1.31 python:3.11 python:3.13")
    assert pairs(matrix, "framework", "python") == [("onnxruntime==1.31.1", "3.11")]
    assert [removed.rule for removed in matrix.removed] == ["select"] * 3
    assert len(load(tmp_path, text, select="python:3.9").cells) == 0


def test_the_limit_of_cells_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = ", ".join(f'"{n}"' for n in range(101))
    text = f'axes: {{framework: {{onnx: ["1.18.0"]}}, env: {{A: [{values}], B: [{values}]}}}}'
    more = text.replace("env:", 'python: ["3.11", "3.12"], image: [host, a, b], env:')
    with pytest.raises(UsageProblem, match="61,206 cells;"):
        load(tmp_path, more)
    with pytest.raises(UsageProblem, match=r"10,201 cells; .*MODELCOMPAT_MAX_CELLS=10201"):
        load(tmp_path, text)
    monkeypatch.setenv(MAX_CELLS_VARIABLE, "10201")
    assert len(load(tmp_path, text).cells) == 10_201
    monkeypatch.setenv(MAX_CELLS_VARIABLE, "100")
    with pytest.raises(UsageProblem, match="the limit is 100"):
        load(tmp_path, text)


# Ids ---------------------------------------------------------------------------------------------


def test_the_same_cells_in_any_order_have_the_same_ids(tmp_path: Path) -> None:
    one = """\
name: n
axes:
  framework: {onnxruntime: ["1.30.0", "1.31.1"]}
  python: ["3.11", "3.12"]
  env: {A: ["1", "2"], B: ["x"]}
  options: {o: [all]}
"""
    other = """\
axes:
  options: {o: [all]}
  env: {B: ["x"], A: ["2", "1"]}
  python: ["3.12", "3.11"]
  framework: {onnxruntime: ["1.31.1", "1.30.0"]}
name: n
"""
    first = {cell.id for cell in load(tmp_path, one).cells}
    assert {cell.id for cell in load(tmp_path, other).cells} == first
    assert {
        cell.id for cell in load(tmp_path, one.replace("name: n", "name: m")).cells
    } & first == set()


def test_an_id_does_not_change_between_releases_of_this_tool(tmp_path: Path) -> None:
    text = 'name: n\naxes: {framework: {onnxruntime: ["1.31.1"]}, python: ["3.12"]}'
    (cell,) = load(tmp_path, text).cells
    assert cell.id == "onnxruntime-1.31.1-py3.12-host-CPUExecutionProvider-ffd61ce9"


def test_cells_whose_digests_collide_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "_SHORT", 1)
    values = ", ".join(f'{{value: "{n}", id: {"x" * 90}{n}}}' for n in range(40))
    text = f'axes: {{framework: {{onnx: ["1.18.0"]}}, env: {{A: [{values}]}}}}'
    cells = load(tmp_path, text).cells
    assert len({cell.id for cell in cells}) == 40
    lengths = [len(cell.id.rpartition("-")[2]) for cell in cells]
    assert set(lengths) <= {1, 16}
    assert lengths.count(16) > 20  # of 40 cells and 16 short digests


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)
VALUES = st.lists(TEXT, min_size=1, max_size=4, unique=True)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=VALUES, b=VALUES, swap=st.booleans())
def test_ids_are_distinct_short_and_independent_of_order(
    tmp_path: Path, a: list[str], b: list[str], swap: bool
) -> None:
    def text(env: dict[str, list[str]]) -> str:
        axes = {"framework": {"onnx": ["1.18.0"]}, "python": ["3.12"], "env": env}
        return yaml.safe_dump({"name": "n", "axes": axes}, sort_keys=False, default_style='"')

    cells = load(tmp_path, text({"A": a, "B": b})).cells
    assert len(cells) == len({cell.id for cell in cells}) == len(a) * len(b)
    assert all(re.fullmatch(r"[A-Za-z0-9._=-]{1,89}", cell.id) for cell in cells)
    assert not any(cell.id[0] in "-." for cell in cells)
    again = load(tmp_path, text({"B": b[::-1], "A": a[::-1]} if swap else {"A": a[::-1], "B": b}))
    by_axes = {frozenset(cell.axes): cell.id for cell in again.cells}
    assert all(by_axes[frozenset(cell.axes)] == cell.id for cell in cells)


# Against a naive model ---------------------------------------------------------------------------

VERSIONS = ["1.15.1", "1.20.1", "1.31.1"]
PYTHONS = ["3.8", "3.12", "3.13"]
ROW = st.fixed_dictionaries(
    {},
    optional={
        "framework": st.sampled_from(VERSIONS).map(lambda version: f"onnxruntime=={version}"),
        "python": st.sampled_from(PYTHONS),
        "env.A": st.sampled_from(["0", "1"]),
    },
).filter(bool)
FULL = st.fixed_dictionaries({
    "framework": st.sampled_from(VERSIONS).map(lambda version: f"onnxruntime=={version}"),
    "python": st.sampled_from(PYTHONS),
})  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    excludes=st.lists(ROW, max_size=3),
    includes=st.lists(FULL, max_size=2, unique_by=lambda row: tuple(sorted(row.items()))),
    adjusts=st.lists(st.tuples(ROW, st.integers(0, 9)), max_size=4),
    selected=st.none() | ROW,
)
def test_a_naive_expansion_agrees(
    tmp_path: Path, excludes: list, includes: list, adjusts: list, selected: dict | None
) -> None:
    document = {
        "axes": {
            "framework": {"onnxruntime": VERSIONS},
            "python": PYTHONS,
            "env": {"A": ["0", "1"]},
        },
        "exclude": excludes,
        "include": includes,
        "adjust": [{"match": match, "env": {f"N{n}": str(n)}} for match, n in adjusts],
    }
    rows = [
        {"framework": f"onnxruntime=={version}", "python": python, "env.A": value}
        for version in VERSIONS
        for python in PYTHONS
        for value in "01"
    ]
    fits = lambda rule, row: all(row.get(name) == value for name, value in rule.items())  # noqa: E731
    kept = [row for row in rows if not any(fits(rule, row) for rule in excludes)] + includes
    settings_of = [
        dict(chain.from_iterable([(f"N{n}", str(n))] for match, n in adjusts if fits(match, row)))
        for row in kept
    ]
    chosen = [selected is None or fits(selected, row) for row in kept]
    select = selected and " ".join(f"{name}:{value}" for name, value in selected.items())
    text = yaml.safe_dump(document)
    if not kept:
        with pytest.raises(UsageProblem, match="No cell is left"):
            load(tmp_path, text)
        return
    matrix = load(tmp_path, text, select=select)
    expected = [
        (row, env) for row, env, wanted in zip(kept, settings_of, chosen, strict=True) if wanted
    ]
    assert len(matrix.cells) == len(expected)
    for cell, (row, env) in zip(matrix.cells, expected, strict=True):
        assert {name: dict(cell.axes).get(name) for name in row} == row
        assert {name: value for name, value in cell.env if name != "A"} == env


# Cost --------------------------------------------------------------------------------------------


def test_ten_thousand_cells_in_less_than_a_second(tmp_path: Path) -> None:
    versions = ", ".join(f'"1.{minor}.0"' for minor in range(10, 20))
    numbers = ", ".join(f'"{n}"' for n in range(10))
    text = f"""\
axes:
  framework: {{onnxruntime: [{versions}]}}
  python: ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.12.1", "3.12.2", "3.12.3"]
  env: {{A: [{numbers}], B: [{numbers}]}}
exclude: [{{framework: "onnxruntime<1.5"}}, {{python: "3.7"}}]
adjust:
  - {{match: {{framework: "onnxruntime<1.15"}}, packages: ["numpy<2"]}}
  - {{match: {{python: ">=3.10", env.A: ["1", "2"]}}, limits: {{case: 1m}}}}
checks: {{op_support: [{{when: {{framework: "onnxruntime>1.15"}}}}, {{when: {{python: "3.12*"}}}}]}}
"""
    before = time.process_time()
    matrix = load(tmp_path, text)
    took = time.process_time() - before
    assert len(matrix.cells) == 10_000
    assert len({id(cell.checks) for cell in matrix.cells}) == 4  # equal parts are shared
    assert took < 60, f"{took:.2f} s"  # a guard; benchmarks/ measure


def test_cells_are_values(tmp_path: Path) -> None:
    text = 'axes: {framework: {onnxruntime: ["1.31.1"]}}'
    (one,), (two,) = load(tmp_path, text).cells, load(tmp_path, text).cells
    assert one == two
    assert hash(one) == hash(two)
    assert isinstance(one, Cell)
