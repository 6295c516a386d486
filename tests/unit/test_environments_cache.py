"""Locks, atomic writes and the sweep; with real processes that really die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_modelcompat.environments.cache import (
    MARKER,
    LockTimeout,
    atomic_write,
    cache_folder,
    file_lock,
    kept_or_removed,
    lock_of,
    made_anew,
    remove_tree,
    sweep,
    temporary_file,
)

HOLDER = """\
import sys, time
from pathlib import Path
from pytest_modelcompat.environments.cache import file_lock, temporary_file
kind, path = sys.argv[1], Path(sys.argv[2])
with (file_lock(path) if kind == "lock" else temporary_file(path, name="half")) as made:
    print("held", flush=True)
    time.sleep(600)
"""


def holder(kind: str, path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind, str(path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    with process:
        process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestFolder:
    def test_is_named_by_the_environment(self, tmp_path: Path) -> None:
        assert cache_folder({"MODELCOMPAT_CACHE": str(tmp_path)}) == tmp_path

    def test_is_absolute(self) -> None:
        assert cache_folder({"MODELCOMPAT_CACHE": "some/where"}) == Path.cwd() / "some/where"
        assert cache_folder({}).is_absolute()
        assert cache_folder({}).name == "modelcompat"

    def test_an_empty_name_is_none(self) -> None:
        assert cache_folder({"MODELCOMPAT_CACHE": ""}) == cache_folder({})


class TestAtomicWrite:
    def test_writes_text_and_bytes(self, tmp_path: Path) -> None:
        atomic_write(tmp_path / "deep" / "a", "ü")
        atomic_write(tmp_path / "deep" / "a", b"\xff", durable=False)
        assert (tmp_path / "deep" / "a").read_bytes() == b"\xff"
        assert names(tmp_path / "deep") == ["a"]

    def test_a_failure_leaves_the_old_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "a"
        atomic_write(file, "old")

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            atomic_write(file, "new")
        assert file.read_text() == "old"
        assert names(tmp_path) == ["a"]

    def test_readers_see_all_or_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "a"
        texts = {"x" * 200_000, "y" * 100_000}
        atomic_write(file, "x" * 200_000)
        seen = set()
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                seen.add(file.read_text())

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(100):
            atomic_write(file, sorted(texts)[number % 2], durable=False)
        stop.set()
        reader.join()
        assert seen <= texts

    def test_long_names(self, tmp_path: Path) -> None:
        atomic_write(tmp_path / ("n" * 250), "a")
        assert (tmp_path / ("n" * 250)).read_text() == "a"


class TestLock:
    def test_excludes_other_processes(self, tmp_path: Path) -> None:
        process = holder("lock", tmp_path / "a.lock")
        try:
            with pytest.raises(LockTimeout), file_lock(tmp_path / "a.lock", timeout=0):
                pass
            began = time.monotonic()
            with pytest.raises(LockTimeout), file_lock(tmp_path / "a.lock", timeout=0.3):
                pass
            assert 0.3 <= time.monotonic() - began < 60
        finally:
            end(process)

    def test_is_released_by_death(self, tmp_path: Path) -> None:
        process = holder("lock", tmp_path / "a.lock")
        timer = threading.Timer(0.3, process.send_signal, [signal.SIGKILL])
        timer.start()
        with file_lock(tmp_path / "a.lock", timeout=10):
            pass
        timer.join()
        end(process)

    def test_excludes_other_threads(self, tmp_path: Path) -> None:
        inside = []
        most = []

        def work() -> None:
            with file_lock(tmp_path / "a.lock"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.02)
                inside.pop()

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == [1] * 5

    def test_is_not_inherited(self, tmp_path: Path) -> None:
        with (
            file_lock(tmp_path / "a.lock"),
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
        ):
            held = [str(link.readlink()) for link in Path(f"/proc/{child.pid}/fd").iterdir()]
            assert str(tmp_path / "a.lock") not in held


class TestRemoveTree:
    def test_missing_is_fine(self, tmp_path: Path) -> None:
        remove_tree(tmp_path / "gone")

    def test_is_never_half_removed_under_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)

        def refuse(path: Path) -> None:
            assert not (tmp_path / "a").exists()
            raise PermissionError(path)

        monkeypatch.setattr("shutil.rmtree", refuse)
        with pytest.raises(PermissionError):
            remove_tree(tmp_path / "a")
        assert not (tmp_path / "a").exists()


class TestMaking:
    """A folder without its marker at the end is not there."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "it" / "old").mkdir(parents=True)
        return tmp_path / "it"

    @pytest.mark.parametrize("make", [made_anew, kept_or_removed])
    def test_without_its_marker_it_goes(self, folder: Path, make) -> None:
        with make(folder):
            assert not folder.exists(), "half-made before"
            folder.mkdir()
        assert not folder.exists()

    @pytest.mark.parametrize("make", [made_anew, kept_or_removed])
    def test_with_an_error_it_goes(self, folder: Path, make) -> None:
        (folder / MARKER).touch()
        with pytest.raises(KeyError), make(folder):
            raise KeyError
        assert not folder.exists()

    @pytest.mark.parametrize(("make", "kept"), [(made_anew, False), (kept_or_removed, True)])
    def test_a_finished_one_is_kept_for_who_only_brings_it_up_to_date(
        self, folder: Path, make, kept: bool
    ) -> None:
        (folder / MARKER).touch()
        with make(folder):
            assert (folder / "old").exists() is kept
            assert not (folder / MARKER).exists(), "a run that is killed now leaves it half-made"
            folder.mkdir(exist_ok=True)
            (folder / MARKER).touch()
        assert (folder / MARKER).exists()
        assert (folder / "old").exists() is kept


