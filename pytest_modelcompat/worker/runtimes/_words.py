"""What frameworks print or log where they should have raised."""

import logging
import os
import sys
import tempfile

__all__ = ["Logged", "Printed"]

_MOST = 8 << 10
_LOGGERS = ("torch", "torch.export")  # the second one does not pass on what it is told


class Printed:
    """Keeps what is printed on stderr while it is entered, and passes it on when it is left.

    Attributes:
        text: what was printed, once it is left.
    """

    def __init__(self):
        self.text = ""

    def __enter__(self):
        sys.stderr.flush()
        self._file = tempfile.TemporaryFile()
        self._kept = os.dup(2)
        os.dup2(self._file.fileno(), 2)
        return self

    def __exit__(self, *error):
        os.dup2(self._kept, 2)
        os.close(self._kept)
        self._file.seek(0)
        data = self._file.read(_MOST)
        self._file.close()
        self.text = data.decode("utf-8", "replace").strip()
        if data:
            os.write(2, data)


class Logged(logging.Handler):
    """Keeps what torch logs as a warning or worse while it is entered.

    Attributes:
        lines: message and exception of each record.
    """

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        """Keep one record."""
        self.lines.append(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            self.lines.append("{}: {}".format(type(error).__name__, error))

    def __enter__(self):
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(self, *error):
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self)
