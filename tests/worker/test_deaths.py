"""Every way in which a case can end the process; all other cases are unharmed."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import pytest

from pytest_modelcompat.runner import cell

SEVEN = "out = {'y': Value.tensor('int8', (1,), b'\\x07')}"
SIGNALS = ("SIGSEGV", "SIGABRT", "SIGFPE", "SIGILL", "SIGBUS", "SIGKILL", "SIGTERM", "SIGXCPU")


def raising(name: str) -> str:
    return f"import signal; os.kill(os.getpid(), signal.{name}); import time; time.sleep(10)"


def assert_others_passed(session, count: int, *but: int) -> None:
    assert sorted(session.answers) == list(range(count))
    for n, answer in session.answers.items():
        if n not in but:
            assert isinstance(answer, cell.Result), answer
            assert answer.error is None
    assert isinstance(session.events[-1], cell.Done)
    assert session.events[-1].results == count


@pytest.mark.parametrize("stage", ["load", "assign", "run", "close"])
def test_signals_at_every_stage(worker, stage: str) -> None:
    cases = [SEVEN]
    for name in SIGNALS:
        cases += [{stage: raising(name)}, SEVEN]
    session = worker.run(cases)
    assert_others_passed(session, len(cases), *range(1, len(cases), 2))
    for n, name in enumerate(SIGNALS):
        ended = session.answers[1 + 2 * n]
        assert isinstance(ended, cell.Ended)
        assert (ended.how, ended.signal, ended.exit_code) == ("crashed", name, None)
        assert ended.stage == ("run" if stage == "close" else stage)
    assert session.events[-1].children == 1 + len(SIGNALS)


NATIVE = {
    "SIGSEGV": "import ctypes; ctypes.string_at(8)",
    "SIGABRT": "import ctypes; ctypes.CDLL(None).abort()",
}


@pytest.mark.every_python
def test_native_crashes_name_the_python_that_called(worker) -> None:
    session = worker.run([*NATIVE.values(), SEVEN])
    assert_others_passed(session, 3, 0, 1)
    for n, name in enumerate(NATIVE):
        ended = session.answers[n]
        assert (ended.how, ended.signal, ended.stage) == ("crashed", name, "run")
        assert "playground.py" in ended.output


@pytest.mark.every_python
def test_stack_overflow(worker) -> None:
    # Machine code that calls itself: Python's own limits are out of its way.
    overflow = (
        "import ctypes, mmap, platform\n"
        "code = {'x86_64': 'e8fbffffff', 'aarch64': 'fd7bbfa9ffffff97'}[platform.machine()]\n"
        "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "page.write(bytes.fromhex(code))\n"
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()"
    )
    session = worker.run([overflow, SEVEN])
    assert_others_passed(session, 2, 0)
    ended = session.answers[0]
    assert (ended.how, ended.stage) == ("crashed", "run")
    assert ended.signal in ("SIGSEGV", "SIGABRT", "SIGBUS")


HANGS = {
    "lock released": "import time; time.sleep(1000)",
    "lock held": "import ctypes; ctypes.PyDLL(None).sleep(1000)",
    "busy": "while True: pass",
    "signals blocked": (
        "import signal, time\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\n"
        "time.sleep(1000)"
    ),
    "stopped": "import signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "swallows everything": (
        "import time\nwhile True:\n  try:\n    time.sleep(1)\n  except BaseException: pass"
    ),
}


@pytest.mark.parametrize("stage", ["load", "run"])
def test_hangs_end_at_the_deadline(worker, stage: str) -> None:
    cases = [{stage: source} for source in HANGS.values()]
    session = worker.run([*cases, SEVEN], case=0.5)
    assert_others_passed(session, len(HANGS) + 1, *range(len(HANGS)))
    for n, name in enumerate(HANGS):
        ended = session.answers[n]
        assert (ended.how, ended.stage, ended.signal) == ("timed_out", stage, "SIGKILL"), name


def test_many_repeats_share_one_deadline(worker) -> None:
    session = worker.run(["import time; time.sleep(0.2)"], repeats=100, case=0.7)
    assert session.answers[0].how == "timed_out"


def test_a_deadline_counts_anew_for_each_case(worker) -> None:
    session = worker.run(["import time; time.sleep(0.3)"] * 5, case=1.2)
    assert_others_passed(session, 5)


@pytest.mark.every_python
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("os._exit(0)", 0),
        ("os._exit(5)", 5),
        ("sys.exit()", 0),
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("sys.exit('text')", 1),
        ("raise KeyboardInterrupt", 130),
        ("raise SystemExit(0)", 0),
    ],
)
def test_leaving_early_is_never_passed(worker, source: str, code: int) -> None:
    session = worker.run([SEVEN, source, SEVEN])
    assert_others_passed(session, 3, 1)
    ended = session.answers[1]
    assert (ended.how, ended.stage, ended.signal, ended.exit_code) == ("crashed", "run", None, code)


def test_fifty_crashes_in_one_cell(worker) -> None:
    cases = [SEVEN, raising("SIGSEGV"), SEVEN, SEVEN] * 50
    session = worker.run(cases)
    assert_others_passed(session, len(cases), *range(1, len(cases), 4))
    assert [event.n for event in session.of(cell.Ended)] == list(range(1, len(cases), 4))


def test_crash_of_the_first_and_of_the_last_case(worker) -> None:
    session = worker.run([raising("SIGSEGV"), SEVEN, raising("SIGABRT")])
    assert_others_passed(session, 3, 0, 2)
    assert session.answers[2].signal == "SIGABRT"


# -- around the cases


@pytest.mark.every_python
def test_crash_at_import(worker) -> None:
    env = {"PLAYGROUND_IMPORT": "print('about to die', flush=True);" + NATIVE["SIGSEGV"]}
    session = worker.run([SEVEN], env=env)
    (failed,) = session.of(cell.ImportFailed)
    assert (failed.how, failed.signal) == ("crashed", "SIGSEGV")
    assert "about to die" in failed.output
    assert "SIGSEGV" in failed.text()
    assert session.events[-1] == cell.Done(results=0, children=1)
    assert not session.answers


@pytest.mark.parametrize("where", ["PLAYGROUND_IMPORT", "PLAYGROUND_MAKE"])
def test_exception_at_import(worker, where: str) -> None:
    words = "libfoo.so.1: cannot open shared object file"
    env = {where: f"print('hint', file=sys.stderr); raise ImportError({words!r})"}
    session = worker.run([SEVEN], env=env)
    (failed,) = session.of(cell.ImportFailed)
    assert (failed.how, failed.type, failed.message) == ("raised", "ImportError", words)
    assert "hint" in failed.output
    assert isinstance(session.events[-1], cell.Done)


DAMAGED_EXTENSION = """\
import glob, importlib.machinery, importlib.util, os, sysconfig
for found in sorted(glob.glob(sysconfig.get_path("platstdlib") + "/lib-dynload/*.so")):
    with open(found, "rb") as file: data = file.read()
    if {old!r} in data: break
