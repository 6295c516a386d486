"""GPUs are queued for: never more taken than there are, each by one cell, and nobody starves."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pytest_modelcompat.environments.docker import gpus
from pytest_modelcompat.environments.docker.containers import Wanted, _confinement
from pytest_modelcompat.environments.docker.images import ImageFound
from pytest_modelcompat.environments.docker.settings import ContainerSettings
from pytest_modelcompat.runner import command

PATIENCE = 30.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "LOOK", 0.01)


class Cells:
    """Cells that hold what they took until they are told to go."""

    def __init__(self, folder: Path, there: int) -> None:
        self.folder, self.there = folder, there
        self.threads: list[threading.Thread] = []
        self.taken: dict[str, tuple[str, ...]] = {}
        self.go: dict[str, threading.Event] = {}

    def start(self, name: str, wanted: str) -> None:
        self.go[name] = threading.Event()

        def hold() -> None:
            with gpus.taken(wanted, there=self.there, folder=self.folder) as mine:
                self.taken[name] = mine
                self.go[name].wait(PATIENCE)
                del self.taken[name]

        self.threads.append(threading.Thread(target=hold, daemon=True))
        self.threads[-1].start()

    def have(self, *names: str) -> bool:
        """Whether just these come to hold some."""
        end = time.monotonic() + PATIENCE
        while set(self.taken) != set(names) and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(0.05)  # nobody else comes after all
        return set(self.taken) == set(names)

    def let(self, *names: str) -> None:
        for name in names:
            self.go[name].set()

    def close(self) -> None:
        self.let(*self.go)
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture
def cells(tmp_path: Path, request: pytest.FixtureRequest):
    made = Cells(tmp_path, getattr(request, "param", 2))
    yield made
    made.close()


def test_each_has_its_own_and_the_next_waits(cells: Cells) -> None:
    for name in "abc":
        cells.start(name, "1")
        assert cells.have(*"ab"[: 1 if name == "a" else 2])
    assert sorted(cells.taken.values()) == [("0",), ("1",)]
    cells.let("a")
    assert cells.have("b", "c")
    assert sorted(cells.taken.values()) == [("0",), ("1",)]


def test_who_wants_all_waits_for_all_and_is_not_passed(cells: Cells) -> None:
    cells.start("one", "1")
    assert cells.have("one")
    cells.start("all", "all")
    assert cells.have("one")
    cells.start("late", "1")
    assert cells.have("one")  # one is free, and "all" was there before
    cells.let("one")
    assert cells.have("all")
    assert cells.taken["all"] == ("0", "1")
    cells.let("all")
    assert cells.have("late")


@pytest.mark.parametrize("cells", [0], indirect=True)
def test_where_nobody_knows_how_many_there_are_one_cell_has_them(cells: Cells) -> None:
    cells.start("a", "1")
    assert cells.have("a")
    cells.start("b", "all")
    assert cells.have("a")
    assert cells.taken["a"] == ()
    cells.let("a")
    assert cells.have("b")


def test_more_than_there_are_is_the_engines_to_refuse(cells: Cells) -> None:
    cells.start("a", "3")
    assert cells.have("a")
    assert cells.taken["a"] == ()
    cells.start("b", "1")
    assert cells.have("a")


@pytest.mark.parametrize("wanted", ["1", "all"])
def test_a_stopped_run_waits_no_longer(wanted: str, cells: Cells) -> None:
    for name in "ab":
        cells.start(name, "1")
    assert cells.have("a", "b")
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            with gpus.taken(wanted, there=2, folder=cells.folder):
                pass
        except command.StoppedError as error:
            ended.append(type(error))

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    command.stop_all()
    try:
        waiting.join(PATIENCE)
    finally:
        command.allow_all()
    assert ended == [command.StoppedError]
    assert cells.have("a", "b")


def test_how_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "gpus")
    assert gpus.here() == 0
    for name in ("0000:3b:00.0", "0000:af:00.0"):
        (tmp_path / "gpus" / name).mkdir(parents=True)
    assert gpus.here() == 2
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    assert gpus.here() == 0


@pytest.mark.parametrize(
    ("given", "count", "devices"), [((), 2, None), (("1", "3"), 0, ["1", "3"])]
)
def test_the_engine_is_asked_for_just_those(
    given: tuple[str, ...], count: int, devices: list[str] | None
) -> None:
    pytest.importorskip("docker")
    wanted = Wanted(
        image=ImageFound(id="sha256:0", name="x"),
        command=("true",),
        settings=ContainerSettings(name="x", gpus="2"),
        role="cell",
        memory=2**30,
        seconds=1.0,
        gpus=given,
    )
    (asked,) = _confinement(wanted)["device_requests"]
    assert (asked.count, asked.device_ids or None) == (count, devices)
    assert asked.capabilities == [["gpu"]]
