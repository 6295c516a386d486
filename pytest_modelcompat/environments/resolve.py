"""One lock per environment: what exactly will be installed, each wheel with its hash.

`uv pip compile` answers for the target interpreter, before anything is installed. An answer is
kept under everything that it depends on, so that a run in which nothing changed asks nobody. Where
no cut-off date makes it final, it is asked again after half a day: a nightly run is there to see
what came out meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.cache import atomic_write
from pytest_modelcompat.environments.protocol import EnvironmentSpec, Failure, Lock
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.results.model import CellStatus, Stage
from pytest_modelcompat.runner.command import Completed, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_modelcompat.environments.interpreters import Interpreter

__all__ = ["Resolved", "lock_from_text", "locked", "resolve"]

_Made = TypeVar("_Made")

LOCK_SCHEMA = 1
LIFETIME = timedelta(hours=12)  # of a lock without a cut-off date
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=(?P<hash>sha256:[0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A lock, and how it was had.

    Attributes:
        lock: what to install.
        cached: nobody was asked.
        seconds: that it took.
        note: what a reader of the log should know, empty for nothing.
    """

    lock: Lock
    cached: bool
    seconds: float
    note: str = ""


def resolve(
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    *,
    cache: Path,
    environ: Mapping[str, str] | None = None,
    fresh: bool = False,
) -> Resolved | Failure:
    """The lock of an environment.

    Args:
        spec: what it must hold.
        interpreter: that it is for.
        cache: the cache folder.
        environ: the user's environment; the process' own by default.
        fresh: ask, even where an answer is kept.
    """
    began = time.monotonic()
    env = {**uv.tool_environment(environ), **interpreter.uv_variables}
    kept = cache / "locks" / f"{_key(spec, interpreter, env)}.json"
    entry = _read(kept)
    if entry is not None and not fresh and (spec.exclude_newer or _age(entry) < LIFETIME):
        lock = lock_from_text(entry["text"])
        return Resolved(lock=lock, cached=True, seconds=time.monotonic() - began)
    done, made = uv.attempts(
        lambda left: _compile(spec, interpreter, cache=cache, env=env, timeout=left),
        seconds=spec.install_timeout,
    )
    seconds = time.monotonic() - began
    if not done.ok:
        trouble = uv.trouble_of(done)
        outage = trouble in {uv.Trouble.NETWORK, uv.Trouble.ACCESS, uv.Trouble.TIMED_OUT}
        if entry is not None and outage and not fresh:
            note = words.stale_lock_used(entry["made"][:10], redact(done.err, environ))
            lock = lock_from_text(entry["text"])
            return Resolved(lock=lock, cached=True, seconds=seconds, note=note)
        return _failure(
            spec, trouble, done, made=made, cache=cache, environ=environ, seconds=seconds
        )
    try:
        text = _lock_text(done.out, interpreter, cache=cache)
    except _LockError as error:
        return Failure(
            spec=spec,
            status=CellStatus.INFRASTRUCTURE_FAILED,
            stage=Stage.RESOLVE,
            reason=redact(str(error), environ),
            seconds={"resolve": seconds},
        )
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    atomic_write(
        kept, json.dumps({"schema": LOCK_SCHEMA, "made": now, "text": text}), durable=False
    )
    return Resolved(lock=lock_from_text(text), cached=False, seconds=time.monotonic() - began)


def locked(
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    install: Callable[[Resolved], _Made | Failure],
    *,
    cache: Path,
) -> _Made | Failure:
    """Resolve and install; once more where the index no longer has what a kept lock names.

    Args:
        spec: what the environment must hold.
        interpreter: that it is for.
        install: makes it, from a lock.
        cache: the cache folder.
    """
    resolved = resolve(spec, interpreter, cache=cache)
    if isinstance(resolved, Failure):
        return resolved
    made = install(resolved)
    if not (isinstance(made, Failure) and made.gone and resolved.cached):
        return made
    anew = resolve(spec, interpreter, cache=cache, fresh=True)
    if isinstance(anew, Failure):
        return anew
    return made if anew.lock == resolved.lock else install(anew)


def lock_from_text(text: str) -> Lock:
    """The record of a lock."""
    packages = tuple(
        (canonicalize_name(match["name"]), match["version"])
        for line in text.splitlines()
        if (match := _PIN.fullmatch(line.removesuffix("\\").strip()))
    )
    return Lock(digest=hashlib.sha256(text.encode()).hexdigest(), text=text, packages=packages)


