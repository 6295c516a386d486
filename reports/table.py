"""The table of a run of built models: producer, exporter and opset against runtime releases.

    python reports/table.py reports/producers > reports/producers/table.md

Each entry is the case's status, with the stage and attribution of what failed; several data sets of
one file are one entry, the worst of them. What failed is told below the table, once for each way.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.model import Status

if TYPE_CHECKING:
    from pytest_modelcompat.results.stored import StoredCase

ORDER = (
    Status.CRASHED, Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.ERROR, Status.FAILED,
    Status.NONDETERMINISTIC, Status.UNSUPPORTED, Status.GATED, Status.FALLBACK, Status.NOT_RUN,
    Status.SKIPPED, Status.PASSED,
)  # fmt: skip
FINE = frozenset({Status.PASSED, Status.NOT_RUN, Status.SKIPPED, Status.FALLBACK})


def table(folder: Path) -> str:
    """The whole page, Markdown."""
    run = load(folder)
    cells = {cell.id: cell.axes["framework"] for cell in run.cells}
    runtimes = list(dict.fromkeys(cells.values()))
    found: dict[tuple[str, str], dict[str, list[StoredCase]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for case in run.cases():
        if (case.reference or {}).get("kind") == "producer":
            setting = str((case.reference or {})["source"])
            found[case.unit, setting][cells[case.cell]].append(case)
    short = [name.replace("==", " ") for name in runtimes]
    lines = [
        f"# {', '.join(dict.fromkeys(cell.matrix for cell in run.cells))}",
        "",
        f"{len(found)} files by their producers, on {len(runtimes)} runtimes.",
        "",
        "| model | producer | exporter | opset | " + " | ".join(short) + " |",
        "|---|---|---|---|" + "---|" * len(short),
    ]
    ways: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for (model, setting), row in found.items():
        framework, export, *rest = setting.split(",")
        opset = next((part[5:] for part in rest if part.startswith("opset")), "")
        entries = []
        for name in runtimes:
            entry, worst = _entry(row[name])
            entries.append(entry)
            if worst is not None and worst.status not in FINE:
                ways[_way(worst)].append(f"{model}/{setting} on {name}")
        lines.append(f"| {' | '.join([model, framework, export, opset, *entries])} |")
    lines += ["", "## What did not pass", ""]
    for (status, stage, attribution, signature), where in sorted(ways.items()):
        told = f"**{status}** at {stage}, attributed to **{attribution}**: {_cell(signature)}"
        lines += [f"- {told} ({len(where)}; first {where[0]})"]
    return "\n".join([*lines, ""])


def _entry(cases: list[StoredCase]) -> tuple[str, StoredCase | None]:
    if not cases:
        return "", None
    worst = min(cases, key=lambda case: ORDER.index(case.status))
    if worst.status is Status.PASSED:
        return "✓", worst
    told = worst.status.value
    if worst.status not in FINE:
        told += f" @{worst.stage.value}"
        told += f" ({worst.attribution})" if worst.attribution else ""
    return told, worst


def _way(case: StoredCase) -> tuple[str, ...]:
    signature = str((case.error or {}).get("signature") or (case.mismatch or {}).get("kind") or "")
    return case.status.value, case.stage.value, case.attribution or "nobody asked", signature


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<") or "wrong values"


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1])))
