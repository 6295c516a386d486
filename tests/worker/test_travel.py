"""Values of every kind travel through the stream without a change; results of every size."""

from __future__ import annotations

import struct
import sys
import threading
import time

import pytest

from pytest_modelcompat.runner import cell
from pytest_modelcompat.worker.values import BITS, Value, nbytes
from tests.worker.conftest import interpreter

QUIET_NAN, SIGNALLING_NAN = b"\x01\x00\xc0\x7f", b"\x01\x00\xa0\x7f"
ODD_FLOATS = struct.pack("<6f", float("inf"), float("-inf"), -0.0, 1e-45, -1e-40, 3.4e38)

VALUES = {
    "nan, infinities, -0, subnormals": Value.tensor(
        "float32", (2, 4), ODD_FLOATS + QUIET_NAN + SIGNALLING_NAN
    ),
    "doubles": Value.tensor("float64", (3,), struct.pack("<3d", 5e-324, float("nan"), -0.0)),
    "empty": Value.tensor("float32", (0,), b""),
    "empty with dimensions": Value.tensor("int64", (3, 0, 2), b""),
    "scalar": Value.tensor("int64", (), struct.pack("<q", -(2**63))),
    "strings": Value.tensor(
        "string",
        (2, 2),
        [b"", "grün".encode(), b"em\0bedded\0", "\ud800\udfff".encode("utf-8", "surrogatepass")],
    ),
    "no strings": Value.tensor("string", (0, 5), []),
    "scalar string": Value.tensor("string", (), [b"x" * 70000]),
    "odd count of int4": Value.tensor("int4", (3,), b"\x21\x03"),
    "ragged sequence": Value.sequence(
        [Value.tensor("int8", (n,), bytes(n)) for n in range(5)]
        + [Value.tensor("string", (1,), [b"s"])]
    ),
    "empty sequence": Value.sequence([], "float32"),
    "sequence of sequences": Value.sequence([Value.sequence([]), Value.sequence([Value.none()])]),
    "filled optional": Value.optional(Value.tensor("bool", (2,), b"\1\0")),
    "empty optional": Value.optional(),
    "optional sequence": Value.optional(Value.sequence([Value.optional()])),
    "map to a tensor": Value.mapping(
        Value.tensor("string", (2,), [b"a", b"b"]), Value.tensor("float32", (2,), bytes(8))
    ),
    "map to values": Value.mapping(Value.tensor("int64", (1,), bytes(8)), [Value.sequence([])]),
    "nothing": Value.none(),
    **{
        f"all of {dtype}": Value.tensor(dtype, (2, 3), bytes(range(nbytes(dtype, (2, 3)))))
        for dtype in BITS
    },
}


@pytest.mark.every_python
def test_every_value_travels_both_ways(worker) -> None:
    echo = "out = dict(feeds)"
    cases = [
        {"run": echo, "inputs": [("x", value), ("a\0b\ud800", value)]} for value in VALUES.values()
    ]
    session = worker.run(cases)
    for n, (name, value) in enumerate(VALUES.items()):
        assert session.answers[n].error is None, name
        assert session.answers[n].outputs == [[("x", value), ("a\0b\ud800", value)]], name


@pytest.mark.parametrize("size", [0, 1, 65_000, 65_536, 65_537, 131_072, 1_000_003])
def test_sizes_around_the_frame(worker, size: int) -> None:
    data = f"bytes(i * 7 % 251 for i in range({size}))"
    source = f"out = {{'y': Value.tensor('uint8', ({size},), {data})}}"
    session = worker.run([source])
    found = bytes(session.answers[0].outputs[0][0][1].data)
    assert found == bytes(i * 7 % 251 for i in range(size))


def test_many_small_outputs(worker) -> None:
    source = "out = [('y%d' % i, Value.tensor('int8', (70,), bytes(70))) for i in range(20000)]"
    session = worker.run([source])
    assert len(session.answers[0].outputs[0]) == 20_000


@pytest.mark.slow
def test_more_than_two_gibibytes(worker) -> None:
    size = (2 << 30) + 7
    source = (
        f"data = bytearray({size}); data[-1] = 9\n"
        f"out = {{'y': Value.tensor('uint8', ({size},), data)}}"
    )
    session = worker.run([source, "out = {'y': Value.tensor('int8', (1,), b'x')}"], case=120.0)
    data = session.answers[0].outputs[0][0][1].data
    assert len(data) == size
    assert data[-1] == 9
    assert session.answers[1].error is None


