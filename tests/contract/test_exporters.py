"""Every exporter keeps the same promises, with real releases in environments of their own.

An export in the registry without a release here fails. What a file answers is asked of onnx' own
evaluator where it is ONNX; the other formats are opened by their runtimes' own tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from pytest_modelcompat.environments import registry
from pytest_modelcompat.environments.cache import cache_folder
from pytest_modelcompat.environments.protocol import Prepared
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.model import Producer
from pytest_modelcompat.runner.made import Made
from pytest_modelcompat.runner.making import Maker
from pytest_modelcompat.runner.plan import Making
from pytest_modelcompat.runner.producers import environment_of
from pytest_modelcompat.runner.workplace import Workplace
from pytest_modelcompat.worker import bundle
from pytest_modelcompat.worker.bundle import Bundle
from pytest_modelcompat.worker.exporters import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.network, pytest.mark.slow]

BUILDS = Path(__file__).with_name("_export_driver.py")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One export of one release."""

    export: str
    framework: str
    function: str
    python: str = "3.11"
    packages: tuple[str, ...] = ()
    opset: str | None = None
    exact: bool = False  # the framework can answer in float64
    written: int | None = None  # opset of the file, where it is not the one that was asked for

    @property
    def name(self) -> str:
        return f"{self.export}-{self.framework}"


TORCH, OLD = "torch==2.13.0", "torch==1.12.1"
TF, OLD_TF = "tensorflow-cpu==2.20.0", "tensorflow-cpu==2.15.1"
SETTINGS = [
    Setting(export="onnx", framework="onnx==1.18.0", function="graph"),
    Setting(export="onnx", framework="onnx==1.23.2", function="graph", python="3.12", opset="17"),
    Setting(export="onnx-torchscript", framework=TORCH, function="torch", opset="17", exact=True),
    Setting(export="onnx-dynamo", framework=TORCH, function="torch", opset="18", exact=True),
    Setting(export="onnx-torchscript", framework=OLD, function="torch", opset="13", python="3.10",
            exact=True),
    *(
        Setting(export=export, framework=TORCH, function="torch", exact=True)
        for export in ("torchscript-trace", "torchscript-script", "torch-export")
    ),
    Setting(export="torchscript-trace", framework=OLD, function="torch", python="3.8", exact=True),
    *(
        Setting(export=export, framework=TF, function="keras")
        for export in ("savedmodel", "keras", "tflite", "tflite-float16", "tflite-dynamic",
                       "tflite-int8")
    ),
    Setting(export="tf2onnx", framework=TF, function="keras", opset="17"),
    Setting(export="tf2onnx", framework=OLD_TF, function="keras", opset="13"),
    Setting(export="savedmodel", framework=OLD_TF, function="keras"),
    Setting(export="tflite", framework=OLD_TF, function="keras"),
    Setting(export="skl2onnx", framework="scikit-learn==1.9.1", function="estimator", opset="17",
            exact=True),
    Setting(export="onnxmltools", framework="xgboost==3.2.0", function="trees", opset="13",
            written=0),
    Setting(export="onnxmltools", framework="lightgbm==4.7.0", function="leaves", opset="13",
            written=9),
    Setting(export="openvino", framework="openvino==2026.4.1", function="torch",
            packages=(TORCH,), exact=True),
]  # fmt: skip


def test_every_export_has_a_release() -> None:
    assert {setting.export for setting in SETTINGS} == set(REGISTRY)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker]:
    workplace = Workplace(tmp_path_factory.mktemp("cache"))
    yield Maker(cache_folder(), workplace.room, fresh=True)
    workplace.close()


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was asked for, and what came of it."""

    setting: Setting
    making: Making
    data: Path
    prepared: Prepared
    made: Made


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda setting: setting.name)
def done(
    request: pytest.FixtureRequest, maker: Maker, tmp_path_factory: pytest.TempPathFactory
) -> Done:
    setting = request.param
    producer = Producer(
        framework=setting.framework,
        export=setting.export,
        python=setting.python,
        packages=setting.packages,
        limits=defaults().export_limits,
    )
    spec = environment_of(producer, exclude_newer=None)
    prepared = registry.prepare(spec, cache=cache_folder())
    assert isinstance(prepared, Prepared), prepared
    draft = tmp_path_factory.mktemp("data") / "data.bundle"
    cases: list[dict[str, Any]] = [
        {"name": f"random-{n}", "unit": "", "model": {"file": ""}, "answers": True,
         "random": {"seed": 0, "dims": {}, "n": n}}
        for n in range(2)
    ]  # fmt: skip
    data = draft.with_name(f"{bundle.write(draft, {}, cases)}.bundle")
    draft.replace(data)
    making = Making(
        label=setting.name,
        build=f"{BUILDS}::{setting.function}",
        producer=producer,
        opset=setting.opset,
        bundle=0,
    )
    made = maker.make(making, data, prepared)
    return Done(setting=setting, making=making, data=data, prepared=prepared, made=made)


def test_a_file_is_made_with_the_framework_s_answers(done: Done) -> None:
    setting, found = done.setting, done.made
    assert found.failure is None, found.failure
    assert found.bundle is not None
    assert found.files
    assert len(found.main) == 64
    assert found.info["version"].partition("+")[0] == setting.framework.partition("==")[2] or (
        setting.export == "openvino" and found.info["version"].startswith("2026.4.1")
    )
    data = Bundle.open(found.bundle)
    assert len(data) == (4 if setting.exact else 2)
    for at in range(2):
        inputs, outputs = data.inputs(at), data.outputs(at)
        assert [value.dtype for _, value in inputs] == ["float32"]
        assert outputs
        assert ("exact" in data.case(at)) == setting.exact
        if setting.exact:
            exact = data.outputs(data.case(at)["exact"])
            assert exact is not None
            assert [value.shape for _, value in exact] == [value.shape for _, value in outputs]
            assert any(value.dtype == "float64" for _, value in exact)
    assert data.inputs(0) != data.inputs(1)
    named = {name for name, _ in found.files}
    main = data.case(0)["model"]["file"]
    assert any(name == main or name.startswith(f"{main}/") for name in named)


def test_an_onnx_file_answers_what_the_framework_answers(done: Done) -> None:
    setting, found = done.setting, done.made
    assert found.bundle is not None
    data = Bundle.open(found.bundle)
    main = data.case(0)["model"]["file"]
    if not main.endswith(".onnx"):
        pytest.skip(f"{setting.export} makes no ONNX")
    evaluator = ReferenceEvaluator(str(dict(found.files)[main]))
    written = int(setting.opset or 13) if setting.written is None else setting.written
    assert data.case(0)["opset"] == written
    for at in range(2):
        feeds = {
            str(name): np.frombuffer(value.data, value.dtype).reshape(value.shape)
            for name, value in data.inputs(at)
        }
        assert set(feeds) == set(evaluator.input_names)
        answers = dict(zip(evaluator.output_names, evaluator.run(None, feeds), strict=True))
        for name, value in data.outputs(at) or []:
            right = np.frombuffer(value.data, value.dtype).reshape(value.shape)
            answer = np.asarray(answers[str(name)])
            assert (answer.dtype, answer.shape) == (right.dtype, right.shape)
            np.testing.assert_allclose(answer, right, rtol=1e-4, atol=1e-5)


def test_it_is_not_made_twice(done: Done) -> None:
    def never(_: str) -> Any:
        raise AssertionError("nothing is to be made")

    again = Maker(cache_folder(), never)
    assert again.make(done.making, done.data, done.prepared) == done.made
    assert again.started == 0
