"""A session that goes well, under every interpreter."""

from __future__ import annotations

import pytest

from pytest_modelcompat.runner import cell
from pytest_modelcompat.worker.values import Value

SEVEN = "out = {'y': Value.tensor('int8', (1,), b'\\x07')}"


@pytest.mark.every_python
def test_results_in_order(worker) -> None:
    session = worker.run([SEVEN] * 5)
    kinds = [type(event) for event in session.events]
    assert kinds == [cell.Hello, cell.Attest, *[cell.Result] * 5, cell.Done]
    assert [event.n for event in session.of(cell.Result)] == list(range(5))
    result = session.answers[0]
    assert result.outputs == [[("y", Value.tensor("int8", (1,), b"\x07"))]]
    assert result.error is None
    assert result.ran_on == {"cpu": 1}
    assert len(result.run_seconds) == 1
    assert session.events[-1] == cell.Done(results=5, children=1)
    assert session.process.stats == cell.Stats()
