"""Trees for interpreters that are elsewhere, with the real uv and an index of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_modelcompat.environments import tree, uv
from pytest_modelcompat.environments.cache import sweep
from pytest_modelcompat.environments.interpreters import Interpreter
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure
from pytest_modelcompat.environments.spec import make_spec
from pytest_modelcompat.environments.tree import Tree, tree_for
from pytest_modelcompat.matrix.model import Image
from pytest_modelcompat.results.model import CellStatus, Stage
from tests.contract._index_server import IndexServer, wheel

THERE = Interpreter(
    path=Path("/usr/bin/python3"), version="3.9.2", implementation="cpython",
    platform="linux-aarch64", machine="aarch64", libc="glibc 2.31", here=False,
)  # fmt: skip


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[IndexServer]:
    server = IndexServer()
    server.add("beta")
    data = wheel("native")
    for tag in ("manylinux_2_31_aarch64", "manylinux_2_28_x86_64"):
        server.wheels[f"native-1.0-cp39-cp39-{tag}.whl"] = data
    for glibc in (34, 28):
        server.wheels[f"newer-1.{glibc}-cp39-cp39-manylinux_2_{glibc}_aarch64.whl"] = wheel(
            "newer", f"1.{glibc}"
        )
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", server.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setattr(uv, "PAUSES", (0.0, 0.0))
    yield server
    server.close()


def spec_of(*requirements: str) -> EnvironmentSpec:
    image = Image(kind="ssh", value="board")
    return make_spec(role="cell", image=image, python="image", requirements=requirements)


def test_it_holds_what_fits_there_and_not_here(index: IndexServer, tmp_path: Path) -> None:
    made = tree_for(spec_of("native", "beta", "newer"), THERE, cache=tmp_path / "cache")
    assert isinstance(made, Tree), made.reason
    assert dict(made.lock.packages) == {"native": "1.0", "beta": "1.0", "newer": "1.28"}
    assert made.packages == made.folder / "lib" / "python3.9" / "site-packages"
    assert (made.packages / "native.py").is_file()
    assert not made.reused


def test_it_is_made_once_and_survives_a_sweep(index: IndexServer, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = tree_for(spec_of("native"), THERE, cache=cache)
    sweep(cache)
    asked = len(index.requests)
    again = tree_for(spec_of("native"), THERE, cache=cache)
    assert isinstance(first, Tree)
    assert isinstance(again, Tree)
    assert (again.reused, again.folder) == (True, first.folder)
    assert len(index.requests) == asked


def test_another_python_is_another_tree(index: IndexServer, tmp_path: Path) -> None:
    one = tree_for(spec_of("beta"), THERE, cache=tmp_path)
    other = tree_for(spec_of("beta"), replace(THERE, version="3.12.1"), cache=tmp_path)
    assert isinstance(one, Tree)
    assert isinstance(other, Tree)
    assert one.lock.digest == other.lock.digest
    assert one.key != other.key


def test_nothing_fits(index: IndexServer, tmp_path: Path) -> None:
    failure = tree_for(spec_of("native"), replace(THERE, libc="glibc 2.17"), cache=tmp_path)
    assert isinstance(failure, Failure)
    assert (failure.status, failure.stage) == (CellStatus.UNSATISFIABLE, Stage.RESOLVE)


@pytest.mark.parametrize(
    ("machine", "libc", "platform"),
    [
        ("x86_64", "glibc 2.36", "x86_64-manylinux_2_36"),
        ("x86_64", "glibc 2.41", "x86_64-manylinux_2_40"),
        ("x86_64", "glibc-2.27", "x86_64-manylinux_2_17"),
        ("arm64", "glibc 2.31", "aarch64-manylinux_2_31"),
        ("aarch64", "musl-1.2", "aarch64-unknown-linux-musl"),
        ("x86_64", "glibc 2.5", None),
        ("armv7l", "glibc 2.36", None),
        ("s390x", "glibc 2.36", None),
    ],
)
def test_the_newest_platform_that_it_can_run(
    machine: str, libc: str, platform: str | None, tmp_path: Path
) -> None:
    there = replace(THERE, machine=machine, libc=libc)
    assert there.uv_platform == platform
    if platform is None:
        failure = tree_for(spec_of("beta"), there, cache=tmp_path)
        assert isinstance(failure, Failure)
        assert failure.status is CellStatus.UNAVAILABLE
        assert machine in failure.reason


ANDROID = replace(
    THERE, version="3.13.2", platform="android-24-arm64_v8a", machine="aarch64", libc="-"
)


@pytest.fixture
def phone(index: IndexServer) -> IndexServer:
    for level in (21, 24, 34):
        tag = f"cp313-cp313-android_{level}_arm64_v8a"
        index.wheels[f"phone-1.{level}-{tag}.whl"] = wheel("phone", f"1.{level}")
    index.wheels["board-1.0-cp313-cp313-musllinux_1_2_aarch64.whl"] = wheel("board")
    return index


@pytest.mark.parametrize(("level", "version"), [(21, "1.21"), (24, "1.24"), (33, "1.24")])
def test_a_phone_gets_what_fits_its_api_level(
    phone: IndexServer, tmp_path: Path, level: int, version: str
) -> None:
    there = replace(ANDROID, platform=f"android-{level}-arm64_v8a")
    made = tree_for(spec_of("phone"), there, cache=tmp_path)
    assert isinstance(made, Tree), made.reason
    assert dict(made.lock.packages) == {"phone": version}


@pytest.mark.parametrize("name", ["phone==1.34", "board"])
def test_what_no_phone_of_that_level_can_run(phone: IndexServer, tmp_path: Path, name: str) -> None:
    failure = tree_for(spec_of(name), ANDROID, cache=tmp_path)
    assert isinstance(failure, Failure)
    assert failure.status is CellStatus.UNSATISFIABLE
    assert "android_24_arm64_v8a" in failure.reason


def test_an_abi_that_nothing_is_known_for(phone: IndexServer, tmp_path: Path) -> None:
    there = replace(ANDROID, platform="android-24-armeabi_v7a", machine="armv7l")
    failure = tree_for(spec_of("phone"), there, cache=tmp_path)
    assert isinstance(failure, Failure)
    assert failure.status is CellStatus.UNAVAILABLE
    assert "armv7l" in failure.reason


@pytest.mark.network
@pytest.mark.parametrize("level", [24, 34])
def test_litert_has_no_wheels_for_android(tmp_path: Path, level: int) -> None:
    """The released package, in the resolver's own words: by ABI and API level."""
    there = replace(ANDROID, platform=f"android-{level}-arm64_v8a")
    failure = tree_for(spec_of("ai-edge-litert==2.3.0"), there, cache=tmp_path)
    assert isinstance(failure, Failure)
    assert (failure.status, failure.stage) == (CellStatus.UNSATISFIABLE, Stage.RESOLVE)
    assert f"android_{level}_arm64_v8a" in failure.reason
    assert "manylinux_2_27_aarch64" in failure.reason


