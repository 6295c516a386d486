"""Faults of models and runtimes, really had: each one is named, and all others still ran.

Real releases where one is at fault by itself; for what no release does on command, a backend of
this folder, installed as any package would be.
"""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from tests.contract._index_server import wheel
from tests.e2e import fault_models as models
from tests.junit import problems
from tests.project import Project, Result

pytestmark = [pytest.mark.network, pytest.mark.slow]

OPTIONS = ("--compat-matrix=matrices/m.yaml", "--compat-fresh")
CASE = 2.0  # seconds; a hang takes this long


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


X = np.array([1.0, -2.0, 3.0], np.float32)
NEGATED = {"x.npz": npz(x=X), "y.npz": npz(y=-X)}
GIVEN = {"inputs": "x.npz", "outputs": "y.npz"}


def project(
    files: dict[str, bytes],
    *,
    given: dict[str, str | dict[str, str]] | None = None,
    env: dict[str, str] | None = None,
    **matrix: object,
) -> Project:
    """Every file a parity model, a healthy one before, between and after."""
    entries: list[dict[str, object]] = []
    for n, name in enumerate(files):
        entries.append({"name": f"healthy-{n}", "path": "healthy.onnx", "data": GIVEN})
        data = (given or {}).get(name, {"random": 1})
        entry = {"name": name, "path": f"{name}.onnx", "data": data}
        if "random" in data or data == {"inputs": "strings.npz"}:
            entry["reference"] = "none"
        entries.append(entry)
    entries.append({"name": f"healthy-{len(files)}", "path": "healthy.onnx", "data": GIVEN})
    text = json.dumps(
        {
            "schema": 1,
            "limits": {"case": f"{int(CASE)}s", "memory": "3GiB"},
            **matrix,
            "checks": {"parity": {"models": entries}},
        }
    )
    written: dict[str, str | bytes] = {"pytest.ini": "[pytest]\n", "matrices/m.yaml": text}
    written["matrices/healthy.onnx"] = models.negated()
    written |= {f"matrices/{name}": content for name, content in NEGATED.items()}
    written |= {f"matrices/{name}.onnx": content for name, content in files.items()}
    return Project(written, env=env or {})


def ends(result: Result) -> dict[str, tuple[object, ...]]:
    """Of each harmful model: (status, stage, signal or exit code); and all others have passed."""
    assert "Traceback" not in result.out + result.err, result.out + result.err
    (cell,) = result.run["cells"]
    assert cell["status"] == "completed", (cell["status"], cell.get("reason"), result.out)
    planned = [case for unit in result.plan["cells"][0]["units"] for case in unit["cases"]]
    assert len(planned) == len(result.cases) == sum(cell["counts"].values())
    found = {}
    for case in result.cases:
        if case["unit"].startswith("healthy"):
            assert case["status"] == "passed", case
            assert case["reference"]["kind"] == "data"
            continue
        error = case.get("error", {})
        found[case["unit"]] = (
            case["status"],
            case["stage"],
            error.get("signal", error.get("exit_code")),
        )
    return found


# -- a real release, by itself

NATIVE = {
    "division": models.divided_by_zero(),
    "remainder": models.divided_by_zero("Mod"),
    "folded-division": models.divided_when_folded(),
    "recursion": models.recursive(),
    "mutual-recursion": models.mutually_recursive(),
    "endless-loop": models.endless_loop(),
    "function-bomb": models.function_bomb(),
    "huge-expand": models.expanded(1 << 20, 1 << 14),
    "huge-constant": models.filled(1 << 33),
    "cannot-be-parsed": b"\x08\x08\x3a\xff",
}


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """ONNX Runtime 1.23.2 neither checks divisors nor recursion."""
    axes = {"framework": {"onnxruntime": ["1.23.2"]}, "python": ["3.11"]}
    return project(NATIVE, axes=axes).run(tmp_path_factory.mktemp("native"), *OPTIONS)


def test_a_release_that_dies_of_models(native: Result) -> None:
    assert ends(native) == {
        "division": ("crashed", "run", "SIGFPE"),
        "remainder": ("crashed", "run", "SIGFPE"),
        "folded-division": ("crashed", "load", "SIGFPE"),
        "recursion": ("crashed", "load", "SIGSEGV"),
        "mutual-recursion": ("crashed", "load", "SIGSEGV"),
        "endless-loop": ("timed_out", "run", "SIGKILL"),  # the interpreter's lock released
        "function-bomb": ("timed_out", "load", "SIGKILL"),  # and held
        "huge-expand": ("out_of_memory", "run", None),
        "huge-constant": ("out_of_memory", "load", None),
        "cannot-be-parsed": ("error", "load", None),
    }
    assert native.code == 1


