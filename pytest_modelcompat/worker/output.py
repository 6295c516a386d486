"""What a process printed, however much: the beginning and the end of it are kept."""

from __future__ import annotations

__all__ = ["Tail"]


class Tail:
    """Bytes that come in are kept up to `head` at the beginning and `tail` at the end."""

    def __init__(self, head: int = 8 << 10, tail: int = 24 << 10) -> None:
        self._limits = head, tail
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._head = bytearray()
        self._tail = bytearray()
        self._lost = 0

    def add(self, data: bytes) -> None:
        """Take what was printed."""
        head, tail = self._limits
        room = head - len(self._head)
        self._head += data[:room]
        if len(data) > room:
            self._tail += data[room:]
            too_many = len(self._tail) - tail
            if too_many > 0:
                del self._tail[:too_many]
                self._lost += too_many

    def text(self) -> str:
        """What is left, as text; bytes that are none are escaped."""
        parts = [bytes(self._head)]
        if self._lost:
            parts.append(b"\n[... %d bytes left out ...]\n" % self._lost)
        parts.append(bytes(self._tail))
        return b"".join(parts).decode("utf-8", "backslashreplace")
