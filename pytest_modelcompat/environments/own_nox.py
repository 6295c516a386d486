"""nox: a session of a given noxfile, installed and not run."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import TYPE_CHECKING

from pytest_modelcompat.environments.own import Job, Trouble, logged
from pytest_modelcompat.errors import places as words
from pytest_modelcompat.results.model import CellStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Nox"]

_NO_INTERPRETER = re.compile(r"Python interpreter \S+ not found")


class Nox:
    """Sessions of the user's own; see the module's docstring."""

    name = "nox"
    setting = "noxfile"

    def make(self, job: Job) -> tuple[Path, str] | Trouble:
        """Find the one session that is meant, and let nox install it."""
        session = _session(job)
        if isinstance(session, Trouble):
            return session
        done = job.call(
            "nox", "--nocolor", "-f", job.file, "--envdir", job.folder, "--reuse-venv", "yes",
            "--install-only", "--non-interactive", "--error-on-missing-interpreters",
            "-s", session,
        )  # fmt: skip
        log = logged(done)
        if not done.ok:
            if _NO_INTERPRETER.search(log):
                reason = words.no_own_interpreter("nox", job.name, log)
                return Trouble(status=CellStatus.UNAVAILABLE, reason=reason, log=log)
            return job.trouble("nox", done)
        python = _interpreter(job.folder, session)
        if python is None:
            reason = words.no_environment_of_its_own("nox", session)
            return Trouble(status=CellStatus.ENVIRONMENT_FAILED, reason=reason, log=log)
        return python, log


def _session(job: Job) -> str | Trouble:
    """The name of the one session that the image and the python axis mean."""
    done = job.call("nox", "--nocolor", "-f", job.file, "--list-sessions", "--json", "-s", job.name)
    if done.timed_out:
        return job.trouble("nox", done)
    listed = _listed(done.out.splitlines()) if done.ok else []
    fits = [one for one in listed if one.get("python") == job.spec.python]
    chosen = listed if len(listed) == 1 else fits
    if len(chosen) == 1:
        return str(chosen[0]["session"])
    log = logged(done)
    if listed:
        reason = words.many_sessions(job.name, [str(one["session"]) for one in listed])
    else:
        reason = words.no_such_session("nox", job.name, log)
    return Trouble(status=CellStatus.ENVIRONMENT_FAILED, reason=reason, log=log)


def _listed(lines: Iterable[str]) -> list[dict[str, object]]:
    """What nox answers, which comes after whatever the noxfile prints."""
    for line in reversed(list(lines)):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, list) and all(isinstance(one, dict) for one in found):
            return found
    return []


def _interpreter(folder: Path, session: str) -> Path | None:
    """The interpreter of the session's environment; those it requires have theirs beside it."""
    found = {path.parent.parent.name: path for path in folder.glob("*/bin/python")}
    if len(found) == 1:
        return next(iter(found.values()))
    plain = unicodedata.normalize("NFKD", session).encode("ascii", "ignore").decode("ascii")
    name = re.sub(r"[^\w\s-]", "-", plain).strip().lower()
    name = re.sub(r"[-\s]+", "-", name).strip("-")
    short = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:8]  # of a long path
    return found.get(name) or found.get(short)
