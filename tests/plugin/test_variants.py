"""Variants beside their originals, on a real runtime: figures, limits, and what cannot be told."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pytest_modelcompat.results.load import load
from tests.project import Project, Result

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.network

ROWS = np.random.default_rng(0).standard_normal((40, 3)).astype("float32")
LABELS = ROWS.argmax(axis=1)


def net(weights: Any, operator: str = "MatMul") -> bytes:
    """y = x @ weights; the right labels are those of the identity."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    held = numpy_helper.from_array(np.asarray(weights, "float32"), "w")
    domain = "" if operator == "MatMul" else "nobody.knows"
    node = helper.make_node(operator, ["x", "w"], ["y"], domain=domain)
    graph = helper.make_graph([node], "net", [x], [y], [held])
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("nobody.knows", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return model.SerializeToString()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


HEAD = """\
schema: 1
axes: {{framework: {{onnxruntime: [{versions}]}}}}
checks:
  parity:
    repeats: 3
    models:
"""
ONE = '"1.23.2"'
DATA = "data: {inputs: x.npz, labels: labels.npz}, reference: none"


def project(*models: str, versions: str = ONE, **files: bytes) -> Project:
    lines = "".join(f"      - {{{model}}}\n" for model in models)
    return Project({
        "pytest.ini": "[pytest]\n",
        "matrices/m.yaml": HEAD.format(versions=versions) + lines,
        "matrices/x.npz": npz(x=ROWS),
        "matrices/labels.npz": npz(labels=LABELS),
        "matrices/net.onnx": net(np.eye(3)),
        "matrices/near.onnx": net(np.eye(3) + 0.001),
        "matrices/zeroed.onnx": net(np.zeros((3, 3))),
        "matrices/strange.onnx": net(np.eye(3), "Strange"),
        **{f"matrices/{name.replace('__', '.')}": data for name, data in files.items()},
    })  # fmt: skip


def model(name: str, *more: str, data: str = DATA) -> str:
    return ", ".join([f"name: {name}, path: {name}.onnx", data, *more])


def near(limits: str) -> str:
    return f"variant_of: {{model: net, {limits}}}"


def beside(result: Result) -> dict[str, dict[str, Any]]:
    return {each["model"]: each for each in result.run.get("variants", ())}


def case(result: Result, unit: str) -> dict[str, Any]:
    (found,) = (each for each in result.cases if each["unit"] == unit)
    return found


def run(made: Project, folder: Path, *more: str) -> Result:
    return made.run(folder, "--compat-matrix=matrices/m.yaml", *more)


def ours(made: Project, folder: Path, *arguments: str) -> Result:
    return made.command(folder, sys.executable, "-m", "pytest_modelcompat.cli", *arguments)


def test_both_sides_and_how_far_apart_they_are(tmp_path: Path) -> None:
    made = project(model("net"), model("near", "variant_of: net"))
    result = run(made, tmp_path)
    assert result.code == 0, result.out
    assert result.run["run"]["variant_of"] == [{"matrix": "m", "model": "near", "of": "net"}]
    found = beside(result)["near"]
    for side in ("variant", "original"):
        assert found[side]["status"] == "passed"
        assert found[side]["accuracy"] == 1.0
        assert found[side]["repeats"] == 3
        assert 0 < found[side]["low"] <= found[side]["run"] <= found[side]["high"]
        assert found[side]["load"] > 0
        assert found[side]["peak_rss"] > 2**20
    assert found["variant"]["bytes"] == len(net(np.eye(3) + 0.001))
    assert found["original"]["bytes"] == len(net(np.eye(3)))
    far = np.abs(ROWS @ np.full((3, 3), 0.001, "float32")).max()
    assert found["distance"]["max_abs"] == pytest.approx(far, rel=1e-3)
    assert found["distance"]["top1"] == 1.0
    assert 40 < found["distance"]["sqnr"] < 80
    page = (result.report / "index.html").read_text("utf-8")
    assert "each beside its original" in page
    assert "### Variants beside their originals" in (result.report / "summary.md").read_text()


def test_without_variants_there_is_no_word_of_them(tmp_path: Path) -> None:
    result = run(project(model("net")), tmp_path)
    assert result.code == 0, result.out
    assert "variants" not in result.run
    assert "variant_of" not in result.run["run"]
    assert "each beside its original" not in (result.report / "index.html").read_text("utf-8")


def test_too_far_from_the_original_is_a_failure(tmp_path: Path) -> None:
    made = project(
        model("net"),
        model("near", near("accuracy_loss: 0, top1: 1, tolerance: {float32: {atol: 0.01}}")),
        model("zeroed", near("accuracy_loss: 0.1")),
    )
    result = run(made, tmp_path)
    assert result.code == 1
    assert case(result, "near")["status"] == "passed"
    wrong = case(result, "zeroed")
    assert (wrong["status"], wrong["stage"], wrong["outcome"]) == ("failed", "compare", "not_ok")
    right = float((LABELS == 0).mean())  # all scores are equal, the first column is meant
    said = f"accuracy {right:.4g} is {1 - right:.4g} below the original's 1, at most 0.1 is allowed"
    assert wrong["mismatch"]["actual"] == said
    assert beside(result)["zeroed"]["beyond"] == [said]
    assert said in result.out
    assert result.cell()["counts"] == {"passed": 2, "failed": 1}
    assert beside(result)["near"]["limits"]["tolerance"] == {"float32": {"rtol": 0.0, "atol": 0.01}}


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("top1: 0.9", "of the rows choose as the original, at least 0.9 have to"),
        ("tolerance: {float32: {atol: 1e-6}}", "y is beyond the tolerance: max_abs "),
    ],
)
def test_each_limit_is_held(tmp_path: Path, limit: str, said: str) -> None:
    made = project(model("net"), model("zeroed", near(limit)))
    result = run(made, tmp_path)
    assert result.code == 1
    assert said in case(result, "zeroed")["mismatch"]["actual"]
    # known, it fails nothing
    known = "- {id: lost, unit: zeroed, status: failed, reason: a control}\n"
    files = {**made.files, "matrices/known.yaml": known}
    files["matrices/m.yaml"] = f"{files['matrices/m.yaml']}known_issues: [known.yaml]\n"
    result = run(Project(files), tmp_path)
    assert result.code == 0, result.out
    assert case(result, "zeroed")["outcome"] == "xfail"


