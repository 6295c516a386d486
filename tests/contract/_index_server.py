"""A package index on 127.0.0.1 that can be slow, broken, truncated or dishonest."""

from __future__ import annotations

import base64
import hashlib
import io
import ssl
import threading
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def wheel(name: str, version: str = "1.0", body: str = "", requires: tuple[str, ...] = ()) -> bytes:
    """The bytes of a small pure wheel, the same ones every time."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{body}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {requirement}\n" for requirement in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


class IndexServer:
    """Serves wheels; `fault` is what is wrong with it at the moment.

    Faults: None, "503", "truncated" (the connection ends early), "slow" (never ends),
    "wrong_hash" (other bytes than announced), "no_hash" (none announced), "401", "503_files".

    Args:
        tls: makes it speak https, as `localhost`.
        credentials: "user:password" without which it says 401.
        watch: called with each request's path and who asks, before it is answered.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        credentials: str = "",
        watch: Callable[[str, str], object] | None = None,
    ) -> None:
        self._tls = tls
        basic = base64.b64encode(credentials.encode()).decode() if credentials else ""
        self._authorization = f"Basic {basic}" if basic else ""
        self._watch = watch
        self.wheels: dict[str, bytes] = {}
        self.yanked: set[str] = set()
        self.fault: str | None = None
        self.requests: list[str] = []
        self.seen_authorization: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server._answer(self)

            do_HEAD = do_GET  # noqa: N815 - the standard library's name

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self._http.handle_error = lambda *_: None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        port = self._http.server_address[1]
        return (
            f"https://localhost:{port}/simple" if self._tls else f"http://127.0.0.1:{port}/simple"
        )

    def add(self, name: str, version: str = "1.0", **more: object) -> bytes:
        data = wheel(name, version, **more)
        self.wheels[f"{name}-{version}-py3-none-any.whl"] = data
        return data

    def close(self) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0]
        given = request.headers.get("Authorization") or ""
        self.requests.append(path)
        self.seen_authorization.append(given)
        if self._watch is not None:
            self._watch(path, request.headers.get("User-Agent") or "")
        is_file = path.startswith("/files/")
        wrong = self._authorization and self._authorization != given
        if wrong:
            self._send(request, b"who?", status=401)
        elif self.fault == "503" or (self.fault == "503_files" and is_file):
            self._send(request, b"down", status=503)
        elif self.fault == "401":
            self._send(request, b"who?", status=401)
        elif self.fault == "slow":
            self._trickle(request)
        else:
            data = self._file(path) if is_file else self._page(path)
            status = 404 if data is None else 200
            cut = self.fault == "truncated"
            self._send(request, data or b"no", status=status, truncated=cut)

    def _file(self, path: str) -> bytes | None:
        name = path.rsplit("/", 1)[1]
        data = self.wheels.get(name)
        if data is not None and self.fault == "wrong_hash":
            project, version = name.split("-")[:2]
            return wheel(project, version, "import os  # not what was announced\n")
        return data

    def _page(self, path: str) -> bytes | None:
        project = path.strip("/").split("/")[-1].replace("-", "_")
        lines = []
        for file, data in self.wheels.items():
            mark = "" if self.fault == "no_hash" else f"#sha256={hashlib.sha256(data).hexdigest()}"
            if file.split("-")[0] == project:
                yanked = ' data-yanked="it was broken"' if file in self.yanked else ""
                lines.append(f'<a href="/files/{file}{mark}"{yanked}>{file}</a><br>')
        page = f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>"
        return page.encode() if lines else None

    def _trickle(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        while not self._closing.is_set():
            try:
                request.wfile.write(b" ")
                request.wfile.flush()
            except OSError:
                return
            time.sleep(0.2)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        data: bytes,
        *,
        status: int = 200,
        truncated: bool = False,
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(len(data)))
        if status == 401 and self._authorization:
            request.send_header("WWW-Authenticate", 'Basic realm="packages"')
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data[: len(data) // 2] if truncated else data)
        request.close_connection = True