with open("broken.so", "wb") as file: file.write(data.replace({old!r}, {new!r}))
loader = importlib.machinery.ExtensionFileLoader("broken", os.path.abspath("broken.so"))
importlib.util.module_from_spec(importlib.util.spec_from_loader("broken", loader))
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"libc.so.6", b"libq.so.6", "libq.so.6: cannot open shared object file"),
        (b"GLIBC_2", b"GLIBC_9", "not found (required by"),
        (b"\x7fELF", b"\x7fELG", "invalid ELF header"),
    ],
)
def test_what_the_loader_says_of_an_extension(worker, old: bytes, new: bytes, words: str) -> None:
    """A real one of the interpreter's own, changed so that the system's loader refuses it."""
    source = DAMAGED_EXTENSION.format(old=old, new=new)
    session = worker.run([SEVEN], env={"PLAYGROUND_IMPORT": source})
    (failed,) = session.of(cell.ImportFailed)
    assert (failed.how, failed.type) == ("raised", "ImportError"), failed
    assert words in failed.message


# A copy of an extension of the interpreter's own, changed so that it asks for an executable stack.
# Where the kernel is told to give nobody one, the loader of any C library says what that of a new
# one (2.41) says by itself.
STACKY_EXTENSION = """\
import ctypes, glob, importlib.machinery, importlib.util, os, struct, sysconfig
assert ctypes.CDLL(None).prctl({deny}, 1, 0, 0, 0) == 0
found = sorted(glob.glob(sysconfig.get_path("platstdlib") + "/lib-dynload/*.so"))[0]
with open(found, "rb") as file: data = bytearray(file.read())
(start,), (size, count) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
(at,) = [at for at in range(start, start + size * count, size)
         if struct.unpack_from("<I", data, at)[0] == 0x6474E551]
struct.pack_into("<I", data, at + 4, 7)
with open("stacky.so", "wb") as file: file.write(data)
loader = importlib.machinery.ExtensionFileLoader("stacky", os.path.abspath("stacky.so"))
importlib.util.module_from_spec(importlib.util.spec_from_loader("stacky", loader))
"""
PR_SET_MDWE, PR_GET_MDWE = 65, 66


