"""`matrices/images.yaml` to its end on the real engine: the right end in every cell."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.e2e import engine
from tests.e2e.test_docker import PLUGIN
from tests.project import Project, Result

pytestmark = [pytest.mark.engine, pytest.mark.network, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
OLD, MIDDLE, NEW, NEXT = engine.BULLSEYE, engine.BOOKWORM, engine.TRIXIE, engine.FORKY
SYSTEMS = {
    OLD: ("Debian GNU/Linux 11", "glibc 2.31", "3.9."),
    MIDDLE: ("Debian GNU/Linux 12", "glibc 2.36", "3.11."),
    NEW: ("Debian GNU/Linux 13", "glibc 2.41", "3.13."),
    NEXT: ("Debian GNU/Linux forky/sid", "glibc 2.4", "3.14."),
    engine.ARM64: ("Debian GNU/Linux 12", "glibc 2.36", "3.11."),
}
# where a release has wheels for the system's own Python
RUNS = {
    "onnxruntime==1.19.2": {OLD, MIDDLE},
    "onnxruntime==1.23.2": {MIDDLE, NEW, engine.ARM64},
    "onnxruntime==1.24.4": {NEXT},
    "onnxruntime==1.31.1": {MIDDLE, NEW, NEXT},
    "openvino==2024.6.0": {OLD, MIDDLE},
    "openvino==2026.4.1": {MIDDLE, NEW},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Result:
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in (ROOT / "matrices").rglob("*")
        if path.is_file() and "formats" not in path.parts
    }
    before = engine.everything()
    result = Project(files | {"pytest.ini": "[pytest]\n"}).run(
        tmp_path_factory.mktemp("images"),
        "--compat-matrix=matrices/images.yaml", "--compat-fresh", *PLUGIN, timeout=1200,
    )  # fmt: skip
    assert engine.everything() == before
    return result


def test_every_cell_ends_as_its_wheels_allow(whole: Result) -> None:
    assert whole.code == 0, whole.out[-3000:]
    cells = whole.run["cells"]
    assert len(cells) == 5 * 3 + 2 + 1
    for cell in cells:
        framework, image = cell["axes"]["framework"], cell["axes"]["image"]
        if image in RUNS[framework]:
            assert cell["status"] == "completed", cell
            assert cell["counts"]["passed"] > 100
        else:
            assert (cell["status"], cell["stage"]) == ("unsatisfiable", "resolve"), cell
            assert "has no wheels with a matching Python" in cell["reason"]
            assert set(cell["counts"]) == {"not_run"}


def test_what_ran_is_attested(whole: Result) -> None:
    for cell in whole.run["cells"]:
        if cell["status"] != "completed":
            continue
        image, facts = cell["axes"]["image"], cell["attestation"]
        system, libc, python = SYSTEMS[image]
        digest = engine.digest(image)
        assert facts["image_digest"] == cell["environment"]["image_digest"] == digest
        assert facts["os"].startswith(system)
        assert facts["libc"].startswith(libc)
        assert cell["environment"]["python"].startswith(python)
        assert facts["python"].startswith(python)
        name, _, version = cell["axes"]["framework"].partition("==")
        assert facts["distributions"][name].partition("+")[0] == version
        emulated = image == engine.ARM64
        assert facts["emulated"] is emulated
        assert facts["machine"] == ("aarch64" if emulated else "x86_64")
        assert any(note.startswith("emulated") for note in cell.get("notes", ())) is emulated


def test_planned_is_the_sum_of_statuses(whole: Result) -> None:
    planned = {
        cell["id"]: sum(len(unit["cases"]) for unit in cell["units"])
        for cell in whole.plan["cells"]
    }
    assert len(whole.cases) == sum(planned.values())
    for cell in whole.run["cells"]:
        assert sum(cell["counts"].values()) == planned[cell["id"]] > 100


def test_a_release_gives_the_same_on_every_system(whole: Result) -> None:
    """What differs between these systems is what can be installed, and nothing else."""
    axes = {cell["id"]: cell["axes"] for cell in whole.run["cells"]}
    seen: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for case in whole.cases:
        if case["status"] != "not_run":
            seen[axes[case["cell"]]["framework"], case["case"]].add(case["status"])
    assert len(seen) > 1400
    assert {key: found for key, found in seen.items() if len(found) > 1} == {}
