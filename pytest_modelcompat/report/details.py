"""What only the drawer shows of a case, and what a case cost: kept packed, however many there are.

A million results have hundreds of megabytes of messages and numbers. They are packed into the
page's chunks while they are read, so that never more than one chunk of each kind is in memory.
"""

from __future__ import annotations

import gzip
import zlib
from array import array
from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CHUNK", "RANKS", "Chunk", "Details", "Timing", "Timings"]

CHUNK = 192 * 1024  # bytes of JSON before packing
#: which details go first where not all fit: of failures, of what did not pass, of what passed
RANKS = ("failing", "other", "passed")
_MOST = 2**32 - 1  # repeats, written by anybody
_OPEN = 4  # chunks kept unpacked


class Chunk(NamedTuple):
    """Details of one rank, as the page gets them.

    Attributes:
        rows: their cases, ascending.
        ends: where each detail's JSON ends in the unpacked text.
        packed: gzip of `{"ROW":DETAIL,…}`.
    """

    rows: array[int]
    ends: array[int]
    packed: bytes


class Details:
    """Row -> JSON of what only the drawer shows; rows of a rank are added in ascending order."""

    def __init__(self) -> None:
        self.chunks: dict[str, list[Chunk]] = {rank: [] for rank in RANKS}
        self._open: dict[str, list[tuple[int, bytes]]] = {rank: [] for rank in RANKS}
        self._size = dict.fromkeys(RANKS, 0)
        self._texts: OrderedDict[int, bytes] = OrderedDict()

    def __len__(self) -> int:
        """How many cases have any."""
        return sum(len(chunk.rows) for chunks in self.chunks.values() for chunk in chunks)

    def add(self, row: int, rank: str, detail: bytes) -> None:
        """Takes a case's detail, JSON already."""
        self._open[rank].append((row, detail))
        self._size[rank] += len(detail)
        if self._size[rank] >= CHUNK:
            self._pack(rank)

    def close(self) -> Details:
        """Packs what is left; nothing is added afterwards."""
        for rank in RANKS:
            if self._open[rank]:
                self._pack(rank)
        return self

    def get(self, row: int) -> dict[str, Any]:
        """A case's detail; empty where it has none. Cheapest for rows in ascending order."""
        for chunks in self.chunks.values():
            place = bisect_right(chunks, row, key=lambda chunk: chunk.rows[0]) - 1
            if place < 0:
                continue
            chunk = chunks[place]
            number = bisect_right(chunk.rows, row) - 1
            if chunk.rows[number] == row:
                found: dict[str, Any] = msgspec.json.decode(self._text(chunk, number))
                return found
        return {}

    def items(self) -> Iterator[tuple[int, str, bytes]]:
        """Row, rank and JSON of each; by rank, rows ascending."""
        for rank, chunks in self.chunks.items():
            for chunk in chunks:
                for number, row in enumerate(chunk.rows):
                    yield row, rank, self._text(chunk, number)

    def moved(self, place: NDArray[np.int64]) -> Details:
        """The same with other row numbers.

        Args:
            place: old row -> new one.
        """
        new = Details()
        rows = sorted((int(place[row]), rank, detail) for row, rank, detail in self.items())
        for row, rank, detail in rows:
            new.add(row, rank, detail)
        return new.close()

    def _pack(self, rank: str) -> None:
        rows, ends, end = array("I"), array("I"), 0
        parts: list[bytes] = []
        for row, detail in self._open[rank]:
            part = b'%s"%d":%s' % (b"," if parts else b"{", row, detail)
            end += len(part)
            rows.append(row)
            ends.append(end)
            parts.append(part)
        packed = gzip.compress(b"".join(parts) + b"}", compresslevel=6, mtime=0)
        self.chunks[rank].append(Chunk(rows, ends, packed))
        self._open[rank], self._size[rank] = [], 0

    def _text(self, chunk: Chunk, number: int) -> bytes:
        key = id(chunk.packed)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = zlib.decompress(chunk.packed, 31)
            if len(self._texts) > _OPEN:
                self._texts.popitem(last=False)
        start = chunk.ends[number - 1] if number else 0
        name = len(b'{"":') + len(str(chunk.rows[number]))
        return text[start + name : chunk.ends[number]]


class Timing(NamedTuple):
    """What one case cost; 0 stands for "not measured".

    Attributes:
        run, low, high: seconds of a run: the median of the repeats, the fastest, the slowest.
        repeats: how many there were.
        load: seconds of the load.
        memory: bytes that the process held at most.
        size: bytes of the model's files.
    """

    run: float
    low: float
    high: float
    repeats: int
    load: float
    memory: int
    size: int


class Timings:
    """What cases cost, by number; `rows` has the case of each, ascending."""

    def __init__(self) -> None:
        self.rows = array("I")
        self._repeats = array("I")
        self._memory = array("Q")
        self._sizes = array("Q")
        self._seconds = array("d")  # run, low, high, load of each

    def __len__(self) -> int:
        """How many cases were timed."""
        return len(self.rows)

    def __getitem__(self, number: int) -> Timing:
        """One of them, by its number, not its row."""
        run, low, high, load = self._seconds[4 * number : 4 * number + 4]
        return Timing(
            run, low, high, self._repeats[number], load, self._memory[number], self._sizes[number]
        )

    def add(self, row: int, seconds: Mapping[str, Any], memory: int, size: int) -> None:
        """Takes the seconds of a case as `results/write.py` writes them."""
        run, runs = _figure(seconds.get("run")), seconds.get("runs")
        spread = runs if isinstance(runs, dict) else {}
        low, high = (_figure(spread.get(name)) or run for name in ("min", "max"))
        self._seconds.extend((run, low, high, _figure(seconds.get("load"))))
        self._repeats.append(int(min(_figure(spread.get("n")) or bool(run), _MOST)))
        self._memory.append(memory)
        self._sizes.append(size)
        self.rows.append(row)

    def moved(self, place: NDArray[np.int64]) -> Timings:
        """The same with other row numbers; see `Details.moved`."""
        new = Timings()
        for row, number in sorted((int(place[row]), n) for n, row in enumerate(self.rows)):
            run, low, high, repeats, load, memory, size = self[number]
            runs = {"n": repeats, "min": low, "max": high}
            new.add(row, {"run": run, "load": load, "runs": runs}, memory, size)
        return new


def _figure(value: object) -> float:
    """A number as it should be; what is none, or below zero, counts as not measured."""
    return max(float(value), 0.0) if isinstance(value, (int, float)) else 0.0