# -- repeats, variants, inputs


@pytest.mark.every_python
def test_distinct_repeats(worker) -> None:
    source = "out = {'y': Value.tensor('int8', (1,), b'aabca'[call:call + 1])}"
    session = worker.run([source], repeats=5)
    result = session.answers[0]
    assert [bytes(answer[0][1].data) for answer in result.outputs] == [b"a", b"b", b"c"]
    assert result.distinct == (0, 0, 1, 2, 0)
    assert len(result.run_seconds) == 5


def test_nan_repeats_are_not_distinct(worker) -> None:
    source = "out = {'y': Value.tensor('float32', (1,), b'\\0\\0\\xc0\\x7f')}"
    assert len(worker.run([source], repeats=3).answers[0].outputs) == 1


def test_variants_have_settings_of_their_own(worker) -> None:
    source = (
        "text = '%s %s' % (session.provider, sorted(session.options.items()))\n"
        "out = {'y': Value.tensor('string', (), [text.encode()])}"
    )
    variants = {"a": {"provider": "other"}, "b": {"options": {"level": "0"}}}
    order = {"options": {"level": "9", "k": "v"}, "threads": 2, "variants": variants}
    with worker.start([worker.bundle([source])], **order) as process:
        for variant in (None, "a", "b"):
            process.submit([cell.CaseOrder(n=0, bundle=0, index=0, variant=variant)])
        process.finish()
        results = [event for event in process.events() if isinstance(event, cell.Result)]
    texts = {result.variant: bytes(result.outputs[0][0][1].data[0]) for result in results}
    assert texts == {
        None: b"cpu [('k', 'v'), ('level', '9'), ('threads', '2')]",
        "a": b"other [('k', 'v'), ('level', '9'), ('threads', '2')]",
        "b": b"cpu [('k', 'v'), ('level', '0'), ('threads', '2')]",
    }


def test_inputs_by_position(worker) -> None:
    one, two = Value.tensor("int8", (1,), b"1"), Value.tensor("int8", (1,), b"2")
    names = {"run": "out = sorted(feeds.items(), key=str)"}
    both = {**names, "load": "session.model['inputs'] = ['a', 'b']"}
    session = worker.run(
        [
            {**both, "inputs": [(1, two), (0, one)]},
            {**names, "inputs": [(1, two)]},
        ]
    )
    assert session.answers[0].outputs == [[("a", one), ("b", two)]]
    error = session.answers[1].error
    assert (error["type"], session.answers[1].stage) == ("ValueError", "run")
    assert "position 1" in error["message"]


def test_random_inputs_are_made_and_returned(worker) -> None:
    pytest.importorskip("numpy")
    worker.python = sys.executable  # an interpreter that has numpy
    signature = [["x", "float32", ["batch", 3, None]], ["ids", "int64", [2]], ["s", "string", [2]]]
    signature += [[dtype, dtype, [3]] for dtype in BITS]
    case = {
        "load": f"session.model['signature'] = {signature!r}",
        "run": "out = dict(feeds)",
        "random": {"seed": 1, "n": 0, "dims": {"batch": 2}},
    }
    other = {**case, "random": {"seed": 1, "n": 1, "dims": {"batch": 2}}}
    session = worker.run([dict(case), dict(case), other])
    first, again, different = (session.answers[n] for n in range(3))
    assert first.error is None, first.error
    assert first.inputs == first.outputs[0]
    assert [(name, value.dtype) for name, value in first.inputs[3:]] == [(d, d) for d in BITS]
    assert first.inputs[0][1].shape == (2, 3, 1)
    assert again.inputs == first.inputs
    assert different.inputs != first.inputs
    floats = struct.unpack("<6f", bytes(first.inputs[0][1].data))
    assert len(set(floats)) == 6
    assert all(abs(number) < 10 for number in floats)


