"""Adapters of estimators: what may be opened, what an estimator answers, where it ran; played."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_modelcompat.worker.arrays import from_array, to_array
from pytest_modelcompat.worker.exporters._keras import KerasExporter
from pytest_modelcompat.worker.exporters.built import Built
from pytest_modelcompat.worker.runtimes import adapter
from pytest_modelcompat.worker.runtimes.sklearn import Session

TABLE = from_array(np.array([[1.0, 2.0], [3.0, 4.0]]))

# -- scikit-learn


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was read, and by which module: a pickle runs the code in it."""
    read: list[Any] = []
    for name in ("skops.io", "joblib"):
        module = ModuleType(name)
        module.load = lambda path, name=name: read.append((name, Path(path).name)) or "estimator"
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "skops", SimpleNamespace(io=sys.modules["skops.io"]))
    sklearn = ModuleType("sklearn")
    sklearn.__version__ = "1.9.1"
    monkeypatch.setitem(sys.modules, "sklearn", sklearn)
    return read


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle"])
def test_a_pickle_is_opened_only_where_that_is_allowed(opened: list[Any], suffix: str) -> None:
    made = adapter("sklearn", "scikit-learn")
    for options in ({}, {"threads": "2"}, {"pickle": "refuse"}):
        with pytest.raises(ValueError, match="a pickle runs the code in it"):
            made.load(f"/a/model{suffix}", "cpu", options)
    with pytest.raises(ValueError, match="pickle is one of refuse, allow"):
        made.load(f"/a/model{suffix}", "cpu", {"pickle": "yes"})
    assert opened == []
    made.load(f"/a/model{suffix}", "cpu", {"pickle": "allow"})
    assert opened == [("joblib", f"model{suffix}")]


def test_skops_is_never_a_pickle(opened: list[Any]) -> None:
    made = adapter("sklearn", "scikit-learn")
    made.load("/a/model.skops", "cpu", {"pickle": "allow"})
    assert opened == [("skops.io", "model.skops")]
    with pytest.raises(ValueError, match="sklearn has no format for"):
        made.load("/a/model.onnx", "cpu", {"pickle": "allow"})
    assert made.unavailable("cpu", {}) is None
    assert made.unavailable("cuda", {}) == "scikit-learn runs on cpu, not on cuda"