class TestSweep:
    @pytest.fixture
    def cache(self, tmp_path: Path) -> Path:
        for name in ("ready", "half", "busy"):
            (tmp_path / "environments" / name / "lock0").mkdir(parents=True)
            (tmp_path / "environments" / name / "lock0" / "noxfile.py").touch()
        (tmp_path / "environments" / "ready" / "lock0" / MARKER).touch()
        (tmp_path / "environments" / "ready" / "lock1").mkdir()
        return tmp_path

    def test_takes_what_is_half_made_and_nothing_else(self, cache: Path) -> None:
        (cache / "corpora").mkdir()
        (cache / "corpora" / "some.bundle").touch()
        process = holder("lock", lock_of(cache / "environments" / "busy"))
        try:
            removed = sweep(cache)
        finally:
            end(process)
        environments = cache / "environments"
        assert set(removed) == {environments / "half/lock0", environments / "ready/lock1"}
        assert (environments / "ready" / "lock0" / MARKER).exists()
        assert (environments / "busy" / "lock0" / "noxfile.py").exists()
        assert not (environments / "half" / "lock0").exists()
        assert (cache / "corpora" / "some.bundle").exists()
        assert environments / "busy/lock0" in sweep(cache)  # now that its maker is dead

    def test_temporary_files_of_the_living_stay(self, cache: Path) -> None:
        living = holder("file", cache / "locks")
        dead = holder("file", cache / "locks")
        end(dead)
        assert len(names(cache / "locks")) == 2
        with temporary_file(cache) as own:
            removed = [path for path in sweep(cache) if path.parent == cache / "locks"]
            assert own.exists()
        assert len(removed) == 1
        assert len(names(cache / "locks")) == 1
        end(living)
        sweep(cache)
        assert names(cache / "locks") == []

    def test_folders_that_were_being_removed(self, cache: Path) -> None:
        left = cache / "environments" / "ready" / ".lock0.0123.modelcompat-tmp"
        (left / "lib").mkdir(parents=True)
        assert left in sweep(cache)
        assert not left.exists()

    def test_no_cache_yet(self, tmp_path: Path) -> None:
        assert sweep(tmp_path / "gone") == ()
        assert not (tmp_path / "gone").exists()

    def test_does_not_follow_links(self, cache: Path, tmp_path_factory: object) -> None:
        outside = tmp_path_factory.mktemp("outside")
        (outside / "precious").mkdir()
        (cache / "environments" / "link").symlink_to(outside)
        (cache / "environments" / "half" / "link").symlink_to(outside / "precious")
        (cache / ".link.0123.modelcompat-tmp").symlink_to(outside / "precious")
        sweep(cache)
        assert (outside / "precious").exists()
