"""Hostile models on six releases: the run ends, every case has one status, nothing leaks.

All of them are parity models of one matrix, beside a healthy one. Files outside of the models'
folder hold a canary; the host has an eye on itself that notes which files it opens.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from tests.e2e import fault_models as models
from tests.project import Project, Result

pytestmark = [pytest.mark.network, pytest.mark.slow]

OPTIONS = ("--compat-matrix=matrices/m.yaml", "--compat-fresh")
RELEASES = ["1.15.1", "1.17.3", "1.20.1", "1.23.2", "1.31.1"]

# Twelve bytes that are three ordinary floats: an answer that holds them can be told.
CANARY = b"CaNaRyCaNaRy"
INSIDE = b"InSiDeInSiDe"

# Refused before the runtime sees them: each names something that is not a plain file beside it.
OUTSIDE = {
    "absolute": models.external("{outside}/canary.bin"),
    "absolute-in-a-constant": models.external("{outside}/canary.bin", place="constant"),
    "absolute-in-a-function": models.external("{outside}/canary.bin", place="function"),
    "absolute-in-a-subgraph": models.external("{outside}/canary.bin", place="subgraph"),
    "absolute-after-another": models.external(["inside.bin", "{outside}/canary.bin"]),
    "file-url": models.external("file://{outside}/canary.bin"),
    "dot-dot": models.external("../outside/canary.bin"),
    "dot-dot-in-the-middle": models.external("folder/../../outside/canary.bin"),
    "dot-dot-by-backslash": models.external("..\\outside\\canary.bin"),
    "symbolic-link": models.external("link.bin"),
    "link-to-a-folder": models.external("linked/canary.bin"),
    "hard-link": models.external("hard.bin"),
    "a-fifo": models.external("fifo"),
    "a-device": models.external("/dev/zero", length=12),
    "link-to-a-device": models.external("zero"),
    "a-terminal": models.external("/dev/tty"),
    "a-environment": models.external("/proc/self/environ"),
    "a-folder": models.external("folder"),
    "a-absent": models.external("absent.bin"),
    "without-a-name": models.external(""),
    "nul-in-its-name": models.external("inside.bin\0.txt"),
    "long-name": models.external("x" * 100_000),
    "offset-is-text": models.external("inside.bin", offset="-1"),
    "length-is-text": models.external("inside.bin", length="1e3"),
}
# Within the folder, and wrong: what becomes of them is the runtime's business.
BESIDE = {
    "offset-too-far": models.external("inside.bin", offset=1 << 62),
    "length-too-long": models.external("inside.bin", length=1 << 62),
    "sparse-file": models.external("sparse.bin", offset=1 << 20),
    "the-model-itself": models.external("the-model-itself.onnx"),
}
LAST_WINS = {"absolute-before-another": models.external(["{outside}/canary.bin", "inside.bin"])}
HARMFUL = {
    "division": models.divided_by_zero(),
    "remainder": models.divided_by_zero("Mod"),
    "recursion": models.recursive(),
    "mutual-recursion": models.mutually_recursive(),
    "function-bomb": models.function_bomb(),
    "subgraphs-25": models.subgraphs(25),
    "endless-loop": models.endless_loop(),
    "huge-expand": models.expanded(1 << 20, 1 << 14),
    "enormous-expand": models.expanded(1 << 40, 1 << 40),
    "huge-constant": models.filled(1 << 33),
    "overflowing-constant": models.filled(1 << 32, 1 << 32),
}
HOSTILE = {
    **HARMFUL, **OUTSIDE, **BESIDE, **LAST_WINS, **models.malformed(), **models.odd_versions(),
    **models.lying_tensors(), **models.odd_inputs(), **models.odd_graphs(),
    **models.odd_arguments(),
}  # fmt: skip

# Loaded by pytest in the host's process: which files it opens, and what it has imported.
EYE = """\
import json, os, sys

OPENED = set()

def look(event, arguments):
    if event in ("open", "shutil.copyfile", "os.listdir", "os.scandir"):
        OPENED.update(str(each) for each in arguments[:2])

sys.addaudithook(look)

def pytest_unconfigure():
    frameworks = {"onnx", "onnxruntime", "openvino", "google.protobuf", "torch", "tensorflow"}
    found = {"opened": sorted(OPENED), "imported": sorted(frameworks & set(sys.modules))}
    with open("seen.json", "w") as file:
        json.dump(found, file)
