"""Every runtime adapter keeps the same promises, in real environments of several releases.

An adapter in the registry without a release in `RELEASES` fails. What a release refuses is written
here with words that it must say; all else must come out bit by bit, twice, with evidence of where
it ran. Two releases run without the network, in this very interpreter.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_modelcompat.worker.runtimes import REGISTRY
from pytest_modelcompat.worker.values import decode
from tests.contract import _runtime_cases

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("_runtime_driver.py")
IR, OPSET = r"Unsupported model IR version: \d+, max", r"domain ai.onnx is till opset \d+"
NO_OPS = "does not support the following ONNX operations|OpConversionFailure|No conversion rule"
NO_TYPE = "[Uu]nsupported (element|data) type"
ORT = {
    "missing_input": "Required inputs", "wrong_type": "Unexpected input data type",
    "bad_model": "protobuf parsing failed", "cut_model": "protobuf parsing failed",
    "unknown_op": "is not a registered function/op", "gated_ir": IR, "gated_opset": OPSET,
}  # fmt: skip
OPENVINO = {
    "missing_input": "inputs without a value: x", "wrong_type": "Failed to set tensor for input",
    "bad_model": "Unable to read the model", "cut_model": "ParseFromIstream|Unable to read",
    "unknown_op": NO_OPS, "sequence_out": NO_OPS, "sequence_in": NO_OPS, "map_out": NO_OPS,
    "optional_full": NO_OPS, "optional_none": NO_OPS,
}  # fmt: skip
REFERENCE = {
    "missing_input": "'x'", "bad_model": "Error parsing message", "cut_model": "Error parsing",
    "unknown_op": "Node type 'Nothing' from domain 'no.such' is unknown",
    "map_out": "No registered implementation for operator 'ZipMap'",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Release:
    """One released runtime and what it may refuse; no requirements: this interpreter has it."""

    runtime: str
    requirements: tuple[str, ...] = ()
    python: str = ""
    provider: str
    refuses: dict[str, str]
    differs: frozenset[str] = frozenset()  # runs, and gives another type
    crashes: frozenset[str] = frozenset()
    module: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    wrong: frozenset[str] = frozenset()  # runs where it was asked to, and gives wrong numbers

    @property
    def name(self) -> str:
        return self.requirements[0] if self.requirements else f"{self.runtime} here"


CPU, OV = "CPUExecutionProvider", "OpenVINOExecutionProvider"
FOLDED = frozenset({"folded"})
RELEASES = [
    Release(runtime="onnx", provider="reference", refuses=REFERENCE,
            differs=frozenset({"wrong_type"})),
    Release(runtime="backend", module="tests.contract._toy_backend", provider="cpu",
            refuses=REFERENCE, differs=frozenset({"wrong_type"})),
    Release(runtime="onnx", requirements=("onnx==1.16.2", "numpy<2"), python="3.11",
            provider="reference", refuses=REFERENCE, differs=frozenset({"wrong_type"})),
    Release(runtime="onnx", requirements=("onnx==1.23.2",), python="3.12",
            provider="reference", refuses=REFERENCE, differs=frozenset({"wrong_type"})),
    Release(runtime="onnxruntime", requirements=("onnxruntime==1.15.1", "numpy<2"),
            python="3.8", provider=CPU,
            refuses={**ORT, "float8": "MLDataType for", "int4_in": IR, "int4_out": IR}),
    Release(runtime="onnxruntime", requirements=("onnxruntime==1.17.3", "numpy<2"),
            python="3.11", provider=CPU, refuses={**ORT, "int4_in": IR, "int4_out": IR}),
    Release(runtime="onnxruntime", requirements=("onnxruntime==1.20.1",), python="3.12",
            provider=CPU, refuses=ORT),
    Release(runtime="onnxruntime", requirements=("onnxruntime==1.24.4",), python="3.13",
            provider=CPU, refuses=ORT),
    Release(runtime="onnxruntime", requirements=("onnxruntime==1.31.1",), python="3.12",
            provider=CPU, refuses=ORT),
    Release(runtime="onnxruntime", requirements=("onnxruntime==1.31.1",), python="3.12",
            provider=CPU, refuses=ORT,
            options={"graph_optimization": "disabled", "threads": "2", "inter_threads": "1",
                     "execution_mode": "parallel", "session.disable_prepacking": "1"}),
    Release(runtime="onnxruntime", requirements=("onnxruntime-openvino==1.20.0",),
            python="3.11", provider=OV, refuses=ORT),
    Release(runtime="onnxruntime", requirements=("onnxruntime-openvino==1.24.1",),
            python="3.12", provider=OV, refuses=ORT, wrong=frozenset({"int4_out"})),
    Release(runtime="openvino", requirements=("openvino==2023.3.0", "numpy<2"), python="3.11",
            provider="CPU",
            refuses={**OPENVINO, "strings": NO_TYPE, "float8": NO_TYPE, "int4_in": NO_TYPE,
                     "int4_out": "axis 1 out of the tensor rank range"}),
    Release(runtime="openvino", requirements=("openvino==2024.6.0",), python="3.12",
            provider="CPU",
            refuses={**OPENVINO, "float8": "Input image format f8e4m3 is not supported",
                     "int4_out": "axis 1 out of tensor range"}),
    Release(runtime="openvino", requirements=("openvino==2026.4.1",), python="3.12",
            provider="CPU", refuses=OPENVINO,
            # A string that only passes through is freed twice, by its own API too.
            crashes=frozenset({"strings"})),
]  # fmt: skip


def parameters() -> list[Any]:
    return [
        pytest.param(
            release,
            id=release.name + ("+options" if release.options else ""),
            marks=[pytest.mark.network, pytest.mark.slow] if release.requirements else [],
        )
        for release in RELEASES
    ]


def interpreter(minor: str) -> str:
    """An interpreter of that minor version: pyenv's, or whatever is on the PATH."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted((root / "versions").glob(f"{minor}.*/bin/python"))
    path = str(found[-1]) if found else shutil.which(f"python{minor}")
    if path is None:
        pytest.skip(f"no Python {minor} here")
    return path


