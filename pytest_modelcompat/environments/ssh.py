"""Kind `ssh`: an environment on a machine that is reached over ssh.

The machine needs Python 3.8 and an account, nothing else: packages are chosen and installed here
for its exact Python, platform and libc, and copied over once per lock. A cell gets a private folder
there; the worker speaks through the connection as it does through a pipe. When the connection ends,
so does everything there, see `worker/remote.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_modelcompat.environments import preflight
from pytest_modelcompat.environments import ssh_line as line
from pytest_modelcompat.environments.interpreters import OLDEST, Interpreter, told_by
from pytest_modelcompat.environments.listing import SCRIPT, differences, listing_of
from pytest_modelcompat.environments.offer import found_by, look, offer_of
from pytest_modelcompat.environments.protocol import (
    EnvironmentSpec,
    Failure,
    PlaceLostError,
    Prepared,
)
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.environments.tree import Tree, tree_for
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.errors import places as place_words
from pytest_modelcompat.results.model import CellStatus, Stage
from pytest_modelcompat.runner.command import Completed, Process, run, start

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_modelcompat.matrix.model import Limits

__all__ = ["Remote"]

PROBE = 40.0  # seconds for a connection and the first answer
BEGIN = 120.0  # seconds for a cell's files to be there
MARGIN = 300.0  # seconds beyond a cell's own limit, after which the far end ends it by itself
_RUN = secrets.token_hex(4)  # tells apart the rooms of hosts that use one machine at once


class Remote:
    """Environments on other machines; see the module's docstring."""

    name = "ssh"

    def prepare(self, spec: EnvironmentSpec, *, cache: Path) -> Prepared | Failure:
        """Ask the machine what it is, and see that it has the tree."""
        facts = _probe(spec)
        if isinstance(facts, Failure):
            return facts
        target = told_by(facts, path=Path(str(facts["executable"])), here=False)
        if wrong := _unfit(spec, target):
            return _failed(spec, wrong)
        if dict(spec.image.settings).get("install") == "none":
            return _taken(spec, facts, target)
        tree = tree_for(spec, target, cache=cache)
        if isinstance(tree, Failure):
            return tree
        began = time.monotonic()
        key = hashlib.sha256(f"{tree.key} {facts['executable']}".encode()).hexdigest()[:32]
        there = key in facts["trees"]
        if not there and (failure := _copy(spec, tree, facts, key)):
            return failure
        seconds = {**tree.seconds, "copy": time.monotonic() - began}
        return Prepared(
            spec=spec,
            python=(f"{facts['folder']}/trees/{key}/bin/python",),
            python_version=target.version,
            lock=tree.lock,
            folder=Path(facts["folder"]),  # there
            seconds=seconds,
            reused=tree.reused and there,
            log=tree.log,
            facts=_told(facts),
            notes=preflight.notes(
                tree.packages,
                tree.lock,
                lambda: offer_of(target, spec.image.value, found_by(facts["libraries"])),
                cache=cache,
            ),
        )

    def start(
        self,
        prepared: Prepared,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        files: Sequence[Path],
        folder: Path,
        limits: Limits | None = None,
    ) -> Process:
        """Send the files, and start the interpreter in a private folder there."""
        room = _room(prepared, folder)
        here = f"{folder}/"
        order = {
            "folder": str(prepared.folder),
            "room": room.name,
            "cwd": "cell",
            "folders": ["cell", *_folders(folder)],
            "argv": [*prepared.python, *arguments],
            # its home and temporary folder are the cell's own
            "env": {
                name: value.replace(str(folder), f"{room}/cell")
                if f"{value}/".startswith(here)
                else value
                for name, value in env.items()
            },
            "seconds": (limits.cell if limits else BEGIN) * prepared.slowdown + MARGIN,
        }
        sent: list[line.Sent] = []
        for file in dict.fromkeys(files):
            at = self.inside(file, prepared=prepared, folder=folder).relative_to(room).as_posix()
            sent += line.sent_below(file, at)
        python = dict(prepared.spec.image.settings).get("python", "python3")
        command = line.argv(prepared.spec.image, "room", python=_python(prepared.spec, python))
        process = start(command, env=line.environment(), cwd=Path("/"))
        try:
            _begin(process, line.payload(order, sent), prepared.spec.image.value)
        except BaseException:
            process.close()
            raise
        return process

    def inside(self, file: Path, *, prepared: Prepared, folder: Path) -> Path:
        """Files of the cell's own folder keep their place in it; others get one by their path."""
        room = _room(prepared, folder)
        if file.is_relative_to(folder):
            return Path(room / "cell" / file.relative_to(folder))
        digest = hashlib.sha256(os.fspath(file).encode()).hexdigest()[:8]
        return Path(room / "files" / f"{digest}-{file.name}")


def _room(prepared: Prepared, folder: Path) -> PurePosixPath:
    return PurePosixPath(prepared.folder) / "rooms" / f"{folder.parent.name}-{folder.name}-{_RUN}"


def _folders(folder: Path) -> list[str]:
    return [f"cell/{one.relative_to(folder)}" for one in folder.rglob("*") if one.is_dir()]


def _python(spec: EnvironmentSpec, named: str | None) -> str:
    """What is called there: the setting, or the python axis' version, or python3."""
    if named and "python" in dict(spec.image.settings):
        return named
    release = ".".join(spec.python.split(".")[:2])
    return f"python{release}" if spec.python[:1].isdigit() else "python3"


