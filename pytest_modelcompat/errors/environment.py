"""Sentences about environments: interpreters, resolving, installing, starting.

They become a cell's `reason`: first what happened, then what is there or what to do. Explanations
of other tools follow on lines of their own.
"""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "broken_lock",
    "disk_full",
    "ended_badly",
    "environment_busy",
    "install_failed",
    "install_timed_out",
    "kind_not_offered",
    "network_failed",
    "no_answer",
    "no_file_there",
    "no_hash",
    "no_solution",
    "no_such_platform",
    "no_such_python",
    "no_tool",
    "not_a_python",
    "not_as_asked",
    "not_writable",
    "nothing_installed",
    "python_does_not_run",
    "python_too_old",
    "refused",
    "resolve_failed",
    "resolve_timed_out",
    "stale_lock_used",
    "strange_answer",
    "waiting",
    "wrong_hash",
]

_TAIL = 2000  # characters of a tool's output that still help a reader


def _after(text: str) -> str:
    text = text.strip()
    return f"\n{text[-_TAIL:]}" if text else ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def not_a_python(wanted: str) -> str:
    """The python axis holds something else."""
    return f"{wanted!r} is no Python version. Write it as 3.12 or 3.12.1, or give a path."


def python_too_old(version: str, oldest: tuple[int, ...]) -> str:
    """The worker cannot run there."""
    return (
        f"Python {version} is too old: the worker that runs inside a cell needs "
        f"{_dotted(oldest)} or newer."
    )


def no_such_python(wanted: str, here: Sequence[str]) -> str:
    """No interpreter of that version on this machine."""
    there = f"There is {', '.join(here)}." if here else "No CPython was found at all."
    return (
        f"No CPython {wanted} on this machine. {there} Looked at the running one, on PATH, and in "
        "the folders of pyenv and uv."
    )


def no_file_there(path: str) -> str:
    """An explicit path leads nowhere."""
    return f"There is no interpreter at {path}."


def python_does_not_run(path: str, why: str) -> str:
    """It is there, and broken."""
    return f"The interpreter {path} does not run: {why.strip()}"


def no_answer(seconds: float) -> str:
    """A probed program hangs."""
    return f"no answer within {seconds:g} s"


def ended_badly(code: int | None, number: int | None, output: str) -> str:
    """A probed program ended with an error."""
    if number is not None:
        try:
            how = f"killed by {signal.Signals(number).name}"
        except ValueError:
            how = f"killed by signal {number}"
    else:
        how = f"exit code {code}"
    return how + _after(output)


def strange_answer(output: str) -> str:
    """A probed program is no Python 3."""
    return f"it does not answer like Python: {output.strip()[:200]!r}"


def no_such_platform(machine: str, libc: str) -> str:
    """A machine or libc that nothing can be resolved for from here."""
    return (
        f"Packages cannot be chosen for a machine of kind {machine or 'unknown'} with "
        f"{libc.strip('- ') or 'an unknown libc'}: only x86_64, aarch64 and riscv64 Linux with "
        "glibc 2.17 or newer, or musl, and Android's arm64_v8a and x86_64 are known."
    )


def no_tool(name: str, why: str) -> str:
    """A program that this package depends on is missing or does not run."""
    return f"{name} does not run here ({why}). It is a dependency: reinstall pytest-modelcompat."


def no_solution(explanation: str) -> str:
    """The resolver says no."""
    return f"No set of packages fulfils the requirements.{_after(explanation)}"


def resolve_failed(explanation: str) -> str:
    """The resolver ended with something that is neither a lock nor a contradiction."""
    return f"The requirements could not be resolved.{_after(explanation)}"


def resolve_timed_out(seconds: float, explanation: str) -> str:
    """limits.install, for resolving."""
    return f"Resolving did not end within {seconds:g} s (limits.install).{_after(explanation)}"


def network_failed(stage: str, attempts: int, explanation: str) -> str:
    """The index is unreachable, broken or too slow."""
    times = "once" if attempts == 1 else f"{attempts} times"
    return (
        f"The package index could not be used while {stage} (tried {times}).{_after(explanation)}"
    )


def no_hash(packages: Sequence[str]) -> str:
    """An index that publishes no digests, and the wheel is not in a local folder."""
    return (
        f"The index gives no hash for {', '.join(packages)}, so nothing could vouch for what is "
        "installed. Use an index with hashes, or put the wheels into a local folder that "
        "UV_FIND_LINKS names."
    )


def stale_lock_used(day: str, explanation: str) -> str:
    """The index is out of reach, an older answer is at hand."""
    return f"The index could not be used, so the lock of {day} was.{_after(explanation)}"


def broken_lock(line: str) -> str:
    """The resolver's output is not what it should be."""
    return f"The resolver's answer could not be read at {line[:200]!r}."


def wrong_hash(explanation: str) -> str:
    """What the index serves is not what it announced."""
    return (
        "A downloaded package is not the one that was locked: its hash differs."
        f"{_after(explanation)}"
    )


def install_failed(explanation: str) -> str:
    """Nox or uv could not make the environment."""
    return f"The environment could not be installed.{_after(explanation)}"


def install_timed_out(seconds: float, explanation: str) -> str:
    """limits.install, for installing."""
    return (
        f"The installation did not end within {seconds:g} s (limits.install).{_after(explanation)}"
    )


def disk_full(place: str) -> str:
    """ENOSPC or a quota."""
    return f"The disk is full: no space left while writing under {place}. Free some and run again."


def not_writable(place: str, why: str) -> str:
    """The cache folder cannot be written."""
    return (
        f"Cannot write under {place}: {why}. Point MODELCOMPAT_CACHE to a folder that can be "
        "written."
    )


def refused(place: str, error: OSError) -> str:
    """The machine does not let a cell be worked on: a full disk, a read-only folder, the rest."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(place)
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return not_writable(place, "it is not a folder")
    missing = error.errno == errno.ENOENT and error.filename == place  # it cannot be made
    if missing or error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return not_writable(place, error.strerror or str(error))
    return f"Working under {place} failed: {error}."


def environment_busy(seconds: float) -> str:
    """Another run makes the same environment, and does not come to an end."""
    return (
        f"Another run has been making this environment for more than {seconds:g} s. If there is "
        "none, a process of it hangs: end it and run again."
    )


def waiting(place: str, owner: str, since: str) -> str:
    """What this run needs is just being made by another one."""
    who = f" (process {owner}, since {since})" if owner and since else ""
    return f"waiting for another run{who}, which is making {place}"


def kind_not_offered(kind: str) -> str:
    """A kind of environment of a plugin that is not here."""
    return f"No plugin here offers environments of kind {kind!r}: install the one that does."


def nothing_installed(requirement: str) -> str:
    """`installed` asks for what is there, and the cell's environment is made anew."""
    return (
        f"{requirement} asks for what an environment of your own has, but image 'host' makes a new "
        "one. Name yours: image: [{kind: python, value: /path/to/python}]."
    )


def not_as_asked(path: str, differences: Sequence[str]) -> str:
    """An environment that exists already holds something else than the axes say."""
    return f"The environment of {path} is not what the matrix asks for: {'; '.join(differences)}."
