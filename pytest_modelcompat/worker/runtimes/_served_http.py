"""One question to a server and its answer: no proxy, no redirect, no second attempt.

`http.client` reads no environment variable and follows nothing, so what answers is what was asked.
"""

import http.client
import json
from urllib.parse import urlsplit

__all__ = ["Door", "ServerError", "parts_of"]

_HEAD, _TAIL = 1000, 3000  # characters of what a server says when it refuses
_PORTS = {"http": 80, "https": 443}


class ServerError(RuntimeError):
    """The server answered, and it was no answer: its status and its own words."""


def parts_of(url):
    """What an option `url` means: (scheme, host, port, path without a slash at its end).

    Raises:
        ValueError: no such address, or one with a name, password, query or fragment: addresses
            are told in reports.
    """
    parts = urlsplit(str(url))
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("url is http://HOST:PORT or https://HOST:PORT")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("url has no name, password, query or fragment in it")
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], parts.path.rstrip("/")


class Door:
    """Where a server is asked.

    Args:
        url: of the server.
        seconds: for each step of an exchange; None: as long as the case may take.
    """

    def __init__(self, url, seconds=None):
        self._scheme, self._host, self._port, self._base = parts_of(url)
        self._seconds = seconds

    def get(self, path, method="GET"):
        """The JSON that a path holds, or what a method without a body says of it."""
        return _object(method, path, _json(method, path, *self._exchange(method, path, None)))

    def ready(self, path):
        """Nothing, where the path says so with its status alone.

        Raises:
            ServerError: it says anything else.
        """
        status, reason, data = self._exchange("GET", path, None)
        _held("GET", path, status, reason, data)

    def post(self, path, sent):
        """The JSON object that is the answer to this JSON."""
        return _object("POST", path, self.answer(path, sent))

    def answer(self, path, sent):
        """The JSON of any kind that is the answer to this JSON."""
        body = json.dumps(sent, separators=(",", ":")).encode("ascii")
        return _json("POST", path, *self._exchange("POST", path, body))

    def knock(self):
        """Nothing, where somebody listens; else the system's words."""
        connection = self._connection()
        try:
            connection.connect()
        finally:
            connection.close()

    def _connection(self):
        """One for each exchange: what a case leaves open would be closed behind it."""
        kind = http.client.HTTPConnection
        if self._scheme == "https":
            kind = http.client.HTTPSConnection
        return kind(self._host, self._port, timeout=self._seconds)

    def _exchange(self, method, path, body):
        connection = self._connection()
        try:
            told = {"Accept": "application/json"}
            if body is not None:
                told["Content-Type"] = "application/json"
            connection.request(method, self._base + path, body=body, headers=told)
            answer = connection.getresponse()
            return answer.status, answer.reason, answer.read()
        finally:
            connection.close()


def _json(method, path, status, reason, data):
    _held(method, path, status, reason, data)
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        words = "{} {}: no JSON ({}): {!r}"
        raise ServerError(words.format(method, path, problem, data[:200])) from None


def _object(method, path, found):
    if not isinstance(found, dict):
        words = "{} {}: no JSON object: {}"
        raise ServerError(words.format(method, path, repr(found)[:200]))
    return found


def _held(method, path, status, reason, data):
    """Only 200 is an answer: a redirect leads to somebody else."""
    if status == http.client.OK:
        return
    raise ServerError("{} {}: {} {}: {}".format(method, path, status, reason, _words(data)))


def _words(data):
    """What a server says of its refusal: its text under a usual name, else all of it."""
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _shown(text)
    if isinstance(found, dict):
        for name in ("error", "detail", "message"):
            if isinstance(found.get(name), str):
                return _shown(found[name])
    return _shown(text)


def _shown(text):
    """Both ends: of a traceback, the last line says it."""
    text = text.strip()
    if len(text) <= _HEAD + _TAIL:
        return text
    return "{}\n[...]\n{}".format(text[:_HEAD], text[-_TAIL:])
