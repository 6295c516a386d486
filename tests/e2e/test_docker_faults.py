"""What goes wrong in and around containers, on a real engine: named, and nothing is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_modelcompat.environments.docker import owner
from tests.e2e import docker_kills, engine
from tests.e2e.kills import acknowledged
from tests.e2e.test_docker import MATRIX, PLUGIN, project, run
from tests.e2e.test_faults import ends, with_backend
from tests.project import Project, Result

pytestmark = [
    pytest.mark.engine,
    pytest.mark.network,
    pytest.mark.slow,
]

BODY = Path(__file__).with_name("container_backend.py").read_text("utf-8")
CANARY = "canary-5b1f3a-secret"


def with_deeds(folder: Path, *deeds: str, **matrix: object) -> Project:
    """The backend of this folder in a container, a healthy model before, between and after."""
    made = with_backend(folder, deeds, BODY)
    text = json.loads(str(made.files["matrices/m.yaml"]))
    text["axes"]["image"] = [engine.BOOKWORM]
    text["limits"] = {"case": "12s", "memory": "1GiB"}
    text.update(matrix)
    return made.with_file("matrices/m.yaml", json.dumps(text))


OPTIONS = ("--compat-matrix=matrices/m.yaml", "--compat-fresh", "-p", "no:cacheprovider")


def test_deeds_of_a_model(tmp_path: Path) -> None:
    """Each is named, those around it pass, and the engine is as it was."""
    before = engine.everything()
    deeds = (
        "child-over-limit", "grandchild-over-limit", "fork-bomb", "fills-tmp", "fills-folder",
        "floods",
    )  # fmt: skip
    result = with_deeds(tmp_path, *deeds).run(tmp_path, *OPTIONS)
    seen = ends(result)
    assert seen["child-over-limit"] == ("out_of_memory", "run", "SIGKILL")
    assert seen["grandchild-over-limit"][:2] == ("out_of_memory", "run")
    assert seen["fork-bomb"][:2] == ("timed_out", "run")
    assert seen["fills-tmp"][0] in {"error", "out_of_memory"}, seen
    assert seen["fills-folder"][0] in {"error", "out_of_memory"}, seen
    assert seen["floods"] == ("passed", "compare", None)
    assert engine.left() == []
    assert engine.everything() == before


def test_nothing_of_the_host_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path.home()
    secret = tmp_path / "secret.txt"
    secret.write_text(CANARY)
    look = [
        str(secret), "/var/run/docker.sock", "/run/docker.sock", f"{home}/.netrc",
        f"{home}/.config/pip/pip.conf", "/etc/shadow", "/proc/1/environ", "/proc/kcore",
        "/sys/kernel/security", "/dev/sda", "/dev/vda",
    ]  # fmt: skip
    monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", CANARY)
    monkeypatch.setenv("MY_TOKEN", CANARY)
    monkeypatch.setenv("HTTPS_PROXY_PASSWORD", CANARY)
    made = with_deeds(tmp_path, "tells", packages=["onnx==1.18.0", "numpy==2.2.6"])
    text = json.loads(str(made.files["matrices/m.yaml"]))
    text["axes"]["env"] = {"LOOK_AT": [json.dumps(look)]}
    result = made.with_file("matrices/m.yaml", json.dumps(text)).run(tmp_path, *OPTIONS)
    (case,) = (one for one in result.cases if one["unit"] == "tells")
    assert case["status"] == "error", case
    seen = json.loads(case["error"]["message"].partition("SEEN ")[2])
    assert CANARY not in json.dumps(seen)
    allowed = {"PATH", "HOME", "TMPDIR", "HOSTNAME", "LANG", "LOOK_AT"}
    unknown = {name for name in seen["env"] if not name.endswith("_NUM_THREADS")} - allowed
    assert {name for name in unknown if not name.startswith(("MODELCOMPAT_", "LC_"))} == set()
    assert seen["env"]["HOME"] == "/tmp"
    refused = {"No such file or directory", "Permission denied", "Is a directory"}
    readable = {path: text for path, text in seen["files"].items() if text not in refused}
    assert set(readable) <= {"/proc/1/environ"}, readable
    assert seen["ids"] == [65534, 65534, 65534]
    assert seen["written"] == []
    assert [one for one in seen["network"] if one[0] != ["127.0.0.1", 1]] == []
    assert seen["mount"] == -1
    assert seen["status"]["NoNewPrivs"] == "1"
    assert int(seen["status"]["CapEff"], 16) == int(seen["status"]["CapBnd"], 16) == 0
    assert seen["status"]["Seccomp"] == "2"
    sources = [line.split()[1] for line in seen["mounts"].splitlines() if "/modelcompat" in line]
    assert sources
    assert str(home) not in seen["mounts"].replace("/modelcompat", "")
    for path in (tmp_path / "reports").rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    result = run(tmp_path, engine.BOOKWORM, "host", match="Relu")
    cell = result.cell(image=engine.BOOKWORM)
    assert cell["status"] == "unavailable"
    assert cell["reason"].startswith("No container engine answers here.")
    assert set(cell["counts"]) == {"not_run"}
    assert result.cell(image="host")["status"] == "completed"


def test_no_such_image(tmp_path: Path) -> None:
    result = run(tmp_path, "modelcompat/never-built:1", match="Relu")
    (cell,) = result.run["cells"]
    assert cell["status"] == "unavailable"
    first, _, said = cell["reason"].partition("\n")
    assert "There is no image modelcompat/never-built:1 here" in first
    assert said.strip(), "the engine's own words"
    assert result.code == 1, "nothing was measured"


def test_gpus_without_hardware(tmp_path: Path) -> None:
    result = run(tmp_path, f"{{image: '{engine.BOOKWORM}', gpus: all}}", match="Relu")
    (cell,) = result.run["cells"]
    assert cell["status"] == "unavailable"
    assert "gpus: all" in cell["reason"]
    assert "gpu" in cell["reason"].partition("\n")[2], "the engine's own words"
    assert engine.left() == []


def test_another_architecture_than_asked_for(tmp_path: Path) -> None:
    image = f"{{image: '{engine.BOOKWORM}', platform: linux/arm64}}"
    (cell,) = run(tmp_path, image, match="Relu").run["cells"]
    assert cell["status"] == "unavailable"
    assert "is for x86_64, but platform linux/arm64 is asked for" in cell["reason"]


def test_an_architecture_that_nothing_runs(tmp_path: Path) -> None:
    """An image of programs for another kind of machine: one whose Python is no program at all."""
    dockerfile = f"FROM {engine.BOOKWORM}\nRUN printf '\\177ELF\\1\\1\\1' >/usr/bin/python3.11\n"
    made = project("{id: foreign, dockerfile: Dockerfile}", match="Relu")
    result = made.with_file("matrices/Dockerfile", dockerfile).run(
        tmp_path, "--compat-matrix=matrices/m.yaml", *PLUGIN
    )
    (cell,) = result.run["cells"]
    assert cell["status"] == "unavailable"
    assert "cannot run" in cell["reason"], cell["reason"]


def test_a_dockerfile_is_built_and_one_that_fails_says_where(tmp_path: Path) -> None:
    good = f"FROM {engine.BOOKWORM}\nARG FLAVOUR=none\nRUN echo $FLAVOUR >/etc/flavour\nUSER 1\n"
    bad = f"FROM {engine.BOOKWORM}\nRUN echo before; false\n"
    made = (
        project(
            "{id: good, dockerfile: good.Dockerfile, build_args: {FLAVOUR: sweet}}",
            "{id: bad, dockerfile: bad.Dockerfile}",
            match="Relu",
        )
        .with_file("matrices/good.Dockerfile", good)
        .with_file("matrices/bad.Dockerfile", bad)
    )
    result = made.run(tmp_path, "--compat-matrix=matrices/m.yaml", "--compat-fresh", *PLUGIN)
    cell = result.cell(image="good")
    assert cell["status"] == "completed", cell
    built = cell["environment"]["image_digest"]
    assert engine.docker("run", "--rm", built, "cat", "/etc/flavour") == "sweet"
    cell = result.cell(image="bad")
    assert cell["status"] == "unavailable"
    assert "bad.Dockerfile cannot be built" in cell["reason"]
    assert "before" in cell["reason"]
    assert "returned a non-zero code: 1" in cell["reason"]


def started(folder: Path, *images: str, match: str = '"*"') -> subprocess.Popen[bytes]:
    return project(*images, match=match).start(folder, *OPTIONS, "-q")


def until_it_measures(folder: Path, running: subprocess.Popen[bytes], least: int = 50) -> None:
    end = time.monotonic() + 240
    store = folder / "reports" / "latest" / "run.sqlite"
    while len(acknowledged(store)) < least:
        assert running.poll() is None, running.stdout.read() if running.stdout else ""
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_stranger_kills_the_container(tmp_path: Path) -> None:
    """Tried again, and what was measured before is not measured twice."""
    running = started(tmp_path, engine.BOOKWORM)
    until_it_measures(tmp_path, running)
    for container in engine.ours():
        engine.docker("kill", container, check=False)
    out, _ = running.communicate(timeout=280)
    result = Result(running.returncode, out.decode(), "", tmp_path)
    (cell,) = result.run["cells"]
    assert cell["status"] == "completed", cell
    assert "not_run" not in cell["counts"]
    assert engine.left() == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_engine_goes_away_and_comes_back(how: signal.Signals, tmp_path: Path) -> None:
    """Infrastructure, tried again; and what was measured before is not measured twice."""
    before = engine.everything()
    running = started(tmp_path, engine.BOOKWORM)
    until_it_measures(tmp_path, running)
    with engine.gone(how):
        time.sleep(3)
    out, _ = running.communicate(timeout=280)
    result = Result(running.returncode, out.decode(), "", tmp_path)
    (cell,) = result.run["cells"]
    assert cell["status"] == "completed", cell
    assert "not_run" not in cell["counts"]
    assert sum(cell["counts"].values()) == len(result.cases)
    assert engine.left() == []
    assert engine.everything() == before


def test_the_engine_goes_away_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell says so, keeps what it has, and nothing else is made up."""
    running = started(tmp_path, engine.BOOKWORM)
    until_it_measures(tmp_path, running)
    with engine.gone(signal.SIGKILL):
        out, _ = running.communicate(timeout=280)
    result = Result(running.returncode, out.decode(), "", tmp_path)
    (cell,) = result.run["cells"]
    assert cell["status"] == "infrastructure_failed", cell
    assert "No container engine answers" in cell["reason"]
    assert cell["counts"]["not_run"] > 0
    assert cell["counts"].get("passed", 0) > 0
    assert sum(cell["counts"].values()) == len(result.cases)
    assert result.code == 1
    assert engine.left() == []