def _failed(
    spec: EnvironmentSpec,
    reason: str,
    status: CellStatus = CellStatus.UNAVAILABLE,
    stage: Stage = Stage.START,
) -> Failure:
    return Failure(spec=spec, status=status, stage=stage, reason=redact(reason))


def _probe(spec: EnvironmentSpec) -> dict[str, Any] | Failure:
    """What the machine says of itself."""
    settings = dict(spec.image.settings)
    python = _python(spec, settings.get("python"))
    order = {"folder": settings.get("folder", line.FOLDER), "look": look()}
    host = spec.image.value
    try:
        done = _call(spec, "probe", python, line.payload(order), seconds=PROBE)
    except FileNotFoundError:
        return _failed(spec, place_words.no_ssh())
    if done.timed_out:
        return _failed(spec, place_words.no_answer_from(host, PROBE, done.err))
    if done.returncode == line.FAILED:
        return _failed(spec, place_words.not_reached(host, done.err))
    facts = line.answer(done.stdout)
    if not done.ok or facts is None:
        return _failed(spec, place_words.no_python_there(host, python, f"{done.err}{done.out}"))
    return facts


def _call(
    spec: EnvironmentSpec, command: str, python: str, data: Iterable[bytes], *, seconds: float
) -> Completed:
    return run(
        line.argv(spec.image, command, python=python),
        env=line.environment(),
        cwd=Path("/"),
        timeout=seconds,
        input=b"".join(data),
    )


def _told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a cell's attestation says of the way; the machine's digest tells machines apart."""
    return {"reached": {"over": "ssh", "machine": facts["identity"]}}


def _taken(
    spec: EnvironmentSpec, facts: Mapping[str, Any], target: Interpreter
) -> Prepared | Failure:
    """The interpreter there with whatever it has; see `existing.taken`."""
    host, python = spec.image.value, str(facts["python"])
    called = _python(spec, dict(spec.image.settings).get("python"))
    began = time.monotonic()
    done = run(
        line.argv(spec.image, "", python=called, text=SCRIPT),
        env=line.environment(),
        cwd=Path("/"),
        timeout=PROBE,
    )
    listed = listing_of(done)
    if isinstance(listed, str):
        return _failed(spec, place_words.no_python_there(host, called, listed))
    if wrong := differences(spec, target.version, listed.versions):
        reason = words.not_as_asked(f"{host}:{python}", wrong)
        return _failed(spec, reason, CellStatus.MISCONFIGURED)
    return Prepared(
        spec=spec,
        python=(python,),
        python_version=target.version,
        lock=listed.lock,
        folder=Path(facts["folder"]),  # there
        seconds={"resolve": 0.0, "install": time.monotonic() - began},
        reused=True,
        facts=_told(facts),
    )


def _unfit(spec: EnvironmentSpec, target: Interpreter) -> str:
    """Why that interpreter will not do; empty where it will."""
    if target.release[:2] < OLDEST:
        return words.python_too_old(target.version, OLDEST)
    if target.implementation != "cpython" or target.free_threaded:
        return place_words.unfit_python_there(spec.image.value, target.identity[:2])
    asked = spec.python.removesuffix("t")
    fits = target.version == asked or target.version.startswith(f"{asked}.")
    if asked[:1].isdigit() and not fits and Version(asked) != Version(target.version):
        return place_words.other_python_there(spec.image.value, spec.python, target.version)
    return ""


def _copy(spec: EnvironmentSpec, tree: Tree, facts: Mapping[str, Any], key: str) -> Failure | None:
    """Copy a tree over; why not, where that failed."""
    order = {"folder": facts["folder"], "key": key, "executable": facts["executable"]}
    host = spec.image.value
    python = _python(spec, dict(spec.image.settings).get("python"))
    command = line.argv(spec.image, "receive", python=python)
    sent = line.sent_below(tree.folder / "lib", "lib")
    with start(command, env=line.environment(), cwd=Path("/")) as process:
        timer = threading.Timer(spec.install_timeout, process.kill)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it says why on its standard error
                _write(process, line.payload(order, sent))
            process.close_stdin()
            told = line.answer(process.stdout.read())
            said = process.stderr.read().decode("utf-8", "replace")
            code = process.wait()
        finally:
            late = not timer.is_alive()
            timer.cancel()
    if told and told.get("ready"):
        return None
    infrastructure = CellStatus.INFRASTRUCTURE_FAILED
    if late:
        reason = place_words.copy_timed_out(host, spec.install_timeout, said)
    elif code == line.FAILED:
        reason = place_words.not_reached(host, said)
    else:
        reason = place_words.not_copied(host, said)
    return _failed(spec, reason, infrastructure, Stage.INSTALL)


def _write(process: Process, data: Iterable[bytes]) -> None:
    handle = process.stdin.fileno()
    for piece in data:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(handle, rest) :]


def _begin(process: Process, data: Iterable[bytes], host: str) -> None:
    """Send what the cell needs, and wait until it is there.

    Raises:
        PlaceLostError: the machine cannot be reached any more.
    """
    timer = threading.Timer(BEGIN, process.kill)
    timer.start()
    told = bytearray()
    try:
        with contextlib.suppress(BrokenPipeError):  # it says why on its standard error
            _write(process, data)
        # byte by byte: what comes after the answer is the worker's
        while not (told.endswith(b"\n") and line.answer(bytes(told))):
            piece = os.read(process.stdout.fileno(), 1)
            if not piece:
                said = process.stderr.read().decode("utf-8", "replace")
                raise PlaceLostError(place_words.not_begun(host, redact(said)))
            told += piece
    finally:
        timer.cancel()
