"""What the sections of the page hold as data; `payload` packs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.report.since import KINDS
from pytest_modelcompat.results.history import LETTERS

if TYPE_CHECKING:
    from pytest_modelcompat.report.since import Past
    from pytest_modelcompat.report.speed import Figure
    from pytest_modelcompat.report.view import View

__all__ = ["operators_data", "parity_data", "past_data", "since_data", "speed_data"]


def operators_data(view: View) -> dict[str, Any]:
    """Operators in condensed ranges; texts that repeat are numbered."""
    section = view.operators
    texts: dict[str, int] = {}

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    rows = [
        [
            row.unit,
            [
                [
                    [
                        number(r.text),
                        r.state,
                        int(r.known),
                        number(r.wrong),
                        number(r.total),
                        number(r.told),
                        ", ".join(r.gaps),
                    ]
                    for r in ranges
                ]
                for ranges in row.cells
            ],
            int(row.broke),
            int(row.unsteady),
            int(row.plain),
        ]
        for row in section.rows
    ]
    return {
        "targets": [
            {
                "distribution": target.distribution,
                "where": target.where,
                "tested": list(target.tested),
                "untested": [list(pair) for pair in target.untested],
                "cells": list(target.cells),
                "targets": target.targets,
            }
            for target in section.targets
        ],
        "rows": rows,
        "texts": list(texts),
        "plain": section.plain,
        "leftOut": section.left_out,
    }


def parity_data(view: View) -> dict[str, Any]:
    """The heat map, and producer by runtime."""
    section = view.parity
    return {
        "reference": section.reference,
        "columns": [
            {
                "distribution": c.distribution,
                "where": c.where,
                "version": c.version,
                "cells": list(c.cells),
            }
            for c in section.columns
        ],
        "rows": [
            {
                "model": row.model,
                "variant": row.variant,
                "outputs": list(row.outputs),
                "reference": row.reference,
                "datasets": len(row.datasets),
                "cells": [
                    [c.row, c.state, c.text, c.step, c.within, c.measured, c.total] if c else None
                    for c in row.cells
                ],
            }
            for row in section.rows
        ],
        "producers": [
            {
                "variant": each.variant,
                "models": each.models,
                "cells": [
                    [made.worst.row, made.worst.state, made.worst.step, made.right, made.total]
                    if made
                    else None
                    for made in each.cells
                ],
            }
            for each in section.producers
        ],
    }


def speed_data(view: View) -> list[dict[str, Any]]:
    """Figures by machine; times in seconds, memory in bytes."""
    return [
        {
            "name": each.name,
            "tracks": [
                {
                    "distribution": track.distribution,
                    "where": track.where,
                    "versions": list(track.versions),
                    "cells": list(track.cells),
                    "seconds": [_short(n) for n in track.seconds],
                }
                for track in each.tracks
            ],
            "models": [
                [
                    model.model,
                    model.variant,
                    [[_figure(figure) for figure in line] for line in model.figures],
                ]
                for model in each.models
            ],
        }
        for each in view.speed.hardware
    ]


def _figure(figure: Figure | None) -> list[Any] | None:
    if figure is None:
        return None
    times = [_short(n) for n in (figure.run, figure.low, figure.high, figure.load)]
    return [
        figure.row, figure.state, *times, figure.memory, figure.repeats, figure.sets, figure.change,
        figure.size,
    ]  # fmt: skip


def _short(value: float) -> float:
    """Four digits of a figure: no clock tells more."""
    return float(f"{value:.4g}")


def since_data(view: View) -> dict[str, Any] | None:
    """Which baseline the `since` column speaks of."""
    if view.since is None:
        return None
    return {"run": view.since.run, "started": view.since.started, "kinds": list(KINDS)}


def past_data(past: Past) -> bytes:
    """Earlier runs, packed apart: only the drawer asks for them."""
    data = {
        "runs": [list(run) for run in past.runs],
        "rows": {str(row): letters for row, letters in past.rows.items()},
        "flaky": sorted(past.flaky),
        "leftOut": past.left_out,
        "letters": {letter: status.value for status, letter in LETTERS.items()},
    }
    return json.dumps(data, separators=(",", ":")).encode()
