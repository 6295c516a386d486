"""`modelcompat rejudge` killed at every step that touches a file: nothing is lost, all goes on."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.rejudge import command
from tests.unit.test_rejudge import finished

# Dies at the step with the given number, or says how many there were.
DIES = """\
import os, signal, sys
from pathlib import Path

from pytest_modelcompat.results.rejudge import command

at, steps = int(sys.argv[1]), 0
FILES = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "sqlite3.connect"}

def hook(event, arguments):
    global steps
    if event in FILES:
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
command(Path(sys.argv[2]), output=Path(sys.argv[3]), tolerances=["float32:rtol=0.5"])
"""


def dies(at: int, folder: Path, output: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(at), str(folder), str(output)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in {0, -9}, done.stderr
    return done.returncode == -9


def files(folder: Path) -> dict[str, bytes]:
    """What is in it, but for the store, whose pages may lie in another order."""
    return {
        str(path.relative_to(folder)): gzip.decompress(data) if path.suffix == ".gz" else data
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("run.sqlite") and (data := path.read_bytes())
    }


@pytest.mark.slow
@pytest.mark.parametrize("in_place", [False, True])
def test_it_is_killed_at_any_step(tmp_path: Path, in_place: bool) -> None:
    right = finished(tmp_path / "right")
    command(right, output=right, tolerances=["float32:rtol=0.5"])
    killed = 0
    for at in range(1, 400):
        folder = finished(tmp_path / f"run{at}")
        output = folder if in_place else tmp_path / f"copy{at}"
        before = files(folder)
        if not dies(at, folder, output):
            break
        killed += 1
        if not in_place:
            assert files(folder) == before, at
        assert load(folder).info.id
        command(folder, output=output, tolerances=["float32:rtol=0.5"])
        found, expected = files(output), files(right)
        assert [each.status.value for each in load(output).cases()] == ["passed"] * 6, at
        assert found["cases.jsonl.gz"] == expected["cases.jsonl.gz"], at
        assert not [name for name in found if name.endswith((".tmp", "-wal", "-journal"))], at
    else:
        pytest.fail("it never came to its end")
    assert killed > 20
