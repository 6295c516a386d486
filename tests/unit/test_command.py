"""The one door to processes: real processes, real signals."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_modelcompat.runner import command, guard
from pytest_modelcompat.runner.command import Completed, StoppedError, run, start

ENV = {"PATH": os.environ["PATH"]}
ROOT = Path("/")


@pytest.fixture(autouse=True)
def _observed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where coverage is measured, the guards' is, too: they are started without its ways in."""
    if "MODELCOMPAT_COVERAGE" in os.environ:
        observed = tmp_path / "guard.py"
        observed.write_text(
            f"import runpy\nrunpy.run_path({os.environ['MODELCOMPAT_COVERAGE']!r})\n"
            f"runpy.run_path({guard.__file__!r}, run_name='__main__')\n"
        )
        monkeypatch.setattr(guard, "__file__", str(observed))


def shell(script: str, *, timeout: float = 20, **more: object) -> Completed:
    return run(["sh", "-c", script], env=ENV, cwd=ROOT, timeout=timeout, **more)


def alive(mark: str) -> list[str]:
    """Command lines of living processes that carry this mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"MARK={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


def wait_until(true: object, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return bool(true())


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}-{os.getpid()}-{time.monotonic_ns()}"


# A tree that a process group does not hold together: sessions, double forks, closed streams.
TREE = (
    "sleep 300 & setsid sh -c 'sleep 301 & sleep 302' & "
    "(setsid sh -c 'sleep 303' >/dev/null 2>&1 &) & echo there; "
)


class TestRun:
    def test_says_how_it_ended(self) -> None:
        done = shell("echo out; echo err >&2; exit 3")
        assert (done.returncode, done.signal, done.timed_out) == (3, None, False)
        assert (done.out, done.err) == ("out\n", "err\n")
        assert not done.ok
        assert shell("true").ok

    def test_names_the_signal(self) -> None:
        done = shell("kill -SEGV $$")
        assert (done.returncode, done.signal) == (None, signal.SIGSEGV)

    def test_gives_the_environment_and_nothing_else(self) -> None:
        done = run(["env"], env={**ENV, "A": "ü"}, cwd=ROOT, timeout=20)
        names = {line.split("=")[0] for line in done.out.splitlines()}
        mark = "MODELCOMPAT_PROCESS"  # by which what a killed guard leaves is found
        assert names - {"LC_CTYPE"} == {"PATH", "A", mark}
        assert "A=ü" in done.out

    def test_feeds_more_than_a_pipe_holds(self) -> None:
        data = os.urandom(3_000_000)
        assert run(["cat"], env=ENV, cwd=ROOT, timeout=20, input=data).stdout == data

    def test_does_not_mind_input_that_nobody_reads(self) -> None:
        done = run(["true"], env=ENV, cwd=ROOT, timeout=20, input=bytes(3_000_000))
        assert done.ok

    def test_has_no_input_by_default(self) -> None:
        assert shell("cat").out == ""

    def test_keeps_both_ends_of_endless_output(self) -> None:
        done = shell("echo first; yes | head -c 5000000; echo last", limit=10_000)
        assert done.out.startswith("first\ny\n")
        assert done.out.endswith("y\nlast\n")
        assert "bytes left out" in done.out
        assert len(done.stdout) < 10_100

    def test_keeps_output_whole_below_the_limit(self) -> None:
        data = os.urandom(9_999)
        assert run(["cat"], env=ENV, cwd=ROOT, timeout=20, input=data, limit=10_000).stdout == data

    def test_kills_the_whole_tree_at_the_deadline(self, mark: str) -> None:
        began = time.monotonic()
        done = run(
            ["sh", "-c", f"{TREE} sleep 304"], env={**ENV, "MARK": mark}, cwd=ROOT, timeout=1
        )
        assert done.timed_out
        assert (done.returncode, done.signal) == (None, None)
        assert done.out == "there\n"
        assert time.monotonic() - began < 60
        assert alive(mark) == []

    def test_leaves_nothing_behind_after_a_good_end(self, mark: str) -> None:
        done = run(["sh", "-c", TREE], env={**ENV, "MARK": mark}, cwd=ROOT, timeout=100)
        assert done.ok
        assert done.seconds < 60
        assert alive(mark) == []

    def test_a_tree_that_ignores_signals_dies_too(self, mark: str) -> None:
        script = "trap '' INT TERM HUP; echo there; while :; do sleep 0.1; done"
        done = run(["sh", "-c", script], env={**ENV, "MARK": mark}, cwd=ROOT, timeout=0.5)
        assert done.timed_out
        assert alive(mark) == []

    def test_runs_in_a_session_of_its_own(self) -> None:
        done = shell("cut -d ' ' -f 5,6 /proc/$$/stat")
        group, session = done.out.split()
        assert group == session
        assert int(session) != os.getsid(0)

    def test_missing_program(self) -> None:
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            run(["no-such-program"], env=ENV, cwd=ROOT, timeout=20)

    def test_program_that_may_not_be_executed(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("")
        with pytest.raises(PermissionError):
            run([file], env=ENV, cwd=ROOT, timeout=20)

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            run(["true"], env=ENV, cwd=tmp_path / "gone", timeout=20)

    def test_arguments_are_words_and_never_a_shell_line(self) -> None:
        words = ["a b", "$(id)", "; exit 3", "--", "-x", "ü", ""]
        done = run(["printf", "%s|", *words], env=ENV, cwd=ROOT, timeout=20)
        assert done.out == "|".join(words) + "|"

    def test_nul_is_refused(self) -> None:
        with pytest.raises(ValueError, match="NUL"):
            run(["echo", "a\0b"], env=ENV, cwd=ROOT, timeout=20)

    def test_a_killed_guard_is_no_success_and_takes_the_program_along(self, mark: str) -> None:
        results: list[Completed] = []

        def work() -> None:
            script = "echo $PPID; exec sleep 300"
            env = {**ENV, "MARK": mark}
            results.append(run(["sh", "-c", script], env=env, cwd=ROOT, timeout=60))

        thread = threading.Thread(target=work)
        thread.start()
        assert wait_until(lambda: "sleep 300 " in alive(mark))
        guards = [pid for pid in guard.descendants(os.getpid()) if _runs_guard(pid)]
        for pid in guards:
            os.kill(pid, signal.SIGKILL)
        thread.join(10)
        assert results
        assert results[0].signal == signal.SIGKILL
        assert not results[0].ok
        assert wait_until(lambda: not alive(mark))

    def test_does_not_wait_for_orphans_of_a_killed_guard(self, mark: str) -> None:
        """They hold its streams open; it is not for long that anyone waits for them."""
        script = "kill -KILL $PPID; setsid sleep 300"
        done = run(["sh", "-c", script], env={**ENV, "MARK": mark}, cwd=ROOT, timeout=60)
        assert (done.signal, done.timed_out) == (signal.SIGKILL, False)
        assert done.seconds < 60
        assert alive(mark) == []  # and yet does not leave them

    def test_killing_its_own_group_is_its_own_death_only(self, mark: str) -> None:
        """As nox and shells do; the guard lives on and tells."""
        done = shell("echo there; kill -KILL 0; echo never")
        assert (done.signal, done.out) == (signal.SIGKILL, "there\n")
        # had the guard died with it, this one would live on
        script = "setsid sleep 300 & sleep 0.2; kill -KILL 0"
        run(["sh", "-c", script], env={**ENV, "MARK": mark}, cwd=ROOT, timeout=20)
        assert alive(mark) == []

    def test_odd_process_names_hide_nothing(self, tmp_path: Path, mark: str) -> None:
        odd = tmp_path / "a) R 1 (b"
        odd.symlink_to("/bin/sleep")
        script = f"'{odd}' 300 & echo there; sleep 300"
        run(["sh", "-c", script], env={**ENV, "MARK": mark}, cwd=ROOT, timeout=0.5)
        assert alive(mark) == []


def _runs_guard(pid: int) -> bool:
    try:
        return b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


class TestModule:
    def test_is_python_dash_m(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "some_module.py").write_text(
            "import sys\nprint(__name__, sys.argv)\nprint('e', file=sys.stderr)\nsys.exit(5)\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        done = run(["some_module", "a b"], env=ENV, cwd=ROOT, timeout=20, module=True)
        assert done.returncode == 5
        assert done.out.startswith("__main__ [")
        assert "some_module" in done.out
        assert "'a b'" in done.out
        assert done.err == "e\n"

    @pytest.mark.parametrize(
        ("code", "expected"),
        [("pass", 0), ("import sys; sys.exit('words')", 1), ("1 / 0", 1), ("raise SystemExit", 0)],
    )
    def test_exit_codes(
        self, code: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "coded.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        done = run(["coded"], env=ENV, cwd=ROOT, timeout=20, module=True)
        assert done.returncode == expected
        assert ("ZeroDivisionError" in done.err) == ("/" in code)
        assert ("words" in done.err) == ("words" in code)

    def test_its_children_die_with_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
    ) -> None:
        (tmp_path / "parent.py").write_text(
            "import subprocess, time\nsubprocess.Popen(['setsid', 'sleep', '300'])\ntime.sleep(300)"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        env = {**ENV, "MARK": mark}
        assert run(["parent"], env=env, cwd=ROOT, timeout=1, module=True).timed_out
        assert alive(mark) == []


HOST = """\
import os, sys
from pathlib import Path
from pytest_modelcompat.runner.command import run
print("ready", flush=True)
run(["sh", "-c", sys.argv[1]], env=dict(os.environ), cwd=Path("/"), timeout=600)
"""

FORKING_HOST = """\
import os, threading, time
from pathlib import Path
from pytest_modelcompat.runner.command import run
work = lambda: run(["sleep", "304"], env=dict(os.environ), cwd=Path("/"), timeout=600)
threading.Thread(target=work).start()
time.sleep(1)
if os.fork() == 0:
    time.sleep(8)
    os._exit(0)
