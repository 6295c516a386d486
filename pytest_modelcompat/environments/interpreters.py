"""Finding CPython on this machine, and knowing about each one what it says itself.

Nothing is believed from a file's name: every candidate is run once, and what it said is kept for
as long as the file is the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.cache import atomic_write
from pytest_modelcompat.environments.redact import command_environment
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.runner.command import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "GLIBC",
    "OLDEST",
    "PROBE",
    "Interpreter",
    "NoInterpreter",
    "default_python",
    "find",
    "probe",
    "told_by",
]

OLDEST = (3, 8)  # what the worker is written for
PROBE_TIMEOUT = 20.0
PROBE_SCHEMA = 1
_MANYLINUX = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)  # those of uv, glibc 2.x
GLIBC = tuple(f"2.{minor}" for minor in _MANYLINUX)
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
# Runs on any Python 3, and must not import anything of ours.
PROBE = """\
import json, os, platform, sys, sysconfig
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION")
except (AttributeError, OSError, ValueError):
    libc = None
print(json.dumps({
    "version": ".".join(map(str, sys.version_info[:3])),
    "prerelease": sys.version_info[3] != "final",
    "implementation": sys.implementation.name,
    "platform": sysconfig.get_platform(),
    "machine": platform.machine(),
    "libc": libc or "-".join(platform.libc_ver()),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "executable": sys.executable,
}))
"""


# As Python calls its platform there: API level and ABI (PEP 738).
_ANDROID = re.compile(r"android-(?P<level>\d+)-(?P<abi>\w+)")
_ABIS = {"arm64_v8a": "aarch64-linux-android", "x86_64": "x86_64-linux-android"}


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python that was run and said this of itself."""

    path: Path
    version: str  # "3.12.1"
    implementation: str  # "cpython"
    platform: str  # "linux-x86_64"
    machine: str
    libc: str  # "glibc 2.36"
    free_threaded: bool = False
    prerelease: bool = False
    here: bool = True  # a program of this machine; else of a container, or of another machine

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def glibc(self) -> tuple[int, int] | None:
        """The version of its GNU libc, or None where it has another libc."""
        match = re.fullmatch(r"glibc[ -](\d+)\.(\d+).*", self.libc)
        return (int(match[1]), int(match[2])) if match else None

    @property
    def uv_platform(self) -> str | None:
        """The newest platform of uv's that this one can run; None where uv has none."""
        if android := _ANDROID.fullmatch(self.platform):
            return _ABIS.get(android["abi"])
        machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(self.machine, self.machine)
        if self.glibc is None:
            known = machine in {"x86_64", "aarch64"} and "glibc" not in self.libc
            return f"{machine}-unknown-linux-musl" if known else None
        if machine == "riscv64":
            return "riscv64-unknown-linux"
        fits = [minor for minor in _MANYLINUX if (2, minor) <= self.glibc]
        if machine not in {"x86_64", "aarch64"} or not fits:
            return None
        return f"{machine}-manylinux_2_{max(fits)}"

    @property
    def uv_options(self) -> tuple[str, ...]:
        """How uv is told to resolve or install for this one."""
        if self.here:
            return ("--python", str(self.path))
        return (
            "--python", sys.executable, "--python-version", self.version,
            "--python-platform", str(self.uv_platform),
        )  # fmt: skip

    @property
    def uv_variables(self) -> dict[str, str]:
        """Environment variables that tell uv what its options cannot."""
        android = None if self.here else _ANDROID.fullmatch(self.platform)
        return {"ANDROID_API_LEVEL": android["level"]} if android else {}

    @property
    def identity(self) -> tuple[str, ...]:
        """What decides which packages fit; equal for equal builds on different paths."""
        threads = "t" if self.free_threaded else ""
        return (self.implementation, self.version + threads, self.platform, self.libc)


@dataclass(frozen=True, kw_only=True)
class NoInterpreter:
    """Why there is none, in a sentence for the user."""

    reason: str


