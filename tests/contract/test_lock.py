"""`modelcompat lock` against an index of this machine: it resolves everything, installs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.cli import main
from pytest_modelcompat.environments import uv
from tests.contract._index_server import IndexServer, wheel
from tests.contract.test_environments import index  # noqa: F401 - a fixture

MATRIX = """\
schema: 1
axes:
  framework:
    onnxruntime: [{versions}]
  options:
    graph_optimization: [all, disabled]
{more}checks:
  op_support:
    corpus: ["onnx==1.18.0"]
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELCOMPAT_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def served(index: IndexServer) -> IndexServer:  # noqa: F811
    index.add("onnxruntime", "1.20.0", requires=("beta",))
    index.add("onnxruntime", "1.21.0", requires=("beta<2",))
    return index


def matrix(*versions: str, more: str = "") -> str:
    listed = ", ".join(f'"{version}"' for version in versions)
    Path("m.yaml").write_text(MATRIX.format(versions=listed, more=more), "utf-8")
    return "m.yaml"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr()
    assert said.err == ""
    return said.out.splitlines()


def test_one_lock_for_each_environment(served: IndexServer, place: Path, capsys) -> None:
    assert main(["lock", matrix("1.20.0", "1.21.0")]) == 0
    told = lines(capsys)
    assert len(told) == 2  # cells with other options share theirs
    assert all(line.endswith(", 2 packages") for line in told)
    assert told[0].startswith("onnxruntime-1.20.0-py3.")
    names = [line.split(": ")[1].split(",")[0] for line in told]
    assert {path.name for path in (place / "locks").iterdir()} == set(names)
    texts = [(place / "locks" / name).read_text("utf-8") for name in names]
    assert "onnxruntime==1.20.0" in texts[0]
    assert "beta==2.0" in texts[0]
    assert "beta==1.0" in texts[1]
    assert all("--hash=sha256:" in text for text in texts)
    assert served.url not in "".join(texts)
    assert not (place / "cache" / "environments").exists()


def test_selected_cells_only_and_where_one_likes(served: IndexServer, place: Path, capsys) -> None:
    arguments = ["--select", "framework:onnxruntime>=1.21", "--output", "deep/er"]
    assert main(["lock", matrix("1.20.0", "1.21.0"), *arguments]) == 0
    (told,) = lines(capsys)
    assert told.startswith("onnxruntime-1.21.0-")
    assert len(list((place / "deep" / "er").iterdir())) == 1


def test_what_cannot_be_resolved_is_told_and_the_rest_is_locked(
    served: IndexServer, place: Path, capsys
) -> None:
    assert main(["lock", matrix("1.20.0", "9.9.9")]) == 1
    good, bad, *explained = lines(capsys)
    assert good.endswith(", 2 packages")
    assert ": unsatisfiable: " in bad
    assert any("onnxruntime==9.9.9" in line for line in explained), "the resolver's own words"
    assert len(list((place / "locks").iterdir())) == 1


def test_a_python_that_is_not_here_is_told(served: IndexServer, capsys) -> None:
    assert main(["lock", matrix("1.20.0", more='  python: ["3.6"]\n')]) == 1
    (told,) = lines(capsys)
    assert ": unavailable: " in told
    assert served.requests == []


def test_skipped_cells_need_no_lock(served: IndexServer, place: Path, capsys) -> None:
    file = Path(matrix("1.20.0", "1.21.0"))
    rule = 'adjust: [{match: {framework: "onnxruntime<1.21"}, skip: old}]\n'
    file.write_text(file.read_text("utf-8") + rule, "utf-8")
    assert main(["lock", str(file)]) == 0
    (told,) = lines(capsys)
    assert told.startswith("onnxruntime-1.21.0-")


def test_an_index_that_is_down_is_infrastructure(served: IndexServer, monkeypatch, capsys) -> None:
    monkeypatch.setattr(uv, "PAUSES", (0.0, 0.0))
    served.fault = "503"
    assert main(["lock", matrix("1.20.0")]) == 1
    told, *_ = lines(capsys)
    assert ": infrastructure_failed: " in told


def test_which_releases_fit_an_older_libc(served: IndexServer, place: Path, capsys) -> None:
    """Told without running anything: the newer release has wheels for a newer glibc only."""
    for version, glibc in (("1.28.0", 17), ("1.29.0", 28)):
        name = f"onnxruntime-{version}-py3-none-manylinux_2_{glibc}_x86_64.whl"
        served.wheels[name] = wheel("onnxruntime", version)
    file = matrix("1.28.0", "1.29.0")
    assert main(["lock", file, "--libc", "2.28"]) == 0
    assert all(line.endswith("1 packages") for line in lines(capsys))
    assert main(["lock", file, "--libc", "2.17"]) == 1
    older, newer, *_ = lines(capsys)
    assert older.endswith("1 packages")
    assert ": unsatisfiable: No set of packages" in newer


@pytest.mark.parametrize("libc", ["2.27", "2", "--index-url=x", "2.31; id"])
def test_a_libc_that_nobody_resolves_for(libc: str, place: Path, capsys) -> None:
    assert main(["lock", matrix("1.20.0"), f"--libc={libc}"]) == 4
    assert "Nothing can be resolved for glibc" in capsys.readouterr().err
