"""A real ssh server of one test's own, on a free port of this machine, with keys made for it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_modelcompat.matrix.model import Image

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass
class Server:
    """A running server, and how to reach it.

    Attributes:
        folder: holds its keys and its log.
        port: it listens on.
        home: the work folder there, for the setting `folder`.
        process: of the server.
    """

    folder: Path
    port: int
    home: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def user(self) -> str:
        return pwd.getpwuid(os.getuid()).pw_name

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def image(self, **settings: str) -> Image:
        """The machine as an image."""
        every = {"config": str(self.config), "folder": str(self.home), **settings}
        return Image(kind="ssh", value="board", settings=tuple(every.items()))

    def start(self) -> None:
        assert SSHD is not None
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", self.folder / "sshd_config"],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError("the server does not listen")

    def stop(self) -> None:
        """End it and every connection."""
        if self.process is not None:
            for pid in self.connections():
                os.kill(pid, 9)
            self.process.kill()
            self.process.wait()
            self.process = None

    def connections(self) -> list[int]:
        """Its children, and theirs that are still ssh servers."""
        assert self.process is not None
        found, waiting = [], [self.process.pid]
        while waiting:
            parent = waiting.pop()
            path = Path(f"/proc/{parent}/task/{parent}/children")
            for text in path.read_text().split() if path.exists() else ():
                pid = int(text)
                if b"sshd" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
                    waiting.append(pid)
        return found

    def left(self) -> list[str]:
        """What is in the rooms there."""
        rooms = self.home / "rooms"
        return sorted(path.name for path in rooms.iterdir()) if rooms.is_dir() else []

    def processes(self) -> list[str]:
        """Command lines of processes that belong to the work folder there."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if f"{self.home}/" in words:
                    found.append(words)
        return found


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A server that takes one key, and is gone in the end."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("there is no OpenSSH server here")
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    for name in ("host", "user", "stranger"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder / "there"
    found = Server(folder=folder, port=port, home=home)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    key = (folder / "host.pub").read_text().split()[:2]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {' '.join(key)}\n")
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        "MaxStartups 100\nLogLevel ERROR\n"
    )
    found.config.write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  User {found.user}\n"
        f"  IdentityFile {folder}/user\n  IdentitiesOnly yes\n  IdentityAgent none\n"
        f"  UserKnownHostsFile {folder}/known\n  GlobalKnownHostsFile /dev/null\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it confines itself
    found.start()
    try:
        yield found
    finally:
        found.stop()
