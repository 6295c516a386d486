"""Answers that came before are read, stored and compared once, whichever cell gives them again."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.results import rules
from pytest_modelcompat.results.judge import EQUAL
from pytest_modelcompat.results.model import Stage
from pytest_modelcompat.results.remembered import Remembered
from pytest_modelcompat.runner import cell, command, stream
from pytest_modelcompat.runner.cell import CaseOrder
from pytest_modelcompat.runner.events import Ended, Named, Note, Result, event_of
from pytest_modelcompat.runner.expected import Expected, ExpectedCase
from pytest_modelcompat.worker.values import Blobs, Value, describe

if TYPE_CHECKING:
    from pathlib import Path


def floats(*values: float) -> Value:
    return Value.tensor("float32", (len(values),), struct.pack(f"<{len(values)}f", *values))


def sent(*answers: list[tuple[str, Value]], **changes: Any) -> tuple[dict[str, Any], memoryview]:
    """A result as a worker sends it."""
    blobs = Blobs()
    outputs = [[(name, describe(value, blobs)) for name, value in each] for each in answers]
    message = {
        "type": "result", "n": 3, "variant": None, "stage": "run", "error": None,
        "outputs": outputs, "distinct": [0], "ran_on": {"CPUExecutionProvider": 1},
        "load_seconds": 0.5, "run_seconds": [0.25], "peak_rss": 1, "opset": 18, **changes,
    }  # fmt: skip
    return message, memoryview(b"".join(blobs))


def result(restored: Remembered[list[Named]], *answers: Any, **changes: Any) -> Result:
    found = event_of(*sent(*answers, **changes), restored)
    assert isinstance(found, Result)
    return found


@pytest.fixture
def restored() -> Remembered[list[Named]]:
    return Remembered(10)


def test_the_same_answer_is_read_once(restored: Remembered[list[Named]]) -> None:
    first = result(restored, [("y", floats(1, 2))])
    again = result(restored, [("y", floats(1, 2))], n=9, load_seconds=0.75)
    assert again.outputs is first.outputs
    assert (again.n, again.load_seconds) == (9, 0.75)
    assert again.answer == first.answer


@pytest.mark.parametrize(
    "other",
    [
        [("y", floats(1, 3))],
        [("z", floats(1, 2))],
        [("y", Value.tensor("int32", (2,), struct.pack("<2f", 1, 2)))],
        [("y", Value.tensor("float32", (2, 1), struct.pack("<2f", 1, 2)))],
        [("y", floats(1, 2)), ("z", floats())],
    ],
)
def test_another_answer_is_another(restored: Remembered[list[Named]], other: Named) -> None:
    first = result(restored, [("y", floats(1, 2))])
    second = result(restored, other)
    assert first.outputs == [[("y", floats(1, 2))]]
    assert second.outputs == [other]
    assert second.answer != first.answer


def test_much_is_not_remembered(restored: Remembered[list[Named]]) -> None:
    assert result(restored, [("y", floats(*range(2000)))]).answer is None
    assert not len(restored)


def test_a_name_that_is_no_text_is_read_all_the_same(restored: Remembered[list[Named]]) -> None:
    assert result(restored, [("\ud800", floats(1))]).outputs == [[("\ud800", floats(1))]]


@pytest.mark.parametrize(
    "damage",
    [
        {"n": "3"}, {"n": None}, {"n": True}, {"stage": "lunch"}, {"error": "x"},
        {"outputs": [[["y"]]]}, {"outputs": None}, {"outputs": [[["y", {"k": "?"}]]]},
        {"distinct": [-1]}, {"ran_on": {"CPU": -1}}, {"ran_on": {"CPU": 1.5}},
        {"load_seconds": -1.0}, {"load_seconds": float("nan")}, {"load_seconds": float("inf")},
        {"run_seconds": 1.0}, {"run_seconds": ["1"]}, {"peak_rss": 2**63}, {"opset": 1.0},
        {"inputs": [["x", None]]},
    ],
)  # fmt: skip
def test_damage_is_told_and_not_remembered(
    restored: Remembered[list[Named]], damage: dict[str, Any]
) -> None:
    message, raw = sent([("y", floats(1))], **damage)
    with pytest.raises((ValueError, KeyError, TypeError)):
        event_of(message, raw, restored)
    assert result(restored, [("y", floats(1))]).outputs == [[("y", floats(1))]]


def test_what_is_left_out_is_damage(restored: Remembered[list[Named]]) -> None:
    message, raw = sent([("y", floats(1))])
    for name in set(message) - {"type"}:
        with pytest.raises((ValueError, KeyError, TypeError)):
            event_of({key: each for key, each in message.items() if key != name}, raw, restored)


class Held(ExpectedCase):
    """A case without a bundle."""

    def __init__(self, *outputs: tuple[str | int, Value]) -> None:
        self.outputs = outputs
        self.about = {}
        self._digest = ""
        self._terms = None


class Kept:
    """A store that counts what it is given."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def put(self, data: bytes) -> str:
        self.given.append(data)
        return f"digest {len(set(self.given))}"