def test_killed_at_random_moments(tmp_path: Path) -> None:
    *_, tally = docker_kills.kills(5, 20261121, tmp_path)
    assert tally.kills == 5
    assert tally.left == []


def test_a_sweep_takes_what_dead_runs_left_and_nothing_else(tmp_path: Path) -> None:
    def made(name: str, **labels: str) -> str:
        flags = [part for pair in labels.items() for part in ("--label", "=".join(pair))]
        return engine.docker("create", *flags, "--name", name, engine.BOOKWORM, "sleep", "100")

    mark = f"sweep-{os.getpid()}"
    dead = subprocess.Popen(["sleep", "0"])
    dead.wait()
    here = owner.owner().rsplit("/", 2)[0]
    living = f"{owner.OURS}.owner"
    late = str(int(time.time()) + 1000)

    def labels(whose: str, deadline: str = late) -> dict[str, str]:
        return {owner.OURS: "cell", living: whose, owner.DEADLINE: deadline}

    names = {
        "strangers": made(f"{mark}-a"),
        "a living run's": made(f"{mark}-b", **labels(owner.owner())),
        "a dead run's": made(f"{mark}-c", **labels(f"{here}/{dead.pid}/1")),
        "another machine's": made(f"{mark}-d", **labels("other-boot/pid:[1]/1/1")),
        "another machine's, long dead": made(f"{mark}-e", **labels("other/pid:[1]/1/1", "1000")),
    }
    try:
        result = Project({}).command(
            tmp_path, sys.executable, "-m", "pytest_modelcompat.cli", "clean"
        )
        assert result.code == 0, result.err
        assert "2 containers" in result.out
        there = engine.docker("ps", "--all", "--quiet", "--no-trunc").split()
        kept = {name for name, container in names.items() if container in there}
        assert kept == {"strangers", "a living run's", "another machine's"}
    finally:
        engine.docker("rm", "--force", *names.values(), check=False)