def test_a_data_set_is_given_in_calls_unless_the_whole_is_asked_for(worker) -> None:
    pytest.importorskip("numpy")
    worker.python = sys.executable
    case = {
        "load": "session.model['signature'] = [['x', 'float32', [4, 3]]]",
        "run": "rows = feeds['x'].shape[0].to_bytes(8, 'little')\n"
        "out = dict(feeds, rows=Value.tensor('int64', (1,), rows))",
        "random": {"seed": 1, "n": 0, "dims": {}},
        "calls": {"kind": "batch", "size": 3, "axis": 0},
    }
    bundle = worker.bundle([case])
    with worker.start([bundle]) as process:
        orders = [cell.CaseOrder(n=n, bundle=0, index=0, repeats=2, whole=bool(n)) for n in (0, 1)]
        process.submit(orders)
        process.finish()
        answers = [event for event in process.events() if isinstance(event, cell.Result)]
    assert [answer.error for answer in answers] == [None, None]
    rows = [struct.unpack(f"<{n}q", dict(answer.outputs[0])["rows"].data)
            for answer, n in zip(answers, (2, 1), strict=True)]  # fmt: skip
    assert rows == [(3, 1), (4,)]
    for answer in answers:
        assert dict(answer.outputs[0])["x"] == dict(answer.inputs)["x"]
        assert len(answer.run_seconds) == 2


# -- what is raised


@pytest.mark.every_python
def test_exceptions_travel_as_they_are(worker) -> None:
    cases = [
        {"load": "raise ValueError('at load')"},
        {"assign": "raise OSError(2, 'at assign')"},
        "raise type('Fail', (Exception,), {'__module__': 'runtime.api'})('[ONNXRuntimeError] : 9')",
        "raise ValueError('lone \\ud800 nul \\0 escape \\x1b')",
        "raise ValueError('x' * 10_000_000)",
        "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()",
        "raise BaseException('base')",
        "raise GeneratorExit",
        "def f(): f()\nf()",
        "out = [('y', 3)]",
        "out = [('y', Value.tensor('float32', (2,), b'short'))]",
        "out = 7",
    ]
    session = worker.run(cases)
    errors = [session.answers[n].error for n in range(len(cases))]
    assert [session.answers[n].stage for n in range(3)] == ["load", "assign", "run"]
    assert (errors[0]["type"], errors[0]["message"]) == ("ValueError", "at load")
    assert errors[1]["type"] == "FileNotFoundError"
    assert errors[2]["type"] == "runtime.api.Fail"
    assert errors[3]["message"] == "lone \ud800 nul \0 escape \x1b"
    assert len(errors[4]["message"]) < 70_000
    assert "characters left out" in errors[4]["message"]
    assert "ZeroDivisionError" in errors[5]["message"]
    assert errors[6]["type"] == "BaseException"
    assert errors[7]["type"] == "GeneratorExit"
    assert errors[8]["type"] == "RecursionError"
    assert all(error is not None for error in errors)
    assert "playground.py" in errors[0]["where"]
    assert session.events[-1].children == 1


def test_unavailable_provider(worker) -> None:
    session = worker.run(["out = []"], provider="gpu")
    (told,) = session.of(cell.Unavailable)
    assert told.reason == "no provider gpu"
    assert not session.answers
    assert session.events[-1] == cell.Done(results=0, children=1)


def test_attestation(worker, tmp_path) -> None:
    (tmp_path / "Some_Thing-1.5.dist-info").mkdir()
    facts = worker.run([], path=(tmp_path,)).of(cell.Attest)[0].facts
    assert facts["python"].startswith("3.")
    assert facts["implementation"] == "CPython"
    assert facts["runtime"] == "playground"
    assert facts["libc"]
    assert facts["cpus"] >= 1
    assert facts["distributions"]["some-thing"] == "1.5"


# -- the host's side of the stream


def test_a_slow_host_trips_no_deadline(worker) -> None:
    source = "out = {'y': Value.tensor('int8', (1 << 20,), bytes(1 << 20))}"
    with worker.start([worker.bundle([source] * 6)], case=0.5) as process:
        process.submit([cell.CaseOrder(n=n, bundle=0, index=n) for n in range(6)])
        process.finish()
        answers = []
        for event in process.events():
            if isinstance(event, cell.Result):
                answers.append(event)
                time.sleep(0.8)
            assert not isinstance(event, cell.Ended)
    assert [answer.n for answer in answers] == list(range(6))


