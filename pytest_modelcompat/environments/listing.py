"""What an interpreter has: asked of itself, and made the lock of an environment that was there.

Such a lock has no hashes of wheels, for nobody can vouch for them any more. Instead it has a digest
of each distribution's own record of its files: the same version, built anew from other sources, is
another lock, and nothing that was measured with the one is reused for the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_modelcompat.environments.redact import command_environment
from pytest_modelcompat.environments.resolve import lock_from_text
from pytest_modelcompat.errors import environment as words
from pytest_modelcompat.runner.command import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_modelcompat.environments.protocol import EnvironmentSpec, Lock
    from pytest_modelcompat.runner.command import Completed

__all__ = ["SCRIPT", "Listing", "ask", "differences", "listing_of", "read_listing"]

TIMEOUT = 60.0
# Runs on Python 3.8 and newer. The first of a name on the path is the one that is imported. Rows
# that depend on where it was installed, or when, are left out. Of an editable one the sources
# themselves are looked at, by size and time.
SCRIPT = """\
import csv, hashlib, json, os
from importlib.metadata import distributions
from urllib.parse import unquote, urlsplit

def sources(folder):
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders
            if name[0] != "." and not os.path.exists(os.path.join(here, name, "pyvenv.cfg"))
        )
        for name in sorted(files):
            if name.endswith((".py", ".so", ".pyd")):
                state = os.stat(os.path.join(here, name))
                yield name, state.st_size, state.st_mtime_ns

def content(one):
    record = one.read_text("RECORD")
    if not record:
        return ""
    rows = [
        row for row in csv.reader(record.splitlines())
        if len(row) > 1 and row[1] and row[0][:3] != "../" and row[0][:1] != "/"
        and row[0].rpartition("/")[2] not in ("direct_url.json", "INSTALLER", "REQUESTED")
    ]
    rows.sort()
    origin = json.loads(one.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        rows += sources(unquote(urlsplit(origin["url"]).path))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

found = {}
for one in distributions():
    name = one.metadata["Name"]
    if name and name not in found:
        found[name] = [one.version, content(one)]
print("\\nlisting: " + json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What an interpreter has.

    Attributes:
        versions: normalised name -> version.
        lock: the same, with digests of what was installed.
    """

    versions: Mapping[str, str]
    lock: Lock


def ask(python: Path) -> Listing | str:
    """What an interpreter of this machine has, or why it does not say."""
    done = run(
        [python, "-I", "-c", SCRIPT], env=command_environment(), cwd=Path("/"), timeout=TIMEOUT
    )
    return listing_of(done)


def listing_of(done: Completed) -> Listing | str:
    """What the script has printed, or why it has not."""
    if not done.ok:
        return words.ended_badly(done.returncode, done.signal, done.err)
    return read_listing(done.out) or words.strange_answer(done.out)


def read_listing(out: str) -> Listing | None:
    """What the script has printed, among other things perhaps; None where it has not."""
    told = [line for line in out.splitlines() if line.startswith("listing: ")]
    if not told:
        return None
    listed = json.loads(told[-1].partition(" ")[2])
    named = {canonicalize_name(name): entry for name, entry in listed.items()}
    lines = []
    for name in sorted(named):
        version, content = named[name]
        lines.append(f"{name}=={version}\n")
        lines += [f"    # content sha256:{content}\n"] if content else []
    return Listing(
        versions={name: version for name, (version, _) in named.items()},
        lock=lock_from_text("".join(lines)),
    )


def differences(spec: EnvironmentSpec, version: str, has: Mapping[str, str]) -> list[str]:
    """In words, what the axes ask for and the environment does not have.

    Args:
        spec: what is asked for.
        version: of the interpreter, "3.12.1".
        has: normalised name -> version.
    """
    found = []
    asks = spec.python.split(".")
    is_release = spec.python.replace(".", "").isdigit()
    if is_release and version.split(".")[: len(asks)] != asks:
        found.append(f"Python {spec.python} is asked for, {version} is there")
    for text in spec.requirements:
        try:
            requirement = Requirement(text.removesuffix("==installed"))
        except InvalidRequirement:
            found.append(f"{text} cannot be read")
            continue
        python = {
            "python_version": ".".join(version.split(".")[:2]),
            "python_full_version": version,
        }
        if requirement.marker and not requirement.marker.evaluate(python):
            continue
        there = has.get(canonicalize_name(requirement.name))
        if there is None:
            found.append(f"{text} is asked for, {requirement.name} is not installed")
        elif not requirement.specifier.contains(there, prereleases=True):
            found.append(f"{text} is asked for, {there} is there")
    return found
