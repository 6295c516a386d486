"""`install: inside`: the image's own pip installs the lock, in a container that is thrown away.

For those who want to know just that: whether this image's pip, with its own idea of platform tags
and its own bundled modules, takes what was locked. What it installs goes into the cache as for
`mount`; the container, and with it whatever pip wrote elsewhere, is gone afterwards.

The user's index settings reach pip over standard input. So they are in no label, no command line
and no configuration that the engine keeps, and the cell's own container never has them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.environments.docker.containers import ROOT, Wanted
from pytest_modelcompat.environments.docker.engine import RefusedError
from pytest_modelcompat.environments.docker.once import run_once
from pytest_modelcompat.environments.docker.warm import SITE
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Lock
from pytest_modelcompat.environments.redact import command_environment, redact
from pytest_modelcompat.errors import docker as words
from pytest_modelcompat.errors import environment as environment_words
from pytest_modelcompat.results.model import CellStatus, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_modelcompat.environments.docker.images import ImageFound
    from pytest_modelcompat.environments.docker.settings import ContainerSettings
    from pytest_modelcompat.environments.interpreters import Interpreter

__all__ = ["install", "pip_settings"]

MEMORY = 4 * 2**30
LOG_KEPT = 8000
_WHEELS = f"{ROOT}/wheels"
_AUTHORITY = f"{ROOT}/ca.pem"
_GONE = "No matching distribution found"  # as pip says it; of what an index has and its tags allow
# Reads one line of settings, then lets pip work; dies with its standard input.
_INSTALL = """\
import json, os, subprocess, sys, threading
order = json.loads(sys.stdin.readline())
def watch():
    while sys.stdin.readline():
        pass
    os._exit(70)
threading.Thread(target=watch, daemon=True).start()
env = dict(os.environ)
env.update(order["env"])
lock = os.path.join("/tmp", "lock.txt")
with open(lock, "w") as file:
    file.write(order["lock"])
python = sys.executable
if not order["pip"]:
    python = "/tmp/venv/bin/python"
    code = subprocess.call([sys.executable, "-I", "-m", "venv", "/tmp/venv"], env=env)
    if code:
        os._exit(71)
command = [python, "-m", "pip", "install", "--no-deps", "--require-hashes", "--no-input",
           "--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check",
           "--no-compile", "--target", order["target"], "-r", lock]
sys.stdout.flush()
code = subprocess.call(command, env=env, stdin=subprocess.DEVNULL)
os._exit(code if 0 <= code < 70 else 72)
"""
_PIP = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_NO_INDEX", "PIP_TIMEOUT",
    "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_PROXY",
)  # fmt: skip
_PROXIES = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy",
    "no_proxy",
)  # fmt: skip
_NETWORK_SIGNS = (
    "NewConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ProxyError", "SSLError",
    "Temporary failure in name resolution", "Max retries exceeded", "Connection refused",
    "Credentials not correct",
)  # fmt: skip


def pip_settings(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Path]]:
    """From the user's settings of uv, pip, proxies and certificates to pip's in a container.

    Args:
        environ: the user's environment.

    Returns:
        Variables for pip, and what must be mounted for them: path there -> file or folder here.
    """
    settings = command_environment(environ)
    found = {name: environ[name] for name in (*_PIP, *_PROXIES) if environ.get(name)}
    mounts: dict[str, Path] = {}
    index = settings.get("UV_DEFAULT_INDEX") or settings.get("UV_INDEX_URL")
    if index:
        found.setdefault("PIP_INDEX_URL", _address(index, settings))
    more = f"{settings.get('UV_INDEX', '')} {settings.get('UV_EXTRA_INDEX_URL', '')}".split()
    if more:
        found.setdefault("PIP_EXTRA_INDEX_URL", " ".join(_address(one, settings) for one in more))
    if settings.get("UV_OFFLINE") or settings.get("UV_NO_INDEX"):
        found["PIP_NO_INDEX"] = "1"
    links = []
    for number, place in enumerate(filter(None, settings.get("UV_FIND_LINKS", "").split(","))):
        folder = Path(place.removeprefix("file://"))
        if folder.is_dir():
            mounts[f"{_WHEELS}/{number}"] = folder
            links.append(f"{_WHEELS}/{number}")
        elif "://" in place:
            links.append(place)
    if links:
        found["PIP_FIND_LINKS"] = " ".join(links)
    for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        file = Path(environ.get(name, ""))
        if environ.get(name) and file.is_file():
            mounts[_AUTHORITY] = file.resolve()
            found["PIP_CERT"] = _AUTHORITY
            break
    return found, mounts


def _address(index: str, settings: Mapping[str, str]) -> str:
    """An index' address as pip takes it: uv may name it, and keep its credentials apart."""
    name, equals, address = index.partition("=")
    if not equals or "://" in name:
        return index
    key = name.upper().replace("-", "_").replace(".", "_")
    user = settings.get(f"UV_INDEX_{key}_USERNAME", "")
    password = settings.get(f"UV_INDEX_{key}_PASSWORD", "")
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{user}:{password}@{rest}" if user or password else address


def install(
    spec: EnvironmentSpec,
    *,
    image: ImageFound,
    settings: ContainerSettings,
    interpreter: Interpreter,
    tools: tuple[str, ...],
    lock: Lock,
    site: Path,
) -> str | Failure:
    """Let the image's pip install a lock into a folder; its log.

    Raises:
        EngineLostError, AbsentError: nobody answers.
    """

    def failed(status: CellStatus, reason: str, log: str = "", *, gone: bool = False) -> Failure:
        return Failure(
            spec=spec, status=status, stage=Stage.INSTALL, reason=reason, log=log, lock=lock,
            gone=gone,
        )  # fmt: skip

    if not tools:
        return failed(CellStatus.UNAVAILABLE, words.no_pip(image.name))
    env, mounts = pip_settings(os.environ)
    order = {"env": env, "lock": lock.text, "target": SITE, "pip": "pip" in tools}
    # Where the network of containers is switched off, the host's own still reaches the index.
    network = settings.network if settings.network != "none" else "host"
    wanted = Wanted(
        image=image,
        command=(str(interpreter.path), "-I", "-c", _INSTALL),
        settings=settings,
        role="install",
        mounts=mounts,
        writable={SITE: site},
        memory=MEMORY,
        seconds=spec.install_timeout,
        user=f"{os.getuid()}:{os.getgid()}",  # the folder is ours
        network=network,
        env={"HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"},  # noqa: S108 - the container's
        scratch_exec=True,
        scratch=2 * 2**30,
    )
    try:
        done = run_once(wanted, input=json.dumps(order).encode() + b"\n")
    except RefusedError as refused:
        reason = words.engine_refused(refused.explanation)
        return failed(CellStatus.UNAVAILABLE, reason)
    log = redact(f"{done.out}{done.err}"[-LOG_KEPT:])
    if done.timed_out:
        reason = environment_words.install_timed_out(spec.install_timeout, log)
        return failed(CellStatus.INFRASTRUCTURE_FAILED, reason, log)
    if done.code == 0:
        return log
    if done.code is None or any(sign in log for sign in _NETWORK_SIGNS):
        reason = environment_words.network_failed("installing", 1, log)
        return failed(CellStatus.INFRASTRUCTURE_FAILED, reason, log)
    gone = _GONE in log
    return failed(CellStatus.ENVIRONMENT_FAILED, words.inside_failed(log), log, gone=gone)
