"""Cases that behave badly without dying: what they change, print, start and write is contained."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_modelcompat.runner import cell
from tests.worker.conftest import mentions

SEVEN = "out = {'y': Value.tensor('int8', (1,), b'\\x07')}"


def assert_all_passed(session, count: int) -> None:
    assert sorted(session.answers) == list(range(count))
    for answer in session.answers.values():
        assert isinstance(answer, cell.Result), answer
        assert answer.error is None, answer.error
    assert isinstance(session.events[-1], cell.Done)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state != b"Z"


# -- processes

FORKS = {
    "child": "pid = os.fork()\nif not pid: time.sleep(1000); os._exit(0)",
    "own session": "pid = os.fork()\nif not pid: os.setsid(); time.sleep(1000); os._exit(0)",
    "double fork": (
        "r, w = os.pipe()\n"
        "first = os.fork()\n"
        "if not first:\n"
        "  os.setsid()\n"
        "  second = os.fork()\n"
        "  if second: os.write(w, b'%d' % second); os._exit(0)\n"
        "  os.closerange(0, w); os.closerange(w + 1, 256); time.sleep(1000); os._exit(0)\n"
        "os.waitpid(first, 0); pid = int(os.read(r, 20))"
    ),
    "deaf": (
        "import signal\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "  signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32)); time.sleep(1000); os._exit(0)"
    ),
    "program": "import subprocess; pid = subprocess.Popen(['sleep', '1000']).pid",
}


@pytest.mark.parametrize("name", FORKS)
@pytest.mark.parametrize("then", ["returns", "crashes", "hangs"])
def test_what_a_case_starts_ends_with_it(worker, name: str, then: str) -> None:
    ending = {"returns": SEVEN, "crashes": "os.abort()", "hangs": "time.sleep(1000)"}[then]
    source = f"import time\n{FORKS[name]}\nprint('pid', pid, flush=True)\n"
    source += f"open('/proc/self/fd/2', 'w').write('pid %d\\n' % pid)\n{ending}"
    check = "out = {'y': Value.tensor('int8', (1,), b'\\x01')}"
    session = worker.run([source, check], case=1.5)
    assert isinstance(session.answers[1], cell.Result)
    (leftover,) = session.of(cell.Leftover)
    assert leftover.n == 0
    assert len(leftover.pids) == 1
    assert not any(alive(pid) for pid in leftover.pids)
    if then == "returns":
        assert isinstance(session.answers[0], cell.Result)
        assert session.answers[0].error is None
        assert session.events.index(leftover) < session.events.index(session.answers[0])
    else:
        assert f"pid {leftover.pids[0]}" in session.answers[0].output


def test_a_forked_copy_answers_nothing(worker) -> None:
    source = "import time\nif os.fork(): time.sleep(0.5)\n" + SEVEN
    session = worker.run([source, SEVEN])
    assert_all_passed(session, 2)
    assert session.process.stats.repeated == 0


def test_many_generations(worker, tmp_path: Path) -> None:
    bomb = (
        "import time\n"
        "for _ in range(5):\n"
        "  if not os.fork(): os.setsid()\n"
        "if os.getpid() != int(open('pid').read()): time.sleep(1000); os._exit(0)\n" + SEVEN
    )
    session = worker.run([{"load": "open('pid', 'w').write(str(os.getpid()))", "run": bomb}, SEVEN])
    assert_all_passed(session, 2)
    assert len(session.of(cell.Leftover)[0].pids) >= 5  # not all of them need have forked yet
    assert not mentions(tmp_path)


def test_a_child_that_ended_by_itself_is_no_leftover(worker) -> None:
    source = "import time\nif not os.fork(): os._exit(0)\ntime.sleep(0.1)\n" + SEVEN
    session = worker.run([source, SEVEN])
    assert_all_passed(session, 2)
    assert not session.of(cell.Leftover)


def test_a_helper_of_the_framework_lives_on(worker) -> None:
    started = "import subprocess; HELPER = subprocess.Popen(['sleep', '1000'])"
    check = "import playground; assert playground.HELPER.poll() is None;" + SEVEN
    session = worker.run([check, check], env={"PLAYGROUND_IMPORT": started})
    assert_all_passed(session, 2)
    assert not session.of(cell.Leftover)


# -- output


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_output_is_drained_and_capped(worker, stream: str) -> None:
    number = {"stdout": 1, "stderr": 2}[stream]
    source = (
        f"sys.{stream}.write('the beginning ')\n"
        f"for _ in range(3000): os.write({number}, b'x' * 65536)\n"
        f"sys.{stream}.write(' the end'); sys.{stream}.flush(); os.abort()"
    )
    session = worker.run([source, SEVEN])
    output = session.answers[0].output
    assert output.startswith("the beginning")
    assert " the end" in output
    assert "bytes left out" in output
    assert len(output) < 50_000
    assert isinstance(session.answers[1], cell.Result)


def test_output_that_never_ends_meets_the_deadline(worker) -> None:
    session = worker.run(["while True: os.write(1, b'x' * 65536)", SEVEN], case=1.0)
    assert session.answers[0].how == "timed_out"
    assert isinstance(session.answers[1], cell.Result)


def test_binary_and_terminal_output_is_kept(worker) -> None:
    source = "os.write(1, b'\\x1b[2J\\xff\\xfe\\0\\x07 plain \\xed\\xa0\\x80'); os.abort()"
    session = worker.run([source])
    assert "\x1b[2J\\xff\\xfe\0\x07 plain" in session.answers[0].output


def test_output_belongs_to_the_case_that_printed_it(worker) -> None:
    noisy = "print('from the first', flush=True); import time; time.sleep(0.3);" + SEVEN
    loud = "print('from the third', flush=True); os.abort()"
    session = worker.run([noisy, "os._exit(3)", noisy, loud])
    assert session.answers[1].output == ""
    assert "from the third" in session.answers[3].output
    assert "from the first" not in session.answers[3].output


# -- descriptors

CLOSING = {
    "low ones": "os.closerange(0, 100)",
    "all": "os.closerange(0, 65536)",
    "all, then reused": (
        "os.closerange(0, 65536)\n"
        "for _ in range(300): os.open('/dev/null', os.O_RDWR)"
    ),
    "the pipe replaced": (
        "null = os.open('/dev/null', os.O_RDWR)\n"
        "for fd in range(3, 300):\n"
        "  try: os.fstat(fd); os.dup2(null, fd)\n"
        "  except OSError: pass"
    ),
    "non-blocking": (
        "for fd in range(300):\n"
        "  try: os.set_blocking(fd, False)\n"
        "  except OSError: pass"
    ),
    "standard ones": "os.close(0); os.close(1); os.close(2)",
}  # fmt: skip


@pytest.mark.every_python
@pytest.mark.parametrize("name", CLOSING)
def test_descriptors_closed_or_replaced(worker, name: str) -> None:
    big = "out = {'y': Value.tensor('int8', (1 << 20,), bytes(1 << 20))}"
    cases = [SEVEN, f"{CLOSING[name]}\n{big}", big, "assert os.fstat(1) and os.fstat(2);" + SEVEN]
    session = worker.run(cases)
    assert_all_passed(session, 4)
    assert len(session.answers[1].outputs[0][0][1].data) == 1 << 20


def everywhere(what: str) -> str:
    return f"for fd in range(3, 300):\n  try: os.write(fd, {what})\n  except OSError: pass\n{SEVEN}"


def test_garbage_in_every_descriptor(worker) -> None:
    source = everywhere("bytes(range(256)) * 40")
    session = worker.run([SEVEN, source, SEVEN])
    assert_all_passed(session, 3)
    assert session.process.stats.garbage >= 256 * 40
    assert session.process.stats.torn == 0


def test_garbage_in_every_descriptor_misleads_no_later_child(worker) -> None:
    source = everywhere("bytes(range(256)) * 40")
    session = worker.run([source, "os.abort()", SEVEN])
    assert isinstance(session.answers[1], cell.Ended)
    assert isinstance(session.answers[2], cell.Result), session.events


def test_garbage_that_looks_like_frames(worker) -> None:
    source = (
        "import re\n"
        "nonce = bytes.fromhex(next(a for a in open('/proc/self/cmdline').read().split('\\0')\n"
        "                           if re.fullmatch('[0-9a-f]{16}', a)))\n"
        "from modelcompat_worker import protocol\n"
        "whole = b''.join(b''.join(map(bytes, f)) for f in protocol.frames(nonce, {'type': 'x'}))\n"
        + everywhere("whole[:-1] + nonce + nonce[:5] + whole")
    )
    session = worker.run([SEVEN, source, *[SEVEN] * 300])
    assert_all_passed(session, 302)
    assert session.process.stats.torn >= 1


def test_reading_every_descriptor_steals_nothing(worker) -> None:
    source = (
        "import fcntl\n"
        "for fd in range(3, 300):\n"
        "  try: os.set_blocking(fd, False); os.read(fd, 1 << 20); os.lseek(fd, 0, 2)\n"
        "  except OSError: pass\n" + SEVEN
    )
    session = worker.run([SEVEN, source, SEVEN, SEVEN])
    assert_all_passed(session, 4)


# -- surroundings

CHANGES = {
    "folder": ("os.chdir('/')", "assert os.getcwd().endswith('/work'), os.getcwd()"),
    "folder removed": (
        "os.mkdir('d'); os.chdir('d'); os.rmdir('../d')",
        "assert os.getcwd().endswith('/work'), os.getcwd()",
    ),
    "environment": (
        "os.environ['X'] = '1'; del os.environ['PATH']; os.environ['HOME'] = 'y'",
        "assert 'X' not in os.environ and 'PATH' in os.environ and os.environ['HOME'] != 'y'",
    ),
    "environment emptied": ("os.environ.clear()", "assert 'PATH' in os.environ"),
    "locale": (
        "import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8')",
        "import locale; assert locale.setlocale(locale.LC_NUMERIC) == 'C'",
    ),
    "handlers": (
        (
            "from signal import *\n"
            "[signal(s, lambda *_: None) for s in (2, 3, 10, 14, 15, 17)]; signal(SIGPIPE, SIG_DFL)"
        ),
        (
            "from signal import *\n"
            "assert getsignal(SIGTERM) == SIG_DFL and getsignal(SIGPIPE) == SIG_IGN"
        ),
    ),
    "crash handlers": (
        "from signal import *\nfor s in (4, 6, 7, 8, 11): signal(s, lambda *_: None)",
        (
            "from signal import *\nassert getsignal(SIGSEGV) == getsignal(SIGABRT) == SIG_DFL\n"
            "import faulthandler; assert faulthandler.is_enabled()"
        ),
    ),
    "alarm": ("import signal; signal.alarm(1)", "import time; time.sleep(1.3)"),
    "mask": (
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 30))",
        "import signal; assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())",
    ),
    "streams": (
        "sys.stdout = sys.stderr = None; sys.excepthook = None",
        "print('x'); assert sys.stderr.write('y')",
    ),
    "exit functions": ("import atexit; atexit._clear()", ""),
    "trace": ("sys.settrace(lambda *_: None); sys.setprofile(None)", ""),
    "recursion": ("sys.setrecursionlimit(60)", ""),
}


@pytest.mark.every_python
@pytest.mark.parametrize("name", CHANGES)
def test_changed_surroundings_are_put_back(worker, name: str) -> None:
    change, check = CHANGES[name]
    session = worker.run([SEVEN, f"{change}\n{SEVEN}", f"{check}\n{SEVEN}", SEVEN], case=5.0)
    assert_all_passed(session, 4)


def test_a_crash_is_a_crash_whatever_an_earlier_case_did_about_it(worker) -> None:
    deaf = "from signal import *\nfor s in (4, 6, 7, 8, 11): signal(s, lambda *_: None)\n" + SEVEN
    session = worker.run([deaf, "import ctypes; ctypes.string_at(8)"], case=5.0)
    assert (session.answers[1].how, session.answers[1].signal) == ("crashed", "SIGSEGV")
    assert "playground.py" in session.answers[1].output


def test_threads_left_behind_do_no_harm(worker) -> None:
    start = "import threading, time; threading.Thread(target=time.sleep, args=(2,)).start();"
    source = start + SEVEN
    session = worker.run([source, SEVEN])
    assert_all_passed(session, 2)


def test_a_thread_that_calls_exit_ends_itself_only(worker) -> None:
    source = "import threading; t = threading.Thread(target=sys.exit); t.start(); t.join();" + SEVEN
    session = worker.run([source, SEVEN])
    assert_all_passed(session, 2)


@pytest.mark.parametrize(
    "variables", [{"LC_ALL": "C"}, {"LANG": "tr_TR.UTF-8"}, {"PYTHONPATH": "/x"}]
)
def test_odd_environments(worker, variables: dict[str, str]) -> None:
    session = worker.run(["raise ValueError('\\u20ac \\ud800')"], env=variables)
    assert session.answers[0].error["message"] == "\u20ac \ud800"


# -- the end of the host


def start_worker(worker, source: str):
    process = worker.start([worker.bundle([source] * 10)], case=1000.0)
    process.submit([cell.CaseOrder(n=n, bundle=0, index=n) for n in range(10)])
    for event in process.events():
        if isinstance(event, cell.Attest):
            break
    return process


def start_worker_and_tell(worker, source: str):
    """The process that the host has started, and the supervisor's number."""
    process = worker.start([worker.bundle([source] * 10)], case=1000.0)
    process.submit([cell.CaseOrder(n=n, bundle=0, index=n) for n in range(10)])
    supervisor = 0
    for event in process.events():
        if isinstance(event, cell.Hello):
            supervisor = event.pid
        if isinstance(event, cell.Attest):
            break
    return process, supervisor


