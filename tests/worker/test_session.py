"""A session that goes well, under every interpreter."""

from __future__ import annotations

import pytest

from pytest_modelcompat.runner import cell, orders
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


def test_modules_are_kept_between_sessions(worker, tmp_path) -> None:
    code = tmp_path / "kept"
    for _ in range(2):
        session = worker.run([SEVEN, "os.abort()", SEVEN], env={"MODELCOMPAT_CODE": str(code)})
        assert isinstance(session.events[-1], cell.Done)
        assert session.answers[2].error is None
    assert list(code.glob("modelcompat_worker/__pycache__/child.*.pyc"))
    assert not list(tmp_path.glob("modelcompat-*"))


def test_modules_that_cannot_be_kept_are_private(worker, tmp_path) -> None:
    session = worker.run([SEVEN], env={"MODELCOMPAT_CODE": "/proc/no/such/folder"})
    assert session.answers[0].error is None
    assert not list(tmp_path.glob("modelcompat-*"))


def test_an_answer_counts_once(worker) -> None:
    # The process dies after the answer is out and before it has noted that.
    source = (
        "from modelcompat_worker import child\n"
        "def send(*arguments, real=child.send): real(*arguments); os.abort()\n"
        "child.send = send\n" + SEVEN
    )
    session = worker.run([source, SEVEN])
    assert [type(session.answers[n]) for n in (0, 1)] == [cell.Result] * 2
    assert session.process.stats.repeated == 1
    assert session.events[-1].results == 2


def test_a_damaged_answer_is_told(worker) -> None:
    source = (
        "from modelcompat_worker import child\n"
        "real = child.send\n"
        "def send(*arguments): child.send = real\n"
        "child.send = send\n" + SEVEN
    )
    session = worker.run([source, SEVEN])
    assert list(session.answers) == [1]
    (note,) = session.of(cell.Note)
    assert "1 answer" in note.text()


def test_an_answer_that_cannot_be_understood_is_an_error(worker) -> None:
    source = (
        "from modelcompat_worker import child\n"
        "def send(handle, nonce, message, blobs, beat, real=child.send):\n"
        "  child.send = real\n"
        "  message['outputs'] = [[['y', {'k': 't', 'd': 'odd', 's': [], 'o': 0, 'n': 9}]]]\n"
        "  real(handle, nonce, message, blobs, beat)\n"
        "child.send = send\n" + SEVEN
    )
    session = worker.run([source, SEVEN])
    assert session.answers[0].error["type"] == "ProtocolError"
    assert session.answers[1].error is None


def test_a_worker_of_another_release_does_not_guess(worker, monkeypatch) -> None:
    monkeypatch.setattr(orders, "PROTOCOL", 99)
    session = worker.run([SEVEN])
    assert session.answers == {}
    lost = session.events[-1]
    assert isinstance(lost, cell.Lost)
    assert "the host speaks protocol 99" in str(lost)