def _key(spec: EnvironmentSpec, interpreter: Interpreter, env: Mapping[str, str]) -> str:
    asked = [
        LOCK_SCHEMA, sorted(spec.requirements), interpreter.identity, uv.version(),
        uv.settings(env), spec.exclude_newer,
    ]  # fmt: skip
    if not interpreter.here:
        asked.append(interpreter.uv_platform)
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _read(kept: Path) -> dict[str, Any] | None:
    try:
        entry = json.loads(kept.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(entry, dict) or entry.get("schema") != LOCK_SCHEMA:
        return None
    return entry


def _age(entry: Mapping[str, Any]) -> timedelta:
    age = datetime.now(timezone.utc) - datetime.fromisoformat(entry["made"])
    return age if age >= timedelta(0) else LIFETIME  # the clock jumped


def _compile(
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    *,
    cache: Path,
    env: Mapping[str, str],
    timeout: float,
) -> Completed:
    command: list[str | Path] = [uv.program(), "pip", "compile", *interpreter.uv_options]
    command += ["--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    # says in which local folders to look for wheels without hash; does not reach the lock
    command += ["--emit-find-links"]
    if spec.exclude_newer:
        # the first moment that no longer counts; uv itself takes a bare date in local time
        end = date.fromisoformat(spec.exclude_newer) + timedelta(days=1)
        command += ["--exclude-newer", f"{end.isoformat()}T00:00:00Z"]
    wanted = "".join(f"{requirement}\n" for requirement in spec.requirements)
    return run(
        [*command, "-"],
        env=env,
        cwd=uv.tool_folder(cache),
        timeout=timeout,
        input=wanted.encode(),
        limit=2**25,
    )


def _failure(
    spec: EnvironmentSpec,
    trouble: uv.Trouble,
    done: Completed,
    *,
    made: int,
    cache: Path,
    environ: Mapping[str, str] | None,
    seconds: float,
) -> Failure:
    explanation = redact(done.err, environ)
    reason = uv.reason_of(
        trouble, "resolving", explanation,
        attempts=made, seconds=spec.install_timeout, cache=cache,
    )  # fmt: skip
    return Failure(
        spec=spec,
        status=trouble.status,
        stage=Stage.RESOLVE,
        reason=reason,
        log=explanation,
        seconds={"resolve": seconds},
    )


class _LockError(ValueError):
    """The resolver's answer cannot serve as a lock."""


def _lock_text(answer: str, interpreter: Interpreter, *, cache: Path) -> str:
    """The answer of uv without folders and addresses, and with a hash for every wheel."""
    folders: list[Path] = []
    packages: list[tuple[str, str, list[str]]] = []
    for raw in answer.splitlines():
        line = raw.removesuffix("\\").strip()
        if match := _PIN.fullmatch(line):
            packages.append((match["name"], match["version"], []))
        elif (match := _HASH.fullmatch(line)) and packages:
            packages[-1][2].append(match["hash"])
        elif line.startswith("--find-links "):
            place = line.removeprefix("--find-links ").strip()
            folders.append(Path(unquote(urlsplit(place).path) if ":" in place else place))
        elif line and not line.startswith(("--", "#")):
            raise _LockError(words.broken_lock(line))
    lines = []
    missing = []
    for name, version, hashes in packages:
        known = hashes or _local_hashes(name, version, folders, interpreter, cache=cache)
        if not known:
            missing.append(f"{name}=={version}")
        lines.append(f"{name}=={version}")
        lines += [f"    --hash={digest}" for digest in sorted(known)]
    if missing:
        raise _LockError(words.no_hash(missing))
    # every line but the last of a package goes on
    joined = "\n".join(lines) + "\n"
    return re.sub(r"\n(?=    --hash)", " \\\\\n", joined)


def _local_hashes(
    name: str, version: str, folders: Iterable[Path], interpreter: Interpreter, *, cache: Path
) -> list[str]:
    """Digests of the wheels of a release in local folders that this interpreter could take."""
    major, minor = interpreter.release[:2]
    found = set()
    for folder in folders:
        for file in folder.glob("*.whl") if folder.is_dir() else ():
            try:
                has_name, has_version, _, tags = parse_wheel_filename(file.name)
            except InvalidWheelFilename:
                continue
            takes = {f"cp{major}{minor}", f"py{major}", f"py{major}{minor}"}
            fits = any(tag.interpreter in takes or tag.abi == "abi3" for tag in tags)
            if has_name == canonicalize_name(name) and str(has_version) == version and fits:
                found.add(f"sha256:{_file_digest(file, cache=cache)}")
    return sorted(found)


def _file_digest(file: Path, *, cache: Path) -> str:
    """The digest of a wheel, computed once: the one of torch has 200 MB."""
    state = file.stat()
    key = json.dumps([str(file.resolve()), state.st_size, state.st_mtime_ns, state.st_ino])
    kept = cache / "hashes" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.txt"
    try:
        known = kept.read_text("ascii").strip()
    except (OSError, ValueError):
        known = ""
    if re.fullmatch(r"[0-9a-f]{64}", known):
        return known
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    atomic_write(kept, digest.hexdigest(), durable=False)
    return digest.hexdigest()