def test_a_child_that_hangs_while_sending_is_found(worker) -> None:
    # While the frame goes out, a thread of the case takes the interpreter and never gives it back.
    source = (
        "import ctypes, threading, time\n"
        "from modelcompat_worker import child, protocol\n"
        "def stuck(*_): ctypes.PyDLL(None).sleep(1000)\n"
        "child.send = stuck\n"
        "out = []"
    )
    session = worker.run([source, "out = []"], case=0.5)
    assert session.answers[0].how == "timed_out"
    assert session.answers[1].error is None


# The process dies after a part of a big answer went out.
TORN = (
    "from modelcompat_worker import protocol\n"
    "def write(handle, pieces, real=protocol.write, seen=[]):\n"
    "  seen.append(1)\n"
    "  if len(seen) < 4: return real(handle, pieces)\n"
    "  os.write(handle, b''.join(pieces)[:30000]); os.abort()\n"
    "protocol.write = write\n"
    "out = {'y': Value.tensor('int8', (1 << 20,), bytes(1 << 20))}"
)


def test_a_torn_frame_is_found_at_once(worker) -> None:
    with worker.start([worker.bundle([TORN])]) as process:
        process.submit([cell.CaseOrder(n=0, bundle=0, index=0)])
        patience = threading.Timer(15.0, process.kill)
        patience.start()
        for event in process.events():  # nothing else will come until this one is answered
            if isinstance(event, cell.Ended):
                patience.cancel()
                process.finish()
    assert isinstance(event, cell.Done)


def test_a_frame_torn_by_death(worker) -> None:
    fine = "out = {'y': Value.tensor('int8', (1,), b'x')}"
    session = worker.run([fine, TORN, fine, fine])
    assert session.answers[1].how == "crashed"
    assert session.answers[1].signal == "SIGABRT"
    assert [session.answers[n].error for n in (0, 2, 3)] == [None] * 3
    assert session.process.stats.torn == 2  # the frame, and the message that it belonged to


def test_more_cases_while_it_runs(worker) -> None:
    fine = "out = {'y': Value.tensor('int8', (1,), b'x')}"
    with worker.start([worker.bundle([fine] * 50)]) as process:
        seen = []
        process.submit([cell.CaseOrder(n=0, bundle=0, index=0)])
        for event in process.events():
            if isinstance(event, cell.Result):
                seen.append(event.n)
                if event.n < 49:
                    process.submit([cell.CaseOrder(n=event.n + 1, bundle=0, index=event.n + 1)])
                else:
                    process.finish()
    assert seen == list(range(50))


def test_a_big_order(worker) -> None:
    fine = "out = {'y': Value.tensor('int8', (1,), b'x')}"
    with worker.start([worker.bundle([fine])]) as process:
        process.submit([cell.CaseOrder(n=n, bundle=0, index=0) for n in range(20_000)])
        process.finish()
        seen = [event.n for event in process.events() if isinstance(event, cell.Result)]
    assert seen == list(range(20_000))


# -- interpreters that are none


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/bin/sh\necho 'bad interpreter' >&2\nexit 127\n", "bad interpreter"),
        ("#!/bin/sh\nexit 0\n", "exit code 0"),
        ("#!/no/such/program\n", "cannot be started"),
        ("#!/bin/sh\nkill -9 $$\n", "-9"),
    ],
)
def test_broken_interpreters_are_unavailable(worker, tmp_path, script: str, words: str) -> None:
    path = tmp_path / "python"
    path.write_text(script)
    path.chmod(0o755)
    worker.python = str(path)
    session = worker.run(["out = []"])
    (told,) = session.events
    assert isinstance(told, cell.Unavailable)
    assert words in told.reason


def test_an_interpreter_that_is_too_old_is_unavailable(worker) -> None:
    path = interpreter("3.7")
    if path is None:
        pytest.skip("no Python 3.7 on this machine")
    worker.python = path
    (told,) = worker.run(["out = []"]).events
    assert isinstance(told, cell.Unavailable)
    assert "needs Python 3.8" in told.reason


def test_an_entry_point_that_prints(worker, tmp_path) -> None:
    path = tmp_path / "python"
    words = 'echo "Welcome"\necho "to the image" >&2'
    path.write_text(f'#!/bin/sh\n{words}\nexec {worker.python} "$@"\n')
    path.chmod(0o755)
    worker.python = str(path)
    session = worker.run(["out = []"])
    assert session.answers[0].error is None
    assert session.process.stats.garbage == len("Welcome\n")
