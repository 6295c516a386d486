"""A proxy on 127.0.0.1 that lets only those through who know its password."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading


class Proxy:
    """Answers CONNECT and hands bytes on; `tunnels` are the targets that were asked for."""

    def __init__(self, credentials: str) -> None:
        basic = base64.b64encode(credentials.encode()).decode()
        self._expected = f"proxy-authorization: basic {basic}".lower()
        self.tunnels: list[str] = []
        self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                link, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with link, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                piece = link.recv(1)
                if not piece:
                    return
                head += piece
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split()
            if method != "CONNECT" or self._expected not in [line.lower() for line in lines]:
                self.refused += 1
                link.sendall(
                    b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=x\r\n"
                    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            self.tunnels.append(target)
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port))) as far:
                link.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
                back = threading.Thread(target=_pump, args=(far, link), daemon=True)
                back.start()
                _pump(link, far)
                back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
