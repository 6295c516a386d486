"""How a child gets its descriptors back after somebody closed or replaced them.

The supervisor listens on a socket in the private folder and hands the host's pipe to whoever of
its own user connects. Opening /proc/PID/fd would be simpler, but fails for the pipes that a
container engine made as another user. Paths go through /proc/self/fd, because the address of a
socket may not be longer than 107 bytes and temporary folders can be.
"""

from __future__ import annotations

import os
import socket
import struct

__all__ = ["Door", "knock"]


def _address(folder: int) -> str:
    return "/proc/self/fd/{}/door".format(folder)


class Door:
    """The supervisor's side."""

    def __init__(self, folder: str, handle: int) -> None:
        self._handle = handle
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(_address(place))
        self._socket.listen(8)
        self._socket.setblocking(False)  # noqa: FBT003 - positional only
        os.close(place)

    def fileno(self) -> int:
        """For waiting until somebody knocks."""
        return self._socket.fileno()

    def answer(self) -> None:
        """Hand out the pipe to one who knocked, if any is still there."""
        try:
            caller, _ = self._socket.accept()
            with caller:
                rights = struct.pack("i", self._handle)
                caller.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError:
            return  # it died meanwhile


def knock(folder: str, high: int) -> int:
    """The host's pipe, as a new descriptor of at least `high`; OSError where nobody answers."""
    import fcntl  # noqa: PLC0415 - only after an accident

    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.connect(_address(place))
            _, rights, _, _ = caller.recvmsg(1, socket.CMSG_SPACE(4))
        handle = struct.unpack("i", rights[0][2][:4])[0]
    finally:
        os.close(place)
    try:
        return fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, high)
    finally:
        os.close(handle)
