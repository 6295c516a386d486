"""The ONNX model of MODEL behind Flask, in the form of a handler of Hugging Face's endpoints.

The one field is `inputs`; what is answered is an object. With OFF_BY its answers are off by that.
"""

import os

import numpy as np
import onnxruntime
from flask import Flask, jsonify, request

OFF_BY = np.float32(os.environ.get("OFF_BY", "0"))
SESSION = onnxruntime.InferenceSession(os.environ["MODEL"], providers=["CPUExecutionProvider"])
app = Flask(__name__)


@app.get("/healthz")
def healthy():
    return jsonify(ok=True)


@app.post("/score")
def score():
    image = np.array(request.get_json()["inputs"], np.float32)
    [logits] = SESSION.run(None, {"image": image})
    return jsonify(logits=(logits + OFF_BY).tolist(), model="digits")
