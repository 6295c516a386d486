"""One command in a container, to its end: for probing, for installing, for compiling."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pytest_modelcompat.environments.docker.engine import connect
from pytest_modelcompat.environments.docker.process import launch

if TYPE_CHECKING:
    from pytest_modelcompat.environments.docker.containers import Wanted

__all__ = ["Done", "run_once"]

LIMIT = 1 << 20  # bytes kept of each stream, from the end


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command in a container ended; `code` is None where nobody could tell."""

    code: int | None
    out: str
    err: str
    seconds: float
    timed_out: bool = False


def run_once(wanted: Wanted, *, input: bytes = b"") -> Done:  # noqa: A002 - subprocess' word
    """Run a container's command to its end, or to its deadline.

    Standard input stays open meanwhile, for its end is what ends a container of a dead run.

    Raises:
        AbsentError, EngineLostError, RefusedError: see `engine.connect` and `process.launch`.
    """
    began = time.monotonic()
    with launch(connect(), wanted, released=lambda: None) as process:
        out, err = bytearray(), bytearray()
        readers = [
            threading.Thread(target=_keep, args=pair, daemon=True)
            for pair in ((process.stdout, out), (process.stderr, err))
        ]
        for reader in readers:
            reader.start()
        if input:
            process.stdin.write(input)
        process.wait(wanted.seconds)
        timed_out = not process.over
        process.kill()
        for reader in readers:
            reader.join(5.0)
        return Done(
            code=process.poll(),
            out=out.decode("utf-8", "replace"),
            err=err.decode("utf-8", "replace"),
            seconds=time.monotonic() - began,
            timed_out=timed_out,
        )


def _keep(stream: IO[bytes], kept: bytearray) -> None:
    while data := stream.read(1 << 16):
        kept += data
        del kept[:-LIMIT]