def test_a_side_without_an_answer_is_told_and_never_green(tmp_path: Path) -> None:
    made = project(
        model("strange"),
        model("near", "variant_of: strange"),
        model("net", "variant_of: {model: strange, top1: 0.5}"),
    )
    result = run(made, tmp_path)
    assert case(result, "strange")["status"] == "unsupported"
    free, held = case(result, "near"), case(result, "net")
    assert free["status"] == "passed"
    assert held["status"] == "not_run"
    assert held["reason"].startswith("no reference: the original strange gave no answer (unsup")
    for each in beside(result).values():
        assert "distance" not in each
        assert "the original strange gave no answer" in each["not_compared"]
        assert each["original"]["status"] == "unsupported"
        assert "accuracy" not in each["original"]
    page = (result.report / "index.html").read_text("utf-8")
    assert "2 without a comparison of answers" in page


def test_a_variant_without_an_answer_is_told(tmp_path: Path) -> None:
    made = project(model("net"), model("strange", near("top1: 0.5")))
    result = run(made, tmp_path)
    assert case(result, "strange")["status"] == "unsupported"
    found = beside(result)["strange"]
    assert found["not_compared"].startswith("strange/x gave no answer (unsupported")
    assert found["original"]["accuracy"] == 1.0


def test_other_inputs_are_not_compared(tmp_path: Path) -> None:
    other = DATA.replace("x.npz", "other/x.npz")
    made = project(
        model("net"), model("near", near("top1: 0.5"), data=other),
    ).with_file("matrices/other/x.npz", npz(x=ROWS[::-1].copy()))  # fmt: skip
    result = run(made, tmp_path)
    found = beside(result)["near"]
    assert found["not_compared"] == "its inputs are not the original's, byte for byte"
    assert case(result, "near")["status"] == "not_run"