class Sparse:
    def toarray(self) -> np.ndarray:
        return np.eye(2)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        ({"predict": [1, 0], "predict_proba": [[0, 1], [1, 0]], "classes_": [0, 1]},
         {"label": [1, 0], "probabilities": [[0, 1], [1, 0]]}),
        ({"predict": [1, 0], "classes_": [0, 1]}, {"label": [1, 0]}),
        ({"predict": [0.5, 1.5]}, {"variable": [0.5, 1.5]}),
        ({"transform": [[2.0, 4.0]]}, {"variable": [[2.0, 4.0]]}),
        ({"transform": Sparse()}, {"variable": [[1, 0], [0, 1]]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("limits", [True, False])
def test_what_estimators_answer(
    estimator: Any, expected: Any, limits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited: list[int] = []

    @contextlib.contextmanager
    def threadpool_limits(threads: int) -> Iterator[None]:
        limited.append(threads)
        yield

    there = SimpleNamespace(threadpool_limits=threadpool_limits) if limits else None
    monkeypatch.setitem(sys.modules, "threadpoolctl", there)
    made = {
        name: (lambda table, given=given: given if isinstance(given, Sparse) else np.array(given))
        for name, given in estimator.items()
    }
    session = Session(SimpleNamespace(**made), 3)
    found = session.run({"X": TABLE})
    assert {name: to_array(each).tolist() for name, each in found} == expected
    assert limited == ([3] if limits else [])
    assert session.placement() == {"cpu": 1}
    with pytest.raises(ValueError, match="inputs without a value: X"):
        session.run({"Y": TABLE})


def test_what_an_estimator_keeps_of_its_table() -> None:
    assert Session(SimpleNamespace(n_features_in_=4), 1).signature() == [
        ("X", "float64", ("rows", 4))
    ]
    with pytest.raises(ValueError, match="keeps no number of features"):
        Session(SimpleNamespace(), 1).signature()
    assert Session(SimpleNamespace(steps=["scale", "fit"]), 1).placement() == {"cpu": 2}


# -- XGBoost, which goes on with the processor where a device is missing


class XGBoost(ModuleType):
    """`has` are the devices that it really uses."""

    def __init__(self, has: set[str]) -> None:
        super().__init__("xgboost")
        self.__version__ = "3.2.0"
        self.has, self.set = has, []

    def DMatrix(self, table: Any, *_: Any, **__: Any) -> Any:  # noqa: N802 - theirs
        return table

    @contextlib.contextmanager
    def config_context(self, **_: Any) -> Iterator[None]:
        yield

    def train(self, told: dict[str, Any], table: Any, rounds: int) -> Any:
        device = told["device"]
        if device == "sundial":
            raise ValueError("Invalid argument for `device`")
        used = device if device in self.has else "cpu"
        return SimpleNamespace(save_config=lambda: f'{{"device":"{used}"}}')

    def Booster(self, told: dict[str, Any]) -> Any:  # noqa: N802 - theirs
        return SimpleNamespace(
            load_model=lambda path: None, set_param=self.set.append,
            get_dump=lambda: ["tree"] * 3, num_features=lambda: 2,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("cpu", None),
        ("cuda", None),
        ("sycl", "device sycl was asked for, another one was used"),
        ("sundial", "ValueError: Invalid argument for `device`"),
    ],
)
def test_a_device_that_was_not_used_is_not_there(
    provider: str, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", XGBoost({"cuda"}))
    assert adapter("xgboost", "xgboost").unavailable(provider, {}) == words


def test_of_another_device_no_place_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    played = XGBoost({"cuda"})
    monkeypatch.setitem(sys.modules, "xgboost", played)
    made = adapter("xgboost", "xgboost")
    assert made.load("/a/m.json", "cpu", {}).placement() == {"cpu": 3}
    assert played.set == []
    assert made.load("/a/m.json", "cuda", {}).placement() is None
    assert played.set == [{"device": "cuda"}]


# -- what TensorFlow's exporters make of a model's answers


@pytest.mark.parametrize("kind", ["keras", "module"])
@pytest.mark.parametrize("gives", ["tensor", "list", "tuple", "dict"])
def test_answers_of_a_tensorflow_model(
    kind: str, gives: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Keras model takes one argument, as an inference; a function takes them in order."""
    tensorflow = ModuleType("tensorflow")
    tensorflow.__version__ = "2.21.0"
    tensorflow.keras = SimpleNamespace(__version__="3.11")
    tensorflow.constant = lambda array: array
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)

    def answer(first: Any, second: Any) -> Any:
        found = first - second
        every = {"tensor": found, "list": [found, first], "tuple": (found, first),
                 "dict": {"a": found, "b": first}}  # fmt: skip
        return every[gives]

    class Keras:
        predict = None

        def __call__(self, both: list[Any], *, training: bool) -> Any:
            assert not training
            return answer(*both)

    model = Keras() if kind == "keras" else answer
    feeds = {"x": np.array([5.0]), "z": np.array([2.0])}
    made = KerasExporter("savedmodel", "tensorflow")
    built = made.prepare(Built((model, feeds)))
    count = 1 if gives == "tensor" else 2
    assert built.outputs == [f"output_{at}" for at in range(count)]
    assert [each.tolist() for each in made.answer(built, feeds)] == [[3.0], [5.0]][:count]
    assert [each.tolist() for each in made._graph(model, tuple(feeds.values()))] == [
        [3.0], [5.0],
    ][:count]  # fmt: skip
    assert made.info() == {"version": "2.21.0", "keras": "3.11"}
    tensorflow.keras = SimpleNamespace()
    assert made.info() == {"version": "2.21.0"}
