"""Faults around cases: interpreters, resolution, indexes, disks, folders, interrupts, secrets.

Each ends in a status or a sentence, loses nothing that was acknowledged, and leaves nothing.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract._index_server import IndexServer
from tests.e2e import fault_models as models
from tests.e2e.kills import acknowledged, processes
from tests.project import Project, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.network

MATRIX = "--compat-matrix=matrices/m.yaml"


def project(files: dict[str, str | bytes] | None = None, /, **matrix: object) -> Project:
    """One healthy model, and what the test says about the rest of the matrix."""
    content = {
        "schema": 1,
        "axes": {"framework": {"onnxruntime": ["1.23.2"]}, "python": ["3.11"]},
        "checks": {"parity": {"models": [{"name": "m", "path": "m.onnx", "reference": "none"}]}},
        **matrix,
    }
    return Project(
        {
            "pytest.ini": "[pytest]\n",
            "matrices/m.yaml": json.dumps(content),
            "matrices/m.onnx": models.relu(),
            **(files or {}),
        }
    )


def said(result: Result) -> str:
    text = result.out + result.err
    assert "Traceback" not in text, text
    assert "INTERNALERROR" not in text, text
    return text


def the_cell(result: Result) -> dict[str, object]:
    said(result)
    (cell,) = result.run["cells"]
    assert sum(cell["counts"].values()) == len(result.cases)
    return cell


# -- interpreters


SCRIPTS = {
    "silent": "#!/bin/sh\nexit 0\n",
    "failing": "#!/bin/sh\necho broken on purpose >&2\nexit 7\n",
    "crashing": "#!/bin/sh\nkill -SEGV $$\n",
    "babbling": "#!/bin/sh\necho not a Python at all\n",
    "not a program": "\0\1\2",
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_broken_interpreter_is_unavailable(tmp_path: Path, kind: str) -> None:
    script = tmp_path / "bin" / "python3.47"
    script.parent.mkdir()
    script.write_text(SCRIPTS[kind])
    script.chmod(0o755)
    path = os.environ["PATH"]
    made = project(axes={"framework": {"onnxruntime": ["1.23.2"]}, "python": ["3.47", "3.11"]})
    env = {"PATH": f"{script.parent}:{path}"}
    result = Project(made.files, env).run(tmp_path, MATRIX)
    assert result.code == 0, said(result)
    broken, healthy = result.cell(python="3.47"), result.cell(python="3.11")
    assert (broken["status"], broken["counts"]) == ("unavailable", {"not_run": 1})
    assert "No CPython 3.47 on this machine" in broken["reason"]
    assert (healthy["status"], healthy["counts"]) == ("completed", {"passed": 1})


@pytest.mark.parametrize(
    ("python", "words"),
    [("3.99", "No CPython 3.99"), ("3.7", "too old"), ("3.6.15", "too old")],
)
def test_no_such_interpreter_or_one_too_old(tmp_path: Path, python: str, words: str) -> None:
    made = project(axes={"framework": {"onnxruntime": ["1.23.2"]}, "python": [python]})
    result = made.run(tmp_path, MATRIX)
    cell = the_cell(result)
    assert result.code == 1, "nothing was measured"
    assert (cell["status"], cell["counts"]) == ("unavailable", {"not_run": 1})
    assert words in cell["reason"]


# -- resolution and indexes


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ({"packages": ["numpy<2", "numpy>=2"]}, "numpy"),
        ({"axes": {"framework": {"onnxruntime": ["1.23.2"]}, "python": ["3.8"]}}, "onnxruntime"),
        ({"axes": {"framework": {"onnxruntime": ["99.0"]}, "python": ["3.11"]}}, "99.0"),
        ({"packages": ["no-such-package-of-anybody-47"]}, "no-such-package-of-anybody-47"),
    ],
)
def test_no_solution_is_unsatisfiable_with_uvs_words(
    tmp_path: Path, matrix: dict[str, object], words: str
) -> None:
    cell = the_cell(project(**matrix).run(tmp_path, MATRIX))
    assert (cell["status"], cell["stage"]) == ("unsatisfiable", "resolve"), cell
    assert words in cell["reason"]
    assert cell["outcome"] == "info"


BACKEND = """
import numpy
from onnx.backend.base import Backend
class B(Backend):
    supports_device = classmethod(lambda cls, device: device == "CPU")
    prepare = classmethod(lambda cls, model, device="CPU", **_: None)
