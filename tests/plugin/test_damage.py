"""Answers that are damaged on their way: counted, told, and measured again."""

from __future__ import annotations

from pathlib import Path

from pytest_modelcompat.report.data import read
from tests.docs.test_extending import FILES, MATRIX, installed
from tests.project import Result

# The framework of this cell spoils what the worker sends while the marked case is answered.
SPOILER = """
import os
from modelcompat_worker import child, protocol

MARK = {mark!r}
send = protocol.send

def spoiled(handle, nonce, message, blobs=(), progress=None):
    if message.get("n") == 2 and (not os.path.exists(MARK) or {always}):
        open(MARK, "a").close()
        first, *rest = [b"".join(frame) for frame in protocol.frames(nonce, message, blobs)]
        at = len(first) - 3
        os.write(handle, first[:at] + bytes([first[at] ^ 255]) + first[at + 1:] + b"".join(rest))
    else:
        send(handle, nonce, message, blobs, progress)

child.send = spoiled
"""


def run(folder: Path, *, always: bool) -> Result:
    spoiler = SPOILER.format(mark=str(folder / "spoiled"), always=always)
    adapter = FILES["pytest_sums/adapter.py"] + spoiler
    project = installed(folder, **{"pytest_sums/adapter.py": adapter})
    return project.run(folder, MATRIX, "--compat-select", "image:open", timeout=60)


def test_a_damaged_answer_is_measured_again_and_told(tmp_path: Path) -> None:
    result = run(tmp_path, always=False)
    assert (tmp_path / "spoiled").exists()
    (cell,) = result.run["cells"]
    assert cell["status"] == "completed", cell
    assert cell["counts"] == {"passed": 5, "failed": 1, "unsupported": 1}, "as without the damage"
    (note,) = [note for note in cell["notes"] if "torn" in note]
    assert note.startswith("1 torn frames and ")
    assert any("1 answers of the worker were damaged" in note for note in cell["notes"])
    (shown,) = read(result.report).cells  # what the page is made of
    assert note in shown.notes


def test_an_answer_that_is_always_damaged_is_never_lost_silently(tmp_path: Path) -> None:
    result = run(tmp_path, always=True)
    assert result.code == 1, result.out
    (cell,) = result.run["cells"]
    assert (cell["status"], cell["outcome"]) == ("infrastructure_failed", "not_ok")
    assert cell["counts"] == {"passed": 4, "failed": 1, "unsupported": 1, "not_run": 1}
    assert [note for note in cell["notes"] if "torn" in note]
    (lost,) = [case for case in result.cases if case["status"] == "not_run"]
    assert lost["case"] == "2+2"
    assert "infrastructure_failed" in lost["reason"]


LINE = "one line without an end "
CHATTER = f"""
def chatter(self, feeds, run=Session.run):
    print({LINE!r} * 5000)
    answer = run(self, feeds)
    if struct.unpack("<d", answer[0][1].data)[0] == 4.0:
        raise RuntimeError({LINE!r} * 5000)
    return answer

Session.run = chatter
"""


def test_lines_of_a_hundred_kilobytes_harm_nobody(tmp_path: Path) -> None:
    adapter = FILES["pytest_sums/adapter.py"] + CHATTER
    project = installed(tmp_path, **{"pytest_sums/adapter.py": adapter})

    result = project.run(tmp_path, MATRIX, "--compat-select", "image:open", timeout=60)

    assert "INTERNALERROR" not in result.out + result.err
    assert max(map(len, (result.out + result.err).splitlines())) < 20_000
    (cell,) = result.run["cells"]
    assert (cell["status"], sum(cell["counts"].values())) == ("completed", 7), cell
    errors = [case for case in result.cases if case["status"] == "error"]
    assert errors
    for case in errors:
        assert case["error"]["message"].startswith(LINE)
        assert len(case["error"]["signature"]) < 1_000
    page = (result.report / "index.html").read_text("utf-8")
    assert LINE in page