def test_the_terminal_and_junit_name_what_happened(native: Result) -> None:
    junit = (native.report / "junit.xml").read_text("utf-8")
    for text in (native.out, junit):
        for words in ("crashed at stage load", "SIGFPE", "SIGSEGV", "timed_out", "out_of_memory"):
            assert words in text, words
    assert problems(junit) == []


def test_fifty_crashes_in_one_cell(tmp_path: Path) -> None:
    """A hundred data sets of one model, every second one with a zero among the divisors."""
    made = project(
        {"quotients": models.divided()},
        given={"quotients": "quotients"},
        axes={
            "framework": {"onnxruntime": ["1.23.2"]},
            "python": ["3.11"],
            "options": {"graph_optimization": ["disabled"]},  # or each would crash twice
        },
    )
    for n in range(100):
        x = np.arange(10, dtype=np.int32)
        z = np.full(10, n % 2, np.int32)
        folder = f"matrices/quotients/test_data_set_{n}"
        for name, array in (("input_0", x), ("input_1", z), ("output_0", x)):
            made = made.with_file(
                f"{folder}/{name}.pb", numpy_helper.from_array(array).SerializeToString()
            )
    result = made.run(tmp_path, *OPTIONS)
    (cell,) = result.run["cells"]
    assert cell["status"] == "completed", cell
    assert cell["counts"] == {"passed": 52, "crashed": 50}
    for case in result.cases:
        if case["status"] == "crashed":
            assert int(case["case"].rpartition("_")[2]) % 2 == 0
            assert (case["stage"], case["error"]["signal"]) == ("run", "SIGFPE")
    assert len({case["case"] for case in result.cases}) == 102


# -- the reference evaluator: Python that cannot be interrupted


def test_a_function_of_c_that_holds_the_lock(tmp_path: Path) -> None:
    long = "a" * 1_000_000
    made = project(
        {"sort": models.slow_sort()},
        given={"sort": {"inputs": "strings.npz"}},
        axes={"framework": {"onnx": ["1.18.0"]}, "python": ["3.11"]},
    ).with_file("matrices/strings.npz", npz(x=np.array([f"{long}c", f"{long}b"], np.bytes_)))
    result = made.run(tmp_path, *OPTIONS)
    assert ends(result) == {"sort": ("timed_out", "run", "SIGKILL")}


# -- a backend that does anything

DEADLY = {
    "sigsegv": ("crashed", "run", "SIGSEGV"),
    "sigabrt": ("crashed", "run", "SIGABRT"),
    "sigill": ("crashed", "run", "SIGILL"),
    "sigbus": ("crashed", "run", "SIGBUS"),
    "overflow": ("crashed", "run", "SIGSEGV"),
    "load-sigsegv": ("crashed", "load", "SIGSEGV"),
    "load-sigabrt": ("crashed", "load", "SIGABRT"),
    "load-leaves": ("crashed", "load", 0),
    "load-exits": ("crashed", "load", 0),
    "leaves": ("crashed", "run", 0),
    "exits": ("crashed", "run", 0),
    "exits-with-words": ("crashed", "run", 1),
    "interrupted": ("crashed", "run", 130),
    "released": ("timed_out", "run", "SIGKILL"),
    "held": ("timed_out", "run", "SIGKILL"),
    "immortal": ("timed_out", "run", "SIGKILL"),
    "load-held": ("timed_out", "load", "SIGKILL"),
    "flooding": ("timed_out", "run", "SIGKILL"),
    "greedy": ("out_of_memory", "run", None),
    "load-greedy": ("out_of_memory", "load", None),
    "aborts-for-memory": ("out_of_memory", "run", "SIGABRT"),
    "says-what": ("crashed", "run", "SIGSEGV"),
}
HARMLESS = (
    "binary", "terminal", "endless", "tampers", "closes", "rearranges", "forks",
    "forks-and-returns", "load-forks", "load-binary", "load-closes",
)  # fmt: skip


def named(fault: str) -> bytes:
    made = models.model([models.node("Neg", ["x"], ["y"])])
    made.graph.name = fault
    return models.data(made)


def with_backend(folder: Path, faults: tuple[str, ...], body: str | None = None) -> Project:
    """The backend as a wheel in a local folder, in a version of its own content."""
    source = body or Path(__file__).with_name("faulty_backend.py").read_text("utf-8")
    version = f"1.{zlib.crc32(source.encode())}"
    place = folder / "wheels"
    place.mkdir(parents=True, exist_ok=True)
    data = wheel("faulty_backend", version, source)
    (place / f"faulty_backend-{version}-py3-none-any.whl").write_bytes(data)
    one = {"value": version, "runtime": "backend", "module": "faulty_backend"}
    return project(
        {fault: named(fault) for fault in faults},
        given=dict.fromkeys(faults, GIVEN),
        axes={"framework": {"faulty-backend": [one]}, "python": ["3.11"]},
        packages=["onnx==1.18.0", "numpy==2.2.6"],
        env={"UV_FIND_LINKS": str(place)},
    )


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("backend")
    return with_backend(folder, (*DEADLY, *HARMLESS)).run(folder, *OPTIONS)