"""


def project(folder: Path) -> Project:
    outside = str(folder / "outside").encode()
    axes = {"framework": {"onnxruntime": RELEASES, "openvino": ["2026.4.1"]}, "python": ["3.11"]}
    entries = [
        {"name": name, "path": f"models/{name}.onnx", "reference": "none"}
        for name in ("healthy-before", "control", *HOSTILE, "healthy-after")
    ]
    text = json.dumps(
        {
            "schema": 1,
            "axes": axes,
            "limits": {"case": "2s", "memory": "3GiB"},
            "adjust": [{"match": {"framework": "onnxruntime<1.19"}, "packages": ["numpy<2"]}],
            "checks": {"parity": {"models": entries}},
        }
    )
    files: dict[str, str | bytes] = {"pytest.ini": "[pytest]\n", "matrices/m.yaml": text}
    files["conftest.py"] = EYE
    for name in ("healthy-before", "healthy-after"):
        files[f"matrices/models/{name}.onnx"] = models.relu()
    files["matrices/models/control.onnx"] = models.external("inside.bin")
    for name, content in HOSTILE.items():
        assert len(content) < 1 << 20, name
        files[f"matrices/models/{name}.onnx"] = located(content, outside)
    return Project(files)


def located(content: bytes, outside: bytes) -> bytes:
    """The model with the folder of this test in its locations, lengths made right."""
    if b"{outside}" not in content:
        return content
    made = models.ModelProto.FromString(content)
    return models.with_locations(made, lambda text: text.replace("{outside}", outside.decode()))


def surroundings(folder: Path) -> None:
    """What the models refer to."""
    outside, beside = folder / "matrices" / "outside", folder / "matrices" / "models"
    (folder / "outside").mkdir()
    outside.mkdir(parents=True)
    (beside / "folder").mkdir(parents=True)
    for place in (folder / "outside", outside):
        (place / "canary.bin").write_bytes(CANARY)
    (beside / "inside.bin").write_bytes(INSIDE)
    (beside / "link.bin").symlink_to(outside / "canary.bin")
    (beside / "linked").symlink_to(outside)
    os.link(outside / "canary.bin", beside / "hard.bin")
    os.mkfifo(beside / "fifo")
    (beside / "zero").symlink_to("/dev/zero")
    with (beside / "sparse.bin").open("wb") as file:
        file.truncate(1 << 24)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("hostile")
    surroundings(folder)
    return project(folder).run(folder, *OPTIONS, timeout=580)


def test_the_run_ends_and_every_case_has_one_status(hostile: Result) -> None:
    assert hostile.code == 1, hostile.out + hostile.err
    assert "Traceback" not in hostile.out + hostile.err, (hostile.out + hostile.err)[-3000:]
    cells = hostile.run["cells"]
    assert len(cells) == len(RELEASES) + 1
    assert {cell["status"] for cell in cells} == {"completed"}, [c.get("reason") for c in cells]
    seen = Counter((case["cell"], case["case"]) for case in hostile.cases)
    assert set(seen.values()) == {1}
    planned = {
        (cell["id"], case["name"] if isinstance(case, dict) else case)
        for cell in hostile.plan["cells"]
        for unit in cell["units"]
        for case in unit["cases"]
    }
    assert len(planned) == len(seen) == len(cells) * (len(HOSTILE) + 3)
    assert not {case["status"] for case in hostile.cases} & {"not_run", "skipped"}


def test_the_healthy_ones_pass_beside_them(hostile: Result) -> None:
    for case in hostile.cases:
        if case["unit"].startswith("healthy"):
            assert case["status"] == "passed", case


def test_the_worst_are_named(hostile: Result) -> None:
    old = next(c["id"] for c in hostile.run["cells"] if "1.15.1" in c["id"])
    by_unit = {case["unit"]: case for case in hostile.cases if case["cell"] == old}
    for unit, status in {
        "division": "crashed",
        "recursion": "crashed",
        "function-bomb": "timed_out",
        "endless-loop": "timed_out",
        "huge-expand": "out_of_memory",
        "future-ir": "gated",
        "future-opset": "gated",
        "unknown-operator": "error",
        "truncated": "error",
        "cycle": "error",
    }.items():
        assert by_unit[unit]["status"] == status, by_unit[unit]


def test_nothing_outside_of_the_folder_is_read(hostile: Result) -> None:
    for case in hostile.cases:
        if case["unit"] in OUTSIDE:
            assert (case["status"], case["stage"]) == ("error", "load"), case
            assert "xternal data" in case["error"]["message"], case
    found = written(hostile)
    assert INSIDE in found["outputs"], (
        "the control's data are its answer, so that a leak would show"
    )
    for place, content in found.items():
        for form in forms(CANARY):
            assert form not in content, (place, form)


def written(result: Result) -> dict[str, bytes]:
    """All that a run leaves, unpacked, without the files that were there before."""
    found = {"terminal": (result.out + result.err).encode(), "outputs": b""}
    for path in sorted(result.report.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            name = path.relative_to(result.report).as_posix()
            if name.startswith("outputs/"):
                found["outputs"] += content
            else:
                found[name] = gzip.decompress(content) if name.endswith(".gz") else content
    return found


def forms(canary: bytes) -> list[bytes]:
    numbers = [repr(float(each)).encode() for each in np.frombuffer(canary, np.float32)]
    return [canary, canary.hex().encode(), *numbers]


def test_the_host_opens_none_of_it_and_parses_nothing_natively(hostile: Result) -> None:
    seen = json.loads((hostile.folder / "seen.json").read_text("utf-8"))
    assert seen["imported"] == []
    # The host finds what it has to kill by a mark in `/proc/NUMBER/environ`; models ask for `self`.
    marks = re.compile(r"/proc/\d+/environ")
    opened = [Path(each).name for each in seen["opened"] if not marks.fullmatch(each)]
    assert "control.onnx" in opened, "the eye was open"
    assert "inside.bin" in opened
    forbidden = {"canary.bin", "link.bin", "hard.bin", "fifo", "zero", "tty", "environ", "linked"}
    assert not forbidden & set(opened)


def test_reports_escape_what_models_say(hostile: Result) -> None:
    for name in ("index.html", "summary.md", "junit.xml", "run.json", "compat.json"):
        content = (hostile.report / name).read_bytes()
        assert b"\x1b" not in content, name
        assert b"<script>alert(1)" not in content, name
    assert "\x1b" not in hostile.out


# -- a file of one format under the name of another


def test_a_model_that_goes_by_another_format_is_scanned_all_the_same(tmp_path: Path) -> None:
    """OpenVINO looks into a file to see what it is, and reads absolute paths."""
    names = [
        f"disguised{suffix}"
        for suffix in (".onnx", ".tflite", ".ort", ".pt", ".pt2", ".xml", ".pb", ".bin")
    ]
    double = {"double.ort": b"ORTM", "double.tflite": b"TFL3"}  # both formats at once
    axes = {
        "framework": {"openvino": ["2026.4.1"], "onnxruntime": ["1.17.3", "1.31.1"]},
        "python": ["3.11"],
    }
    entries = [
        {"name": name, "path": f"models/{name}", "reference": "none"} for name in (*names, *double)
    ]
    numpy = [{"match": {"framework": "onnxruntime<1.19"}, "packages": ["numpy<2"]}]
    matrix = {"schema": 1, "axes": axes, "adjust": numpy, "checks": {"parity": {"models": entries}}}
    files: dict[str, str | bytes] = {
        "pytest.ini": "[pytest]\n",
        "matrices/m.yaml": json.dumps(matrix),
    }
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary.bin").write_bytes(CANARY)
    hostile = located(OUTSIDE["absolute"], str(outside).encode())
    files |= {f"matrices/models/{name}": hostile for name in names}
    for name, mark in double.items():
        files[f"matrices/models/{name}"] = b"\x32\x06ab" + mark + hostile
    result = Project(files).run(tmp_path, *OPTIONS)
    assert {cell["status"] for cell in result.run["cells"]} == {"completed"}
    assert len(result.cases) == 3 * len(entries)
    for case in result.cases:
        assert (case["status"], case["stage"]) == ("error", "load"), case
        assert "external data by absolute path" in case["error"]["message"], case
    for place, content in written(result).items():
        for form in forms(CANARY):
            assert form not in content, (place, form)


# -- data sets


class Touch:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


X = np.array([1.0, 2.0, 3.0], np.float32)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def pb(array: np.ndarray) -> bytes:
    return numpy_helper.from_array(array).SerializeToString()


def matrix(*entries: dict[str, object]) -> str:
    axes = {"framework": {"onnxruntime": ["1.23.2"], "openvino": ["2026.4.1"]}, "python": ["3.11"]}
    return json.dumps({"schema": 1, "axes": axes, "checks": {"parity": {"models": list(entries)}}})


def with_data(files: dict[str, bytes], *entries: dict[str, object]) -> Project:
    every: dict[str, str | bytes] = {
        "pytest.ini": "[pytest]\n",
        "matrices/m.yaml": matrix(*entries),
        "matrices/relu.onnx": models.relu(),
    }
    return Project(every | {f"matrices/{name}": content for name, content in files.items()})


def unreadable(folder: Path) -> dict[str, bytes]:
    """Files of data that cannot be planned with."""
    objects = np.array([Touch(folder / "touched")], object)
    good = npz(x=X)
    header = good.replace(b"'<f4'", b"'|O'  ", 1).replace(b"'<f4'", b"'|O'  ")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(64 << 20))
    damaged = bytearray(good)
    damaged[60:120] = b"?" * 60
    return {
        "objects.npz": npz(x=objects),
        "pickle.npz": pickle.dumps(Touch(folder / "touched")),
        "header.npz": header,
        "empty.npz": b"",
        "text.npz": b"no zip at all",
        "truncated.npz": good[: len(good) // 2],
        "damaged.npz": bytes(damaged),
        "no-array.npz": bomb.getvalue(),
        "dates.npz": npz(x=np.array(["2026-01-01"], "datetime64[D]")),
        "records.npz": npz(x=np.zeros(3, [("a", "f4")])),
    }


def test_data_that_cannot_be_read_get_a_sentence_each(tmp_path: Path) -> None:
    files = unreadable(tmp_path)
    files["another-name.npz"] = npz(nobody=X)
    files["one-more.npz"] = npz(x=X, more=X)
    files["no-input.npz"] = npz()
    names = [*files, "input_0.pb"]
    entries: list[dict[str, object]] = [
        {"name": name, "path": "relu.onnx", "data": {"inputs": name}} for name in files
    ]
    files["sets/test_data_set_0/input_0.pb"] = b"\xff" * 100
    entries.append({"name": "sets", "path": "relu.onnx", "data": "sets"})
    result = with_data(files, *entries).run(tmp_path, *OPTIONS)
    said = result.out + result.err
    assert result.code == 4, said
    assert "Traceback" not in said
    for name in names:
        assert name in result.err, name
    assert "never unpickled" in result.err
    assert not (tmp_path / "touched").exists()
    assert not (result.report / "plan.json").exists(), "nothing was begun"


def test_data_that_do_not_fit_are_cases_with_a_status(tmp_path: Path) -> None:
    right = {"outputs": "right-y.npz"}
    files = {
        "right.npz": npz(x=X),
        "right-y.npz": npz(y=X),
        "position-too-far.npz": npz(arr_0=X, arr_7=X),
        "another-type.npz": npz(x=X.astype(np.int64)),
        "text.npz": npz(x=np.array(["a", "b", "c"])),
        "another-shape.npz": npz(x=np.ones((2, 2), np.float32)),
        "nothing.npz": npz(x=np.ones((0,), np.float32)),
    }
    names = [name for name in files if not name.startswith("right")]
    entries: list[dict[str, object]] = [
        {"name": name, "path": "relu.onnx", "data": {"inputs": name, **right}} for name in names
    ]
    entries.insert(
        3, {"name": "right", "path": "relu.onnx", "data": {"inputs": "right.npz", **right}}
    )
    outputs = {
        "y-another-name.npz": npz(nobody=X),
        "y-another-count.npz": npz(y=X, z=X),
        "y-another-type.npz": npz(y=X.astype(np.float64)),
        "y-another-shape.npz": npz(y=np.ones((3, 1), np.float32)),
        "y-text.npz": npz(y=np.array(["a", "b", "c"])),
    }
    entries += [
        {"name": name, "path": "relu.onnx", "data": {"inputs": "right.npz", "outputs": name}}
        for name in outputs
    ]
    sets = {"sets/test_data_set_0": X, "sets/test_data_set_1": X.astype(np.int32)}
    for place, array in sets.items():
        files[f"{place}/input_0.pb"], files[f"{place}/output_0.pb"] = pb(array), pb(X)
    entries.append({"name": "sets", "path": "relu.onnx", "data": "sets"})
    result = with_data(files | outputs, *entries).run(tmp_path, *OPTIONS)
    said = result.out + result.err
    assert result.code == 1, said
    assert "Traceback" not in said
    found: dict[str, set[str]] = {}
    for case in result.cases:
        found.setdefault(case["case"], set()).add(case["status"])
    healthy = {"right/right", "sets/test_data_set_0"}
    assert {name for name, statuses in found.items() if "passed" in statuses} == healthy
    for case in result.cases:
        if case["case"] in healthy:
            assert case["status"] == "passed", case
        elif case["unit"] in outputs:
            assert (case["status"], case["stage"]) == ("failed", "compare"), case
            assert case["mismatch"], case
        else:
            assert (case["status"], case["stage"]) == ("error", "run"), case
            assert case["error"]["message"]
    assert len(found) == len(entries) + 1
