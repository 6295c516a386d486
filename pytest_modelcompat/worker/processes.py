"""Processes of a cell: starting the child, finding and ending what it leaves behind.

Supervisor and child are both *subreapers*: a process whose parent died is handed to them and not to
init, whatever it did with sessions and groups. So the descendants of a process are all that there
is to end, and `os.waitid` says in one system call that there are none.
"""

from __future__ import annotations

import os
import signal
import time

__all__ = [
    "adopt_orphans",
    "alone",
    "descendants",
    "die_with_parent",
    "end_descendants",
    "end_everybody",
    "has_children",
]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 5.0  # seconds for killed processes to disappear


def _prctl(option: int, value: int) -> bool:
    try:
        import ctypes  # noqa: PLC0415 - slow to import, and missing in minimal interpreters
    except ImportError:
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)


def adopt_orphans() -> bool:
    """Make this process the parent of its orphaned descendants; False where that is not to be."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when `parent` is gone."""
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before the kernel knew
        os._exit(1)


def has_children() -> bool:
    """Whether this process has any child, dead ones that nobody waited for included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descendants(root: int) -> dict[int, str]:
    """The living and dead processes below `root`: pid -> state as in /proc/PID/stat."""
    children: dict[int, list[tuple[int, str]]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/{}/stat".format(name), "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue  # gone meanwhile
            children.setdefault(int(fields[1]), []).append((int(name), fields[0].decode("ascii")))
    found, waiting = {}, [root]
    while waiting:
        for pid, state in children.get(waiting.pop(), ()):
            if pid not in found:
                found[pid] = state
                waiting.append(pid)
    return found


def end_descendants(keep: frozenset[int] = frozenset()) -> list[int]:
    """Kill and reap all descendants of this process but those in `keep`.

    Returns:
        The processes that were still alive.
    """
    ended: set[int] = set()
    limit, pause = time.monotonic() + _PATIENCE, 0.001
    while has_children():
        found = {pid: state for pid, state in descendants(os.getpid()).items() if pid not in keep}
        for pid, state in found.items():
            if state not in "ZX":
                ended.add(pid)
                _ignoring(os.kill, pid, signal.SIGKILL)
        for pid in found:
            _ignoring(os.waitpid, pid, os.WNOHANG)
        if not found or time.monotonic() > limit:
            break
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    return sorted(ended)


def alone() -> bool:
    """Whether every process that can be signalled from here is one of this session.

    So it is in a container of ours, which says so by a variable.
    """
    return "MODELCOMPAT_ALONE" in os.environ and os.getpid() != 1


def end_everybody() -> list[int]:
    """The supervisor's `end_descendants`: where we are alone, in one stroke first.

    The kernel signals all of them before any can start another one, which is the only way to end
    processes that do nothing else.

    Returns:
        The processes that were still alive.
    """
    if not alone():
        return end_descendants()
    found = descendants(os.getpid())
    _ignoring(os.kill, -1, signal.SIGKILL)
    return sorted({pid for pid, state in found.items() if state not in "ZX"} | {*end_descendants()})


def _ignoring(function, *arguments) -> None:
    try:
        function(*arguments)
    except (ProcessLookupError, ChildProcessError):
        return  # gone already, or not our own child: its parent is among those killed
