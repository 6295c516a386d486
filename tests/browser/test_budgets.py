"""However much there is, a view shows so much at a time, and the rest is a key away."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.report import render
from tests.browser.folders import Made, small

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.browser

MOST = 10_000  # elements of the whole page
CELLS = 1_600
HERE = {"cpu": "a CPU", "machine": "here"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two versions of 800 targets with eight models each; the last cell could not be made."""
    models: dict[str, tuple[str, float | str | None]] = {f"m{n}/x": ("P", 0.1) for n in range(8)}
    cells = [
        Made(version=version, axes={"env.TARGET": f"t{n:04d}"}, models=models)
        for n in range(CELLS // 2)
        for version in ("1.24.4", "1.28.0")
    ]
    last = Made(version="1.28.0", status="environment_failed", axes={"env.TARGET": "last"})
    folder = small(tmp_path_factory.mktemp("many"), [*cells, last])
    _timed(folder)
    return render(folder).as_uri()


def _timed(folder: Path) -> None:
    """Gives every case a time and every cell the same machine; 1.28.0 is slower on t0799 only."""
    run = json.loads((folder / "run.json").read_text("utf-8"))
    slower = set()
    for cell in run["cells"]:
        cell["attestation"] = {"machine": HERE, "cpu": HERE["cpu"]}
        cell["seconds"] = {"run": 3.0}
        if cell["axes"]["env.TARGET"] == "t0799" and "1.28.0" in cell["axes"]["framework"]:
            slower.add(cell["id"])
    (folder / "run.json").write_text(json.dumps(run), "utf-8")
    with gzip.open(folder / "cases.jsonl.gz", "rt", encoding="ascii") as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        run_s = 0.9 if line["cell"] in slower else 0.1
        runs = {"n": 5, "min": run_s * 0.98, "max": run_s * 1.02}
        line["seconds"] = {"run": run_s, "runs": runs}
    with gzip.open(folder / "cases.jsonl.gz", "wt", encoding="ascii", compresslevel=1) as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def nodes(page: Any) -> int:
    found: int = page.evaluate("document.querySelectorAll('*').length")
    return found


@pytest.mark.parametrize("view", ["overview", "operators", "parity", "speed", "environments"])
def test_no_view_is_too_heavy(opened: Callable[..., Any], many: str, view: str):
    with opened() as opening:
        page = opening.go(f"{many}#/{view}")
        assert nodes(page) < MOST


def test_environments_come_worst_first_and_the_keyboard_brings_all(
    opened: Callable[..., Any], many: str
):
    with opened() as opening:
        page = opening.go(f"{many}#/environments")
        rows = page.locator(".environments tbody tr")
        assert "environment failed" in rows.first.inner_text(), "it is the last cell of the run"
        more = page.locator("#mc-environments .show-more")
        while more.is_visible():
            shown = rows.count()
            assert f"({CELLS + 1 - shown:,} left)" in more.inner_text()
            more.press("Enter")
            assert rows.count() > shown
        assert rows.count() == CELLS + 1
        within = "document.activeElement.closest('.environments tbody') !== null"
        assert page.evaluate(within), "the focus went with the button"


def test_every_target_of_the_speed_table_is_reached(opened: Callable[..., Any], many: str):
    with opened() as opening:
        page = opening.go(f"{many}#/speed")
        select = page.locator("[data-tool=part] select")
        names = select.locator("option").all_inner_texts()
        assert names[0] == "1\N{EN DASH}20 of 800"
        assert names[-1] == "781\N{EN DASH}800 of 800, 8 slower", (
            "what got slower is said from outside"
        )
        seen: list[str] = []
        select.focus()
        for part in range(len(names)):
            heads = page.locator(".speed thead th[colspan]").all_inner_texts()
            more = page.locator("#mc-speed .speed").locator("xpath=../following-sibling::button[1]")
            if more.is_visible():
                more.press("Enter")
            assert page.locator(".speed tbody tr").count() == 8
            seen += heads
            if part + 1 < len(names):
                page.locator("[data-tool=part] select").press("ArrowDown")
                # The address changes first, the table with it.
                first = heads[0]
                page.wait_for_function(
                    "old => document.querySelector('.speed thead th[colspan]').innerText !== old",
                    arg=first,
                )
        assert len(seen) == len(set(seen)) == CELLS // 2
        assert "slower" in page.locator(".speed tbody").inner_text()
        assert "part=39" in page.url, "it can be sent as a link"
