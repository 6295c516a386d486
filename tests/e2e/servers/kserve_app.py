"""An ONNX model behind KServe's own server, by its protocols v1 and v2.

PORT, MODEL and NAME are its arguments; with OFF_BY its answers are off by that.
"""

import os
import sys
import uuid

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

PORT, MODEL, NAME = int(sys.argv[1]), sys.argv[2], sys.argv[3]
OFF_BY = np.float32(os.environ.get("OFF_BY", "0"))


class Onnx(Model):
    def load(self) -> bool:
        self.session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
        self.ready = True
        return True

    def predict(self, payload, headers=None, response_headers=None):
        [given], [told] = self.session.get_inputs(), self.session.get_outputs()
        second = isinstance(payload, InferRequest)
        data = payload.inputs[0].as_numpy() if second else payload["instances"]
        [found] = self.session.run(None, {given.name: np.array(data, np.float32)})
        found += OFF_BY
        if not second:
            return {"predictions": found.tolist()}
        output = InferOutput(name=told.name, shape=list(found.shape), datatype="FP32")
        output.set_data_from_numpy(found, binary_data=False)
        return InferResponse(str(uuid.uuid4()), self.name, [output])


model = Onnx(NAME)
model.load()
ModelServer(http_port=PORT, enable_grpc=False, workers=1).start([model])
