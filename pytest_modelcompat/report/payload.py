"""The data inside the page: dictionaries, columns, and details in chunks.

Everything is gzip in base64, in `<script type="text/plain">` elements at the end of the page, so
that the static part is painted first. The page unpacks it with `DecompressionStream`
(templates/js/data.js reads what is written here).
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_modelcompat.report.change import CHANGES
from pytest_modelcompat.report.changed import WORDS
from pytest_modelcompat.report.columns import MARKS, STAGES
from pytest_modelcompat.report.commands import commands
from pytest_modelcompat.report.lanes import axis_face, axis_name, lanes
from pytest_modelcompat.report.sections import (
    operators_data,
    parity_data,
    past_data,
    since_data,
    speed_data,
)
from pytest_modelcompat.report.states import CASE_STATES, CELL_STATES, OUTCOMES, STATUSES

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from pytest_modelcompat.report.view import View

__all__ = ["Payload", "pack", "payload"]

BUDGET = 3_300_000  # characters of packed details; failures come first
RATIO_SCALE = 1000  # log10(error / tolerance) in thousandths
_NONE, _ZERO, _INFINITE = -32768, -32767, 32767


@dataclass(frozen=True, kw_only=True)
class Payload:
    """Packed blocks, by element id, and what did not fit."""

    blocks: tuple[tuple[str, str], ...]
    left_out: int


class Packer:
    """Bytes as base64 of gzip, a part at a time; the same bytes always give the same text."""

    def __init__(self) -> None:
        self._gzip = zlib.compressobj(6, wbits=31)
        self._parts: list[bytes] = []

    def add(self, data: Buffer) -> None:
        """Takes some bytes."""
        self._parts.append(self._gzip.compress(data))

    def text(self) -> str:
        """All of them, packed; nothing is added afterwards."""
        return base64.b64encode(b"".join((*self._parts, self._gzip.flush()))).decode("ascii")


def pack(data: bytes) -> str:
    """Bytes as base64 of gzip, in one piece."""
    packer = Packer()
    packer.add(data)
    return packer.text()


def payload(view: View) -> Payload:
    """Packs everything that the page's script needs."""
    cases = view.data.cases
    arrays = [
        ("key", _fit(cases.column("key"))),
        ("state", cases.column("state")),
        ("status", cases.column("status")),
        ("outcome", cases.column("outcome")),
        ("stage", cases.column("stage")),
        ("change", view.changes),
        *([("since", view.since.codes)] if view.since else []),
        ("opset", cases.column("opset")),
        ("ratio", _ratios(cases.column("ratio"))),
        *((name, _fit(cases.column(name))) for name in cases.names),
    ]
    described, offset = [], 0
    packed = Packer()
    for name, values in arrays:
        raw = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
        packed.add(raw.data)
        gap = -raw.nbytes % 8  # typed arrays in the page want aligned starts
        packed.add(b"\0" * gap)
        described.append({"name": name, "type": str(values.dtype), "offset": offset})
        offset += raw.nbytes + gap
    chunks, spans, left_out = _details(view)
    meta = {
        **_words(),
        "rows": len(cases),
        "start": cases.start.tolist(),
        "arrays": described,
        "chunks": spans,
        "units": [list(unit) for unit in cases.units],
        "keys": [[int(unit), case] for unit, (_, _, case) in
                 zip(cases.key_unit, cases.keys, strict=True)],
        "names": {name: list(texts) for name, texts in cases.names.items()},
        **_cells(view),
        "operators": operators_data(view),
        "parity": parity_data(view),
        "speed": speed_data(view),
        "since": since_data(view),
        "past": len(view.past.runs) if view.past else 0,
        "notes": list(view.notes),
        "leftOut": left_out,
    }  # fmt: skip
    text = json.dumps(meta, separators=(",", ":"), ensure_ascii=False).encode()
    blocks = [("mc-meta", pack(text)), ("mc-columns", packed.text())]
    if view.past:
        blocks.append(("mc-past", pack(past_data(view.past))))
    blocks += [(f"mc-details-{n}", chunk) for n, chunk in enumerate(chunks)]
    return Payload(blocks=tuple(blocks), left_out=left_out)