def test_two_runs_at_once(tmp_path: Path) -> None:
    results: list[Result] = []

    def one(name: str) -> None:
        results.append(run(tmp_path / name, engine.BOOKWORM, engine.TRIXIE, match='"A*", Relu'))

    threads = [threading.Thread(target=one, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    for result in results:
        cell = result.cell(image=engine.BOOKWORM)
        assert cell["status"] == "completed", cell
    assert (
        results[0].cell(image=engine.BOOKWORM)["counts"]
        == (results[1].cell(image=engine.BOOKWORM)["counts"])
    )
    assert engine.left() == []


HOSTILE = (
    ('"--privileged"', "would be read as an option"),
    ('"debian:bookworm; rm -rf /"', "is not the name of an image"),
    ('"debian:bookworm --volume=/:/host"', "is not the name of an image"),
    ('"../../etc"', "is not the name of an image"),
    ('"debian:$(id)"', "is not the name of an image"),
    ('"debian:bookworm\\u0000x"', "control character"),
    ("{image: debian, volumes: ['/:/host']}", "is not mounted into a container"),
    ("{image: debian, volumes: ['/var/run/docker.sock:/sock']}", "is not mounted"),
    ("{image: debian, volumes: ['/var/run:/data']}", "is not mounted"),
    ("{image: debian, volumes: ['~:/data']}", "is not mounted"),
    ("{image: debian, volumes: ['~/../../proc:/data']}", "is not mounted"),
    ("{image: debian, volumes: ['.:/data:rw']}", "is not a volume"),
    ("{image: debian, volumes: ['.:/etc']}", "cannot be mounted at"),
    ("{image: debian, volumes: ['.:/data/../etc']}", "cannot be mounted at"),
    ("{image: debian, volumes: ['.:/modelcompat/site']}", "cannot be mounted at"),
    ("{image: debian, volumes: ['nowhere:/data']}", "There is no file or folder"),
    ("{image: debian, user: root}", "`user` cannot be 'root'"),
    ("{image: debian, user: '0;id'}", "`user` cannot be"),
    ("{image: debian, gpus: '--all'}", "`gpus` cannot be"),
    ("{image: debian, platform: '--linux'}", "`platform` cannot be"),
    ("{image: debian, network: 'container:other'}", "network"),
    ("{image: debian, install: everywhere}", "install"),
    ("{image: debian, shm: lots}", "shm"),
    ("{image: debian, privileged: yes}", "has no key 'privileged'"),
    ("{id: x, dockerfile: m.yaml, build_args: {'A;B': c}}", "A build argument cannot be called"),
    ("{id: x, dockerfile: nowhere}", "There is no"),
    ("{image: debian, context: '.'}", "says nothing without `dockerfile`"),
    ("{image: debian, dockerfile: m.yaml}", "not both"),
)


@pytest.mark.parametrize(("image", "said"), HOSTILE)
def test_a_hostile_string_is_refused_with_a_sentence(image: str, said: str, tmp_path: Path) -> None:
    result = Project(
        {"matrices/m.yaml": MATRIX.format(images=image, match="Relu", more=""), "pytest.ini": ""}
    ).run(tmp_path, "--compat-matrix=matrices/m.yaml", *PLUGIN)
    assert result.code == 4, result.out + result.err
    assert said in result.out + result.err
    assert "Traceback" not in result.out + result.err
