"""ONNX models behind FastAPI, by the Open Inference Protocol v2; MODELS is their folder."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

DTYPES = {"tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(int64)": "INT64"}
NUMPY = {"FP32": "float32", "FP64": "float64", "INT64": "int64"}
OFF_BY = float(os.environ.get("OFF_BY", "0"))
MODELS = Path(os.environ["MODELS"])
app = FastAPI()


def opened(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(MODELS / f"{name}.onnx", providers=["CPUExecutionProvider"])


def told(tensors):
    return [
        {"name": each.name, "datatype": DTYPES[each.type],
         "shape": [dim if isinstance(dim, int) else -1 for dim in each.shape]}
        for each in tensors
    ]  # fmt: skip


@app.exception_handler(Exception)
async def refused(request: Request, problem: Exception) -> JSONResponse:
    return JSONResponse({"error": str(problem)}, 500)


@app.get("/v2")
def metadata():
    return {"name": "digits-app", "version": "3", "extensions": []}


@app.get("/v2/health/ready")
def ready():
    return {}


@app.get("/v2/models/{name}/ready")
def model_ready(name: str):
    opened(name)
    return {}


@app.get("/v2/models/{name}")
def model(name: str):
    session = opened(name)
    inputs, outputs = told(session.get_inputs()), told(session.get_outputs())
    return {"name": name, "platform": "onnxruntime", "inputs": inputs, "outputs": outputs}


@app.post("/v2/models/{name}/infer")
def infer(name: str, request: dict):
    session = opened(name)
    feeds = {
        each["name"]: np.array(each["data"], NUMPY[each["datatype"]]).reshape(each["shape"])
        for each in request["inputs"]
    }
    answers = zip(told(session.get_outputs()), session.run(None, feeds), strict=True)
    outputs = [
        {
            **each,
            "shape": list(found.shape),
            "data": (found + found.dtype.type(OFF_BY)).reshape(-1).tolist(),
        }
        for each, found in answers
    ]
    return {"model_name": name, "outputs": outputs}
