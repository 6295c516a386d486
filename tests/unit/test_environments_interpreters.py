"""Finding interpreters: real ones, and scripts that pretend."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from pytest_modelcompat.environments import interpreters
from pytest_modelcompat.environments.interpreters import (
    Interpreter,
    NoInterpreter,
    default_python,
    find,
    probe,
)

RUNNING = ".".join(map(str, sys.version_info[:3]))
BASE = Path(sys._base_executable)


def pretend(path: Path, version: str = "3.12.1", *, counter: Path | None = None, **more: object):
    """A program that answers the probe; a copy of nothing, so that it is no script of a shim."""
    facts = {
        "version": version, "prerelease": False, "implementation": "cpython",
        "platform": "linux-x86_64", "machine": "x86_64", "libc": "glibc 2.36",
        "free_threaded": False, "executable": str(path), **more,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    count = f"echo x >> {counter}\n" if counter else ""
    path.write_text(f"#!/bin/sh\n{count}/bin/cat <<'EOF'\n{json.dumps(facts)}\nEOF\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine whose only interpreters are those that the test makes."""
    monkeypatch.setattr(sys, "_base_executable", str(tmp_path / "none"))
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin"}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


class TestReal:
    def test_the_running_one_comes_first(self, cache: Path) -> None:
        found = find(default_python(), cache=cache)
        assert isinstance(found, Interpreter)
        assert found.path == BASE
        assert found.version == RUNNING
        assert found.implementation == "cpython"
        assert found.platform.startswith("linux-")
        assert found.libc
        assert found.release == sys.version_info[:3]

    def test_by_full_version(self, cache: Path) -> None:
        found = find(RUNNING, cache=cache)
        assert isinstance(found, Interpreter)
        assert found.version == RUNNING

    def test_by_path(self, cache: Path) -> None:
        """Not replaced by what it links to: a virtual environment is asked for as one."""
        found = find(sys.executable, cache=cache)
        assert isinstance(found, Interpreter)
        assert found.path == Path(sys.executable)

    def test_is_asked_once(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = find(str(BASE), cache=cache)
        monkeypatch.setattr(interpreters, "run", None)
        assert find(str(BASE), cache=cache) == first

    def test_is_asked_again_when_its_file_changes(self, cache: Path, tmp_path: Path) -> None:
        link = tmp_path / "python"
        link.symlink_to(BASE)
        assert isinstance(find(str(link), cache=cache), Interpreter)
        link.unlink()
        link.symlink_to("/bin/true")
        assert isinstance(find(str(link), cache=cache), NoInterpreter)

    def test_a_damaged_note_is_asked_again(self, cache: Path) -> None:
        first = find(str(BASE), cache=cache)
        for note in (cache / "interpreters").iterdir():
            note.write_text('{"version": 3')
        assert find(str(BASE), cache=cache) == first


class TestSearch:
    def test_on_path(self, env: dict[str, str], tmp_path: Path, cache: Path) -> None:
        there = pretend(tmp_path / "bin" / "python3.12")
        found = find("3.12", cache=cache, environ=env)
        assert isinstance(found, Interpreter)
        assert found.path == there

    @pytest.mark.parametrize("name", ["python3", "python"])
    def test_on_path_by_a_general_name(
        self, name: str, env: dict[str, str], tmp_path: Path, cache: Path
    ) -> None:
        pretend(tmp_path / "bin" / name, "3.9.2")
        assert isinstance(find("3.9", cache=cache, environ=env), Interpreter)
        assert isinstance(find("3.12", cache=cache, environ=env), NoInterpreter)

    def test_broken_ones_are_passed_over(
        self, env: dict[str, str], tmp_path: Path, cache: Path
    ) -> None:
        shim = tmp_path / "bin" / "python3.12"
        shim.parent.mkdir()
        shim.write_text("#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
        shim.chmod(0o755)
        there = pretend(tmp_path / ".pyenv/versions/3.12.4/bin/python3", "3.12.4")
        found = find("3.12", cache=cache, environ=env)
        assert isinstance(found, Interpreter)
        assert found.path == there

    def test_pyenv_patch_releases_are_compared_as_versions(
        self, env: dict[str, str], tmp_path: Path, cache: Path
    ) -> None:
        for version in ("3.12.2", "3.12.10", "3.12.9", "3.1.20", "3.13.0", "3.12-dev", "x"):
            pretend(tmp_path / "roots" / "versions" / version / "bin" / "python3", version)
        env["PYENV_ROOT"] = str(tmp_path / "roots")
        for wanted, expected in (("3.12", "3.12.10"), ("3.12.2", "3.12.2"), ("3.13", "3.13.0")):
            found = find(wanted, cache=cache, environ=env)
            assert isinstance(found, Interpreter)
            assert found.version == expected

    def test_uvs_own(self, env: dict[str, str], tmp_path: Path, cache: Path) -> None:
        place = tmp_path / ".local/share/uv/python/cpython-3.14.2-linux-x86_64-gnu/bin/python3"
        pretend(place, "3.14.2")
        found = find("3.14", cache=cache, environ=env)
        assert isinstance(found, Interpreter)
        assert found.version == "3.14.2"

    def test_a_folder_that_lies_is_not_believed(
        self, env: dict[str, str], tmp_path: Path, cache: Path
    ) -> None:
        pretend(tmp_path / ".pyenv/versions/3.12.4/bin/python3", "3.11.4")
        assert isinstance(find("3.12", cache=cache, environ=env), NoInterpreter)

    @pytest.mark.parametrize(
        "facts", [{"implementation": "pypy"}, {"free_threaded": True}], ids=["pypy", "free"]
    )
    def test_other_builds_do_not_count(
        self, facts: dict[str, object], env: dict[str, str], tmp_path: Path, cache: Path
    ) -> None:
        pretend(tmp_path / "bin" / "python3.12", **facts)
        assert isinstance(find("3.12", cache=cache, environ=env), NoInterpreter)

    def test_relative_folders_on_path_do_not_count(
        self, env: dict[str, str], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pretend(tmp_path / "bin" / "python3.12")
        monkeypatch.chdir(tmp_path)
        assert isinstance(find("3.12", cache=cache, environ={**env, "PATH": "bin:"}), NoInterpreter)

    def test_what_a_script_says_is_not_kept(
        self, env: dict[str, str], tmp_path: Path, cache: Path
    ) -> None:
        counter = tmp_path / "count"
        pretend(tmp_path / "bin" / "python3.12", counter=counter)
        find("3.12", cache=cache, environ=env)
        find("3.12", cache=cache, environ=env)
        assert len(counter.read_text().split()) == 2

    def test_shims_are_run_last(self, env: dict[str, str], tmp_path: Path, cache: Path) -> None:
        counter = tmp_path / "count"
        pretend(tmp_path / "shims" / "python3.12", counter=counter)
        there = pretend(tmp_path / ".pyenv/versions/3.12.4/bin/python3", "3.12.4")
        env["PATH"] = f"{tmp_path}/shims:{env['PATH']}"
        found = find("3.12", cache=cache, environ=env)
        assert isinstance(found, Interpreter)
        assert found.path == there
        assert not counter.exists()
        # and only then
        assert isinstance(find("3.12.1", cache=cache, environ=env), Interpreter)
        assert counter.exists()


class TestReasons:
    def test_says_what_is_there_instead(
        self, env: dict[str, str], tmp_path: Path, cache: Path
    ) -> None:
        pretend(tmp_path / "bin" / "python3", "3.9.2")
        for version in ("3.10.1", "3.11.0"):
            pretend(tmp_path / ".pyenv/versions" / version / "bin/python3", version)
        found = find("3.12", cache=cache, environ=env)
        assert isinstance(found, NoInterpreter)
        assert "No CPython 3.12" in found.reason
        assert "There is 3.9.2, 3.10.1, 3.11.0." in found.reason

    def test_nothing_at_all(self, env: dict[str, str], cache: Path) -> None:
        found = find("3.12", cache=cache, environ={**env, "PATH": ""})
        assert isinstance(found, NoInterpreter)
        assert "No CPython was found at all." in found.reason

    @pytest.mark.parametrize("wanted", ["3.7", "2.7.18", "3.6"])
    def test_too_old(self, wanted: str, cache: Path) -> None:
        found = find(wanted, cache=cache)
        assert isinstance(found, NoInterpreter)
        assert f"Python {wanted} is too old" in found.reason
        assert "3.8" in found.reason

    def test_too_old_by_path(self, tmp_path: Path, cache: Path) -> None:
        found = find(str(pretend(tmp_path / "old", "3.7.9")), cache=cache)
        assert isinstance(found, NoInterpreter)
        assert "Python 3.7.9 is too old" in found.reason

    def test_no_such_file(self, tmp_path: Path, cache: Path) -> None:
        found = find(str(tmp_path / "gone"), cache=cache)
        assert isinstance(found, NoInterpreter)
        assert "There is no interpreter at" in found.reason

    @pytest.mark.parametrize("wanted", ["", "3", "three", "3.12.1.2", "-x", "3.12\n", "3.x"])
    def test_not_a_version(self, wanted: str, cache: Path) -> None:
        found = find(wanted, cache=cache)
        assert isinstance(found, NoInterpreter)
        assert "is no Python version" in found.reason

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            ("echo libpython3.so: not found >&2; exit 127", "exit code 127\nlibpython3.so"),
            ("kill -SEGV $$", "killed by SIGSEGV"),
            ("echo hello", "does not answer like Python: 'hello'"),
            ("echo '{\"version\": 3}'", "does not answer like Python"),
            ("echo '[]'", "does not answer like Python"),
            (":", "does not answer like Python: ''"),
            ("sleep 60", "no answer within 1 s"),
        ],
    )
    def test_broken(
        self,
        script: str,
        words: str,
        tmp_path: Path,
        cache: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(interpreters, "PROBE_TIMEOUT", 1.0)
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        found = find(str(path), cache=cache)
        assert isinstance(found, NoInterpreter)
        assert words in found.reason

    def test_not_executable(self, tmp_path: Path, cache: Path) -> None:
        path = tmp_path / "python"
        path.write_text("")
        found = find(str(path), cache=cache)
        assert isinstance(found, NoInterpreter)
        assert "Permission denied" in found.reason

    def test_link_to_itself(self, tmp_path: Path, cache: Path) -> None:
        path = tmp_path / "python"
        path.symlink_to(path)
        assert isinstance(find(str(path), cache=cache), NoInterpreter)
        assert isinstance(probe(path, cache=cache, env={}), str)


def test_probing_leaks_no_secrets(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "canary-canary")
    seen = tmp_path / "seen"
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\nenv > {seen}\n")
    path.chmod(0o755)
    find(str(path), cache=cache)
    assert "canary" not in seen.read_text()
    assert "PATH=" in seen.read_text()
    assert os.environ["GITHUB_TOKEN"]
