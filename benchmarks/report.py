"""How large, how heavy and how fast the report is at 180,000 and 1,000,000 results.

    python benchmarks/report.py [--pairs N] [--cases 180000 --cases 1000000] [--no-browser] [FOLDER]

Prints every figure beside its budget. FOLDER is a run folder to report on; without one, the real
runs under `reports/` are multiplied. The page is opened in a real Chromium (on PATH, driven by
playwright), in a new one each round; a figure is the median of the rounds, and what it is for a
million results has fewer budgets. "Usable" is when the page answers and has drawn the next frame.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, TextIO

from sides import Row, parser, table

ROOT = Path(__file__).parents[1]
MAKE = """
import json, sys, time
from pathlib import Path
start = time.process_time(), time.perf_counter()
from pytest_modelcompat.report import render
page = render(Path(sys.argv[1]))
# Not ru_maxrss: that starts at what the parent held when it forked.
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps({
    "cpu": time.process_time() - start[0], "wall": time.perf_counter() - start[1],
    "peak": peak, "bytes": page.stat().st_size,
}))
"""
MILLION = 1_000_000
QUERIES = (
    "is:failure", "status:passed", "conv", "onnxruntime:>=1.24 status:failed,error", "ratio:>1",
    'error:"status code"', "python:3.11 -op:Conv opset:>=17", "",
)  # fmt: skip
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info",
             "--disable-background-networking", "--disable-component-update"]  # fmt: skip
# When the page says that it answers, and the frame after that.
USABLE = """new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {
    window.usable ??= performance.now();
}))).observe(document, {subtree: true, attributes: true, attributeFilter: ["data-ready"]});"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
ASK = """(hash) => new Promise((done) => {
    const start = performance.now();
    addEventListener("hashchange", () => {
        document.body.getBoundingClientRect();
        done(performance.now() - start);
    }, {once: true});
    location.hash = hash;
})"""
DRAWER = """() => new Promise((done) => {
    const start = performance.now();
    const look = () => {
        const more = document.querySelector(".drawer-more");
        if (more && !more.hasAttribute("aria-busy")) done(performance.now() - start);
        else requestAnimationFrame(look);
    };
    document.querySelector(".list-layer .list-row").click();
    look();
})"""


def multiplied(folder: Path, wanted: int) -> Path:
    """A run of about so many results: the committed real runs, over and over.

    A tenth is the quickstart, the rest the cells of the upgrade sample that measured something;
    nearly a tenth of its cases fail. Each copy is a target of its own, with a few results of its
    own, so that no two rows of the matrix are alike.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = [(_real("quickstart"), 0.1), (_real("upgrade"), 0.9)]
    environments: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    seed = random.Random(7)
    with gzip.open(folder / "cases.jsonl.gz", "wt", encoding="ascii", compresslevel=1) as out:
        for (run, cases), share in sources:
            environments += run["environments"]
            size = sum(len(cases[cell["id"]]) for cell in run["cells"])
            for copy in range(max(1, round(wanted * share / size))):
                cells += [_copy(cell, cases[cell["id"]], copy, seed, out) for cell in run["cells"]]
    data = {"schema": 1, "run": run["run"], "environments": environments, "cells": cells}
    (folder / "run.json").write_text(json.dumps(data), "utf-8")
    return folder


def _real(name: str) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """A committed run without the cells that measured nothing; what is known fails here."""
    folder = ROOT / "reports" / name
    run = json.loads((folder / "run.json").read_text("utf-8"))
    run["cells"] = [cell for cell in run["cells"] if cell["status"] == "completed"]
    cases: dict[str, list[dict[str, Any]]] = {cell["id"]: [] for cell in run["cells"]}
    with gzip.open(folder / "cases.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            if case["outcome"] == "xfail":
                case["outcome"] = "not_ok"
                case.pop("known", None)
            if case["cell"] in cases:
                cases[case["cell"]].append(case)
    return run, cases


def _copy(
    cell: dict[str, Any],
    cases: list[dict[str, Any]],
    number: int,
    seed: random.Random,
    out: TextIO,
) -> dict[str, Any]:
    """Writes a cell's cases under another name and returns its record."""
    identity = f"{cell['id']}-{number:04d}"
    counts: dict[str, int] = {}
    for case in cases:
        line = {**case, "cell": identity}
        if case["status"] == "passed" and seed.random() < 0.002:  # a few
            line |= {"status": "error", "outcome": "not_ok", "stage": "run",
                     "error": {"signature": "no memory for NAME",
                               "message": f"no memory for tensor_{number}"}}  # fmt: skip
        counts[line["status"]] = counts.get(line["status"], 0) + 1
        out.write(json.dumps(line, separators=(",", ":")) + "\n")
    axes = {**cell["axes"], "env.TARGET": f"t{number:04d}"}
    return {**cell, "id": identity, "axes": axes, "counts": counts, "matrix": "nightly"}