time.sleep(600)
"""


def host(script: str, mark: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOST, script],
        env={**os.environ, "MARK": mark},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


class TestDeathOfTheHost:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_takes_the_whole_tree_along(self, number: int, mark: str) -> None:
        process = host(f"{TREE} sleep 304", mark)
        with process:
            assert wait_until(lambda: "sleep 304 " in alive(mark))
            process.send_signal(number)
            process.wait(10)
        assert wait_until(lambda: not alive(mark), 5.0), alive(mark)

    def test_also_when_a_forked_copy_lives_on(self, mark: str) -> None:
        """The copy holds the host's end of the life line open."""
        with subprocess.Popen(
            [sys.executable, "-c", FORKING_HOST], env={**os.environ, "MARK": mark}
        ) as process:
            try:
                assert wait_until(lambda: "sleep 304 " in alive(mark))
                time.sleep(1.2)  # now the copy is made
            finally:
                process.kill()
        assert wait_until(lambda: "sleep 304 " not in alive(mark), 4.0)
        assert alive(mark), "the copy should have outlived this"


class TestStopAll:
    @pytest.fixture(autouse=True)
    def _allow(self) -> object:
        yield
        command.allow_all()

    def test_ends_what_runs_in_other_threads_and_refuses_more(self, mark: str) -> None:
        raised: list[type[BaseException]] = []

        def work() -> None:
            try:
                run(["sleep", "300"], env={**ENV, "MARK": mark}, cwd=ROOT, timeout=60)
            except StoppedError as error:
                raised.append(type(error))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert wait_until(lambda: sum("sleep" in line[:6] for line in alive(mark)) == 3)
        command.stop_all()
        for thread in threads:
            thread.join(5)
        assert raised == [StoppedError] * 3
        assert alive(mark) == []
        with pytest.raises(StoppedError):
            shell("true")
        command.allow_all()
        assert shell("true").ok


