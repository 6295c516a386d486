"""Cells on another machine, over a real ssh server on this one."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_modelcompat.environments import registry, ssh, ssh_line
from pytest_modelcompat.environments.protocol import (
    EnvironmentSpec,
    Failure,
    PlaceLostError,
    Prepared,
)
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.errors import UsageProblem
from pytest_modelcompat.matrix.load import load_matrix
from pytest_modelcompat.matrix.model import Image
from pytest_modelcompat.results.model import CellStatus, Stage
from tests.contract._index_server import wheel
from tests.elf_files import shared_object
from tests.project import Project, Result
from tests.sshd import Server, server


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path / "sshd") as found:
        yield found


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def spec_of(image: Image, *, python: str = "image") -> EnvironmentSpec:
    return make_spec(role="cell", image=image, python=python, requirements=(), install_timeout=60.0)


def made(image: Image, cache: Path) -> Prepared:
    prepared = registry.prepare(spec_of(image), cache=cache)
    assert isinstance(prepared, Prepared), prepared.reason
    return prepared


def refused(image: Image, cache: Path, *, python: str = "image") -> str:
    failure = registry.prepare(spec_of(image, python=python), cache=cache)
    assert isinstance(failure, Failure)
    assert (failure.status, failure.stage) == (CellStatus.UNAVAILABLE, Stage.START)
    return failure.reason


def wait_until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def started(prepared: Prepared, code: str, room: Path, *, files: list[Path] | None = None):
    room.mkdir(exist_ok=True)
    return registry.kind_of(prepared.spec).start(
        prepared, ["-I", "-c", code], env={}, files=files or [], folder=room
    )


class TestPreflight:
    def test_what_a_machines_loader_will_not_find_is_told(
        self, there: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the machine has is asked of itself: its own libraries are not told as lacking."""
        data = io.BytesIO(wheel("lacking"))
        needed = ("libc.so.6", "libm.so.6", "libabsent-of-tests.so.9")
        with zipfile.ZipFile(data, "a") as archive:
            archive.writestr("lacking.so", shared_object(needed=needed))
        (tmp_path / "wheels").mkdir()
        (tmp_path / "wheels" / "lacking-1.0-py3-none-any.whl").write_bytes(data.getvalue())
        monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
        monkeypatch.setenv("UV_NO_INDEX", "1")
        image = there.image(python=sys.executable)
        spec = make_spec(
            role="cell", image=image, python="image", requirements=("lacking",),
            install_timeout=60.0,
        )  # fmt: skip
        prepared = registry.prepare(spec, cache=cache)
        assert isinstance(prepared, Prepared), prepared.reason
        (note,) = prepared.notes
        assert note == (
            "preflight: lacking.so needs libabsent-of-tests.so.9, not found in the environment or "
            f"on the default library paths of {image.value}"
        )