def make(folder: Path) -> tuple[Path, int, list[Row]]:
    """Makes the report in a process of its own.

    Args:
        folder: of the run.

    Returns:
        The page, how many results it holds, and what making it took.
    """
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(folder)], capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    run = json.loads((folder / "run.json").read_text("utf-8"))
    results = sum(sum(cell["counts"].values()) for cell in run["cells"])
    print(f"{results:,} results in {len(run['cells']):,} cells, {_failing(folder):,} failures")
    page = folder / "index.html"
    text = page.read_text("utf-8")
    packed = sum(
        len(part.partition("</script>")[0]) for part in text.split('<script type="text/plain"')[1:]
    )
    index = sum(
        len(text.partition(f'id="{block}">')[2].partition("</script>")[0])
        for block in ("mc-meta", "mc-columns")
    )
    rows = text.partition("<main")[2].partition("</main>")[0]
    few = None if results >= MILLION else 1.0  # what has a budget at 180,000 only
    return page, results, [
        Row("made in, s of the processor", seen["cpu"], few and 5, note=f"{seen['wall']:.1f} s"),
        Row("memory while making, MiB", seen["peak"], few and 300),
        Row("file, MB", seen["bytes"] / 1e6, few and 4),
        Row("index (dictionaries, columns), MB", index / 1e6, 2.5),
        Row("shell (style, scripts, frame), kB", (len(text) - packed - len(rows)) / 1e3, 200),
    ]  # fmt: skip


def _failing(folder: Path) -> int:
    with gzip.open(folder / "cases.jsonl.gz", "rt", encoding="utf-8") as lines:
        return sum('"not_ok"' in line for line in lines)


def look(page: Path, *, rounds: int, million: bool) -> list[Row]:
    """Opens the page so often, each time in a new browser, and asks it everything."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not without a browser

    seen: dict[str, list[float]] = {}
    budgets: dict[str, float] = {}

    def take(what: str, value: float, budget: float) -> None:
        seen.setdefault(what, []).append(value)
        budgets[what] = budget

    with sync_playwright() as playwright:
        for _ in range(rounds):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
                args=ARGUMENTS,
            )
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.add_init_script(USABLE)
            tab.goto(page.as_uri())
            tab.wait_for_function("() => window.usable")
            take("first paint, ms", tab.evaluate(PAINTED), 300)
            take("usable, ms", tab.evaluate("window.usable"), 2500 if million else 1000)
            _ask(tab, take)
            browser.close()
    return [
        Row(what, median(values), budgets[what], note=_spread(values))
        for what, values in seen.items()
    ]


def _ask(tab: Any, take: Callable[[str, float, float], None]) -> None:
    nodes = "document.querySelectorAll('*').length"
    take("nodes, overview", tab.evaluate(nodes), 10_000)
    tab.evaluate(ASK, "#/cases")
    for query in QUERIES:
        hash_ = "#/cases?q=" + query.replace(" ", "+").replace('"', "%22").replace(">", "%3E")
        take(f"filter {query or '(all)'}, ms", tab.evaluate(ASK, hash_ + "&x=1"), 100)
    take("drawer, ms", tab.evaluate(DRAWER), 150)
    tab.evaluate(ASK, "#/overview")
    for pivot in ("columns=python", "rows=framework&facets=none"):
        take(f"pivot {pivot}, ms", tab.evaluate(ASK, f"#/overview?{pivot}"), 100)
    for view in ("operators", "parity", "speed", "environments"):
        take(f"view {view}, ms", tab.evaluate(ASK, f"#/{view}"), 300)
        take(f"nodes, {view}", tab.evaluate(nodes), 10_000)
    take("heap, MB", tab.evaluate("performance.memory.usedJSHeapSize") / 1e6, 60)


def _spread(values: list[float]) -> str:
    return "" if len(values) == 1 else f"{min(values):,.1f} to {max(values):,.1f}"


def main() -> int:
    """Reads the command line; 1 where a budget is missed."""
    options = parser(__doc__, pairs=3)
    options.add_argument("folder", nargs="?", type=Path)
    options.add_argument("--cases", type=int, action="append", metavar="N")
    options.add_argument("--no-browser", action="store_true", help="only make the pages")
    given = options.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        for cases in [None] if given.folder else given.cases or [180_000, MILLION]:
            folder = given.folder or multiplied(Path(temporary) / str(cases), cases)
            page, results, rows = make(folder)
            if not given.no_browser:
                rows += look(page, rounds=given.pairs, million=results >= MILLION)
            rows = [replace(row, what=f"{results:,}: {row.what}") for row in rows]
            missed |= table(f"The page of {results:,} results", rows, pairs=given.pairs)
            if not given.folder:
                shutil.rmtree(folder)
    return missed


if __name__ == "__main__":
    sys.exit(main())
