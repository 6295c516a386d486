"""Stands between the host and a long command, and outlives neither of them.

Started as `python -I -S guard.py LINK HOST MODULES -- PROGRAM ARGUMENTS...`; standard library only,
imports nothing of this package. LINK is a socket shared with the host. The guard starts the program
in a session of its own, makes itself the parent of everything that the program orphans, and

* when the program ends, ends whatever it left behind, writes one line on LINK and ends:
  `exit N`, `signal N`, or `errno N` where the program could not be started;
* when LINK is closed (the host wants no more of it, or is dead, however it died), kills all of it.

With MODULES (a JSON list of folders, the host's `sys.path`; else "-") PROGRAM is a module of this
very Python, and runs in a fork of the guard: `python -m PROGRAM` without starting Python twice.

A process group is not enough for this: uv, nox and compilers start sessions and groups of their
own. Being the reaper of orphans is, because then "no child left" means "nothing left".
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import runpy
import select
import signal
import sys
import time
import traceback
from pathlib import Path

__all__ = ["descendants", "end_all", "main"]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 4.0  # seconds for the kernel to take killed processes away


def descendants(root: int) -> list[int]:
    """All processes below one, nearest first; processes come and go while this looks."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - a third of the time of iterdir
        if entry.isdigit():
            with contextlib.suppress(OSError):  # gone since the listing
                stat = Path("/proc", entry, "stat").read_bytes()
                # the name may hold blanks and brackets: the fields start after the last one
                parent = int(stat[stat.rindex(b")") + 2 :].split(b" ", 2)[1])
                children.setdefault(parent, []).append(int(entry))
    found = []
    waiting = [root]
    while waiting:
        for child in children.get(waiting.pop(0), ()):
            found.append(child)
            waiting.append(child)
    return found


def end_all(*, patience: float = PATIENCE) -> bool:
    """Kill everything below this process until nothing is left; true if that was reached.

    Only in a process that is the reaper of its orphans.
    """
    end = time.monotonic() + patience
    pause = 0.001
    while time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return False


def _run_module(argv: list[str], path: list[str]) -> int:
    """`python -m MODULE ARGUMENTS...`; its exit code."""
    gc.disable()  # short-lived, and a tenth of the time of importing
    sys.path[:] = path
    sys.argv = list(argv)
    try:
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201 - what Python does with it
        return 1
    except BaseException:  # noqa: BLE001 - the end of a program, whatever it is
        traceback.print_exc()
        return 1
    return 0


def _start(argv: list[str], path: list[str] | None, libc: ctypes.CDLL) -> tuple[int, int]:
    """Fork and execute; returns (pid, errno of the failed execution or 0)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            # second line of defence: someone may kill the guard itself
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            if path is not None:
                os.close(writer)
                code = _run_module(argv, path)
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                os._exit(code)
            os.execvp(argv[0], argv)  # noqa: S606 - the whole point; an argument list, no shell
        except OSError as error:
            os.write(writer, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writer)
    answer = os.read(reader, 16)
    os.close(reader)
    return pid, int(answer or b"0")


def _wait(pid: int, link: int, host: int) -> str | None:
    """Wait for the program or for the end of the host; what to tell the host, or None."""
    poller = select.poll()
    poller.register(link, select.POLLIN | select.POLLHUP)
    program = os.pidfd_open(pid)
    poller.register(program, select.POLLIN)
    with contextlib.suppress(ProcessLookupError):
        # a forked copy of the host may hold the other end of LINK after the host's death
        poller.register(os.pidfd_open(host), select.POLLIN)
    if os.getppid() != host:
        return None
    ready = {descriptor for descriptor, _ in poller.poll()}
    if program not in ready:
        return None
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit {code}"


def main(arguments: list[str]) -> int:
    """Run one program; see the module's docstring."""
    link, host, modules, argv = int(arguments[0]), int(arguments[1]), arguments[2], arguments[4:]
    path = None if modules == "-" else json.loads(modules)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # ends when LINK does, and only then
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.set_inheritable(link, False)  # noqa: FBT003 - os' own signature
    pid, error = _start(argv, path, libc)
    # Its pipes are the program's alone: the host must see their end when the program ends.
    with open(os.devnull, "r+b", buffering=0) as nothing:  # noqa: PTH123 - before all else
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)
    if error:
        os.waitpid(pid, 0)
        told: str | None = f"errno {error}"
    else:
        told = _wait(pid, link, host)
    end_all()
    if told is not None:
        with contextlib.suppress(OSError):  # the host went away meanwhile
            os.write(link, told.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
