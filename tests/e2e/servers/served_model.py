"""An ONNX model behind MLServer; `parameters.uri` of its settings is the file.

With CODEC=numpy it answers by MLServer's own codec, which makes columns of one-dimensional arrays.
"""

import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, MetadataTensor, ResponseOutput

DTYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64"}


def told(each):
    shape = [dim if isinstance(dim, int) else -1 for dim in each.shape]
    return MetadataTensor(name=each.name, datatype=DTYPES[each.type], shape=shape)


def encoded(declared, found):
    if os.environ.get("CODEC") == "numpy":
        return NumpyCodec.encode_output(declared.name, found)
    return ResponseOutput(
        name=declared.name,
        datatype=declared.datatype,
        shape=list(found.shape),
        data=found.reshape(-1).tolist(),
    )


class Onnx(MLModel):
    async def load(self) -> bool:
        self.session = onnxruntime.InferenceSession(
            self.settings.parameters.uri, providers=["CPUExecutionProvider"]
        )
        self.inputs = [told(each) for each in self.session.get_inputs()]
        self.outputs = [told(each) for each in self.session.get_outputs()]
        return True

    async def predict(self, payload) -> InferenceResponse:
        feeds = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        found = zip(self.outputs, self.session.run(None, feeds), strict=True)
        return InferenceResponse(model_name=self.name, outputs=[encoded(*pair) for pair in found])
