"""A backend as a stranger might write one: the reference evaluator behind onnx's interface."""

from __future__ import annotations

from typing import Any

import onnx
from onnx.backend.base import Backend, BackendRep
from onnx.reference import ReferenceEvaluator


class Prepared(BackendRep):
    def __init__(self, model: onnx.ModelProto) -> None:
        self.evaluator = ReferenceEvaluator(model)
        held = {item.name for item in model.graph.initializer}
        self.names = [item.name for item in model.graph.input if item.name not in held]

    def run(self, inputs: Any, **_: Any) -> tuple[Any, ...]:
        return tuple(self.evaluator.run(None, dict(zip(self.names, inputs, strict=True))))


class ToyBackend(Backend):
    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **_: Any) -> Prepared:
        assert device == "CPU"
        return Prepared(model)
