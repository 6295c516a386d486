"""Cells in containers, on a real engine: right, confined, attested, and nothing left behind."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e import engine
from tests.project import Project, Result

pytestmark = [
    pytest.mark.engine,
    pytest.mark.network,
    pytest.mark.slow,
]

MATRIX = """\
schema: 1
axes:
  framework: {{onnxruntime: ["1.23.2"]}}
  python: ["3.11"]
  image: [{images}]
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [{match}]
{more}"""
PLUGIN = ("-q", "-p", "no:cacheprovider")


def project(*images: str, match: str = '"A*", "C*", Relu', more: str = "") -> Project:
    text = MATRIX.format(images=", ".join(images), match=match, more=more)
    return Project({"matrices/m.yaml": text, "pytest.ini": "[pytest]\n"})


def run(folder: Path, *images: str, fresh: bool = True, **more: str) -> Result:
    arguments = ["--compat-matrix=matrices/m.yaml", *PLUGIN]
    return project(*images, **more).run(folder, *arguments, *(["--compat-fresh"] if fresh else []))


def statuses(result: Result, cell: dict) -> dict[str, str]:
    return {case["case"]: case["status"] for case in result.cases if case["cell"] == cell["id"]}


def test_a_container_gives_the_same_answers_as_the_host(tmp_path: Path) -> None:
    before = engine.everything()
    result = run(tmp_path, "host", engine.BOOKWORM)
    here, there = (result.cell(image=name) for name in ("host", engine.BOOKWORM))
    assert there["status"] == "completed", there
    assert statuses(result, there) == statuses(result, here)
    assert there["counts"]["passed"] > 50
    assert sum(there["counts"].values()) == len(statuses(result, there))
    facts = there["attestation"]
    assert facts["os"].startswith("Debian GNU/Linux 12")
    assert facts["libc"] == "glibc 2.36"
    assert facts["image_digest"] == engine.digest(engine.BOOKWORM)
    assert there["environment"]["image_digest"] == engine.digest(engine.BOOKWORM)
    assert (facts["emulated"], facts["relaxed"], facts["install"]) == (False, [], "mount")
    assert engine.everything() == before


def test_a_second_run_installs_nothing(tmp_path: Path) -> None:
    run(tmp_path, engine.BOOKWORM)
    again = run(tmp_path, engine.BOOKWORM)
    (entry,) = (one for one in again.run["environments"] if one["role"] == "cell")
    assert entry["reused"] is True
    reused = run(tmp_path, engine.BOOKWORM, fresh=False)
    reused = run(tmp_path, engine.BOOKWORM, fresh=False)
    assert "reused" in " ".join(reused.run["cells"][0]["notes"])


def test_a_second_cell_on_the_same_image_and_lock_installs_nothing(tmp_path: Path) -> None:
    """In a cache that is empty: the two environments are others, what is installed is one tree."""
    made = project(engine.BOOKWORM, f"{{id: second, image: '{engine.BOOKWORM}', shm: 128MiB}}")
    cold = replace(made, env={"MODELCOMPAT_CACHE": str(tmp_path / "cache")})
    result = cold.run(tmp_path, "--compat-matrix=matrices/m.yaml", *PLUGIN)
    entries = [one for one in result.run["environments"] if one["role"] == "cell"]
    assert sorted(one.get("reused", False) for one in entries) == [False, True]
    assert len({one["lock_digest"] for one in entries}) == 1
    assert {cell["status"] for cell in result.run["cells"]} == {"completed"}
    assert len(list((tmp_path / "cache" / "environments").glob("tree-*/1"))) == 1


def watched(folder: Path, image: str) -> dict:
    """What the engine knows of a cell's container while it runs."""
    running = project(image, match='"*"').start(
        folder, "--compat-matrix=matrices/m.yaml", "--compat-fresh", *PLUGIN
    )
    try:
        end = time.monotonic() + 240
        while time.monotonic() < end and running.poll() is None:
            found = engine.docker("ps", "--quiet", "--filter", f"label={engine.OURS}=cell").split()
            if found:
                return engine.about(found[0])
            time.sleep(0.05)
        raise AssertionError("no container of a cell was seen")
    finally:
        running.kill()
        running.communicate()


