"""Good matrices: what their files say is what the records hold."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix import load_matrices, load_matrix
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.model import (
    CheckEntry,
    Data,
    Framework,
    Image,
    KnownIssue,
    Limits,
    Matcher,
    Matrix,
    Model,
    Producer,
    Tolerance,
)

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"

# The example of the design, every construct of the language once.
EXAMPLE = """\
schema: 1
name: onnxruntime-upgrade
axes:
  framework:
    onnxruntime: ["1.20.1", "1.31.1"]
    onnxruntime-openvino: ["1.24.1"]
  python: ["3.10", "3.12"]
  image: [host]
  provider:
    onnxruntime: [CPUExecutionProvider]
    onnxruntime-openvino: [OpenVINOExecutionProvider]
  packages: {numpy: ["1.26.4", "2.2.6"]}
  env: {OMP_NUM_THREADS: ["1", "4"]}
  options: {graph_optimization: [all, disabled]}
packages: ["protobuf<6"]
adjust:
  - match: {framework: "onnxruntime<1.21"}
    packages: ["numpy<2"]
exclude: [{python: "3.12", framework: "onnxruntime<1.21"}]
include: [{framework: "onnxruntime==1.31.1", python: "3.13"}]
exclude_newer: 2026-11-01
limits: {case: 30s, cell: 30m, install: 10m, memory: 4GiB, threads: 1}
checks:
  op_support:
    corpus: ["onnx==1.18.0", "onnx==1.23.2"]
    match: ["Conv", "ai.onnx.ml::*", "test_relu*"]
  parity:
    tolerance: {float32: {rtol: 1e-3, atol: 1e-5}, float16: {ulp: 4}, quantized: {quanta: 1}}
    repeats: 3
    models:
      - name: labels
        path: models/labels.onnx
        data: {inputs: labels-in.npz, outputs: labels-out.npz}
      - name: pointnet2
        build: models/pointnet2.py::build
        producers:
          - {framework: torch==2.13.0, export: onnx-torchscript, opset: ["13", "17"], python: "3.11", packages: []}
