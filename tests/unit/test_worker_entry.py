"""The worker's first file: what it says to an interpreter that is too old, where its modules go."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pytest_modelcompat import worker
from pytest_modelcompat.runner.zipapp import worker_file

ENTRY = Path(worker.__file__).with_name("__main__.py")


@pytest.fixture
def entry(tmp_path: Path) -> ModuleType:
    """Imported from the zipapp, as an interpreter has it that is started with that."""
    file = worker_file(tmp_path)
    spec = importlib.util.spec_from_file_location("pytest_modelcompat.worker.__main__", ENTRY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.__file__ = str(file / "__main__.py")

    class Loader:
        def get_data(self, path: str) -> bytes:
            import zipfile  # noqa: PLC0415 - what zipimport does

            with zipfile.ZipFile(file) as archive:
                return archive.read(str(Path(path).relative_to(file)))

    module.__loader__ = Loader()
    yield module
    del sys.modules[spec.name]


def modules(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


WHOLE = {
    f"modelcompat_worker/{path.relative_to(ENTRY.parent)}"
    for path in ENTRY.parent.rglob("*.py")
    if path != ENTRY
} | {"__main__.py"}


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 7, 16)])
def test_an_interpreter_that_is_too_old_is_told(
    version: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ENTRY), run_name="pytest_modelcompat.worker.__main__")
    monkeypatch.undo()
    assert end.value.code == 3
    assert capsys.readouterr().err == (
        f"the worker needs Python 3.8, this is {version[0]}.{version[1]}\n"
    )


def test_the_modules_are_private_where_no_folder_is_named(
    entry: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODELCOMPAT_CODE", raising=False)
    private = tmp_path / "private"
    assert entry.unpacked(str(private)) == str(private)
    assert modules(private) == WHOLE


def test_the_modules_are_kept_in_the_named_folder(
    entry: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, private = tmp_path / "kept", tmp_path / "private"
    monkeypatch.setenv("MODELCOMPAT_CODE", str(kept))
    assert entry.unpacked(str(private)) == str(kept)
    assert modules(kept) == WHOLE
    assert not private.exists()

    (kept / "bytecode").touch()
    assert entry.unpacked(str(private)) == str(kept)
    assert not private.exists()
    assert (kept / "bytecode").exists()


def test_another_session_may_be_faster(
    entry: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, private = tmp_path / "kept", tmp_path / "private"
    monkeypatch.setenv("MODELCOMPAT_CODE", str(kept))
    unpack = entry.unpack

    def slowly(folder: str) -> None:
        unpack(folder)
        unpack(str(kept))

    monkeypatch.setattr(entry, "unpack", slowly)
    assert entry.unpacked(str(private)) == str(kept)


def test_a_folder_that_cannot_be_made_is_done_without(
    entry: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELCOMPAT_CODE", str(tmp_path / "no" / "such" / "folder"))
    private = tmp_path / "private"
    assert entry.unpacked(str(private)) == str(private)
    assert modules(private) == WHOLE


@pytest.mark.parametrize("kind", ["collect", "examine", "produce", "child", "f" * 16])
def test_its_first_argument_says_what_it_is_to_be(
    entry: ModuleType, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def be(name: str) -> ModuleType:
        module = ModuleType(name)

        def main(*arguments: object) -> int:
            told.append((name, arguments))
            return 7

        module.main = main
        return module

    package = ModuleType("modelcompat_worker")
    monkeypatch.setitem(sys.modules, "modelcompat_worker", package)
    for name in ("collect", "examine", "produce", "child"):
        module = {"collect": "corpus"}.get(name, name)
        setattr(package, module, be(name))
    monkeypatch.setattr(entry, "supervise", lambda nonce: told.append(("supervise", (nonce,))))
    monkeypatch.setattr("faulthandler.enable", lambda: None)

    if kind == "child":
        entry.main([kind, "nonce", "1", "2", "3", os.sep])
        assert told == [(kind, ("nonce", 1, 2, 3, os.sep))]
    elif len(kind) > 10:
        entry.main([kind])
        assert told == [("supervise", (kind,))]
    else:
        assert entry.main([kind, "--output", "x"]) == 7
        assert told == [(kind, (["--output", "x"],))]
