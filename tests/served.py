"""A server of the Open Inference Protocol v2, of the standard library, with faults on demand."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """The server on a port of loopback, for as long as this is entered."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            """Tests look at what was asked."""

        def do_GET(self) -> None:
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
