"""How large, how heavy and how fast the report is at 180,000 and 1,000,000 results.

    python benchmarks/report.py [--cases 180000 --cases 1000000] [--browser] [FOLDER]

Prints every figure beside its budget. FOLDER is a run folder to report on; without one, the real
runs under `reports/` are multiplied. `--browser` also opens the page in a real Chromium (on PATH,
driven by playwright).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

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


def told(what: str, value: float, budget: float, unit: str) -> None:
    """One figure beside its budget."""
    verdict = "ok" if value <= budget else "OVER"
    print(f"{what:<34} {value:>10,.1f} {unit:<4} budget {budget:>8,.0f} {unit:<4} {verdict}")


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


def make(folder: Path, *, million: bool = False) -> Path:
    """Makes the report in a process of its own and prints what that took.

    Args:
        folder: of the run.
        million: whether the budgets of a million results hold: less is asked of those.
    """
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(folder)], capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    run = json.loads((folder / "run.json").read_text("utf-8"))
    results = sum(sum(cell["counts"].values()) for cell in run["cells"])
    failing = _failing(folder)
    print(f"{results:,} results in {len(run['cells']):,} cells, {failing:,} failures")
    free = float("inf") if million else 0.0  # no budget at a million
    told("made in (CPU)", seen["cpu"], max(5, free), "s")
    told("made in (wall)", seen["wall"], max(5, free), "s")
    told("memory while making", seen["peak"], 300, "MiB")
    told("file", seen["bytes"] / 1e6, max(4, free), "MB")
    page = folder / "index.html"
    text = page.read_text("utf-8")
    data = sum(
        len(part.partition("</script>")[0]) for part in text.split('<script type="text/plain"')[1:]
    )
    index = sum(
        len(text.partition(f'id="{block}">')[2].partition("</script>")[0])
        for block in ("mc-meta", "mc-columns")
    )
    told("index (dictionaries, columns)", index / 1e6, 2.5, "MB")
    rows = text.partition("<main")[2].partition("</main>")[0]
    told("shell (style, script, frame)", (len(text) - data - len(rows)) / 1e3, 200, "kB")
    return page


def _failing(folder: Path) -> int:
    with gzip.open(folder / "cases.jsonl.gz", "rt", encoding="utf-8") as lines:
        return sum('"not_ok"' in line for line in lines)


def look(page: Path, *, million: bool = False) -> None:
    """Opens the page and prints how fast it answers."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only with --browser

    arguments = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info",
                 "--disable-background-networking", "--disable-component-update"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=arguments,
        )
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        tab.goto(page.as_uri())
        tab.wait_for_function("() => document.documentElement.dataset.ready")
        told("usable", tab.evaluate("performance.now()"), 2500 if million else 1000, "ms")
        paint = tab.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
        )
        told("first paint", paint, 300, "ms")
        told("nodes, overview", tab.evaluate("document.querySelectorAll('*').length"), 10_000, "")
        tab.evaluate(ASK, "#/cases")
        for query in QUERIES:
            hash_ = "#/cases?q=" + query.replace(" ", "+").replace('"', "%22").replace(">", "%3E")
            told(f"filter {query or '(all)'}"[:34], tab.evaluate(ASK, hash_ + "&x=1"), 100, "ms")
        told("drawer", tab.evaluate(DRAWER), 150, "ms")
        tab.evaluate(ASK, "#/overview")
        told("pivot", tab.evaluate(ASK, "#/overview?columns=python"), 100, "ms")
        for view in ("operators", "parity", "speed", "environments"):
            told(view, tab.evaluate(ASK, f"#/{view}"), 300, "ms")
            nodes = tab.evaluate("document.querySelectorAll('*').length")
            told(f"nodes, {view}", nodes, 10_000, "")
        told("heap", tab.evaluate("performance.memory.usedJSHeapSize") / 1e6, 60, "MB")
        browser.close()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Figures of the report.")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--cases", type=int, action="append")
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    if options.folder:
        page = make(options.folder)
        if options.browser:
            look(page)
        return
    for cases in options.cases or [180_000, 1_000_000]:
        million = cases >= MILLION
        with tempfile.TemporaryDirectory() as temporary:
            folder = multiplied(Path(temporary), cases)
            page = make(folder, million=million)
            if options.browser:
                look(page, million=million)
        print()


if __name__ == "__main__":
    main()
