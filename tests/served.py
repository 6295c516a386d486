"""Servers of the standard library, with faults on demand: of the Open Inference Protocol v2, and of
what TensorFlow Serving's and TorchServe's documentation and sources say of their REST."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Answer = tuple[int, dict[str, str], bytes]


def json_of(found: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(found).encode()


@dataclass
class Served:
    """What the server says; tests change it while it runs.

    Attributes:
        metadata: of the server.
        models: name -> metadata.
        infer: (model's name, request) -> outputs.
        instead: (method, path) -> what is answered there instead.
        asked: (method, path, body) in order.
    """

    infer: Callable[[str, Any], Any]
    models: dict[str, Any]
    metadata: dict[str, Any] = field(
        default_factory=lambda: {"name": "sundial", "version": "1.5", "extensions": []}
    )
    instead: dict[tuple[str, str], Answer | Callable[[], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: Any) -> Answer:
        self.asked.append((method, path, body))
        if (found := self.instead.get((method, path))) is not None:
            return found() if callable(found) else found
        if path in {"/v2", "/v2/health/ready"}:
            return json_of(self.metadata)
        name, _, deed = path.removeprefix("/v2/models/").partition("/")
        if name not in self.models or deed not in {"", "ready", "infer"}:
            return json_of({"error": f"Model {name} not found"}, 404)
        if deed == "ready":
            return 200, {}, b""
        if deed == "infer":
            return json_of({"model_name": name, "outputs": self.infer(name, body)})
        return json_of(self.models[name])


Reply = Answer | Callable[[Any], Answer]


@dataclass
class Pages:
    """A server that is what its pages say; tests change them while it runs.

    Attributes:
        pages: (method, path) -> what is answered, or what makes that of the request's body.
        nowhere: what is answered elsewhere.
        asked: (method, path, body) in order.
    """

    pages: dict[tuple[str, str], Reply]
    nowhere: Answer = (404, {}, b"nothing here")
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: Any) -> Answer:
        self.asked.append((method, path, body))
        found = self.pages.get((method, path), self.nowhere)
        return found(body) if callable(found) else found


def info_of(dtype: str, *sizes: int) -> dict[str, Any]:
    """A tensor in TensorFlow Serving's metadata: protobuf's JSON has 64-bit numbers as text."""
    dims = [{"size": str(size), "name": ""} for size in sizes]
    shape = {"dim": dims, "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": "graph:0"}


def tf_pages(
    name: str,
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    predict: Callable[[Any], Answer],
    *,
    version: str = "3",
) -> Pages:
    """One version of one model, as TensorFlow Serving tells it."""
    model = f"/v1/models/{name}"
    signature = {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
    signatures = {"signature_def": {"serving_default": signature, "init": {"inputs": {}}}}
    metadata = {
        "model_spec": {"name": name, "signature_name": "", "version": version},
        "metadata": {"signature_def": signatures},
    }
    state = {"version": version, "state": "AVAILABLE",
             "status": {"error_code": "OK", "error_message": ""}}  # fmt: skip
    pages: dict[tuple[str, str], Reply] = {
        ("GET", "/v1/models"): json_of({"error": "Missing model name in request."}, 400),
        ("POST", f"{model}/versions/{version}:predict"): predict,
    }
    for place in (model, f"{model}/versions/{version}"):
        pages["GET", place] = json_of({"model_version_status": [state]})
        pages["GET", f"{place}/metadata"] = json_of(metadata)
    words = f"Could not find any versions of model {name}-or-so"
    return Pages(pages=pages, nowhere=json_of({"error": words}, 404))


def torchserve_pages(name: str, predict: Callable[[Any], Answer]) -> Pages:
    """One model of TorchServe 0.12.0."""
    words = {"code": 404, "type": "ModelNotFoundException", "message": "Model not found: it"}
    info = {"title": "TorchServe APIs", "version": "0.12.0"}
    return Pages(
        pages={
            ("OPTIONS", "/"): json_of({"openapi": "3.0.1", "info": info}),
            ("GET", "/ping"): json_of({"status": "Healthy"}),
            ("OPTIONS", f"/predictions/{name}"): json_of({"openapi": "3.0.1"}),
            ("POST", f"/predictions/{name}"): predict,
        },
        nowhere=json_of(words, 404),
    )


class Answering(Protocol):
    """Any of the servers above."""

    url: str

    def answer(self, method: str, path: str, body: Any) -> Answer: ...


Server = TypeVar("Server", bound=Answering)


@contextmanager
def serving(served: Server) -> Iterator[Server]:
    """The server on a port of loopback, for as long as this is entered."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            """Tests look at what was asked."""

        def do_GET(self) -> None:
            self.say(None)

        def do_OPTIONS(self) -> None:
            self.say(None)

        def do_POST(self) -> None:
            self.say(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def say(self, body: Any) -> None:
            status, headers, data = served.answer(self.command, self.path, body)
            self.send_response(status)
            headers = {"Content-Length": str(len(data)), **headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