"""


def from_index(url: str, name: str, cache: Path, /, *, install: str = "30s", **env: str) -> Project:
    """A matrix whose packages come from this index alone, with nothing in any cache."""
    one = {"value": "1.0", "runtime": "backend", "module": name}
    made = project(
        axes={"framework": {name: [one]}, "python": ["3.11"]}, limits={"install": install}
    )
    settings = {
        "MODELCOMPAT_CACHE": str(cache / "cache"),
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_DEFAULT_INDEX": url,
        "UV_HTTP_RETRIES": "0",
        "PIP_FIND_LINKS": "",
    }
    return Project(made.files, settings | env)


def closed_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_an_index_that_nobody_serves(tmp_path: Path) -> None:
    made = from_index(f"http://127.0.0.1:{closed_port()}/simple", "somebodys_backend", tmp_path)
    began = time.monotonic()
    result = made.run(tmp_path, MATRIX)
    cell = the_cell(result)
    assert (cell["status"], cell["stage"]) == ("infrastructure_failed", "resolve")
    assert "tried 3 times" in cell["reason"]
    assert result.code == 1
    assert "1 error" in result.out.splitlines()[-1]
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("503", "infrastructure_failed"),
        ("truncated", "infrastructure_failed"),
        ("wrong_hash", "infrastructure_failed"),
        ("401", "infrastructure_failed"),
    ],
)
def test_an_index_at_fault(tmp_path: Path, fault: str, status: str) -> None:
    with closing(IndexServer()) as index:
        index.add("somebodys_backend", body=BACKEND)
        index.fault = fault
        cell = the_cell(from_index(index.url, "somebodys_backend", tmp_path).run(tmp_path, MATRIX))
    assert cell["status"] == status, cell
    assert cell["counts"] == {"not_run": 1}


# -- disks and folders


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not permitted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def shut(folder: Path) -> Iterator[Path]:
    """The folder, bound onto itself and read-only; root ignores modes, but not this."""
    with mounted(folder, "--bind", str(folder)):
        again = ["mount", "-o", "remount,ro,bind", str(folder)]
        if subprocess.run(again, capture_output=True, check=False).returncode:
            pytest.skip("a read-only bind mount is not permitted here")
        yield folder


def whole(result: Result) -> None:
    """No file of the report is torn, and the store is intact."""
    for path in result.report.rglob("*"):
        assert not path.name.endswith(".tmp"), path
        assert path.name != "junit.xml" or path.read_bytes().endswith(b"</testsuites>")
    for name in ("run.json", "plan.json", "compat.json"):
        if (result.report / name).exists():
            json.loads((result.report / name).read_bytes())
    if (result.report / "cases.jsonl.gz").exists():
        assert len(gzip.decompress((result.report / "cases.jsonl.gz").read_bytes()))
    if (result.report / "run.sqlite").exists():
        with closing(sqlite3.connect(result.report / "run.sqlite")) as store:
            assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_read_only_report_folder(tmp_path: Path) -> None:
    with shut(tmp_path / "reports"):
        result = project().run(tmp_path, MATRIX)
    text = said(result)
    assert result.code == 4, text
    assert "cannot be written. Name another folder with --compat-report." in text


def test_a_read_only_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with shut(cache):
        result = Project(project().files, {"MODELCOMPAT_CACHE": str(cache)}).run(tmp_path, MATRIX)
    text = said(result)
    assert result.code in {1, 4}, text
    assert "MODELCOMPAT_CACHE" in text


def test_a_report_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    result = project().run(tmp_path, MATRIX)
    assert result.code == 4, said(result)
    assert "--compat-report" in said(result)


CORPUS = {"op_support": {"corpus": ["onnx==1.18.0"], "match": ["A*", "C*", "R*", "S*"]}}


@pytest.mark.parametrize("size", ["300k", "600k", "1200k"])
def test_a_full_disk_under_the_report(tmp_path: Path, size: str) -> None:
    """Full at once, in the middle, and while the report is written."""
    made = project(checks=CORPUS)
    with mounted(tmp_path / "reports", "-t", "tmpfs", "-o", f"size={size}", "tmpfs") as disk:
        result = made.run(tmp_path, MATRIX, "--compat-fresh")
        text = said(result)
        assert result.code in {1, 4}, text
        assert "The disk is full" in text
        whole(result)
        kept = acknowledged(result.report / "run.sqlite")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = made.run(tmp_path, MATRIX)
        assert again.code in {0, 1}, said(again)
        (cell,) = again.run["cells"]
        assert cell["status"] == "completed"
        measured = acknowledged(again.report / "run.sqlite")
        assert all(measured[key] == status for key, status in kept.items() if status != "not_run")
        whole(again)


def test_a_full_disk_under_the_cache(tmp_path: Path) -> None:
    """Room for the plan, none for an environment."""
    with mounted(tmp_path / "cache", "-t", "tmpfs", "-o", "size=12m", "tmpfs") as disk:
        env = {"MODELCOMPAT_CACHE": str(disk), "UV_LINK_MODE": "copy"}
        result = Project(project().files, env).run(tmp_path, MATRIX)
        text = said(result)
        assert result.code == 1, text
        cell = the_cell(result)
        assert cell["status"] == "infrastructure_failed", cell
        assert "The disk is full" in cell["reason"]
        whole(result)
        half_made = list((disk / "environments").rglob("pyvenv.cfg"))
        assert not half_made, "an environment that is not whole is taken away"
    with mounted(tmp_path / "cache", "-t", "tmpfs", "-o", "size=40k", "tmpfs") as disk:
        result = Project(project().files, {"MODELCOMPAT_CACHE": str(disk)}).run(tmp_path, MATRIX)
        text = said(result)
        assert result.code in {1, 4}, text
        assert "The disk is full" in text


def test_a_full_disk_for_what_cells_need(tmp_path: Path) -> None:
    """The environment is there; the copies of the models find no room."""
    big = tmp_path / "matrices" / "big.bin"
    big.parent.mkdir()
    with big.open("wb") as file:
        file.truncate(64 << 20)
    cache = Path(os.environ.get("MODELCOMPAT_CACHE", tmp_path / "warm"))
    env = {"MODELCOMPAT_CACHE": str(cache)}
    made = Project(project({"matrices/m.onnx": models.external("big.bin")}).files, env)
    assert made.with_file("matrices/m.onnx", models.relu()).run(tmp_path, MATRIX).code == 0
    work = cache / "work"
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=4m", "tmpfs") as disk:
        copy = tmp_path / "cache"
        copy.mkdir()
        for entry in cache.iterdir():
            if entry != work:
                (copy / entry.name).symlink_to(entry)
        (copy / "work").symlink_to(disk)
        env = {"MODELCOMPAT_CACHE": str(copy)}
        result = Project(made.files, env).run(tmp_path, MATRIX, "--compat-fresh")
        cell = the_cell(result)
        assert cell["status"] == "infrastructure_failed", cell
        assert "The disk is full" in cell["reason"]
        assert not list(disk.iterdir()), "the half-made copies are gone"


# -- two runs at once


def test_a_second_run_on_the_same_report_folder_is_refused(tmp_path: Path) -> None:
    made = project(checks=CORPUS)
    first = made.start(tmp_path, MATRIX, "--compat-fresh")
    store = tmp_path / "reports" / "latest" / "run.sqlite"
    wait_for(store.exists)
    os.kill(first.pid, signal.SIGSTOP)  # or it might be over before the second has begun
    try:
        second = made.run(tmp_path, MATRIX, "--compat-fresh")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    text = said(second)
    assert second.code == 4, text
    assert f"Another run (process {first.pid}, since 20" in text
    assert "is writing to this report folder." in text
    assert "collected" not in text, "it is said before anything is done"
    assert not (tmp_path / "reports" / "latest" / "junit.xml").exists(), "the folder is not ours"
    out, _ = first.communicate(timeout=120)
    assert first.returncode in {0, 1}, out.decode()
    assert "1 completed" in out.decode()
    whole(Result(0, "", "", tmp_path))


def test_a_run_says_what_it_waits_for(tmp_path: Path) -> None:
    """Another one is collecting the node tests that it needs, too; that one has hung."""
    with closing(IndexServer()) as index:
        index.fault = "slow"
        made = from_index(index.url, "somebodys_backend", tmp_path)
        made = made.with_file("matrices/m.yaml", project(checks=CORPUS).files["matrices/m.yaml"])
        first = made.start(tmp_path / "one", MATRIX)
        wait_for(lambda: index.requests)
        second = made.start(tmp_path / "two", MATRIX)
        corpora = made.env["MODELCOMPAT_CACHE"] + "/corpora/onnx-1.18.0-"
        line = f"waiting for another run (process {first.pid}, since 20"
        assert second.stdout is not None
        told = next(text for text in iter(second.stdout.readline, b"") if b"waiting" in text)
        assert told.decode().startswith(line)
        assert f"which is making {corpora}" in told.decode()
        os.kill(second.pid, signal.SIGINT)  # who waits for a lock stops, too
        out, _ = second.communicate(timeout=GIVE_UP)
        assert second.returncode == 2, out.decode()
        os.kill(first.pid, signal.SIGINT)
        first.communicate(timeout=GIVE_UP)


def test_node_tests_that_cannot_be_had_are_one_sentence(tmp_path: Path) -> None:
    """And what an earlier run left in the folder is as it was."""
    with closing(IndexServer()) as index:
        made = from_index(index.url, "somebodys_backend", tmp_path)
        made = made.with_file("matrices/m.yaml", project(checks=CORPUS).files["matrices/m.yaml"])
        made = made.with_file("reports/latest/junit.xml", "an earlier run's")
        for option in ("--compat-jobs=1", "--compat-plan"):
            result = made.run(tmp_path, MATRIX, option)
            text = said(result)
            assert result.code == 4, text
            sentence = "ERROR: The node tests of onnx==1.18.0 could not be had, so nothing was"
            assert sentence in text
            assert "Exit" not in text
    assert (tmp_path / "reports/latest/junit.xml").read_text() == "an earlier run's"


def test_two_runs_at_once_share_a_cache(tmp_path: Path) -> None:
    """Both need the same environment, which nobody has made yet."""
    env = {"MODELCOMPAT_CACHE": str(tmp_path / "cache")}
    made = Project(project().files, env)
    running = [made.start(tmp_path / name, MATRIX) for name in ("one", "two")]
    outs = [process.communicate(timeout=300)[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], outs
    for name in ("one", "two"):
        result = Result(0, "", "", tmp_path / name)
        assert result.run["cells"][0]["counts"] == {"passed": 1}
    assert len(list((tmp_path / "cache" / "environments").glob("onnxruntime-*/*/noxfile.py"))) == 1


def wait_for(what: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


# -- interrupts


FOREVER = "30m"  # to resolve: only an interrupt ends it before this test gives up
GIVE_UP = 120.0


def installing(index: IndexServer, folder: Path) -> subprocess.Popen[bytes]:
    """A run that waits for an index which never answers."""
    index.add("somebodys_backend", body=BACKEND)
    index.fault = "slow"
    made = from_index(index.url, "somebodys_backend", folder, install=FOREVER)
    process = made.start(folder, MATRIX)
    wait_for(lambda: index.requests)
    return process


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.1, 0.4])
def test_a_second_interrupt_stops_at_once_and_leaves_nothing(tmp_path: Path, pause: float) -> None:
    """Whatever is going on between the two; resolving takes for ever here.

    Without a pause the two may be one: the kernel keeps no count of signals that wait.
    """
    with closing(IndexServer()) as index:
        process = installing(index, tmp_path)
        os.kill(process.pid, signal.SIGINT)
        time.sleep(pause)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=GIVE_UP)
    assert process.returncode in {2, -signal.SIGINT}, out.decode()
    wait_for(lambda: not processes(str(tmp_path)), 5)
    whole(Result(2, "", "", tmp_path))


def test_one_interrupt_while_installing(tmp_path: Path) -> None:
    with closing(IndexServer()) as index:
        process = installing(index, tmp_path)
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=GIVE_UP)
    assert process.returncode == 2, out.decode()
    cell = the_cell(Result(2, out.decode(), "", tmp_path))
    assert (cell["status"], cell["counts"]) == ("interrupted", {"not_run": 1})
    assert (tmp_path / "reports" / "latest" / "index.html").is_file()
    wait_for(lambda: not processes(str(tmp_path)), 5)


def test_one_interrupt_while_node_tests_are_collected(tmp_path: Path) -> None:
    """Before there is a plan there is nothing to report."""
    with closing(IndexServer()) as index:
        index.fault = "slow"
        made = from_index(index.url, "somebodys_backend", tmp_path)
        made = made.with_file("matrices/m.yaml", project(checks=CORPUS).files["matrices/m.yaml"])
        process = made.start(tmp_path, MATRIX)
        wait_for(lambda: index.requests)
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=GIVE_UP)
    assert process.returncode == 2, out.decode()
    assert "Traceback" not in out.decode()
    wait_for(lambda: not processes(str(tmp_path)), 5)


def test_a_run_that_goes_on_after_an_interrupt_says_so(tmp_path: Path) -> None:
    """In its data and in every form of its report, with the number of results that were kept."""
    slow = {**CORPUS["op_support"], "match": ["*"]}
    made = project(checks={"op_support": slow})
    assert project(checks=CORPUS).run(tmp_path / "warm", MATRIX).code in {0, 1}
    process = made.start(tmp_path, MATRIX, "--compat-fresh")
    store = tmp_path / "reports" / "latest" / "run.sqlite"
    wait_for(lambda: acknowledged(store))
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2, out.decode()
    (cell,) = Result(2, "", "", tmp_path).run["cells"]
    measured = sum(number for status, number in cell["counts"].items() if status != "not_run")
    assert cell["counts"]["not_run"], "it was cut in the middle"
    result = made.run(tmp_path, MATRIX)
    assert result.code in {0, 1}, said(result)
    note = f"continued: {measured:,} results of an interrupted run were kept"
    assert note in result.run["run"]["notes"]
    for place in ("index.html", "summary.md"):
        assert note in (result.report / place).read_text("utf-8"), place
    assert note in result.out


def test_a_run_that_goes_on_keeps_what_its_closed_cells_took(tmp_path: Path) -> None:
    """They are neither prepared nor started again, and an environment keeps its own seconds."""
    some = {**CORPUS["op_support"], "match": ["A*", "R*", "S*"]}
    axes = {"framework": {"onnxruntime": ["1.23.2", "1.22.1"]}, "python": ["3.11"]}
    made = project(axes=axes, checks={"op_support": some})
    warm = made.run(tmp_path, MATRIX, "--compat-report=warm")
    assert warm.code in {0, 1}, said(warm)
    process = made.start(tmp_path, MATRIX, "--compat-fresh", "--compat-jobs=1")
    store = tmp_path / "reports" / "latest" / "run.sqlite"
    wait_for(lambda: len(told(store, CLOSED)) == 1)
    wait_for(lambda: len(told(store, "SELECT record FROM environment")) == 2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    (before,) = told(store, CLOSED)
    environments = told(store, "SELECT record FROM environment")
    result = made.run(tmp_path, MATRIX)
    assert result.code in {0, 1}, said(result)
    assert "continued: " in str(result.run["run"]["notes"])
    kept = result.cell(framework=dict(before["axes"])["framework"])
    (other,) = [cell for cell in result.run["cells"] if cell["id"] != kept["id"]]
    assert [kept[name] for name in KEPT] == [before[name] for name in KEPT]
    assert {cell["status"] for cell in (kept, other)} == {"completed"}
    seconds = {each["id"]: each["seconds"] for each in result.run["environments"]}
    assert seconds == {each["id"]: each["seconds"] for each in environments}
    assert seconds[other["environment"]["id"]].items() <= other["seconds"].items()


CLOSED = "SELECT record FROM cell WHERE record NOTNULL"
KEPT = ("seconds", "attestation", "counts", "outcome")


def told(store: Path, query: str) -> list[Any]:
    """Records of a store that is being written."""
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            return [json.loads(text) for (text,) in connection.execute(query)]
    except sqlite3.OperationalError:
        return []


# -- names and locales


ASCII = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("locale", "name"),
    [
        ({"LC_ALL": "C", "LANG": "C"}, "modèle模型"),
        ({"LC_ALL": "nowhere.UTF-8"}, "modèle模型"),
        (ASCII, "model"),
    ],
)
def test_a_locale_that_is_not_utf_8(tmp_path: Path, locale: dict[str, str], name: str) -> None:
    """In the last one Python itself cannot write anything but ASCII."""
    entry = {"name": name, "path": f"{name}.onnx", "reference": "none"}
    made = project({f"matrices/{name}.onnx": models.relu()}, checks={"parity": {"models": [entry]}})
    result = Project(made.files, locale).run(tmp_path, MATRIX, "--compat-fresh")
    assert result.code == 0, said(result)
    (case,) = result.cases
    assert (case["unit"], case["status"]) == (name, "passed")


def test_names_of_ten_thousand_characters(tmp_path: Path) -> None:
    """Names that become part of node ids have a limit, which is told; values have none."""
    entry = {"name": "n" * 10_000, "path": "m.onnx", "reference": "none"}
    result = project(checks={"parity": {"models": [entry]}}).run(tmp_path / "name", MATRIX)
    assert result.code == 4, said(result)
    assert "cannot have 10000 characters" in said(result)
    axes = {
        "framework": {"onnxruntime": ["1.23.2"]},
        "python": ["3.11"],
        "env": {"LONG": ["v" * 10_000, "w" * 10_000]},
    }
    result = project(axes=axes).run(tmp_path / "value", MATRIX, "--compat-fresh")
    assert result.code == 0, said(result)
    assert [cell["counts"] for cell in result.run["cells"]] == [{"passed": 1}] * 2
    assert len({cell["id"] for cell in result.run["cells"]}) == 2


# -- secrets

SECRET = "cAnArY-47-sEcReT"


def test_no_secret_is_in_any_byte_that_a_run_writes(tmp_path: Path) -> None:
    """In an index' address, in its variables, in others; with a cache of its own."""
    with closing(IndexServer()) as index:
        index.add("somebodys_backend", body="import os\nprint(dict(os.environ))\n" + BACKEND)
        authority = index.url.removeprefix("http://")
        env = {
            "UV_INDEX": f"private=http://user:{SECRET}@{authority}",
            "UV_INDEX_PRIVATE_PASSWORD": SECRET,
            "SOME_TOKEN": SECRET,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "PLAIN_VARIABLE": SECRET,
        }
        url = f"http://user:{SECRET}@{authority}"
        result = from_index(url, "somebodys_backend", tmp_path, **env).run(tmp_path, MATRIX)
        index.fault = "401"
        refused = from_index(url, "another_backend", tmp_path, **env).run(tmp_path / "two", MATRIX)
        assert any(index.seen_authorization), "it was used"
    assert the_cell(result)["status"] == "environment_failed"  # it has no onnx
    assert the_cell(refused)["status"] in {"infrastructure_failed", "unsatisfiable"}
    for place in (result.out, result.err, refused.out, refused.err):
        assert SECRET not in place
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if path.suffix == ".gz":
                content = gzip.decompress(content)
            assert SECRET.encode() not in content, path


