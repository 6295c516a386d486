"""How a job's files get to the host: on standard output, which frameworks do not get.

A folder of the host is not needed, so that a container or a far machine does as well.

    S STAGE                  before each stage, so that a death can be told apart
    F SIZE NAME, the bytes   of each file
"""

from __future__ import annotations

import os
import shutil
import sys

__all__ = ["Out"]


class Out:
    """What goes to the host; whatever else writes to standard output writes to standard error."""

    def __init__(self):
        sys.stdout.flush()
        self._file = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def stage(self, name):
        """Say where we are before going there."""
        self._file.write("S {}\n".format(name).encode("ascii"))
        self._file.flush()

    def data(self, name, data):
        """Deliver bytes as a file of that name."""
        self._head(name, len(data))
        self._file.write(data)
        self._file.flush()

    def file(self, name, path):
        """Deliver a file under another name."""
        self._head(name, os.path.getsize(path))
        with open(path, "rb") as file:
            shutil.copyfileobj(file, self._file, 1 << 20)

    def _head(self, name, size):
        self._file.write("F {} {}\n".format(size, name).encode("utf-8", "surrogateescape"))