def gone_within(folder: Path, seconds: float) -> bool:
    return within(seconds, lambda: not mentions(folder))


def within(seconds: float, reached) -> bool:
    limit = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


BUSY = {
    "sleeping": "import time; time.sleep(1000)",
    "lock held": "import ctypes; ctypes.PyDLL(None).sleep(1000)",
    "with children": (
        "import time\nfor _ in range(3):\n  if not os.fork(): os.setsid()\ntime.sleep(1000)"
    ),
    "sending": "out = {'y': Value.tensor('int8', (1 << 27,), bytes(1 << 27))}",
    "printing": "while True: os.write(1, b'x' * 65536)",
}


@pytest.mark.parametrize("name", BUSY)
def test_end_of_input_ends_everything(worker, tmp_path: Path, name: str) -> None:
    process = start_worker(worker, BUSY[name])
    time.sleep(0.3)
    process._process.stdin.close()
    assert gone_within(tmp_path, 2.0)
    process.close()
    assert not list(tmp_path.glob("modelcompat-*")), "the private folder is gone, too"


KEEPERS = {
    "supervisor": lambda keeper, supervisor: os.kill(supervisor, 9),
    "keeper": lambda keeper, supervisor: os.kill(keeper, 9),
    "both": lambda keeper, supervisor: (os.kill(supervisor, 9), os.kill(keeper, 9)),
    "its group": lambda keeper, supervisor: os.killpg(keeper, 9),
}


