"""Raw outputs by content: written once, whole or absent, verified when read."""

from __future__ import annotations

import threading
from hashlib import sha256
from pathlib import Path

import pytest

from pytest_modelcompat.errors.results import StoredRunProblem, WriteError
from pytest_modelcompat.results import blobs as module
from pytest_modelcompat.results.blobs import Blobs


def test_what_goes_in_comes_out(tmp_path: Path):
    blobs = Blobs(tmp_path)
    for data in (b"", b"one", memoryview(b"\0" * 100_000)):
        digest = blobs.put(data)
        assert digest == sha256(data).hexdigest()
        assert blobs.get(digest) == bytes(data)
        assert digest in blobs
        assert blobs.path(digest) == tmp_path / "outputs" / digest[:2] / digest
    assert "0" * 64 not in blobs


def test_equal_content_is_one_file_written_once(tmp_path: Path):
    blobs = Blobs(tmp_path)
    path = blobs.path(blobs.put(b"one"))
    before = path.stat()
    blobs.put(b"one")
    Blobs(tmp_path).put(b"one")  # another process knows nothing of what the first one wrote
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert len(list(tmp_path.rglob("*"))) == 3


def test_a_torn_file_is_mended_by_the_next_that_has_it(tmp_path: Path):
    path = Blobs(tmp_path).path(Blobs(tmp_path).put(b"whole"))
    path.write_bytes(b"wh")
    with pytest.raises(StoredRunProblem, match="does not have the digest"):
        Blobs(tmp_path).get(path.name)
    Blobs(tmp_path).put(b"whole")
    assert Blobs(tmp_path).get(path.name) == b"whole"


def test_what_was_changed_is_found_out(tmp_path: Path):
    blobs = Blobs(tmp_path)
    path = blobs.path(blobs.put(b"whole"))
    path.write_bytes(b"hwole")
    with pytest.raises(StoredRunProblem, match="changed or cut off"):
        blobs.get(path.name)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(StoredRunProblem, match="cannot be opened"):
        blobs.get(path.name)


def test_only_digests_become_paths(tmp_path: Path):
    for digest in ("../" * 10 + "etc/passwd", "x", "A" * 64, "0" * 64 + "\n", "0" * 65):
        with pytest.raises(StoredRunProblem, match="not a content digest"):
            Blobs(tmp_path).path(digest)


def test_its_memory_of_digests_is_bounded(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 10)
    blobs = Blobs(tmp_path)
    digests = [blobs.put(b"%d" % n) for n in range(35)]
    assert len(blobs._seen) <= 10
    assert all(blobs.get(digest) == b"%d" % n for n, digest in enumerate(digests))


def test_threads_may_write_the_same(tmp_path: Path):
    stores = [Blobs(tmp_path) for _ in range(4)]
    failures: list[BaseException] = []

    def put(blobs: Blobs) -> None:
        try:
            for n in range(200):
                assert blobs.get(blobs.put(b"%d" % n * 1000)) == b"%d" % n * 1000
        except (AssertionError, StoredRunProblem, WriteError) as error:
            failures.append(error)

    threads = [threading.Thread(target=put, args=(each,)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
