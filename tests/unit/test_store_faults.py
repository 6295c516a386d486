"""What was acknowledged survives: SIGKILL at any moment, a full disk, a read-only folder."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_modelcompat.errors.results import WriteError
from pytest_modelcompat.results.files import atomic_file, atomic_write
from pytest_modelcompat.results.store import Store
from pytest_modelcompat.results.write import write_outputs
from tests.unit.stored_runs import case, cell, open_store

ROOT = Path(__file__).parents[2]

# Writes batches of three cells from three threads, and says which are acknowledged.
WRITER = """
import pathlib, sys, threading
sys.path.insert(0, {root!r})
from tests.unit.stored_runs import case, cell, open_store
store = open_store(pathlib.Path({folder!r}))
say = threading.Lock()
def write(name):
    have = store.recorded(name)
    batch = []
    for n in range(100_000):
        if n in have:
            continue
        outputs = (store.put_blob(b"%d" % n),) if n % 50 == 0 else ("=",)
        batch.append(case(n, cell=name, outputs=outputs))
        if len(batch) == 25:
            store.add_cases(batch)
            with say:
                print(name, batch[0].n, batch[-1].n, flush=True)
            batch = []
            store.set_cell(cell(name))
for name in "abc":
    threading.Thread(target=write, args=(name,)).start()
"""


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=[pytest.mark.slow] if n > 4 else []) for n in range(20)]
)
def test_no_acknowledged_result_is_lost_by_sigkill(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    acknowledged: dict[str, set[int]] = {name: set() for name in "abc"}
    for _ in range(2):  # the second one continues what the first one left
        code = WRITER.format(root=str(ROOT), folder=str(tmp_path / "report"))
        log = tmp_path / "log"
        with (
            log.open("w") as out,
            subprocess.Popen([sys.executable, "-c", code], stdout=out, stderr=out) as writer,
        ):
            _wait_for(log)
            time.sleep(chance.uniform(0, 0.3))
            writer.kill()
            assert writer.wait() == -signal.SIGKILL, log.read_text()
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                name, first, last = line.split()
                # Cases are written in order, so that a batch has no holes but those it skipped.
                acknowledged[name].update(range(int(first), int(last) + 1))
        assert any(acknowledged.values())
        with open_store(tmp_path / "report") as store:
            assert store.continued
            for name, numbers in acknowledged.items():
                stored = store.recorded(name)
                assert numbers <= set(stored), "an acknowledged result is gone"
                # Whole batches: whatever was not acknowledged is there as a whole, or not.
                assert len(stored) % 25 == 0
                assert sorted(stored) == list(range(len(stored)))
            assert not list((tmp_path / "report").rglob(".*.tmp"))
            for each in store.cases():
                if each.n % 50 == 0:
                    assert store.get_blob(each.measurement.outputs[0]) == b"%d" % each.n
    connection = sqlite3.connect(tmp_path / "report" / "run.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def _wait_for(log: Path) -> None:
    deadline = time.monotonic() + 20
    while not log.stat().st_size:
        assert time.monotonic() < deadline, "the writer did not start"
        time.sleep(0.005)


@contextmanager
def mounted(folder: Path, *options: str):
    """A mount for the time of the block; skips where this user may not mount."""
    folder.mkdir()
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not permitted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=3m", "tmpfs") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 2**20)
        folder = disk / "report"
        acknowledged = 0
        with open_store(folder) as store:
            store.set_cell(cell())
            error = {"message": "x" * 500}

            def fill() -> None:
                nonlocal acknowledged
                while True:
                    numbers = range(acknowledged, acknowledged + 50)
                    store.add_cases([case(n, status="error", error=error) for n in numbers])
                    acknowledged += 50

            with pytest.raises(WriteError, match=r"The disk is full\. What was recorded"):
                fill()
            assert acknowledged
            assert len(store.recorded("cell-a")) == acknowledged
            # The same store goes on when there is room again.
            ballast.unlink()
            store.add_cases([case(acknowledged)])
        with open_store(folder) as store:
            assert store.continued
            assert len(store.recorded("cell-a")) == acknowledged + 1
            first = next(store.cases())
            assert first.measurement.error == {"message": "x" * 500}


def test_a_full_disk_tears_no_file(tmp_path: Path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=2m", "tmpfs") as disk:
        folder = disk / "report"
        with open_store(folder) as store:
            store.add_cases([case(n, run_seconds=(random.random(),)) for n in range(2000)])
            store.set_cell(cell())
            store.settle()
            write_outputs(store)
            before = {path.name: path.read_bytes() for path in folder.glob("*.json*")}
            free = shutil.disk_usage(disk).free
            (disk / "ballast").write_bytes(b"x" * (free - 8192))
            with pytest.raises(WriteError, match="disk is full"):
                write_outputs(store)
            with pytest.raises(WriteError, match="disk is full"):
                store.put_blob(os.urandom(100_000))
            after = {path.name: path.read_bytes() for path in folder.glob("*.json*")}
            assert after == before
            assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]
        assert json.loads(after["run.json"])["cells"][0]["counts"] == {"passed": 2000}
        assert len(gzip.decompress(after["cases.jsonl.gz"]).splitlines()) == 2000


def test_a_full_disk_at_the_start_leaves_the_old_run(tmp_path: Path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk:
        folder = disk / "report"
        with open_store(folder) as store:
            store.add_cases([case(0)])
            store.finish()
            write_outputs(store)
        (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - 4096))
        with pytest.raises(WriteError, match="disk is full"):
            open_store(folder, "other")
        (disk / "ballast").unlink()
        assert (folder / "run.json").exists()
        with Store.existing(folder) as store:
            assert len(list(store.cases())) == 1
        assert not list(folder.glob(".*"))


def test_a_read_only_folder_is_told_in_a_sentence(tmp_path: Path):
    source = tmp_path / "source"
    with open_store(source) as store:
        store.add_cases([case(0)])
        store.finish()
    with mounted(tmp_path / "shut", "--bind", str(source)) as folder:
        again = ["mount", "-o", "remount,ro,bind", str(folder)]
        if subprocess.run(again, check=False, capture_output=True).returncode:
            pytest.skip("a read-only bind mount is not permitted here")
        for use in (open_store, Store.existing):
            with pytest.raises(WriteError, match=r"cannot be written.*--compat-report"):
                use(folder)
        with pytest.raises(WriteError, match="cannot be written"):
            open_store(folder / "new")


def test_a_file_is_whole_or_absent(tmp_path: Path):
    path = tmp_path / "file"
    atomic_write(path, "one")

    def half() -> None:
        with atomic_file(path) as file:
            file.write(b"tw")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert path.read_text() == "one"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    atomic_write(path, memoryview(b"two"))
    assert path.read_bytes() == b"two"
    with pytest.raises(WriteError, match=r"nowhere/file: The folder .* does not exist"):
        atomic_write(tmp_path / "nowhere" / "file", b"")