@pytest.mark.parametrize("whose", KEEPERS)
@pytest.mark.parametrize("name", BUSY)
def test_whoever_of_the_worker_is_killed_nothing_is_left(
    worker, tmp_path: Path, name: str, whose: str
) -> None:
    """By itself where one of them dies, with `close` at the latest where both do at once."""
    process, supervisor = start_worker_and_tell(worker, BUSY[name])
    time.sleep(0.2)
    KEEPERS[whose](process._process.pid, supervisor)
    if whose in {"supervisor", "keeper"}:
        assert gone_within(tmp_path, 4.0)
        assert process._process.wait(4.0) == -9
    process.close()
    assert gone_within(tmp_path, 1.0)


def test_what_threw_its_environment_away_ends_with_the_supervisor(worker, tmp_path: Path) -> None:
    source = (
        "import subprocess, time\n"
        "pid = subprocess.Popen(['sleep', '1000'], env={}, start_new_session=True).pid\n"
        f"open({str(tmp_path / 'pid')!r} + '-', 'w').write(str(pid))\n"
        f"os.rename({str(tmp_path / 'pid')!r} + '-', {str(tmp_path / 'pid')!r})\n"
        "time.sleep(1000)"
    )
    process, supervisor = start_worker_and_tell(worker, source)
    written = tmp_path / "pid"
    assert within(10.0, written.exists)
    pid = int(written.read_text())
    assert alive(pid)
    os.kill(supervisor, 9)
    assert within(4.0, lambda: not alive(pid))
    process.close()


