"""The program that runs on machines behind ssh, without ssh: its promises to the host, one by one.

`tests/e2e/test_ssh.py` has the connection. Here its standard input is a pipe, and so each end of
the host's can be played: half an order, a file that leads out, a connection that is gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_modelcompat.worker import remote
from tests.worker.conftest import program

MARK = "told: "
LOOK = "def offered(folders): return {'looked at': folders}"


class Far:
    """One interpreter "there", with a home of its own."""

    def __init__(self, python: str, home: Path) -> None:
        self.python, self.home = python, home
        self.folder = home / "work"

    def start(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self.python, "-I", *program(Path(remote.__file__)), command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home)},
            start_new_session=True,
        )

    def run(
        self,
        command: str,
        files: dict[str, bytes] | None = None,
        *,
        rest: bytes = b"",
        **order: Any,
    ) -> tuple[int, list[dict[str, Any]], str]:
        """Its exit code, what it told, and its standard error."""
        process = self.start(command)
        out, err = process.communicate(sent(files, **order), timeout=60)
        return process.returncode, told(out), err.decode()

    def receive(self, key: str, files: dict[str, bytes], **more: Any) -> Any:
        order = {"folder": str(self.folder), "key": key, "executable": self.python, **more}
        return self.run("receive", files, **order)

    def room_order(self, script: str, **more: Any) -> dict[str, Any]:
        return {
            "folder": str(self.folder), "room": "r", "cwd": "cell", "folders": ["cell"],
            "argv": ["/bin/sh", "-c", script], "env": {}, "seconds": 60, **more,
        }  # fmt: skip

    def room(self, script: str, **more: Any) -> Any:
        return self.run("room", **self.room_order(script, **more))


def sent(files: dict[str, bytes] | None = None, **order: Any) -> bytes:
    announced = [[name, len(data), 0o100] for name, data in (files or {}).items()]
    text = json.dumps({"mark": MARK, "files": announced, **order}).encode()
    return b"%d\n" % len(text) + text + b"".join((files or {}).values())


def told(out: bytes) -> list[dict[str, Any]]:
    lines = out.decode().splitlines()
    return [json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK)]


def eventually(true: Callable[[], object]) -> bool:
    end = time.monotonic() + 20
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(true())


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


@pytest.fixture
def far(python: str, tmp_path: Path) -> Far:
    return Far(python, tmp_path)


# -- what is there


@pytest.mark.every_python
def test_an_interpreter_says_what_it_is(far: Far) -> None:
    """The work folder is below the home there, and may be written as shells have it."""
    for name, whole in (("good", True), ("begun", False)):
        tree = far.folder / "trees" / name
        tree.mkdir(parents=True)
        if whole:
            (tree / remote.MARKER).touch()

    code, [first], err = far.run("probe", folder="work", look=LOOK)
    _, [again], _ = far.run("probe", folder="~/work", look=LOOK)

    assert (code, err) == (0, "")
    asked = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.base_prefix)"
    said = subprocess.run([far.python, "-c", asked], capture_output=True, text=True, check=True)
    version, base = said.stdout.split()
    assert first["version"] == version
    assert first["python"] == far.python
    assert first["libraries"] == {"looked at": [f"{base}/lib"]}
    assert first["folder"] == str(far.folder)
    assert first["trees"] == ["good"]
    assert first["libc"].startswith("glibc ")
    assert (first["implementation"], first["prerelease"]) == ("cpython", False)
    assert again == first  # the machine's identity among it


# -- trees


def test_a_tree_becomes_an_environment(far: Far) -> None:
    release = subprocess.run(
        [far.python, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    files = {f"lib/{release}/site-packages/sent.py": b"said = 'from the host'"}

    code, answers, _ = far.receive("k", files)

    assert (code, answers) == (0, [{"ready": True}])
    made = far.folder / "trees" / "k"
    run = subprocess.run(
        [made / "bin" / "python", "-I", "-c", "import sent; print(sent.said)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == "from the host\n"
    assert sorted(path.name for path in made.parent.iterdir()) == ["k"]


def test_the_first_whole_tree_stays_and_what_was_begun_does_not(far: Far) -> None:
    begun = far.folder / "trees" / "k"
    begun.mkdir(parents=True)
    (begun / "half").write_text("of a tree")
    assert far.receive("k", {"lib/a.py": b"first"})[1] == [{"ready": True}]
    assert not (begun / "half").exists()
    assert far.receive("k", {"lib/a.py": b"second"})[1] == [{"ready": True}]
    assert (begun / "lib" / "a.py").read_bytes() == b"first"


@pytest.mark.parametrize("name", ["../out.py", "lib/../../out.py", "/tmp/modelcompat-out.py"])
def test_nothing_is_written_outside(far: Far, name: str) -> None:
    code, answers, err = far.receive("k", {name: b"x"})
    assert (code, answers) == (1, [])
    assert f"the path leads out of the folder: {name}" in err
    assert list((far.folder / "trees").iterdir()) == []
    assert not Path("/tmp/modelcompat-out.py").exists()


@pytest.mark.parametrize("at", ["in the length", "in the order", "in a file"])
def test_a_host_that_goes_away_leaves_nothing(far: Far, at: str) -> None:
    order = {"folder": str(far.folder), "key": "k", "executable": far.python}
    whole = sent({"lib/a.py": bytes(1000)}, **order)
    cut = {"in the length": whole[:2], "in the order": whole[:20], "in a file": whole[:-1]}
    process = far.start("receive")
    out, err = process.communicate(cut[at], timeout=60)
    assert process.returncode == 1
    assert told(out) == []
    assert "the host went away" in err.decode()
    trees = far.folder / "trees"
    assert not trees.exists() or list(trees.iterdir()) == []


def test_what_a_dead_owner_left_is_swept_and_what_a_living_one_has_is_not(far: Far) -> None:
    trees = far.folder / "trees"
    for name in ("dead", "living"):
        (trees / name).mkdir(parents=True)
        (trees / f"{name}.lock").touch()
    holding = subprocess.Popen(
        ["flock", trees / "living.lock", "sh", "-c", "echo held; read nothing"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holding.stdout is not None
    holding.stdout.readline()
    far.receive("k", {})
    holding.communicate()
    assert sorted(path.name for path in trees.iterdir()) == ["k", "living", "living.lock"]


# -- rooms


def test_a_program_has_its_files_its_environment_and_the_rest_of_the_input(far: Far) -> None:
    script = "pwd; umask; cat; echo $GIVEN; ls ../cell/more; ../tool; echo on-err >&2; exit 7"
    files = {"tool": b"#!/bin/sh\necho run", "cell/more/one": b"1"}
    process = far.start("room")
    order = far.room_order(script, env={"GIVEN": "by the host"})
    out, err = process.communicate(sent(files, **order) + b"input\n", timeout=60)
    lines = [line for line in out.decode().splitlines() if line]
    assert lines == [
        f'{MARK}{{"ready": true}}', f"{far.folder}/rooms/r/cell", "0077", "input", "by the host",
        "one", "run",
    ]  # fmt: skip
    assert (process.returncode, err) == (7, b"on-err\n")
    assert list((far.folder / "rooms").iterdir()) == []


def test_a_signal_is_told_as_shells_do(far: Far) -> None:
    assert far.room("kill -SEGV $$")[0] == 128 + signal.SIGSEGV


def test_a_program_that_is_not_there(far: Far) -> None:
    code, answers, err = far.room("", argv=["/no/such/program"])
    assert (code, answers) == (127, [{"ready": True}])
    assert err == "/no/such/program: No such file or directory\n"


def test_what_a_program_leaves_is_ended(far: Far) -> None:
    left = "(setsid sh -c 'sleep 300' >/dev/null 2>&1 & echo $! >&2); exit 3"
    code, _, err = far.room(left)
    assert code == 3
    assert not runs(int(err))


def test_the_time_of_a_room_ends(far: Far) -> None:
    code, _, err = far.room("echo $$ >&2; exec sleep 300", seconds=0.5)
    assert code == 1
    assert not runs(int(err))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_it_all(far: Far, number: int) -> None:
    process = far.start("room")
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(sent(**far.room_order("echo $$ >&2; exec sleep 300")))
    process.stdin.flush()
    pid = int(process.stderr.readline())
    process.send_signal(number)
    assert process.wait(30) == 1
    assert not runs(pid)
    process.communicate()
    assert list((far.folder / "rooms").iterdir()) == []


def test_a_program_that_ends_with_the_connection_may_end_by_itself(far: Far) -> None:
    process = far.start("room")
    assert process.stdin is not None
    assert process.stderr is not None
    script = "echo begun >&2; cat; echo ended by itself >&2; exit 5"
    process.stdin.write(sent(**far.room_order(script)))
    process.stdin.flush()
    assert process.stderr.readline() == b"begun\n"
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (5, b"ended by itself\n")


@pytest.mark.slow
def test_a_program_that_ignores_the_end_of_the_connection_is_ended(far: Far) -> None:
    process = far.start("room")
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(sent(**far.room_order("trap '' HUP TERM; echo $$ >&2; sleep 300")))
    process.stdin.flush()
    pid = int(process.stderr.readline())
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert not runs(pid)


@pytest.mark.parametrize(
    ("name", "machine", "told"),
    [
        ("linux-aarch64", "aarch64", "android-24-arm64_v8a"),  # as Termux builds its own
        ("linux-armv7l", "armv7l", "android-24-armeabi_v7a"),
        ("android-21-x86_64", "x86_64", "android-21-x86_64"),
    ],
)
def test_a_phone_tells_its_api_level_and_abi(
    monkeypatch: pytest.MonkeyPatch, name: str, machine: str, told: str
) -> None:
    monkeypatch.setattr(remote.sys, "getandroidapilevel", lambda: 24, raising=False)
    monkeypatch.setattr(remote.sysconfig, "get_platform", lambda: name)
    monkeypatch.setattr(remote.platform, "machine", lambda: machine)
    assert remote.named_platform() == told


def test_other_machines_tell_what_python_calls_them() -> None:
    assert remote.named_platform() == remote.sysconfig.get_platform()