def test_confined(tmp_path: Path) -> None:
    about = watched(tmp_path, engine.BOOKWORM)
    host, config = about["HostConfig"], about["Config"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] == 4 * 2**30
    assert 0 < host["PidsLimit"] <= 4096
    assert host["AutoRemove"] is True
    assert host["Init"] is True
    assert host["Privileged"] is False
    assert host["LogConfig"]["Type"] == "none"
    assert config["User"] == "65534:65534"
    assert "noexec" in host["Tmpfs"]["/tmp"]
    assert all(mount["RW"] is False for mount in about["Mounts"])
    assert not any("sock" in mount["Source"] for mount in about["Mounts"])
    assert not host["Devices"]
    home = str(Path.home())
    mine = {value for name, value in os.environ.items() if len(value) > 12}
    given = {text.partition("=")[2] for text in config["Env"]}
    assert not given & mine
    assert not any(mount["Source"] in {"/", home, "/var/run"} for mount in about["Mounts"])
    labels = config["Labels"]
    assert re.fullmatch(r"\d+", labels[f"{engine.OURS}.deadline"])
    assert labels[f"{engine.OURS}.owner"]
    # the run was killed while the container ran
    assert engine.left() == []


IMAGES = (
    "{image: 'modelcompat/debian:bookworm', user: 1000, shm: 128MiB, network: bridge, id: loose}"
)


def test_a_relaxation_is_visible(tmp_path: Path) -> None:
    result = run(tmp_path, IMAGES, match="Relu")
    (cell,) = result.run["cells"]
    assert cell["status"] == "completed"
    assert cell["attestation"]["relaxed"] == ["user: 1000", "network: bridge"]
    assert any("user: 1000, network: bridge" in note for note in cell["notes"])
    summary = (result.report / "summary.md").read_text("utf-8")
    assert "1 of 1 cell ran in a less confined container than by default" in summary


def test_python_image_and_what_an_image_lacks(tmp_path: Path) -> None:
    text = MATRIX.format(
        images=f"{engine.BULLSEYE}, {engine.TRIXIE}, {engine.NOTHING}, {engine.NOISY}",
        match="Relu",
        more="",
    ).replace('python: ["3.11"]', "python: [image, '3.13']")
    files = {"matrices/m.yaml": text, "pytest.ini": "[pytest]\n"}
    arguments = ("--compat-matrix=matrices/m.yaml", "--compat-fresh", *PLUGIN)
    result = Project(files).run(tmp_path, *arguments)

    def cell(image: str, python: str) -> tuple[str, str]:
        found = result.cell(image=image, python=python)
        return found["status"], found.get("reason", "")

    # onnxruntime 1.23.2 has no wheel for Python 3.9
    status, reason = cell(engine.BULLSEYE, "image")
    assert status == "unsatisfiable", reason
    status, reason = cell(engine.BULLSEYE, "3.13")
    assert status == "unavailable"
    assert "has no CPython 3.13. It has 3.9.2" in reason
    assert "Debian GNU/Linux 11" in reason
    assert cell(engine.TRIXIE, "image")[0] == "completed"
    assert cell(engine.TRIXIE, "3.13")[0] == "completed"
    for python in ("image", "3.13"):
        status, reason = cell(engine.NOTHING, python)
        assert status == "unavailable"
        assert "(Debian GNU/Linux 12 (bookworm)) has no Python" in reason
    assert cell(engine.NOISY, "image")[0] == "completed"
    assert result.cell(image=engine.NOISY, python="image")["counts"]["passed"] > 0


MUTE = f"""\
FROM {engine.BOOKWORM}
ENV HOME=/nowhere TMPDIR=/nowhere
USER 4321:4321
"""


def test_an_image_whose_user_cannot_write_anywhere(tmp_path: Path) -> None:
    """Nothing of ours does: packages come from outside, and /tmp is the cell's own."""
    mute = "dockerfile: mute.Dockerfile, user: image"
    made = project(
        f"{{id: mute, {mute}}}", f"{{id: mute-inside, {mute}, install: inside}}", match="Relu"
    ).with_file("matrices/mute.Dockerfile", MUTE)
    result = made.run(tmp_path, "--compat-matrix=matrices/m.yaml", "--compat-fresh", *PLUGIN)
    for name in ("mute", "mute-inside"):
        cell = result.cell(image=name)
        assert cell["status"] == "completed", cell
        assert cell["counts"].keys() == {"passed"}
        assert cell["attestation"]["relaxed"] == ["user: image"]


def test_inside_gives_the_same_answers(tmp_path: Path) -> None:
    inside = "{image: 'modelcompat/debian:bookworm', install: inside, id: inside}"
    before = engine.everything()
    listing = ("images", "--all", "--quiet", "--no-trunc")  # in no order among those of a second
    images = sorted(engine.docker(*listing).split())
    result = run(tmp_path, engine.BOOKWORM, inside)
    mounted, installed = result.run["cells"]
    assert installed["status"] == "completed", installed
    assert installed["attestation"]["install"] == "inside"
    assert statuses(result, installed) == statuses(result, mounted)
    assert installed["environment"]["lock_digest"] == mounted["environment"]["lock_digest"]
    assert engine.everything() == before
    assert sorted(engine.docker(*listing).split()) == images