def environment(release: Release, folder: Path) -> str:
    """The Python of an environment with the release, or this one."""
    if not release.requirements:
        return sys.executable
    uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    python = folder / "venv" / "bin" / "python"
    for command in (
        [*uv, "venv", "-q", "--python", interpreter(release.python), folder / "venv"],
        [*uv, "pip", "install", "-q", "--only-binary", ":all:", "--python", python,
         *release.requirements],
    ):  # fmt: skip
        subprocess.run(command, check=True, timeout=600)
    return str(python)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one release said to all cases."""

    release: Release
    info: dict[str, Any]
    unavailable: list[str | None]
    numpy_before: bool
    misspelt: list[str | None]
    file: list[Any]
    cases: dict[str, dict[str, Any]]


def drive(release: Release, python: str, folder: Path, **more: Any) -> tuple[int, Any]:
    folder.mkdir(exist_ok=True)
    request = {
        "root": str(ROOT), "runtime": release.runtime, "module": release.module,
        "distribution": re.split("[=<>]", release.requirements[0])[0]
        if release.requirements else "onnx",
        "provider": release.provider, "options": release.options,
        "file": str(_runtime_cases.file_with_weights_outside(folder)),
        "bundle": str(_runtime_cases.bundle(folder / "tiny.bundle")),
        "unavailable": [[release.provider, release.options], ["Nope", {}]],
        "leave_out": sorted(release.crashes), "only": [],
        **more,
    }  # fmt: skip
    (folder / "request.json").write_text(json.dumps(request))
    answer = folder / "answer.json"
    done = subprocess.run(
        [python, "-X", "faulthandler", DRIVER, folder / "request.json", answer],
        check=False, timeout=600, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    if done.returncode and not more:
        pytest.fail(done.stderr[-2000:])
    return done.returncode, json.loads(answer.read_text()) if answer.exists() else None


@pytest.fixture(scope="module", params=parameters())
def answer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    release: Release = request.param
    folder = tmp_path_factory.mktemp("runtime")
    python = environment(release, folder)
    _, said = drive(release, python, folder)
    for name in sorted(release.crashes):
        code, _ = drive(release, python, folder, only=[name], leave_out=[])
        assert code < 0, f"{name} does not crash any more"
    return Answer(release=release, **said)


def test_every_adapter_has_a_release_here_or_with_a_format_of_its_own() -> None:
    from tests.contract.test_runtimes_formats import FORMATS_OF  # noqa: PLC0415 - it imports us

    here = {release.runtime for release in RELEASES}
    there = {each.runtime for each in FORMATS_OF}
    # test_runtimes_tensorrt.py, test_runtimes_kserve.py, test_runtimes_served_rows.py
    there |= {"tensorrt", "kserve", "tf_serving", "torchserve", "json_endpoint"}
    assert not here & there
    assert here | there == set(REGISTRY)


def test_importing_the_adapter_imports_no_numpy(answer: Answer) -> None:
    assert not answer.numpy_before


def test_info(answer: Answer) -> None:
    info, release = answer.info, answer.release
    if release.requirements:
        assert info["version"] == release.requirements[0].partition("==")[2]
    assert info["version"]
    assert release.provider in info["providers"]
    assert all(isinstance(item, str) for item in info["devices"] + info["providers"])
    if release.runtime in {"onnxruntime", "onnx"}:
        assert 8 < info["limits"]["ir"] < 100
        opsets = info["limits"]["opsets"]
        assert 18 < opsets["ai.onnx"] < 100
        assert {"ai.onnx.ml", "ai.onnx.preview.training"} <= set(opsets)


def test_limits_are_those_that_were_measured(answer: Answer) -> None:
    known = {
        "onnxruntime==1.15.1": (9, 19), "onnxruntime==1.17.3": (9, 20),
        "onnxruntime==1.20.1": (10, 21), "onnxruntime==1.24.4": (13, 25),
        "onnxruntime==1.31.1": (13, 26), "onnxruntime-openvino==1.20.0": (10, 21),
        "onnxruntime-openvino==1.24.1": (13, 25), "onnx==1.16.2": (10, 21),
        "onnx==1.23.2": (14, 28),
    }  # fmt: skip
    if answer.release.name in known:
        limits = answer.info["limits"]
        assert (limits["ir"], limits["opsets"]["ai.onnx"]) == known[answer.release.name]


def test_a_provider_that_is_not_there_says_so(answer: Answer) -> None:
    mine, other = answer.unavailable
    assert mine is None
    assert other
    assert "Nope" in other.replace("NOPE", "Nope")


def test_right_answers_come_out_bit_by_bit(answer: Answer) -> None:
    release, expected = answer.release, _runtime_cases.expected()
    wrong = {}
    for name, outputs in expected.items():
        if name in release.crashes | release.differs | release.refuses.keys():
            continue
        said = answer.cases[name]
        if "outputs" not in said:
            wrong[name] = (said["stage"], said["type"], said["message"][:300])
            continue
        got = decode(bytes.fromhex(said["outputs"]))
        same = all(_runtime_cases.equal(value, dict(got)[key]) for key, value in outputs)
        if not same or (name != "by_name" and [k for k, _ in got] != [k for k, _ in outputs]):
            wrong[name] = got
        elif not said["repeats"]:
            wrong[name] = "the second run gives something else"
    assert wrong.keys() == release.wrong, wrong


def test_refusals_are_the_runtimes_own_words(answer: Answer) -> None:
    for name, words in answer.release.refuses.items():
        said = answer.cases[name]
        assert "message" in said, f"{name} is not refused any more"
        assert re.search(words, said["message"]), (name, said["message"][:500])
        early = {"missing_input", "wrong_type"}
        assert said["stage"] in ({"run"} if name in early else {"load", "assign"}), name


def test_another_type_than_declared_is_never_hidden(answer: Answer) -> None:
    for name in answer.release.differs:
        expected = dict(_runtime_cases.expected()[name])
        for key, value in decode(bytes.fromhex(answer.cases[name]["outputs"])):
            assert value.dtype != expected[key].dtype


def test_placement_tells_where_it_ran(answer: Answer) -> None:
    for name, said in answer.cases.items():
        if "ran_on" not in said:
            continue
        if answer.release.runtime == "backend":
            assert said["ran_on"] is None
            continue
        assert said["ran_on"] is not None, name
        assert all(count > 0 for count in said["ran_on"].values())
        assert set(said["ran_on"]) <= {answer.release.provider, CPU}, name
    if answer.release.runtime != "backend":
        assert set(answer.cases["relu"]["ran_on"]) == {answer.release.provider}
    if answer.release.provider == OV:
        # Sequences are the CPU provider's: a right answer that OpenVINO did not give.
        assert set(answer.cases["sequence_out"]["ran_on"]) == {CPU}
        assert answer.cases["folded"]["ran_on"] == {}


def test_inputs_and_their_signature(answer: Answer) -> None:
    cases = answer.cases
    assert sorted(cases["by_name"]["inputs"]) == ["a", "b"]
    assert cases["default_kept"]["inputs"] == ["x"]
    assert cases["relu"]["signature"] == [["x", "float32", [1, 3]]]
    assert [kind for _, kind, _ in cases["bfloat16"]["signature"]] == ["bfloat16"]
    [(_, _, [dim]), _] = cases["by_name"]["signature"]
    assert dim == ("" if answer.release.runtime == "openvino" else "n")


def test_an_option_that_does_not_exist_is_a_value_error(answer: Answer) -> None:
    if answer.release.runtime == "backend":
        pytest.skip("options of a backend are its own")
    assert answer.misspelt == ["ValueError", "ValueError"]


def test_a_model_may_be_a_path_with_weights_beside_it(answer: Answer) -> None:
    numbers, ran_on, opset = answer.file
    assert (numbers, opset) == ([11.0, 22.0], 13)
    if answer.release.name == "onnxruntime-openvino==1.20.0":
        assert set(ran_on) == {CPU}  # OpenVINO leaves nodes with such weights to others
    elif answer.release.runtime != "backend":
        assert set(ran_on) == {answer.release.provider}


def test_the_opset_is_told(answer: Answer) -> None:
    assert answer.cases["relu"]["opset"] == 13
    assert answer.cases["bfloat16"]["opset"] == 13