def test_what_the_loader_says_of_an_executable_stack(worker) -> None:
    if ctypes.CDLL(None).prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0:
        pytest.skip("this kernel cannot forbid executable memory (Linux 6.3 and newer can)")
    source = STACKY_EXTENSION.format(deny=PR_SET_MDWE)
    session = worker.run([SEVEN], env={"PLAYGROUND_IMPORT": source})
    (failed,) = session.of(cell.ImportFailed)
    assert (failed.how, failed.type) == ("raised", "ImportError"), failed
    assert "stacky.so: cannot enable executable stack as shared object requires" in failed.message


@pytest.mark.parametrize(
    ("source", "how", "code"),
    [("os._exit(0)", "crashed", 0), ("import time; time.sleep(1000)", "timed_out", None)],
)
def test_import_that_leaves_or_hangs(worker, source: str, how: str, code: int | None) -> None:
    session = worker.run([SEVEN], env={"PLAYGROUND_IMPORT": source}, import_seconds=1.0)
    (failed,) = session.of(cell.ImportFailed)
    assert (failed.how, failed.exit_code) == (how, code)
    assert session.events[-1].children == 1


def test_an_import_that_fails_later_is_not_tried_forever(worker, tmp_path) -> None:
    marker = tmp_path / "crashed-once"
    env = {"PLAYGROUND_IMPORT": f"assert not os.path.exists({str(marker)!r})"}
    session = worker.run([SEVEN, f"open({str(marker)!r}, 'w'); os.abort()", SEVEN], env=env)
    assert isinstance(session.answers[0], cell.Result)
    assert isinstance(session.answers[1], cell.Ended)
    assert 2 not in session.answers
    assert session.of(cell.ImportFailed)[0].type == "AssertionError"
    assert session.events[-1].results == 2


def test_a_crash_at_import_after_a_restart_gets_another_chance(worker, tmp_path) -> None:
    marker = tmp_path / "crash-next"
    env = {
        "PLAYGROUND_IMPORT": (
            f"if os.path.exists({str(marker)!r}): os.unlink({str(marker)!r}); os.abort()"
        )
    }
    session = worker.run([f"open({str(marker)!r}, 'w'); os.abort()", SEVEN], env=env)
    assert_others_passed(session, 2, 0)


@pytest.mark.every_python
def test_crash_at_exit_keeps_the_results(worker) -> None:
    dying = "import atexit, ctypes; atexit.register(ctypes.string_at, 8);" + SEVEN
    session = worker.run([dying, SEVEN])
    assert_others_passed(session, 2)
    (crash,) = session.of(cell.ExitCrash)
    assert (crash.how, crash.when, crash.signal) == ("crashed", "exit", "SIGSEGV")
    assert "SIGSEGV" in crash.text()


def test_hang_at_exit(worker) -> None:
    stuck = (
        "import threading, time; threading.Thread(target=time.sleep, args=(99,)).start();" + SEVEN
    )
    session = worker.run([stuck], exit_seconds=0.5)
    assert_others_passed(session, 1)
    (crash,) = session.of(cell.ExitCrash)
    assert (crash.how, crash.when) == ("timed_out", "exit")


