"""What an exporter's process delivers is taken as it says, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_modelcompat.runner import command
from pytest_modelcompat.runner.attending import Ended, attend

HEAD = "import json, os, sys, time\norder = json.load(sys.stdin)\nout = sys.stdout.buffer\n"


def run(folder: Path, code: str, seconds: float = 20.0) -> Ended:
    (folder / "out").mkdir(exist_ok=True)
    process = command.start([sys.executable, "-c", HEAD + code], env={}, cwd=folder)
    with process:
        return attend(process, {"name": "net"}, into=folder / "out", seconds=seconds)


def files(folder: Path) -> dict[str, bytes]:
    place = folder / "out"
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file()
    }


def test_the_order_goes_in_and_files_come_out(tmp_path):
    ended = run(
        tmp_path,
        "name = order['name'].encode()\n"
        "out.write(b'S import\\nS produce\\nF 3 model/' + name + b'.onnx\\na\\nb')\n"
        "big = b'x' * 3_000_000\n"
        "out.write(b'F %d model/sub dir/data\\n' % len(big) + big + b'F 0 empty\\nS done\\n')\n"
        "print('told', file=sys.stderr)\n",
    )
    assert ended == Ended(code=0, stage="done", printed="told\n")
    assert files(tmp_path) == {
        "model/net.onnx": b"a\nb",
        "model/sub dir/data": b"x" * 3_000_000,
        "empty": b"",
    }


@pytest.mark.parametrize(
    "said",
    [
        "F 3 ../out\\nabc", "F 3 /tmp/modelcompat-out\\nabc", "F 3 a/../../out\\nabc",
        "F x a\\nabc",
        "F -1 a\\nabc", "F 99999999999999 a\\nabc", "noise\\nF 3 a\\nabc", "S " + "x" * 9999,
        "F 3 a\\0b\\nabc", "F 3 .\\nabc", "S Produce\\nF 3 a\\nabc", "F 9 cut\\nabc",
        "F 3 model\\nabcF 3 model/x\\nabc",
    ],
)  # fmt: skip
def test_whatever_is_odd_ends_the_reading(tmp_path, said):
    ended = run(tmp_path, f"out.write(b'S import\\n' + b'''{said}''')\n")
    assert ended.code == 0
    assert ended.stage == "import"
    assert set(files(tmp_path)) <= {"model"}
    assert not (tmp_path / "out.txt").exists()
    assert not Path("/tmp/modelcompat-out").exists()


def test_a_process_that_never_ends_is_ended(tmp_path):
    ended = run(tmp_path, "out.write(b'S produce\\n')\nout.flush()\ntime.sleep(600)\n", 1.5)
    assert ended.code is None
    assert ended.stage == "produce"


def test_a_death_keeps_its_code_and_last_words(tmp_path):
    ended = run(tmp_path, "sys.stderr.write('x' * 99999 + 'end')\nsys.stderr.flush()\nos.abort()\n")
    assert ended.code == -6
    assert len(ended.printed) == 32768
    assert ended.printed.endswith("end")


def test_a_process_that_reads_no_order_is_no_error_of_ours(tmp_path):
    process = command.start([sys.executable, "-c", "import os; os._exit(4)"], env={}, cwd=tmp_path)
    with process:
        order = {"much": "x" * 5_000_000}
        assert attend(process, order, into=tmp_path, seconds=20).code == 4