def test_a_backend_that_does_anything(backend: Result) -> None:
    seen = ends(backend)
    assert {name: end for name, end in seen.items() if name in DEADLY} == DEADLY
    harmless = {name: end for name, end in seen.items() if name in HARMLESS}
    assert harmless == dict.fromkeys(HARMLESS, ("passed", "compare", None))


def test_last_words_are_kept_and_garbage_is_escaped(backend: Result) -> None:
    by_unit = {case["unit"]: case for case in backend.cases}
    assert "the last words" in by_unit["says-what"]["error"]["message"]
    flood = by_unit["flooding"]["error"]["message"]
    assert "all work and no play" in flood
    assert len(flood) < 64 << 10, "output is capped"
    for name in ("run.json", "summary.md", "junit.xml", "plan.json"):
        raw = (backend.report / name).read_bytes()
        assert b"\x1b" not in raw, name
        assert b"\0" not in raw, name


def test_what_cases_left_running_is_told_and_gone(backend: Result) -> None:
    (cell,) = backend.run["cells"]
    assert any("left" in note and "behind" in note for note in cell["notes"]), cell["notes"]


# -- at import and at exit


def cell_of(folder: Path, made: Project) -> dict[str, object]:
    """The only cell, of which nothing could be measured."""
    result = made.run(folder, *OPTIONS)
    assert result.code == 1, result.out
    assert "Traceback" not in result.err
    (cell,) = result.run["cells"]
    assert set(cell["counts"]) == {"not_run"}
    assert sum(cell["counts"].values()) == len(result.cases)
    assert all(case["reason"].startswith(f"{cell['status']}: ") for case in result.cases)
    return cell


def test_an_import_that_fails_is_explained(tmp_path: Path) -> None:
    """The exception of onnxruntime 1.17 has no words; numpy printed them before."""
    axes = {
        "framework": {"onnxruntime": ["1.17.3"]},
        "python": ["3.11"],
        "packages": {"numpy": ["2.2.6"]},
    }
    cell = cell_of(tmp_path, project({}, axes=axes))
    assert (cell["status"], cell["stage"]) == ("environment_failed", "import")
    assert "ImportError" in cell["reason"]
    assert "compiled using NumPy 1.x cannot be run in" in cell["reason"]
    assert "downgrade to 'numpy<2'" in cell["reason"]


def test_a_release_that_dies_of_a_newer_numpy(tmp_path: Path) -> None:
    """onnxruntime 1.15 imports all the same, and then every case is the end of its process."""
    axes = {
        "framework": {"onnxruntime": ["1.15.1"]},
        "python": ["3.11"],
        "packages": {"numpy": ["2.2.6"]},
        "options": {"graph_optimization": ["disabled"]},
    }
    result = project({}, axes=axes).run(tmp_path, *OPTIONS)
    (cell,) = result.run["cells"]
    (case,) = result.cases
    assert cell["counts"] == {"crashed": 1}, cell
    assert (case["status"], case["error"]["signal"]) == ("crashed", "SIGSEGV")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import ctypes; ctypes.string_at(8)", "died of SIGSEGV importing"),
        ("import ctypes; print('so far', flush=True); ctypes.CDLL(None).abort()", "so far"),
        ("import os; os._exit(0)", "ended with exit code 0 importing"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import ctypes; ctypes.CDLL('libabsent.so.7')", "libabsent.so.7: cannot open shared"),
    ],
)
def test_an_import_that_is_the_end(tmp_path: Path, body: str, words: str) -> None:
    cell = cell_of(tmp_path, with_backend(tmp_path, (), body))
    assert (cell["status"], cell["stage"]) == ("environment_failed", "import")
    assert words in cell["reason"]


def test_a_crash_at_exit_keeps_the_results_and_is_told(tmp_path: Path) -> None:
    source = Path(__file__).with_name("faulty_backend.py").read_text("utf-8")
    dying = f"{source}\nimport atexit\natexit.register(sigsegv)\n"
    result = with_backend(tmp_path, ("harmless",), dying).run(tmp_path, *OPTIONS)
    (cell,) = result.run["cells"]
    assert cell["status"] == "completed", cell
    assert cell["counts"] == {"passed": 3}
    assert any("SIGSEGV at interpreter exit" in note for note in cell["notes"]), cell["notes"]