def test_crash_between_cases(worker) -> None:
    # The process dies of a thread of the first case while nothing runs: before the second comes.
    later = "import threading; threading.Timer(0.3, os.abort).start();" + SEVEN
    with worker.start([worker.bundle([later, SEVEN])]) as process:
        events = process.events()
        process.submit([cell.CaseOrder(n=0, bundle=0, index=0)])
        seen = []
        for event in events:
            seen.append(event)
            if isinstance(event, cell.ExitCrash):
                process.submit([cell.CaseOrder(n=1, bundle=0, index=1)])
                process.finish()
    (crash,) = [event for event in seen if isinstance(event, cell.ExitCrash)]
    assert (crash.when, crash.signal) == ("between", "SIGABRT")
    assert [event.n for event in seen if isinstance(event, cell.Result)] == [0, 1]
    assert seen[-1] == cell.Done(results=2, children=2)


def test_children_that_die_before_any_case_are_not_started_for_ever(worker) -> None:
    env = {"PLAYGROUND_IMPORT": "import threading; threading.Timer(0.2, os.abort).start()"}
    with worker.start([worker.bundle([SEVEN])], env=env) as process:
        events = list(process.events())  # no case comes, and none would survive
    assert sum(isinstance(event, cell.ExitCrash) for event in events) == 3
    assert [event.signal for event in events if isinstance(event, cell.ImportFailed)] == ["SIGABRT"]
    assert events[-1] == cell.Done(results=0, children=3)


# -- memory


@pytest.mark.every_python
def test_memory_errors_by_address_space(worker) -> None:
    greedy = "b = bytearray(3 << 30)"
    session = worker.run([greedy, SEVEN], memory=1 << 30)
    assert_others_passed(session, 2, 0)
    assert session.answers[0].error["type"] == "MemoryError"
    assert session.events[-1].children == 2, "a child that ran out of memory starts anew"


def test_words_about_memory_start_the_child_anew(worker) -> None:
    session = worker.run(["raise RuntimeError('std::bad_alloc')", SEVEN])
    assert session.answers[0].error["message"] == "std::bad_alloc"
    assert session.events[-1].children == 2


def test_abort_for_memory_is_told_from_other_aborts(worker) -> None:
    words = "terminate called after throwing an instance of 'std::bad_alloc'"
    source = f"os.write(2, {words.encode()!r}); os.abort()"
    session = worker.run([source, "os.abort()"])
    assert session.answers[0].how == "out_of_memory"
    assert session.answers[1].how == "crashed"


MEMORY = Path("/sys/fs/cgroup/memory")  # version 1
UNIFIED = Path("/sys/fs/cgroup")


@pytest.fixture
def small_group():
    """A control group with 200 MiB, where this machine lets us make one."""
    version1 = (MEMORY / "memory.limit_in_bytes").exists()
    group = (MEMORY if version1 else UNIFIED) / f"modelcompat-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as problem:
        pytest.skip(f"no control group of our own here: {problem.strerror}")
    limits = ["memory.limit_in_bytes"] if version1 else ["memory.max", "memory.swap.max"]
    try:
        for name in limits:
            (group / name).write_text("0" if "swap" in name else str(200 << 20))
    except OSError as problem:
        group.rmdir()
        pytest.skip(f"control groups limit no memory here: {problem.strerror}")
    yield group
    for _ in range(100):
        if not (group / "cgroup.procs").read_text():
            break
        time.sleep(0.05)  # its processes are still on their way out
    group.rmdir()


def test_killed_by_the_control_group(worker, small_group: Path, tmp_path: Path) -> None:
    shell = tmp_path / "python"
    shell.write_text(
        f'#!/bin/sh\necho $$ > {small_group}/cgroup.procs\nexec {worker.python} "$@"\n'
    )
    shell.chmod(0o755)
    worker.python = str(shell)
    greedy = "b = bytearray(1 << 30)\nfor i in range(0, len(b), 4096): b[i] = 1"
    session = worker.run([SEVEN, greedy, SEVEN, raising("SIGKILL"), SEVEN])
    assert_others_passed(session, 5, 1, 3)
    assert (session.answers[1].how, session.answers[1].signal) == ("out_of_memory", "SIGKILL")
    assert session.answers[3].how == "crashed", "a kill without evidence is no memory kill"


def test_memory_limit_at_import(worker) -> None:
    session = worker.run([SEVEN], memory=1 << 30, env={"PLAYGROUND_IMPORT": "bytearray(3 << 30)"})
    (failed,) = session.of(cell.ImportFailed)
    assert (failed.how, failed.type) == ("raised", "MemoryError")
