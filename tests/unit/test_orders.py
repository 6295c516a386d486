"""The files of models in a cell's private folder."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from pytest_modelcompat.matrix.model import Image
from pytest_modelcompat.runner import orders
from tests.unit.planned import a_case, a_cell, a_planned, a_workload


def placed(source: Path, folder: Path) -> Path:
    work = a_workload([a_case()], check="parity", models=(("models/m.onnx", source),))
    root = orders.place_files(a_planned(a_cell(), work), folder)
    assert root is not None
    return root / "models" / "m.onnx"


def refuse(*_: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.mark.parametrize("kernel", [None, refuse, lambda *_: 0])
@pytest.mark.parametrize("size", [0, 1, 3 * 2**20])
def test_a_cell_has_a_file_of_its_own(tmp_path, monkeypatch, kernel, size: int) -> None:
    if kernel is not None:
        monkeypatch.setattr(os, "copy_file_range", kernel)
    source = tmp_path / "given.onnx"
    data = os.urandom(size)
    source.write_bytes(data)

    there = placed(source, tmp_path / "cell")

    assert there.read_bytes() == data
    assert there.stat().st_nlink == 1
    there.write_bytes(b"changed by the model")
    assert source.read_bytes() == data


def test_what_cannot_be_read_is_an_error_of_this_machine(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        placed(tmp_path / "absent.onnx", tmp_path / "cell")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_is_told(tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
    try:
        source = tmp_path / "given.onnx"
        source.write_bytes(bytes(2**21))
        with pytest.raises(OSError, match="No space left"):
            placed(source, disk / "cell")
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("kind", ["host", "nox", "tox", "python", "docker", "ssh"])
def test_what_measures_the_tests_of_this_project_stays_on_this_machine(
    tmp_path, monkeypatch, kind: str
) -> None:
    """Where its file is not, a worker that is told of it would end."""
    monkeypatch.setenv("MODELCOMPAT_COVERAGE", "/somewhere/observe.py")
    cell = a_cell(image=Image(kind=kind, value="debian:bookworm"))

    told = orders.cell_environment(cell, scratch=tmp_path)

    assert ("MODELCOMPAT_COVERAGE" in told) == (kind not in {"docker", "ssh"})
