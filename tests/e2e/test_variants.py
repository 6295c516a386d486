"""The shipped matrix of variants on real packages: what each saves, and what it costs."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project

pytestmark = [pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
FILES = ("matrices/variants.yaml", "matrices/known/variants.yaml", "matrices/models/variants.py")
ALL = {"float16", "int8-dynamic", "int8-static", "pruned", "distilled", "zeroed"}


def test_the_shipped_matrix(tmp_path: Path) -> None:
    files = {name: (ROOT / name).read_bytes() for name in FILES}
    made = Project({"pytest.ini": "[pytest]\n", **files})
    result = made.run(tmp_path, "--compat-matrix=matrices/variants.yaml", timeout=900)
    assert result.code == 0, result.out[-3000:]
    cells = {cell["id"] for cell in result.run["cells"]}
    assert len(cells) == 3
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for each in result.run["variants"]:
        assert each["of"] == "digits"
        assert "not_compared" not in each
        found[each["model"].removeprefix("digits-")][each["cell"]] = each
    assert set(found) == ALL
    for name, by_cell in found.items():
        assert set(by_cell) == cells, name
    for cell in cells:
        of = {name: by_cell[cell] for name, by_cell in found.items()}
        original = of["zeroed"]["original"]
        assert original["status"] == "passed"
        assert original["accuracy"] > 0.95
        assert original["bytes"] > 200_000
        size = {name: each["variant"]["bytes"] / original["bytes"] for name, each in of.items()}
        right = {name: each["variant"]["accuracy"] for name, each in of.items()}
        sqnr = {name: each["distance"]["sqnr"] for name, each in of.items()}
        # What was measured: a half, a quarter and a bit, nothing saved.
        assert size["float16"] == pytest.approx(0.5, abs=0.02)
        assert 0.25 < size["int8-dynamic"] < 0.3
        assert 0.25 < size["int8-static"] < 0.3
        assert 0.4 < size["pruned"] < 0.6
        assert size["distilled"] < 0.1
        assert size["zeroed"] == 1
        for name in ("float16", "int8-dynamic", "int8-static"):
            assert right[name] == pytest.approx(original["accuracy"], abs=0.01), name
            assert of[name]["distance"]["top1"] > 0.98
        for name in ("pruned", "distilled"):
            assert original["accuracy"] - 0.05 <= right[name] < original["accuracy"]
        # The distance to the original puts them in an order that nobody told it.
        assert sqnr["float16"] > 60 > sqnr["int8-dynamic"] > 40
        assert 60 > sqnr["int8-static"] > 30 > sqnr["distilled"] > sqnr["zeroed"]
        # Right by its own reference, and no good.
        ruined = of["zeroed"]
        assert ruined["variant"]["status"] == "failed"
        assert right["zeroed"] < 0.2
        assert "at most 0.05 is allowed" in ruined["beyond"][0]
        assert {name for name, each in of.items() if each.get("beyond")} == {"zeroed"}
        for each in of.values():
            for side in (each["variant"], each["original"]):
                assert side["repeats"] == 30
                assert 0 < side["low"] <= side["run"] <= side["high"]
                assert side["peak_rss"] > 2**20
            low, high = each["variant"]["low"], each["variant"]["high"]
            apart = low > original["high"], high < original["low"]
            assert each["speed"] == {(True, False): 1, (False, True): -1}.get(apart, 0)
    statuses = {(case["unit"], case["status"], case["outcome"]) for case in result.cases}
    good = {(f"digits-{name}", "passed", "ok") for name in ALL - {"zeroed"}}
    assert statuses == {("digits", "passed", "ok"), ("digits-zeroed", "failed", "xfail"), *good}
    page = (result.report / "index.html").read_text("utf-8")
    assert "18 comparisons, 3 beyond what the matrix allows, 0 without" in page


def test_the_four_of_tensorflow_lite(tmp_path: Path) -> None:
    models = ROOT / "matrices" / "models" / "formats"
    names = ["edge.yaml", "known/edge.yaml"]
    names += [f"models/formats/{path.name}" for path in models.iterdir() if path.is_file()]
    files = {f"matrices/{name}": (ROOT / "matrices" / name).read_bytes() for name in names}
    made = Project({"pytest.ini": "[pytest]\n", **files})
    result = made.run(
        tmp_path, "--compat-matrix=matrices/edge.yaml",
        "--compat-select=framework:ai-edge-litert==2.3.0 provider:cpu image:host",
        timeout=600,
    )  # fmt: skip
    assert result.code == 0, result.out[-3000:]
    found = {each["model"]: each for each in result.run["variants"]}
    size = {
        name: each["variant"]["bytes"] / each["original"]["bytes"] for name, each in found.items()
    }
    assert set(size) == {"float16-weights", "dynamic-range", "int8"}
    assert 0.4 < size["float16-weights"] < 0.7
    assert max(size["dynamic-range"], size["int8"]) < size["float16-weights"]
    near, dynamic = (found[name]["distance"] for name in ("float16-weights", "dynamic-range"))
    assert near["sqnr"] > dynamic["sqnr"] > 10
    assert near["top1"] == 1.0
    # Codes in, codes out: no distance is made up of them.
    assert found["int8"]["not_compared"] == "its inputs are not the original's, byte for byte"
    assert "distance" not in found["int8"]
    assert found["int8"]["variant"]["run"] > 0
