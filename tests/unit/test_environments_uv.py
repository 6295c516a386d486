"""What uv's complaints mean, and what a lock looks like."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pytest_modelcompat.environments import resolve as resolving
from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.interpreters import Interpreter
from pytest_modelcompat.environments.resolve import lock_from_text
from pytest_modelcompat.environments.uv import Trouble
from pytest_modelcompat.results.model import CellStatus
from pytest_modelcompat.runner.command import Completed

PYTHON = Interpreter(
    path=Path("/usr/bin/python3"),
    version="3.11.7",
    implementation="cpython",
    platform="linux-x86_64",
    machine="x86_64",
    libc="glibc 2.36",
)


def ended(text: str = "", *, code: int | None = 1, timed_out: bool = False) -> Completed:
    return Completed(
        argv=("uv",),
        returncode=code,
        signal=None,
        stdout=b"",
        stderr=text.encode(),
        seconds=0.1,
        timed_out=timed_out,
    )


UNSOLVED = "error: No solution found when resolving dependencies\n"
FETCHING = "error: Request failed after 3 retries in 6.4s\n  cause: Failed to fetch: http://h/\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{UNSOLVED}  cause: Because you require ...", Trouble.NO_SOLUTION),
        (f"{UNSOLVED}hint: lack of valid authentication credentials (401)", Trouble.ACCESS),
        (f"{UNSOLVED}hint: ... because the network was disabled.", Trouble.ACCESS),
        (f"{FETCHING}  cause: HTTP status server error (503 ...)", Trouble.NETWORK),
        ("cause: tcp connect error\n  cause: Connection refused (os error 111)", Trouble.NETWORK),
        ("cause: dns error\n", Trouble.NETWORK),
        ("cause: invalid peer certificate: UnknownIssuer", Trouble.NETWORK),
        ("error: Failed to download `b`\n  cause: Hash mismatch for `b`", Trouble.HASH),
        (f"{FETCHING}  cause: No space left on device (os error 28)", Trouble.DISK_FULL),
        ("error: Failed to initialize cache at `/x`", Trouble.NOT_WRITABLE),
        ("cause: Read-only file system (os error 30)", Trouble.NOT_WRITABLE),
        ("error: something new", Trouble.OTHER),
        ("", Trouble.OTHER),
    ],
)
def test_trouble(text: str, expected: Trouble) -> None:
    assert uv.trouble_of(ended(text)) is expected


def test_a_deadline_is_no_contradiction() -> None:
    assert uv.trouble_of(ended("No solution found", timed_out=True)) is Trouble.TIMED_OUT


def test_only_a_contradiction_is_unsatisfiable() -> None:
    unsatisfiable = {trouble for trouble in Trouble if trouble.status is CellStatus.UNSATISFIABLE}
    assert unsatisfiable == {Trouble.NO_SOLUTION}
    assert Trouble.OTHER.status is CellStatus.ENVIRONMENT_FAILED
    assert {trouble for trouble in Trouble if trouble.retryable} == {Trouble.NETWORK, Trouble.HASH}


class TestAttempts:
    @pytest.fixture(autouse=True)
    def _hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uv, "PAUSES", (0.0, 0.0))

    def test_are_bounded(self) -> None:
        calls = []
        done, made = uv.attempts(lambda left: calls.append(left) or ended("dns error"), seconds=60)
        assert (len(calls), made, done.ok) == (3, 3, False)
        assert all(0 < left <= 60 for left in calls)

    def test_end_with_success(self) -> None:
        answers = [ended("dns error"), ended(code=0), ended("never")]
        done, made = uv.attempts(lambda _: answers.pop(0), seconds=60)
        assert (made, done.ok) == (2, True)

    def test_are_not_made_where_they_cannot_help(self) -> None:
        _, made = uv.attempts(lambda _: ended("No solution found"), seconds=60)
        assert made == 1

    def test_stop_at_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uv, "PAUSES", (5.0, 5.0))
        _, made = uv.attempts(lambda _: ended("dns error"), seconds=1)
        assert made == 1


class TestSettings:
    def test_change_with_the_index(self, tmp_path: Path) -> None:
        env = {"HOME": str(tmp_path)}
        first = uv.settings(env)
        assert uv.settings({**env, "UV_DEFAULT_INDEX": "https://a/"}) != first
        assert uv.settings({**env, "UV_INDEX_STRATEGY": "unsafe-best-match"}) != first
        (tmp_path / ".config" / "uv").mkdir(parents=True)
        (tmp_path / ".config" / "uv" / "uv.toml").write_text("no-index = true")
        assert uv.settings(env) != first

    def test_change_with_local_wheels(self, tmp_path: Path) -> None:
        env = {"HOME": str(tmp_path), "UV_FIND_LINKS": str(tmp_path)}
        first = uv.settings(env)
        (tmp_path / "a-1-py3-none-any.whl").write_text("a")
        second = uv.settings(env)
        (tmp_path / "a-1-py3-none-any.whl").write_text("aa")
        assert len({first, second, uv.settings(env)}) == 3

    def test_do_not_change_with_passwords_and_speed(self, tmp_path: Path) -> None:
        env = {"HOME": str(tmp_path), "UV_DEFAULT_INDEX": "https://me:one-long@h/"}
        other = {
            "HOME": str(tmp_path),
            "UV_DEFAULT_INDEX": "https://me:two-long@h/",
            "UV_HTTP_TIMEOUT": "5",
            "UV_CACHE_DIR": "/x",
        }
        assert uv.settings(env) == uv.settings(other)


class TestLockText:
    ANSWER = (
        "--find-links {folder}\n\n"
        "numpy==2.2.6 \\\n    --hash=sha256:"
        + "b" * 64
        + " \\\n    --hash=sha256:"
        + "a" * 64
        + "\n"
        "Torch_X==2.13.0+cpu\n"
    )

    def wheels(self, folder: Path, *names: str) -> None:
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text(name)

    def test_has_no_folder_and_a_hash_for_every_wheel(self, tmp_path: Path) -> None:
        folder = tmp_path / "wheels"
        self.wheels(
            folder,
            "torch_x-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
            "torch_x-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl",
            "torch_x-2.12.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
            "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
            "strange.whl",
        )
        answer = self.ANSWER.format(folder=folder)
        text = resolving._lock_text(answer, PYTHON, cache=tmp_path / "cache")
        assert str(tmp_path) not in text
        lines = text.splitlines()
        assert lines[0] == "numpy==2.2.6 \\"
        assert [line.split(":")[1][0] for line in lines[1:3]] == ["a", "b"]
        assert len(lines) == 5
        assert lines[3] == "Torch_X==2.13.0+cpu \\"
        assert not lines[4].endswith("\\")
        lock = lock_from_text(text)
        assert lock.packages == (("numpy", "2.2.6"), ("torch-x", "2.13.0+cpu"))
        assert len(lock.digest) == 64

    def test_a_folder_given_as_an_address(self, tmp_path: Path) -> None:
        folder = tmp_path / "my wheels"
        self.wheels(folder, "torch_x-2.13.0+cpu-py3-none-any.whl")
        answer = self.ANSWER.format(folder=folder.as_uri())
        assert "Torch_X==2.13.0+cpu \\\n    --hash=sha256:" in resolving._lock_text(
            answer, PYTHON, cache=tmp_path / "cache"
        )

    def test_the_digest_of_a_wheel_is_computed_once(self, tmp_path: Path) -> None:
        file = tmp_path / "a.whl"
        file.write_text("a")
        first = resolving._file_digest(file, cache=tmp_path / "cache")
        assert first.startswith("ca978112")
        (kept,) = (tmp_path / "cache" / "hashes").iterdir()
        kept.write_text("e" * 64)
        assert resolving._file_digest(file, cache=tmp_path / "cache") == "e" * 64
        kept.write_text("damaged")
        assert resolving._file_digest(file, cache=tmp_path / "cache") == first

    def test_a_wheel_that_nobody_vouches_for(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"no hash for Torch_X==2\.13\.0\+cpu"):
            resolving._lock_text(
                self.ANSWER.format(folder="/nowhere"), PYTHON, cache=tmp_path / "cache"
            )

    @pytest.mark.parametrize("line", ["six @ file:///x", "six", "git+https://x", "-e ."])
    def test_anything_else_is_refused(self, line: str, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="could not be read"):
            resolving._lock_text(f"{line}\n", PYTHON, cache=tmp_path)


class TestAge:
    def entry(self, hours: float) -> dict[str, str]:
        return {"made": (datetime.now(timezone.utc) - timedelta(hours=hours)).isoformat()}

    def test_of_a_lock(self) -> None:
        assert resolving._age(self.entry(1)) < resolving.LIFETIME
        assert resolving._age(self.entry(13)) > resolving.LIFETIME

    def test_a_lock_from_the_future_is_old(self) -> None:
        assert resolving._age(self.entry(-1)) >= resolving.LIFETIME

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", '"x"', json.dumps({"schema": 99, "text": "", "made": ""})],
    )
    def test_a_damaged_note_is_none(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "x").write_text(text)
        assert resolving._read(tmp_path / "x") is None
        assert resolving._read(tmp_path / "gone") is None
