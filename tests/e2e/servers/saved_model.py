"""One SavedModel behind the REST of TensorFlow Serving, run by the tensorflow package.

This is not TensorFlow Serving, which no registry of Python packages has: it answers as its
documentation (api_rest.md) and sources (json_tensor.cc, http_rest_api_util.cc) say, with the
signature from the file as protobuf writes it, and numbers in the digits that those choose.
PORT, FOLDER and NAME are its arguments; with OFF_BY its answers are off by that.
"""

import base64
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

PORT, FOLDER, NAME = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
OFF_BY = float(os.environ.get("OFF_BY", "0"))
VERSION = "7"
DEFAULT = "serving_default"
DIGITS = {tf.float32: 9, tf.float64: 17}
MODEL = tf.saved_model.load(str(FOLDER))


def signatures():
    saved = SavedModel()
    saved.ParseFromString((FOLDER / "saved_model.pb").read_bytes())
    told = saved.meta_graphs[0].signature_def
    return {
        name: MessageToDict(
            told[name], preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name in told
    }


SIGNATURES = signatures()


class Refused(Exception):
    """A status and words."""


def tensor(name, told, dtype):
    """What json_tensor.cc takes for the type: no number is rounded, none is a word."""

    def leaf(item):
        if isinstance(item, list):
            return [leaf(each) for each in item]
        if dtype == tf.string:
            if isinstance(item, dict) and list(item) == ["b64"]:
                return base64.b64decode(item["b64"])
            fine = isinstance(item, str)
        elif dtype == tf.bool:
            fine = isinstance(item, bool)
        else:
            kinds = (int, float) if dtype.is_floating else (int,)
            fine = type(item) in kinds
        if not fine:
            words = f"JSON Value: {item} is not of expected type: {dtype.name}"
            raise Refused(400, words)
        return item

    try:
        return tf.constant(leaf(told), dtype)
    except (ValueError, TypeError) as problem:
        raise Refused(400, f"{name}: {problem}") from None


def decimal(number, dtype):
    if np.isnan(number):
        return "NaN"
    if np.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    text = f"{number:g}"
    if dtype.as_numpy_dtype(text) != number:
        text = f"{number:.{DIGITS[dtype]}g}"
    return text if "." in text or "e" in text else text + ".0"


def written(name, value, dtype):
    """The text of a tensor."""
    if isinstance(value, np.ndarray) and value.ndim:
        return "[" + ", ".join(written(name, row, dtype) for row in value) + "]"
    if dtype in DIGITS:
        return decimal(dtype.as_numpy_dtype(value), dtype)
    if dtype == tf.string:
        item = value if isinstance(value, bytes) else value.item()
        if name.endswith("_bytes"):
            return json.dumps({"b64": base64.b64encode(item).decode()})
        return json.dumps(item.decode(), ensure_ascii=False)
    if dtype in {tf.float16, tf.bfloat16}:
        raise Refused(400, f"Failed to write JSON value for tensor type: {dtype.name}")
    return json.dumps(value.item())


def fed_by(key, told, specs):
    """Input -> tensor, from columns or rows."""
    if key == "instances":
        if told and isinstance(told[0], dict) and list(told[0]) != ["b64"]:
            told = {each: [row[each] for row in told] for each in told[0]}
        elif len(specs) > 1:
            raise Refused(400, "instances is a plain list, but expecting list of objects")
    if not isinstance(told, dict):
        told = {next(iter(specs)): told}
    missing = [each for each in specs if each not in told]
    if missing:
        raise Refused(400, f"Missing named input: {missing[0]} in 'inputs' object.")
    return {each: tensor(each, told[each], spec.dtype) for each, spec in specs.items()}


def predict(body):
    asked = json.loads(body)
    name = asked.get("signature_name", DEFAULT)
    if name not in MODEL.signatures:
        raise Refused(400, f'Serving signature name: "{name}" not found in signature def')
    signature = MODEL.signatures[name]
    key = next((key for key in ("instances", "inputs") if key in asked), None)
    if key is None:
        raise Refused(400, "Missing 'inputs' or 'instances' key")
    feeds = fed_by(key, asked[key], signature.structured_input_signature[1])
    found = {
        each: (value.numpy() + value.numpy().dtype.type(OFF_BY) if OFF_BY else value.numpy(),
               value.dtype)
        for each, value in sorted(signature(**feeds).items())
    }  # fmt: skip
    if key == "inputs":
        texts = {each: written(each, *pair) for each, pair in found.items()}
        return f'{{"outputs": {joined(texts)}}}'
    many = {len(value) for value, _ in found.values()}
    if len(many) != 1:
        raise Refused(400, "Tensor has inconsistent batch size")
    rows = [
        joined({each: written(each, value[n], dtype) for each, (value, dtype) in found.items()})
        for n in range(many.pop())
    ]
    return f'{{"predictions": [{", ".join(rows)}]}}'


def joined(texts):
    """One tensor goes without its name."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "{" + ", ".join(f"{json.dumps(each)}: {text}" for each, text in texts.items()) + "}"


def state():
    status = {"error_code": "OK", "error_message": ""}
    told = {"version": VERSION, "state": "AVAILABLE", "status": status}
    return json.dumps({"model_version_status": [told]})


def metadata():
    spec = {"name": NAME, "signature_name": "", "version": VERSION}
    found = {"signature_def": {"signature_def": SIGNATURES}}
    return json.dumps({"model_spec": spec, "metadata": found})


def page(method, path, body):
    if path == "/v1/models":
        raise Refused(400, "Missing model name in request.")
    place, _, verb = path.removeprefix("/v1/models/").partition(":")
    name, *rest = place.split("/")
    version = VERSION
    if rest[:1] == ["versions"]:
        version, rest = rest[1], rest[2:]
    known = name == NAME and version == VERSION
    if method == "POST" and verb == "predict" and not rest:
        if not known:
            raise Refused(404, f"Servable not found for request: Specific({name}, {version})")
        return predict(body)
    if method == "GET" and rest in ([], ["metadata"]) and not verb:
        if name != NAME:
            raise Refused(404, f"Could not find any versions of model {name}")
        if not known:
            raise Refused(404, f"Could not find version {version} of model {name}")
        return metadata() if rest else state()
    raise Refused(400, f"Malformed request: {method} {path}")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.say(b"")

    def do_POST(self):
        self.say(self.rfile.read(int(self.headers["Content-Length"])))

    def say(self, body):
        try:
            status, text = 200, page(self.command, self.path, body)
        except Refused as refusal:
            status, words = refusal.args
            text = json.dumps({"error": words})
        except (ValueError, TypeError, KeyError, tf.errors.OpError) as problem:
            status, text = 500, json.dumps({"error": str(problem)})
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