class TestProcess:
    def test_talks_in_bytes(self) -> None:
        with start(["cat"], env=ENV, cwd=ROOT) as process:
            process.stdin.write(b"\x00\xff\n")
            assert process.stdout.read(3) == b"\x00\xff\n"
            assert process.poll() is None
            process.close_stdin()
            assert process.wait(5) == 0
            assert process.poll() == 0

    def test_error_stream_is_apart(self) -> None:
        with start(["sh", "-c", "echo e >&2"], env=ENV, cwd=ROOT) as process:
            assert process.stderr.read() == b"e\n"
            assert process.stdout.read() == b""

    def test_wait_gives_up(self) -> None:
        with start(["sleep", "300"], env=ENV, cwd=ROOT) as process:
            assert process.wait(0.05) is None

    def test_signals_are_negative(self) -> None:
        with start(["sh", "-c", "kill -ABRT $$"], env=ENV, cwd=ROOT) as process:
            assert process.wait(5) == -signal.SIGABRT
            process.kill()
            assert process.poll() == -signal.SIGABRT

    @pytest.mark.parametrize(("asked", "system"), [("poll", "waitid"), ("wait", "pidfd_open")])
    def test_another_thread_kills_it_meanwhile(
        self, asked: str, system: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A Ctrl-C does so, while the cell's own thread asks how it is."""
        with start(["sleep", "300"], env=ENV, cwd=ROOT) as process:
            real = getattr(os, system)

            def late(*arguments: int) -> object:
                process.kill()
                return real(*arguments)

            monkeypatch.setattr(os, system, late)
            assert getattr(process, asked)() == -signal.SIGKILL

    def test_kill_takes_the_tree(self, mark: str) -> None:
        script = "setsid sh -c 'sleep 300; true' & sleep 301 & echo there; wait"
        with start(["sh", "-c", script], env={**ENV, "MARK": mark}, cwd=ROOT) as process:
            assert process.stdout.readline() == b"there\n"
            assert wait_until(lambda: len(alive(mark)) >= 4)
            process.kill()
            assert process.poll() == -signal.SIGKILL
            assert wait_until(lambda: not alive(mark), 1.0)
            process.kill()  # twice does no harm

    def test_kill_takes_what_a_dead_one_left(self, mark: str) -> None:
        with start(["sh", "-c", "sleep 300 & exit 7"], env={**ENV, "MARK": mark}, cwd=ROOT) as one:
            assert one.wait(5) == 7
            assert alive(mark)
        assert wait_until(lambda: not alive(mark), 1.0)
        assert one.poll() == 7

    def test_kill_takes_what_a_dead_one_left_in_a_session_of_its_own(self, mark: str) -> None:
        script = "setsid sh -c 'sleep 300; true' & sleep 0.2; exit 7"
        with start(["sh", "-c", script], env={**ENV, "MARK": mark}, cwd=ROOT) as one:
            assert one.wait(5) == 7
            assert alive(mark)
        assert wait_until(lambda: not alive(mark), 1.0)

    def test_kill_takes_nobody_elses(self, mark: str) -> None:
        with start(["sleep", "300"], env={**ENV, "MARK": mark}, cwd=ROOT) as other:
            with start(["sleep", "301"], env=ENV, cwd=ROOT):
                pass
            assert other.poll() is None
            assert len(alive(mark)) == 1

    def test_leaving_closes_and_reaps(self) -> None:
        with start(["sleep", "300"], env=ENV, cwd=ROOT) as process:
            pass
        assert process.stdin.closed
        assert process.stdout.closed
        assert process.stderr.closed
        assert not Path(f"/proc/{process.pid}").exists()

    def test_has_room_for_results(self) -> None:
        """A worker can write almost a MiB before anyone reads."""
        script = "head -c 1000000 /dev/zero; echo done >&2; sleep 300"
        with start(["sh", "-c", script], env=ENV, cwd=ROOT) as process:
            assert select.select([process.stderr], [], [], 5)[0], "it waits for a reader"
            assert process.stderr.readline() == b"done\n"

    def test_terminal_signals_do_not_reach_it(self) -> None:
        with start(["sleep", "300"], env=ENV, cwd=ROOT) as process:
            assert os.getsid(process.pid) == process.pid != os.getsid(0)
            assert os.getpgid(process.pid) == process.pid

    def test_missing_program(self) -> None:
        with pytest.raises(FileNotFoundError):
            start(["no-such-program"], env=ENV, cwd=ROOT)

    def test_gets_no_descriptor_but_its_pipes(self) -> None:
        with Path(__file__).open("rb") as file:
            os.set_inheritable(file.fileno(), True)
            script = "ls /proc/self/fd"
            with start(["sh", "-c", script], env=ENV, cwd=ROOT) as process:
                # 3 is the listing's own
                assert process.stdout.read().split() == [b"0", b"1", b"2", b"3"]
