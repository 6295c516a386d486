"""The matrices of this repository: whoever adds one adds it here without doing anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_modelcompat.matrix.load import load_matrices, load_matrix
from pytest_modelcompat.matrix.match import matches

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "matrices").glob("*.yaml"))
EVERY = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
MODELS_ALONE = {
    "edge", "legacy", "tensorflow-compat", "torchscript-compat", "trees", "regressions",
    "regressions-packaging", "regressions-providers", "custom-ops", "phone",
}  # fmt: skip
THREAD = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+")
EXACT = re.compile(r"[a-z0-9-]+==\d+(\.\d+)+")


@pytest.fixture
def quickstart():
    return load_matrix(ROOT / "matrices" / "quickstart.yaml")


def test_they_can_run_together():
    assert {matrix.file for matrix in load_matrices(FILES)} == set(FILES)


@EVERY
def test_every_cell_has_work(file: Path):
    matrix = load_matrix(file)
    assert matrix.cells
    for cell in matrix.cells:
        checks = {entry.check for entry in cell.checks}
        # What is asked of built models is asked of their files, whatever the operators; and node
        # tests are ONNX: what reads other formats is asked with models alone.
        built = any(model.build for entry in cell.checks for model in entry.models)
        alone = built or file.stem in MODELS_ALONE
        assert checks == ({"parity"} if alone else {"op_support", "parity"}), cell.id
        assert not cell.skip


@EVERY
def test_frameworks_and_corpora_are_pinned(file: Path):
    for cell in load_matrix(file).cells:
        assert EXACT.fullmatch(str(cell.framework))
        for entry in cell.checks:
            assert all(EXACT.fullmatch(corpus) for corpus in entry.corpus)


@EVERY
def test_an_old_onnxruntime_never_meets_numpy_2_unasked(file: Path):
    for cell in load_matrix(file).cells:
        if "packages.numpy" in dict(cell.axes):
            continue
        name, _, version = str(cell.framework).partition("==")
        if name.startswith("onnxruntime") and tuple(map(int, version.split(".")[:2])) < (1, 19):
            assert "numpy<2" in cell.requirements


@EVERY
def test_openvino_computes_in_the_precision_of_the_model(file: Path):
    """Without the option, OpenVINO computes in bfloat16 on processors that can."""
    for cell in load_matrix(file).cells:
        if cell.framework.runtime == "openvino":
            assert ("inference_precision", "f32") in cell.options


@EVERY
def test_every_model_lies_beside_the_matrices(file: Path):
    for cell in load_matrix(file).cells:
        for entry in cell.checks:
            for model in entry.models:
                if model.build:
                    file = Path(model.build.rpartition("::")[0])
                    assert file.is_relative_to(ROOT / "matrices" / "models")
                    continue
                assert model.path is not None
                assert model.path.is_relative_to(ROOT / "matrices" / "models")
                answers = model.data.outputs or model.reference == "none"
                assert model.data.folder or (model.data.inputs and answers)


@EVERY
def test_known_issues_tell_why_and_where(file: Path):
    matrix = load_matrix(file)
    for issue in matrix.known_issues:
        assert issue.reason.endswith("."), issue.id
        assert issue.status, issue.id
        assert issue.unit or issue.message or issue.check is None, issue.id
        told = "No public thread was found" in issue.reason
        assert told or (issue.issue and THREAD.fullmatch(issue.issue)), issue.id


@EVERY
def test_known_issues_select_a_cell(file: Path):
    matrix = load_matrix(file)
    for issue in matrix.known_issues:
        assert any(matches(issue.match, cell.axes) for cell in matrix.cells), issue.id


def test_the_quickstart_crosses_an_ir_boundary(quickstart):
    cells = [cell for cell in quickstart.cells if cell.framework.distribution == "onnxruntime"]
    assert len({cell.framework.version for cell in cells}) >= 4
    assert len({cell.python for cell in cells}) == 2
    minors = {int(cell.framework.version.split(".")[1]) for cell in cells}
    assert min(minors) < 18  # IR 9
    assert max(minors) >= 24  # IR 13


def test_the_quickstart_asks_openvino_both_ways(quickstart):
    asked = {(cell.framework.distribution, cell.provider) for cell in quickstart.cells}
    assert ("onnxruntime-openvino", "OpenVINOExecutionProvider") in asked
    assert ("openvino", "CPU") in asked


def test_the_quickstart_runs_whole_corpora_and_real_models(quickstart):
    for cell in quickstart.cells:
        models = {model.name for entry in cell.checks for model in entry.models}
        assert len(models) >= 3
        whole = [entry.corpus for entry in cell.checks if entry.corpus and not entry.match]
        if cell.provider == "CPUExecutionProvider":
            assert len(whole) == 1
            assert len(whole[0]) == 2


def test_every_minor_release_of_onnxruntime():
    cells = load_matrix(ROOT / "matrices" / "onnxruntime.yaml").cells
    assert [int(cell.framework.version.split(".")[1]) for cell in cells] == list(range(15, 32))


def test_the_producers_cross_releases_exporters_opsets_and_runtimes():
    cells = load_matrix(ROOT / "matrices" / "producers.yaml").cells
    assert len({str(cell.framework) for cell in cells}) >= 8
    models = {model.name: model for entry in cells[0].checks for model in entry.models}
    assert len(models) >= 6
    for name in ("pointnet2", "pointnet2-msg"):
        settings = {
            (producer.framework, producer.export, opset)
            for producer in models[name].producers
            for opset in producer.opset
        }
        assert len(settings) >= 6
        assert len({framework for framework, _, _ in settings}) >= 2
        assert {export for _, export, _ in settings} == {"onnx-torchscript", "onnx-dynamo"}


def test_the_edge_has_a_board_of_another_architecture():
    cells = load_matrix(ROOT / "matrices" / "edge.yaml").cells
    boards = [cell for cell in cells if cell.image.kind == "docker"]
    assert {str(board.framework) for board in boards} == {
        "tflite-runtime==2.14.0", "ai-edge-litert==1.4.0", "ai-edge-litert==2.3.0",
    }  # fmt: skip
    for board in boards:
        assert dict(board.image.settings)["platform"] == "linux/arm64"
        assert {model.name for entry in board.checks for model in entry.models} == {
            "float32", "float16-weights", "dynamic-range", "int8",
        }  # fmt: skip
        assert board.limits.case > 2 * cells[0].limits.case


def test_every_build_function_is_there():
    for file in FILES:
        for cell in load_matrix(file).cells:
            for entry in cell.checks:
                for model in entry.models:
                    if model.build:
                        path, _, function = model.build.rpartition("::")
                        text = Path(path).read_text("utf-8")
                        assert f"\ndef {function}(" in text, model.name
