"""The ONNX model of MODEL behind BentoML; with OFF_BY its answers are off by that."""

import os

import bentoml
import numpy as np
import onnxruntime

OFF_BY = np.float32(os.environ.get("OFF_BY", "0"))


@bentoml.service
class Digits:
    def __init__(self) -> None:
        path, providers = os.environ["MODEL"], ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(path, providers=providers)

    @bentoml.api
    def predict(self, image: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"image": image.astype(np.float32)})[0] + OFF_BY
