"""Every kind of environment keeps the same promises; the host's with real uv, nox and signals.

The index is a server on this machine, which can also be broken in the ways that indexes are.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.environments import interpreters, nox, resolve, uv
from pytest_modelcompat.environments.cache import MARKER, file_lock, lock_of, sweep
from pytest_modelcompat.environments.interpreters import default_python
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Prepared
from pytest_modelcompat.environments.registry import KINDS, kind_of, prepare, record
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.model import Image
from pytest_modelcompat.results.model import CellStatus, Stage
from tests.contract._index_server import IndexServer, wheel

ALPHA = "import beta\n"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[IndexServer]:
    server = IndexServer()
    server.add("alpha", body=ALPHA, requires=("beta>=1",))
    server.add("beta")
    server.add("beta", "2.0")
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", server.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setattr(uv, "PAUSES", (0.0, 0.0))
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def spec_of(*requirements: str, timeout: float = 60.0, **more: object) -> EnvironmentSpec:
    fields = {"role": "cell", "image": Image(), "python": default_python(), **more}
    return make_spec(requirements=requirements, install_timeout=timeout, **fields)


def made(spec: EnvironmentSpec, cache: Path) -> Prepared:
    prepared = prepare(spec, cache=cache)
    assert isinstance(prepared, Prepared), prepared.reason
    return prepared


def failed(spec: EnvironmentSpec, cache: Path) -> Failure:
    failure = prepare(spec, cache=cache)
    assert isinstance(failure, Failure)
    # nothing half-made is left
    assert not list((cache / "environments").glob("*/*"))
    return failure


def say(prepared: Prepared, code: str, folder: Path) -> str:
    process = kind_of(prepared.spec).start(
        prepared, ["-I", "-c", code], env={"A": "1"}, files=[], folder=folder
    )
    with process:
        output = process.stdout.read().decode()
        assert process.wait(20) == 0, process.stderr.read().decode()
    return output.strip()


class TestEveryKind:
    @pytest.mark.parametrize("kind", sorted(KINDS))
    def test_keeps_the_protocol(self, kind: str) -> None:
        assert KINDS[kind].name == kind
        assert callable(KINDS[kind].prepare)
        assert callable(KINDS[kind].start)

    def test_that_nobody_offers_says_so(self, cache: Path) -> None:
        spec = spec_of("six", image=Image(kind="moon", value="x"))
        failure = prepare(spec, cache=cache)
        assert isinstance(failure, Failure)
        assert (failure.status, failure.stage) == (CellStatus.UNAVAILABLE, Stage.START)
        assert "No plugin here offers environments of kind 'moon'" in failure.reason
        with pytest.raises(NotImplementedError):
            kind_of(spec).start(None, [], env={}, files=[], folder=cache)

    def test_every_kind_of_image_is_known(self) -> None:
        assert set(KINDS) == set(defaults().image_settings)


class TestHost:
    def test_holds_what_was_locked(self, index: IndexServer, cache: Path, tmp_path: Path) -> None:
        prepared = made(spec_of("alpha==1.0", "beta<2"), cache)
        assert not prepared.reused
        assert prepared.lock.packages == (("alpha", "1.0"), ("beta", "1.0"))
        assert prepared.lock.text.count("--hash=sha256:") == 2
        assert index.url not in prepared.lock.text
        assert "127.0.0.1" not in prepared.lock.text
        assert str(tmp_path) not in prepared.lock.text
        assert prepared.python_version.startswith(default_python())
        assert say(prepared, "import alpha, beta; print(beta.VERSION)", tmp_path) == "1.0"
        assert say(prepared, "import os; print(os.environ.get('A'))", tmp_path) == "1"
        names = say(prepared, "import os; print(sorted(os.environ))", tmp_path)
        # Python adds one; the other is the mark by which a process of ours is known.
        assert set(eval(names)) - {"LC_CTYPE"} == {"A", "MODELCOMPAT_PROCESS"}
        assert say(prepared, "import os; print(os.getcwd())", tmp_path) == str(tmp_path)

    def test_is_reused_without_any_process(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = spec_of("beta")
        first = made(spec, cache)
        for module in (nox, resolve, interpreters):
            monkeypatch.setattr(module, "run", None)
        asked = len(index.requests)
        again = made(spec, cache)
        assert again.reused
        assert len(index.requests) == asked
        assert replace(again, seconds={}, reused=False) == replace(first, seconds={})

    def test_is_locked_anew_after_half_a_day_or_with_other_settings(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = spec_of("beta")
        first = made(spec, cache)
        index.add("beta", "3.0")
        assert made(spec, cache).lock == first.lock
        for kept in (cache / "locks").iterdir():
            entry = json.loads(kept.read_text())
            kept.write_text(json.dumps({**entry, "made": "2026-01-01T00:00:00+00:00"}))
        monkeypatch.setenv("UV_NO_CACHE", "1")
        second = made(spec, cache)
        assert second.lock.packages == (("beta", "3.0"),)
        assert second.folder != first.folder
        assert first.folder.exists()  # a running cell may use it
        index.add("beta", "4.0")
        monkeypatch.setenv("UV_EXTRA_INDEX_URL", index.url)
        assert made(spec, cache).lock.packages == (("beta", "4.0"),)

    def test_an_old_lock_is_better_than_none(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = spec_of("beta")
        first = made(spec, cache)
        for kept in (cache / "locks").iterdir():
            entry = json.loads(kept.read_text())
            kept.write_text(json.dumps({**entry, "made": "2026-01-02T00:00:00+00:00"}))
        index.fault = "503"
        monkeypatch.setenv("UV_NO_CACHE", "1")
        again = made(spec, cache)
        assert again.lock == first.lock
        assert again.reused
        assert "the lock of 2026-01-02 was" in again.log

    def test_environments_of_old_locks_go_after_a_while(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = spec_of("beta")
        first = made(spec, cache)
        os.utime(first.folder / MARKER, (1, 1))
        index.add("beta", "3.0")
        shutil.rmtree(cache / "locks")
        monkeypatch.setenv("UV_NO_CACHE", "1")
        made(spec, cache)
        assert not first.folder.exists()

    def test_cut_off_date_is_the_end_of_that_day_in_utc(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words: list[object] = []
        run = resolve.run
        monkeypatch.setattr(
            resolve, "run", lambda argv, **more: words.extend(argv) or run(argv, **more)
        )
        prepare(spec_of("beta", exclude_newer="2026-12-31"), cache=cache)
        assert words[words.index("--exclude-newer") + 1] == "2027-01-01T00:00:00Z"

    def test_wheels_from_a_local_folder_get_a_hash(
        self, index: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "my wheels"
        folder.mkdir()
        (folder / "gamma-1.0+local-py3-none-any.whl").write_bytes(
            wheel("gamma", "1.0+local", requires=("beta",))
        )
        monkeypatch.setenv("UV_FIND_LINKS", str(folder))
        prepared = made(spec_of("gamma"), cache)
        assert prepared.lock.packages == (("beta", "2.0"), ("gamma", "1.0+local"))
        assert prepared.lock.text.count("--hash=sha256:") == 2
        assert "wheels" not in prepared.lock.text
        assert say(prepared, "import gamma; print(gamma.VERSION)", tmp_path) == "1.0+local"

    def test_pips_folder_of_wheels_counts(
        self, index: IndexServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "w").mkdir()
        (tmp_path / "w" / "gamma-1.0-py3-none-any.whl").write_bytes(wheel("gamma"))
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "w"))
        assert made(spec_of("gamma"), cache).lock.packages == (("gamma", "1.0"),)

    def test_settings_of_a_project_around_the_cache_do_not_count(
        self, index: IndexServer, tmp_path: Path
    ) -> None:
        (tmp_path / "uv.toml").write_text("no-index = true\n")
        (tmp_path / "pyproject.toml").write_text("[tool.uv]\nno-index = true\n")
        made(spec_of("beta"), tmp_path / "cache")

    def test_noxfile_can_be_run_by_hand(
        self, index: IndexServer, cache: Path, tmp_path: Path
    ) -> None:
        prepared = made(spec_of("beta==1.0"), cache)
        shutil.rmtree(prepared.folder / ".nox")
        subprocess.run(
            [sys.executable, "-m", "nox", "-f", prepared.folder / "noxfile.py"],
            check=True,
            capture_output=True,
        )
        assert say(prepared, "import beta; print(beta.VERSION)", tmp_path) == "1.0"

    def test_record(self, index: IndexServer, cache: Path) -> None:
        prepared = made(spec_of("beta==1.0"), cache)
        entry = record(prepared)
        assert (entry.status, entry.kind, entry.role) == ("completed", "host", "cell")
        assert entry.packages == ("beta==1.0",)
        assert entry.lock_digest == prepared.lock.digest
        assert entry.python == prepared.python_version
        assert set(entry.seconds) == {"resolve", "install"}
        assert "beta==1.0" in entry.log
        assert "uv pip sync" in entry.log
        for folder in (uv.program().parent, Path(sys._base_executable).parent):
            assert str(folder) not in entry.log
        assert record(made(spec_of("beta==1.0"), cache)).reused

    def test_nothing_is_installed_in_a_new_one(self, cache: Path) -> None:
        failure = failed(spec_of("onnxruntime==installed"), cache)
        assert (failure.status, failure.stage) == (CellStatus.UNAVAILABLE, Stage.START)
        assert "kind: python" in failure.reason

    @pytest.mark.parametrize("wanted", ["3.99", "3.7", "/no/such/python", "/bin/true"])
    def test_no_such_interpreter(self, wanted: str, cache: Path) -> None:
        failure = failed(spec_of("six", python=wanted), cache)
        assert (failure.status, failure.stage) == (CellStatus.UNAVAILABLE, Stage.START)
        entry = record(failure)
        assert (entry.status, entry.python, entry.reason) == ("unavailable", wanted, failure.reason)


class TestHealing:
    """A broken environment is made again, a whole one is left alone."""

    def breaks(self, prepared: Prepared) -> dict[str, Callable[[], object]]:
        marker = prepared.folder / MARKER
        venv = Path(prepared.python[0]).parent.parent
        python = venv / "bin" / "python"
        packages = next(venv.glob("lib/python*/site-packages"))
        other = marker.read_text().replace(prepared.lock.digest, "0" * 64)

        def replaced_by(path: Path, make: Callable[[], object]) -> None:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            make()

        return {
            "marker gone": marker.unlink,
            "marker damaged": lambda: marker.write_text(marker.read_text()[:20]),
            "marker of another kind": lambda: marker.write_text("[]"),
            "another lock in the marker": lambda: marker.write_text(other),
            "python gone": python.unlink,
            "python's target gone": lambda: replaced_by(
                python, lambda: python.symlink_to("/no/such/python")
            ),
            "package gone": (packages / "beta.py").unlink,
            "package added": (packages / "gamma-1.dist-info").mkdir,
            "pyvenv.cfg gone": (venv / "pyvenv.cfg").unlink,
            "everything gone": lambda: shutil.rmtree(prepared.folder),
            "a file in its place": lambda: replaced_by(
                prepared.folder, lambda: prepared.folder.write_text("")
            ),
        }

    @pytest.mark.parametrize(
        "how",
        [
            "marker gone", "marker damaged", "marker of another kind", "python gone",
            "python's target gone", "package gone", "package added", "everything gone",
            "another lock in the marker", "pyvenv.cfg gone", "a file in its place",
        ],
    )  # fmt: skip
    def test_broken(self, how: str, index: IndexServer, cache: Path, tmp_path: Path) -> None:
        spec = spec_of("beta==1.0")
        prepared = made(spec, cache)
        self.breaks(prepared)[how]()
        again = made(spec, cache)
        assert not again.reused
        assert say(again, "import beta; print(beta.VERSION)", tmp_path) == "1.0"
        assert made(spec, cache).reused

    def test_what_running_it_writes_does_no_harm(
        self, index: IndexServer, cache: Path, tmp_path: Path
    ) -> None:
        spec = spec_of("beta==1.0")
        prepared = made(spec, cache)
        say(prepared, "import beta", tmp_path)
        assert list(Path(prepared.python[0]).parent.parent.rglob("beta.*.pyc"))
        assert made(spec, cache).reused

    def test_another_interpreter(self, index: IndexServer, cache: Path, tmp_path: Path) -> None:
        """The interpreter has moved; the version is the same."""
        link = tmp_path / "python"
        link.symlink_to(sys._base_executable)
        spec = spec_of("beta==1.0", python=str(link))
        made(spec, cache)
        link.unlink()
        failure = prepare(spec, cache=cache)
        assert isinstance(failure, Failure)
        assert failure.status is CellStatus.UNAVAILABLE
        link.symlink_to(sys._base_executable)
        assert made(spec, cache).python_version

    def test_a_kept_lock_of_which_a_wheel_was_withdrawn(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        spec = spec_of("beta")
        assert made(spec, cache).lock.packages == (("beta", "2.0"),)
        shutil.rmtree(cache / "environments")
        shutil.rmtree(tmp_path / "uv-cache")
        del index.wheels["beta-2.0-py3-none-any.whl"]
        assert made(spec, cache).lock.packages == (("beta", "1.0"),)


class TestFaults:
    def test_contradiction(self, index: IndexServer, cache: Path) -> None:
        failure = failed(spec_of("alpha", "beta<1"), cache)
        assert (failure.status, failure.stage) == (CellStatus.UNSATISFIABLE, Stage.RESOLVE)
        assert failure.reason.startswith("No set of packages fulfils the requirements.\n")
        assert "alpha depend on beta>=1" in failure.reason
        assert record(failure).status == "unsatisfiable"

    def test_unknown_package(self, index: IndexServer, cache: Path) -> None:
        failure = failed(spec_of("gamma"), cache)
        assert failure.status is CellStatus.UNSATISFIABLE
        assert "gamma was not found" in failure.reason

    def test_only_a_source_distribution(self, index: IndexServer, cache: Path) -> None:
        index.wheels["delta-1.0.tar.gz"] = b"\x1f\x8b"
        failure = failed(spec_of("delta"), cache)
        assert failure.status is CellStatus.UNSATISFIABLE
        assert "no usable wheels" in failure.reason

    def test_no_wheel_for_this_platform(self, index: IndexServer, cache: Path) -> None:
        index.wheels["delta-1.0-cp311-cp311-win_amd64.whl"] = wheel("delta")
        failure = failed(spec_of("delta"), cache)
        assert failure.status is CellStatus.UNSATISFIABLE

    def test_yanked(self, index: IndexServer, cache: Path) -> None:
        index.yanked.add("beta-2.0-py3-none-any.whl")
        failure = failed(spec_of("beta>1"), cache)
        assert (failure.status, failure.stage) == (CellStatus.UNSATISFIABLE, Stage.RESOLVE)
        assert "beta==2.0 was yanked (reason: it was broken)" in " ".join(failure.reason.split())
        assert made(spec_of("beta"), cache).lock.packages == (("beta", "1.0"),)
        # Who names it means it: so has the index's standard it, and a matrix of old releases too.
        assert made(spec_of("beta==2.0"), cache).lock.packages == (("beta", "2.0"),)

    @pytest.mark.parametrize("fault", ["503", "truncated", "503_files", "401"])
    def test_index_out_of_order(self, fault: str, index: IndexServer, cache: Path) -> None:
        index.fault = fault
        failure = failed(spec_of("alpha"), cache)
        assert failure.status is CellStatus.INFRASTRUCTURE_FAILED
        assert failure.stage is Stage.RESOLVE
        assert "The package index could not be used while resolving" in failure.reason
        assert ("tried 3 times" in failure.reason) == (fault != "401")

    def test_index_out_of_order_for_a_moment(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index.fault = "503"
        monkeypatch.setattr(uv, "PAUSES", (1.0, 1.0))
        timer = threading.Timer(0.5, setattr, [index, "fault", None])
        timer.start()
        made(spec_of("alpha"), cache)
        timer.join()

    def test_nobody_there(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
        failure = failed(spec_of("alpha"), cache)
        assert failure.status is CellStatus.INFRASTRUCTURE_FAILED
        assert "Connection refused" in failure.reason

    def test_index_that_never_ends(self, index: IndexServer, cache: Path) -> None:
        index.fault = "slow"
        began = time.monotonic()
        failure = failed(spec_of("alpha", timeout=2), cache)
        assert failure.status is CellStatus.INFRASTRUCTURE_FAILED
        assert "Resolving did not end within 2 s (limits.install)." in failure.reason
        assert time.monotonic() - began < 60

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            ("503_files", "could not be used while installing (tried 3 times)"),
            ("truncated", "could not be used while installing (tried 3 times)"),
            ("wrong_hash", "its hash differs"),
            ("slow", "The installation did not end within 3 s (limits.install)."),
        ],
    )
    def test_index_breaks_before_the_installation(
        self, fault: str, words: str, index: IndexServer, cache: Path, tmp_path: Path
    ) -> None:
        spec = spec_of("beta==1.0", timeout=3 if fault == "slow" else 60)
        made(spec, cache)  # the lock is kept
        shutil.rmtree(cache / "environments")
        shutil.rmtree(tmp_path / "uv-cache")
        index.fault = fault
        failure = failed(spec, cache)
        assert (failure.status, failure.stage) == (CellStatus.INFRASTRUCTURE_FAILED, Stage.INSTALL)
        assert words in failure.reason
        assert failure.lock is not None
        index.fault = None
        made(spec, cache)

    def test_read_only_cache(self, index: IndexServer, tmp_path: Path) -> None:
        with mounted(tmp_path / "ro", "tmpfs", "size=1m") as folder:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
            failure = prepare(spec_of("beta"), cache=folder / "cache")
        assert isinstance(failure, Failure)
        assert failure.status is CellStatus.INFRASTRUCTURE_FAILED
        assert "Read-only file system" in failure.reason
        assert "MODELCOMPAT_CACHE" in failure.reason

    @pytest.mark.parametrize("room", [0, 16, 40, 120])
    def test_disk_full(self, room: int, index: IndexServer, tmp_path: Path) -> None:
        """At every point: with no room at all, and with some KiB for the first files."""
        index.add("big", body=f"DATA = '{os.urandom(100_000).hex()}'\n")
        spec = spec_of("big")
        with mounted(tmp_path / "small", "tmpfs", "size=256k") as folder:
            filler = folder / "filler"
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            os.truncate(filler, filler.stat().st_size - room * 1024)
            failure = prepare(spec, cache=folder / "cache")
            assert isinstance(failure, Failure)
            assert failure.status is CellStatus.INFRASTRUCTURE_FAILED
            assert failure.reason.startswith("The disk is full")
            assert not list((folder / "cache" / "environments").glob("*/*"))
            filler.unlink()
            subprocess.run(["mount", "-o", "remount,size=100m", folder], check=True)
            made(spec, folder / "cache")


@contextlib.contextmanager
def mounted(folder: Path, kind: str, options: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", kind, "-o", options, kind, folder],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"mounting a small {kind} is not permitted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


HOST = """\
import sys
from pathlib import Path
from pytest_modelcompat.environments.registry import prepare
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.matrix.defaults import defaults
from pytest_modelcompat.matrix.model import Image
spec = make_spec(
    role="cell", image=Image(), python=sys.argv[2], requirements=sys.argv[3:], install_timeout=60.0
)
print("ready", flush=True)
made = prepare(spec, cache=Path(sys.argv[1]))
print(getattr(made, "reused", made), flush=True)
"""


def host(cache: Path, *requirements: str, mark: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOST, cache, default_python(), *requirements],
        env={**os.environ, "LC_MARK": mark},  # handed on to everything that it starts
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def alive(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if f"LC_MARK={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def wait_until(true: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


class TestDeath:
    """SIGKILL of the host leaves no process within 5 s, and the next run mends the rest."""

    @pytest.mark.parametrize("when", ["resolving", "installing"])
    def test_while_the_network_hangs(
        self, when: str, index: IndexServer, cache: Path, tmp_path: Path
    ) -> None:
        spec = spec_of("beta==1.0")
        if when == "installing":
            made(spec, cache)
            shutil.rmtree(cache / "environments")
            shutil.rmtree(tmp_path / "uv-cache")
        index.fault = "slow"
        mark = f"{when}-{time.monotonic_ns()}"
        word = "sync" if when == "installing" else "compile"
        with host(cache, "beta==1.0", mark=mark) as process:
            wait_until(lambda: any(f"uv pip {word}" in line for line in alive(mark)))
            if when == "installing":
                wait_until(lambda: list(cache.glob("environments/*/*/.nox")))
            process.send_signal(signal.SIGKILL)
            process.wait()
            wait_until(lambda: not alive(mark), 5.0)
        index.fault = None
        assert bool(list(cache.glob("environments/*/*"))) == (when == "installing")
        sweep(cache)
        assert not list(cache.glob("environments/*/*"))
        assert say(made(spec, cache), "import beta; print(beta.VERSION)", tmp_path) == "1.0"

    @pytest.mark.slow
    def test_at_any_moment(self, index: IndexServer, cache: Path, tmp_path: Path) -> None:
        spec = spec_of("alpha", "beta==1.0")
        for number in range(25):
            shutil.rmtree(cache / "environments", ignore_errors=True)
            if number % 3 == 0:
                shutil.rmtree(cache / "locks", ignore_errors=True)
            mark = f"any-{time.monotonic_ns()}"
            with host(cache, "alpha", "beta==1.0", mark=mark) as process:
                time.sleep(number * 0.03)
                process.send_signal(signal.SIGKILL)
                process.wait()
                wait_until(lambda mark=mark: not alive(mark), 5.0)
            # whatever is there with a marker is whole
            prepared = made(spec, cache)
            assert say(prepared, "import alpha, beta; print(beta.VERSION)", tmp_path) == "1.0"
            sweep(cache)
            assert not list(cache.rglob("*.modelcompat-tmp"))

    def test_half_made_without_a_sweep(
        self, index: IndexServer, cache: Path, tmp_path: Path
    ) -> None:
        spec = spec_of("beta==1.0")
        prepared = made(spec, cache)
        (prepared.folder / MARKER).unlink()
        shutil.rmtree(prepared.folder / ".nox" / "environment" / "lib")
        assert say(made(spec, cache), "import beta; print(beta.VERSION)", tmp_path) == "1.0"


class TestTwoRuns:
    def test_make_one_environment_once(self, index: IndexServer, cache: Path) -> None:
        mark = f"two-{time.monotonic_ns()}"
        hosts = [host(cache, "alpha", "beta==1.0", mark=mark) for _ in range(4)]
        answers = []
        for process in hosts:
            with process:
                answers.append(process.stdout.read().strip())
        assert sorted(answers) == [b"False", b"True", b"True", b"True"]

    def test_threads_too(self, index: IndexServer, cache: Path) -> None:
        answers = []
        spec = spec_of("beta==1.0")
        threads = [
            threading.Thread(target=lambda: answers.append(made(spec, cache).reused))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [False, True, True, True]

    def test_one_that_hangs_does_not_hang_the_other(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = spec_of("beta==1.0", timeout=1.0)
        monkeypatch.setattr(nox, "BUSY", 0.5)
        with file_lock(lock_of(cache / "environments" / spec.id)):
            failure = prepare(spec, cache=cache)
        assert isinstance(failure, Failure)
        assert failure.status is CellStatus.INFRASTRUCTURE_FAILED
        assert "Another run has been making this environment" in failure.reason


class TestSecrets:
    CANARY = "canary-7f3a9b"

    def everything(self, cache: Path, *records: object) -> str:
        texts = [repr(one) for one in records]
        files = [file for file in cache.rglob("*") if file.is_file()]
        texts += [file.read_bytes().decode("latin-1") for file in files]
        return "\n".join(texts)

    def test_reach_the_index_and_nothing_else(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = index.url.replace("http://", f"http://me:{self.CANARY}@")
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        monkeypatch.setenv("GITHUB_TOKEN", self.CANARY)
        prepared = made(spec_of("beta==1.0"), cache)
        assert any(index.seen_authorization)
        found = [prepared, record(prepared)]
        for fault, requirement in (("401", "alpha"), ("503", "alpha"), (None, "gamma")):
            index.fault = fault
            monkeypatch.setenv("UV_NO_CACHE", "1")
            failure = prepare(spec_of(requirement), cache=cache)
            assert isinstance(failure, Failure)
            found += [failure, record(failure)]
        assert self.CANARY not in self.everything(cache, *found)

    def test_are_taken_out_of_what_uv_says(
        self, index: IndexServer, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """uv hides passwords by itself, but not the tokens that some hosts want in a path."""
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("/simple", f"/{self.CANARY}/pypi"))
        monkeypatch.setenv("INDEX_TOKEN", self.CANARY)
        prepared = made(spec_of("beta==1.0"), cache)
        shutil.rmtree(cache / "environments")
        shutil.rmtree(tmp_path / "uv-cache")
        index.fault = "503"
        failures = [prepare(spec_of(name), cache=cache) for name in ("alpha", "beta==1.0")]
        assert [failure.stage for failure in failures] == [Stage.RESOLVE, Stage.INSTALL]
        assert all("/****/pypi" in failure.reason for failure in failures)
        records = [record(failure) for failure in failures]
        assert self.CANARY not in self.everything(cache, prepared, *failures, *records)


class TestExistingPython:
    def spec(self, *requirements: str, path: str = sys.executable, python: str = "image"):
        return spec_of(*requirements, image=Image(kind="python", value=path), python=python)

    def test_is_taken_as_it_is(self, cache: Path, tmp_path: Path) -> None:
        prepared = made(self.spec("pytest", "packaging==installed"), cache)
        assert prepared.reused
        assert prepared.python == (sys.executable,)
        assert dict(prepared.lock.packages)["pytest"] == pytest.__version__
        assert say(prepared, "import sys; print(sys.executable)", tmp_path) == sys.executable
        assert record(prepared).kind == "python"

    @pytest.mark.parametrize(
        ("requirement", "words"),
        [
            ("pytest<2", "pytest<2 is asked for"),
            ("no-such-package", "no-such-package is not installed"),
        ],
    )
    def test_that_is_not_what_was_asked_for(
        self, requirement: str, words: str, cache: Path
    ) -> None:
        failure = failed(self.spec(requirement), cache)
        assert failure.status is CellStatus.MISCONFIGURED
        assert words in failure.reason

    def test_of_another_version(self, cache: Path) -> None:
        failure = failed(self.spec("pytest", python="3.8"), cache)
        assert failure.status is CellStatus.MISCONFIGURED
        assert "Python 3.8 is asked for" in failure.reason

    @pytest.mark.parametrize("path", ["/no/such/python", "/bin/true", "no-such"])
    def test_that_is_none(self, path: str, cache: Path) -> None:
        failure = failed(self.spec("pytest", path=path), cache)
        assert failure.status is CellStatus.UNAVAILABLE


@pytest.mark.network
class TestRealPackages:
    @pytest.mark.parametrize("python", ["3.8", "3.12"])
    def test_six_and_numpy(self, python: str, cache: Path, tmp_path: Path) -> None:
        if isinstance(interpreters.find(python, cache=cache), interpreters.NoInterpreter):
            pytest.skip(f"no Python {python} on this machine")
        spec = spec_of("numpy", "six==1.16.0", python=python, timeout=300)
        prepared = made(spec, cache)
        assert dict(prepared.lock.packages)["six"] == "1.16.0"
        assert prepared.python_version.startswith(f"{python}.")
        code = "import numpy, six; print(numpy.arange(3).sum(), six.__version__)"
        assert say(prepared, code, tmp_path) == "3 1.16.0"
        assert made(spec, cache).reused

    def test_no_wheel_for_this_python(self, cache: Path) -> None:
        failure = failed(spec_of("onnxruntime==1.10.0", timeout=300), cache)
        assert failure.status is CellStatus.UNSATISFIABLE

    def test_as_of_a_day(self, cache: Path) -> None:
        prepared = made(spec_of("six", exclude_newer="2021-06-01", timeout=300), cache)
        assert prepared.lock.packages == (("six", "1.16.0"),)
