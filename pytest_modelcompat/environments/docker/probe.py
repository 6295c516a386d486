"""What an image has: asked of itself, once for each digest.

The probe is started without the image's entry point, confined like a cell. It finds the Pythons in
the usual places and lets each one tell about itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat.environments.cache import atomic_write
from pytest_modelcompat.environments.docker.containers import Wanted, create, discard
from pytest_modelcompat.environments.docker.engine import RefusedError, connect
from pytest_modelcompat.environments.docker.once import Done, run_once
from pytest_modelcompat.environments.interpreters import PROBE, Interpreter, told_by
from pytest_modelcompat.environments.offer import Found, found_by, look
from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.errors import docker as words

if TYPE_CHECKING:
    from pytest_modelcompat.environments.docker.images import ImageFound
    from pytest_modelcompat.environments.docker.settings import ContainerSettings

__all__ = ["NoAnswerError", "Probed", "probe"]

SCHEMA = 3
SECONDS = 120.0  # emulated interpreters take their time
MEMORY = 2**30
_MARK = "modelcompat-probe:"
_EACH = PROBE + (
    "import importlib.util\n"
    "print(json.dumps([name for name in ('pip', 'ensurepip') if importlib.util.find_spec(name)]))\n"
)
# Runs on any Python, old ones included: it must come back with what there is.
_ALL = """\
import glob, json, os, subprocess, sys
each = sys.argv[1]
space = {}
exec(sys.argv[2], space)
seen, found, beside = [], [], os.environ.get("LD_LIBRARY_PATH", "").split(":")
places = os.environ.get("PATH", "").split(":")
places += ["/usr/local/bin", "/usr/bin", "/bin"] + sorted(glob.glob("/opt/*/bin"))
places += sorted(glob.glob("/opt/python/*/bin")) + sorted(glob.glob("/usr/lib/venv*/bin"))
names = ["python3", "python"] + ["python3.%d" % minor for minor in range(30)]
for name in sys.argv[3:] + [os.path.join(place, n) for n in names for place in places if place]:
    real = os.path.realpath(name)
    if not os.access(name, os.X_OK) or os.path.isdir(name) or real in seen:
        continue
    seen.append(real)
    process = subprocess.Popen([name, "-I", "-c", each], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    out = process.communicate()[0].decode("utf-8", "replace").strip().splitlines()
    if process.returncode == 0 and len(out) >= 2:
        found.append([name, out[-2], out[-1]])
        beside.append(os.path.join(os.path.dirname(os.path.dirname(real)), "lib"))
system = ""
try:
    for line in open("/etc/os-release"):
        if line.startswith("PRETTY_NAME="):
            system = line.split("=", 1)[1].strip().strip('"')
except (OSError, IOError):
    system = ""
print("\\n" + "modelcompat-probe:" + json.dumps({"machine": os.uname()[4], "system": system,
                                                 "found": found,
                                                 "libraries": space["offered"](beside)}))
"""
# For images whose only Python has an unusual name.
_SEARCH = """\
for one in /usr/bin/python3* /usr/local/bin/python3* /opt/*/bin/python3 /opt/python/*/bin/python; do
  case "$one" in *-config) continue ;; esac
  [ -x "$one" ] && exec "$one" "$@"
