"""Secrets stay where they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelcompat.environments.redact import (
    MASK,
    command_environment,
    impersonal,
    redact,
    secrets_of,
)

CANARY = "s3cr3t/canary+value"


class TestRedact:
    @pytest.mark.parametrize(
        "environ",
        [
            {"UV_INDEX_INTERNAL_PASSWORD": CANARY},
            {"SOME_API_KEY": CANARY},
            {"GITHUB_TOKEN": CANARY},
            {"aws_secret_access_key": CANARY},
            {"UV_DEFAULT_INDEX": "https://me:s3cr3t%2Fcanary%2Bvalue@host/simple"},
            {"PIP_EXTRA_INDEX_URL": "https://a/ https://s3cr3t%2Fcanary%2Bvalue@host/simple"},
        ],
    )
    def test_takes_secrets_out_in_every_spelling(self, environ: dict[str, str]) -> None:
        text = f"a {CANARY} b s3cr3t%2Fcanary%2Bvalue c"
        assert redact(text, environ) == f"a {MASK} b {MASK} c"

    def test_takes_credentials_out_of_unknown_addresses(self) -> None:
        text = "error: https://user:pass@host/simple and http://tok@h:80/x?a=1&token=abc#f"
        assert redact(text, {}) == (
            f"error: https://{MASK}@host/simple and http://{MASK}@h:80/x?a=1&token={MASK}#f"
        )

    def test_leaves_everything_else(self) -> None:
        text = "mail a@b.c, six==1.17.0, https://host/simple@1, sha256:00ff"
        environ = {"HOME": "/root", "AUTHOR": "a name", "MY_TOKEN": "", "SHORT_TOKEN": "six"}
        assert redact(text, environ) == text

    def test_sockets_are_no_secrets(self) -> None:
        assert secrets_of({"SSH_AUTH_SOCK": "/tmp/agent.1234"}) == frozenset()

    def test_the_longest_first(self) -> None:
        environ = {"A_TOKEN": "abcdef", "B_TOKEN": "abcdefgh"}
        assert redact("abcdefgh", environ) == MASK


class TestCommandEnvironment:
    def test_is_an_allow_list(self) -> None:
        environ = {
            "PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "https_proxy": "http://p",
            "UV_INDEX_INTERNAL_PASSWORD": CANARY, "UV_INDEX_URL": "https://i",
            "GITHUB_TOKEN": CANARY, "UV_PUBLISH_TOKEN": CANARY, "PYTHONPATH": "/x",
            "LD_PRELOAD": "/x", "UV_PYTHON": "3.9", "VIRTUAL_ENV": "/v", "PIP_INDEX_URL": "x",
        }  # fmt: skip
        assert set(command_environment(environ)) == {
            "PATH", "HOME", "LC_ALL", "https_proxy", "UV_INDEX_INTERNAL_PASSWORD", "UV_INDEX_URL",
        }  # fmt: skip

    def test_hands_pips_wheel_folders_on(self) -> None:
        assert command_environment({"PIP_FIND_LINKS": "/a https://b"})["UV_FIND_LINKS"] == (
            "/a,https://b"
        )

    def test_but_uvs_own_setting_wins(self) -> None:
        environ = {"PIP_FIND_LINKS": "/a", "UV_FIND_LINKS": "/b"}
        assert command_environment(environ)["UV_FIND_LINKS"] == "/b"

    def test_relative_folders_are_those_of_the_user(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """uv runs in another folder."""
        monkeypatch.chdir(tmp_path)
        environ = {"UV_FIND_LINKS": "wheels,/abs,https://h/x", "UV_CONFIG_FILE": "my/uv.toml"}
        kept = command_environment(environ)
        assert kept["UV_FIND_LINKS"] == f"{tmp_path}/wheels,/abs,https://h/x"
        assert kept["UV_CONFIG_FILE"] == f"{tmp_path}/my/uv.toml"


class TestImpersonal:
    def test_addresses_of_indexes_and_of_files_have_no_host(self) -> None:
        environ = {"UV_INDEX": "mine=https://me:secret@packages.corp:8443/api/pypi"}
        log = (
            "fetched https://packages.corp:8443/api/x/ and https://****@PACKAGES.corp:8443/y\n"
            "(http://10.0.0.1/root/simple/six) `https://cdn.corp/a/b/six-1.0-py3-none-any.whl`\n"
            "https://h/six-1.0-py3-none-any.whl.metadata https://h/six-1.0.tar.gz#sha256=00\n"
            "see https://docs.corp/resolution/ about simple things"
        )
        assert impersonal(log, environ) == (
            "fetched $INDEX/api/x/ and $INDEX/y\n"
            "($INDEX/root/simple/six) `$INDEX/a/b/six-1.0-py3-none-any.whl`\n"
            "$INDEX/six-1.0-py3-none-any.whl.metadata $INDEX/six-1.0.tar.gz#sha256=00\n"
            "see https://docs.corp/resolution/ about simple things"
        )

    def test_tools_have_no_folder(self) -> None:
        log = (
            "nox > Creating virtual environment (uv) using /opt/py/versions/3.11.7/bin/python3.11 "
            "in .nox/environment\n"
            "nox > /srv/venv/bin/uv pip sync lock.txt --offline\n"
            "nox > ~/venv/bin/uv pip sync\nWith '$CACHE/environments/x/bin/python' and /usr/bin/pip"
        )
        assert impersonal(log, {}) == (
            "nox > Creating virtual environment (uv) using python3.11 in .nox/environment\n"
            "nox > uv pip sync lock.txt --offline\n"
            "nox > uv pip sync\nWith 'python' and pip"
        )

    def test_everything_else_stays(self) -> None:
        log = (
            "bin/python3 x/bin/uv-like /bin/pythonista a/bin/python /usr/bin/python3/x "
            "https://h/not-a-wheel.whl.txt six==1.0"
        )
        assert impersonal(log, {}) == log