def _fit(values: NDArray[Any]) -> NDArray[Any]:
    """The narrowest unsigned type that holds the values."""
    top = int(values.max(initial=0))
    return values.astype(np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.uint32)


def _ratios(values: NDArray[Any]) -> NDArray[np.int16]:
    """Error over tolerance on a logarithmic scale of 16 bits: three digits are enough to see."""
    out = np.full(len(values), _NONE, np.int16)
    zero, infinite = values == 0, np.isposinf(values)
    usual = (values > 0) & ~infinite
    scaled = np.round(np.log10(values[usual].astype(np.float64)) * RATIO_SCALE)
    out[usual] = np.clip(scaled, _ZERO + 1, _INFINITE - 1).astype(np.int16)
    out[zero], out[infinite] = _ZERO, _INFINITE
    return out


def _details(view: View) -> tuple[list[str], list[list[int]], int]:
    """Details of failures first, then of all else that is not plain, within the budget."""
    chunks: list[str] = []
    spans: list[list[int]] = []
    size = left_out = 0
    for chunk in chain.from_iterable(view.data.cases.details.chunks.values()):
        if size > BUDGET:
            left_out += len(chunk.rows)
            continue
        chunks.append(base64.b64encode(chunk.packed).decode("ascii"))
        spans.append([chunk.rows[0], chunk.rows[-1]])
        size += len(chunks[-1])
    return chunks, spans, left_out


def _words() -> dict[str, Any]:
    """The vocabulary, so that the page has no second copy of it."""
    return {
        "states": [
            {"key": s.key, "glyph": s.glyph, "letter": s.letter, "text": s.text, "tone": s.tone}
            for s in CASE_STATES
        ],
        "cellStates": [
            {"key": s.key, "glyph": s.glyph, "letter": s.letter, "text": s.text, "tone": s.tone}
            for s in CELL_STATES
        ],
        "statuses": list(STATUSES),
        "outcomes": list(OUTCOMES),
        "stages": list(STAGES),
        "changes": list(CHANGES),
        "words": [[each.word, list(each.codes), each.tone, each.meaning] for each in WORDS],
        "marks": MARKS,
        "ratio": {"scale": RATIO_SCALE, "none": _NONE, "zero": _ZERO, "infinite": _INFINITE},
    }


def _cells(view: View) -> dict[str, Any]:
    data = view.data
    axes = list(dict.fromkeys(axis for cell in data.cells for axis in cell.axes))
    cells = [
        {
            "id": cell.id,
            "matrix": cell.matrix,
            "axes": dict(cell.axes),
            "faces": {axis: axis_face(axis, value) for axis, value in cell.axes.items()},
            "status": face.state.key,
            "stage": cell.stage,
            "outcome": cell.outcome,
            "reason": cell.reason,
            "known": cell.known,
            "environment": dict(cell.environment),
            "attestation": dict(cell.attestation),
            "seconds": dict(cell.seconds),
            "notes": list(cell.notes),
            "repro": cell.repro,
            "commands": commands(cell)[1:] if cell.repro else commands(cell),
            "lead": face.lead.key,
            "tone": face.lead.tone,
            "glyph": face.lead.glyph,
            "headline": face.headline,
            "note": face.note,
            "label": face.label,
            "new": face.new,
            "bad": face.bad,
            "measured": face.measured,
            "counts": [[state.key, n] for state, n in face.counts],
            "bar": [[s.state.key, s.x, s.width, s.cases] for s in face.segments],
        }
        for cell, face in zip(data.cells, view.faces, strict=True)
    ]
    return {
        "axes": [[axis, axis_name(axis)] for axis in axes],
        "lanes": [{"stops": [list(stop) for stop in lane.stops]} for lane in lanes(data.cells)],
        "cells": cells,
        "environments": dict(data.environments),
        "issues": dict(data.info.get("issues") or {}),
        "info": {"id": data.info.get("id"), "title": view.header.title},
    }
