"""How large, how heavy and how fast the report is at 180,000 results; prints figures and budgets.

    python benchmarks/report.py [--cases 180000] [--browser] [FOLDER]

FOLDER is a run folder to report on; without one, a synthetic run is written to a temporary folder.
`--browser` also opens the page in a real Chromium (on PATH, driven by playwright).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def synthetic(folder: Path, cases: int) -> Path:
    """A run of about so many results."""
    sys.path.insert(0, str(ROOT))
    from tests.browser.synthetic import LARGE, write  # noqa: PLC0415 - lives with the tests

    scale = cases / 180_000
    return write(folder, dataclasses.replace(LARGE, cases=round(1500 * scale)))


def make(folder: Path) -> Path:
    """Makes the report in a process of its own and prints what that took."""
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(folder)], capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    run = json.loads((folder / "run.json").read_text("utf-8"))
    results = sum(sum(cell["counts"].values()) for cell in run["cells"])
    print(f"{results:,} results in {len(run['cells']):,} cells")
    told("made in (CPU)", seen["cpu"], 5, "s")
    told("made in (wall)", seen["wall"], 5, "s")
    told("memory while making", seen["peak"], 300, "MiB")
    told("file", seen["bytes"] / 1e6, 4, "MB")
    page = folder / "index.html"
    text = page.read_text("utf-8")
    data = sum(
        len(part.partition("</script>")[0]) for part in text.split('<script type="text/plain"')[1:]
    )
    rows = text.partition("<main")[2].partition("</main>")[0]
    told("shell (style, script, frame)", (len(text) - data - len(rows)) / 1e3, 200, "kB")
    return page


def look(page: Path) -> None:
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
        told("usable", tab.evaluate("performance.now()"), 1000, "ms")
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
        for view in ("operators", "parity", "environments"):
            told(view, tab.evaluate(ASK, f"#/{view}"), 300, "ms")
            nodes = tab.evaluate("document.querySelectorAll('*').length")
            told(f"nodes, {view}", nodes, 10_000, "")
        told("heap", tab.evaluate("performance.memory.usedJSHeapSize") / 1e6, 60, "MB")
        browser.close()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Figures of the report.")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--cases", type=int, default=180_000)
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or synthetic(Path(temporary), options.cases)
        print(f"run ready after {time.perf_counter() - start:.1f} s")
        page = make(folder)
        if options.browser:
            look(page)


if __name__ == "__main__":
    main()