on_unsupported: record
known_issues: [known-issues.yaml]
"""  # noqa: E501
KNOWN = """\
- id: relu-crash
  match: {framework: ["onnxruntime<1.21", "openvino"], python: "3.1?"}
  check: op_support
  unit: ai.onnx::Relu
  case: test_relu*
  stage: run
  status: [crashed, timed_out]
  message: "(?i)illegal .* instruction"
  issue: https://example.org/issues/1
  reason: the wheel was built for a newer processor
  expires: 2027-01-31
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that the example names."""
    (tmp_path / "models").mkdir()
    for name in ("models/labels.onnx", "models/pointnet2.py", "labels-in.npz", "labels-out.npz"):
        (tmp_path / name).touch()
    (tmp_path / "known-issues.yaml").write_text(KNOWN)
    return tmp_path


def load(folder: Path, text: str | bytes, name: str = "m.yaml", **arguments: object) -> Matrix:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_matrix(path, **arguments)


def test_the_example_makes_the_cells_that_one_counts_by_hand(folder: Path) -> None:
    matrix = load(folder, EXAMPLE)
    # (2 + 1) frameworks x 2 Pythons x 1 image x 1 provider each x 2 numpy x 2 threads x 2 options
    # = 48; exclude takes 1.20.1 on 3.12 out, 1 x 1 x 8 = 8; include adds 1.
    assert len(matrix.cells) == 48 - 8 + 1
    assert len(matrix.removed) == 8
    assert {removed.rule for removed in matrix.removed} == {"exclude[0] (line 19)"}
    assert len({cell.id for cell in matrix.cells}) == 41
    adjusted = [cell for cell in matrix.cells if cell.rules[:1] and "adjust" in cell.rules[0]]
    assert len(adjusted) == 8  # 1.20.1 on 3.10
    assert matrix.notes == ()


def test_the_example_s_first_cell_holds_what_the_file_says(folder: Path) -> None:
    matrix = load(folder, EXAMPLE)
    cell = matrix.cells[0]
    assert cell.id.startswith("onnxruntime-1.20.1-py3.10-host-CPUExecutionProvider-numpy-1.26.4-1-")
    assert (cell.matrix, cell.matrix_file) == ("onnxruntime-upgrade", folder / "m.yaml")
    assert cell.axes == (
        ("framework", "onnxruntime==1.20.1"),
        ("python", "3.10"),
        ("image", "host"),
        ("provider", "CPUExecutionProvider"),
        ("packages.numpy", "1.26.4"),
        ("env.OMP_NUM_THREADS", "1"),
        ("options.graph_optimization", "all"),
    )
    assert cell.framework == Framework(
        distribution="onnxruntime", version="1.20.1", runtime="onnxruntime"
    )
    assert (cell.python, cell.image, cell.provider) == ("3.10", Image(), "CPUExecutionProvider")
    assert cell.requirements == ("onnxruntime==1.20.1", "numpy==1.26.4", "protobuf<6", "numpy<2")
    assert cell.env == (("OMP_NUM_THREADS", "1"),)
    assert cell.options == (("graph_optimization", "all"),)
    assert cell.limits == Limits()
    assert cell.exclude_newer == "2026-11-01"
    assert cell.skip is None
    assert cell.rules == ("adjust[0] (line 17): packages +numpy<2",)
    float32 = Tolerance(rtol=1e-3, atol=1e-5)
    assert cell.checks == (
        CheckEntry(
            check="op_support",
            corpus=("onnx==1.18.0", "onnx==1.23.2"),
            match=("Conv", "ai.onnx.ml::*", "test_relu*"),
            line=25,
        ),
        CheckEntry(
            check="parity",
            tolerance=(
                ("float32", float32),
                ("float16", Tolerance(ulp=4)),
                ("quantized", Tolerance(quanta=1)),
            ),
            repeats=3,
            models=(
                Model(
                    name="labels",
                    path=folder / "models/labels.onnx",
                    data=Data(inputs=folder / "labels-in.npz", outputs=folder / "labels-out.npz"),
                    line=31,
                ),
                Model(
                    name="pointnet2",
                    build=f"{folder}/models/pointnet2.py::build",
                    producers=(
                        Producer(
                            framework="torch==2.13.0",
                            export="onnx-torchscript",
                            opset=("13", "17"),
                            python="3.11",
                            limits=defaults().export_limits,
                        ),
                    ),
                    line=34,
                ),
            ),
            line=28,
        ),
    )


def test_the_example_s_included_cell_has_the_declared_axes_only(folder: Path) -> None:
    cell = load(folder, EXAMPLE).cells[-1]
    assert dict(cell.axes) == {
        "framework": "onnxruntime==1.31.1",
        "python": "3.13",
        "image": "host",
        "provider": "CPUExecutionProvider",
    }
    assert cell.rules == ("include[0] (line 20)",)
    assert cell.requirements == ("onnxruntime==1.31.1", "protobuf<6")


def test_known_issues_hold_what_their_file_says(folder: Path) -> None:
    assert load(folder, EXAMPLE).known_issues == (
        KnownIssue(
            id="relu-crash",
            match=Matcher(
                patterns=(("framework", ("onnxruntime<1.21", "openvino")), ("python", ("3.1?",)))
            ),
            check="op_support",
            unit="ai.onnx::Relu",
            case="test_relu*",
            stage=("run",),
            status=("crashed", "timed_out"),
            message="(?i)illegal .* instruction",
            issue="https://example.org/issues/1",
            reason="the wheel was built for a newer processor",
            expires="2027-01-31",
            file=folder / "known-issues.yaml",
            line=1,
        ),
    )


SMALL = 'axes: {framework: {onnxruntime: ["1.31.1"]}}\n'


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"%YAML 1.2\n---\n" + text + b"...\n",
        lambda text: b"# comment\n\n" + text.replace(b"\n", b"   \n"),
        lambda text: text.replace(b'"', b"'"),
    ],
    ids=["byte order mark", "CRLF", "directive and end mark", "blanks and comments", "quotes"],
)
def test_other_ways_to_write_the_same(change, folder: Path) -> None:
    usual, other = load(folder, EXAMPLE), load(folder, change(EXAMPLE.encode()))
    assert [cell.id for cell in other.cells] == [cell.id for cell in usual.cells]
    assert other.cells[0].requirements == usual.cells[0].requirements


def test_scalars_are_text(folder: Path) -> None:
    matrix = load(
        folder,
        """\