def test_an_answer_is_stored_once_for_all_cells(restored: Remembered[list[Named]]) -> None:
    store, case = Kept(), Held(("y", floats(1, 2)))
    expected = Expected(store.put)
    seen = [result(restored, [("y", floats(1, 2.5))], n=n) for n in range(3)]
    kept = [expected.kept(case, each.outputs, each.answer) for each in seen]
    assert len(store.given) == 2, "the answer and what was expected"
    assert kept[0] == kept[1] == kept[2]
    assert not kept[0].identical
    assert kept[0].expected


def test_each_case_has_its_own(restored: Remembered[list[Named]]) -> None:
    store = Kept()
    expected = Expected(store.put)
    answer = result(restored, [("y", floats(1, 2))])
    right = expected.kept(Held(("y", floats(1, 2))), answer.outputs, answer.answer)
    wrong = expected.kept(Held(("y", floats(2, 1))), answer.outputs, answer.answer)
    assert (right.outputs, right.expected, right.identical) == ((EQUAL,), None, True)
    assert (len(wrong.outputs), wrong.identical) == (1, False)
    assert wrong.outputs != (EQUAL,)


def test_much_is_stored_each_time_and_has_the_same_digest(
    restored: Remembered[list[Named]],
) -> None:
    store, case = Kept(), Held(("y", floats(1)))
    expected = Expected(store.put)
    large = [result(restored, [("y", floats(*range(2000)))]) for _ in range(2)]
    first, second = (expected.kept(case, each.outputs, each.answer) for each in large)
    assert first == second


