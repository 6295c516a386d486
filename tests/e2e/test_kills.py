"""pytest killed at five seeded moments: nothing acknowledged is lost, nothing is left behind."""

from __future__ import annotations

import pytest

from tests.e2e import kills


@pytest.mark.network
@pytest.mark.slow
def test_killed_runs_lose_nothing_and_continue(tmp_path) -> None:
    *_, tally = kills.sequences(5, 20261121, tmp_path)
    assert tally.kills == 5
    assert tally.acknowledged > 0
    assert tally.lost == 0
    assert tally.left == []
    assert tally.damaged == []
    assert tally.different == []
