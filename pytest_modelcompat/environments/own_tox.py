"""tox: an environment of a given tox.ini or pyproject.toml, installed and not run."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_modelcompat.environments.own import Job, Trouble, logged
from pytest_modelcompat.errors import places as words
from pytest_modelcompat.results.model import CellStatus

__all__ = ["Tox"]

_NO_INTERPRETER = re.compile(r"could not find python interpreter", re.IGNORECASE)
_UNKNOWN = re.compile(r"provided environments not found", re.IGNORECASE)


class Tox:
    """Environments of the user's own; see the module's docstring."""

    name = "tox"
    setting = "config"

    def make(self, job: Job) -> tuple[Path, str] | Trouble:
        """Let tox install it, and say where its interpreter is."""
        where = ("-c", str(job.file), "--workdir", str(job.folder), "-e", job.name)
        done = job.call(
            "tox", "run", *where, "--notest", "--skip-missing-interpreters", "false",
            "--colored", "no",
        )  # fmt: skip
        log = logged(done)
        if not done.ok:
            if _NO_INTERPRETER.search(log):
                reason = words.no_own_interpreter("tox", job.name, log)
                return Trouble(status=CellStatus.UNAVAILABLE, reason=reason, log=log)
            if _UNKNOWN.search(log):
                reason = words.no_such_session("tox", job.name, log)
                return Trouble(status=CellStatus.ENVIRONMENT_FAILED, reason=reason, log=log)
            return job.trouble("tox", done)
        told = job.call("tox", "config", *where, "--colored", "no", "-k", "env_python")
        path = re.search(r"^env_python = (/.+)$", told.out, re.MULTILINE)
        if not told.ok or path is None or not Path(path[1]).exists():
            reason = words.no_environment_of_its_own("tox", job.name)
            return Trouble(status=CellStatus.ENVIRONMENT_FAILED, reason=reason, log=log)
        return Path(path[1]), log
