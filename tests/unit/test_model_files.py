"""Which files of a model go into a cell: its own, and what sits beside it by its format's rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.checks.model_files import BESIDE, model_files
from pytest_modelcompat.worker import confine

FORMATS = Path(__file__).parents[2] / "matrices" / "models" / "formats"
MODELS = sorted(
    path
    for path in FORMATS.iterdir()
    if path.suffix not in {".npz", ".py", ".caffemodel", ".bin", ".params"}
    and path.name != "__pycache__"
)


@pytest.mark.parametrize(("ending", "other"), BESIDE.items())
def test_weights_in_a_second_file_go_along(tmp_path: Path, ending: str, other: str) -> None:
    for name in (f"net{ending}", f"net{other}", "stranger.bin"):
        (tmp_path / name).write_bytes(name.encode())
    found = model_files(tmp_path / f"net{ending}", "place")
    assert [name for name, _ in found.files] == [f"place/net{ending}", f"place/net{other}"]
    assert found.main == f"place/net{ending}"


@pytest.mark.parametrize("ending", BESIDE)
def test_a_link_in_their_place_stays_outside(tmp_path: Path, ending: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / f"net{ending}").write_bytes(b"net")
    (tmp_path / f"net{BESIDE[ending]}").symlink_to(tmp_path / "secret")
    assert len(model_files(tmp_path / f"net{ending}", "place").files) == 1


def test_a_folder_goes_along_whole() -> None:
    found = model_files(FORMATS / "saved-2.21.0", "place")
    names = {name for name, _ in found.files}
    assert found.main == "place/saved-2.21.0"
    assert "place/saved-2.21.0/saved_model.pb" in names
    assert "place/saved-2.21.0/variables/variables.index" in names


@pytest.mark.parametrize("path", MODELS, ids=[path.name for path in MODELS])
def test_the_worker_lets_every_format_through(path: Path) -> None:
    confine.check(str(path), str(path.parent))


@pytest.mark.parametrize(
    "path", [path for path in MODELS if path.is_file()], ids=lambda path: path.name
)
def test_what_is_not_what_its_name_says_is_refused(tmp_path: Path, path: Path) -> None:
    odd = tmp_path / path.name
    odd.write_bytes(b"\xff" * 64)
    with pytest.raises(confine.Refused, match="cannot be told"):
        confine.check(str(odd), str(tmp_path))