axes:
  framework: {onnxruntime: [1.20, 1.31.1]}
  python: [3.10, 3.9]
  env: {A: ["1_000", 0x10, yes, 010, 1e3, 2026-11-01, "", "null"]}
exclude: [{python: 3.10, framework: onnxruntime==1.20}]
include: [{framework: onnxruntime==1.20, python: 3.10, env.A: 1_000}]
""",
    )
    axes = [dict(cell.axes) for cell in matrix.cells]
    assert {each["framework"] for each in axes} == {"onnxruntime==1.20", "onnxruntime==1.31.1"}
    assert {each["python"] for each in axes} == {"3.10", "3.9"}
    assert list(dict.fromkeys(each["env.A"] for each in axes)) == [
        "1_000", "0x10", "yes", "010", "1e3", "2026-11-01", "", "null",
    ]  # fmt: skip
    assert axes[-1]["python"] == "3.10"


def test_what_a_matrix_need_not_say(folder: Path) -> None:
    matrix = load(folder, SMALL, "my matrix (2).yaml")
    (cell,) = matrix.cells
    assert matrix.name == "my-matrix-2-"
    assert dict(cell.axes) == {
        "framework": "onnxruntime==1.31.1",
        "python": RUNNING,
        "image": "host",
        "provider": "CPUExecutionProvider",
    }
    assert (cell.limits, cell.checks, cell.requirements) == (
        Limits(), (), ("onnxruntime==1.31.1",),
    )  # fmt: skip
    assert matrix.on_unsupported == "record"


def test_checks_default_to_everything(folder: Path) -> None:
    (cell,) = load(folder, SMALL + "checks: {op_support: }\n").cells
    (entry,) = cell.checks
    assert (entry.corpus, entry.match, entry.repeats) == (("onnx==1.22.0",), (), 1)
    (cell,) = load(
        folder, SMALL + "checks: {parity: {models: [{name: a, path: labels-in.npz}]}}"
    ).cells
    assert cell.checks[0].models[0].data == Data(random=1)


def test_limits_in_every_unit(folder: Path) -> None:
    (cell,) = load(
        folder,
        SMALL + "limits: {case: 1500ms, cell: 2h, install: 3m, memory: 512MiB, threads: 8}",
    ).cells
    assert cell.limits == Limits(case=1.5, cell=7200, install=180, memory=2**29, threads=8)
    (cell,) = load(folder, SMALL + "limits: {memory: 65536KiB}").cells
    assert cell.limits == Limits(memory=2**26)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{random: 3, seed: 7, dims: {batch: 2}}", Data(random=3, seed=7, dims=(("batch", 2),))),
        ("sets", Data(folder=Path("sets"))),
        ("{inputs: labels-in.npz}", Data(inputs=Path("labels-in.npz"))),
    ],
)
def test_data(data: str, expected: Data, folder: Path) -> None:
    (folder / "sets" / "test_data_set_0").mkdir(parents=True)
    model = f"{{name: a, path: models/labels.onnx, data: {data}}}"
    (cell,) = load(folder, SMALL + f"checks: {{parity: {{models: [{model}]}}}}").cells
    found = cell.checks[0].models[0].data
    for field in ("folder", "inputs"):
        path = getattr(expected, field)
        assert getattr(found, field) == (path and folder / path)
    assert (found.random, found.seed, found.dims) == (expected.random, expected.seed, expected.dims)


@pytest.mark.parametrize("name", ["saved_model", "net.pt", "net.xml", "../net.tflite"])
def test_any_format_in_any_place(name: str, folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    path = inner / name
    if "." in path.name:
        path.touch()
    else:
        path.mkdir()
    (cell,) = load(
        inner, SMALL + f"checks: {{parity: {{models: [{{name: a, path: {name}}}]}}}}"
    ).cells
    assert cell.checks[0].models[0].path == path.resolve()


@pytest.mark.parametrize("reference", ["onnx", "consensus", "none"])
def test_references(reference: str, folder: Path) -> None:
    model = f"{{name: a, path: models/labels.onnx, reference: {reference}}}"
    (cell,) = load(folder, SMALL + f"checks: {{parity: {{models: [{model}]}}}}").cells
    assert cell.checks[0].models[0].reference == reference


def test_a_cell_as_reference_may_be_deselected(folder: Path) -> None:
    text = """\
