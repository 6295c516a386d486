"""Which versions there are, asked of a real index on this machine, through uv's configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_modelcompat.environments import releases as module
from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.releases import IndexUnusableError, releases
from tests.contract._index_server import IndexServer, wheel
from tests.project import Project


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[IndexServer]:
    server = IndexServer()
    for version in ("1.0", "1.1", "1.1.1", "2.0rc1"):
        server.add("onnxruntime", version)
    for name in ("3.0-cp311-cp311-win_amd64.whl", "4.0.tar.gz", "5.0-cp311-cp311-macosx_11_0.whl"):
        server.wheels[f"onnxruntime-{name}"] = b""
    server.wheels["onnxruntime-1.2-cp39-cp39-manylinux_2_17_x86_64.whl"] = wheel("onnxruntime")
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", server.url)
    monkeypatch.setattr(uv, "PAUSES", (0.0, 0.0))
    yield server
    server.close()


EVERY = {"1.0", "1.1", "1.1.1", "1.2", "2.0rc1"}


def test_versions_with_a_wheel_that_some_linux_takes(index: IndexServer, tmp_path: Path) -> None:
    assert set(releases("onnxruntime", None, cache=tmp_path)) == EVERY
    assert releases("no-such-thing", None, cache=tmp_path) == ()


def test_an_answer_is_kept_for_a_while(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases("onnxruntime", None, cache=tmp_path)
    asked = len(index.requests)
    index.fault = "503"
    assert set(releases("onnxruntime", None, cache=tmp_path)) == EVERY
    assert len(index.requests) == asked
    monkeypatch.setattr(module, "LIFETIME", 0.0)
    with pytest.raises(IndexUnusableError):  # an older answer could make a smaller plan
        releases("onnxruntime", None, cache=tmp_path)


def test_other_indexes_are_other_answers(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases("onnxruntime", None, cache=tmp_path / "cache")
    other = IndexServer()
    other.add("onnxruntime", "9.0")
    monkeypatch.setenv("UV_INDEX", other.url)
    assert releases("onnxruntime", None, cache=tmp_path / "cache") == ("9.0",)
    other.close()
    (tmp_path / "onnxruntime-7.0-py3-none-any.whl").write_bytes(b"")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    assert releases("onnxruntime", None, cache=tmp_path / "cache") == ("7.0",)


@pytest.mark.parametrize(
    ("fault", "words", "asked"),
    [("503", "HTTP 503", 3), ("401", "HTTP 401", 1), ("truncated", "", 3)],
)
def test_an_index_out_of_order(
    fault: str, words: str, asked: int, index: IndexServer, tmp_path: Path
) -> None:
    index.fault = fault
    with pytest.raises(IndexUnusableError, match=f"could not be looked up at http.*{words}"):
        releases("onnxruntime", None, cache=tmp_path)
    assert len(index.requests) == asked


def test_nobody_there(index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    with pytest.raises(IndexUnusableError, match="Connection refused"):
        releases("onnxruntime", None, cache=tmp_path)


def test_credentials_reach_the_index_and_nothing_else(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = index.url.replace("http://", "http://me:canary-5d1c@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", address)
    releases("onnxruntime", None, cache=tmp_path)
    assert index.seen_authorization == ["Basic bWU6Y2FuYXJ5LTVkMWM="]
    index.fault = "401"
    with pytest.raises(IndexUnusableError) as caught:
        releases("other", None, cache=tmp_path)
    assert "canary" not in str(caught.value)
    kept = [file.read_text("latin-1") for file in tmp_path.rglob("*") if file.is_file()]
    assert "canary" not in "".join(kept)


def test_json_tells_of_yanked_files_and_days(
    index: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        {"filename": f"onnxruntime-{version}-py3-none-any.whl", "yanked": yanked, **day}
        for version, yanked, day in (
            ("1.0", False, {"upload-time": "2026-10-31T23:59:59.999Z"}),
            ("1.1", "broken", {"upload-time": "2026-01-01T00:00:00Z"}),
            ("1.2", False, {"upload-time": "2026-11-02T00:00:00Z"}),
            ("1.3", False, {}),
        )
    ]
    page = json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode()
    found = list(module._listed(page, "application/vnd.pypi.simple.v1+json", index.url))
    assert [name.split("-")[1] for name, _ in found] == ["1.0", "1.2", "1.3"]
    monkeypatch.setattr(module, "_asked", lambda *_, **__: found)
    assert releases("onnxruntime", "2026-11-01", cache=tmp_path) == ("1.0",)
    assert releases("onnxruntime", "2026-11-02", cache=tmp_path) == ("1.0", "1.2")


MATRIX = """\
schema: 1
axes:
  framework: {onnxruntime: [{from: "1.1"}]}
checks:
  op_support: {corpus: ["onnx==1.18.0"]}
"""


def test_an_index_that_cannot_be_asked_is_no_smaller_plan(
    index: IndexServer, tmp_path: Path
) -> None:
    index.fault = "503"
    env = {"MODELCOMPAT_CACHE": str(tmp_path / "cache"), "UV_DEFAULT_INDEX": index.url}
    project = Project({"m.yaml": MATRIX}, env)
    for more in ((), ("--collect-only",), ("--compat-plan",)):
        result = project.run(tmp_path / "p", "--compat-matrix", "m.yaml", *more)
        assert result.code == 4, result.out + result.err
        assert "Nothing was planned and nothing ran" in result.out + result.err
        assert "Traceback" not in result.out + result.err
        assert not (result.report / "plan.json").exists()


def test_an_index_that_tells_no_days_cannot_be_asked_as_of_one(
    index: IndexServer, tmp_path: Path
) -> None:
    with pytest.raises(IndexUnusableError, match="does not tell when the files of onnxruntime"):
        releases("onnxruntime", "2026-01-01", cache=tmp_path)


@pytest.mark.network
def test_the_index_that_uv_uses(tmp_path: Path) -> None:
    found = releases("onnxruntime", None, cache=tmp_path)
    assert {"1.15.1", "1.20.1", "1.31.1"} <= set(found)