def test_a_case_that_kills_its_group_is_the_only_one_to_go(worker) -> None:
    session = worker.run([SEVEN, "os.kill(0, 9)", SEVEN])
    assert (session.answers[1].how, session.answers[1].signal) == ("crashed", "SIGKILL")
    assert isinstance(session.answers[2], cell.Result)
    assert isinstance(session.events[-1], cell.Done)


def test_sigterm_ends_everything(worker, tmp_path: Path) -> None:
    process = start_worker(worker, BUSY["with children"])
    time.sleep(0.3)
    os.kill(process._process.pid, 15)
    assert gone_within(tmp_path, 2.0)
    process.close()


def test_ctrl_c_does_not_reach_the_worker(worker) -> None:
    process = start_worker(worker, "import time; time.sleep(0.05);" + SEVEN)
    with process:
        os.killpg(process._process.pid, 2)
        process.finish()
        events = list(process.events())
    assert sum(isinstance(event, cell.Result) for event in events) == 10
    assert isinstance(events[-1], cell.Done)


def test_kill_is_safe_at_any_time_and_twice(worker, tmp_path: Path) -> None:
    process = start_worker(worker, BUSY["with children"])
    process.kill()
    process.kill()
    assert isinstance(list(process.events())[-1], cell.Lost)
    process.submit([cell.CaseOrder(n=99, bundle=0, index=0)])
    process.finish()
    process.close()
    process.close()
    assert gone_within(tmp_path, 2.0)


HOST = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from pytest_modelcompat.runner import cell
from tests.worker.conftest import Worker
worker = Worker({python!r}, Path({folder!r}), Path({zipapp!r}))
bundle = worker.bundle([{source!r}] * 3)
process = worker.start([bundle], case=1000.0)
process.submit([cell.CaseOrder(n=n, bundle=0, index=n) for n in range(3)])
for event in process.events():
    print(type(event).__name__, flush=True)
"""


@pytest.mark.parametrize("name", BUSY)
def test_sigkill_of_the_host_ends_everything(worker, tmp_path: Path, name: str) -> None:
    root = Path(__file__).parents[2]
    script = HOST.format(
        root=str(root), python=worker.python, folder=str(tmp_path), zipapp=str(worker.zipapp),
        source=BUSY[name],
    )  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"Hello\n"
        assert host.stdout.readline() == b"Attest\n"
        time.sleep(0.3)
        assert len(mentions(tmp_path)) >= 2
        host.kill()
        assert gone_within(tmp_path, 2.0)
    assert not list(tmp_path.glob("modelcompat-*"))