axes: {framework: {onnxruntime: ["1.30.0", "1.31.1"]}, python: ["3.12"]}
checks: {parity: {models: [{name: a, path: models/labels.onnx REFERENCE}]}}
"""
    first = load(folder, text.replace(" REFERENCE", "")).cells[0]
    text = text.replace(" REFERENCE", f', reference: "cell:{first.id}"')
    matrix = load(folder, text, select="framework:onnxruntime==1.31.1")
    assert matrix.cells[0].checks[0].models[0].reference == f"cell:{first.id}"


@pytest.mark.parametrize(
    "requirement",
    [
        "numpy", "numpy<2", "numpy >=1.26, <3", "numpy!=2.0.0", "numpy~=2.1", "zope.interface",
        "ray[default]>=2", "numpy<2; python_version < '3.11'", "numpy==1.26.*",
        'tomli; python_version < "3.11" and platform_system == "Linux"',
    ],
)  # fmt: skip
def test_requirements_with_names_and_specifiers(requirement: str, folder: Path) -> None:
    quoted = "'" + requirement.replace("'", "''") + "'"
    (cell,) = load(folder, SMALL + f"packages: [{quoted}]\n").cells
    assert cell.requirements[1] == requirement


@pytest.mark.parametrize(
    "image",
    [
        "debian:bookworm", "debian", "python:3.12-slim", "ghcr.io/name/image:tag",
        "localhost:5000/a/b_c:1.0", "docker.io/library/debian@sha256:" + "0" * 64,
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/pytorch-inference:2.6.0-cpu",
    ],
)  # fmt: skip
def test_image_references(image: str, folder: Path) -> None:
    (cell,) = load(folder, SMALL.replace("]}}", f']}}, image: ["{image}"]}}')).cells
    assert cell.image == Image(kind="docker", value=image)


@pytest.mark.parametrize(
    "image",
    ["Debian:bookworm", "debian:", ":tag", "a//b", "debian@sha256:12", "https://example.org/a",
     "debian bookworm", "debian:book&worm", "../debian", "a..b", "debian\tx"],
)  # fmt: skip
def test_not_image_references(image: str, folder: Path) -> None:
    with pytest.raises(UsageProblem, match="image"):
        load(folder, SMALL.replace("]}}", f']}}, image: ["{image}"]}}'))


@pytest.mark.parametrize(
    "requirement",
    [
        "-r requirements.txt", " --pre", "numpy@https://example.org", "numpy @ file:///x.whl",
        "file:///x.whl", "./x", "x/y", "x.whl", "hg+ssh://example.org/x", "numpy @ git+file:///x",
        "numpy --hash=sha256:00", "numpy<2 # comment", "numpy;", "numpy,scipy", "$(id)", "num py",
        "C:\\x", ".",
    ],
)  # fmt: skip
def test_not_requirements(requirement: str, folder: Path) -> None:
    with pytest.raises(UsageProblem, match="requirement"):
        load(folder, SMALL + f"packages: ['{requirement}']\n")


@pytest.mark.parametrize("issue", ["https://example.org/1", "HTTP://example.org", "ABC-123", "#12"])
def test_links_of_known_issues(issue: str, folder: Path) -> None:
    (folder / "k.yaml").write_text(f"- {{id: a, unit: a, issue: '{issue}'}}\n")
    assert load(folder, SMALL + "known_issues: [k.yaml]").known_issues[0].issue == issue


@pytest.mark.parametrize(
    "issue", ["javascript:alert(1)", "data:text/html,x", "https://", "file:///etc", "a b", "<b>"]
)
def test_no_links_of_known_issues(issue: str, folder: Path) -> None:
    (folder / "k.yaml").write_text(f"- {{id: a, unit: a, issue: '{issue}'}}\n")
    with pytest.raises(UsageProblem, match="not an address"):
        load(folder, SMALL + "known_issues: [k.yaml]")


def test_a_plug_in_s_check_gets_its_settings_as_text(folder: Path) -> None:
    text = SMALL + "checks: {latency: {when: {python: '3.*'}, warm_up: 3, unit: ms}}\n"
    (cell,) = load(folder, text, checks=["latency"]).cells
    (entry,) = cell.checks
    assert (entry.check, entry.settings) == ("latency", (("warm_up", "3"), ("unit", "ms")))
    with pytest.raises(UsageProblem, match="has no key 'latency'"):
        load(folder, text)


def test_the_digest_covers_the_file_and_its_known_issues(folder: Path) -> None:
    first = load(folder, EXAMPLE)
    assert load(folder, EXAMPLE).digest == first.digest
    assert load(folder, EXAMPLE + "# more\n").digest != first.digest
    (folder / "known-issues.yaml").write_text(KNOWN + "# more\n")
    assert load(folder, EXAMPLE).digest != first.digest


def test_a_folder_means_its_matrices(folder: Path) -> None:
    matrices = folder / "matrices"
    matrices.mkdir()
    for name in ("b.yaml", "a.yml", ".hidden.yaml", "notes.txt", "known.yaml"):
        (matrices / name).write_text(KNOWN if name == "known.yaml" else SMALL)
    (matrices / "folder.yaml").mkdir()
    assert [matrix.name for matrix in load_matrices([matrices])] == ["a", "b"]
    both = load_matrices([matrices, matrices / "a.yml", matrices / "." / "b.yaml"])
    assert [matrix.name for matrix in both] == ["a", "b"]


def test_two_matrices_of_one_name_are_refused(folder: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text("name: same\n" + SMALL)
    with pytest.raises(UsageProblem, match=r"has the name of .*a.yaml") as caught:
        load_matrices([folder / "a.yaml", folder / "b.yaml"])
    assert caught.value.problems[0].file == folder / "b.yaml"


def test_problems_of_several_matrices_are_told_together(folder: Path) -> None:
    (folder / "a.yaml").write_text("namee: a\n" + SMALL)
    (folder / "b.yaml").write_text("nname: b\n" + SMALL)
    with pytest.raises(UsageProblem) as caught:
        load_matrices([folder / "b.yaml", folder / "a.yaml"])
    assert [problem.file.name for problem in caught.value.problems] == ["b.yaml", "a.yaml"]


def test_the_selection_may_name_an_axis_of_any_matrix(folder: Path) -> None:
    (folder / "a.yaml").write_text(SMALL)
    (folder / "b.yaml").write_text(SMALL.replace("]}}", "]}, packages: {numpy: ['2.2.6']}}"))
    one, two = load_matrices([folder / "a.yaml", folder / "b.yaml"], select="packages.numpy:>=2")
    assert (len(one.cells), len(two.cells)) == (0, 1)
    assert [removed.rule for removed in one.removed] == ["select"]
    with pytest.raises(UsageProblem, match=r"no axis 'packages.numpy'"):
        load_matrix(folder / "a.yaml", select="packages.numpy:>=2")


def test_a_blank_selection_selects_everything(folder: Path) -> None:
    assert len(load(folder, EXAMPLE, select=" ").cells) == 41


def test_problems_name_the_file_as_it_was_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("m.yaml").write_text("x: 1\n" + SMALL)
    with pytest.raises(UsageProblem) as caught:
        load_matrix(Path("m.yaml"))
    assert str(caught.value).startswith("m.yaml:1:1: A matrix has no key 'x'.")
    Path("m.yaml").write_text(SMALL)
    assert load_matrix(Path("m.yaml")).file == folder / "m.yaml"