def test_an_original_that_is_not_in_the_cell(tmp_path: Path) -> None:
    made = project(
        model("net", 'when: {framework: "onnxruntime<1.23"}'), model("near", "variant_of: net"),
        versions='"1.22.1", "1.23.2"',
    )  # fmt: skip
    result = run(made, tmp_path)
    assert result.code == 0, result.out
    old, new = result.run["variants"]
    assert old["distance"]["max_abs"] > 0
    assert new["original"] == {"reason": "it is not in this cell with these data"}
    assert "distance" not in new


def test_made_inputs_are_the_same_for_both(tmp_path: Path) -> None:
    data = "data: {random: 2, dims: {n: 5}}, reference: none"
    made = project(model("net", data=data), model("near", "variant_of: net", data=data))
    result = run(made, tmp_path)
    assert [each["variant"]["case"] for each in result.run["variants"]] == [
        "near/random-0", "near/random-1",
    ]  # fmt: skip
    for each in result.run["variants"]:
        assert each["distance"]["max_abs"] > 0
        assert each["original"]["case"] == each["variant"]["case"].replace("near", "net")
        assert "accuracy" not in each["variant"]


def test_a_limit_that_cannot_be_held_is_not_run(tmp_path: Path) -> None:
    labels = npz(labels=LABELS[:7])  # of other rows
    made = project(model("net"), model("near", near("accuracy_loss: 0.5")), labels__npz=labels)
    result = run(made, tmp_path)
    assert case(result, "near")["status"] == "not_run"
    assert "near has no accuracy" in case(result, "near")["reason"]


def test_what_is_reused_is_compared_again(tmp_path: Path) -> None:
    made = project(model("net"), model("near", near("top1: 0.5")), model("zeroed", near("top1: 1")))
    cached = Project(made.files, env={"MODELCOMPAT_CACHE": str(tmp_path / "cache")})
    # With the answers given, equal ones are not kept, but for those of a variant or its original.
    out = npz(y=ROWS)
    given = {**cached.files, "matrices/out.npz": out}
    text = str(given["matrices/m.yaml"]).replace("labels: l", "outputs: out.npz, labels: l")
    given["matrices/m.yaml"] = text.replace(
        ", reference: none", ", tolerance: {float32: {atol: 9}}"
    )
    cached = Project(given, env=cached.env)
    first = run(cached, tmp_path)
    assert case(first, "near")["status"] == "passed"
    assert case(first, "zeroed")["status"] == "failed"
    again = run(cached, tmp_path)
    assert any("reused" in note for note in again.cell()["notes"])
    assert again.run["variants"] == first.run["variants"]
    assert [(c["unit"], c["status"]) for c in again.cases] == [
        (c["unit"], c["status"]) for c in first.cases
    ]


def test_judged_again_and_merged_it_is_the_same(tmp_path: Path) -> None:
    made = project(
        model("net"), model("near", near("top1: 0.5")), model("zeroed", near("top1: 1")),
        versions='"1.22.1", "1.23.2"',
    )  # fmt: skip
    for n in (1, 2):
        run(made, tmp_path, f"--compat-shard={n}/2", f"--compat-report=part-{n}")
    done = ours(made, tmp_path, "rejudge", "part-1", "--output", "again")
    assert done.code == 0, done.err
    assert ", 0 changed" in done.out
    one, two, again = (load(tmp_path / name) for name in ("part-1", "part-2", "again"))
    assert again.variants == one.variants
    merged = ours(made, tmp_path, "merge", "part-1", "part-2", "--output", "whole")
    assert merged.code == 1, merged.err  # zeroed is too far away in both
    whole = load(tmp_path / "whole")
    assert whole.variants == one.variants + two.variants
    assert len(whole.info.variant_of) == 2
    assert json.dumps(whole.info.variant_of) == json.dumps(one.info.variant_of)


def test_the_original_alone_is_left_out(tmp_path: Path) -> None:
    made = project(model("net"), model("near", near("top1: 0.5")))
    result = run(made, tmp_path, "-k", "near")
    assert case(result, "near")["status"] == "not_run"
    assert "deselected" in case(result, "near")["reason"]