def test_other_rules_judge_anew(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"

    def say(status: str) -> str:
        mine.write_text(
            "rules:\n- {id: mine.one, message: 'out of luck', "
            f"status: {status}, note: n, seen: ['mine 1']}}\n"
        )
        rules.use({"mine": mine})
        found = rules.classify(
            "mine", ended="raised", type_="E", message="out of luck", stage=Stage.RUN
        )
        assert found is not None
        return found.status.value

    try:
        assert [say("unsupported"), say("gated")] == ["unsupported", "gated"]
    finally:
        rules.use({})


@pytest.mark.parametrize("name", [0, 7, None])
def test_adapters_from_elsewhere_may_name_by_position(
    restored: Remembered[list[Named]], name: object
) -> None:
    assert result(restored, [(name, floats(1))]).outputs == [[(str(name), floats(1))]]


def test_what_describes_much_is_not_remembered_either(restored: Remembered[list[Named]]) -> None:
    empty = Value.sequence([floats() for _ in range(2000)])
    assert result(restored, [("y", empty)]).answer is None
    assert not len(restored)


def test_what_is_remembered_does_not_keep_its_message(restored: Remembered[list[Named]]) -> None:
    message, raw = sent([("y", floats(1))])
    found = event_of(message, raw, restored)
    assert isinstance(found, Result)
    assert found.answer is not None
    assert found.outputs[0][0][1].data.obj is found.answer[1]


class Sends:
    """A kind of environment whose workers send these messages, through a pipe of that size."""

    def __init__(self, messages: list[tuple[dict[str, Any], int]], pipe: int = 0) -> None:
        self.messages, self.pipe = messages, pipe

    def inside(self, file: Path, **_: Any) -> Path:
        return file

    def start(self, _: Any, arguments: Any, *, folder: Path, **__: Any) -> Any:
        code = (
            "import json, sys\n"
            "from pytest_modelcompat.worker.protocol import send\n"
            "for message, size in json.loads(sys.argv[2]):\n"
            "    send(1, bytes.fromhex(sys.argv[1]), message, [bytes(size)])\n"
        )
        told = [sys.executable, "-c", code, arguments[-1], json.dumps(self.messages)]
        started = command.start(told, env=dict(os.environ), cwd=folder)
        if self.pipe:
            fcntl.fcntl(started.stdout.fileno(), fcntl.F_SETPIPE_SZ, self.pipe)
        return started


def told(kind: Sends, folder: Path, **given: Any) -> list[Any]:
    order = cell.Order(runtime="r", distribution="d", provider="p", bundles=())
    made = cell.CellProcess(
        kind,  # type: ignore[arg-type]
        SimpleNamespace(python=("python",)),  # type: ignore[arg-type]
        order=order, folder=folder, env={}, worker=folder / "worker", **given,
    )  # fmt: skip
    with made as process:
        process.submit([CaseOrder(n=3, bundle=0, index=3)])
        return list(process.events())


_DONE = ({"type": "done", "results": 1, "children": 1}, 0)


def test_the_first_cell_fills_the_memory_of_all(
    tmp_path: Path, restored: Remembered[list[Named]]
) -> None:
    message, raw = sent([("y", floats(0))])
    seen = told(Sends([(message, len(raw)), _DONE]), tmp_path, restored=restored)
    assert any(isinstance(each, Result) for each in seen)
    assert len(restored) == 1


@pytest.mark.parametrize("pipe", [4096, 65536, 0])
def test_nobody_naps_while_a_large_answer_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe: int
) -> None:
    naps: list[float] = []

    def fcntl_(handle: int, what: int, *value: int) -> int:
        if value:
            raise PermissionError  # as where the user has too many pipes
        return fcntl.fcntl(handle, what)

    if pipe:
        monkeypatch.setattr(
            stream, "fcntl", SimpleNamespace(
                fcntl=fcntl_, F_SETPIPE_SZ=fcntl.F_SETPIPE_SZ, F_GETPIPE_SZ=fcntl.F_GETPIPE_SZ
            )
        )  # fmt: skip
    monkeypatch.setattr(stream.time, "sleep", naps.append)
    size = 2 << 20
    message, _ = sent([("y", Value.tensor("uint8", (size,), bytes(size)))])
    seen = told(Sends([(message, size), _DONE], pipe), tmp_path)
    assert [len(each.outputs[0][0][1].data) for each in seen if isinstance(each, Result)] == [size]
    assert len(naps) < 10


@pytest.mark.parametrize(
    ("n", "variant"), [(-1, None), (4, None), (2**31, None), (3, "cpu"), (4, "no_optimization")]
)
@pytest.mark.parametrize("kind", ["result", "ended"])
def test_an_answer_that_nobody_asked_for_is_left_out(
    n: int, variant: str | None, kind: str, tmp_path: Path
) -> None:
    asked, raw = sent([("y", floats(1))])
    other = {**asked, "n": n, "variant": variant}
    if kind == "ended":
        other = {"type": "ended", "n": n, "variant": variant, "how": "crashed", "stage": "run"}
    seen = told(Sends([(other, len(raw)), (asked, len(raw)), _DONE]), tmp_path)
    assert [each.n for each in seen if isinstance(each, (Result, Ended))] == [3]
    (note,) = (each for each in seen if isinstance(each, Note))
    assert "was not given" in note.message