class TestMachinesThatWillNotDo:
    """Cells there are `unavailable`, in ssh's own words."""

    def test_nobody_listens(self, there: Server, cache: Path) -> None:
        there.stop()
        assert "Connection refused" in refused(there.image(), cache)

    def test_no_such_name(self, there: Server, cache: Path) -> None:
        image = Image(kind="ssh", value="no-such-machine.invalid", settings=there.image().settings)
        assert "Could not resolve hostname" in refused(image, cache)

    def test_a_key_that_it_does_not_know(self, there: Server, cache: Path) -> None:
        (there.folder / "authorized").write_text((there.folder / "stranger.pub").read_text())
        assert "Permission denied (publickey" in refused(there.image(), cache)

    def test_a_machine_that_we_do_not_know(self, there: Server, cache: Path) -> None:
        (there.folder / "known").write_text("")
        assert "Host key verification failed" in refused(there.image(), cache)

    def test_no_such_python(self, there: Server, cache: Path) -> None:
        reason = refused(there.image(python="/no/such/python"), cache)
        assert "/no/such/python does not run on board" in reason

    def test_another_python(self, there: Server, cache: Path) -> None:
        reason = refused(there.image(python=sys.executable), cache, python="3.77")
        assert "Python 3.77 is asked for, but the one on board is" in reason

    def test_not_a_python(self, there: Server, cache: Path) -> None:
        assert "/bin/true does not run on board" in refused(there.image(python="/bin/true"), cache)

    def test_one_that_answers_nothing(
        self, there: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ssh, "PROBE", 1.0)
        assert there.process is not None
        there.process.send_signal(signal.SIGSTOP)
        assert "gave no answer within 1 s" in refused(there.image(), cache)
        there.process.send_signal(signal.SIGCONT)

    def test_no_client(
        self, there: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "There is no ssh on PATH" in refused(there.image(), cache)


def test_a_login_shell_that_prints_does_no_harm(there: Server, cache: Path, tmp_path: Path) -> None:
    config = there.folder / "sshd_config"
    script = there.folder / "noisy"
    script.write_text(
        '#!/bin/sh\nhead -c 4096 /dev/urandom\necho welcome\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    script.chmod(0o755)
    there.stop()
    config.write_text(f"{config.read_text()}ForceCommand {script}\n")
    there.start()
    prepared = made(there.image(python=sys.executable), cache)
    with started(prepared, "print('here')", tmp_path / "room") as process:
        assert process.stdout.read() == b"here\n"


class TestNothingIsLeft:
    """Of a cell: no process and no private folder; what was installed stays for the next one."""

    CODE = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(600)'], start_new_session=True); "
        "print('begun', flush=True); sys.stdin.read() if {listens} else time.sleep(600)"
    )

    def begun(self, there: Server, cache: Path, room: Path, *, listens: bool):
        prepared = made(there.image(python=sys.executable), cache)
        process = started(prepared, self.CODE.format(listens=listens), room)
        assert os.read(process.stdout.fileno(), 100) == b"begun\n"
        assert len(there.left()) == 2
        assert there.processes()
        return process

    @pytest.mark.parametrize("listens", [True, False])
    def test_when_standard_input_is_closed(
        self, listens: bool, there: Server, cache: Path, tmp_path: Path
    ) -> None:
        with self.begun(there, cache, tmp_path / "room", listens=listens) as process:
            process.stdin.close()
            assert process.wait(20) is not None
        wait_until(lambda: not there.left() and not there.processes())

    @pytest.mark.parametrize("listens", [True, False])
    def test_when_the_client_is_killed(
        self, listens: bool, there: Server, cache: Path, tmp_path: Path
    ) -> None:
        with self.begun(there, cache, tmp_path / "room", listens=listens) as process:
            process.kill()
        wait_until(lambda: not there.left() and not there.processes())

    def test_when_the_server_is_killed(self, there: Server, cache: Path, tmp_path: Path) -> None:
        with self.begun(there, cache, tmp_path / "room", listens=False) as process:
            there.stop()
            assert process.wait(30) == ssh_line.FAILED
        wait_until(lambda: not there.left() and not there.processes())

    def test_when_even_its_keeper_is_killed_the_next_one_sweeps(
        self, there: Server, cache: Path, tmp_path: Path
    ) -> None:
        with self.begun(there, cache, tmp_path / "room", listens=True):
            words = b"import base64,zlib"
            for entry in Path("/proc").iterdir():
                with contextlib.suppress(OSError, ValueError):
                    line = (entry / "cmdline").read_bytes()
                    if words in line and str(there.home).encode() not in line:
                        environ = (entry / "environ").read_bytes()
                        if f" {there.port}".encode() in environ and b"SSH_CONNECTION" in environ:
                            os.kill(int(entry.name), signal.SIGKILL)
        left = there.left()
        assert left
        prepared = made(there.image(python=sys.executable), cache)
        with started(prepared, "pass", tmp_path / "other") as process:
            process.wait(20)
        wait_until(lambda: not set(left) & set(there.left()))

    def test_a_room_is_private(self, there: Server, cache: Path, tmp_path: Path) -> None:
        with self.begun(there, cache, tmp_path / "room", listens=True):
            for path in (there.home / "rooms").iterdir():
                assert path.stat().st_mode & 0o077 == 0


class TestWhatIsThereAlready:
    def image(self, there: Server) -> Image:
        return there.image(python=sys.executable, install="none")

    def test_is_listed_and_used(self, there: Server, cache: Path, tmp_path: Path) -> None:
        prepared = made(self.image(there), cache)
        assert prepared.python == (sys.executable,)
        assert dict(prepared.lock.packages)["pytest"] == pytest.__version__
        code = "import pytest; print(pytest.__version__)"
        with started(prepared, code, tmp_path / "room") as process:
            assert process.stdout.read().decode().strip() == pytest.__version__
        assert not (there.home / "trees").is_dir() or not list((there.home / "trees").iterdir())

    def test_is_held_against_the_axes(self, there: Server, cache: Path) -> None:
        spec = make_spec(
            role="cell", image=self.image(there), python="image", requirements=("pytest<2",)
        )
        failure = registry.prepare(spec, cache=cache)
        assert isinstance(failure, Failure)
        assert failure.status is CellStatus.MISCONFIGURED
        assert "pytest<2 is asked for" in failure.reason

    def test_is_what_installed_needs(self, tmp_path: Path) -> None:
        file = tmp_path / "m.yaml"
        image = "{kind: ssh, value: board%s}"
        text = "axes: {framework: {onnx: [installed]}, image: [%s]}"
        file.write_text(text % image % "")
        with pytest.raises(UsageProblem, match="install: none"):
            load_matrix(file)
        file.write_text(text % image % ", install: none")
        assert load_matrix(file).cells


class TestFiles:
    def test_are_where_the_cell_is_told_that_they_are(
        self, there: Server, cache: Path, tmp_path: Path
    ) -> None:
        room = tmp_path / "room"
        (room / "files" / "deep").mkdir(parents=True)
        (room / "scratch").mkdir()
        (room / "files" / "deep" / "model").write_bytes(b"\0\n\xff" * 1000)
        other = tmp_path / "bundle"
        other.write_bytes(os.urandom(3_000_000))
        prepared = made(there.image(python=sys.executable), cache)
        kind = registry.kind_of(prepared.spec)
        at = [
            str(kind.inside(path, prepared=prepared, folder=room))
            for path in (room / "files", other, room / "scratch")
        ]
        code = (
            f"import os; print(os.path.getsize({at[0]!r} + '/deep/model'), "
            f"os.path.getsize({at[1]!r}), os.path.isdir(os.environ['HOME']), "
            f"os.environ['HOME'] == {at[2]!r}, os.environ['OTHER'])"
        )
        process = kind.start(
            prepared, ["-I", "-c", code], env={"HOME": str(room / "scratch"), "OTHER": "/x"},
            files=[room / "files", other], folder=room,
        )  # fmt: skip
        with process:
            assert process.stdout.read().decode() == "3000 3000000 True True /x\n"

    def test_the_tree_is_copied_once(
        self, there: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = made(there.image(python=sys.executable), cache)
        assert not first.reused
        monkeypatch.setattr(ssh, "_copy", None)
        again = made(there.image(python=sys.executable), cache)
        assert again.reused
        assert again.python == first.python

    def test_a_disk_that_cannot_be_written(
        self, there: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        there.home.mkdir()
        (there.home / "trees").mkdir()
        (there.home / "trees" / ".x").mkdir()
        monkeypatch.setattr(
            ssh_line, "sent_below", lambda *_: [("../out", Path("/dev/null"), 0, 0)]
        )
        failure = registry.prepare(spec_of(there.image(python=sys.executable)), cache=cache)
        assert isinstance(failure, Failure)
        assert (failure.status, failure.stage) == (CellStatus.INFRASTRUCTURE_FAILED, Stage.INSTALL)
        assert "leads out of the folder" in failure.reason
        assert sorted(path.name for path in (there.home / "trees").iterdir()) == [".x"]


def test_a_line_that_is_lost_before_the_cell_begins_is_the_place_s_fault(
    there: Server, cache: Path, tmp_path: Path
) -> None:
    prepared = made(there.image(python=sys.executable), cache)
    there.stop()
    with pytest.raises(PlaceLostError, match="Connection refused"):
        started(prepared, "pass", tmp_path / "room")


@pytest.mark.parametrize(
    "image",
    [
        "{kind: ssh, value: '-oProxyCommand=touch pwned'}",
        "{kind: ssh, value: 'a b'}",
        "{kind: ssh, value: '$(touch pwned)'}",
        "{kind: ssh, value: board, python: 'python3; touch pwned'}",
        "{kind: ssh, value: board, python: -c}",
        "{kind: ssh, value: board, python: '$HOME/x'}",
        "{kind: ssh, value: board, folder: ../../etc}",
        "{kind: ssh, value: board, folder: -rf}",
        "{kind: ssh, value: board, port: 0}",
        "{kind: ssh, value: board, port: '22 -o x'}",
        "{kind: ssh, value: board, port: 65536}",
        "{kind: ssh, value: board, identity: no-such-file}",
        "{kind: ssh, value: board, config: no-such-file}",
        "{kind: ssh, value: board, options: {x: y}, ProxyCommand: x}",
        "{kind: ssh, value: board, install: inside}",
        "{kind: nox, value: '--list', noxfile: m.yaml}",
        "{kind: nox, value: 'x; touch pwned', noxfile: m.yaml}",
        "{kind: tox, value: 'a,b', config: m.yaml}",
        "{kind: tox, value: '-x', config: m.yaml}",
        "{kind: python, value: -c}",
    ],
)
def test_hostile_strings_are_refused_with_a_sentence(image: str, tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(f'axes:\n  framework: {{onnx: ["1.18.0"]}}\n  image: [{image}]\n')
    with pytest.raises(UsageProblem) as caught:
        load_matrix(file)
    assert caught.value.problems[0].line == 3


def test_they_are_usage_errors_and_reach_no_shell(tmp_path: Path) -> None:
    image = "{kind: ssh, value: '-oProxyCommand=touch pwned', python: '$(touch pwned)'}"
    matrix = f'axes:\n  framework: {{onnx: ["1.18.0"]}}\n  image: [{image}]\n'
    result = Project({"m.yaml": matrix}).run(tmp_path, "--compat-matrix", "m.yaml")
    assert result.code == 4, result.out + result.err
    assert "m.yaml:3:" in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "pwned").exists()


MATRIX = """\
schema: 1
axes:
  framework: {{onnxruntime: ["1.23.2"]}}
  image:
    - {{kind: ssh, value: board, config: {config}, folder: {home}, python: {python}}}
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [{match}]
"""


def project(there: Server, match: str = "Relu, Abs") -> Project:
    text = MATRIX.format(config=there.config, home=there.home, python=sys.executable, match=match)
    return Project({"m.yaml": text})


@pytest.mark.network
@pytest.mark.slow
class TestWholeRuns:
    def test_a_run_is_green_and_says_where_it_was(self, there: Server, tmp_path: Path) -> None:
        # measured now: a result that is kept of this very machine would be told with its folder
        options = ("--compat-matrix", "m.yaml", "--compat-fresh")
        result = project(there).run(tmp_path / "p", *options, timeout=900)
        assert result.code == 0, result.out + result.err
        (cell,) = result.run["cells"]
        assert cell["status"] == "completed"
        assert cell["environment"]["kind"] == "ssh"
        assert cell["attestation"]["reached"]["over"] == "ssh"
        assert str(there.home) in cell["attestation"]["executable"]
        assert cell["attestation"]["distributions"]["onnxruntime"] == "1.23.2"
        assert {case["status"] for case in result.cases} == {"passed"}
        wait_until(lambda: not there.left() and not there.processes())

    def test_a_line_that_is_cut_is_infrastructure_and_tried_again(
        self, there: Server, tmp_path: Path
    ) -> None:
        process = project(there, "Resize, Conv, Attention").start(
            tmp_path / "p", "--compat-matrix", "m.yaml", "--compat-fresh"
        )
        with process:
            wait_until(lambda: there.left() or process.poll() is not None, 600)
            wait_until(lambda: len(there.processes()) > 2 or process.poll() is not None, 60)
            for pid in there.connections():
                os.kill(pid, signal.SIGKILL)
            output = process.stdout.read().decode()
            assert process.wait(300) in {0, 1}, output
        result = Result(process.returncode, output, "", tmp_path / "p")
        (cell,) = result.run["cells"]
        assert cell["status"] == "completed", output
        assert sum(cell["counts"].values()) == len(result.cases)
        assert "not_run" not in cell["counts"]

    def test_a_machine_that_goes_away_for_good(self, there: Server, tmp_path: Path) -> None:
        process = project(there, "Resize, Conv, Attention").start(
            tmp_path / "p", "--compat-matrix", "m.yaml", "--compat-fresh"
        )
        with process:
            wait_until(lambda: there.left() or process.poll() is not None, 600)
            there.stop()
            output = process.stdout.read().decode()
            assert process.wait(300) == 1, output
        result = Result(process.returncode, output, "", tmp_path / "p")
        (cell,) = result.run["cells"]
        assert cell["status"] == "infrastructure_failed", output
        assert sum(cell["counts"].values()) == len(result.cases)
        wait_until(lambda: not there.left() and not there.processes())

    @pytest.mark.parametrize("after", [0.0, 0.3, 1.0, 2.0])
    def test_a_host_that_is_killed_leaves_nothing_there(
        self, after: float, there: Server, tmp_path: Path
    ) -> None:
        process = project(there, "Resize, Conv, Attention").start(
            tmp_path / "p", "--compat-matrix", "m.yaml", "--compat-fresh"
        )
        with process:
            wait_until(lambda: there.left() or process.poll() is not None, 600)
            time.sleep(after)
            process.kill()
        wait_until(lambda: not there.left() and not there.processes())
