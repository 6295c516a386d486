"""A million results in little memory. How fast is for the benchmark to tell, in the same way."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.store import MEMORY, STAGES, measure


@pytest.mark.slow
def test_a_million_results(tmp_path: Path):
    number = 1_000_000
    found = {
        stage: measure(stage, tmp_path / "run", number, 200) for stage in STAGES if stage != "bare"
    }
    assert {stage for stage, (_, memory) in found.items() if memory >= MEMORY} == set()


def test_the_benchmark_runs(tmp_path: Path):
    for stage in STAGES:
        seconds, memory = measure(stage, tmp_path / "run", 20_000, 200)
        assert seconds > 0
        assert memory < MEMORY