def test_an_index_that_breaks_leaves_nothing(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(tree_for(spec_of("beta"), THERE, cache=tmp_path / "cache"), Tree)
    monkeypatch.setattr(tree, "MARKER", "other.json")  # as if it were not there yet
    monkeypatch.setenv("UV_NO_CACHE", "1")
    index.fault = "503_files"
    failure = tree_for(spec_of("beta"), THERE, cache=tmp_path / "cache")
    assert isinstance(failure, Failure)
    assert failure.status is CellStatus.INFRASTRUCTURE_FAILED
    assert failure.lock is not None
    assert not list((tmp_path / "cache" / "environments").glob("*/*"))


def test_a_kept_lock_of_which_a_wheel_was_withdrawn(index: IndexServer, tmp_path: Path) -> None:
    """As on this machine: locked anew, for nobody can install the old one any more."""
    cache = tmp_path / "cache"
    index.add("beta", "2.0")
    first = tree_for(spec_of("beta"), THERE, cache=cache)
    assert isinstance(first, Tree)
    assert first.lock.packages == (("beta", "2.0"),)
    shutil.rmtree(cache / "environments")
    shutil.rmtree(tmp_path / "uv-cache")
    del index.wheels["beta-2.0-py3-none-any.whl"]
    again = tree_for(spec_of("beta"), THERE, cache=cache)
    assert isinstance(again, Tree), again.reason
    assert again.lock.packages == (("beta", "1.0"),)
    assert not again.reused