def default_python() -> str:
    """The running interpreter's version, as the python axis writes it."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def find(
    wanted: str, *, cache: Path, environ: Mapping[str, str] | None = None
) -> Interpreter | NoInterpreter:
    """The CPython that the python axis asks for.

    Args:
        wanted: "3.12", "3.12.1", or a path. The running one is preferred, then what is on PATH,
            then pyenv's and uv's own, newest patch release first.
        cache: the cache folder, where what interpreters said is kept.
        environ: the environment to look with; the process' own by default.
    """
    env = dict(os.environ if environ is None else environ)
    if "/" in wanted:
        return _explicit(Path(wanted).expanduser(), cache=cache, env=env)
    if not _VERSION.fullmatch(wanted):
        return NoInterpreter(reason=words.not_a_python(wanted))
    release = tuple(int(part) for part in wanted.split("."))
    if release[:2] < OLDEST:
        return NoInterpreter(reason=words.python_too_old(wanted, OLDEST))
    seen: list[Interpreter] = []
    for path in _candidates(wanted, env):
        found = probe(path, cache=cache, env=env)
        if isinstance(found, str):
            continue  # a shim without a version behind it, or a broken one: look further
        seen.append(found)
        if _fits(found, release):
            return found
    here = {python.version for python in seen if python.implementation == "cpython"}
    here |= {path.parent.parent.name for path in _managed("", env) if path.exists()}
    return NoInterpreter(reason=words.no_such_python(wanted, sorted(here, key=_sortable)))


def _fits(found: Interpreter, release: tuple[int, ...]) -> bool:
    return (
        found.implementation == "cpython"
        and found.release[: len(release)] == release
        and not found.free_threaded
    )


def _explicit(path: Path, *, cache: Path, env: Mapping[str, str]) -> Interpreter | NoInterpreter:
    path = path.absolute()
    if not path.exists():
        return NoInterpreter(reason=words.no_file_there(str(path)))
    found = probe(path, cache=cache, env=env)
    if isinstance(found, str):
        return NoInterpreter(reason=words.python_does_not_run(str(path), found))
    if found.release[:2] < OLDEST:
        return NoInterpreter(reason=words.python_too_old(found.version, OLDEST))
    return found


def _candidates(wanted: str, env: Mapping[str, str]) -> Iterator[Path]:
    """Where it might be, best first; lazily, for each one costs a process."""
    running = Path(getattr(sys, "_base_executable", sys.executable))
    if running.exists():
        yield running
    shims = []
    xy = ".".join(wanted.split(".")[:2])
    for name in (f"python{xy}", "python3", "python"):
        for folder in env.get("PATH", "").split(os.pathsep):
            # a relative folder on PATH would make the answer depend on where pytest was called
            path = Path(folder, name)
            if path.is_absolute() and os.access(path, os.X_OK) and path.is_file():
                if path.parent.name == "shims":
                    shims.append(path)  # run a shell script each: last
                else:
                    yield path
    yield from _managed(wanted, env)
    yield from shims


def _managed(wanted: str, env: Mapping[str, str]) -> Iterator[Path]:
    """Interpreters under pyenv's and uv's folders whose name fits, newest patch release first."""
    home = Path(env.get("HOME") or "~").expanduser()
    data = Path(env.get("XDG_DATA_HOME") or home / ".local/share")
    pyenv = Path(env.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    uv = Path(env.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    for place, pattern in ((pyenv, r"(\d+\.\d+\.\d+)"), (uv, r"cpython-(\d+\.\d+\.\d+)-.*")):
        versions = []
        for folder in place.iterdir() if place.is_dir() else ():
            match = re.fullmatch(pattern, folder.name)
            if match and f"{match[1]}.".startswith(f"{wanted}." if wanted else ""):
                versions.append((_sortable(match[1]), folder))
        for _, folder in sorted(versions, reverse=True):
            yield folder / "bin" / "python3"


def _sortable(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def probe(path: Path, *, cache: Path, env: Mapping[str, str]) -> Interpreter | str:
    """What an interpreter says of itself, or why it says nothing; kept while its file is the same.

    Args:
        path: the executable.
        cache: the cache folder.
        env: the user's environment.
    """
    try:
        real = path.resolve(strict=True)
        state = real.stat()
    except (OSError, RuntimeError) as error:
        return str(error)
    key = [PROBE_SCHEMA, str(path), str(real), state.st_mtime_ns, state.st_size]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    kept = cache / "interpreters" / f"{name}.json"
    if (facts := _read(kept)) is None:
        answer = _ask(path, env)
        if isinstance(answer, str):
            return answer  # not kept: what was broken may be mended behind the same file
        facts = asdict(answer) | {"path": str(answer.path)}
        # What a script says depends on more than its file (a shim: on the folder and on pyenv's
        # settings), so only a program's word is kept.
        if not _is_script(real):
            atomic_write(kept, json.dumps(facts), durable=False)
    return Interpreter(**{**facts, "path": Path(facts["path"])})


def told_by(facts: Mapping[str, Any], *, path: Path, here: bool = True) -> Interpreter:
    """The record of what `PROBE` printed.

    Args:
        facts: that.
        path: by which the interpreter is started.
        here: whether it is on this machine.

    Raises:
        KeyError: it is not whole.
    """
    return Interpreter(
        path=path,
        version=str(facts["version"]),
        implementation=str(facts["implementation"]),
        platform=str(facts["platform"]),
        machine=str(facts["machine"]),
        libc=str(facts["libc"]),
        free_threaded=bool(facts["free_threaded"]),
        prerelease=bool(facts["prerelease"]),
        here=here,
    )


def _read(kept: Path) -> dict[str, Any] | None:
    try:
        facts = json.loads(kept.read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and "free_threaded" in facts else None


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _ask(path: Path, env: Mapping[str, str]) -> Interpreter | str:
    allowed = command_environment(env)
    for name in ("PYENV_ROOT", "PYENV_VERSION", "LD_LIBRARY_PATH"):
        if name in env:
            allowed[name] = env[name]
    try:
        told = run([path, "-I", "-c", PROBE], env=allowed, cwd=Path("/"), timeout=PROBE_TIMEOUT)
    except OSError as error:
        return error.strerror or str(error)
    if told.timed_out:
        return words.no_answer(PROBE_TIMEOUT)
    if not told.ok:
        return words.ended_badly(told.returncode, told.signal, told.err)
    try:
        facts = json.loads(told.out.strip().splitlines()[-1])
        # A wrapper's answer comes from the interpreter behind it, which is the one to use. A
        # virtual environment's own link is kept: it is what was asked for.
        executable = Path(facts["executable"])
        return told_by(
            facts,
            path=executable if _is_script(path.resolve()) and executable.exists() else path,
        )
    except (ValueError, KeyError, IndexError, TypeError):
        return words.strange_answer(told.out)