done
exit 127
"""
_NOT_THERE = re.compile(r"executable file not found|no such file or directory", re.IGNORECASE)
_FOREIGN = re.compile(r"exec format error", re.IGNORECASE)
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l", "386": "i686"}


class NoAnswerError(ModelcompatError):
    """The image could not be asked, in a sentence for the user."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What an image has.

    Attributes:
        machine: of its processor, as the kernel calls it there.
        system: its release, as it calls itself.
        pythons: the interpreters, the one that is meant by `python3` first.
        tools: of each, which of pip and ensurepip it has.
        libraries: what its loader finds by itself.
    """

    machine: str
    system: str
    pythons: tuple[Interpreter, ...] = ()
    tools: tuple[tuple[str, ...], ...] = ()
    libraries: Found = field(default_factory=Found)


def probe(image: ImageFound, settings: ContainerSettings, *, cache: Path, path: str = "") -> Probed:
    """What an image has, from the cache where its digest was asked before.

    Args:
        image: to ask.
        settings: of its containers.
        cache: the cache folder.
        path: an interpreter in an unusual place, looked at first.

    Raises:
        NoAnswerError: it cannot be asked.
        RefusedError: a container of it cannot be started, in the engine's words.
        EngineLostError, AbsentError: nobody answers.
    """
    key = json.dumps([SCHEMA, image.id, path])
    kept = cache / "images" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        return _read(json.loads(kept.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        facts = _ask(image, settings, path)
    answer = _understood(image, facts)
    plain = {**asdict(answer), "pythons": [_plain(python) for python in answer.pythons]}
    atomic_write(kept, json.dumps(plain), durable=False)
    return answer


def _plain(python: Interpreter) -> dict[str, Any]:
    return asdict(python) | {"path": str(python.path)}


def _read(plain: dict[str, Any]) -> Probed:
    return Probed(
        machine=plain["machine"],
        system=plain["system"],
        pythons=tuple(
            Interpreter(**{**python, "path": Path(python["path"])}) for python in plain["pythons"]
        ),
        tools=tuple(map(tuple, plain["tools"])),
        libraries=found_by(plain["libraries"]),
    )


def _ask(image: ImageFound, settings: ContainerSettings, path: str) -> dict[str, Any]:
    asked = ["-c", _ALL, _EACH, look(), *([path] if path else [])]
    refused = ""
    for command in (["python3", *asked], ["python", *asked], ["/bin/sh", "-c", _SEARCH, *asked]):
        if command[0] == "/bin/sh":
            command.insert(3, "sh")
        wanted = Wanted(
            image=image,
            command=tuple(command),
            settings=settings,
            role="probe",
            memory=MEMORY,
            seconds=SECONDS,
        )
        try:
            done = run_once(wanted)
        except RefusedError as error:
            if _FOREIGN.search(error.explanation):
                raise _foreign(image, error.explanation) from None
            if not _NOT_THERE.search(error.explanation):
                raise
            refused = error.explanation
            continue
        facts = _facts(image, done)
        if facts is not None:
            return facts
    return {"machine": "", "system": _system(image, settings), "found": [], "why": refused}


def _facts(image: ImageFound, done: Done) -> dict[str, Any] | None:
    for line in reversed(done.out.splitlines()):
        if line.startswith(_MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return found
    if _FOREIGN.search(done.err):
        raise _foreign(image, done.err)
    if done.code == 127:  # noqa: PLR2004 - nothing found, as every shell says it
        return None
    raise NoAnswerError(words.strange_answer(image.name, done.err or done.out))


def _foreign(image: ImageFound, explanation: str) -> NoAnswerError:
    machine = _MACHINES.get(image.architecture, image.architecture)
    return NoAnswerError(words.foreign_architecture(image.name, machine, explanation))


def _understood(image: ImageFound, facts: dict[str, Any]) -> Probed:
    pythons, tools = [], []
    try:
        for path, told, has in facts["found"]:
            pythons.append(told_by(json.loads(told), path=Path(path)))
            tools.append(tuple(map(str, json.loads(has))))
        libraries = found_by(facts["libraries"]) if "libraries" in facts else Found()
    except (ValueError, KeyError, TypeError):
        raise NoAnswerError(words.strange_answer(image.name, str(facts))) from None
    machine = facts["machine"] or _MACHINES.get(image.architecture, image.architecture)
    return Probed(
        machine=str(machine),
        system=str(facts["system"]),
        pythons=tuple(pythons),
        tools=tuple(tools),
        libraries=libraries,
    )


def _system(image: ImageFound, settings: ContainerSettings) -> str:
    """The release of an image that cannot run a probe, read out of a container never started."""
    wanted = Wanted(
        image=image, command=("/",), settings=settings, role="probe", memory=MEMORY, seconds=SECONDS
    )
    with connect() as own:
        container = create(own, wanted)
        try:
            with own.answering() as api:
                pieces, _ = api.get_archive(container, "/usr/lib/os-release")
                data = b"".join(pieces)
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                members = archive.getmembers()
                file = archive.extractfile(members[0]) if members else None
                text = file.read(1 << 16).decode("utf-8", "replace") if file else ""
        except (RefusedError, tarfile.TarError, KeyError):
            return ""  # an image of something else altogether
        finally:
            discard(own, container)
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.MULTILINE)
    return match[1] if match else ""