@pytest.mark.parametrize("locale", [{}, ASCII], ids=["utf-8", "ascii"])
def test_names_outside_ascii_are_the_same_text_in_every_locale(
    tmp_path: Path, locale: dict[str, str]
) -> None:
    """Folder, matrix, model and its file; in a Python that cannot even name them."""
    entry = {"name": "modèle模型", "path": "mö.onnx", "reference": "none"}
    matrix = project(checks={"parity": {"models": [entry]}}).files["matrices/m.yaml"]
    files = {"pytest.ini": "[pytest]\n", "дом/мо.yaml": matrix, "дом/mö.onnx": models.relu()}
    made = Project(files, locale)
    result = made.run(tmp_path, "--compat-matrix=дом/мо.yaml", "--compat-fresh")
    assert result.code == 0, said(result)
    (case,) = result.cases
    assert (case["unit"], case["status"]) == ("modèle模型", "passed")
    assert "--compat-matrix=дом/мо.yaml" in case["repro"]
    (shown,) = result.run["run"]["matrices"]
    assert (shown["name"], shown["file"]) == ("мо", "дом/мо.yaml")
    suite = ET.parse(result.report / "junit.xml").getroot()
    names = {each.get("classname", "").partition(".yaml")[0] for each in suite.iter("testcase")}
    assert names == {"дом.мо"}
    for path in result.report.iterdir():
        if path.suffix in {".json", ".md", ".xml"}:
            assert "\\udc" not in path.read_text("utf-8"), path
    command = (sys.executable, "-m", "pytest_modelcompat.cli")
    table = made.command(tmp_path, *command, "export", "--csv")
    assert table.code == 0, table.err
    assert ",modèle模型/random-0," in table.out
    found = made.command(tmp_path, *command, "explain", "modèle模型")
    assert found.code == 0, found.err
